/*
  The calls that set the wall clock, and those that read its discipline.
*/

#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "interpose.h"

#define US_PER_S 1000000

/* adjtime(3) refuses what does not fit into 32 bits of microseconds */
#define MAX_ADJTIME_S (INT_MAX / US_PER_S - 2)
#define MIN_ADJTIME_S (INT_MIN / US_PER_S + 2)

#define MAX_TIMEZONE_MIN (15 * 60)

/* ================================================== */

EXPORT int
clock_settime(clockid_t id, const struct timespec *ts)
{
  if (!is_virtual() || id != CLOCK_REALTIME)
    return next.syscall(SYS_clock_settime, id, ts);

  return give(vclock_settime(&wall_clock, -1, ts));
}

/* ================================================== */
/* The time zone of the kernel is not a matter of the clock: checked, not kept.  The
   kernel asks for the permission first. */

static int
set_timezone(const struct timezone *tz)
{
  if (!wall_clock.writable)
    return give(-EPERM);
  if (tz->tz_minuteswest < -MAX_TIMEZONE_MIN || tz->tz_minuteswest > MAX_TIMEZONE_MIN)
    return give(-EINVAL);
  return 0;
}

/* ================================================== */

EXPORT int
settimeofday(const struct timeval *tv, const struct timezone *tz)
{
  struct timespec ts;

  if (tz) {
    if (tv)
      return give(-EINVAL);
    return is_virtual() ? set_timezone(tz) : (int)next.syscall(SYS_settimeofday, tv, tz);
  }

  if (!tv)
    return give(-EFAULT);

  /* What is out of range is left to clock_settime(), and wraps, as in the C library */
  ts.tv_sec = tv->tv_sec;
  ts.tv_nsec = (uint64_t)tv->tv_usec * NS_PER_US;
  return clock_settime(CLOCK_REALTIME, &ts);
}

/* ================================================== */

EXPORT int
stime(const time_t *t)
{
  struct timespec ts = {.tv_sec = *t};

  return clock_settime(CLOCK_REALTIME, &ts);
}

/* ================================================== */

EXPORT int
clock_adjtime(clockid_t id, struct timex *tx)
{
  if (!is_virtual() || id != CLOCK_REALTIME)
    return next.syscall(SYS_clock_adjtime, id, tx);

  return give(vclock_adjtimex(&wall_clock, -1, tx));
}

/* ================================================== */

EXPORT int
adjtimex(struct timex *tx)
{
  return clock_adjtime(CLOCK_REALTIME, tx);
}

EXPORT int __adjtimex(struct timex *tx) __attribute__((alias("adjtimex"), copy(adjtimex)));
EXPORT int ntp_adjtime(struct timex *tx) __attribute__((alias("adjtimex"), copy(adjtimex)));

/* ================================================== */

EXPORT int
adjtime(const struct timeval *delta, struct timeval *olddelta)
{
  struct timex tx = {.modes = ADJ_OFFSET_SS_READ};
  int64_t s;

  if (delta) {
    s = delta->tv_sec + delta->tv_usec / US_PER_S;
    if (s < MIN_ADJTIME_S || s > MAX_ADJTIME_S)
      return give(-EINVAL);
    tx.modes = ADJ_OFFSET_SINGLESHOT;
    tx.offset = s * US_PER_S + delta->tv_usec % US_PER_S;
  }

  if (clock_adjtime(CLOCK_REALTIME, &tx) < 0)
    return -1;

  if (olddelta) {
    olddelta->tv_sec = tx.offset / US_PER_S;
    olddelta->tv_usec = tx.offset % US_PER_S;
  }
  return 0;
}

/* ================================================== */
/* Calls that only glibc has */

#ifdef __GLIBC__

EXPORT int
ntp_gettimex(struct ntptimeval *ntv)
{
  struct timex tx = {.modes = 0};
  int state = clock_adjtime(CLOCK_REALTIME, &tx);

  memset(ntv, 0, sizeof *ntv);
  ntv->time = tx.time;
  ntv->maxerror = tx.maxerror;
  ntv->esterror = tx.esterror;
  ntv->tai = tx.tai;
  return state;
}

/* ================================================== */
/* The older of the two, which new programs cannot name: <sys/timex.h> sends them to
   ntp_gettimex().  Its result is shorter. */

struct old_ntptimeval {
  struct timeval time;
  long maxerror;
  long esterror;
};

EXPORT int get_old_ntptime(struct old_ntptimeval *ntv) __asm__("ntp_gettime");

int
get_old_ntptime(struct old_ntptimeval *ntv)
{
  struct timex tx = {.modes = 0};
  int state = clock_adjtime(CLOCK_REALTIME, &tx);

  ntv->time = tx.time;
  ntv->maxerror = tx.maxerror;
  ntv->esterror = tx.esterror;
  return state;
}

#endif
