/* Preloaded into User Mode Linux, which keeps less of a processor's extended state than newer ones
 * have (AMX: 11 KiB), and cannot set what it got: the kernel wants all of it or EFAULT. What User
 * Mode Linux does not know of stays as it is. */
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef long Ptrace(int, pid_t, void *, void *);

enum { XSTATE_BYTES_MAX = 1 << 16 };

long
ptrace(enum __ptrace_request request, ...)
{
  static Ptrace *real;
  static _Thread_local unsigned char whole[XSTATE_BYTES_MAX];
  va_list rest;
  va_start(rest, request);
  pid_t pid = va_arg(rest, pid_t);
  void *address = va_arg(rest, void *);
  void *data = va_arg(rest, void *);
  va_end(rest);

  if (!real)
    real = (Ptrace *)dlsym(RTLD_NEXT, "ptrace");
  if (request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE) {
    const struct iovec *given = data;
    struct iovec all = {whole, sizeof whole};
    if (!real(PTRACE_GETREGSET, pid, address, &all) && given->iov_len < all.iov_len) {
      memcpy(whole, given->iov_base, given->iov_len);
      return real(request, pid, address, &all);
    }
  }
  return real(request, pid, address, data);
}
