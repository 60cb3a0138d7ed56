"""Processes of every kind see the clock: forked, spawned, and in libraries that are loaded late."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from clockpage import ClockPage

from conftest import Preloaded

Compile = Callable[..., Path]

# Tells the time in a child of every kind, in a library that is loaded late, and in the
# constructor of one.
FAMILY = """
#include <dlfcn.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void
tell(const char *who)
{
  struct timespec ts;

  clock_gettime(CLOCK_REALTIME, &ts);
  printf("%s %lld%09ld\\n", who, (long long)ts.tv_sec, ts.tv_nsec);
  fflush(stdout);
}

int
main(int argc, char **argv)
{
  char *again[] = {argv[0], "spawned", NULL};
  struct timespec ts;
  void *library;
  pid_t pid;

  if (argc == 2 && strcmp(argv[1], "spawned") == 0) {
    tell("spawn");
    return 0;
  }

  tell("main");
  if (fork() == 0) {
    if (fork() == 0) {
      tell("fork-fork");
      _exit(0);
    }
    wait(NULL);
    tell("fork");
    _exit(0);
  }
  wait(NULL);

  pid = vfork();
  if (pid == 0) {
    clock_gettime(CLOCK_REALTIME, &ts);
    _exit(ts.tv_sec < 1 ? 1 : 0);
  }
  waitpid(pid, NULL, 0);
  tell("vfork");

  if (vfork() == 0) {
    execl(argv[0], argv[0], "spawned", (char *)NULL);
    _exit(1);
  }
  wait(NULL);

  posix_spawn(&pid, argv[0], NULL, NULL, again, (char *[]){getenv("CLOCK_PRELOAD"),
              getenv("CLOCK_PAGE"), NULL});
  waitpid(pid, NULL, 0);

  library = dlopen(argv[1], RTLD_NOW);
  if (!library)
    return 3;
  printf("dlopen %lld\\n", ((long long (*)(void))dlsym(library, "tell_early"))());
  return 0;
}
"""


def test_processes_of_every_kind_see_the_clock(
    preloaded: Preloaded,
    live_page: ClockPage,
    compile_c: Compile,
    early_library: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = compile_c("family", FAMILY, "-ldl")
    environment = preloaded.environment()
    monkeypatch.setenv("CLOCK_PRELOAD", "LD_PRELOAD=" + environment["LD_PRELOAD"])
    monkeypatch.setenv("CLOCK_PAGE", "VCLOCK_PAGE=" + environment["VCLOCK_PAGE"])
    before_ns = live_page.read_now()
    done = preloaded.run(program, early_library)
    after_ns = live_page.read_now()
    assert done.returncode == 0, done.stderr
    told = [line.split() for line in done.stdout.splitlines()]
    names = ["main", "fork-fork", "fork", "vfork", "spawn", "spawn", "dlopen"]
    assert [name for name, _ in told] == names
    for name, ns in told:
        assert before_ns <= int(ns) <= after_ns, name
