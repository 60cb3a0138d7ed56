"""The Docker driver against a real engine, with containers of the bare base image."""

from __future__ import annotations

import fcntl
import gc
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ntplab.driver.archives import pack
from ntplab.driver.docker import DockerDriver
from ntplab.driver.docker_api import engine_trouble
from ntplab.errors import EngineError, ImageError, NodeError
from ntplab.setup.base_image import BASE_IMAGE
from ntplab.setup.recipe import Recipe, pack_context
from ntplab.topology import (
    NetworkSpec,
    NodeSpec,
    PublishedPort,
    VolumeMount,
    VolumeSpec,
    docker_name,
)

pytestmark = pytest.mark.docker

REPO = Path(__file__).resolve().parents[2]
LAB = f"driver{os.getpid()}"
CLOCK = docker_name(LAB, "clock-paris")
WITHIN_S = 30.0


def node(name: str, *command: str, ports: tuple[PublishedPort, ...] = ()) -> NodeSpec:
    return NodeSpec(
        name,
        "server",
        BASE_IMAGE,
        networks=("time", "app"),
        environment={"GREETING": "hello there"},
        mounts=(VolumeMount(CLOCK, "/clock"),),
        ports=ports,
        command=command or ("sleep", "600"),
    )


@pytest.fixture(scope="module")
def driver() -> Iterator[DockerDriver]:
    driver = DockerDriver()
    driver.create_network(LAB, NetworkSpec("time"))
    driver.create_network(LAB, NetworkSpec("app", internal=False))
    driver.create_volume(LAB, VolumeSpec(CLOCK, "paris"))
    files = {"/etc/chrony/chrony.conf": b"server ntp1\n", "/etc/ntplab/secrets/password": b"s3cret"}
    try:
        for name in ("paris", "lyon"):
            driver.create(LAB, node(name), files, {"ntplab.run": "r1"})
            driver.start(LAB, name)
        yield driver
    finally:
        driver.remove_lab(LAB)
        driver.close()


def sh(driver: DockerDriver, script: str, of: str = "paris") -> str:
    done = driver.exec(LAB, of, ["sh", "-c", script])
    assert done.ok, done.stderr
    return done.stdout.strip()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


# rights


def test_a_container_runs_without_any_right(driver: DockerDriver) -> None:
    status = dict(line.split(":\t", 1) for line in sh(driver, "cat /proc/self/status").splitlines())
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert sh(driver, "id -u; id -g").split() == ["1000", "1000"]


def test_the_hosts_clock_cannot_be_set(driver: DockerDriver) -> None:
    done = driver.exec(LAB, "paris", ["date", "-s", "2023-10-01 12:00:00"])
    assert not done.ok
    assert "Operation not permitted" in done.stderr


def test_files_are_put_in_before_the_start(driver: DockerDriver) -> None:
    assert sh(driver, "cat /etc/chrony/chrony.conf") == "server ntp1"
    assert sh(driver, "stat -c '%u %a' /etc/ntplab/secrets/password") == "1000 400"
    assert sh(driver, "stat -c '%U %a' /etc /") == "root 755\nroot 755"
    assert sh(driver, "echo $GREETING; hostname") == "hello there\nparis"


def test_a_clock_volume_is_one_small_tmpfs_for_all_who_mount_it(driver: DockerDriver) -> None:
    sh(driver, "echo page >/clock/page")
    assert sh(driver, "cat /clock/page", of="lyon") == "page"
    kind, size = sh(driver, "df --output=fstype,size /clock | tail -1").split()
    assert (kind, int(size)) == ("tmpfs", 64)


# exec


