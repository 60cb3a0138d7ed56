/*
  When timers of the wall clock expire, see wait_timer.h.
*/

#include <stdlib.h>
#include <sys/timerfd.h>

#include "wait_timer.h"

/* How far an expiry may be away to be aimed at in full, and by what part it is aimed
   late rather than early: more than the host's steering between two looks of the
   watcher */
#define TIMER_NEAR_NS (3600 * NS_PER_S)
#define LATE_SHIFT 13
#define LATE_MAX_NS (2 * NS_PER_US * 1000)

/* A timer that is this well aimed is left alone */
#define GOOD_AIM_NS (20 * NS_PER_US)

/* Descriptors that may be ours; beyond them the list is asked */
#define MARKS 4096

static struct timer *timers;
static unsigned char marks[MARKS];

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

/* ================================================== */

static void
arm_kernel(const struct timer *t, int64_t value, int64_t interval)
{
  const struct itimerspec its = {
    {interval / NS_PER_S, interval % NS_PER_S}, {value / NS_PER_S, value % NS_PER_S}
  };

  if (t->fd >= 0)
    next.timerfd_settime(t->fd, 0, &its, NULL);
  else
    next.timer_settime(t->id, 0, &its, NULL);
}

/* ================================================== */
/* Count what the kernel's timer has done since it was armed, and go on to what comes
   next */

static void
settle(struct timer *t, int64_t now)
{
  int64_t n;

  if (now < t->due)
    return;

  n = t->period ? (now - t->due) / t->period + 1 : 1;
  t->unread += n;

  if (t->interval) {
    t->wall += n * t->interval;
    t->due += n * t->period;
  } else {
    t->wall = t->due = NEVER;
  }
}

/* ================================================== */
/* After a step forward: all but the last of the expiries that lie behind */

static void
skip_missed(struct timer *t)
{
  int64_t now, missed;

  if (!t->interval)
    return;

  now = page_read(wall_clock.page, host_raw()) + t->interval;
  missed = (now - t->wall) / t->interval - 1;
  if (missed > 0) {
    t->wall += missed * t->interval;
    t->unread += missed;
  }
}

/* ================================================== */
/* The wall clock's interval on the kernel's clock, from the next expiry on */

static int64_t
get_period(const struct timer *t, int64_t left)
{
  int64_t period;

  if (!t->interval || t->interval > TIMER_NEAR_NS || left > TIMER_NEAR_NS)
    return t->interval;

  period = wait_left(t->clock, t->wall + t->interval, 2 * TIMER_NEAR_NS);
  return period == NEVER || period <= left ? t->interval : period - left;
}

/* ================================================== */

static int64_t
aim_late(int64_t left)
{
  int64_t late = left >> LATE_SHIFT;

  return left + (late < LATE_MAX_NS ? late : LATE_MAX_NS);
}

/* ================================================== */
/* A descriptor with something to be read stays ready: arming takes that away, so an
   expiry at once brings it back */

static void
aim(struct timer *t)
{
  int64_t now = host_read(CLOCK_MONOTONIC), due, left, ready;

  settle(t, now);
  if (t->wall != NEVER && !wait_left(t->clock, t->wall, TIMER_NEAR_NS))
    skip_missed(t);

  ready = t->fd >= 0 && (t->cancelled || (t->unread && t->interval));
  left = t->wall == NEVER ? NEVER : wait_left(t->clock, t->wall, TIMER_NEAR_NS);

  if (left == NEVER) {
    t->due = NEVER;
    if (t->wall != NEVER || ready)
      arm_kernel(t, ready, 0);
    return;
  }

  left = aim_late(left);
  due = now + left;
  if (!ready && t->due != NEVER && llabs(due - t->due) < GOOD_AIM_NS)
    return;

  t->due = due;
  t->period = get_period(t, left);
  if (ready)
    arm_kernel(t, 1, left > 0 ? left : 1);
  else
    arm_kernel(t, left > 0 ? left : 1, t->period);
}

/* ================================================== */

void
timers_tend(void)
{
  uint64_t seq = page_seq(wall_clock.page);
  struct timer *t;

  for (t = timers; t; t = t->next) {
    if (!t->absolute)
      continue;
    if (t->cancel_on_set && page_stepped(wall_clock.page, t->seq))
      t->cancelled = 1;
    t->seq = seq;
    aim(t);
  }
}

/* ================================================== */

void
timer_set(struct timer *t, const struct itimerspec *value, int cancel_on_set)
{
  t->absolute = value != NULL;
  t->cancel_on_set = cancel_on_set;
  t->cancelled = t->unread = 0;
  t->wall = t->due = NEVER;
  if (!value)
    return;

  t->seq = page_seq(wall_clock.page);
  t->wall = wait_flatten(&value->it_value);
  t->interval = wait_flatten(&value->it_interval);
  aim(t);
  watch_start();
}

/* ================================================== */

void
timer_get(struct timer *t, struct itimerspec *value)
{
  struct timespec now;
  int64_t left = 0;

  settle(t, host_read(CLOCK_MONOTONIC));

  if (t->wall != NEVER) {
    clock_gettime(t->clock, &now);
    left = t->wall - wait_flatten(&now);
    if (left <= 0)
      left = 1;
  }
  model_split(left, &value->it_value);
  model_split(t->interval, &value->it_interval);
}

/* ================================================== */

uint64_t
timer_take(struct timer *t)
{
  uint64_t n;

  settle(t, host_read(CLOCK_MONOTONIC));
  n = t->cancelled ? 0 : t->unread ? t->unread : 1;
  t->cancelled = t->unread = 0;
  if (t->interval || !n)
    aim(t);
  return n;
}
