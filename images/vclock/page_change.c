/*
  Changing a clock page, see page.h.
*/

#include <errno.h>
#include <signal.h>

#include "host.h"
#include "lock.h"
#include "page.h"

/* A writer that was held up for longer between reading the raw clock and having
   its set ready starts over: until a set is published readers go on with the old
   one, and its line must not lead theirs far past the instant it changes */
#define MAX_DELAY_NS 5000
#define MAX_ATTEMPTS 100

/* ================================================== */
/* Make the next set from the one in force and publish it.  All accesses are atomic not
   for the lock's sake but for ThreadSanitizer's, which does not know how it is taken. */

static int
publish(struct page *p, int64_t raw, change_fn change, void *arg, int64_t *since)
{
  uint64_t seq = __atomic_load_n(&p->seq, __ATOMIC_RELAXED);
  union slot slot;
  int rc, attempts = 0;
  int64_t at;

  /* The previous publication before the writes to this place */
  __atomic_thread_fence(__ATOMIC_RELEASE);

  do {
    page_copy(&slot, &p->ring[seq % PAGE_SETS]);
    if (!model_is_sound(&slot.set))
      return -EBADMSG;

    at = raw < 0 ? host_raw() : raw;
    if (at < slot.set.line.base_raw)
      at = slot.set.line.base_raw;

    page_advance(p, seq, &slot, at);
    model_fold(&slot.set, at);
    rc = change(&slot.set, arg);
    if (rc < 0)
      return rc;
    if (!model_is_sound(&slot.set))
      return -EINVAL;

    page_copy(&p->ring[(seq + 1) % PAGE_SETS], &slot);
  } while (raw < 0 && host_raw() - at > MAX_DELAY_NS && ++attempts < MAX_ATTEMPTS);

  __atomic_store_n(&p->seq, seq + 1, __ATOMIC_RELEASE);
  *since = at;
  return rc;
}

/* ================================================== */
/* Without signals: a handler that sets the clock too would wait for itself.  But not
   without SIGBUS, see interpose_guard.c. */

int
page_change(struct vclock *c, int64_t raw, change_fn change, void *arg, int64_t *since)
{
  struct lock_holder holder;
  sigset_t all, saved;
  int rc;

  if (!c->writable)
    return -EPERM;

  sigfillset(&all);
  sigdelset(&all, SIGBUS);
  pthread_sigmask(SIG_BLOCK, &all, &saved);

  rc = lock_take(&c->page->lock, &holder);
  if (rc == 0) {
    rc = publish(c->page, raw, change, arg, since);
    lock_give(&c->page->lock, &holder);
    page_wake(c->page);
  }

  if (rc == -EBADMSG && page_lost)
    page_lost();

  pthread_sigmask(SIG_SETMASK, &saved, NULL);
  return rc;
}
