/*
  A clock page: one virtual wall clock in shared memory.

  Readers take no lock and make no system call; they pick the parameter set that
  held at the raw instant they ask for.  Writers exclude each other with a lock
  that the kernel releases when its holder dies, fill the next place of a ring and
  publish it with one store, so a writer killed anywhere leaves a page that can be
  read and written.
*/

#ifndef PAGE_H
#define PAGE_H

#include <pthread.h>
#include <stdint.h>

#include "model.h"

#define PAGE_MAGIC 0x65676170636b6c63ULL
#define PAGE_VERSION 2

/* Sets kept.  A packet stamp can be converted with any of the last PAGE_DEPTH; the
   others are slack that keeps a slow reader's set from being overwritten. */
#define PAGE_SETS 64
#define PAGE_DEPTH 32

#define CACHE_LINE 64

union slot {
  struct set set;
  uint64_t words[32];
} __attribute__((aligned(CACHE_LINE)));

struct page {
  uint64_t magic;
  uint32_t version;
  uint32_t size;
  uint64_t seq __attribute__((aligned(CACHE_LINE)));    /* changes so far */
  pthread_mutex_t lock __attribute__((aligned(CACHE_LINE)));
  union slot ring[PAGE_SETS];                           /* in force: seq % PAGE_SETS */
};

/* An open page.  NULL page: none. */
struct vclock {
  struct page *page;
  int writable;
};

/* Change a set that is folded to the instant of the change: a result >= 0, or a
   negative errno to leave the clock as it is.  May be called several times. */
typedef int (*change_fn)(struct set *s, void *arg);

/* Make a page in a file of mode 0644, atomically; an existing one is replaced.
   0 or a negative errno. */
int page_create(const char *path, int64_t raw, int64_t wall);

/* Map a page, without allocation.  0 or a negative errno: -EBADMSG not a clock
   page, -EPROTONOSUPPORT of another version. */
int page_map(struct vclock *c, const char *path, int writable);
void page_unmap(struct vclock *c);

/* A page has come to lie somewhere: what is remembered of one there is worth nothing */
void page_count_map(void);

/* Change the clock at raw, or now if raw is negative.  What change returned, or a
   negative errno: -EBADMSG if the page is damaged, -EBUSY if another writer holds the
   lock for seconds, -EINVAL if no clock can show what came out; *since is when it took
   effect. */
int page_change(struct vclock *c, int64_t raw, change_fn change, void *arg, int64_t *since);

/* page_read.c.  Copy the set that held at raw, or the oldest of the last PAGE_DEPTH, as it
   is.  Returns its number. */
uint64_t page_find(const struct page *p, int64_t raw, union slot *found);

/* Which set was found, and when it took effect */
struct origin {
  uint64_t seq;
  int64_t raw;
};

/* The same, checked and brought on to raw.  0 if it is damaged: then it is copied as it
   is. */
int page_get(const struct page *p, int64_t raw, union slot *found, struct origin *from);

/* What to do about a damaged page: whether another one has taken its place.  NULL if
   nothing can be done. */
extern int (*page_lost)(void);

/* The wall clock at any instant, by the set that held then */
int64_t page_read_any(const struct page *p, int64_t raw);

/* The same for clock_gettime(): ts is raw as the kernel tells it and becomes the wall
   clock, offset is what a time namespace adds to raw */
void page_tell(const struct page *p, const struct timespec *offset, struct timespec *ts);

/* Bring a sound set on to raw with what was found of set number seq before */
void page_advance(const struct page *p, uint64_t seq, union slot *found, int64_t raw);

/* Copy a place that may be written meanwhile, or write one that may be read */
static inline void
page_copy(union slot *to, const union slot *from)
{
  unsigned int i;

  for (i = 0; i < sizeof to->words / sizeof *to->words; i++)
    __atomic_store_n(&to->words[i], __atomic_load_n(&from->words[i], __ATOMIC_RELAXED),
                     __ATOMIC_RELAXED);
}

/* page_wait.c.  Wake all who sleep on the page, after a change. */
void page_wake(const struct page *p);