def test_exec_tells_streams_and_exit_codes_apart(driver: DockerDriver) -> None:
    done = driver.exec(LAB, "paris", ["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (done.stdout, done.stderr, done.exit_code) == ("out\n", "err\n", 7)


def test_exec_loses_nothing_of_many_fast_commands(driver: DockerDriver) -> None:
    def echo(number: int) -> bool:
        return driver.exec(LAB, "paris", ["echo", str(number)]).stdout == f"{number}\n"

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(echo, range(40)))


def test_exec_passes_much_input_through(driver: DockerDriver) -> None:
    done = driver.exec(LAB, "paris", ["cat"], stdin=b"0123456789" * 200_000)
    assert len(done.stdout) == 2_000_000
    assert driver.exec(LAB, "paris", ["true"], stdin=b"unread" * 100_000).ok


def test_exec_stream_yields_stdout_and_raises_at_the_end(driver: DockerDriver) -> None:
    stream = driver.exec_stream(LAB, "paris", ["sh", "-c", "echo rows; echo broken >&2; exit 4"])
    assert next(stream) == b"rows\n"
    with pytest.raises(NodeError, match="exit code 4") as caught:
        next(stream)
    assert caught.value.log_tail == ("broken",)


INTERACTIVE = """
import sys
from ntplab.driver.docker import DockerDriver
sys.exit(DockerDriver().exec_interactive(sys.argv[1], sys.argv[2], sys.argv[3:]))
"""


def interactive(*argv: str) -> list[str]:
    return [sys.executable, "-c", INTERACTIVE, LAB, "paris", *argv]


def environment() -> dict[str, str]:
    """COLUMNS as some shells export it: what a window's size is, its terminal says."""
    ours = {"PYTHONPATH": str(REPO / "orchestrator"), "TERM": "xterm-test", "COLUMNS": "100"}
    return os.environ | ours


def test_interactive_exec_joins_pipes(driver: DockerDriver) -> None:
    done = subprocess.run(
        interactive("sh", "-c", "cat; echo err >&2; exit 5"),
        input=b"piped",
        capture_output=True,
        env=environment(),
        timeout=WITHIN_S,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"piped", b"err\n", 5)


@pytest.mark.parametrize("redirection", ["</dev/null", "<&-"])
def test_interactive_exec_without_input_ends(driver: DockerDriver, redirection: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *interactive("sh", "-c", "cat; echo end")],
        capture_output=True,
        env=environment(),
        timeout=WITHIN_S,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"end\n", b"", 0)


class Terminal:
    """A person at a terminal of 31 x 97, who runs an interactive command."""

    def __init__(self, *argv: str) -> None:
        self.seen = b""
        self.status: int | None = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, interactive(*argv), environment())
        self.resize(31, 97)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: bytes) -> None:
        os.write(self.fd, text)

    def wait_for(self, words: bytes) -> None:
        deadline = time.monotonic() + WITHIN_S
        while words not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += os.read(self.fd, 4096)

    def exit_code(self) -> int:
        wait_for(lambda: self._ended() is not None)
        return os.waitstatus_to_exitcode(self.status or 0)

    def _ended(self) -> int | None:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status

    def close(self) -> None:
        if self._ended() is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal(driver: DockerDriver) -> Iterator[Terminal]:
    terminal = Terminal("sh")
    yield terminal
    terminal.close()


def test_interactive_exec_is_a_terminal(terminal: Terminal) -> None:
    terminal.type(b"echo $((40 + 2)) $TERM\n")
    terminal.wait_for(b"42 xterm-test")
    terminal.resize(40, 123)
    is_told = "until stty size; [ \"$(stty size)\" = '40 123' ]; do sleep 0.2; done"
    terminal.type(f"{is_told}; echo is$((1 + 1))40\n".encode())
    terminal.wait_for(b"is240")
    # Ctrl-C is for the command inside, not for us.
    terminal.type(b"sh -c 'echo up$((1 + 1)); exec sleep 600'\n")
    terminal.wait_for(b"up2")
    terminal.type(b"\x03")
    terminal.type(b"exit 9\n")
    assert terminal.exit_code() == 9


# logs and files


def test_logs_and_files_of_a_dead_container(driver: DockerDriver) -> None:
    script = "echo one; echo two >&2; echo x >/var/tmp/kept; exit 6"
    driver.create(LAB, node("dead", "sh", "-c", script), {}, {})

    def use() -> None:  # whoever is the first to notice
        driver.start(LAB, "dead")
        wait_for(lambda: getattr(driver.container(LAB, "dead"), "status", "") == "exited")
        driver.exec(LAB, "dead", ["true"])

    with pytest.raises(NodeError, match="dead died with exit code 6") as caught:
        use()
    assert sorted(caught.value.log_tail) == ["one", "two"]
    assert b"".join(driver.logs(LAB, "dead", stderr=False)) == b"one\n"
    assert driver.read_files(LAB, "dead", "/var/tmp") == {"kept": b"x\n"}
    assert driver.read_files(LAB, "dead", "/nowhere") == {}


def test_followed_logs_come_while_they_are_written_and_end_with_the_container(
    driver: DockerDriver,
) -> None:
    driver.create(LAB, node("talker", "sh", "-c", "echo ready; exec sleep 600"), {}, {})
    driver.start(LAB, "talker")
    lines = driver.logs(LAB, "talker", follow=True)
    assert next(lines) == b"ready\n"
    killer = threading.Thread(target=lambda: driver.kill(LAB, "talker"))
    killer.start()
    assert list(lines) == []
    killer.join()
    info = driver.container(LAB, "talker")
    assert info is not None
    assert info.exit_code == 128 + signal.SIGKILL


def test_a_program_that_is_not_there(driver: DockerDriver) -> None:
    driver.create(LAB, node("bad", "no-such-program"), {}, {})
    with pytest.raises(NodeError, match="no-such-program"):
        driver.start(LAB, "bad")


def test_an_image_that_is_not_there(driver: DockerDriver) -> None:
    with pytest.raises(ImageError, match="ntplab/no-such-image"):
        driver.create(LAB, NodeSpec("bad2", "server", "ntplab/no-such-image"), {}, {})


