"""Finding, installing and starting Docker Engine, on machines that exist only here."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ntplab.errors import EngineDenied, EngineError
from ntplab.setup import engine
from ntplab.setup.engine import ensure_engine
from ntplab.setup.host import Host, Ran

STOPPED = EngineError("Docker Engine does not answer")
DENIED = EngineDenied("no right to use Docker Engine's socket", hint="usermod")


class Replaced(BaseException):
    """The process became another program."""


class Machine(Host):
    """A machine of a few programs and files; what is done to it is in `done`."""

    def __init__(self, *programs: str, root: bool = True, sudo: bool = False) -> None:
        self.programs = {"apt-get", *programs}
        self.root, self.sudo = root, sudo
        self.files: dict[str, str] = {}
        self.members: list[str] = []
        self.brings = {"docker.io": ["dockerd", "docker"], "docker-cli": ["docker"]}
        self.running = False
        self.denied = False
        self.starts_when: str = "dockerd"
        self.failing: set[str] = set()
        self.done: list[str] = []

    def which(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def is_root(self) -> bool:
        return self.root

    def may_become_root(self) -> bool:
        return self.root or self.sudo

    def run(self, argv: Sequence[str]) -> Ran:
        command = " ".join(argv).removeprefix("env DEBIAN_FRONTEND=noninteractive ")
        self.done.append(command)
        if command in self.failing:
            return Ran(1, "E: it went wrong")
        if command.startswith("apt-get install"):
            self.programs |= {p for name in argv for p in self.brings.get(name, [name])}
        if command.startswith("rm -f "):
            self.files.pop(argv[-1], None)
        self.running |= command == self.starts_when
        return Ran(0, "")

    def run_as_root(self, argv: Sequence[str]) -> Ran:
        assert self.may_become_root()
        return self.run(argv)

    def spawn_as_root(self, argv: Sequence[str], log: Path) -> None:
        assert self.may_become_root()
        self.run(argv)

    def read(self, path: Path) -> str:
        return self.files.get(str(path), "")

    def exists(self, path: Path) -> bool:
        return str(path) in self.files

    def group_members(self, group: str) -> list[str]:
        return self.members

    def replace_by(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self.done.append(" ".join(argv))
        raise Replaced

    def probe(self) -> EngineError | None:
        if not self.running:
            return STOPPED
        return DENIED if self.denied else None


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ANSWERS_WITHIN_S", 0.0)
    monkeypatch.setattr(engine, "_POLL_S", 0.0)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv(engine.REGROUPED, raising=False)


def ensure(machine: Machine) -> list[str]:
    """Run it; what it said."""
    said: list[str] = []
    ensure_engine(said.append, machine.probe, machine)
    return said


def test_a_running_engine_is_left_alone() -> None:
    machine = Machine("dockerd", "iptables")
    machine.running = True
    assert ensure(machine) == []
    assert machine.done == []


def test_without_a_service_manager_the_daemon_is_started_directly() -> None:
    machine = Machine("dockerd", "iptables")
    assert ensure(machine) == ["starting Docker Engine: dockerd"]
    assert machine.done == ["dockerd"]


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"/run/systemd/system": ""}, "systemctl start docker"),
        ({"/run/openrc": ""}, "rc-service docker start"),
        ({"/proc/1/comm": "init\n", "/etc/init.d/docker": ""}, "service docker start"),
    ],
)
def test_a_service_manager_starts_it(files: dict[str, str], command: str) -> None:
    machine = Machine("dockerd", "iptables")
    machine.files, machine.starts_when = files, command
    assert ensure(machine) == [f"starting Docker Engine: {command}"]
    assert machine.done == [command]


def test_a_missing_engine_is_installed_and_started() -> None:
    machine = Machine()
    said = ensure(machine)
    assert machine.done == [
        "apt-get update",
        "apt-get install -y --no-install-recommends docker.io iptables",
        "dockerd",
    ]
    assert said[0] == (
        "Docker Engine is missing: installing docker.io, iptables from the distribution"
    )


def test_debian_13_has_the_command_in_a_package_of_its_own() -> None:
    machine = Machine()
    machine.brings["docker.io"] = ["dockerd"]
    ensure(machine)
    assert machine.done[1:4] == [
        "apt-get install -y --no-install-recommends docker.io iptables",
        "apt-get update",
        "apt-get install -y --no-install-recommends docker-cli",
    ]


def test_a_package_that_starts_the_engine_needs_no_second_start() -> None:
    machine = Machine()
    machine.starts_when = "apt-get install -y --no-install-recommends docker.io iptables"
    ensure(machine)
    assert machine.done[-1] == machine.starts_when


def test_missing_iptables_is_installed() -> None:
    machine = Machine("dockerd")
    ensure(machine)
    assert "apt-get install -y --no-install-recommends iptables" in machine.done


def test_without_rights_the_exact_commands_are_the_hint() -> None:
    machine = Machine(root=False)
    with pytest.raises(EngineError) as caught:
        ensure(machine)
    assert caught.value.hint == (
        "sudo apt-get update && sudo apt-get install -y docker.io iptables"
    )
    assert machine.done == []
    machine = Machine("dockerd", "iptables", root=False)
    with pytest.raises(EngineError) as caught:
        ensure(machine)
    assert caught.value.hint == "sudo dockerd"
    assert machine.done == []


def test_a_failed_installation_shows_its_last_words() -> None:
    machine = Machine()
    machine.failing = {"apt-get update"}
    with pytest.raises(EngineError) as caught:
        ensure(machine)
    assert caught.value.log_tail == ("E: it went wrong",)
    assert machine.done == ["apt-get update"]


def test_elsewhere_than_debian_nothing_is_installed() -> None:
    machine = Machine()
    machine.programs = set()
    with pytest.raises(EngineError, match="no Debian or Ubuntu"):
        ensure(machine)


def test_a_remote_engine_is_nobodys_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://far.example:2375")
    machine = Machine()
    with pytest.raises(EngineError, match=r"tcp://far\.example:2375 does not answer"):
        ensure(machine)
    assert machine.done == []


def test_a_daemon_that_never_answers_is_an_error() -> None:
    machine = Machine("dockerd", "iptables")
    machine.starts_when = "nothing"
    with pytest.raises(EngineError, match="did not answer within"):
        ensure(machine)


@pytest.mark.parametrize(
    ("pid_file", "program"),
    [
        ("/var/run/docker.pid", "dockerd"),
        ("/var/run/docker/containerd/containerd.pid", "containerd"),
    ],
)
def test_a_pid_file_from_before_a_reboot_is_removed(pid_file: str, program: str) -> None:
    machine = Machine("dockerd", "iptables")
    machine.files = {pid_file: "77\n", "/proc/77/comm": "bash\n"}
    said = ensure(machine)
    assert said[1] == f"removing {pid_file}: process 77 is no {program}"
    assert machine.done == [f"rm -f {pid_file}", "dockerd"]


def test_a_pid_file_of_a_living_daemon_stays() -> None:
    machine = Machine("dockerd", "iptables")
    machine.files = {"/var/run/docker.pid": "77", "/proc/77/comm": "dockerd\n"}
    ensure(machine)
    assert machine.done == ["dockerd"]


def test_who_is_in_the_group_but_not_in_this_session_is_started_again_inside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-P", "-m", "ntplab", "run", "a b"])
    monkeypatch.setattr(engine.getpass, "getuser", lambda: "ada")
    machine = Machine("sg", root=False)
    machine.running = machine.denied = True
    machine.members = ["ada"]
    with pytest.raises(Replaced):
        ensure(machine)
    assert machine.done == [f"sg docker -c {sys.executable} -P -m ntplab run 'a b'"]


def test_who_may_become_root_is_put_into_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.getpass, "getuser", lambda: "ada")
    machine = Machine("sg", root=False, sudo=True)
    machine.running = machine.denied = True
    with pytest.raises(Replaced):
        ensure(machine)
    assert machine.done[0] == "usermod -aG docker ada"


def test_who_may_not_is_told_how() -> None:
    machine = Machine("sg", root=False)
    machine.running = machine.denied = True
    with pytest.raises(EngineDenied):
        ensure(machine)
    assert machine.done == []


def test_it_starts_again_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine.REGROUPED, "1")
    machine = Machine("sg", root=False, sudo=True)
    machine.running = machine.denied = True
    with pytest.raises(EngineDenied):
        ensure(machine)
    assert machine.done == []


def test_the_real_host_runs_reads_and_finds(tmp_path: Path) -> None:
    host = Host()
    assert host.run(["sh", "-c", "echo out; echo err >&2; exit 3"]) == Ran(3, "out\nerr\n")
    assert host.run([str(tmp_path / "nothing")]).code == 127
    assert host.which("sh") is not None
    assert host.read(tmp_path / "nothing") == ""
    assert host.group_members("no-such-group") == []


def test_a_spawned_daemon_has_a_session_of_its_own_and_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Host, "is_root", lambda _self: True)
    log, pipe = tmp_path / "its log", tmp_path / "pipe"
    os.mkfifo(pipe)
    Host().spawn_as_root(["sh", "-c", f"ps -o sid= -p $$; echo done >'{pipe}'"], log)
    assert pipe.read_text() == "done\n"
    assert int(log.read_text()) != os.getsid(0)
