/*
  The host's clocks, past any interception.
*/

#ifndef HOST_H
#define HOST_H

#include <stdint.h>
#include <time.h>

/* The kernel's clock_gettime() by the vDSO: 0 or a negative errno */
extern int (*host_gettime)(clockid_t id, struct timespec *ts);

/* What a time namespace adds to CLOCK_MONOTONIC_RAW here, also in two parts */
extern int64_t host_raw_offset;
extern struct timespec host_raw_offset_ts;

/* Find both, once.  0 or a negative errno.  Before anything else. */
int host_open(void);

static inline int64_t
host_read(clockid_t id)
{
  struct timespec ts;

  host_gettime(id, &ts);
  return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Raw now: the same on all clocks of a host, whatever the time namespace */
static inline int64_t
host_raw(void)
{
  return host_read(CLOCK_MONOTONIC_RAW) - host_raw_offset;
}

#endif
