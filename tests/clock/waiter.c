/*
  Waits in one way until the wall clock shows a time, and tells when it came back.

  Usage: waiter WAY SECONDS.  Prints "waiting", then JSON: the result of the wait (0 or
  an error number), the time asked for, and before and after the wait the raw clock and
  the wall clock, in ns.  WAY is one of the table at the end; those whose names end in
  -rel or -mono do not wait for a wall time, but for as long.
*/

#include <errno.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000LL

/* musl comes without the kernel's headers */
#define FUTEX_LOCK_PI 6
#define FUTEX_WAIT_BITSET 9
#define FUTEX_LOCK_PI2 13
#define FUTEX_PRIVATE_FLAG 128
#define FUTEX_CLOCK_REALTIME 256
#define FUTEX_BITSET_MATCH_ANY 0xffffffff

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static struct timespec until;
static sigset_t signals;         /* those of timers, blocked in all threads */
static int result;

static int64_t
now(clockid_t id)
{
  struct timespec ts;

  clock_gettime(id, &ts);
  return ts.tv_sec * NS + ts.tv_nsec;
}

static struct timespec
split(int64_t ns)
{
  return (struct timespec){ns / NS, ns % NS};
}

static int
failed(int rc)
{
  return rc < 0 ? errno : 0;
}

/* ================================================== */

static int
wait_nanosleep(void)
{
  return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
}

static int
wait_nanosleep_tai(void)
{
  return clock_nanosleep(CLOCK_TAI, TIMER_ABSTIME, &until, NULL);
}

static int
wait_nanosleep_rel(void)
{
  return clock_nanosleep(CLOCK_REALTIME, 0, &until, NULL);
}

static int
wait_nanosleep_mono(void)
{
  return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static int
wait_nanosleep_syscall(void)
{
  return failed(syscall(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL));
}

/* ================================================== */

static int
read_timerfd(clockid_t id, int flags, int with_poll)
{
  int fd = timerfd_create(id, with_poll ? TFD_NONBLOCK : 0);
  struct itimerspec its = {.it_value = until};
  struct pollfd p = {fd, POLLIN, 0};
  uint64_t n = 0;

  if (timerfd_settime(fd, flags, &its, NULL) < 0)
    return errno;
  if (with_poll && poll(&p, 1, -1) != 1)
    return EIO;
  if (read(fd, &n, sizeof n) < 0)
    return errno;
  return n == 1 ? 0 : EOVERFLOW;
}

static int
wait_timerfd(void)
{
  return read_timerfd(CLOCK_REALTIME, TFD_TIMER_ABSTIME, 0);
}

static int
wait_timerfd_poll(void)
{
  return read_timerfd(CLOCK_REALTIME, TFD_TIMER_ABSTIME, 1);
}

static int
wait_timerfd_cancel(void)
{
  return read_timerfd(CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, 0);
}

static int
wait_timerfd_cancel_poll(void)
{
  return read_timerfd(CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, 1);
}

static int
wait_timerfd_rel(void)
{
  return read_timerfd(CLOCK_REALTIME, 0, 0);
}

static int
wait_timerfd_mono(void)
{
  return read_timerfd(CLOCK_MONOTONIC, TFD_TIMER_ABSTIME, 0);
}

/* ================================================== */

static int
wait_for_timer(clockid_t id, int flags)
{
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  struct itimerspec its = {.it_value = until};
  timer_t timer;
  int number;

  if (timer_create(id, &event, &timer) < 0 || timer_settime(timer, flags, &its, NULL) < 0)
    return errno;
  sigwait(&signals, &number);
  return failed(timer_delete(timer));
}

static int
wait_timer(void)
{
  return wait_for_timer(CLOCK_REALTIME, TIMER_ABSTIME);
}

static int
wait_timer_tai(void)
{
  return wait_for_timer(CLOCK_TAI, TIMER_ABSTIME);
}

static int
wait_timer_rel(void)
{
  return wait_for_timer(CLOCK_REALTIME, 0);
}

static int
wait_timer_mono(void)
{
  return wait_for_timer(CLOCK_MONOTONIC, TIMER_ABSTIME);
}

/* ================================================== */

static int
wait_for_cond(clockid_t id)
{
  pthread_condattr_t attr;
  pthread_cond_t cond;
  int rc;

  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, id);
  pthread_cond_init(&cond, &attr);
  pthread_mutex_lock(&mutex);
  do {
    rc = pthread_cond_timedwait(&cond, &mutex, &until);
  } while (rc == 0);
  pthread_mutex_unlock(&mutex);
  pthread_cond_destroy(&cond);
  return rc;
}

static int
wait_cond(void)
{
  return wait_for_cond(CLOCK_REALTIME);
}

static int
wait_cond_mono(void)
{
  return wait_for_cond(CLOCK_MONOTONIC);
}

static int
wait_cnd(void)
{
  cnd_t cond;
  mtx_t lock;
  int rc;

  cnd_init(&cond);
  mtx_init(&lock, mtx_timed);
  mtx_lock(&lock);
  do {
    rc = cnd_timedwait(&cond, &lock, &until);
  } while (rc == thrd_success);
  cnd_destroy(&cond);
  return rc == thrd_timedout ? ETIMEDOUT : EIO;
}

