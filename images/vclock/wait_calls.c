/*
  The calls of timers and timer descriptors, see wait_timer.h.

  What is not on a wall clock never gets into the list, and costs one comparison in
  read() and close().
*/

#include <limits.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "wait_timer.h"

/* ================================================== */

EXPORT int
timerfd_create(clockid_t id, int flags)
{
  sigset_t saved;
  int fd, known;

  if (!is_virtual() || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_ALARM))
    return next.timerfd_create(id, flags);

  fd = next.timerfd_create(timer_clock(id), flags);
  if (fd < 0)
    return fd;

  watch_enter(&saved);
  known = timer_add(timer_wall(id), fd, 0) != NULL;
  watch_leave(&saved);
  if (known)
    return fd;

  next.close(fd);
  return give(-ENOMEM);
}

/* ================================================== */

static struct timer *
find_fd(int fd)
{
  return timer_may_be(fd) && !watch_is_foreign() ? timer_of_fd(fd) : NULL;
}

/* ================================================== */
/* The kernel reads all before it changes anything */

static int
is_refused(const struct itimerspec *value)
{
  return !value || !is_valid(&value->it_value) || !is_valid(&value->it_interval);
}

static int
is_disarming(const struct itimerspec *value)
{
  return !value->it_value.tv_sec && !value->it_value.tv_nsec;
}

/* ================================================== */

static int
set_fd(struct timer *t, int flags, const struct itimerspec *value, struct itimerspec *old)
{
  struct itimerspec before;
  int rc, was_absolute = t->absolute, was_cancelled = t->cancelled;

  if (was_absolute)
    timer_get(t, &before);

  if (!(flags & TFD_TIMER_ABSTIME) || is_disarming(value)) {
    timer_set(t, NULL, 0);
    rc = next.timerfd_settime(t->fd, flags & ~TFD_TIMER_ABSTIME, value, was_absolute ? NULL : old);
  } else {
    rc = was_absolute || !old ? 0 : next.timerfd_gettime(t->fd, old);
    timer_set(t, value, flags & TFD_TIMER_CANCEL_ON_SET);
    if (flags & TFD_TIMER_CANCEL_ON_SET && was_cancelled)
      rc = give(-ECANCELED);
  }

  if (was_absolute && old)
    *old = before;
  return rc;
}

/* ================================================== */

EXPORT int
timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
  struct timer *t;
  sigset_t saved;
  int rc;

  if (!is_virtual() || !timer_may_be(fd) || is_refused(value) ||
      flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
    return next.timerfd_settime(fd, flags, value, old);

  watch_enter(&saved);
  t = find_fd(fd);
  rc = t ? set_fd(t, flags, value, old) : next.timerfd_settime(fd, flags, value, old);
  watch_leave(&saved);
  return rc;
}

/* ================================================== */

EXPORT int
timerfd_gettime(int fd, struct itimerspec *value)
{
  struct timer *t;
  sigset_t saved;
  int rc = 0;

  if (!is_virtual() || !timer_may_be(fd))
    return next.timerfd_gettime(fd, value);

  watch_enter(&saved);
  t = find_fd(fd);
  if (t && t->absolute)
    timer_get(t, value);
  else
    rc = next.timerfd_gettime(fd, value);
  watch_leave(&saved);
  return rc;
}

/* ================================================== */

/* A descriptor has been read.  Whether it is a timer of ours; how often that expired, or
   0 if it is cancelled. */

static int
count_expiries(int fd, uint64_t *taken)
{
  struct timer *t;
  sigset_t saved;
  int ours;

  watch_enter(&saved);
  t = find_fd(fd);
  ours = t && t->absolute;
  if (ours)
    *taken = timer_take(t);
  watch_leave(&saved);
  return ours;
}

/* ================================================== */

EXPORT ssize_t
read(int fd, void *buffer, size_t length)
{
  uint64_t taken = 1;
  ssize_t n;

  if (UNLIKELY(!next.read))
    interpose_load();

  n = next.read(fd, buffer, length);
  if (LIKELY(!timer_may_be(fd)) || n != sizeof taken)
    return n;

  if (count_expiries(fd, &taken))
    memcpy(buffer, &taken, sizeof taken);
  return taken ? n : give(-ECANCELED);
}

/* ================================================== */
/* The kernel puts the number into as many buffers as it takes */

EXPORT ssize_t
readv(int fd, const struct iovec *buffers, int number)
{
  const char *from;
  uint64_t taken = 1;
  size_t left = sizeof taken, part;
  ssize_t n;

  if (UNLIKELY(!next.readv))
    interpose_load();

  n = next.readv(fd, buffers, number);
  if (LIKELY(!timer_may_be(fd)) || n != sizeof taken)
    return n;

  if (count_expiries(fd, &taken)) {
    for (from = (char *)&taken; left; from += part, left -= part, buffers++) {
      part = buffers->iov_len < left ? buffers->iov_len : left;
      memcpy(buffers->iov_base, from, part);
    }
  }
  return taken ? n : give(-ECANCELED);
}

/* ================================================== */
/* A descriptor that is closed may be something else the next moment */

static void
forget_fds(unsigned int first, unsigned int last)
{
  sigset_t saved;

  if (watch_is_foreign())
    return;

  watch_enter(&saved);
  timers_drop_fds(first, last);
  watch_leave(&saved);
}

/* ================================================== */

EXPORT int
close(int fd)
{
  if (UNLIKELY(!next.close))
    interpose_load();
  if (UNLIKELY(timer_may_be(fd)))
    forget_fds(fd, fd);
  return next.close(fd);
}

/* ================================================== */

EXPORT int
dup2(int from, int to)
{
  if (UNLIKELY(!next.dup2))
    interpose_load();
  if (UNLIKELY(timer_may_be(to)) && from != to)
    forget_fds(to, to);
  return next.dup2(from, to);
}

EXPORT int
dup3(int from, int to, int flags)
{
  if (UNLIKELY(!next.dup3))
    interpose_load();
  if (UNLIKELY(timer_may_be(to)) && from != to)
    forget_fds(to, to);
  return next.dup3(from, to, flags);
}

/* ================================================== */

#ifdef __GLIBC__
EXPORT int
close_range(unsigned int first, unsigned int last, int flags)
{
  if (UNLIKELY(!next.close_range))
    interpose_load();
  if (UNLIKELY(timers_exist()) && !flags)
    forget_fds(first, last);
  return next.close_range(first, last, flags);
}

EXPORT void
closefrom(int first)
{
  if (UNLIKELY(!next.closefrom))
    interpose_load();
  if (UNLIKELY(timers_exist()))
    forget_fds(first < 0 ? 0 : first, UINT_MAX);
  next.closefrom(first);
}
#endif
