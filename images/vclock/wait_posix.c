/*
  The timers of timer_create(), see wait_timer.h.
*/

#include "wait_timer.h"

/* ================================================== */

EXPORT int
timer_create(clockid_t clock, struct sigevent *restrict event, timer_t *restrict id)
{
  int rc, known;
  sigset_t saved;

  if (!is_virtual() || (!is_wall(clock) && clock != CLOCK_REALTIME_ALARM))
    return next.timer_create(clock, event, id);

  rc = next.timer_create(timer_clock(clock), event, id);
  if (rc < 0)
    return rc;

  watch_enter(&saved);
  known = timer_add(timer_wall(clock), -1, *id) != NULL;
  watch_leave(&saved);
  if (known)
    return 0;

  next.timer_delete(*id);
  return give(-EAGAIN);
}

/* ================================================== */

static int
set_timer(struct timer *t, int flags, const struct itimerspec *value, struct itimerspec *old)
{
  struct itimerspec before;
  int rc = 0, was_absolute = t->absolute;

  if (was_absolute)
    timer_get(t, &before);

  if (!(flags & TIMER_ABSTIME) || (!value->it_value.tv_sec && !value->it_value.tv_nsec)) {
    timer_set(t, NULL, 0);
    rc = next.timer_settime(t->id, 0, value, was_absolute ? NULL : old);
  } else {
    if (!was_absolute && old)
      rc = next.timer_gettime(t->id, old);
    timer_set(t, value, 0);
  }

  if (was_absolute && old)
    *old = before;
  return rc;
}

/* ================================================== */

EXPORT int
timer_settime(timer_t id, int flags, const struct itimerspec *restrict value,
              struct itimerspec *restrict old)
{
  struct timer *t;
  sigset_t saved;
  int rc;

  if (!is_virtual() || !is_valid(&value->it_value) || !is_valid(&value->it_interval))
    return next.timer_settime(id, flags, value, old);

  watch_enter(&saved);
  t = timer_of_id(id);
  rc = t ? set_timer(t, flags, value, old) : next.timer_settime(id, flags, value, old);
  watch_leave(&saved);
  return rc;
}

/* ================================================== */

EXPORT int
timer_gettime(timer_t id, struct itimerspec *value)
{
  struct timer *t;
  sigset_t saved;
  int rc = 0;

  if (!is_virtual())
    return next.timer_gettime(id, value);

  watch_enter(&saved);
  t = timer_of_id(id);
  if (t && t->absolute)
    timer_get(t, value);
  else
    rc = next.timer_gettime(id, value);
  watch_leave(&saved);
  return rc;
}

/* ================================================== */

EXPORT int
timer_delete(timer_t id)
{
  struct timer *t;
  sigset_t saved;

  if (!is_virtual())
    return next.timer_delete(id);

  watch_enter(&saved);
  t = timer_of_id(id);
  if (t)
    timer_drop(t);
  watch_leave(&saved);
  return next.timer_delete(id);
}