/* Sleep until the page has changed since seq, or for ns: 0, -EAGAIN (it had changed
   before), -ETIMEDOUT or -EINTR.  May wake without reason. */
int page_sleep(const struct page *p, uint64_t seq, int64_t ns);

/* How long after raw the clock will show wall if nothing changes, in ns: 0 if it
   does already, PAGE_NEVER if it is frozen.  If it is farther than near, only a time
   after which to ask again. */
#define PAGE_NEVER INT64_MAX
int64_t page_until(const struct page *p, int64_t raw, int64_t wall, int64_t near);

/* Whether the clock has jumped with one of the changes since seq, as far as their
   sets are kept */
int page_stepped(const struct page *p, uint64_t since);

static inline uint64_t
page_seq(const struct page *p)
{
  return __atomic_load_n(&p->seq, __ATOMIC_ACQUIRE);
}

/* What a reader of this process found last beyond the line of a set, so that the next
   one need not go through the same seconds again.  A version that is odd is being
   written, by nobody else and with nobody waiting; in a child that was forked just then
   it stays so, and readings there take longer. */
struct reached {
  uint64_t version;
  uint64_t seq;                 /* number of the set it was found from, */
  const struct page *page;      /* where that is, */
  uint64_t maps;                /* and which mapping */
  union slot slot;
};

extern struct reached page_reached;

/* Pages mapped so far: another one may come to lie where one was */
extern uint64_t page_maps;

static inline void
page_copy_line(struct line *l, const struct line *from)
{
  l->base_raw = __atomic_load_n(&from->base_raw, __ATOMIC_RELAXED);
  l->base_wall = __atomic_load_n(&from->base_wall, __ATOMIC_RELAXED);
  l->frac = __atomic_load_n(&from->frac, __ATOMIC_RELAXED);
  l->adj = __atomic_load_n(&from->adj, __ATOMIC_RELAXED);
  l->span = __atomic_load_n(&from->span, __ATOMIC_RELAXED);
  l->shift_s = __atomic_load_n(&from->shift_s, __ATOMIC_RELAXED);
  l->shift_ns = __atomic_load_n(&from->shift_ns, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/* Copy the line that was reached last.  Whether it comes from set number seq. */

static inline int
page_peek_reached(const struct page *p, uint64_t seq, struct line *l)
{
  const struct reached *r = &page_reached;
  uint64_t version = __atomic_load_n(&r->version, __ATOMIC_ACQUIRE);

  page_copy_line(l, &r->slot.set.line);
  return version % 2 == 0 && __atomic_load_n(&r->seq, __ATOMIC_RELAXED) == seq &&
         __atomic_load_n(&r->page, __ATOMIC_RELAXED) == p &&
         __atomic_load_n(&r->maps, __ATOMIC_RELAXED) ==
           __atomic_load_n(&page_maps, __ATOMIC_RELAXED) &&
         __atomic_load_n(&r->version, __ATOMIC_RELAXED) == version;
}

/* Copy the line in force: while there is something to slew or a leap second has come,
   that of the second which another reading has found.  Whether its place was not
   written again meanwhile, for which PAGE_SETS - 1 changes are needed. */

static inline int
page_peek(const struct page *p, struct line *l)
{
  uint64_t seq = __atomic_load_n(&p->seq, __ATOMIC_ACQUIRE);

  if (UNLIKELY(__atomic_load_n(&page_reached.seq, __ATOMIC_RELAXED) == seq) &&
      page_peek_reached(p, seq, l))
    return 1;

  page_copy_line(l, &p->ring[seq % PAGE_SETS].set.line);
  return __atomic_load_n(&p->seq, __ATOMIC_RELAXED) - seq < PAGE_SETS - 2;
}

/* page_read_any(), fast where the line in force will do: the instant is in its span, so
   there is no other second in between and no frozen clock */

static inline int64_t
page_read(const struct page *p, int64_t raw)
{
  struct line l;
  uint64_t d;

  if (page_peek(p, &l) && (d = raw - l.base_raw) < l.span)
    return l.base_wall + d + line_gain(&l, d);

  return page_read_any(p, raw);
}

#endif
