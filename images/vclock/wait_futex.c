/*
  Futexes and the ends of threads with a limit on the wall clock, in slices as the locks
  of wait_lock.c.
*/

#include "futex.h"
#include "wait.h"

/* ================================================== */
/* By the monotonic clock where the kernel can; FUTEX_LOCK_PI knows the host's wall clock
   only */

static int
try_futex(void *thing, int64_t ns)
{
  const long *a = thing;
  int is_lock = (a[1] & FUTEX_COMMAND) == FUTEX_LOCK_PI;
  struct timespec until = wait_later(is_lock ? CLOCK_REALTIME : CLOCK_MONOTONIC, ns);

  return next.syscall(SYS_futex, a[0], a[1] & ~FUTEX_CLOCK_REALTIME, a[2], &until, a[4], a[5]) < 0
         ? errno : 0;
}

/* ================================================== */
/* FUTEX_WAIT is not one: its time is relative */

static int
is_until_wall(int operation)
{
  switch (operation & FUTEX_COMMAND) {
    case FUTEX_LOCK_PI:
      return 1;
    case FUTEX_WAIT_BITSET:
    case FUTEX_WAIT_REQUEUE_PI:
    case FUTEX_LOCK_PI2:
      return (operation & FUTEX_CLOCK_REALTIME) != 0;
    default:
      return 0;
  }
}

/* ================================================== */

int
wait_futex(const long *a, long *result)
{
  const struct timespec *until = (void *)a[3];

  if (!is_until_wall(a[1]) || !until || !is_valid(until))
    return 0;

  *result = give(-wait_slices(try_futex, (void *)a, until));
  return 1;
}

/* ================================================== */

struct ending {
  pthread_t thread;
  void **result;
};

static int
try_join(void *thing, int64_t ns)
{
  const struct ending *e = thing;
  struct timespec until;

  if (next.pthread_clockjoin_np) {
    until = wait_later(CLOCK_MONOTONIC, ns);
    return next.pthread_clockjoin_np(e->thread, e->result, CLOCK_MONOTONIC, &until);
  }
  until = wait_later(CLOCK_REALTIME, ns);
  return next.pthread_timedjoin_np(e->thread, e->result, &until);
}

/* ================================================== */

EXPORT int
pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *until)
{
  struct ending e = {thread, result};

  if (!is_virtual() || !until || !is_valid(until))
    return next.pthread_timedjoin_np(thread, result, until);

  return wait_slices(try_join, &e, until);
}

/* ================================================== */

#ifdef __GLIBC__
EXPORT int
pthread_clockjoin_np(pthread_t thread, void **result, clockid_t id, const struct timespec *until)
{
  struct ending e = {thread, result};

  if (!is_virtual() || id != CLOCK_REALTIME || !until || !is_valid(until))
    return next.pthread_clockjoin_np(thread, result, id, until);

  return wait_slices(try_join, &e, until);
}
#endif
