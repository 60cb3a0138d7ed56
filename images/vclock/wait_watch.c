/*
  The watcher: a thread that is started when a program first waits for a wall time in
  a way that somebody must look after.  It sleeps on the page; when the clock changes
  it wakes who waits on conditions and arms timers anew.

  A forked child has no watcher until it waits in such a way itself.
*/

#include <limits.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "wait.h"

/* Timers run on the host's steered clock, and are aimed anew as often as that
   matters */
#define PERIOD_NS (10 * NS_PER_S)

/* The thread calls next to nothing, but sanitizers want room */
#define STACK_SIZE (256 * 1024)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t owner;             /* the process that the watcher is in, or 0 */

/* ================================================== */

void
watch_enter(sigset_t *saved)
{
  sigset_t all;

  sigfillset(&all);
  sigdelset(&all, SIGBUS);
  pthread_sigmask(SIG_BLOCK, &all, saved);
  pthread_mutex_lock(&lock);
}

void
watch_leave(const sigset_t *saved)
{
  pthread_mutex_unlock(&lock);
  pthread_sigmask(SIG_SETMASK, saved, NULL);
}

/* ================================================== */

int
watch_is_foreign(void)
{
  return owner && owner != getpid();
}

/* ================================================== */

static void *
watch(void *page)
{
  int64_t ns;
  uint64_t seq;

  prctl(PR_SET_NAME, "vclock");

  for (;;) {
    pthread_mutex_lock(&lock);
    seq = page_seq(page);
    timers_tend();
    ns = conds_tend(seq);
    pthread_mutex_unlock(&lock);
    page_sleep(page, seq, ns < PERIOD_NS ? ns : PERIOD_NS);
  }
  return NULL;
}

/* ================================================== */

static void
lock_for_fork(void)
{
  pthread_mutex_lock(&lock);
}

static void
unlock_after_fork(void)
{
  pthread_mutex_unlock(&lock);
}

static void
forget_in_child(void)
{
  owner = 0;
  conds_forked();
  timers_forked();
  pthread_mutex_init(&lock, NULL);
}

/* ================================================== */
/* Without a watcher waits still end when they are due, by what the clock was when
   they began */

void
watch_start(void)
{
  static int prepared;
  pthread_attr_t attr;
  pthread_t thread;

  if (owner)
    return;

  if (!prepared)
    prepared = pthread_atfork(lock_for_fork, unlock_after_fork, forget_in_child) == 0;

  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, STACK_SIZE);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  if (pthread_create(&thread, &attr, watch, wall_clock.page) == 0)
    owner = getpid();
  pthread_attr_destroy(&attr);
}
