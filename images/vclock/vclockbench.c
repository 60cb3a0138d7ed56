/*
  What reading a clock costs: the median time of clock_gettime(CLOCK_REALTIME) and
  time(), as the program sees them, so run it natively, under libvclock and under
  libfaketime.  Prints JSON.
*/

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 201
#define CALLS 20000

/* ================================================== */

static double
read_monotonic_ns(void)
{
  struct timespec ts;

  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1e9 + ts.tv_nsec;
}

/* ================================================== */

static int
compare(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

/* ================================================== */

static double
measure(clockid_t id)
{
  double start, rounds[ROUNDS];
  struct timespec ts;
  int i, j;

  for (i = 0; i < ROUNDS; i++) {
    start = read_monotonic_ns();
    for (j = 0; j < CALLS; j++)
      clock_gettime(id, &ts);
    rounds[i] = (read_monotonic_ns() - start) / CALLS;
  }

  qsort(rounds, ROUNDS, sizeof *rounds, compare);
  return rounds[ROUNDS / 2];
}

/* ================================================== */

int
main(void)
{
  printf("{\"realtime_ns\": %.2f, \"monotonic_ns\": %.2f, \"rounds\": %d, \"calls\": %d}\n",
         measure(CLOCK_REALTIME), measure(CLOCK_MONOTONIC), ROUNDS, CALLS);
  return 0;
}
