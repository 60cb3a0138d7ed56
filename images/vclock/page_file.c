/*
  The file of a clock page: making it, and mapping it, see page.h.
*/

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "lock.h"
#include "page.h"

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
  union slot slot;
  struct stat st;

  if (fstat(fd, &st) < 0)
    return -errno;
  if (st.st_size < (off_t)sizeof *p || p->magic != PAGE_MAGIC)
    return -EBADMSG;
  if (p->version != PAGE_VERSION || p->size != sizeof *p)
    return -EPROTONOSUPPORT;

  page_find(p, INT64_MAX, &slot);
  return lock_is_sound(&p->lock) && model_is_sound(&slot.set) ? 0 : -EBADMSG;
}

/* ================================================== */
/* Without waiting for the other end of what may be a pipe */

int
page_map(struct vclock *c, const char *path, int writable)
{
  struct page *page;
  int fd, rc;

  fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return -errno;

  page = map_fd(fd, writable);
  rc = page ? check_page(fd, page) : -errno;
  close(fd);

  if (rc == 0) {
    page_count_map();
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
  rc = model_is_sound(&page->ring[0].set) ? lock_init(&page->lock) : -EINVAL;
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
