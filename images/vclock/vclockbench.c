/*
  What reading a clock costs: the time of clock_gettime(CLOCK_REALTIME) as the program
  sees it, so run it natively, under libvclock and under libfaketime.  Prints JSON.

  Each figure is that of the fastest tenth of the rounds: what else runs on the machine
  only ever makes one slower.

  Usage: vclockbench [CALLS], the readings per round
*/

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 401
#define CALLS 2000

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
measure(clockid_t id, int calls)
{
  double start, rounds[ROUNDS];
  struct timespec ts;
  int i, j;

  for (i = 0; i < ROUNDS; i++) {
    start = read_monotonic_ns();
    for (j = 0; j < calls; j++)
      clock_gettime(id, &ts);
    rounds[i] = (read_monotonic_ns() - start) / calls;
  }

  qsort(rounds, ROUNDS, sizeof *rounds, compare);
  return rounds[ROUNDS / 10];
}

/* ================================================== */

int
main(int argc, char **argv)
{
  int calls = argc > 1 ? atoi(argv[1]) : CALLS;

  if (calls < 1) {
    fprintf(stderr, "usage: vclockbench [CALLS]\n");
    return 2;
  }

  printf("{\"realtime_ns\": %.3f, \"rounds\": %d, \"calls\": %d}\n",
         measure(CLOCK_REALTIME, calls), ROUNDS, calls);
  return 0;
}
