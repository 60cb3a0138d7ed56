/*
  A library that reads the time in its constructor, and can tell later what it was.
*/

#include <time.h>

static struct timespec early;

static void __attribute__((constructor))
read_early(void)
{
  clock_gettime(CLOCK_REALTIME, &early);
}

long long tell_early(void);

long long
tell_early(void)
{
  return early.tv_sec * 1000000000LL + early.tv_nsec;
}
