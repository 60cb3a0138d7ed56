/*
  Whether a set of parameters can be true.

  A clock page may hold anything: it is a file.  A set that no function of the model can
  have made says nothing about a clock, and stepping through its seconds might never end.
*/

#include <string.h>

#include "model.h"

/* A century of uptime, on either side of zero */
#define MAX_RAW (100LL * 366 * 24 * 3600 * NS_PER_S)

/* What the loop and adjtime() can add to a second: a quarter of the largest offset, and
   some */
#define MAX_EXTRA ((MAX_PHASE << NTP_SHIFT) / 3)

/* ================================================== */

static int
is_within(int64_t x, int64_t limit)
{
  return x >= -limit && x <= limit;
}

/* ================================================== */

static int
is_disciplined(const struct discipline *d)
{
  return is_within(d->drift, MAX_DRIFT_PPM * FREQ_SCALE) &&
         d->tick >= MIN_TICK && d->tick <= MAX_TICK &&
         is_within(d->freq, MAX_NTP_FREQ) &&
         is_within(d->offset, (MAX_PHASE << NTP_SHIFT) / TICKS) &&
         is_within(d->extra, MAX_EXTRA) &&
         d->maxerror >= 0 && d->maxerror <= MAX_ERROR &&
         d->esterror >= 0 && d->esterror <= MAX_ERROR &&
         is_within(d->reftime, MAX_WALL_S) &&
         (d->leap_sec == FOREVER || is_within(d->leap_sec, MAX_WALL_S)) &&
         d->constant >= 0 && d->constant <= MAX_CONSTANT &&
         d->state >= TIME_OK && d->state <= TIME_WAIT &&
         is_within(d->tai, 2 * MAX_TAI);
}

/* ================================================== */
/* What a set says of its rate and its span follows from the rest */

int
model_is_sound(const struct set *s)
{
  const struct line *l = &s->line;
  struct set again = *s;

  if ((l->run != 0 && l->run != -1) || !is_within(l->base_raw, MAX_RAW) ||
      !is_within(l->base_wall, MAX_WALL_S * NS_PER_S) || !is_disciplined(&s->disc))
    return 0;

  model_update(&again);
  return memcmp(&again, s, sizeof again) == 0;
}
