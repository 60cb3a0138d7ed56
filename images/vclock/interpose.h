/*
  What the files of the preloaded library share.

  interpose.c finds the clock page and reads it, interpose_set.c sets the clock,
  interpose_packets.c translates packet stamps and interpose_syscall.c sends
  syscall(2) to the others.  No arithmetic of clocks is in them.

  Without VCLOCK_PAGE in the environment there is no virtual clock, and every call
  gets what the C library would have given.
*/

#ifndef INTERPOSE_H
#define INTERPOSE_H

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include "host.h"
#include "page.h"
#include "vclock.h"

#define EXPORT __attribute__((visibility("default")))

/* The calls that come next after ours, in the C library as a rule */
struct next {
  long (*syscall)(long number, ...);
  ssize_t (*recvmsg)(int fd, struct msghdr *msg, int flags);
  int (*recvmmsg)(int fd, struct mmsghdr *msgs, unsigned int n, int flags,
                  struct timespec *timeout);
  int (*timespec_get)(struct timespec *ts, int base);
};

extern struct next next;
extern struct vclock wall_clock;

/* Fill both.  Ends the process if there should be a clock page and is none. */
void interpose_load(void);
extern int interpose_loaded;

static inline int
is_virtual(void)
{
  if (LIKELY(wall_clock.page))
    return 1;
  if (!interpose_loaded)
    interpose_load();
  return wall_clock.page != NULL;
}

/* A kernel's result, 0 or more or a negative errno, as the C library returns it */
static inline int
give(int rc)
{
  if (LIKELY(rc >= 0))
    return rc;
  errno = -rc;
  return -1;
}

#endif
