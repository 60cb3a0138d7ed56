/*
  How far a wall time is away, and sleeping until then, see wait.h.
*/

#include <unistd.h>

#include "wait.h"

/* An end of time that can still be calculated with */
#define END_NS (INT64_MAX / 2)

/* The longest sleep on a clock that stands still, for want of a signal's end to a
   sleep without a limit */
#define FROZEN_NS (3600 * NS_PER_S)

/* ================================================== */

int64_t
wait_flatten(const struct timespec *ts)
{
  if (ts->tv_sec < 0)
    return 0;
  if (ts->tv_sec >= END_NS / NS_PER_S)
    return END_NS;
  return ts->tv_sec * NS_PER_S + ts->tv_nsec;
}

/* ================================================== */

int64_t
wait_left(clockid_t id, int64_t time, int64_t near)
{
  struct vclock_status status;

  if (id == CLOCK_TAI) {
    vclock_status(&wall_clock, -1, &status);
    time -= status.tai * NS_PER_S;
  }
  return page_until(wall_clock.page, host_raw(), time, near);
}

/* ================================================== */

struct timespec
wait_later(clockid_t id, int64_t ns)
{
  struct timespec ts;

  host_gettime(id, &ts);
  ts.tv_sec += (ts.tv_nsec + ns) / NS_PER_S;
  ts.tv_nsec = (ts.tv_nsec + ns) % NS_PER_S;
  return ts;
}

/* ================================================== */

int
wait_slices(wait_attempt attempt, void *thing, const struct timespec *until)
{
  int64_t left, time = wait_flatten(until);
  int rc;

  do {
    left = wait_left(CLOCK_REALTIME, time, NEAR_NS);
    rc = attempt(thing, left < SLICE_NS ? left : SLICE_NS);
  } while (rc == ETIMEDOUT && left > 0);

  return rc;
}

/* ================================================== */
/* A point where a thread can be cancelled, as the kernel's sleep */

static int
sleep_on_page(uint64_t seq, int64_t ns)
{
  int rc, type;

  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
  rc = page_sleep(wall_clock.page, seq, ns < FROZEN_NS ? ns : FROZEN_NS);
  pthread_setcanceltype(type, NULL);
  return rc;
}

/* ================================================== */

static int
sleep_until(clockid_t id, int64_t time)
{
  int64_t left;
  uint64_t seq;

  pthread_testcancel();

  for (;;) {
    seq = page_seq(wall_clock.page);
    left = wait_left(id, time, NEAR_NS);
    if (!left)
      return 0;
    if (sleep_on_page(seq, left) == -EINTR)
      return EINTR;
  }
}

/* ================================================== */

EXPORT int
clock_nanosleep(clockid_t id, int flags, const struct timespec *time, struct timespec *left)
{
  const struct timespec past = {0, 0};
  int rc;

  /* Whether the kernel allows alarms, it tells who waits for what is past */
  if (id == CLOCK_REALTIME_ALARM && is_virtual() && flags == TIMER_ABSTIME && time &&
      is_valid(time)) {
    rc = next.clock_nanosleep(id, flags, &past, NULL);
    return rc ? rc : sleep_until(CLOCK_REALTIME, wait_flatten(time));
  }

  if (!is_virtual() || !is_wall(id) || !(flags & TIMER_ABSTIME) || !time || !is_valid(time))
    return next.clock_nanosleep(id, flags, time, left);

  return sleep_until(id, wait_flatten(time));
}