/* ================================================== */

static int
wait_mutex(void)
{
  return pthread_mutex_timedlock(&mutex, &until);
}

static int
wait_mtx(void)
{
  int rc = mtx_timedlock((mtx_t *)&mutex, &until);

  return rc == thrd_timedout ? ETIMEDOUT : EIO;
}

static int
wait_pi_mutex(void)
{
  return pthread_mutex_timedlock(&mutex, &until);
}

static int
wait_rdlock(void)
{
  return pthread_rwlock_timedrdlock(&rwlock, &until);
}

static int
wait_wrlock(void)
{
  return pthread_rwlock_timedwrlock(&rwlock, &until);
}

static int
wait_sem(void)
{
  sem_t sem;

  sem_init(&sem, 0, 0);
  return failed(sem_timedwait(&sem, &until));
}

/* ================================================== */

#ifdef __GLIBC__

static int
wait_cond_clock(void)
{
  pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
  int rc;

  pthread_mutex_lock(&mutex);
  do {
    rc = pthread_cond_clockwait(&cond, &mutex, CLOCK_REALTIME, &until);
  } while (rc == 0);
  return rc;
}

static int
wait_mutex_clock(void)
{
  return pthread_mutex_clocklock(&mutex, CLOCK_REALTIME, &until);
}

static int
wait_mutex_mono(void)
{
  return pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &until);
}

static int
wait_rdlock_clock(void)
{
  return pthread_rwlock_clockrdlock(&rwlock, CLOCK_REALTIME, &until);
}

static int
wait_wrlock_clock(void)
{
  return pthread_rwlock_clockwrlock(&rwlock, CLOCK_REALTIME, &until);
}

static int
wait_sem_clock(void)
{
  sem_t sem;

  sem_init(&sem, 0, 0);
  return failed(sem_clockwait(&sem, CLOCK_REALTIME, &until));
}

static int
wait_sem_mono(void)
{
  sem_t sem;

  sem_init(&sem, 0, 0);
  return failed(sem_clockwait(&sem, CLOCK_MONOTONIC, &until));
}

#endif

/* ================================================== */

static mqd_t
open_queue(void)
{
  struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
  char name[32];
  mqd_t queue;

  snprintf(name, sizeof name, "/ntplab-%d", (int)getpid());
  queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
  mq_unlink(name);
  return queue;
}

static int
wait_mq_receive(void)
{
  char text[8];

  return failed(mq_timedreceive(open_queue(), text, sizeof text, NULL, &until));
}

static int
wait_mq_send(void)
{
  mqd_t queue = open_queue();

  mq_send(queue, "full", 4, 0);
  return failed(mq_timedsend(queue, "more", 4, 0, &until));
}

static int
wait_futex(void)
{
  uint32_t word = 7;

  return failed(syscall(SYS_futex, &word,
                        FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, 7, &until,
                        NULL, FUTEX_BITSET_MATCH_ANY));
}

static int
wait_futex_mono(void)
{
  uint32_t word = 7;

  return failed(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 7, &until, NULL,
                        FUTEX_BITSET_MATCH_ANY));
}

/* A lock of the thread that began */

static uint32_t pi_lock;

static int
lock_pi(int operation)
{
  return failed(syscall(SYS_futex, &pi_lock, operation | FUTEX_PRIVATE_FLAG, 0, &until, NULL, 0));
}

static int
wait_lock_pi(void)
{
  return lock_pi(FUTEX_LOCK_PI);
}

static int
wait_lock_pi2(void)
{
  return lock_pi(FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME);
}

static int
wait_lock_pi2_mono(void)
{
  return lock_pi(FUTEX_LOCK_PI2);
}

/* ================================================== */

static int
wait_timerfd_readv(void)
{
  struct itimerspec its = {.it_value = until};
  int fd = timerfd_create(CLOCK_REALTIME, 0);
  uint32_t half[2] = {0, 0};
  struct iovec parts[] = {{&half[0], 4}, {&half[1], 4}};

  if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &its, NULL) < 0)
    return errno;
  if (readv(fd, parts, 2) < 0)
    return errno;
  return half[0] + half[1] == 1 ? 0 : EOVERFLOW;
}

static int
wait_timerfd_read_syscall(void)
{
  struct itimerspec its = {.it_value = until};
  int fd = timerfd_create(CLOCK_REALTIME, 0);
  uint64_t n = 0;

  if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &its, NULL) < 0)
    return errno;
  return failed(syscall(SYS_read, fd, &n, sizeof n));
}

/* ================================================== */

static void *
last_for_ever(void *arg)
{
  pause();
  return arg;
}

static pthread_t
start_endless(void)
{
  pthread_t thread;

  pthread_create(&thread, NULL, last_for_ever, NULL);
  return thread;
}

static int
wait_join(void)
{
  return pthread_timedjoin_np(start_endless(), NULL, &until);
}

