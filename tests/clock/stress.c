/*
  Everything at once, for the sanitizers: threads that read, set and wait, and children.

  Usage: stress MILLISECONDS.  Exit code 0 and silence if nothing was found.
*/

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LENGTH(a) (sizeof (a) / sizeof *(a))

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static volatile int stop;

static int
is_over(void)
{
  return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static struct timespec
soon(void)
{
  struct timespec ts;

  clock_gettime(CLOCK_REALTIME, &ts);
  ts.tv_nsec += 2000000;
  ts.tv_sec += ts.tv_nsec / 1000000000;
  ts.tv_nsec %= 1000000000;
  return ts;
}

static void *
read_clock(void *arg)
{
  struct timespec ts;
  struct timeval tv;
  struct timex tx;

  while (!is_over()) {
    clock_gettime(CLOCK_REALTIME, &ts);
    clock_gettime(CLOCK_TAI, &ts);
    gettimeofday(&tv, NULL);
    tx.modes = 0;
    adjtimex(&tx);
  }
  return arg;
}

static void *
set_clock(void *arg)
{
  struct timeval slew = {0, 300};
  struct timex tx;
  int i;

  for (i = 0; !is_over(); i++) {
    tx = (struct timex){.modes = ADJ_FREQUENCY | ADJ_TICK, .freq = i % 100 << 16, .tick = 10000};
    adjtimex(&tx);
    tx = (struct timex){.modes = ADJ_SETOFFSET, .time = {.tv_sec = i % 2 ? -1 : 1}};
    clock_adjtime(CLOCK_REALTIME, &tx);
    tx = (struct timex){.modes = ADJ_STATUS | ADJ_OFFSET, .status = STA_PLL, .offset = 100};
    adjtimex(&tx);
    adjtime(&slew, NULL);
    usleep(500);
  }
  return arg;
}

static void *
wait_on_locks(void *arg)
{
  struct timespec until;
  sem_t sem;

  sem_init(&sem, 0, 0);
  while (!is_over()) {
    until = soon();
    pthread_mutex_lock(&mutex);
    pthread_cond_timedwait(&cond, &mutex, &until);
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
    until = soon();
    if (pthread_mutex_timedlock(&mutex, &until) == 0)
      pthread_mutex_unlock(&mutex);
    if (pthread_rwlock_timedwrlock(&rwlock, &until) == 0)
      pthread_rwlock_unlock(&rwlock);
    sem_timedwait(&sem, &until);
    clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
  }
  return arg;
}

static void *
wait_on_timers(void *arg)
{
  struct itimerspec its, old;
  struct sigevent event = {.sigev_notify = SIGEV_NONE};
  timer_t timer;
  uint64_t n;
  int fd;

  while (!is_over()) {
    fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    timer_create(CLOCK_REALTIME, &event, &timer);
    its = (struct itimerspec){{0, 1000000}, soon()};
    timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &its, NULL);
    timer_settime(timer, TIMER_ABSTIME, &its, &old);
    usleep(3000);
    timerfd_gettime(fd, &old);
    timer_gettime(timer, &old);
    n = read(fd, &n, sizeof n) > 0;
    timerfd_settime(fd, 0, &its, &old);
    timer_delete(timer);
    close(fd);
  }
  return arg;
}

static void
have_child(void)
{
  struct timespec until;
  pid_t pid = fork();

  if (pid == 0) {
    until = soon();
    clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
    _exit(0);
  }
  waitpid(pid, NULL, 0);
}

int
main(int argc, char **argv)
{
  void *(*const tasks[])(void *) = {
    read_clock, read_clock, set_clock, set_clock, wait_on_locks, wait_on_locks, wait_on_timers,
    wait_on_timers
  };
  pthread_t threads[LENGTH(tasks)];
  int ms = argc == 2 ? atoi(argv[1]) : 0;
  size_t i;

  for (i = 0; i < LENGTH(tasks); i++)
    pthread_create(&threads[i], NULL, tasks[i], NULL);
  for (; ms > 0; ms -= 20) {
    usleep(20000);
    have_child();
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (i = 0; i < LENGTH(tasks); i++)
    pthread_join(threads[i], NULL);
  return 0;
}
