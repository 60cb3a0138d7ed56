"""The launcher script, in a copy of the repository's top with stand-ins for Python and apt."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]

# Stands in for python3. `-m venv DIR` makes a DIR/bin/python that is this file again; `-m pip`
# records what it installs and can be made to fail or to hang; `-m ntplab` shows how it was called.
PYTHON = """\
#!/bin/sh
case "$*" in
  *version_info*) exit "${FAKE_TOO_OLD:-0}" ;;
  *ensurepip*) [ ! -e "$FAKE_STATE/no-ensurepip" ] ;;
  "-m venv -- "*)
    echo "venv" >>"$FAKE_STATE/calls"
    mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
  *"-m pip install"*)
    for last in "$@"; do :; done
    echo "pip ${last##*/}" >>"$FAKE_STATE/calls"
    if [ -e "$FAKE_STATE/pip-fails" ]; then echo "no such package" >&2; exit 1; fi
    if [ -e "$FAKE_STATE/pip-hangs" ]; then touch "$FAKE_STATE/hanging"; exec sleep 60; fi ;;
  "-P -m ntplab"*)
    shift 3
    echo "PYTHONPATH=$PYTHONPATH"
    for argument in "$@"; do echo "<$argument>"; done
    exit 42 ;;
esac
"""


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A clone at a path with spaces, with a PATH of stand-ins beside it."""
    clone = tmp_path / "a clone of it"
    clone.mkdir()
    shutil.copy(REPO / "ntplab", clone)
    for lock in ("requirements.txt", "requirements-deploy.txt", "requirements-test.txt"):
        (clone / lock).write_text(f"# {lock}\n")
    (tmp_path / "state").mkdir()
    _program(tmp_path, "python3", PYTHON)
    return clone


def _program(tmp_path: Path, name: str, text: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def _environment(top: Path) -> dict[str, str]:
    tmp_path = top.parent
    return {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "FAKE_STATE": str(tmp_path / "state"),
        "NTPLAB_PYTHON": str(tmp_path / "bin" / "python3"),
    }


def launch(top: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [top / "ntplab", *arguments],
        cwd="/",
        env={**_environment(top), **extra},
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )


def calls(top: Path) -> list[str]:
    record = top.parent / "state" / "calls"
    return record.read_text().splitlines() if record.exists() else []


def test_first_start_sets_up_then_hands_everything_over(top: Path) -> None:
    first = launch(top, "run", "a file.yaml", "--set", "")
    assert calls(top) == ["venv", "pip requirements.txt"]
    assert first.returncode == 42
    assert first.stdout.splitlines() == [
        f"PYTHONPATH={top}/orchestrator",
        *("<run>", "<a file.yaml>", "<--set>", "<>"),
    ]
    assert "making the virtual environment" in first.stderr


def test_later_starts_do_nothing_and_say_nothing(top: Path) -> None:
    launch(top, "status")
    before = calls(top)
    assert launch(top, "status").stderr == ""
    assert calls(top) == before


def test_works_through_a_symbolic_link(top: Path) -> None:
    link = top.parent / "link"
    link.symlink_to(top / "ntplab")
    done = subprocess.run(
        [link, "status"], env=_environment(top), text=True, capture_output=True, check=False
    )
    assert f"PYTHONPATH={top}/orchestrator" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["test"], ["-v", "test", "unit"], ["--quiet", "test"], ["docs"]]
)
def test_tests_and_docs_bring_their_own_packages(top: Path, arguments: list[str]) -> None:
    launch(top, *arguments)
    assert calls(top) == ["venv", "pip requirements-test.txt"]
    launch(top, "status")
    assert calls(top) == ["venv", "pip requirements-test.txt"], "their lock contains the lab's"


def test_deploying_brings_ansible_and_the_tests_have_it_already(top: Path) -> None:
    launch(top, "-q", "deploy", "root@host")
    assert calls(top) == ["venv", "pip requirements-deploy.txt"]
    launch(top, "test")
    launch(top, "deploy", "root@host")
    assert calls(top)[2:] == ["pip requirements-test.txt"]


def test_a_deployed_host_needs_no_environment_for_its_doctor(top: Path) -> None:
    package = top / "orchestrator" / "ntplab" / "hosted"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys; print(sys.argv[1:]); sys.exit(5)")
    (top.parent / "bin" / "python3").unlink()
    done = launch(top, "doctor", "--host", "--json")
    assert (done.returncode, done.stdout) == (5, "['doctor', '--host', '--json']\n")
    assert not (top / ".venv").exists()


def test_packages_of_the_tests_are_added_to_what_is_there(top: Path) -> None:
    launch(top, "status")
    launch(top, "test")
    assert calls(top) == ["venv", "pip requirements.txt", "pip requirements-test.txt"]


