/*
  Locks, semaphores and message queues with a limit on the wall clock.

  None of them can be woken from outside without being had, so the wait is cut into
  slices of SLICE_NS.  That loses nothing: what comes between two slices is there at
  the next.  Only a wait that blocks costs that.
*/

#include <mqueue.h>
#include <semaphore.h>
#include <threads.h>

#include "wait.h"

/* ================================================== */
/* The host's monotonic clock where the C library can wait by it; it cannot for some
   kinds of lock, which it says with EINVAL */

#define TRY_LOCK(name, type, timed, clocked)                                            \
  static int                                                                            \
  name(void *lock, int64_t ns)                                                          \
  {                                                                                     \
    struct timespec until = wait_later(CLOCK_MONOTONIC, ns);                            \
    int rc = next.clocked ? next.clocked(lock, CLOCK_MONOTONIC, &until) : EINVAL;       \
                                                                                        \
    if (rc != EINVAL)                                                                   \
      return rc;                                                                        \
    until = wait_later(CLOCK_REALTIME, ns);                                             \
    return next.timed(lock, &until);                                                    \
  }                                                                                     \
                                                                                        \
  EXPORT int                                                                            \
  timed(type *lock, const struct timespec *until)                                       \
  {                                                                                     \
    if (!is_virtual() || !is_valid(until))                                              \
      return next.timed(lock, until);                                                   \
    return wait_slices(name, lock, until);                                              \
  }

#define CLOCKED_LOCK(name, type, clocked)                                               \
  EXPORT int                                                                            \
  clocked(type *lock, clockid_t id, const struct timespec *until)                       \
  {                                                                                     \
    if (!is_virtual() || id != CLOCK_REALTIME || !is_valid(until))                      \
      return next.clocked(lock, id, until);                                             \
    return wait_slices(name, lock, until);                                              \
  }

TRY_LOCK(try_mutex, pthread_mutex_t, pthread_mutex_timedlock, pthread_mutex_clocklock)
TRY_LOCK(try_rdlock, pthread_rwlock_t, pthread_rwlock_timedrdlock, pthread_rwlock_clockrdlock)
TRY_LOCK(try_wrlock, pthread_rwlock_t, pthread_rwlock_timedwrlock, pthread_rwlock_clockwrlock)

#ifdef __GLIBC__
CLOCKED_LOCK(try_mutex, pthread_mutex_t, pthread_mutex_clocklock)
CLOCKED_LOCK(try_rdlock, pthread_rwlock_t, pthread_rwlock_clockrdlock)
CLOCKED_LOCK(try_wrlock, pthread_rwlock_t, pthread_rwlock_clockwrlock)
#endif

/* ================================================== */
/* C11's mutexes are the others' under another name, in all C libraries of Linux */

EXPORT int
mtx_timedlock(mtx_t *restrict lock, const struct timespec *restrict until)
{
  int rc = pthread_mutex_timedlock((pthread_mutex_t *)lock, until);

  return rc == 0 ? thrd_success : rc == ETIMEDOUT ? thrd_timedout : thrd_error;
}

/* ================================================== */

static int
try_semaphore(void *semaphore, int64_t ns)
{
  struct timespec until;
  int rc;

  if (next.sem_clockwait) {
    until = wait_later(CLOCK_MONOTONIC, ns);
    rc = next.sem_clockwait(semaphore, CLOCK_MONOTONIC, &until);
  } else {
    until = wait_later(CLOCK_REALTIME, ns);
    rc = next.sem_timedwait(semaphore, &until);
  }
  return rc < 0 ? errno : 0;
}

/* ================================================== */

EXPORT int
sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
  if (!is_virtual() || !is_valid(until))
    return next.sem_timedwait(semaphore, until);

  return give(-wait_slices(try_semaphore, semaphore, until));
}

/* ================================================== */

#ifdef __GLIBC__
EXPORT int
sem_clockwait(sem_t *restrict semaphore, clockid_t id, const struct timespec *restrict until)
{
  if (!is_virtual() || id != CLOCK_REALTIME || !is_valid(until))
    return next.sem_clockwait(semaphore, id, until);

  return give(-wait_slices(try_semaphore, semaphore, until));
}
#endif

/* ================================================== */
/* Queues know no clock but the host's wall clock */

struct message {
  mqd_t queue;
  char *text;
  size_t length;
  unsigned int *priority;
  ssize_t got;
};

static int
try_send(void *thing, int64_t ns)
{
  const struct message *m = thing;
  struct timespec until = wait_later(CLOCK_REALTIME, ns);

  return next.mq_timedsend(m->queue, m->text, m->length, *m->priority, &until) < 0 ? errno : 0;
}

static int
try_receive(void *thing, int64_t ns)
{
  struct message *m = thing;
  struct timespec until = wait_later(CLOCK_REALTIME, ns);

  m->got = next.mq_timedreceive(m->queue, m->text, m->length, m->priority, &until);
  return m->got < 0 ? errno : 0;
}

/* ================================================== */

EXPORT int
mq_timedsend(mqd_t queue, const char *text, size_t length, unsigned int priority,
             const struct timespec *until)
{
  struct message m = {queue, (char *)text, length, &priority, 0};

  if (!is_virtual() || !is_valid(until))
    return next.mq_timedsend(queue, text, length, priority, until);

  return give(-wait_slices(try_send, &m, until));
}

/* ================================================== */

EXPORT ssize_t
mq_timedreceive(mqd_t queue, char *restrict text, size_t length,
                unsigned int *restrict priority, const struct timespec *restrict until)
{
  struct message m = {queue, text, length, priority, 0};

  if (!is_virtual() || !is_valid(until))
    return next.mq_timedreceive(queue, text, length, priority, until);

  return give(-wait_slices(try_receive, &m, until)) < 0 ? -1 : m.got;
}
