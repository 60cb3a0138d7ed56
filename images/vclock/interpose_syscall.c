/*
  syscall(2): the calls on the wall clock by number.
*/

#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "wait.h"

#define ARGUMENTS 6

/* ================================================== */

/* Whether the call is one of them.  The kernel answers EFAULT to a null pointer where
   the functions of the C library must not be given one. */

static int
call_wall(long number, const long *a, long *result)
{
  void *first = (void *)a[0], *second = (void *)a[1];
  struct timeval ignored;
  void *needed = number == SYS_adjtimex ? first : second;

  if (!needed && (number == SYS_adjtimex || number == SYS_clock_adjtime ||
                  number == SYS_clock_gettime || number == SYS_clock_settime)) {
    *result = give(-EFAULT);
    return 1;
  }

  switch (number) {
    case SYS_clock_gettime:
      *result = clock_gettime(a[0], second);
      break;
    case SYS_gettimeofday:
      *result = gettimeofday(first ? first : &ignored, second);
      break;
#ifdef SYS_time
    case SYS_time:
      *result = time(first);
      break;
#endif
    case SYS_clock_settime:
      *result = clock_settime(a[0], second);
      break;
    case SYS_settimeofday:
      *result = settimeofday(first, second);
      break;
    case SYS_adjtimex:
      *result = clock_adjtime(CLOCK_REALTIME, first);
      break;
    case SYS_clock_adjtime:
      *result = clock_adjtime(a[0], second);
      break;
    case SYS_recvmsg:
      *result = recvmsg(a[0], second, a[2]);
      break;
    case SYS_recvmmsg:
      *result = recvmmsg(a[0], second, a[2], a[3], (void *)a[4]);
      break;
    case SYS_clock_nanosleep:
      *result = give(-clock_nanosleep(a[0], a[1], (void *)a[2], (void *)a[3]));
      break;
    case SYS_timerfd_create:
      *result = timerfd_create(a[0], a[1]);
      break;
    case SYS_timerfd_settime:
      *result = timerfd_settime(a[0], a[1], (void *)a[2], (void *)a[3]);
      break;
    case SYS_timerfd_gettime:
      *result = timerfd_gettime(a[0], second);
      break;
    case SYS_read:
      *result = read(a[0], second, a[2]);
      break;
    case SYS_readv:
      *result = readv(a[0], second, a[2]);
      break;
    case SYS_futex:
      return wait_futex(a, result);
    default:
      return 0;
  }
  return 1;
}

/* ================================================== */

EXPORT long
syscall(long number, ...)
{
  long a[ARGUMENTS], result;
  int i;
  va_list args;

  va_start(args, number);
  for (i = 0; i < ARGUMENTS; i++)
    a[i] = va_arg(args, long);
  va_end(args);

  if (is_virtual() && call_wall(number, a, &result))
    return result;

  return next.syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
