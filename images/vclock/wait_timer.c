/*
  When timers of the wall clock expire, see wait_timer.h.
*/

#include <stdlib.h>

#include "wait_timer.h"

/* How far an expiry may be away to be aimed at in full, and by what part it is aimed
   late rather than early: more than the host's steering between two looks of the
   watcher */
#define TIMER_NEAR_NS (3600 * NS_PER_S)
#define LATE_SHIFT 13
#define LATE_MAX_NS (2 * NS_PER_US * 1000)

/* A timer that is this well aimed is left alone */
#define GOOD_AIM_NS (20 * NS_PER_US)

/* ================================================== */

static void
arm_kernel(const struct timer *t, int64_t value, int64_t interval)
{
  const struct itimerspec its = {
    {interval / NS_PER_S, interval % NS_PER_S}, {value / NS_PER_S, value % NS_PER_S}
  };

  if (t->fd >= 0)
    next.timerfd_settime(t->fd, 0, &its, NULL);
  else
    next.timer_settime(t->id, 0, &its, NULL);
}

/* ================================================== */
/* Count what the kernel's timer has done since it was armed, and go on to what comes
   next */

static void
settle(struct timer *t, int64_t now)
{
  int64_t n;

  if (now < t->due)
    return;

  n = t->period ? (now - t->due) / t->period + 1 : 1;
  t->unread += n;

  if (t->interval) {
    t->wall += n * t->interval;
    t->due += n * t->period;
  } else {
    t->wall = t->due = NEVER;
  }
}

/* ================================================== */
/* After a step forward: all but the last of the expiries that lie behind */

static void
skip_missed(struct timer *t)
{
  int64_t now, missed;

  if (!t->interval)
    return;

  now = page_read(wall_clock.page, host_raw()) + t->interval;
  missed = (now - t->wall) / t->interval - 1;
  if (missed > 0) {
    t->wall += missed * t->interval;
    t->unread += missed;
  }
}

/* ================================================== */
/* The wall clock's interval on the kernel's clock, from the next expiry on */

static int64_t
get_period(const struct timer *t, int64_t left)
{
  int64_t period;

  if (!t->interval || t->interval > TIMER_NEAR_NS || left > TIMER_NEAR_NS)
    return t->interval;

  period = wait_left(t->clock, t->wall + t->interval, 2 * TIMER_NEAR_NS);
  return period == NEVER || period <= left ? t->interval : period - left;
}

/* ================================================== */

static int64_t
aim_late(int64_t left)
{
  int64_t late = left >> LATE_SHIFT;

  return left + (late < LATE_MAX_NS ? late : LATE_MAX_NS);
}

/* ================================================== */
/* A descriptor with something to be read stays ready: arming takes that away, so an
   expiry at once brings it back */

static void
aim(struct timer *t)
{
  int64_t now = host_read(CLOCK_MONOTONIC), due, left, ready;

  settle(t, now);
  if (t->wall != NEVER && !wait_left(t->clock, t->wall, TIMER_NEAR_NS))
    skip_missed(t);

  ready = t->fd >= 0 && (t->cancelled || (t->unread && t->interval));
  left = t->wall == NEVER ? NEVER : wait_left(t->clock, t->wall, TIMER_NEAR_NS);

  if (left == NEVER) {
    t->due = NEVER;
    if (t->wall != NEVER || ready)
      arm_kernel(t, ready, 0);
    return;
  }

  left = aim_late(left);
  due = now + left;
  if (!ready && t->due != NEVER && llabs(due - t->due) < GOOD_AIM_NS)
    return;

  t->due = due;
  t->period = get_period(t, left);
  if (ready)
    arm_kernel(t, 1, left > 0 ? left : 1);
  else
    arm_kernel(t, left > 0 ? left : 1, t->period);
}

/* ================================================== */

void
timers_tend(void)
{
  uint64_t seq = page_seq(wall_clock.page);
  struct timer *t;

  for (t = timers_first(); t; t = t->next) {
    if (!t->absolute)
      continue;
    if (t->cancel_on_set && page_stepped(wall_clock.page, t->seq))
      t->cancelled = 1;
    t->seq = seq;
    aim(t);
  }
}

/* ================================================== */

void
timer_set(struct timer *t, const struct itimerspec *value, int cancel_on_set)
{
  t->absolute = value != NULL;
  t->cancel_on_set = cancel_on_set;
  t->cancelled = t->unread = 0;
  t->wall = t->due = NEVER;
  if (!value)
    return;

  t->seq = page_seq(wall_clock.page);
  t->wall = wait_flatten(&value->it_value);
  t->interval = wait_flatten(&value->it_interval);
  aim(t);
  watch_start();
}

/* ================================================== */

void
timer_get(struct timer *t, struct itimerspec *value)
{
  struct timespec now;
  int64_t left = 0;

  settle(t, host_read(CLOCK_MONOTONIC));

  if (t->wall != NEVER) {
    clock_gettime(t->clock, &now);
    left = t->wall - wait_flatten(&now);
    if (left <= 0)
      left = 1;
  }
  model_split(left, &value->it_value);
  model_split(t->interval, &value->it_interval);
}

/* ================================================== */

uint64_t
timer_take(struct timer *t)
{
  uint64_t n;

  settle(t, host_read(CLOCK_MONOTONIC));
  n = t->cancelled ? 0 : t->unread ? t->unread : 1;
  t->cancelled = t->unread = 0;
  if (t->interval || !n)
    aim(t);
  return n;
}