def test_argument_named_test_is_not_the_verb(top: Path) -> None:
    launch(top, "exec", "test")
    assert calls(top) == ["venv", "pip requirements.txt"]


def test_changed_lock_makes_it_anew(top: Path) -> None:
    launch(top, "status")
    (top / "requirements.txt").write_text("# another version\n")
    launch(top, "status")
    assert calls(top) == ["venv", "pip requirements.txt"] * 2


def test_changed_lock_of_the_tests_leaves_the_lab_alone(top: Path) -> None:
    launch(top, "test")
    (top / "requirements-test.txt").write_text("# another version\n")
    launch(top, "status")
    assert calls(top) == ["venv", "pip requirements-test.txt"]
    launch(top, "test")
    assert calls(top)[2:] == ["pip requirements-test.txt"]


def test_failed_installation_is_reported_and_done_again(top: Path) -> None:
    switch = top.parent / "state" / "pip-fails"
    switch.touch()
    failed = launch(top, "status")
    assert failed.returncode == 5
    assert "no such package" in failed.stderr
    assert "ntplab: error: the packages of requirements.txt could not be installed" in failed.stderr
    assert "\nhint: " in failed.stderr
    switch.unlink()
    assert launch(top, "status").returncode == 42
    assert calls(top) == ["venv", "pip requirements.txt"] * 2


def test_killed_installation_is_done_again(top: Path) -> None:
    state = top.parent / "state"
    (state / "pip-hangs").touch()
    process = subprocess.Popen(
        [top / "ntplab", "status"], env=_environment(top), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(state / "hanging", process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    (state / "pip-hangs").unlink()
    assert launch(top, "status").returncode == 42
    assert calls(top) == ["venv", "pip requirements.txt"] * 2


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the file is there; a process that ended first fails the test at once."""
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not appear"
        try:
            process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"ended with {process.returncode} before {path.name}")


def test_concurrent_first_starts_set_up_once(top: Path) -> None:
    starts = [
        subprocess.Popen(
            [top / "ntplab", "status"], env=_environment(top),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        for _ in range(6)
    ]  # fmt: skip
    for start in starts:
        start.communicate(timeout=60)
    assert [start.returncode for start in starts] == [42] * 6
    assert calls(top) == ["venv", "pip requirements.txt"]


APT = """\
#!/bin/sh
echo "apt-get $*" >>"$FAKE_STATE/calls"
case $1 in install) rm -f "$FAKE_STATE/no-ensurepip" ;; esac
"""


def test_missing_venv_module_is_installed_as_root(top: Path) -> None:
    (top.parent / "state" / "no-ensurepip").touch()
    _program(top.parent, "apt-get", APT)
    _program(top.parent, "id", "#!/bin/sh\necho 0\n")
    done = launch(top, "status")
    assert done.returncode == 42
    assert calls(top)[0] == "apt-get update"
    assert calls(top)[1].startswith("apt-get install -y python3")
    assert "ntplab: installing python3" in done.stderr


def test_missing_venv_module_is_installed_with_sudo_that_asks_nothing(top: Path) -> None:
    (top.parent / "state" / "no-ensurepip").touch()
    _program(top.parent, "apt-get", APT)
    _program(top.parent, "id", "#!/bin/sh\necho 1000\n")
    _program(top.parent, "sudo", '#!/bin/sh\n[ "$1" = -n ] && shift && exec "$@"\n')
    assert launch(top, "status").returncode == 42
    assert calls(top)[0] == "apt-get update"


def test_without_rights_the_exact_command_is_printed(top: Path) -> None:
    (top.parent / "state" / "no-ensurepip").touch()
    _program(top.parent, "apt-get", APT)
    _program(top.parent, "id", "#!/bin/sh\necho 1000\n")
    _program(top.parent, "sudo", "#!/bin/sh\nexit 1\n")
    done = launch(top, "status")
    assert done.returncode == 5
    assert "hint: sudo sh -c 'apt-get update && apt-get install -y python3" in done.stderr
    assert calls(top) == []


def test_lock_files_name_no_index_and_hash_everything() -> None:
    for lock in ("requirements.txt", "requirements-test.txt"):
        text = (REPO / lock).read_text()
        assert "://" not in text
        pinned = [line for line in text.splitlines() if "==" in line and line[0].isalpha()]
        assert pinned
        assert all(line.endswith("\\") for line in pinned), "each pin is followed by its hashes"


def test_lock_of_the_tests_contains_the_labs() -> None:
    def pins(lock: str) -> set[str]:
        lines = (REPO / lock).read_text().splitlines()
        return {line.split(" ")[0] for line in lines if "==" in line and line[0].isalpha()}

    assert pins("requirements.txt") <= pins("requirements-test.txt")
