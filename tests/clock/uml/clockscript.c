/*
  Runs scripts of clock calls and writes down what came back: the same program inside
  User Mode Linux, as its init, and under libvclock.so.

  Usage: clockscript SCRIPTS RESULTS, or both in the environment, where the kernel puts
  what stands on its command line.

  A line of a script is a call: its name, when to make it in nanoseconds since the
  script began, and its arguments.  A script begins with `run', which brings the clock
  to a known state and sets it.  A line of results: script, line, raw clock before and
  after the call, the longest time in which nothing ran before it, result, errno, and up
  to eleven numbers.
*/

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL
#define ARGUMENTS 11
#define SAMPLES 20

/* A kernel that sleeps longer would put off the ends of its seconds */
#define NAP_NS 4000000

/* A kernel goes by its new rate only at the tick that comes a whole tick after a step */
#define SETTLED_NS 40000000

static FILE *results;
static int64_t began, last_seen, longest_gap;
static long script, line;

/* ================================================== */

static int64_t
read_clock(clockid_t id)
{
  struct timespec ts;

  clock_gettime(id, &ts);
  return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* ================================================== */

static int64_t
read_raw(void)
{
  return read_clock(CLOCK_MONOTONIC_RAW);
}

/* ================================================== */

static void
wait_until(int64_t raw)
{
  struct timespec ts = {0};
  int64_t now, left;

  for (;;) {
    now = read_raw();
    if (now - last_seen > longest_gap)
      longest_gap = now - last_seen;
    last_seen = now;

    left = raw - now;
    if (left <= 0)
      return;
    ts.tv_nsec = left < NAP_NS ? left : NAP_NS;
    clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
  }
}

/* ================================================== */

static void
report(int64_t before, int64_t after, int rc, int error)
{
  fprintf(results, "\n%ld %ld %lld %lld %lld %d %d", script, line, (long long)before,
          (long long)after, (long long)longest_gap, rc, rc < 0 ? error : 0);
  longest_gap = 0;
}

/* ================================================== */

static void
report_timex(const struct timex *tx)
{
  fprintf(results, " %ld %ld %ld %ld %d %ld %ld %d %ld %ld %ld", tx->offset, tx->freq,
          tx->maxerror, tx->esterror, tx->status, tx->constant, tx->tick, tx->tai,
          (long)tx->tolerance + tx->precision, (long)tx->time.tv_sec, (long)tx->time.tv_usec);
}

/* ================================================== */
/* The clock as after booting, but for a status of zero; then set */

static void
run(const long *a)
{
  struct timespec ts = {.tv_sec = a[1], .tv_nsec = a[2]};
  struct timex on = {.modes = ADJ_STATUS, .status = STA_PLL};
  struct timex off = {.modes = ADJ_STATUS};
  struct timex rate = {.modes = ADJ_FREQUENCY | ADJ_TICK | ADJ_NANO | ADJ_TIMECONST,
                       .tick = 10000, .constant = 2};
  struct timex tai = {.modes = ADJ_TAI | ADJ_MICRO};
  int64_t before;
  int rc;

  script = a[0];
  line = 0;
  adjtimex(&on);
  adjtimex(&off);
  adjtimex(&rate);
  adjtimex(&tai);
  clock_settime(CLOCK_REALTIME, &ts);
  /* Its ticks have seen all that by then */
  wait_until(read_raw() + SETTLED_NS);

  before = read_raw();
  rc = clock_settime(CLOCK_REALTIME, &ts);
  began = read_raw();
  report(before, began, rc, errno);
}

/* ================================================== */
/* The sample whose instant is known best */

static void
sample(void)
{
  int64_t before, after, wall, best = INT64_MAX, found[4] = {0};
  int i;

  for (i = 0; i < SAMPLES; i++) {
    before = read_raw();
    wall = read_clock(CLOCK_REALTIME);
    after = read_raw();
    if (after - before >= best)
      continue;
    best = after - before;
    found[0] = before;
    found[1] = after;
    found[2] = wall;
    found[3] = read_clock(CLOCK_TAI) - wall;
  }
  report(found[0], found[1], 0, 0);
  fprintf(results, " %lld %lld", (long long)found[2], (found[3] + NS_PER_S / 2) / NS_PER_S);
}

/* ================================================== */

static void
adjust(const long *a)
{
  struct timex tx = {.modes = a[1], .offset = a[2], .freq = a[3], .maxerror = a[4],
                     .esterror = a[5], .status = a[6], .constant = a[7], .tick = a[8],
                     .time = {a[9], a[10]}};
  int64_t before = read_raw(), after;
  int rc = clock_adjtime(a[0], &tx), error = errno;

  after = read_raw();
  report(before, after, rc, error);
  if (rc >= 0)
    report_timex(&tx);
}

/* ================================================== */

static void
slew(const long *a, int with_delta)
{
  struct timeval delta = {a[0], a[1]}, old = {0};
  int64_t before = read_raw(), after;
  int rc = adjtime(with_delta ? &delta : NULL, &old), error = errno;

  after = read_raw();
  report(before, after, rc, error);
  fprintf(results, " %ld %ld", (long)old.tv_sec, (long)old.tv_usec);
}

/* ================================================== */

static void
set(const char *name, const long *a)
{
  struct timespec ts = {.tv_sec = a[1], .tv_nsec = a[2]};
  struct timeval tv = {.tv_sec = a[1], .tv_usec = a[2]};
  struct timezone tz = {.tz_minuteswest = a[1]};
  int64_t before = read_raw(), after;
  int rc, error;

  if (!strcmp(name, "settime"))
    rc = clock_settime(a[0], &ts);
  else if (!strcmp(name, "settimeofday"))
    rc = settimeofday(&tv, a[0] ? &tz : NULL);
  else
    rc = settimeofday(NULL, &tz);
  error = errno;
  after = read_raw();
  report(before, after, rc, error);
}

/* ================================================== */

static void
tell(void)
{
  struct ntptimeval ntv;
  int64_t before = read_raw(), after;
  int rc = ntp_gettimex(&ntv), error = errno;

  after = read_raw();
  report(before, after, rc, error);
  fprintf(results, " %ld %ld %ld", ntv.maxerror, ntv.esterror, (long)ntv.tai);
}

/* ================================================== */

static void
call(const char *name, const long *a)
{
  if (!strcmp(name, "run")) {
    run(a);
    return;
  }

  line++;
  wait_until(began + a[0]);
  if (!strcmp(name, "sample"))
    sample();
  else if (!strcmp(name, "adjtimex"))
    adjust(a + 1);
  else if (!strcmp(name, "adjtime"))
    slew(a + 1, 1);
  else if (!strcmp(name, "slewing"))
    slew(a + 1, 0);
  else if (!strcmp(name, "ntp_gettimex"))
    tell();
  else
    set(name, a + 1);
}

/* ================================================== */

static int
run_scripts(FILE *scripts)
{
  long a[ARGUMENTS + 1];
  char text[512], *name, *word;
  int i;

  while (fgets(text, sizeof text, scripts)) {
    memset(a, 0, sizeof a);
    name = strtok(text, " \n");
    for (i = 0; i <= ARGUMENTS && (word = strtok(NULL, " \n")); i++)
      a[i] = strtol(word, NULL, 10);
    if (name)
      call(name, a);
  }
  return fputs("\nend\n", results) < 0 || fclose(results) != 0;
}

/* ================================================== */

int
main(int argc, char **argv)
{
  const char *from = argc == 3 ? argv[1] : getenv("SCRIPTS");
  const char *to = argc == 3 ? argv[2] : getenv("RESULTS");
  const struct timezone utc = {0};
  FILE *scripts = from ? fopen(from, "r") : NULL;
  int rc;

  results = to ? fopen(to, "w") : NULL;
  if (!scripts || !results) {
    perror("clockscript");
    return 2;
  }

  /* The first time zone a kernel is told warps its clock */
  settimeofday(NULL, &utc);

  rc = run_scripts(scripts);
  if (getpid() == 1 && getenv("SCRIPTS")) {
    sync();
    reboot(RB_POWER_OFF);
  }
  return rc;
}
