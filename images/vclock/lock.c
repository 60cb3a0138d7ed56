/*
  The writers' lock, see lock.h.

  It is a robust mutex and not a file lock, because chronyd's system call filter
  allows a futex and no flock().  It knows its owner by thread id, and the containers
  that share a page have ids of their own: should a writer that waits be killed while
  a namesake in another container holds the lock, the kernel would release that one.
  It is held for a microsecond.

  A page may be shared by programs of different C libraries, whose mutexes differ.  So
  with another one than glibc we do what glibc does with its mutex: the first word
  holds the owner's thread id, and the kernel finds it by the thread's list of robust
  locks, for which ours takes the C library's place as long as the lock is held.
*/

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "futex.h"
#include "lock.h"

/* What glibc keeps there of a mutex that is robust and shared by processes */
#define KIND_AT 16
#define KIND (16 | 128)

/* ================================================== */

int
lock_is_sound(const pthread_mutex_t *lock)
{
  int kind;

  memcpy(&kind, (const char *)lock + KIND_AT, sizeof kind);
  return kind == KIND;
}

#ifdef __GLIBC__

_Static_assert(offsetof(pthread_mutex_t, __data.__lock) == 0, "the word comes first");
_Static_assert(offsetof(pthread_mutex_t, __data.__kind) == KIND_AT, "the kind is where it was");

/* ================================================== */

int
lock_init(pthread_mutex_t *lock)
{
  pthread_mutexattr_t attr;
  int rc;

  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  rc = pthread_mutex_init(lock, &attr);
  pthread_mutexattr_destroy(&attr);

  return rc == 0 && lock->__data.__kind != KIND ? -ENOTSUP : -rc;
}

/* ================================================== */

int
lock_take(pthread_mutex_t *lock, struct lock_holder *h)
{
  struct timespec until;
  int rc;

  (void)h;
  if (!lock_is_sound(lock))
    return -EBADMSG;

  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += LOCK_LIMIT_S;
  rc = pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &until);
  /* The page needs no repair: what a dead writer left is not published */
  if (rc == EOWNERDEAD)
    rc = pthread_mutex_consistent(lock);
  return rc == ETIMEDOUT ? -EBUSY : -rc;
}

/* ================================================== */

void
lock_give(pthread_mutex_t *lock, struct lock_holder *h)
{
  (void)h;
  pthread_mutex_unlock(lock);
}

#else

/* ================================================== */

int
lock_init(pthread_mutex_t *lock)
{
  const int kind = KIND;

  memset(lock, 0, sizeof *lock);
  memcpy((char *)lock + KIND_AT, &kind, sizeof kind);
  return 0;
}

/* ================================================== */
/* Where this is forbidden the lock works, but dies with its holder */

static void
arm(struct lock_holder *h, void *word)
{
  size_t length;

  h->list.next = &h->list;
  h->list.offset = 0;
  h->list.pending = word;
  h->armed = syscall(SYS_get_robust_list, 0, &h->saved, &length) == 0 &&
             syscall(SYS_set_robust_list, &h->list, sizeof h->list) == 0;
}

static void
disarm(const struct lock_holder *h)
{
  if (h->armed)
    syscall(SYS_set_robust_list, h->saved, sizeof h->list);
}

/* ================================================== */

int
lock_take(pthread_mutex_t *lock, struct lock_holder *h)
{
  uint32_t *word = (uint32_t *)lock, others = 0, id = syscall(SYS_gettid), value;
  const struct timespec limit = {LOCK_LIMIT_S, 0};
  int saved = errno;

  if (!lock_is_sound(lock))
    return -EBADMSG;

  arm(h, word);

  value = __atomic_load_n(word, __ATOMIC_RELAXED);
  for (;;) {
    /* Free, or its owner has died */
    if (!(value & FUTEX_TID_MASK)) {
      if (__atomic_compare_exchange_n(word, &value, id | others | (value & FUTEX_WAITERS), 0,
                                      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        break;
      continue;
    }
    if (!(value & FUTEX_WAITERS) &&
        !__atomic_compare_exchange_n(word, &value, value | FUTEX_WAITERS, 0, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
      continue;
    if (syscall(SYS_futex, word, FUTEX_WAIT, value | FUTEX_WAITERS, &limit, NULL, 0) < 0 &&
        errno == ETIMEDOUT) {
      disarm(h);
      errno = saved;
      return -EBUSY;
    }
    others = FUTEX_WAITERS;
    value = __atomic_load_n(word, __ATOMIC_RELAXED);
  }

  errno = saved;
  return 0;
}

/* ================================================== */

void
lock_give(pthread_mutex_t *lock, struct lock_holder *h)
{
  uint32_t *word = (uint32_t *)lock;
  int saved = errno;

  if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) & FUTEX_WAITERS)
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
  disarm(h);
  errno = saved;
}

#endif
