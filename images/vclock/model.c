/*
  Arithmetic of a virtual wall clock: the oscillator and its line, see model.h.
*/

#include <errno.h>
#include <string.h>

#include "model.h"

typedef __int128 int128;

/* Rate 1 in 2^-16 ppm, and what one of tick is */
#define RATE_ONE (1000000 * FREQ_SCALE)
#define RATE_PER_TICK (RATE_ONE / TICK_ONE)

#define SLEW_FREQ (500 * FREQ_SCALE)
#define ERROR_RATE 500                  /* us of maxerror a second */

/* ================================================== */

int64_t
model_floor_s(int64_t ns)
{
  return ns / NS_PER_S - (ns % NS_PER_S < 0);
}

/* ================================================== */

void
model_split(int64_t ns, struct timespec *ts)
{
  ts->tv_sec = model_floor_s(ns);
  ts->tv_nsec = ns - ts->tv_sec * NS_PER_S;
}

/* ================================================== */
/* A product of two frequencies of scale RATE_ONE = 2^16 * 10^6, in 2^-64.  Rounded
   up, because readings are rounded down: a nanosecond comes when it is due. */

static int64_t
scale_rate(int128 rate)
{
  const int128 divisor = 1000000000000LL;
  int128 x = rate * (1LL << 32);

  return x / divisor + (x % divisor > 0);
}

/* ================================================== */

void
model_update_rate(struct set *s)
{
  const struct discipline *d = &s->disc;
  int128 oscillator = RATE_ONE + d->drift;
  int128 rate = (d->tick * RATE_PER_TICK + d->freq) * oscillator;
  int128 slew = s->line.slew_left < 0 ? -SLEW_FREQ : SLEW_FREQ;

  s->line.adj = scale_rate(rate - (int128)RATE_ONE * RATE_ONE);
  s->line.slew_adj = scale_rate(slew * oscillator);
}

/* ================================================== */

void
model_start_slew(struct set *s, int64_t ns)
{
  s->line.slew_left = ns;
  s->line.slew_frac = 0;
  model_update_rate(s);
}

/* ================================================== */
/* The kernel lets maxerror grow whenever the clock's second changes */

static void
grow_error(struct discipline *d, int64_t wall)
{
  int64_t second = model_floor_s(wall);

  if (second > d->error_sec)
    d->maxerror += (second - d->error_sec) * ERROR_RATE;

  if (d->maxerror > MAX_ERROR) {
    d->maxerror = MAX_ERROR;
    d->status |= STA_UNSYNC;
  }

  d->error_sec = second;
}

/* ================================================== */
/* ntp_clear(): what the kernel forgets when a program sets the clock */

void
model_clear_sync(struct set *s)
{
  s->disc.status |= STA_UNSYNC;
  s->disc.maxerror = MAX_ERROR;
  s->disc.esterror = MAX_ERROR;
  model_start_slew(s, 0);
}

/* ================================================== */

void
model_start(struct set *s, int64_t raw, int64_t wall)
{
  memset(s, 0, sizeof *s);
  s->line.base_raw = raw;
  s->line.base_wall = wall;
  s->line.run = -1;
  s->disc.tick = TICK_ONE;
  s->disc.constant = 2;
  s->disc.error_sec = model_floor_s(wall);
  model_clear_sync(s);
}

/* ================================================== */

void
model_fold(struct set *s, int64_t raw)
{
  struct line *l = &s->line;
  int64_t d = (raw - l->base_raw) & l->run, done;
  int128 sum = (int128)d * l->adj + l->frac;

  l->base_raw = raw;
  l->base_wall += d + (int64_t)(sum >> 64);
  l->frac = sum;

  if (l->slew_left && d > 0) {
    done = slewed(l, d);
    l->slew_frac += (uint64_t)d * (uint64_t)l->slew_adj;
    l->slew_left -= done;
    l->base_wall += done;
  }

  grow_error(&s->disc, l->base_wall);
}

/* ================================================== */

void
model_jump(struct set *s, int64_t by)
{
  s->line.base_wall += by;
  s->disc.error_sec = model_floor_s(s->line.base_wall);
}

/* ================================================== */

void
model_set_wall(struct set *s, int64_t raw, int64_t wall)
{
  struct line *l = &s->line;
  int64_t d = (l->base_raw - raw) & l->run;
  int128 sum = (int128)d * l->adj;

  l->frac = sum;
  model_jump(s, wall + d + (int64_t)(sum >> 64) - l->base_wall);
}

/* ================================================== */

int
model_set_drift(struct set *s, int64_t drift)
{
  if (drift < -MAX_DRIFT_PPM * FREQ_SCALE || drift > MAX_DRIFT_PPM * FREQ_SCALE)
    return -EINVAL;

  s->disc.drift = drift;
  model_update_rate(s);
  return 0;
}

/* ================================================== */

void
model_freeze(struct set *s, int frozen)
{
  s->line.run = frozen ? 0 : -1;
}
