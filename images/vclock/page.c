/*
  Reading a clock page, see page.h; page_file.c makes and maps it, page_change.c changes
  it, page_wait.c waits on it.
*/

#include "page.h"

#define LENGTH(a) (sizeof (a) / sizeof *(a))

/* How often a page is asked that has been lost */
#define MAX_ATTEMPTS 3

_Static_assert(sizeof (struct line) == CACHE_LINE, "a line is one cache line");
_Static_assert(sizeof (struct set) <= sizeof (union slot), "a set fits into its place");
_Static_assert(sizeof (pthread_mutex_t) <= CACHE_LINE, "the lock fits into its place");

int (*page_lost)(void);

/* ================================================== */

void
page_copy(union slot *to, const union slot *from)
{
  unsigned int i;

  for (i = 0; i < LENGTH(to->words); i++)
    __atomic_store_n(&to->words[i], __atomic_load_n(&from->words[i], __ATOMIC_RELAXED),
                     __ATOMIC_RELAXED);
}

/* ================================================== */
/* Tried again only when about PAGE_SETS - PAGE_DEPTH changes were made meanwhile */

uint64_t
page_find(const struct page *p, int64_t raw, union slot *found)
{
  uint64_t seq, i;

  do {
    seq = __atomic_load_n(&p->seq, __ATOMIC_ACQUIRE);

    for (i = 0; ; i++) {
      page_copy(found, &p->ring[(seq - i) % PAGE_SETS]);
      if (raw >= found->set.line.base_raw || i == seq || i == PAGE_DEPTH - 1)
        break;
    }

    __atomic_thread_fence(__ATOMIC_ACQUIRE);
  } while (__atomic_load_n(&p->seq, __ATOMIC_RELAXED) - (seq - i) >= PAGE_SETS - 2);

  return seq - i;
}

/* ================================================== */

/* Nobody ticks a page: a reader goes through the seconds since a set took effect
   itself.  What it found last is kept here, so that the next one need not start over.
   A version that is odd is being written, by nobody else and with nobody waiting; in
   a child that was forked just then it stays so, and readings there take longer. */

static struct {
  uint64_t version;
  uint64_t seq;
  uint64_t maps;
  const struct page *page;
  union slot slot;
} reached;

/* Pages mapped so far: another one may come to lie where one was */
static uint64_t maps;

/* ================================================== */

void
page_count_map(void)
{
  __atomic_fetch_add(&maps, 1, __ATOMIC_RELAXED);
}

/* ================================================== */

static void
recall(const struct page *p, uint64_t seq, union slot *found, int64_t raw)
{
  uint64_t version = __atomic_load_n(&reached.version, __ATOMIC_ACQUIRE);
  union slot slot;

  if (version % 2 || __atomic_load_n(&reached.page, __ATOMIC_RELAXED) != p ||
      __atomic_load_n(&reached.seq, __ATOMIC_RELAXED) != seq ||
      __atomic_load_n(&reached.maps, __ATOMIC_RELAXED) != __atomic_load_n(&maps, __ATOMIC_RELAXED))
    return;

  page_copy(&slot, &reached.slot);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  if (__atomic_load_n(&reached.version, __ATOMIC_RELAXED) == version &&
      slot.set.line.base_raw <= raw)
    *found = slot;
}

/* ================================================== */

static void
remember(const struct page *p, uint64_t seq, const union slot *found)
{
  uint64_t version = __atomic_load_n(&reached.version, __ATOMIC_RELAXED);

  if (version % 2 || !__atomic_compare_exchange_n(&reached.version, &version, version + 1, 0,
                                                  __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    return;

  __atomic_thread_fence(__ATOMIC_RELEASE);
  __atomic_store_n(&reached.page, p, __ATOMIC_RELAXED);
  __atomic_store_n(&reached.seq, seq, __ATOMIC_RELAXED);
  __atomic_store_n(&reached.maps, __atomic_load_n(&maps, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
  page_copy(&reached.slot, found);
  __atomic_store_n(&reached.version, version + 2, __ATOMIC_RELEASE);
}

/* ================================================== */

static int
is_past(const struct line *l, int64_t raw)
{
  return l->run && raw >= l->base_raw && (uint64_t)raw - (uint64_t)l->base_raw >= l->span;
}

/* ================================================== */

void
page_advance(const struct page *p, uint64_t seq, union slot *found, int64_t raw)
{
  if (!is_past(&found->set.line, raw))
    return;

  recall(p, seq, found, raw);
  if (model_advance(&found->set, raw))
    remember(p, seq, found);
}

/* ================================================== */

int
page_get(const struct page *p, int64_t raw, union slot *found, struct origin *from)
{
  int i;

  for (i = 0; i < MAX_ATTEMPTS; i++) {
    from->seq = page_find(p, raw, found);
    from->raw = found->set.line.base_raw;
    if (model_is_sound(&found->set)) {
      page_advance(p, from->seq, found, raw);
      return 1;
    }
    if (!page_lost || !page_lost())
      break;
  }
  return 0;
}

/* ================================================== */
/* A set whose line does not hold is checked before its seconds are gone through.  Of one
   that is damaged, and nobody can do anything about it, the line is read as it stands. */

int64_t
page_read_any(const struct page *p, int64_t raw)
{
  struct origin from;
  union slot slot;

  from.seq = page_find(p, raw, &slot);
  if (is_past(&slot.set.line, raw))
    recall(p, from.seq, &slot, raw);
  if (is_past(&slot.set.line, raw) || !slot.set.line.run)
    page_get(p, raw, &slot, &from);
  return read_line(&slot.set.line, raw);
}

/* ================================================== */

void
page_tell_any(const struct page *p, int64_t raw, struct timespec *ts)
{
  model_split(page_read_any(p, raw), ts);
}
