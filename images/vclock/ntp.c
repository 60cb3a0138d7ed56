/*
  The kernel's discipline of a clock, second by second.

  Follows kernel/time/ntp.c of Linux 6.1 without CONFIG_NTP_PPS, as distributions
  build it.  The kernel ends a second at its first timer tick after it; here a second
  ends where the clock shows the next.  Arithmetic only, see model.h.
*/

#include <stdint.h>
#include <sys/timex.h>

#include "model.h"

#define SHIFT_PLL 2
#define SHIFT_FLL 2
#define MIN_SEC 256
#define MAX_SEC 2048

#define DAY_S 86400

/* adjtime(): us a second, and in 2^-32 ns per s */
#define MAX_TICKADJ 500
#define SCALE_ADJ (NS_PER_US << NTP_SHIFT)

#define ERROR_RATE 500                  /* us of maxerror a second */

/* ================================================== */

static int64_t
clamp(int64_t x, int64_t min, int64_t max)
{
  return x < min ? min : x > max ? max : x;
}

/* ================================================== */
/* Towards zero, as no arithmetic shift does */

static int64_t
shift_right(int64_t x, int shift)
{
  return x < 0 ? -(-x >> shift) : x >> shift;
}

/* ================================================== */
/* Negative numbers may be shifted and overflow, as in the kernel */

static int64_t
shift_left(int64_t x, int shift)
{
  return (uint64_t)x << shift;
}

/* ================================================== */

void
ntp_clear(struct discipline *d)
{
  d->adjust = 0;
  d->status |= STA_UNSYNC;
  d->maxerror = MAX_ERROR;
  d->esterror = MAX_ERROR;
  d->offset = 0;
  d->extra = 0;
  d->leap_sec = FOREVER;
}

/* ================================================== */

static int64_t
update_offset_fll(struct discipline *d, int64_t offset, int64_t secs)
{
  d->status &= ~STA_MODE;

  if (secs < MIN_SEC || (!(d->status & STA_FLL) && secs <= MAX_SEC))
    return 0;

  d->status |= STA_MODE;
  return shift_left(offset, NTP_SHIFT - SHIFT_FLL) / secs;
}

/* ================================================== */

void
ntp_update_offset(struct discipline *d, int64_t second, int64_t offset)
{
  int64_t freq, secs, max_secs = 1LL << (SHIFT_PLL + 1 + d->constant);

  if (!(d->status & STA_PLL))
    return;

  if (!(d->status & STA_NANO))
    offset = clamp(offset, -NS_PER_S / NS_PER_US, NS_PER_S / NS_PER_US) * NS_PER_US;
  offset = clamp(offset, -MAX_PHASE, MAX_PHASE);

  secs = d->status & STA_FREQHOLD ? 0 : second - d->reftime;
  d->reftime = second;

  freq = update_offset_fll(d, offset, secs);
  if (secs > max_secs)
    secs = max_secs;
  freq += shift_left((uint64_t)offset * (uint64_t)secs,
                     NTP_SHIFT - 2 * (SHIFT_PLL + 2 + d->constant));

  d->freq = clamp((uint64_t)freq + (uint64_t)d->freq, -MAX_NTP_FREQ, MAX_NTP_FREQ);
  d->offset = shift_left(offset, NTP_SHIFT) / TICKS;
}

/* ================================================== */

int64_t
ntp_get_offset(const struct discipline *d)
{
  return shift_right(d->offset * TICKS, NTP_SHIFT);
}

/* ================================================== */
/* The part of the offset that the next second adds */

static int64_t
get_chunk(const struct discipline *d)
{
  return shift_right(d->offset, SHIFT_PLL + d->constant);
}

/* ================================================== */
/* Seconds until the one that ends a day, or until the last of a day begins */

static int64_t
find_leap(int64_t second, int deleted)
{
  int64_t rem = (second + deleted) % DAY_S;

  return second + DAY_S - rem;
}

/* ================================================== */

static int
update_leap(struct discipline *d, int64_t second)
{
  int pending = d->status & (d->state == TIME_DEL ? STA_DEL : STA_INS);

  switch (d->state) {
    case TIME_OK:
      if (!(d->status & (STA_INS | STA_DEL)))
        return 0;
      d->state = d->status & STA_INS ? TIME_INS : TIME_DEL;
      d->leap_sec = find_leap(second, d->state == TIME_DEL);
      return 0;
    case TIME_INS:
    case TIME_DEL:
      if (pending && second != d->leap_sec)
        return 0;
      if (!pending || d->state == TIME_DEL)
        d->leap_sec = FOREVER;
      if (!pending) {
        d->state = TIME_OK;
        return 0;
      }
      d->state = d->state == TIME_INS ? TIME_OOP : TIME_WAIT;
      return d->state == TIME_OOP ? -1 : 1;
    case TIME_OOP:
      d->leap_sec = FOREVER;
      d->state = TIME_WAIT;
      return 0;
    default:
      if (!(d->status & (STA_INS | STA_DEL)))
        d->state = TIME_OK;
      return 0;
  }
}

/* ================================================== */

static void
grow_error(struct discipline *d, int64_t seconds)
{
  /* Neither sum can overflow: maxerror is kept between 0 and MAX_ERROR */
  if (seconds > MAX_ERROR || d->maxerror + seconds * ERROR_RATE > MAX_ERROR) {
    d->maxerror = MAX_ERROR;
    d->status |= STA_UNSYNC;
  } else {
    d->maxerror += seconds * ERROR_RATE;
  }
}

/* ================================================== */

int
ntp_second_overflow(struct discipline *d, int64_t second)
{
  int leap = update_leap(d, second);
  int64_t chunk = get_chunk(d), adjust = clamp(d->adjust, -MAX_TICKADJ, MAX_TICKADJ);

  grow_error(d, 1);

  d->offset -= chunk;
  d->adjust -= adjust;
  d->extra = chunk * TICKS + adjust * SCALE_ADJ;
  d->tai -= leap;
  return leap;
}

/* ================================================== */

int64_t
ntp_count_quiet(const struct discipline *d, int64_t second)
{
  int64_t count = FOREVER, left = d->adjust < 0 ? -(d->adjust + 1) : d->adjust - 1;
  int pending = d->status & (STA_INS | STA_DEL);

  if (get_chunk(d) ||
      d->extra != clamp(d->adjust, -MAX_TICKADJ, MAX_TICKADJ) * SCALE_ADJ)
    return 0;
  if (d->adjust)
    count = left / MAX_TICKADJ;

  switch (d->state) {
    case TIME_OK:
      return pending ? 0 : count;
    case TIME_INS:
    case TIME_DEL:
      if (!(pending & (d->state == TIME_INS ? STA_INS : STA_DEL)))
        return 0;
      if (d->leap_sec > second && d->leap_sec - second - 1 < count)
        count = d->leap_sec == FOREVER ? count : d->leap_sec - second - 1;
      return count;
    case TIME_OOP:
      return 0;
    default:
      return pending ? count : 0;
  }
}

/* ================================================== */

void
ntp_pass_seconds(struct discipline *d, int64_t seconds)
{
  grow_error(d, seconds);
  if (d->adjust)
    d->adjust -= (d->adjust < 0 ? -MAX_TICKADJ : MAX_TICKADJ) * seconds;
}
