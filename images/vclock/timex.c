/*
  The calls of the kernel that set a clock: clock_settime() and adjtimex().

  They follow kernel/time/ntp.c and kernel/time/timekeeping.c of Linux in what they
  check, in which order, and what they answer.  Arithmetic only, see model.h.
*/

#include <errno.h>
#include <limits.h>
#include <time.h>

#include "model.h"

typedef __int128 int128;

/* Limits of the kernel */
#define MAX_FREQ (500 * FREQ_SCALE)
#define FREQ_OVERFLOW (LLONG_MAX / (1000LL << 16))
#define MAX_CONSTANT 10
#define MAX_TAI 100000
#define MAX_SLEW_US (INT64_MAX / NS_PER_US)
#define MAX_SET_S (INT64_MAX / NS_PER_S - 30LL * 365 * 24 * 3600)

/* Mode bits that only the kernel's own headers name */
#define ADJ_ADJTIME 0x8000
#define ADJ_ADJTIME_SET 0x0001
#define ADJ_ADJTIME_READ 0x2000

/* ================================================== */

static int64_t
clamp(int64_t x, int64_t min, int64_t max)
{
  return x < min ? min : x > max ? max : x;
}

/* ================================================== */
/* What is left of the slew, rounded away from zero as it is not done yet */

static int64_t
get_slew_us(const struct set *s)
{
  int64_t left = s->line.slew_left;

  return left / NS_PER_US + (left % NS_PER_US > 0) - (left % NS_PER_US < 0);
}

/* ================================================== */
/* The kernel refuses a time before its own boot, and one within 30 years of the
   end of its range */

static int
move_to(struct set *s, int128 wall)
{
  if (wall < s->line.base_raw || wall < 0 || wall >= (int128)MAX_SET_S * NS_PER_S)
    return -EINVAL;

  model_jump(s, wall - s->line.base_wall);
  model_clear_sync(s);
  return 0;
}

/* ================================================== */

int
timex_settime(struct set *s, const struct timespec *ts, int may_set)
{
  if (ts->tv_sec < 0 || ts->tv_sec >= MAX_SET_S || ts->tv_nsec < 0 || ts->tv_nsec >= NS_PER_S)
    return -EINVAL;
  if (!may_set)
    return -EPERM;

  s->line.frac = 0;
  return move_to(s, (int128)ts->tv_sec * NS_PER_S + ts->tv_nsec);
}

/* ================================================== */
/* timekeeping_validate_timex() */

static int
validate(const struct timex *tx, int may_set)
{
  int64_t fractions = tx->modes & ADJ_NANO ? NS_PER_S : NS_PER_S / NS_PER_US;

  if (tx->modes & ADJ_ADJTIME) {
    if (!(tx->modes & ADJ_ADJTIME_SET))
      return -EINVAL;
    if (!(tx->modes & ADJ_ADJTIME_READ) && !may_set)
      return -EPERM;
  } else {
    if (tx->modes && !may_set)
      return -EPERM;
    if (tx->modes & ADJ_TICK && (tx->tick < TICK_ONE * 9 / 10 || tx->tick > TICK_ONE * 11 / 10))
      return -EINVAL;
  }

  if (tx->modes & ADJ_SETOFFSET) {
    if (!may_set)
      return -EPERM;
    if (tx->time.tv_usec < 0 || tx->time.tv_usec >= fractions)
      return -EINVAL;
  }

  if (tx->modes & ADJ_FREQUENCY && (tx->freq < -FREQ_OVERFLOW || tx->freq > FREQ_OVERFLOW))
    return -EINVAL;

  return 0;
}

/* ================================================== */

static void
set_status(struct discipline *d, int status)
{
  /* The kernel starts over when its loop is switched off */
  if (d->status & STA_PLL && !(status & STA_PLL))
    d->status = STA_UNSYNC;

  d->status = (d->status & STA_RONLY) | (status & ~STA_RONLY);
}

/* ================================================== */
/* process_adjtimex_modes() */

