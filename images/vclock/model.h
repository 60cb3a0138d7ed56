/*
  Arithmetic of a virtual wall clock.

  A clock is an imperfect oscillator disciplined as the Linux kernel disciplines.
  Its whole state is a parameter set that holds from one raw instant on; a reading
  is a pure function of set and raw instant.  Nothing in here makes a system call:
  page_read.c and its like keep sets in shared memory, interpose*.c answers programs from them.

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

/* timex.tick of a clock that runs at rate one, and its range, and the kernel's
   NTP_PHASE_LIMIT, us */
#define TICK_ONE 10000
#define MIN_TICK (TICK_ONE * 9 / 10)
#define MAX_TICK (TICK_ONE * 11 / 10)
#define MAX_ERROR 16000000

/* The kernel's NTP_SCALE_SHIFT: it counts frequencies in 2^-32 ns per second */
#define NTP_SHIFT 32

/* Its limits: a frequency, in that unit, an offset for the loop, ns, its time constant,
   and what TAI is ahead, s */
#define MAX_NTP_FREQ (500000LL << NTP_SHIFT)
#define MAX_PHASE (NS_PER_S / 2)
#define MAX_CONSTANT 10
#define MAX_TAI 100000

/* It keeps the offset per timer tick, of 1/HZ s; of a machine with HZ=100 */
#define TICKS 100

/* Largest oscillator error, in ppm.  With tick, freq and slews at their limits the
   rate still fits into 64 bits and d * adj into 128. */
#define MAX_DRIFT_PPM 100000LL

#define FOREVER INT64_MAX

/* Where a wall clock can be, s: what 64 bits of ns hold, less ten years in which
   nothing overflows */
#define MAX_WALL_S (INT64_MAX / NS_PER_S - 10LL * 366 * 24 * 3600)

/* What a reading needs, one cache line:
     d = raw - base_raw, less than span
     wall = base_wall + d + floor((d * adj + frac) / 2^64)  */
struct line {
  int64_t base_raw;     /* ns, where this line begins */
  int64_t base_wall;    /* ns since the epoch at base_raw, whole part */
  uint64_t frac;        /* and its fraction, in 2^-64 ns */
  int64_t adj;          /* rate minus one, in 2^-64 */
  uint64_t span;        /* ns of raw until the rate changes or a leap second comes; 0
                           when frozen */
  int64_t shift_s;      /* base_wall - base_raw, */
  int64_t shift_ns;     /* in two parts, 0 <= shift_ns < 10^9 */
  int64_t run;          /* -1, or 0 when frozen: a mask for d */
};

/* The state of the kernel's kernel/time/ntp.c under its names, and the oscillator */
struct discipline {
  int64_t drift;        /* oscillator error, 2^-16 ppm; no program can read it */
  int64_t tick;         /* us per 10 ms */
  int64_t freq;         /* 2^-32 ns per s */
  int64_t offset;       /* what the loop has still to add, 2^-32 ns per tick, see ntp.c */
  int64_t adjust;       /* what adjtime() has still to add after this second, us */
  int64_t extra;        /* what both add in this second, 2^-32 ns per s */
  int64_t maxerror;     /* us */
  int64_t esterror;     /* us */
  int64_t reftime;      /* s, when the loop was last given an offset */
  int64_t leap_sec;     /* s, where the next leap second comes, or FOREVER */
  int32_t constant;
  int32_t status;
  int32_t state;        /* TIME_OK, TIME_INS, ... */
  int32_t tai;          /* s */
};

struct set {
  struct line line;
  struct discipline disc;
  int64_t base_adj;     /* the line's adj without extra */
  int64_t extra_scale;  /* what 1 of extra adds to adj, in 2^-60 */
};

/* What the rate has added after d ns */
static inline int64_t
line_gain(const struct line *l, int64_t d)
{
  return ((__int128)d * l->adj + l->frac) >> 64;
}

/* The wall clock in ns since the epoch at a raw instant of a line */
static inline int64_t
read_line(const struct line *l, int64_t raw)
{
  int64_t d = (raw - l->base_raw) & l->run;

  return l->base_wall + d + line_gain(l, d);
}

/* A clock as a freshly booted kernel has it, on a perfect oscillator */
void model_start(struct set *s, int64_t raw, int64_t wall);

/* Go through the seconds until raw, as far as they change something: afterwards the
   line holds at raw.  Whether there were any.  Bounded: an offset of the loop is used
   up after about 10^5 seconds, everything else in steps of 10^6. */
int model_advance(struct set *s, int64_t raw);

/* Move the base to raw without any effect on readings, not by a bit */
void model_fold(struct set *s, int64_t raw);

/* After a change of what the rate is made of, or of what the next seconds bring */
void model_update(struct set *s);

/* The first raw instant, not before the base, from which on the clock shows wall or
   later; FOREVER if it never does.  What is in force now holds until then. */
int64_t model_reach(const struct set *s, int64_t wall);

/* Faults of the oscillator, from the base of the set on.  timex shows nothing of
   them.  The wall to set is that of raw, the base or earlier.  One that no clock can show
   makes a set that is not sound. */
void model_jump(struct set *s, int64_t by);
void model_set_wall(struct set *s, int64_t raw, int64_t wall);
int model_set_drift(struct set *s, int64_t drift);
void model_freeze(struct set *s, int frozen);

int64_t model_floor_s(int64_t ns);
void model_split(int64_t ns, struct timespec *ts);

/* model_check.c: whether a set is one that the functions here can have made.  Only with
   such a one are they sure to come to an end. */
int model_is_sound(const struct set *s);

/* ntp.c: the kernel's discipline second by second.  What is forgotten when a program
   sets the clock, an offset for the loop in the unit of the status, the end of a
   second, which returns the seconds to leap, and of many that change nothing else. */
void ntp_clear(struct discipline *d);
void ntp_update_offset(struct discipline *d, int64_t second, int64_t offset);
int ntp_second_overflow(struct discipline *d, int64_t second);
void ntp_pass_seconds(struct discipline *d, int64_t seconds);

/* How many ends of seconds after this one change neither rate nor leap state */
int64_t ntp_count_quiet(const struct discipline *d, int64_t second);

/* What the loop has still to add, in ns, as timex shows it */
int64_t ntp_get_offset(const struct discipline *d);

/* timex.c: the calls of a program on a set that is folded to the instant of the
   call.  0 (or the state of the clock) or a negative errno, exactly as the
   kernel's.  may_set is CAP_SYS_TIME. */
int timex_settime(struct set *s, const struct timespec *ts, int may_set);
int timex_adjust(struct set *s, struct timex *tx, int may_set);

/* The frequency in the unit of struct timex */
int64_t timex_get_freq(const struct discipline *d);

/* Whether an adjtimex() call would change anything */
int timex_changes(const struct timex *tx);

#endif
