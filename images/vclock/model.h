/*
  Arithmetic of a virtual wall clock.

  A clock is an imperfect oscillator disciplined as the Linux kernel disciplines.
  Its whole state is a parameter set that holds from one raw instant on; a reading
  is a pure function of set and raw instant.  Nothing in here makes a system call:
  page.c keeps sets in shared memory, interpose*.c answers programs from them.

  Time base: raw, the host's CLOCK_MONOTONIC_RAW in nanoseconds.
*/

#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>
#include <sys/timex.h>
#include <time.h>

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define NS_PER_S 1000000000LL
#define NS_PER_US 1000LL

/* Scale of frequencies, as in timex: units per ppm */
#define FREQ_SCALE 65536LL

/* timex.tick of a clock that runs at rate one, and the kernel's NTP_PHASE_LIMIT, us */
#define TICK_ONE 10000
#define MAX_ERROR 16000000

/* Largest oscillator error, in ppm.  With tick and freq at their limits the rate
   still fits into 64 bits and d * adj into 128. */
#define MAX_DRIFT_PPM 100000LL

/* What a reading needs, one cache line:
     d = raw - base_raw
     wall = base_wall + d + floor((d * adj + frac) / 2^64) + slewed(d)  */
struct line {
  int64_t base_raw;     /* ns, when this set took effect */
  int64_t base_wall;    /* ns since the epoch at base_raw, whole part */
  uint64_t frac;        /* and its fraction, in 2^-64 ns */
  int64_t adj;          /* rate minus one, in 2^-64 */
  int64_t run;          /* -1, or 0 when frozen: a mask for d */
  int64_t slew_left;    /* ns that adjtime() still has to add, signed */
  int64_t slew_adj;     /* its rate, in 2^-64 */
  uint64_t slew_frac;   /* fraction of a nanosecond already slewed, in 2^-64 */
};

/* What the rate is made of, and what timex shows */
struct discipline {
  int64_t drift;        /* oscillator error, 2^-16 ppm; no program can read it */
  int64_t freq;         /* 2^-16 ppm */
  int64_t tick;         /* us per 10 ms */
  int64_t maxerror;     /* us, when the clock's second was error_sec */
  int64_t esterror;     /* us */
  int64_t error_sec;
  int64_t constant;
  int32_t status;
  int32_t tai;          /* s */
};

struct set {
  struct line line;
  struct discipline disc;
};

/* Part of a slew that is done after d ns.  Ends exactly. */
static inline int64_t
slewed(const struct line *l, int64_t d)
{
  int64_t done;

  if (d <= 0)
    return 0;

  done = ((__int128)d * l->slew_adj + l->slew_frac) >> 64;

  if (l->slew_left < 0)
    return done > l->slew_left ? done : l->slew_left;

  return done < l->slew_left ? done : l->slew_left;
}

/* What the rate has added after d ns, and what is left of the fraction */
static inline int64_t
line_gain(const struct line *l, int64_t d)
{
  return ((__int128)d * l->adj + l->frac) >> 64;
}

/* The wall clock in ns since the epoch at a raw instant */
static inline int64_t
read_line(const struct line *l, int64_t raw)
{
  int64_t d = (raw - l->base_raw) & l->run, wall;

  wall = l->base_wall + d + line_gain(l, d);

  if (UNLIKELY(l->slew_left))
    wall += slewed(l, d);

  return wall;
}

/* A clock as a freshly booted kernel has it, on a perfect oscillator */
void model_start(struct set *s, int64_t raw, int64_t wall);

/* Move the base to raw without any effect on readings, not by a bit */
void model_fold(struct set *s, int64_t raw);

/* Faults of the oscillator, from the base of the set on.  timex shows nothing of
   them.  The wall to set is that of raw, the base or earlier. */
void model_jump(struct set *s, int64_t by);
void model_set_wall(struct set *s, int64_t raw, int64_t wall);
int model_set_drift(struct set *s, int64_t drift);
void model_freeze(struct set *s, int frozen);

/* Parts of the kernel's discipline: a slew of ns nanoseconds at 500 ppm; what is
   forgotten when a program sets the clock; the rate after a change of its factors */
void model_start_slew(struct set *s, int64_t ns);
void model_clear_sync(struct set *s);
void model_update_rate(struct set *s);

int64_t model_floor_s(int64_t ns);
void model_split(int64_t ns, struct timespec *ts);

/* timex.c: the calls of a program on a set that is folded to the instant of the
   call.  0 (or the state of the clock) or a negative errno, exactly as the
   kernel's.  may_set is CAP_SYS_TIME. */
int timex_settime(struct set *s, const struct timespec *ts, int may_set);
int timex_adjust(struct set *s, struct timex *tx, int may_set);

/* Whether an adjtimex() call would change anything */
int timex_changes(const struct timex *tx);

#endif
