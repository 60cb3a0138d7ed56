"""The images as they are: who runs in them, what that user may do, and what time it is there."""

from __future__ import annotations

import hashlib
import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import testinfra  # type: ignore[import-untyped]

from .conftest_images import COMPOSE, ENTER, Bench, Clock, Machine, host_raw_ns, wait_until

pytestmark = pytest.mark.docker

UPTIME_S = 1_000_000
# Nowhere near the host's date: who shows it has it from the page.
WALL_NS = 1_696_161_600_000_000_000  # 2023-10-01 12:00:00 UTC
IMAGES_WITH_A_CLOCK = ["base", "timeserver", "postgres"]
IMAGES = sorted(path.parent.name for path in (COMPOSE.parent / "images").glob("*/Dockerfile"))


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


@pytest.fixture(scope="module")
def clock(bench: Bench) -> tuple[Clock, int]:
    """A clock, and the raw instant at which it showed WALL_NS."""
    clock, raw_ns = bench.clock("lyon"), host_raw_ns()
    clock.create(raw_ns, WALL_NS)
    return clock, raw_ns


@pytest.fixture(scope="module")
def lyon(bench: Bench, clock: tuple[Clock, int]) -> Machine:
    """A machine with nothing running in it but the supervisor."""
    env = {"NTPLAB_UPTIME_S": str(UPTIME_S), "NTPLAB_SERVICES_DOWN": "chronyd"}
    return ready(bench.machine("base", "lyon", clock=clock[0], env=env))


def ready(machine: Machine) -> Machine:
    wait_until(
        f"the supervisor of {machine.docker_name}",
        lambda: machine.run("s6-svstat", "/run/service/chronyd")[0] == 0,
    )
    return machine


def status_of_pid_1(machine: Machine) -> dict[str, str]:
    lines = machine.ok("cat", "/proc/1/status").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


@pytest.mark.parametrize("image", IMAGES_WITH_A_CLOCK)
def test_runs_as_an_ordinary_user_without_any_capability(bench: Bench, image: str) -> None:
    machine = ready(bench.machine(image, f"user-{image}"))
    status = status_of_pid_1(machine)
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["1000"] * 4
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[capabilities], 16) == 0, capabilities
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    owners = machine.ok("stat", "-c", "%u", *processes(machine)).split()
    assert len(owners) >= 4  # tini, unshare, the supervisor, a service's supervisor
    assert set(owners) == {"1000"}, "a process of another user"


def processes(machine: Machine) -> list[str]:
    """/proc directories of all processes but the one that looks."""
    return machine.ok(
        "sh", "-c", 'for p in /proc/[0-9]*; do [ "$p" = "/proc/$$" ] || echo "$p"; done'
    ).split()


@pytest.mark.parametrize("image", IMAGES)
def test_no_setuid_program_is_left(bench: Bench, image: str) -> None:
    machine = bench.machine(image, f"setuid-{image}", entrypoint=["sleep", "infinity"])
    host = testinfra.get_host(f"docker://{machine.docker_name}")
    assert host.user("ntplab").uid == 1000
    found = host.run("find / -xdev -type f -perm /6000 -print 2>/dev/null")
    assert found.stdout == ""


@pytest.mark.parametrize("image", IMAGES)
def test_no_certificate_of_the_host_is_in_the_image(bench: Bench, image: str) -> None:
    machine = bench.machine(image, f"ca-{image}", entrypoint=["sleep", "infinity"])
    assert machine.run("sh", "-c", "find / -xdev -name 'host-ca*' | grep .")[0] == 1
    bundle = ssl.get_default_verify_paths().cafile
    if bundle and Path(bundle).exists():
        digest = hashlib.sha256(Path(bundle).read_bytes()).hexdigest()
        find = "find / -xdev -type f \\( -name '*.crt' -o -name '*.pem' \\) -exec sha256sum {} +"
        assert digest not in machine.run("sh", "-c", find)[1]


def test_user_and_time_namespace_are_its_own(lyon: Machine) -> None:
    for kind in ("user", "time"):
        link = f"/proc/self/ns/{kind}"
        assert lyon.inside("readlink", link) != os.readlink(link)
        assert lyon.inside("readlink", link) != lyon.ok("readlink", link), "docker exec enters none"
    assert lyon.ok("cat", "/run/ntplab/timens") == "on"


def test_monotonic_and_boot_time_show_the_machines_own_uptime(lyon: Machine) -> None:
    for name in ("CLOCK_MONOTONIC", "CLOCK_BOOTTIME"):
        which = getattr(time, name)
        before_ns = time.clock_gettime_ns(which)
        shown_ns = int(
            lyon.inside("python3", "-c", f"import time; print(time.clock_gettime_ns(time.{name}))")
        )
        offset_ns = UPTIME_S * 10**9
        assert before_ns <= shown_ns - offset_ns <= time.clock_gettime_ns(which)


def test_every_process_sees_the_page_as_its_wall_clock(
    lyon: Machine, clock: tuple[Clock, int]
) -> None:
    page, raw_ns = clock
    before_ns = WALL_NS + host_raw_ns() - raw_ns
    shown_ns = int(lyon.inside("date", "+%s%N"))
    after_ns = WALL_NS + host_raw_ns() - raw_ns
    assert before_ns <= shown_ns <= after_ns
    assert lyon.inside("date", "-u", "+%F") == "2023-10-01"
    assert page.wall_ns(raw_ns + 10**9) == WALL_NS + 10**9


