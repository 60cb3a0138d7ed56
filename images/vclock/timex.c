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

/* Limits of the kernel, in the units of struct timex */
#define MAX_FREQ (500 * FREQ_SCALE)
#define FREQ_OVERFLOW (LLONG_MAX / FREQ_UNIT)
#define MAX_SET_S (INT64_MAX / NS_PER_S - 30LL * 365 * 24 * 3600)

/* timex.freq in 2^-32 ns per s, and how the kernel divides by it again */
#define FREQ_UNIT (1000LL << 16)
#define FREQ_INV_SHIFT 19
#define FREQ_INV ((1LL << (FREQ_INV_SHIFT + NTP_SHIFT)) / FREQ_UNIT + 1)

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
/* The kernel refuses a time before its own boot, and one within 30 years of the
   end of its range */

static int
move_to(struct set *s, int128 wall)
{
  if (wall < s->line.base_raw || wall < 0 || wall >= (int128)MAX_SET_S * NS_PER_S)
    return -EINVAL;

  ntp_clear(&s->disc);
  model_jump(s, wall - s->line.base_wall);
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

  /* Before the line is made anew */
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
    if (tx->modes & ADJ_TICK && (tx->tick < MIN_TICK || tx->tick > MAX_TICK))
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
set_status(struct discipline *d, int64_t second, int status)
{
  /* The kernel starts over when its loop is switched off */
  if (d->status & STA_PLL && !(status & STA_PLL)) {
    d->state = TIME_OK;
    d->status = STA_UNSYNC;
    d->leap_sec = FOREVER;
  }

  if (!(d->status & STA_PLL) && status & STA_PLL)
    d->reftime = second;

  d->status = (d->status & STA_RONLY) | (status & ~STA_RONLY);
}

/* ================================================== */
/* process_adjtimex_modes() */

static void
set_modes(struct discipline *d, int64_t second, const struct timex *tx)
{
  if (tx->modes & ADJ_STATUS)
    set_status(d, second, tx->status);
  if (tx->modes & ADJ_NANO)
    d->status |= STA_NANO;
  if (tx->modes & ADJ_MICRO)
    d->status &= ~STA_NANO;
  if (tx->modes & ADJ_FREQUENCY)
    d->freq = clamp(tx->freq, -MAX_FREQ, MAX_FREQ) * FREQ_UNIT;
  if (tx->modes & ADJ_MAXERROR)
    d->maxerror = clamp(tx->maxerror, 0, MAX_ERROR);
  if (tx->modes & ADJ_ESTERROR)
    d->esterror = clamp(tx->esterror, 0, MAX_ERROR);
  if (tx->modes & ADJ_TIMECONST)
    d->constant = clamp(clamp(tx->constant, 0, MAX_CONSTANT) + (d->status & STA_NANO ? 0 : 4),
                        0, MAX_CONSTANT);
  if (tx->modes & ADJ_TAI && tx->constant >= 0 && tx->constant <= MAX_TAI)
    d->tai = tx->constant;
  if (tx->modes & ADJ_OFFSET)
    ntp_update_offset(d, second, tx->offset);
  if (tx->modes & ADJ_TICK)
    d->tick = tx->tick;
}

/* ================================================== */

int64_t
timex_get_freq(const struct discipline *d)
{
  int64_t product = (d->freq >> FREQ_INV_SHIFT) * FREQ_INV;

  return product < 0 ? -(-product >> NTP_SHIFT) : product >> NTP_SHIFT;
}

/* ================================================== */

static void
fill_timex(const struct set *s, struct timex *tx)
{
  const struct discipline *d = &s->disc;

  tx->freq = timex_get_freq(d);
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
  struct discipline *d = &s->disc;
  int64_t left;
  int rc;

  rc = validate(tx, may_set);
  if (rc == 0 && tx->modes & ADJ_SETOFFSET)
    rc = inject_offset(s, tx);
  if (rc < 0)
    return rc;

  if (tx->modes & ADJ_ADJTIME) {
    left = d->adjust;
    if (!(tx->modes & ADJ_ADJTIME_READ))
      d->adjust = tx->offset;
    tx->offset = left;
  } else {
    set_modes(d, model_floor_s(s->line.base_wall), tx);
    tx->offset = ntp_get_offset(d);
    if (!(d->status & STA_NANO))
      tx->offset /= NS_PER_US;
  }

  model_update(s);
  fill_timex(s, tx);
  return d->status & (STA_UNSYNC | STA_CLOCKERR) ? TIME_ERROR : d->state;
}

/* ================================================== */

int
timex_changes(const struct timex *tx)
{
  if (tx->modes & ADJ_ADJTIME && tx->modes & ADJ_ADJTIME_READ)
    return (tx->modes & ADJ_SETOFFSET) != 0;

  return tx->modes != 0;
}
