"""Programs that the preload does not reach: they see the host's clock, and are named before."""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from ntplab.driver.docker import DockerDriver
from ntplab.reach import unreached_programs, warning_about

from .conftest_images import ENTER
from .conftest_programs import NS_PER_S, START_NS, Host

pytestmark = pytest.mark.docker

GO = ("gojq", "-n", "now | floor")
STATIC = ("busybox", "date", "+%s")
TELL = """
#include <stdio.h>
#include <time.h>

int
main(void)
{
  printf("%lld\\n", (long long)time(NULL));
  return 0;
}
"""


@pytest.fixture
def host(programs_host: Host) -> Host:
    programs_host.start_over()
    return programs_host


@pytest.fixture(scope="module")
def driver() -> DockerDriver:
    return DockerDriver()


def lab_of(host: Host) -> str:
    return host.machine.docker_name.removeprefix("ntplab-").removesuffix("-programs")


def warning(driver: DockerDriver, host: Host, command: str) -> str:
    return warning_about(driver, lab_of(host), "programs", command) or ""


@pytest.mark.parametrize(
    ("argv", "words"), [(GO, "is a Go program"), (STATIC, "is linked statically")]
)
def test_what_is_warned_of_sees_the_hosts_clock(
    host: Host, driver: DockerDriver, argv: tuple[str, ...], words: str
) -> None:
    before_s = int(time.time())
    shown_s = int(host.inside(*argv))
    assert before_s <= shown_s <= time.time()
    said = warning(driver, host, argv[0])
    assert words in said
    assert said.endswith("it sees the host's clock")


@pytest.mark.parametrize("command", ["date", "python3", "node", "java", "perl", "bash", "curl"])
def test_what_is_not_warned_of_sees_the_virtual_clock(
    host: Host, driver: DockerDriver, command: str
) -> None:
    """That they see it is shown by test_programs.py."""
    assert warning(driver, host, command) == ""
    assert host.machine.run("which", command)[0] == 0


def test_a_script_is_judged_by_its_interpreter(host: Host, driver: DockerDriver) -> None:
    scripts = {"static": "#!/bin/busybox sh", "by-env": "#!/usr/bin/env gojq", "fine": "#!/bin/sh"}
    for name, first_line in scripts.items():
        install(host, name, f"{first_line}\n".encode())
    assert "linked statically" in warning(driver, host, "/tmp/static")
    assert "Go program" in warning(driver, host, "/tmp/by-env")
    assert warning(driver, host, "/tmp/fine") == ""


def test_setuid_programs_are_reached_because_they_gain_nothing_here(
    host: Host, driver: DockerDriver
) -> None:
    assert "rws" in host.machine.ok("ls", "-l", "/usr/local/bin/date-setuid")
    shown_s = int(host.inside("date-setuid", "+%s"))
    assert 0 <= shown_s - START_NS // NS_PER_S < 3600
    assert warning(driver, host, "date-setuid") == ""


def test_a_program_of_musl_does_not_start_and_one_is_told_so(
    host: Host, driver: DockerDriver, tmp_path: Path
) -> None:
    source, program = tmp_path / "tell.c", tmp_path / "tell"
    source.write_text(TELL)
    subprocess.run(["musl-gcc", "-o", program, source], check=True)
    install(host, "tell", program.read_bytes())
    assert host.machine.run("/tmp/tell")[0] == 0, "it starts by itself"
    code, _ = host.machine.run(ENTER, "/tmp/tell")
    assert code != 0
    assert "built for musl" in warning(driver, host, "/tmp/tell")


def test_the_list_of_an_image_has_those_and_no_other(host: Host, driver: DockerDriver) -> None:
    found = unreached_programs(driver, lab_of(host), "programs")
    names = {path.rpartition("/")[2]: why for path, why in found.items()}
    # ld.so's own tool and the static twin of the container's init are in every image.
    assert names == {
        "busybox": "static",
        "gojq": "go",
        "ldconfig": "static",
        "tini-static": "static",
    }


def test_an_emptied_environment_loses_the_clock_as_documented(host: Host) -> None:
    before_s = int(time.time())
    assert before_s <= int(host.inside("env", "-i", "date", "+%s")) <= time.time()
    kept = ("env", "-i", "LD_PRELOAD=/usr/lib/ntplab/libvclock.so", "VCLOCK_PAGE=/clock/page")
    assert int(host.inside(*kept, "date", "+%s")) < before_s - 86_400


def install(host: Host, name: str, content: bytes) -> None:
    """Put a program into /tmp of the machine."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
    host.machine.container.put_archive("/tmp", archive.getvalue())
