/*
  Waiting for a wall time, in the preloaded library.

  - wait.c         how far a wall time is away; clock_nanosleep()
  - wait_lock.c    mutexes, semaphores and queues, in slices
  - wait_futex.c   futexes and the ends of threads, in slices
  - wait_cond.c    condition variables
  - wait_timer.c   timers and timer descriptors: when they expire; wait_table.c has them
                   all, wait_calls.c and wait_posix.c their calls
  - wait_watch.c   the thread that looks after the last two when the clock changes

  Absolute times of the wall clocks are translated to when the virtual clock will
  show them, and again whenever the clock changes.  Relative times and other clocks
  are the host's.
*/

#ifndef WAIT_H
#define WAIT_H

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>

#include "interpose.h"

/* A wait that cannot be woken from outside looks at the clock this often */
#define SLICE_NS (5 * NS_PER_US * 1000)

/* Sleepers aim at a time in full from this distance on, and halve longer ones: the
   host's steering, of some 100 ppm between the raw clock and the timers of the
   kernel, then costs less than 0.1 ms. */
#define NEAR_NS NS_PER_S

static inline int
is_wall(clockid_t id)
{
  return id == CLOCK_REALTIME || id == CLOCK_TAI;
}

static inline int
is_valid(const struct timespec *ts)
{
  return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < NS_PER_S;
}

/* In ns; what does not fit is the end of time */
int64_t wait_flatten(const struct timespec *ts);

/* How long until a wall clock shows a time, see page_until() */
int64_t wait_left(clockid_t id, int64_t time, int64_t near);

/* The host's clock in ns from now */
struct timespec wait_later(clockid_t id, int64_t ns);

/* Attempts to get something within ns, 0 being at once: 0 or an error number */
typedef int (*wait_attempt)(void *thing, int64_t ns);

/* Attempt in slices until the wall clock shows the time: the last attempt's result */
int wait_slices(wait_attempt attempt, void *thing, const struct timespec *until);

/* The kernel's futex waits by the wall clock, from syscall(2): whether it was one */
int wait_futex(const long *a, long *result);

/* The watcher: a thread that is there once a timer or a condition needs it.  Its lock
   protects all of them; no signals come while it is held. */
void watch_enter(sigset_t *saved);
void watch_leave(const sigset_t *saved);
void watch_start(void);

/* Whether the memory is that of another process, which vfork() lets us run in */
int watch_is_foreign(void);

/* What the watcher does after each change and every now and then, with its lock held:
   conditions return the ns until they want to be seen to again */
void timers_tend(void);
void timers_forked(void);
int64_t conds_tend(uint64_t seq);
void conds_forked(void);

#endif
