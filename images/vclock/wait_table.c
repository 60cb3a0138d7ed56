/*
  The timers of the wall clock that there are, see wait_timer.h.
*/

#include <stdlib.h>

#include "wait_timer.h"

/* Descriptors that may be ours; beyond them the list is asked */
#define MARKS 4096

static struct timer *timers;
static unsigned char marks[MARKS];

/* ================================================== */

struct timer *
timers_first(void)
{
  return timers;
}

/* ================================================== */

int
timers_exist(void)
{
  return __atomic_load_n(&timers, __ATOMIC_ACQUIRE) != NULL;
}

int
timer_may_be(int fd)
{
  if (LIKELY(!timers_exist()) || fd < 0)
    return 0;
  return fd >= MARKS || __atomic_load_n(&marks[fd], __ATOMIC_RELAXED);
}

static void
mark_fd(int fd, int value)
{
  if (fd >= 0 && fd < MARKS)
    __atomic_store_n(&marks[fd], value, __ATOMIC_RELAXED);
}

/* ================================================== */

struct timer *
timer_of_fd(int fd)
{
  struct timer *t = timers;

  while (t && t->fd != fd)
    t = t->next;
  return t;
}

struct timer *
timer_of_id(timer_t id)
{
  struct timer *t = timers;

  while (t && (t->fd >= 0 || t->id != id))
    t = t->next;
  return t;
}

/* ================================================== */

struct timer *
timer_add(clockid_t clock, int fd, timer_t id)
{
  struct timer *t = calloc(1, sizeof *t);

  if (!t)
    return NULL;

  t->clock = clock;
  t->fd = fd;
  t->id = id;
  t->wall = t->due = NEVER;
  t->next = timers;
  mark_fd(fd, 1);
  __atomic_store_n(&timers, t, __ATOMIC_RELEASE);
  return t;
}

/* ================================================== */

void
timer_drop(struct timer *t)
{
  struct timer **link = &timers;

  while (*link != t)
    link = &(*link)->next;

  __atomic_store_n(link, t->next, __ATOMIC_RELEASE);
  mark_fd(t->fd, 0);
  free(t);
}

/* ================================================== */

void
timers_drop_fds(unsigned int first, unsigned int last)
{
  struct timer *t, *following;

  for (t = timers; t; t = following) {
    following = t->next;
    if (t->fd >= 0 && (unsigned int)t->fd >= first && (unsigned int)t->fd <= last)
      timer_drop(t);
  }
}

/* ================================================== */
/* Descriptors are inherited, the other timers are not */

void
timers_forked(void)
{
  struct timer *t, *following;

  for (t = timers; t; t = following) {
    following = t->next;
    if (t->fd < 0)
      timer_drop(t);
  }
}
