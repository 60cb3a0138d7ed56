/*
  Waiting on a clock page: when it will show a time, and sleeping until it changes.

  The low half of the page's count of changes is a futex.  Whoever waits for a wall
  time sleeps on it until the time is due by the parameters in force, so that every
  change, be it a step or a rate, wakes him to look again.  A reader needs no
  permission to write for that.

  A writer that is killed between its change and the wake-up wakes nobody; the next
  change does.
*/

#include <errno.h>
#include <limits.h>

#include "futex.h"
#include "host.h"
#include "page.h"

/* ================================================== */

static uint32_t *
get_futex(const struct page *p)
{
  return (uint32_t *)&p->seq + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* ================================================== */
/* The kernel's own results, without errno */

static int
call_futex(const struct page *p, int operation, uint32_t value, const struct timespec *timeout)
{
  int saved = errno;
  int rc = syscall(SYS_futex, get_futex(p), operation, value, timeout, NULL, 0);

  if (rc < 0)
    rc = -errno;
  errno = saved;
  return rc;
}

/* ================================================== */

void
page_wake(const struct page *p)
{
  call_futex(p, FUTEX_WAKE, INT_MAX, NULL);
}

/* ================================================== */

int
page_sleep(const struct page *p, uint64_t seq, int64_t ns)
{
  struct timespec timeout = {ns / NS_PER_S, ns % NS_PER_S};

  return call_futex(p, FUTEX_WAIT, seq, &timeout);
}

/* ================================================== */

int64_t
page_until(const struct page *p, int64_t raw, int64_t wall, int64_t near)
{
  int64_t missing = wall - page_read(p, raw), reached;
  struct origin from;
  union slot slot;

  if (missing <= 0)
    return 0;

  if (!page_get(p, raw, &slot, &from))
    return 0;
  missing = wall - read_line(&slot.set.line, raw);
  if (missing <= 0)
    return 0;
  if (missing > near && slot.set.line.run)
    return missing / 2;

  reached = model_reach(&slot.set, wall);
  if (reached == FOREVER)
    return PAGE_NEVER;
  return reached > raw ? reached - raw : 1;
}

/* ================================================== */

int
page_stepped(const struct page *p, uint64_t since)
{
  union slot new, old;
  int64_t raw = INT64_MAX;
  uint64_t seq = page_find(p, raw, &new), older;

  while (seq > since) {
    raw = new.set.line.base_raw;
    older = page_find(p, raw - 1, &old);
    if (older >= seq || !model_is_sound(&old.set))
      break;
    page_advance(p, older, &old, raw);
    if (read_line(&old.set.line, raw) != new.set.line.base_wall)
      return 1;
    new = old;
    seq = older;
  }
  return 0;
}
