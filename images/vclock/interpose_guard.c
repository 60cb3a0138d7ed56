/*
  A clock page that is taken away from a running program, or damaged.

  Whoever may write to the file may also make it shorter, and then reading the memory
  that maps it raises SIGBUS; or fill it with anything, which is found out as soon as
  its seconds have to be gone through.  That must not end programs that ask for the
  time: they go on with the host's clock, after a message.  Memory like a clock page
  takes the place of the lost one, for the readings that are on their way.

  A program with a handler for SIGBUS of its own is on its own, and so is a thread
  that blocks the signal.
*/

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "interpose.h"

/* ================================================== */

static int
is_ours(const void *at)
{
  const char *page = (void *)wall_clock.page;

  return (const char *)at >= page && (const char *)at < page + sizeof *wall_clock.page;
}

/* ================================================== */
/* At once, and with every set in its place: another thread may be reading, or writing */

static int
replace_page(void)
{
  struct page *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int i;

  if (page == MAP_FAILED)
    return 0;

  page->magic = PAGE_MAGIC;
  page->version = PAGE_VERSION;
  page->size = sizeof *page;
  page_count_map();
  model_start(&page->ring[0].set, host_raw(), host_read(CLOCK_REALTIME));
  for (i = 1; i < PAGE_SETS; i++)
    page->ring[i] = page->ring[0];

  return mremap(page, sizeof *page, sizeof *page, MREMAP_MAYMOVE | MREMAP_FIXED,
                wall_clock.page) != MAP_FAILED;
}

/* ================================================== */
/* Whoever is the first to notice says so */

static int
lose_page(const char *how)
{
  if (!replace_page())
    return 0;

  wall_clock.writable = 0;
  if (__atomic_exchange_n(&interpose_on, 0, __ATOMIC_RELAXED))
    dprintf(STDERR_FILENO, "libvclock: the clock page is %s, this is the host's clock now\n", how);
  return 1;
}

/* ================================================== */

static int
lose_damaged(void)
{
  int saved = errno, lost = lose_page("damaged");

  errno = saved;
  return lost;
}

/* ================================================== */
/* As if there had never been a handler, when we return */

static void
give_up(int number)
{
  signal(number, SIG_DFL);
  raise(number);
}

/* ================================================== */

static void
handle(int number, siginfo_t *info, void *context)
{
  int saved = errno;

  (void)context;
  if (!is_ours(info->si_addr) || !lose_page("gone"))
    give_up(number);
  errno = saved;
}

/* ================================================== */

void
guard_page(void)
{
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER};
  struct sigaction old;

  page_lost = lose_damaged;
  if (sigaction(SIGBUS, NULL, &old) == 0 && !(old.sa_flags & SA_SIGINFO) &&
      old.sa_handler == SIG_DFL)
    sigaction(SIGBUS, &action, NULL);
}
