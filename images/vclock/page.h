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
int64_t page_read(const struct page *p, int64_t raw);

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

#endif
