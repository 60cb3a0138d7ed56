/*
  A clock page, see page.h.
*/

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "lock.h"
#include "page.h"

/* A writer that was held up for longer between reading the raw clock and having
   its set ready starts over: until a set is published readers go on with the old
   one, and its line must not lead theirs far past the instant it changes */
#define MAX_DELAY_NS 5000
#define MAX_ATTEMPTS 100


_Static_assert(sizeof (struct line) == CACHE_LINE, "a line is one cache line");
_Static_assert(sizeof (struct set) <= sizeof (union slot), "a set fits into its place");
_Static_assert(sizeof (pthread_mutex_t) <= CACHE_LINE, "the lock fits into its place");

/* ================================================== */
/* Make the next set from the one in force and publish it */

static int
publish(struct page *p, int64_t raw, change_fn change, void *arg, int64_t *since)
{
  union slot slot, *next = &p->ring[(p->seq + 1) % PAGE_SETS];
  int rc, attempts = 0;
  int64_t at;

  /* The previous publication before the writes to this place */
  __atomic_thread_fence(__ATOMIC_RELEASE);

  do {
    slot = p->ring[p->seq % PAGE_SETS];
    at = raw < 0 ? host_raw() : raw;
    if (at < slot.set.line.base_raw)
      at = slot.set.line.base_raw;

    page_advance(p, p->seq, &slot, at);
    model_fold(&slot.set, at);
    rc = change(&slot.set, arg);
    if (rc < 0)
      return rc;

    page_copy_slot(next, &slot);
  } while (raw < 0 && host_raw() - at > MAX_DELAY_NS && ++attempts < MAX_ATTEMPTS);

  __atomic_store_n(&p->seq, p->seq + 1, __ATOMIC_RELEASE);
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

  pthread_sigmask(SIG_SETMASK, &saved, NULL);
  return rc;
}

/* ================================================== */

static struct page *
map_fd(int fd, int writable)
{
  int protection = PROT_READ | (writable ? PROT_WRITE : 0);
  void *map = mmap(NULL, sizeof (struct page), protection, MAP_SHARED, fd, 0);

  return map == MAP_FAILED ? NULL : map;
}

/* ================================================== */

static int
check_page(int fd, const struct page *p)
{
  struct stat st;

  if (fstat(fd, &st) < 0)
    return -errno;
  if (st.st_size < (off_t)sizeof *p || p->magic != PAGE_MAGIC)
    return -EBADMSG;
  if (p->version != PAGE_VERSION || p->size != sizeof *p)
    return -EPROTONOSUPPORT;
  return 0;
}

/* ================================================== */

int
page_map(struct vclock *c, const char *path, int writable)
{
  struct page *page;
  int fd, rc;

  fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  if (fd < 0)
    return -errno;

  page = map_fd(fd, writable);
  rc = page ? check_page(fd, page) : -errno;
  close(fd);

  if (rc == 0) {
    __atomic_fetch_add(&page_maps, 1, __ATOMIC_RELAXED);
    c->writable = writable;
    c->page = page;
  } else if (page) {
    munmap(page, sizeof *page);
  }
  return rc;
}

/* ================================================== */

void
page_unmap(struct vclock *c)
{
  munmap(c->page, sizeof *c->page);
  c->page = NULL;
}

/* ================================================== */

static int
fill_page(int fd, int64_t raw, int64_t wall)
{
  struct page *page;
  int rc;

  if (fchmod(fd, 0644) < 0 || ftruncate(fd, sizeof *page) < 0)
    return -errno;

  page = map_fd(fd, 1);
  if (!page)
    return -errno;

  page->magic = PAGE_MAGIC;
  page->version = PAGE_VERSION;
  page->size = sizeof *page;
  model_start(&page->ring[0].set, raw < 0 ? host_raw() : raw, wall);
  rc = lock_init(&page->lock);
  munmap(page, sizeof *page);
  return rc;
}

/* ================================================== */
/* Whoever opens path sees a whole page or none */

int
page_create(const char *path, int64_t raw, int64_t wall)
{
  char unfinished[PATH_MAX];
  int fd, rc;

  if (snprintf(unfinished, sizeof unfinished, "%s.XXXXXX", path) >= (int)sizeof unfinished)
    return -ENAMETOOLONG;

  fd = mkostemp(unfinished, O_CLOEXEC);
  if (fd < 0)
    return -errno;

  rc = fill_page(fd, raw, wall);
  close(fd);
  if (rc == 0 && rename(unfinished, path) < 0)
    rc = -errno;
  if (rc < 0)
    unlink(unfinished);
  return rc;
}
