"""Corners of waiting: what timers tell, descriptors that are reused, signals, cancellation, forks.

One C program per corner, which says what is wrong and where; all run under the virtual clock, and
those whose behavior does not depend on it also on the host's, as a check of the expectation.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from clockpage import ClockPage

from conftest import Preloaded

PROLOGUE = r"""
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000LL
#define NS 1000000000LL
#define CHECK(x) \
  do { if (!(x)) { fprintf(stderr, "line %d: %s, errno %d\n", __LINE__, #x, errno); exit(1); } } \
  while (0)

static int64_t __attribute__((unused))
now(clockid_t id)
{
  struct timespec ts;

  clock_gettime(id, &ts);
  return ts.tv_sec * NS + ts.tv_nsec;
}

static struct timespec __attribute__((unused))
split(int64_t ns)
{
  return (struct timespec){ns / NS, ns % NS};
}

static int64_t __attribute__((unused))
flat(struct timespec ts)
{
  return ts.tv_sec * NS + ts.tv_nsec;
}
"""

CORNERS = {
    "a periodic descriptor": r"""
  int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
  int64_t start = now(CLOCK_REALTIME), total = 0;
  struct itimerspec its = {split(20 * MS), split(start + 50 * MS)}, got;
  uint64_t n;

  CHECK(read(fd, &n, sizeof n) < 0 && errno == EAGAIN);
  CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL) == 0);
  CHECK(timerfd_gettime(fd, &got) == 0);
  CHECK(flat(got.it_interval) == 20 * MS);
  CHECK(flat(got.it_value) > 0 && flat(got.it_value) <= 50 * MS);
  while (total < 10) {
    struct pollfd p = {fd, POLLIN, 0};
    CHECK(poll(&p, 1, 5000) == 1);
    CHECK(read(fd, &n, sizeof n) == 8);
    total += n;
    /* As many as there were, no more */
    CHECK(start + 50 * MS + (total - 1) * 20 * MS <= now(CLOCK_REALTIME));
  }
  /* Nobody reads for five intervals */
  usleep(100000);
  CHECK(read(fd, &n, sizeof n) == 8 && n >= 4);
  CHECK(read(fd, &n, sizeof n) < 0 && errno == EAGAIN);
""",
    "what a descriptor tells": r"""
  int fd = timerfd_create(CLOCK_REALTIME, 0);
  int64_t start = now(CLOCK_REALTIME);
  struct itimerspec far = {{0, 0}, split(start + 100 * NS)}, none = {{0, 0}, {0, 0}}, old;
  struct itimerspec bad = {{0, 0}, {0, NS}}, rel = {{0, 0}, {50, 0}};
  uint64_t n;

  CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &far, &old) == 0);
  CHECK(flat(old.it_value) == 0);
  CHECK(timerfd_settime(fd, 0, &rel, &old) == 0);
  CHECK(flat(old.it_value) > 90 * NS && flat(old.it_value) <= 100 * NS);
  CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &far, &old) == 0);
  CHECK(flat(old.it_value) > 40 * NS && flat(old.it_value) <= 50 * NS);
  CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &none, &old) == 0);
  CHECK(flat(old.it_value) > 90 * NS);
  CHECK(timerfd_gettime(fd, &old) == 0 && flat(old.it_value) == 0);
  CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &bad, NULL) < 0 && errno == EINVAL);
  CHECK(timerfd_settime(fd, 1 << 7, &far, NULL) < 0 && errno == EINVAL);
  CHECK(timerfd_settime(0, 0, &far, NULL) < 0 && errno == EINVAL);
  CHECK(timerfd_settime(99, 0, &far, NULL) < 0 && errno == EBADF);
  CHECK(timerfd_create(CLOCK_TAI, 0) < 0 && errno == EINVAL);
  far.it_value = split(now(CLOCK_REALTIME) + 20 * MS);
  CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &far, NULL) == 0);
  CHECK(read(fd, &n, sizeof n) == 8 && n == 1);
  CHECK(timerfd_gettime(fd, &old) == 0 && flat(old.it_value) == 0);
