/*
  What the files of the preloaded library share.

  interpose.c finds the clock page and reads it, interpose_set.c sets the clock,
  interpose_packets.c translates packet stamps, interpose_syscall.c sends syscall(2) to
  the others, and wait*.c wait for wall times, see wait.h.  No arithmetic of clocks is
  in them.

  Without VCLOCK_PAGE in the environment there is no virtual clock, and every call
  gets what the C library would have given.
*/

#ifndef INTERPOSE_H
#define INTERPOSE_H

#include <errno.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "page.h"
#include "vclock.h"

#define EXPORT __attribute__((visibility("default")))

/* Calls that only glibc has */
#ifndef __GLIBC__
int pthread_cond_clockwait(pthread_cond_t *, pthread_mutex_t *, clockid_t,
                           const struct timespec *);
int pthread_mutex_clocklock(pthread_mutex_t *, clockid_t, const struct timespec *);
int pthread_rwlock_clockrdlock(pthread_rwlock_t *, clockid_t, const struct timespec *);
int pthread_rwlock_clockwrlock(pthread_rwlock_t *, clockid_t, const struct timespec *);
int sem_clockwait(sem_t *, clockid_t, const struct timespec *);
int pthread_clockjoin_np(pthread_t, void **, clockid_t, const struct timespec *);
int close_range(unsigned int, unsigned int, int);
void closefrom(int);
#endif

/* The calls that come next after ours, in the C library as a rule; NULL for those that
   it has not */
#define NEXT_CALLS(X) \
  X(syscall) X(recvmsg) X(recvmmsg) X(timespec_get) X(clock_gettime) \
  X(clock_nanosleep) \
  X(pthread_mutex_timedlock) X(pthread_mutex_clocklock) \
  X(pthread_rwlock_timedrdlock) X(pthread_rwlock_clockrdlock) \
  X(pthread_rwlock_timedwrlock) X(pthread_rwlock_clockwrlock) \
  X(sem_timedwait) X(sem_clockwait) X(mq_timedsend) X(mq_timedreceive) \
  X(pthread_cond_timedwait) X(pthread_cond_clockwait) X(pthread_cond_destroy) \
  X(timerfd_create) X(timerfd_settime) X(timerfd_gettime) \
  X(timer_create) X(timer_settime) X(timer_gettime) X(timer_delete) \
  X(pthread_timedjoin_np) X(pthread_clockjoin_np) X(read) X(readv) X(close) X(dup2) X(dup3) X(close_range) X(closefrom)

#define DECLARE_NEXT(name) __typeof__(name) *name;

struct next {
  NEXT_CALLS(DECLARE_NEXT)
};

extern struct next next;
extern struct vclock wall_clock;

/* Fill both.  Ends the process if there should be a clock page and is none. */
void interpose_load(void);
extern int interpose_loaded;

/* Whether there is a virtual clock.  It may be lost; wall_clock.page stays readable. */
extern int interpose_on;

/* Survive a page that is taken away */
void guard_page(void);

static inline int
is_virtual(void)
{
  if (LIKELY(__atomic_load_n(&interpose_on, __ATOMIC_RELAXED)))
    return 1;
  if (!interpose_loaded)
    interpose_load();
  return interpose_on;
}

/* A kernel's result, 0 or more or a negative errno, as the C library returns it */
static inline int
give(int rc)
{
  if (LIKELY(rc >= 0))
    return rc;
  errno = -rc;
  return -1;
}

#endif
