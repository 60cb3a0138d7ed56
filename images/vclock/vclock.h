/*
  The interface of libvclockmodel.so: clock pages for the observer and for tests.

  - raw and wall are nanoseconds; drift is in 2^-16 ppm, like timex.freq
  - a negative raw means now, taken inside the writer lock
  - a change takes effect at raw, or at the change before it if that was later; a
    wall to set is that of raw in both cases
  - a change of the oscillator returns the raw instant it took effect at, or a
    negative errno: -EPERM if the page was opened read-only, -EINVAL, -EBADMSG if the
    page is damaged, -EBUSY if another writer does not come to an end
*/

#ifndef VCLOCK_H
#define VCLOCK_H

#include <stdint.h>
#include <sys/timex.h>
#include <time.h>

struct vclock;

struct vclock_status {
  int64_t wall_ns;
  int64_t drift_scaled;         /* oscillator error, 2^-16 ppm */
  int64_t freq_scaled;          /* timex.freq */
  int64_t tick;
  int64_t maxerror_us;
  int64_t esterror_us;
  int64_t slew_left_ns;         /* by adjtime() and the loop, after this second */
  int64_t last_set_raw;         /* when the set in force took effect */
  uint64_t seq;                 /* changes so far */
  int32_t status;               /* timex.status */
  int32_t tai;
  int32_t frozen;
  int32_t writable;             /* this handle, not the clock */
};

#pragma GCC visibility push(default)

/* Make a page in a file of mode 0644, atomically; an existing one is replaced.
   0 or a negative errno. */
int vclock_page_create(const char *path, int64_t raw, int64_t wall);

/* NULL and errno: EBADMSG not a clock page or a damaged one, EPROTONOSUPPORT another version */
struct vclock *vclock_page_open(const char *path, int writable);
void vclock_page_close(struct vclock *c);

/* Raw now: the host's CLOCK_MONOTONIC_RAW, whatever time namespace we are in */
int64_t vclock_raw_now(void);

/* The wall clock at raw, by the set that held then; a raw older than the oldest
   set kept is extrapolated from that one */
int64_t vclock_read(const struct vclock *c, int64_t raw);

/* 0 or -EBADMSG; a negative raw means now */
int vclock_status(const struct vclock *c, int64_t raw, struct vclock_status *out);

/* Faults of the oscillator, invisible in timex */
int64_t vclock_set_wall(struct vclock *c, int64_t raw, int64_t wall);
int64_t vclock_step(struct vclock *c, int64_t raw, int64_t by);
int64_t vclock_set_oscillator(struct vclock *c, int64_t raw, int64_t drift);
int64_t vclock_freeze(struct vclock *c, int64_t raw, int frozen);

/* A true clock again, as freshly booted: oscillator and discipline start anew */
int64_t vclock_reset(struct vclock *c, int64_t raw, int64_t wall);

/* What a program does.  Not raw instants but the calls' own results: 0 or the
   state of the clock, or a negative errno. */
int vclock_settime(struct vclock *c, int64_t raw, const struct timespec *ts);
int vclock_adjtimex(struct vclock *c, int64_t raw, struct timex *tx);

#pragma GCC visibility pop

#endif