""",
    "a number that is used again": r"""
  int fd = timerfd_create(CLOCK_REALTIME, 0), other, i;
  struct itimerspec far = {{0, 0}, split(now(CLOCK_REALTIME) + 100 * NS)}, old;
  struct itimerspec rel = {{0, 0}, {50, 0}};
  char text[8];

  for (i = 0; i < 4; i++) {
    CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &far, NULL) == 0);
    switch (i) {
      case 0:
        CHECK(close(fd) == 0);
        break;
      case 1:
        CHECK(dup2(open("/dev/null", O_RDONLY), fd) == fd && close(fd) == 0);
        break;
      case 2:
        CHECK(dup3(open("/dev/null", O_RDONLY), fd, O_CLOEXEC) == fd && close(fd) == 0);
        break;
      case 3:
        CHECK(close_range(fd, fd, 0) == 0);
        break;
    }
    other = timerfd_create(CLOCK_MONOTONIC, 0);
    CHECK(dup2(other, fd) == fd);
    CHECK(timerfd_settime(fd, 0, &rel, &old) == 0 && flat(old.it_value) == 0);
    CHECK(timerfd_gettime(fd, &old) == 0 && flat(old.it_value) <= 50 * NS);
    close(fd);
    close(other);
    other = open("/dev/zero", O_RDONLY);
    CHECK(dup2(other, fd) == fd || other == fd);
    CHECK(read(fd, text, 8) == 8 && text[0] == 0);
    close(fd);
    fd = timerfd_create(CLOCK_REALTIME, 0);
  }
""",
    "a vforked child that closes": r"""
  int fd = timerfd_create(CLOCK_REALTIME, 0);
  struct itimerspec far = {{0, 0}, split(now(CLOCK_REALTIME) + 100 * NS)}, old;
  pid_t pid;

  CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &far, NULL) == 0);
  pid = vfork();
  if (pid == 0) {
    close(fd);
    _exit(0);
  }
  waitpid(pid, NULL, 0);
  CHECK(timerfd_gettime(fd, &old) == 0);
  CHECK(flat(old.it_value) > 90 * NS && flat(old.it_value) <= 100 * NS);
""",
    "a forked child waits too": r"""
  int fd = timerfd_create(CLOCK_REALTIME, 0), status;
  struct itimerspec its = {{0, 0}, split(now(CLOCK_REALTIME) + 100 * NS)};
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
  struct timespec until;
  uint64_t n;
  pid_t pid;
  int rc;

  CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL) == 0);
  pid = fork();
  if (pid == 0) {
    alarm(20);
    its.it_value = until = split(now(CLOCK_REALTIME) + 20 * MS);
    CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL) == 0);
    CHECK(read(fd, &n, sizeof n) == 8 && n == 1);
    pthread_mutex_lock(&mutex);
    while ((rc = pthread_cond_timedwait(&cond, &mutex, &until)) == 0)
      ;
    CHECK(rc == ETIMEDOUT);
    CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == 0);
    _exit(0);
  }
  CHECK(waitpid(pid, &status, 0) == pid && status == 0);
""",
    "a periodic timer": r"""
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  int64_t start = now(CLOCK_REALTIME);
  struct itimerspec its = {split(20 * MS), split(start + 50 * MS)}, got;
  timer_t timer;
  sigset_t set;
  int i, number;

  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  CHECK(timer_create(CLOCK_REALTIME, &event, &timer) == 0);
  CHECK(timer_gettime(timer, &got) == 0 && flat(got.it_value) == 0);
  CHECK(timer_settime(timer, TIMER_ABSTIME, &its, NULL) == 0);
  CHECK(timer_gettime(timer, &got) == 0);
  CHECK(flat(got.it_value) > 0 && flat(got.it_value) <= 50 * MS);
  for (i = 0; i < 5; i++) {
    CHECK(sigwait(&set, &number) == 0 && number == SIGUSR1);
    CHECK(now(CLOCK_REALTIME) >= start + 50 * MS + i * 20 * MS);
  }
  its.it_value.tv_nsec = NS;
  CHECK(timer_settime(timer, TIMER_ABSTIME, &its, NULL) < 0 && errno == EINVAL);
  CHECK(timer_delete(timer) == 0);