#ifdef __GLIBC__
static int
wait_join_clock(void)
{
  return pthread_clockjoin_np(start_endless(), NULL, CLOCK_REALTIME, &until);
}

static int
wait_join_mono(void)
{
  return pthread_clockjoin_np(start_endless(), NULL, CLOCK_MONOTONIC, &until);
}
#endif

/* ================================================== */

static const struct way {
  const char *name;
  int (*wait)(void);
  int held;             /* 1 a mutex, 2 a lock: by another thread */
} ways[] = {
  {"nanosleep", wait_nanosleep, 0}, {"nanosleep-tai", wait_nanosleep_tai, 0},
  {"nanosleep-rel", wait_nanosleep_rel, 0}, {"nanosleep-mono", wait_nanosleep_mono, 0},
  {"nanosleep-syscall", wait_nanosleep_syscall, 0},
  {"timerfd", wait_timerfd, 0}, {"timerfd-poll", wait_timerfd_poll, 0},
  {"timerfd-cancel", wait_timerfd_cancel, 0},
  {"timerfd-cancel-poll", wait_timerfd_cancel_poll, 0},
  {"timerfd-rel", wait_timerfd_rel, 0}, {"timerfd-mono", wait_timerfd_mono, 0},
  {"timer", wait_timer, 0}, {"timer-tai", wait_timer_tai, 0}, {"timer-rel", wait_timer_rel, 0},
  {"timer-mono", wait_timer_mono, 0},
  {"cond", wait_cond, 0}, {"cond-mono", wait_cond_mono, 0}, {"cnd", wait_cnd, 0},
  {"mutex", wait_mutex, 1}, {"mutex-pi", wait_pi_mutex, 1}, {"mtx", wait_mtx, 1},
  {"rdlock", wait_rdlock, 2}, {"wrlock", wait_wrlock, 2}, {"sem", wait_sem, 0},
#ifdef __GLIBC__
  {"cond-clock", wait_cond_clock, 0}, {"mutex-clock", wait_mutex_clock, 1},
  {"mutex-mono", wait_mutex_mono, 1}, {"rdlock-clock", wait_rdlock_clock, 2},
  {"wrlock-clock", wait_wrlock_clock, 2}, {"sem-clock", wait_sem_clock, 0},
  {"sem-mono", wait_sem_mono, 0},
  {"join-clock", wait_join_clock, 0}, {"join-mono", wait_join_mono, 0},
#endif
  {"join", wait_join, 0}, {"lock-pi", wait_lock_pi, 0}, {"lock-pi2", wait_lock_pi2, 0},
  {"lock-pi2-mono", wait_lock_pi2_mono, 0}, {"timerfd-cancel-readv", wait_timerfd_readv, 0},
  {"timerfd-cancel-syscall", wait_timerfd_read_syscall, 0},
  {"mq-receive", wait_mq_receive, 0}, {"mq-send", wait_mq_send, 0},
  {"futex", wait_futex, 0}, {"futex-mono", wait_futex_mono, 0},
};

/* ================================================== */

static int
ends_in(const char *s, const char *end)
{
  return strlen(s) >= strlen(end) && strcmp(s + strlen(s) - strlen(end), end) == 0;
}

static void *
run(void *arg)
{
  const struct way *way = arg;

  result = way->wait();
  return NULL;
}

int
main(int argc, char **argv)
{
  const struct way *way = NULL;
  pthread_mutexattr_t attr;
  int64_t raw, wall, asked, start = 0;
  pthread_t thread;
  size_t i;

  for (i = 0; argc == 3 && i < sizeof ways / sizeof *ways; i++)
    if (strcmp(ways[i].name, argv[1]) == 0)
      way = &ways[i];
  if (!way)
    return 2;

  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigprocmask(SIG_BLOCK, &signals, NULL);

  if (way->wait == wait_pi_mutex) {
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&mutex, &attr);
  }
  if (way->held == 1)
    pthread_mutex_lock(&mutex);
  if (way->held == 2)
    pthread_rwlock_wrlock(&rwlock);

  pi_lock = syscall(SYS_gettid);

  raw = now(CLOCK_MONOTONIC_RAW);
  wall = now(CLOCK_REALTIME);
  if (ends_in(way->name, "-mono"))
    start = now(CLOCK_MONOTONIC);
  else if (ends_in(way->name, "-tai"))
    start = now(CLOCK_TAI);
  else if (!ends_in(way->name, "-rel"))
    start = wall;
  asked = start + (int64_t)(atof(argv[2]) * NS);
  until = split(asked);
  puts("waiting");
  fflush(stdout);

  pthread_create(&thread, NULL, run, (void *)way);
  pthread_join(thread, NULL);

  printf("{\"result\": %d, \"asked\": %lld, \"raw\": [%lld, %lld], \"wall\": [%lld, ", result,
         (long long)asked, (long long)raw, (long long)now(CLOCK_MONOTONIC_RAW), (long long)wall);
  printf("%lld]}\n", (long long)now(CLOCK_REALTIME));
  return 0;
}
