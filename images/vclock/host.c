/*
  The host's clocks, see host.h.
*/

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "host.h"

#ifdef __aarch64__
#define VDSO_GETTIME "__kernel_clock_gettime"
#else
#define VDSO_GETTIME "__vdso_clock_gettime"
#endif

static int (*libc_gettime)(clockid_t id, struct timespec *ts);

static int
call_libc(clockid_t id, struct timespec *ts)
{
  int saved = errno, rc = libc_gettime(id, ts) == 0 ? 0 : -errno;

  errno = saved;
  return rc;
}

int (*host_gettime)(clockid_t id, struct timespec *ts) = call_libc;
int64_t host_raw_offset;
struct timespec host_raw_offset_ts;

/* ================================================== */
/* Straight to the vDSO where there is one: a call less on each reading */

static void
find_gettime(void)
{
  void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD), *symbol = NULL;

  if (vdso)
    symbol = dlsym(vdso, VDSO_GETTIME);

  if (symbol)
    *(void **)&host_gettime = symbol;
  else
    *(void **)&libc_gettime = dlsym(RTLD_NEXT, "clock_gettime");
}

/* ================================================== */
/* The monotonic line of /proc/self/timens_offsets; a kernel without time
   namespaces has no such file, and no offset */

static int
find_offset(void)
{
  char text[256];
  long long s, ns;
  ssize_t n;
  int fd;

  fd = open("/proc/self/timens_offsets", O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return access("/proc/self/stat", F_OK) == 0 ? 0 : -errno;

  n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n < 0)
    return -EIO;

  text[n] = '\0';
  if (sscanf(text, "monotonic %lld %lld", &s, &ns) != 2)
    return -EIO;

  host_raw_offset = s * 1000000000LL + ns;
  host_raw_offset_ts.tv_sec = s;
  host_raw_offset_ts.tv_nsec = ns;
  return 0;
}

/* ================================================== */

int
host_open(void)
{
  static int result = 1;

  if (result > 0) {
    find_gettime();
    result = find_offset();
  }
  return result;
}