""",
    "a signal ends a sleep": r"""
  struct timespec until = split(now(CLOCK_REALTIME) + 100 * NS), bad = {0, NS};
  struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};

  sigaction(SIGALRM, &action, NULL);
  ualarm(20000, 0);
  CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == EINTR);
  CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &bad, NULL) == EINVAL);
  CHECK(clock_nanosleep(CLOCK_REALTIME_COARSE, TIMER_ABSTIME, &until, NULL) == EOPNOTSUPP);
  CHECK(clock_nanosleep(77, TIMER_ABSTIME, &until, NULL) == EINVAL);
""",
    "threads can be cancelled": r"""
  void *(*tasks[])(void *) = {sleep_long, wait_long};
  pthread_t thread;
  void *result;
  int i, j;

  for (i = 0; i < 40; i++) {
    for (j = 0; j < 2; j++) {
      CHECK(pthread_create(&thread, NULL, tasks[j], NULL) == 0);
      usleep(i % 4 * 500);      /* somewhere on its way into the wait, or in it */
      CHECK(pthread_cancel(thread) == 0);
      CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    }
  }
""",
    "a condition is signalled and destroyed": r"""
  struct timespec until = split(now(CLOCK_REALTIME) + 100 * NS), past = {1, 0};
  pthread_t thread;
  int i;

  for (i = 0; i < 200; i++) {
    pthread_cond_t *cond = malloc(sizeof *cond);
    pthread_cond_init(cond, NULL);
    ready = 0;
    CHECK(pthread_create(&thread, NULL, make_ready, cond) == 0);
    pthread_mutex_lock(&mutex);
    while (!ready)
      CHECK(pthread_cond_timedwait(cond, &mutex, &until) == 0);
    CHECK(pthread_cond_timedwait(cond, &mutex, &past) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(pthread_cond_destroy(cond) == 0);
    free(cond);
  }
""",
}

HELPERS = {
    "a signal ends a sleep": r"""
static void handle(int number) { (void)number; }
""",
    "threads can be cancelled": r"""
static void *sleep_long(void *arg)
{
  struct timespec until = split(now(CLOCK_REALTIME) + 100 * NS);
  clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
  return arg;
}
static void unlock(void *mutex) { pthread_mutex_unlock(mutex); }
static void *wait_long(void *arg)
{
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
  struct timespec until = split(now(CLOCK_REALTIME) + 100 * NS);
  pthread_mutex_lock(&mutex);
  pthread_cleanup_push(unlock, &mutex);
  while (pthread_cond_timedwait(&cond, &mutex, &until) == 0)
    ;
  pthread_cleanup_pop(1);
  return arg;
}
""",
    "a condition is signalled and destroyed": r"""
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int ready;
static void *make_ready(void *cond)
{
  pthread_mutex_lock(&mutex);
  ready = 1;
  pthread_cond_signal(cond);
  pthread_mutex_unlock(&mutex);
  return NULL;
}
""",
}


@pytest.mark.parametrize("clock", ["virtual", "host"])
@pytest.mark.parametrize("corner", list(CORNERS))
def test_corner(
    preloaded: Preloaded,
    live_page: ClockPage,
    compile_c: Callable[..., Path],
    corner: str,
    clock: str,
) -> None:
    source = (
        f"{PROLOGUE}{HELPERS.get(corner, '')}\nint main(void)\n{{{CORNERS[corner]}  return 0;\n}}"
    )
    program = compile_c("corner-" + corner.replace(" ", "-"), source, "-lpthread", "-lrt")
    if clock == "host":
        preloaded.page_path = None
    done = preloaded.run(program)
    assert (done.returncode, done.stderr) == (0, "")
