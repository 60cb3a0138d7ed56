/*
  Loading of the preloaded library, and the calls that read the wall clock.

  clock_getres() is not among them: the C library's answers are true of this clock.
*/

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "interpose.h"

#define WALL_CLOCKS (1U << CLOCK_REALTIME | 1U << CLOCK_REALTIME_COARSE | 1U << CLOCK_TAI)

#define FIND_NEXT(name) *(void **)&next.name = dlsym(RTLD_NEXT, #name);

/* <sys/timeb.h> is gone, programs that use it are not */
struct timeb {
  time_t time;
  unsigned short millitm;
  short timezone;
  short dstflag;
};

struct next next;
struct vclock wall_clock;
int interpose_loaded;
int interpose_on;

/* ================================================== */
/* A program that should have a clock of its own does not run with the host's because
   somebody forgot the page.  With one that is damaged it does, and says so: it may be
   running already, in a parent, and a clock that nobody can repair must not take the
   whole machine with it. */

static void
report(const char *what, int error)
{
  const char *why = error == EBADMSG ? "not a clock page, this is the host's clock" :
                    error == EPROTONOSUPPORT ?
                    "clock page of another version, this is the host's clock" :
                    strerror(error);

  dprintf(STDERR_FILENO, "libvclock: %s: %s\n", what, why);
}

static void __attribute__((noreturn))
die(const char *what, int error)
{
  report(what, error);
  _exit(127);
}

/* ================================================== */
/* The file's permissions decide whether this process may set the clock */

static int
map_clock(const char *path)
{
  int rc = page_map(&wall_clock, path, 1);

  if (rc == -EACCES || rc == -EPERM || rc == -EROFS)
    rc = page_map(&wall_clock, path, 0);
  return rc;
}

/* ================================================== */
/* Before main(), or earlier if a constructor of another library reads the time.
   An allocator that does so while we load gets the host's time. */

void __attribute__((constructor))
interpose_load(void)
{
  const char *path = getenv("VCLOCK_PAGE");
  int rc;

  if (interpose_loaded)
    return;
  interpose_loaded = 1;

  NEXT_CALLS(FIND_NEXT)

  rc = host_open();
  if (!path)
    return;
  if (rc < 0)
    die("/proc/self/timens_offsets", -rc);

  rc = map_clock(path);
  if (rc == -EBADMSG || rc == -EPROTONOSUPPORT) {
    report(path, -rc);
    return;
  }
  if (rc < 0)
    die(path, -rc);

  guard_page();
  __atomic_store_n(&interpose_on, 1, __ATOMIC_RELEASE);
}

/* ================================================== */

static int64_t __attribute__((noinline))
read_tai(void)
{
  struct vclock_status status;

  vclock_status(&wall_clock, -1, &status);
  return status.wall_ns + status.tai * NS_PER_S;
}

/* ================================================== */

/* The kernel has this clock only where it has one that can wake the machine */

static int __attribute__((noinline))
read_alarm(struct timespec *ts)
{
  int rc = next.clock_gettime(CLOCK_REALTIME_ALARM, ts);

  return rc == 0 && is_virtual() ? clock_gettime(CLOCK_REALTIME, ts) : rc;
}

/* ================================================== */

static int __attribute__((noinline))
gettime_other(clockid_t id, struct timespec *ts)
{
  if ((unsigned int)id < 32 && WALL_CLOCKS >> id & 1 && is_virtual()) {
    if (id != CLOCK_TAI)
      return clock_gettime(CLOCK_REALTIME, ts);
    model_split(read_tai(), ts);
    return 0;
  }

  if (!interpose_loaded)
    interpose_load();
  if (UNLIKELY(id == CLOCK_REALTIME_ALARM))
    return read_alarm(ts);
  return give(host_gettime(id, ts));
}

/* ================================================== */
/* What nearly all ask for, with as little around it as can be */

EXPORT int
clock_gettime(clockid_t id, struct timespec *ts)
{
  if (UNLIKELY(id != CLOCK_REALTIME || !__atomic_load_n(&interpose_on, __ATOMIC_RELAXED)))
    return gettime_other(id, ts);

  host_gettime(CLOCK_MONOTONIC_RAW, ts);
  page_tell(wall_clock.page, &host_raw_offset_ts, ts);
  return 0;
}

/* ================================================== */

/* The header promises that there is a place for the time; the kernel, and so programs, do
   without */

EXPORT int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
  struct timeval *volatile place = tv;
  struct timespec ts;

  if (tz)
    memset(tz, 0, sizeof (struct timezone));
  if (!place)
    return 0;

  clock_gettime(CLOCK_REALTIME, &ts);
  tv->tv_sec = ts.tv_sec;
  tv->tv_usec = ts.tv_nsec / NS_PER_US;
  return 0;
}

EXPORT int __gettimeofday(struct timeval *restrict tv, void *restrict tz)
  __attribute__((alias("gettimeofday"), copy(gettimeofday)));

/* ================================================== */

EXPORT time_t
time(time_t *t)
{
  struct timespec ts;

  clock_gettime(CLOCK_REALTIME_COARSE, &ts);
  if (t)
    *t = ts.tv_sec;
  return ts.tv_sec;
}

/* ================================================== */

EXPORT int
timespec_get(struct timespec *ts, int base)
{
  if (base != TIME_UTC && is_virtual())
    return next.timespec_get(ts, base);

  return clock_gettime(CLOCK_REALTIME, ts) == 0 ? base : 0;
}

/* ================================================== */

EXPORT int
ftime(struct timeb *tb)
{
  struct timespec ts;

  clock_gettime(CLOCK_REALTIME, &ts);
  memset(tb, 0, sizeof *tb);
  tb->time = ts.tv_sec;
  tb->millitm = ts.tv_nsec / (1000 * NS_PER_US);
  return 0;
}
