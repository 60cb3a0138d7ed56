/*
  Reading a clock page, see page.h: which set held at an instant, and what it shows.
  page_file.c makes and maps it, page_change.c changes it, page_wait.c waits on it.
*/

#include <stdint.h>
#include <time.h>

#include "page.h"

/* How often a page is asked that has been lost */
#define MAX_ATTEMPTS 3

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)

_Static_assert(sizeof (struct line) == CACHE_LINE, "a line is one cache line");
_Static_assert(sizeof (struct set) <= sizeof (union slot), "a set fits into its place");
_Static_assert(sizeof (pthread_mutex_t) <= CACHE_LINE, "the lock fits into its place");

int (*page_lost)(void);

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
  uint64_t seq;                 /* number of the set it was found from, */
  const struct page *page;      /* where that is, */
  uint64_t maps;                /* and which mapping */
  union slot slot;
} reached = {.seq = UINT64_MAX};

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

  if (version % 2 || LOAD(reached.page) != p || LOAD(reached.seq) != seq ||
      LOAD(reached.maps) != LOAD(maps))
    return;

  page_copy(&slot, &reached.slot);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  if (LOAD(reached.version) == version && slot.set.line.base_raw <= raw)
    *found = slot;
}

/* ================================================== */

static void
remember(const struct page *p, uint64_t seq, const union slot *found)
{
  uint64_t version = LOAD(reached.version);

  if (version % 2 || !__atomic_compare_exchange_n(&reached.version, &version, version + 1, 0,
                                                  __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    return;

  __atomic_thread_fence(__ATOMIC_RELEASE);
  __atomic_store_n(&reached.page, p, __ATOMIC_RELAXED);
  __atomic_store_n(&reached.seq, seq, __ATOMIC_RELAXED);
  __atomic_store_n(&reached.maps, LOAD(maps), __ATOMIC_RELAXED);
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
page_read(const struct page *p, int64_t raw)
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

/* Nearly always the clock shows the raw seconds and nanoseconds, shifted by some that do
   not depend on them, and a small gain: nothing is left to divide.  The nanoseconds come
   last, so all else is made ready before: then there is one product and one sum to wait
   for.  And little is kept at a time, because registers that must be saved cost as much
   as the arithmetic.  Measure before you change it: ./ntplab bench clock_gettime.

   Whether the instant is of this line and no carry is left.  The line may be written
   meanwhile, so believe it only if it was not. */

static inline int
tell_line(const struct line *l, const struct timespec *offset, const struct timespec *raw,
          int64_t *s, int64_t *ns)
{
  uint64_t d = (raw->tv_sec - offset->tv_sec) * NS_PER_S - offset->tv_nsec - LOAD(l->base_raw);
  unsigned __int128 sum = (__int128)(int64_t)d * LOAD(l->adj);
  uint64_t low, high;

  sum += LOAD(l->frac);
  low = sum;
  high = (uint64_t)(sum >> 64) + (LOAD(l->shift_ns) - offset->tv_nsec);
  *s = raw->tv_sec + (LOAD(l->shift_s) - offset->tv_sec);
  /* The compiler would add up in the other order */
  __asm__("" : "+r" (low), "+r" (high));

  d += raw->tv_nsec;
  sum = (unsigned __int128)(high + raw->tv_nsec) << 64 | low;
  *ns = (sum + (__int128)raw->tv_nsec * LOAD(l->adj)) >> 64;
  if (*ns >= NS_PER_S) {
    *ns -= NS_PER_S;
    ++*s;
  }
  return d < LOAD(l->span) && (uint64_t)*ns < NS_PER_S;
}

/* ================================================== */

static void __attribute__((noinline))
tell_any(const struct page *p, const struct timespec *offset, struct timespec *ts)
{
  int64_t raw = (ts->tv_sec - offset->tv_sec) * NS_PER_S - offset->tv_nsec + ts->tv_nsec;

  model_split(page_read(p, raw), ts);
}

/* ================================================== */
/* Out of line in clock_gettime(), which so has nothing to save */

void
page_tell(const struct page *p, const struct timespec *offset, struct timespec *ts)
{
  uint64_t seq = __atomic_load_n(&p->seq, __ATOMIC_ACQUIRE), version;
  int64_t s, ns;

  if (UNLIKELY(LOAD(reached.seq) == seq)) {
    version = __atomic_load_n(&reached.version, __ATOMIC_ACQUIRE);
    if (version % 2 || LOAD(reached.page) != p || LOAD(reached.maps) != LOAD(maps) ||
        !tell_line(&reached.slot.set.line, offset, ts, &s, &ns))
      goto any;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (LOAD(reached.version) != version)
      goto any;
  } else {
    if (UNLIKELY(!tell_line(&p->ring[seq % PAGE_SETS].set.line, offset, ts, &s, &ns)))
      goto any;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (UNLIKELY(LOAD(p->seq) - seq >= PAGE_SETS - 2))
      goto any;
  }

  ts->tv_sec = s;
  ts->tv_nsec = ns;
  return;

any:
  tell_any(p, offset, ts);
}