def test_a_machine_without_its_page_does_not_start_on_the_real_time(bench: Bench) -> None:
    machine = bench.machine("base", "pageless", env={"VCLOCK_PAGE": "/clock/page"})
    assert machine.container.wait(timeout=60)["StatusCode"] == 127


@pytest.mark.parametrize(
    "flags", ["--mount", "--net", "--pid", "--user", "--time", "--user --mount", "--user --net"]
)
def test_no_other_namespace_can_be_made(lyon: Machine, flags: str) -> None:
    for prefix in ((), (ENTER,)):
        code, output = lyon.run(*prefix, "unshare", *flags.split(), "true")
        assert code != 0
        assert "Operation not permitted" in output


@pytest.mark.parametrize(
    "call", ["clock_settime(0, ctypes.byref(t))", "settimeofday(ctypes.byref(t), None)"]
)
def test_the_hosts_clock_cannot_be_set(lyon: Machine, call: str) -> None:
    """Tried with the host's own time, and without the preload."""
    script = (
        "import ctypes, time; libc = ctypes.CDLL(None, use_errno=True);"
        "t = (ctypes.c_long * 2)(int(time.time()), 0);"
        f"print(libc.{call}, ctypes.get_errno())"
    )
    assert lyon.ok("python3", "-c", script) == "-1 1"
    assert lyon.inside("env", "-u", "LD_PRELOAD", "python3", "-c", script) == "-1 1"


def test_exit_codes_and_arguments_pass_through(lyon: Machine) -> None:
    assert lyon.run(ENTER, "sh", "-c", "exit 7")[0] == 7
    assert lyon.run(ENTER, "sh", "-c", "kill -KILL $$")[0] == 137
    assert lyon.run(ENTER, "no-such-program")[0] == 127
    assert lyon.inside("printf", "<%s>", "a b", "", "--") == "<a b><><-->"


def test_wrong_settings_are_refused_in_words(lyon: Machine) -> None:
    for env, words in [
        ({"NTPLAB_UPTIME_S": "3h"}, "NTPLAB_UPTIME_S must be whole seconds, got '3h'"),
        ({"NTPLAB_MAP": "admin"}, "NTPLAB_MAP must be root or user, got 'admin'"),
        ({"NTPLAB_TIMENS": "no"}, "NTPLAB_TIMENS must be auto or off, got 'no'"),
    ]:
        assert lyon.run(ENTER, "true", env=env) == (2, f"enter: {words}\n")


@pytest.mark.parametrize("forbidden_by", ["setting", "seccomp"])
def test_without_namespaces_the_wall_clock_works_all_the_same(
    bench: Bench, clock: tuple[Clock, int], forbidden_by: str
) -> None:
    default = (COMPOSE / "seccomp-default.json").read_text()
    machine = ready(
        bench.machine(
            "base",
            f"plain-{forbidden_by}",
            clock=clock[0],
            env={
                "NTPLAB_SERVICES_DOWN": "chronyd",
                "NTPLAB_UPTIME_S": str(UPTIME_S),
                "NTPLAB_TIMENS": "off" if forbidden_by == "setting" else "auto",
            },
            seccomp=default if forbidden_by == "seccomp" else None,
        )
    )
    reason = "NTPLAB_TIMENS=off" if forbidden_by == "setting" else "Operation not permitted"
    said = machine.ok("cat", "/run/ntplab/timens")
    assert said.startswith("off: ")
    assert reason in said
    assert said in machine.logs()
    assert machine.inside("date", "-u", "+%F") == "2023-10-01"
    for kind in ("user", "time"):
        link = f"/proc/self/ns/{kind}"
        assert machine.inside("readlink", link) == machine.ok("readlink", link)


@pytest.mark.parametrize("image", IMAGES_WITH_A_CLOCK)
def test_stops_by_itself_when_asked(bench: Bench, image: str) -> None:
    """Exit code 0: the supervisor ended in its own time, nothing had to be killed (137)."""
    secret = {"/etc/ntplab/secrets/db_password": "secret"}
    machine = ready(
        bench.machine(image, f"stop-{image}", files=secret if image == "postgres" else None)
    )
    machine.container.stop(timeout=60)
    assert machine.container.wait(timeout=60)["StatusCode"] == 0


def test_starts_again_after_it_was_killed(bench: Bench) -> None:
    machine = ready(bench.machine("timeserver", "killed", env={"NTPLAB_TIMENS": "off"}))
    machine.container.kill()
    machine.container.start()
    ready(machine)
    assert machine.ok("cat", "/run/ntplab/timens") == "off: NTPLAB_TIMENS=off"


def test_an_unknown_service_is_refused(bench: Bench) -> None:
    machine = bench.machine("base", "typo", env={"NTPLAB_SERVICES_DOWN": "chrony"})
    assert machine.container.wait(timeout=60)["StatusCode"] == 2
    assert "names 'chrony'; services here: chronyd" in machine.logs()