static int
set_modes(struct set *s, const struct timex *tx)
{
  struct discipline *d = &s->disc;

  if (tx->modes & ADJ_STATUS)
    set_status(d, tx->status);
  if (tx->modes & ADJ_NANO)
    d->status |= STA_NANO;
  if (tx->modes & ADJ_MICRO)
    d->status &= ~STA_NANO;
  if (tx->modes & ADJ_FREQUENCY)
    d->freq = clamp(tx->freq, -MAX_FREQ, MAX_FREQ);
  if (tx->modes & ADJ_MAXERROR)
    d->maxerror = clamp(tx->maxerror, 0, MAX_ERROR);
  if (tx->modes & ADJ_ESTERROR)
    d->esterror = clamp(tx->esterror, 0, MAX_ERROR);
  if (tx->modes & ADJ_TIMECONST)
    d->constant = clamp(clamp(tx->constant, 0, MAX_CONSTANT) + (d->status & STA_NANO ? 0 : 4),
                        0, MAX_CONSTANT);
  if (tx->modes & ADJ_TAI && tx->constant >= 0 && tx->constant <= MAX_TAI)
    d->tai = tx->constant;

  /* An offset is for the kernel's own loop, which this clock has not: saying so is
     better than a daemon that believes it steers */
  if (tx->modes & ADJ_OFFSET && d->status & STA_PLL && tx->offset)
    return -EOPNOTSUPP;

  if (tx->modes & ADJ_TICK)
    d->tick = tx->tick;

  model_update_rate(s);
  return 0;
}

/* ================================================== */

static void
fill_timex(const struct set *s, struct timex *tx)
{
  const struct discipline *d = &s->disc;

  tx->freq = d->freq;
  tx->maxerror = d->maxerror;
  tx->esterror = d->esterror;
  tx->status = d->status;
  tx->constant = d->constant;
  tx->precision = 1;
  tx->tolerance = MAX_FREQ;
  tx->tick = d->tick;
  tx->tai = d->tai;

  tx->ppsfreq = tx->jitter = tx->stabil = 0;
  tx->jitcnt = tx->calcnt = tx->errcnt = tx->stbcnt = 0;
  tx->shift = 0;

  tx->time.tv_sec = model_floor_s(s->line.base_wall);
  tx->time.tv_usec = s->line.base_wall - tx->time.tv_sec * NS_PER_S;
  if (!(d->status & STA_NANO))
    tx->time.tv_usec /= NS_PER_US;
}

/* ================================================== */

static int
inject_offset(struct set *s, const struct timex *tx)
{
  int64_t fraction = tx->time.tv_usec * (tx->modes & ADJ_NANO ? 1 : NS_PER_US);

  return move_to(s, (int128)s->line.base_wall + (int128)tx->time.tv_sec * NS_PER_S + fraction);
}

/* ================================================== */

int
timex_adjust(struct set *s, struct timex *tx, int may_set)
{
  int64_t left;
  int rc;

  rc = validate(tx, may_set);
  if (rc == 0 && tx->modes & ADJ_SETOFFSET)
    rc = inject_offset(s, tx);
  if (rc < 0)
    return rc;

  if (tx->modes & ADJ_ADJTIME) {
    left = get_slew_us(s);
    if (!(tx->modes & ADJ_ADJTIME_READ))
      model_start_slew(s, clamp(tx->offset, -MAX_SLEW_US, MAX_SLEW_US) * NS_PER_US);
    tx->offset = left;
  } else {
    rc = set_modes(s, tx);
    if (rc < 0)
      return rc;
    tx->offset = 0;
  }

  fill_timex(s, tx);
  return s->disc.status & (STA_UNSYNC | STA_CLOCKERR) ? TIME_ERROR : TIME_OK;
}

/* ================================================== */

int
timex_changes(const struct timex *tx)
{
  if (tx->modes & ADJ_ADJTIME && tx->modes & ADJ_ADJTIME_READ)
    return (tx->modes & ADJ_SETOFFSET) != 0;

  return tx->modes != 0;
}
