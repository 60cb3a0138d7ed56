/*
  The writers' lock of a clock page: glibc's robust mutex, in every C library.
*/

#ifndef LOCK_H
#define LOCK_H

#include <pthread.h>

/* Kept by who holds a lock, until he gives it back */
struct lock_holder {
  struct {
    void *next;
    long offset;
    void *pending;
  } list;
  void *saved;
  int armed;
};

/* 0 or a negative errno.  A lock whose holder died can be taken; one whose holder has
   been stopped cannot, and -EBUSY says so after LOCK_LIMIT_S. */
#define LOCK_LIMIT_S 5
int lock_init(pthread_mutex_t *lock);

/* Whether there is such a lock, held or not */
int lock_is_sound(const pthread_mutex_t *lock);

int lock_take(pthread_mutex_t *lock, struct lock_holder *h);
void lock_give(pthread_mutex_t *lock, struct lock_holder *h);

#endif
