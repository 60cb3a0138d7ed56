/*
  Arithmetic of a virtual wall clock: the oscillator and its line, see model.h.
*/

#include <errno.h>
#include <string.h>

#include "model.h"

typedef __int128 int128;

/* Rate 1 of the oscillator in 2^-16 ppm, and of its discipline in 2^-32 ns per s */
#define RATE_ONE (1000000 * FREQ_SCALE)
#define SECOND_ONE (NS_PER_S << NTP_SHIFT)
#define SECOND_PER_TICK (SECOND_ONE / TICK_ONE)

#define EXTRA_SHIFT 60

/* Seconds that are passed over at once, if nothing changes */
#define MAX_QUIET 1000000

/* Farther ahead than any clock is read, in ns */
#define MAX_REACH 0x1p62

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
/* A product of rates of discipline and oscillator, whose one is 10^15 * 2^48, in
   2^-64.  Rounded up, because readings are rounded down: a nanosecond comes when it
   is due. */

static int64_t
scale_rate(int128 rate)
{
  const int128 divisor = 1000000000000000LL;
  int128 x = rate * (1 << 16);

  return x / divisor + (x % divisor > 0);
}

/* ================================================== */

static void
update_rate(struct set *s)
{
  const struct discipline *d = &s->disc;
  int128 oscillator = RATE_ONE + d->drift;
  int128 rate = (int128)(d->tick * SECOND_PER_TICK + d->freq) * oscillator;

  s->base_adj = scale_rate(rate - (int128)SECOND_ONE * RATE_ONE);
  s->extra_scale = (oscillator << (EXTRA_SHIFT + 16)) / (NS_PER_S * NS_PER_S / 1000);
}

/* ================================================== */
/* The first d at which a line has come gain > 0 nanoseconds ahead.  Estimated, then
   put right by steps of one, so the result is exact however doubles are rounded. */

static int64_t
find_gain(const struct line *l, int64_t gain)
{
  double estimate = gain / (1.0 + l->adj * 0x1p-64);
  int64_t d;

  if (!(estimate < MAX_REACH))
    return FOREVER;

  d = estimate;
  while (d + line_gain(l, d) < gain)
    d++;
  while (d > 0 && d - 1 + line_gain(l, d - 1) >= gain)
    d--;
  return d;
}

/* ================================================== */
/* From the base on, until the next second that changes something */

static void
update_line(struct set *s)
{
  struct line *l = &s->line;
  int64_t shift = l->base_wall - l->base_raw, second = model_floor_s(l->base_wall), quiet;

  l->shift_s = model_floor_s(shift);
  l->shift_ns = shift - l->shift_s * NS_PER_S;
  l->adj = s->base_adj;
  if (s->disc.extra)
    l->adj += (int64_t)(((int128)s->disc.extra * s->extra_scale) >> EXTRA_SHIFT) + 1;

  quiet = ntp_count_quiet(&s->disc, second);
  if (!l->run)
    l->span = 0;
  else if (quiet == FOREVER)
    l->span = FOREVER;
  else
    l->span = find_gain(l, (second + 1 + (quiet < MAX_QUIET ? quiet : MAX_QUIET)) * NS_PER_S -
                        l->base_wall);
}

/* ================================================== */

void
model_update(struct set *s)
{
  update_rate(s);
  update_line(s);
}

/* ================================================== */

static void
place(struct set *s, int128 wall)
{
  const int128 limit = (int128)MAX_WALL_S * NS_PER_S;

  if (wall < -limit || wall > limit) {
    s->line.base_wall = INT64_MAX;
    return;
  }
  s->line.base_wall = wall;
  update_line(s);
}

/* ================================================== */

void
model_start(struct set *s, int64_t raw, int64_t wall)
{
  memset(s, 0, sizeof *s);
  s->line.base_raw = raw;
  s->line.run = -1;
  s->disc.tick = TICK_ONE;
  s->disc.constant = 2;
  s->disc.state = TIME_OK;
  ntp_clear(&s->disc);
  update_rate(s);
  place(s, wall);
}

/* ================================================== */
/* Move the base along its line.  Returns how many seconds ended. */

static int64_t
move_base(struct line *l, int64_t raw)
{
  int64_t d = (raw - l->base_raw) & l->run, second = model_floor_s(l->base_wall);
  int128 sum = (int128)d * l->adj + l->frac;

  l->base_raw = raw;
  l->base_wall += d + (int64_t)(sum >> 64);
  l->frac = sum;
  return model_floor_s(l->base_wall) - second;
}

/* ================================================== */

int
model_advance(struct set *s, int64_t raw)
{
  struct line *l = &s->line;
  int64_t seconds;
  int changed = 0;

  while (l->run && raw >= l->base_raw && (uint64_t)raw - (uint64_t)l->base_raw >= l->span) {
    seconds = move_base(l, l->base_raw + l->span);
    ntp_pass_seconds(&s->disc, seconds - 1);
    l->base_wall += ntp_second_overflow(&s->disc, model_floor_s(l->base_wall)) * NS_PER_S;
    update_line(s);
    changed = 1;
  }
  return changed;
}

/* ================================================== */

void
model_fold(struct set *s, int64_t raw)
{
  int64_t seconds;

  model_advance(s, raw);
  seconds = move_base(&s->line, raw);
  if (seconds > 0)
    ntp_pass_seconds(&s->disc, seconds);
  update_line(s);
}

/* ================================================== */

int64_t
model_reach(const struct set *s, int64_t wall)
{
  struct set copy = *s;
  struct line *l = &copy.line;
  int64_t d;

  while (l->base_wall < wall) {
    d = l->run ? find_gain(l, wall - l->base_wall) : FOREVER;
    if (d == FOREVER)
      return FOREVER;
    if ((uint64_t)d < l->span)
      return l->base_raw + d;
    model_advance(&copy, l->base_raw + l->span);
  }
  return l->base_raw;
}

/* ================================================== */

void
model_jump(struct set *s, int64_t by)
{
  place(s, (int128)s->line.base_wall + by);
}

/* ================================================== */

void
model_set_wall(struct set *s, int64_t raw, int64_t wall)
{
  struct line *l = &s->line;
  int64_t d = (l->base_raw - raw) & l->run;
  int128 sum = (int128)d * l->adj;

  l->frac = sum;
  place(s, (int128)wall + d + (int64_t)(sum >> 64));
}

/* ================================================== */

int
model_set_drift(struct set *s, int64_t drift)
{
  if (drift < -MAX_DRIFT_PPM * FREQ_SCALE || drift > MAX_DRIFT_PPM * FREQ_SCALE)
    return -EINVAL;

  s->disc.drift = drift;
  model_update(s);
  return 0;
}

/* ================================================== */

void
model_freeze(struct set *s, int frozen)
{
  s->line.run = frozen ? 0 : -1;
  update_line(s);
}
