/*
  The interface of libvclockmodel.so, see vclock.h.
*/

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "page.h"
#include "vclock.h"

/* What the observer asks for, and when; negative is now */
struct request {
  int64_t raw;
  int64_t value;
};

/* ================================================== */

static int64_t
change_oscillator(struct vclock *c, int64_t raw, change_fn change, int64_t value)
{
  struct request request = {raw, value};
  int64_t since;
  int rc;

  rc = page_change(c, raw, change, &request, &since);
  return rc < 0 ? rc : since;
}

/* ================================================== */
/* The wall asked for is that of the instant asked for, though the change may come
   into force later */

static int64_t
get_instant(const struct set *s, const struct request *r)
{
  return r->raw < 0 ? s->line.base_raw : r->raw;
}

/* ================================================== */

static int
set_wall(struct set *s, void *arg)
{
  const struct request *r = arg;

  model_set_wall(s, get_instant(s, r), r->value);
  return 0;
}

static int
reset(struct set *s, void *arg)
{
  const struct request *r = arg;
  int64_t since = s->line.base_raw;

  model_start(s, get_instant(s, r), r->value);
  model_fold(s, since);
  return 0;
}

static int
step(struct set *s, void *arg)
{
  model_jump(s, ((struct request *)arg)->value);
  return 0;
}

static int
set_drift(struct set *s, void *arg)
{
  return model_set_drift(s, ((struct request *)arg)->value);
}

static int
freeze(struct set *s, void *arg)
{
  model_freeze(s, ((struct request *)arg)->value != 0);
  return 0;
}

/* ================================================== */

static int
set_time(struct set *s, void *ts)
{
  return timex_settime(s, ts, 1);
}

/* ================================================== */

static int
adjust(struct set *s, void *arg)
{
  struct timex *result = arg, tx = result[0];
  int rc;

  rc = timex_adjust(s, &tx, 1);
  if (rc >= 0)
    result[1] = tx;
  return rc;
}

/* ================================================== */

int64_t
vclock_set_wall(struct vclock *c, int64_t raw, int64_t wall)
{
  return change_oscillator(c, raw, set_wall, wall);
}

int64_t
vclock_step(struct vclock *c, int64_t raw, int64_t by)
{
  return change_oscillator(c, raw, step, by);
}

int64_t
vclock_set_oscillator(struct vclock *c, int64_t raw, int64_t drift)
{
  return change_oscillator(c, raw, set_drift, drift);
}

int64_t
vclock_freeze(struct vclock *c, int64_t raw, int frozen)
{
  return change_oscillator(c, raw, freeze, frozen);
}

int64_t
vclock_reset(struct vclock *c, int64_t raw, int64_t wall)
{
  return change_oscillator(c, raw, reset, wall);
}

/* ================================================== */
/* The set that holds at raw, folded to it: what a call that changes nothing sees.  0 or
   -EBADMSG. */

static int
look(const struct vclock *c, int64_t raw, union slot *slot, struct origin *from)
{
  int64_t at = raw < 0 ? host_raw() : raw;

  if (!page_get(c->page, at, slot, from))
    return -EBADMSG;

  model_fold(&slot->set, at);
  return 0;
}

/* ================================================== */

int
vclock_settime(struct vclock *c, int64_t raw, const struct timespec *ts)
{
  struct timespec copy = *ts;
  struct origin from;
  union slot slot;
  int64_t since;
  int rc;

  if (c->writable)
    return page_change(c, raw, set_time, &copy, &since);

  rc = look(c, raw, &slot, &from);
  return rc < 0 ? rc : timex_settime(&slot.set, ts, 0);
}

/* ================================================== */

int
vclock_adjtimex(struct vclock *c, int64_t raw, struct timex *tx)
{
  struct timex call[2];
  struct origin from;
  union slot slot;
  int64_t since;
  int rc;

  if (!tx)
    return -EFAULT;

  call[0] = *tx;
  if (c->writable && timex_changes(tx)) {
    rc = page_change(c, raw, adjust, call, &since);
    if (rc >= 0)
      *tx = call[1];
    return rc;
  }

  rc = look(c, raw, &slot, &from);
  return rc < 0 ? rc : timex_adjust(&slot.set, tx, c->writable);
}

/* ================================================== */

static int64_t
get_left(const struct discipline *d)
{
  int64_t left;

  if (__builtin_mul_overflow(d->adjust, NS_PER_US, &left) ||
      __builtin_add_overflow(left, ntp_get_offset(d), &left))
    return d->adjust < 0 ? INT64_MIN : INT64_MAX;
  return left;
}

/* ================================================== */

int
vclock_status(const struct vclock *c, int64_t raw, struct vclock_status *out)
{
  union slot slot;
  const struct set *s = &slot.set;
  struct origin from;
  int rc;

  memset(out, 0, sizeof *out);
  rc = look(c, raw, &slot, &from);
  if (rc < 0)
    return rc;

  out->seq = from.seq;
  out->last_set_raw = from.raw;
  out->wall_ns = s->line.base_wall;
  out->drift_scaled = s->disc.drift;
  out->freq_scaled = timex_get_freq(&s->disc);
  out->tick = s->disc.tick;
  out->maxerror_us = s->disc.maxerror;
  out->esterror_us = s->disc.esterror;
  out->slew_left_ns = get_left(&s->disc);
  out->status = s->disc.status;
  out->tai = s->disc.tai;
  out->frozen = !s->line.run;
  out->writable = c->writable;
  return 0;
}

/* ================================================== */

int64_t
vclock_read(const struct vclock *c, int64_t raw)
{
  return page_read(c->page, raw);
}

int64_t
vclock_raw_now(void)
{
  host_open();
  return host_raw();
}

/* ================================================== */

int
vclock_page_create(const char *path, int64_t raw, int64_t wall)
{
  int rc = host_open();

  return rc < 0 ? rc : page_create(path, raw, wall);
}

/* ================================================== */

struct vclock *
vclock_page_open(const char *path, int writable)
{
  struct vclock *c = malloc(sizeof *c);
  int rc = c ? host_open() : -ENOMEM;

  if (rc == 0)
    rc = page_map(c, path, writable);
  if (rc == 0)
    return c;

  free(c);
  errno = -rc;
  return NULL;
}

/* ================================================== */

void
vclock_page_close(struct vclock *c)
{
  page_unmap(c);
  free(c);
}