# networks and ports


def test_names_resolve_on_every_network_until_it_is_left(driver: DockerDriver) -> None:
    assert sh(driver, "getent hosts lyon")
    driver.disconnect(LAB, "time", "lyon")
    driver.disconnect(LAB, "time", "lyon")
    info = driver.container(LAB, "lyon")
    assert info is not None
    assert info.networks == ("app",)
    driver.connect(LAB, "time", "lyon")
    driver.connect(LAB, "time", "lyon")
    info = driver.container(LAB, "lyon")
    assert info is not None
    assert info.networks == ("app", "time")


def test_published_ports_are_local_and_a_taken_one_is_named(driver: DockerDriver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        driver.create(LAB, node("late", ports=(PublishedPort(80, port),)), {}, {})
        with pytest.raises(NodeError) as caught:
            driver.start(LAB, "late")
    assert f"port {port} of 127.0.0.1 is already taken" in str(caught.value)
    assert "ss -ltnp" in caught.value.hint
    driver.start(LAB, "late")
    info = driver.container(LAB, "late")
    assert info is not None
    assert info.ports == {80: f"127.0.0.1:{port}"}


# removing


def test_a_half_made_lab_is_removed_twice(driver: DockerDriver) -> None:
    lab = f"{LAB}half"
    driver.create_network(lab, NetworkSpec("time"))
    driver.create_volume(lab, VolumeSpec(docker_name(lab, "clock-x"), "x"))
    spec = NodeSpec("x", "server", BASE_IMAGE, ("time",), command=("sleep", "600"))
    driver.create(lab, spec, {}, {})
    assert lab in driver.labs()
    removed = driver.remove_lab(lab)
    assert removed.containers == (docker_name(lab, "x"),)
    assert removed.networks == (docker_name(lab, "time"),)
    assert removed.volumes == (docker_name(lab, "clock-x"),)
    assert lab not in driver.labs()
    assert driver.remove_lab(lab).containers == ()


def test_two_may_remove_one_lab_at_once(driver: DockerDriver) -> None:
    lab = f"{LAB}twice"
    driver.create_network(lab, NetworkSpec("time"))
    for name in "abc":
        spec = NodeSpec(name, "server", BASE_IMAGE, ("time",), command=("sleep", "600"))
        driver.create(lab, spec, {}, {})
        driver.start(lab, name)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(driver.remove_lab, [lab, lab]))
    assert lab not in driver.labs()


# the engine itself


# The SDK leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_engine_at_that_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(EngineError, match="does not answer"):
        DockerDriver()
    assert engine_trouble() is not None
    gc.collect()


IMAGE = f"ntplab-test/{LAB}"


def build(driver: DockerDriver, folder: Path, dockerfile: str) -> list[str]:
    (folder / "x").mkdir(exist_ok=True)
    (folder / "x" / "Dockerfile").write_text(dockerfile)
    recipe = Recipe("x", frozenset(), frozenset(), frozenset({"x"}))
    log = driver.build_image(
        IMAGE,
        pack_context(folder, recipe, None),
        dockerfile="x/Dockerfile",
        labels={"ntplab.inputs": "abc"},
        build_args={},
    )
    return list(log)


def test_images_are_built_with_labels(driver: DockerDriver, tmp_path: Path) -> None:
    build(driver, tmp_path, f"FROM {BASE_IMAGE}\nCOPY x /x\n")
    try:
        assert driver.image_id(IMAGE) is not None
        assert driver.image_labels(IMAGE) == {"ntplab.inputs": "abc"}
    finally:
        subprocess.run(["docker", "rmi", IMAGE], check=True, capture_output=True)
    assert driver.image_id(IMAGE) is None
    assert driver.image_labels(IMAGE) == {}


def test_a_root_file_system_is_imported(driver: DockerDriver, tmp_path: Path) -> None:
    archive = tmp_path / "root.tar"
    archive.write_bytes(pack({"/etc/imported": b"yes"}))
    try:
        with archive.open("rb") as content:
            driver.import_image(content, f"{IMAGE}:imported")
        assert driver.image_id(f"{IMAGE}:imported") is not None
    finally:
        subprocess.run(["docker", "rmi", f"{IMAGE}:imported"], check=True, capture_output=True)


def test_an_image_that_no_registry_has_is_not_pulled(driver: DockerDriver) -> None:
    with pytest.raises(ImageError, match="cannot pull ntplab-test/no-such-image:none"):
        driver.pull_image("ntplab-test/no-such-image:none", silence_max_s=20)


def test_a_failing_step_fails_the_build(driver: DockerDriver, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="returned a non-zero code: 3"):
        build(driver, tmp_path, f"FROM {BASE_IMAGE}\nRUN echo wrong; exit 3\n")
