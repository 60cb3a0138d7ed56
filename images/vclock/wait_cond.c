/*
  Condition variables with a limit on the wall clock.

  Who waits on one can be woken by anybody without harm: a wake-up without reason is
  allowed, and the program looks at its condition and waits again.  So the watcher
  wakes all that wait on the wall clock when it changes, and nobody looks at it in
  between.
*/

#include <threads.h>

#include "wait.h"

/* Aiming late rather than early, by 1/4096: more than the host's steering */
#define LATE_SHIFT 12

/* How soon the watcher wakes a waiter again that it seems to have missed: he had read
   the clock and was not asleep yet, or waits for his mutex */
#define FIRST_RETRY_NS (2 * NS_PER_US * 1000)
#define LAST_RETRY_NS (64 * NS_PER_US * 1000)

/* A wait in progress, on the stack of who waits */
struct waiter {
  struct waiter *next, **link;
  pthread_cond_t *cond;
  uint64_t seq;                 /* of the clock by which he set out */
};

static struct waiter *waiters;

/* Where in a condition variable its clock is */
static struct {
  int known;
  size_t at;
  unsigned char mask, monotonic;
} mark;

/* ================================================== */
/* The C library tells nobody on which clock a condition waits; two that differ in
   nothing else tell where it keeps that */

static void
find_mark(void)
{
  pthread_cond_t conds[2];
  const unsigned char *a = (void *)&conds[0], *b = (void *)&conds[1];
  pthread_condattr_t attr;
  size_t i;

  memset(conds, 0, sizeof conds);
  pthread_condattr_init(&attr);
  pthread_cond_init(&conds[0], &attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&conds[1], &attr);
  pthread_condattr_destroy(&attr);

  for (i = 0; i < sizeof *conds; i++) {
    if (a[i] != b[i]) {
      mark.at = i;
      mark.mask = a[i] ^ b[i];
      mark.monotonic = b[i] & mark.mask;
      mark.known = 1;
      return;
    }
  }
}

/* ================================================== */

static int
is_on_wall(const pthread_cond_t *cond)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  unsigned char byte;

  pthread_once(&once, find_mark);
  byte = __atomic_load_n((const unsigned char *)cond + mark.at, __ATOMIC_RELAXED);
  return mark.known && (byte & mark.mask) != mark.monotonic;
}

/* ================================================== */

static void
enter(struct waiter *w)
{
  sigset_t saved;

  watch_enter(&saved);
  w->next = waiters;
  w->link = &waiters;
  if (w->next)
    w->next->link = &w->next;
  waiters = w;
  watch_start();
  watch_leave(&saved);
}

/* ================================================== */

static void
drop(struct waiter *w)
{
  if (!w->link)
    return;
  *w->link = w->next;
  if (w->next)
    w->next->link = w->link;
  w->link = NULL;
}

static void
leave(void *thing)
{
  sigset_t saved;

  watch_enter(&saved);
  drop(thing);
  watch_leave(&saved);
}

/* ================================================== */

static int
wait_once(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t ns)
{
  struct timespec until;

  if (next.pthread_cond_clockwait) {
    until = wait_later(CLOCK_MONOTONIC, ns);
    return next.pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, &until);
  }
  until = wait_later(CLOCK_REALTIME, ns);
  return next.pthread_cond_timedwait(cond, mutex, &until);
}

/* ================================================== */
/* Too early is a wake-up without reason: waiting on instead could miss a signal whose
   sender changed the condition before we had the mutex again */

static int
wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
  struct waiter w = {.cond = cond, .seq = page_seq(wall_clock.page)};
  int64_t time = wait_flatten(until), left = wait_left(CLOCK_REALTIME, time, NEAR_NS);
  int rc;

  /* Late enough to be woken before, however often it is halved */
  if (left > 3600 * NS_PER_S)
    left = 3600 * NS_PER_S;

  enter(&w);
  pthread_cleanup_push(leave, &w);
  rc = wait_once(cond, mutex, left + (left >> LATE_SHIFT));
  pthread_cleanup_pop(1);

  return rc == ETIMEDOUT && left && wait_left(CLOCK_REALTIME, time, NEAR_NS) ? 0 : rc;
}

/* ================================================== */

EXPORT int
pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                       const struct timespec *restrict until)
{
  if (!is_virtual() || !is_valid(until) || !is_on_wall(cond))
    return next.pthread_cond_timedwait(cond, mutex, until);

  return wait_until(cond, mutex, until);
}

/* ================================================== */

#ifdef __GLIBC__
EXPORT int
pthread_cond_clockwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                       clockid_t id, const struct timespec *restrict until)
{
  if (!is_virtual() || id != CLOCK_REALTIME || !is_valid(until))
    return next.pthread_cond_clockwait(cond, mutex, id, until);

  return wait_until(cond, mutex, until);
}
#endif

/* ================================================== */
/* C11's are the others' under another name, in all C libraries of Linux */

EXPORT int
cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until)
{
  int rc = pthread_cond_timedwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, until);

  return rc == 0 ? thrd_success : rc == ETIMEDOUT ? thrd_timedout : thrd_error;
}

/* ================================================== */
/* Who has woken the last waiter may destroy a condition before that one is back here */

EXPORT int
pthread_cond_destroy(pthread_cond_t *cond)
{
  struct waiter *w, *following;
  sigset_t saved;

  if (!interpose_loaded)
    interpose_load();

  if (__atomic_load_n(&waiters, __ATOMIC_RELAXED)) {
    watch_enter(&saved);
    for (w = waiters; w; w = following) {
      following = w->next;
      if (w->cond == cond)
        drop(w);
    }
    watch_leave(&saved);
  }
  return next.pthread_cond_destroy(cond);
}

EXPORT void
cnd_destroy(cnd_t *cond)
{
  pthread_cond_destroy((pthread_cond_t *)cond);
}

/* ================================================== */

int64_t
conds_tend(uint64_t seq)
{
  static uint64_t tended;
  static int64_t retry;
  struct waiter *w;
  int stale = 0;

  retry = seq != tended || !retry ? FIRST_RETRY_NS : retry < LAST_RETRY_NS ? 2 * retry : retry;
  tended = seq;

  for (w = waiters; w; w = w->next) {
    if (w->seq != seq) {
      pthread_cond_broadcast(w->cond);
      stale = 1;
    }
  }
  return stale ? retry : PAGE_NEVER;
}

/* ================================================== */
/* The threads that waited are not in the child */

void
conds_forked(void)
{
  waiters = NULL;
}
