/*
  Timers of the wall clock: timer descriptors and those of timer_create().

  Each is a timer of the kernel on a clock that nobody sets, armed for when the
  virtual clock will show what the program asked for, and armed anew when that
  changes.
*/

#ifndef WAIT_TIMER_H
#define WAIT_TIMER_H

#include "wait.h"

struct timer {
  struct timer *next;
  clockid_t clock;              /* the program's, a wall clock */
  int fd;                       /* a descriptor, or -1: */
  timer_t id;
  int absolute;                 /* armed at a wall time; if not, it is all the kernel's */
  int cancel_on_set;
  int cancelled;                /* since the last reading */
  uint64_t seq;                 /* of the clock when it was last looked at */
  int64_t wall;                 /* ns when it expires next, or NEVER */
  int64_t interval;             /* ns of the wall clock, or 0 for once */
  uint64_t unread;              /* expiries before due that nobody has read of */
  int64_t due;                  /* CLOCK_MONOTONIC ns when the kernel's expires, or NEVER */
  int64_t period;               /* and in what intervals from then on */
};

#define NEVER PAGE_NEVER

/* The kernel's clock for a timer of the program's: timers that wake the machine want a
   permission that the others do not */
static inline clockid_t
timer_clock(clockid_t id)
{
  return id == CLOCK_REALTIME_ALARM ? CLOCK_BOOTTIME_ALARM : CLOCK_MONOTONIC;
}

/* And the clock that the program reads */
static inline clockid_t
timer_wall(clockid_t id)
{
  return id == CLOCK_REALTIME_ALARM ? CLOCK_REALTIME : id;
}

/* wait_table.c, with the watcher's lock held.  The first of all.  Find a timer or NULL, make one or NULL for want of
   memory, forget one. */
struct timer *timers_first(void);
struct timer *timer_of_fd(int fd);
struct timer *timer_of_id(timer_t id);
struct timer *timer_add(clockid_t clock, int fd, timer_t id);
void timer_drop(struct timer *t);
void timers_drop_fds(unsigned int first, unsigned int last);

/* Whether there are any, and whether a descriptor may be one; asked without the lock */
int timers_exist(void);
int timer_may_be(int fd);

/* wait_timer.c.  Arm at a wall time, or by the kernel's rules if value is NULL */
void timer_set(struct timer *t, const struct itimerspec *value, int cancel_on_set);

/* What timerfd_gettime() says of one that is absolute */
void timer_get(struct timer *t, struct itimerspec *value);

/* A descriptor was found expired.  How often since it was last read, at least once,
   or 0 if it is cancelled. */
uint64_t timer_take(struct timer *t);

#endif
