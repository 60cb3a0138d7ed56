/*
  Packet stamps: the kernel makes them with the host's clock, a program compares
  them with its own.

  A stamp is taken back to the raw instant at which the packet came, and read on the
  page with the parameters that held then.  The error queue, with the stamps of what
  was sent, is read by the same calls.
*/

#include <string.h>

#include "interpose.h"

#define MAX_BRACKETS 5
#define GOOD_BRACKET_NS 500

#ifndef SO_TIMESTAMP_NEW
#define SO_TIMESTAMP_NEW 63
#define SO_TIMESTAMPNS_NEW 64
#define SO_TIMESTAMPING_NEW 65
#endif

/* C libraries differ in the sign of the flags */
#ifdef __GLIBC__
typedef int flags_t;
#else
typedef unsigned int flags_t;
#endif

/* One instant, on two clocks */
struct anchor {
  int64_t raw;
  int64_t host;
};

/* ================================================== */
/* The narrowest of a few brackets, in case we are interrupted within one */

static void
drop_anchor(struct anchor *a)
{
  int64_t before, host, width, narrowest = INT64_MAX;
  int i;

  for (i = 0; i < MAX_BRACKETS && narrowest > GOOD_BRACKET_NS; i++) {
    before = host_raw();
    host = host_read(CLOCK_REALTIME);
    width = host_raw() - before;
    if (width < narrowest) {
      narrowest = width;
      a->raw = before + width / 2;
      a->host = host;
    }
  }
}

/* ================================================== */
/* Zero means that there is no stamp, and stays zero */

static void
translate_timespec(const struct anchor *a, void *data)
{
  struct timespec ts;
  int64_t raw;

  memcpy(&ts, data, sizeof ts);
  if (!ts.tv_sec && !ts.tv_nsec)
    return;

  raw = a->raw - (a->host - ts.tv_sec * NS_PER_S - ts.tv_nsec);
  model_split(page_read(wall_clock.page, raw), &ts);
  memcpy(data, &ts, sizeof ts);
}

/* ================================================== */

static void
translate_timeval(const struct anchor *a, void *data)
{
  struct timespec ts;
  struct timeval tv;

  memcpy(&tv, data, sizeof tv);
  ts.tv_sec = tv.tv_sec;
  ts.tv_nsec = tv.tv_usec * NS_PER_US;
  translate_timespec(a, &ts);
  tv.tv_sec = ts.tv_sec;
  tv.tv_usec = ts.tv_nsec / NS_PER_US;
  memcpy(data, &tv, sizeof tv);
}

/* ================================================== */

static void
translate(const struct anchor *a, struct cmsghdr *cmsg)
{
  switch (cmsg->cmsg_type) {
    case SO_TIMESTAMP:
    case SO_TIMESTAMP_NEW:
      if (cmsg->cmsg_len >= CMSG_LEN(sizeof (struct timeval)))
        translate_timeval(a, CMSG_DATA(cmsg));
      break;
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMPNS_NEW:
    /* Three of them: by the kernel, none, and by the network card's own clock */
    case SO_TIMESTAMPING:
    case SO_TIMESTAMPING_NEW:
      if (cmsg->cmsg_len >= CMSG_LEN(sizeof (struct timespec)))
        translate_timespec(a, CMSG_DATA(cmsg));
      break;
  }
}

/* ================================================== */

static void
translate_all(struct msghdr *msg, struct anchor *a)
{
  struct cmsghdr *cmsg;

  for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
    if (cmsg->cmsg_level != SOL_SOCKET)
      continue;
    if (!a->host)
      drop_anchor(a);
    translate(a, cmsg);
  }
}

/* ================================================== */

EXPORT ssize_t
recvmsg(int fd, struct msghdr *msg, int flags)
{
  struct anchor a = {0, 0};
  int translated = is_virtual();
  ssize_t n = next.recvmsg(fd, msg, flags);

  if (translated && n >= 0)
    translate_all(msg, &a);
  return n;
}

/* ================================================== */

EXPORT int
recvmmsg(int fd, struct mmsghdr *msgs, unsigned int n, flags_t flags, struct timespec *timeout)
{
  struct anchor a = {0, 0};
  int i, received, translated = is_virtual();

  received = next.recvmmsg(fd, msgs, n, flags, timeout);

  for (i = 0; translated && i < received; i++)
    translate_all(&msgs[i].msg_hdr, &a);
  return received;
}
