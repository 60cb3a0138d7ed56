"""Finding or getting `docker compose`, on machines that exist only here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ntplab.errors import EngineError
from ntplab.setup.compose import candidate, debian_mirror, ensure_compose
from ntplab.setup.host import Host, Ran

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LISTING = "/etc/apt/sources.list"


class Machine(Host):
    """`version` of its compose, if any; `packages` that apt knows; what is run is in `done`."""

    def __init__(self, version: str = "", packages: dict[str, str] | None = None) -> None:
        self.version, self.packages = version, packages or {}
        self.files = {KEYRING: "", LISTING: "deb http://mirror.example/debian bookworm main\n"}
        self.done: list[str] = []
        self.broken = ""
        self.missing: set[str] = set()

    def which(self, program: str) -> str | None:
        return None if program in self.missing else f"/usr/bin/{program}"

    def may_become_root(self) -> bool:
        return True

    def run_as_root(self, argv: Sequence[str]) -> Ran:
        return self.run(argv)

    def run(self, argv: Sequence[str]) -> Ran:
        command = " ".join(argv)
        if command == "docker compose version --short":
            return Ran(0, self.version) if self.version else Ran(1, "unknown command")
        if command.startswith("apt-cache policy"):
            version = self.packages.get(argv[-1], "(none)")
            return Ran(0, f"{argv[-1]}:\n  Installed: (none)\n  Candidate: {version}\n")
        self.done.append(command)
        if self.broken and self.broken in command:
            return Ran(100, "E: it went wrong")
        if "apt-get install" in command:
            self.version = self.packages.get(argv[-1], self.version)
            self.missing.discard("docker")
        if "cli-plugins" in command:
            self.version = "2.26.1-4"
        return Ran(0, "")

    def read(self, path: Path) -> str:
        return self.files.get(str(path), "")

    def exists(self, path: Path) -> bool:
        return str(path) in self.files


def ensure(machine: Machine) -> tuple[int, ...]:
    return ensure_compose(lambda _line: None, machine)


def test_the_command_itself_may_be_missing() -> None:
    machine = Machine("2.26.1-4")
    machine.missing = {"docker"}
    assert ensure(machine) == (2, 26, 1)
    assert machine.done[-1].endswith("apt-get install -y --no-install-recommends docker-cli")


def test_one_that_is_there_is_left_alone() -> None:
    machine = Machine("v2.38.2")
    assert ensure(machine) == (2, 38, 2)
    assert machine.done == []


@pytest.mark.parametrize(
    ("packages", "chosen"),
    [
        ({"docker-compose": "2.26.1-4"}, "docker-compose"),
        ({"docker-compose": "1.29.2-3", "docker-compose-v2": "2.24.6"}, "docker-compose-v2"),
        ({"docker-compose-plugin": "5:2.29.1-1~debian.12~bookworm"}, "docker-compose-plugin"),
    ],
)
def test_the_distributions_package_comes_first(packages: dict[str, str], chosen: str) -> None:
    machine = Machine(packages={name: v.removeprefix("5:") for name, v in packages.items()})
    assert candidate(Machine(packages=packages), chosen) >= (2, 20)
    assert ensure(machine) >= (2, 20)
    assert machine.done[-1].endswith(f"apt-get install -y --no-install-recommends {chosen}")


def test_debian_12_gets_the_plugin_of_debian_13_and_nothing_else() -> None:
    machine = Machine(packages={"docker-compose": "1.29.2-3"})
    assert ensure(machine) == (2, 26, 1)
    update, download, unpack, put = machine.done
    for command in (update, download):
        assert "Dir::Etc::SourceParts=-" in command
        assert "Dir::State::Lists=/" in command
    assert download.endswith("download docker-compose")
    assert "dpkg -x" in unpack
    assert put.endswith(".docker/cli-plugins/docker-compose'")
    assert not any("install -y" in command for command in machine.done)


def test_what_failed_is_said() -> None:
    machine = Machine()
    machine.broken = "download"
    with pytest.raises(EngineError) as caught:
        ensure(machine)
    assert caught.value.log_tail == ("E: it went wrong",)
    machine = Machine()
    machine.files.pop(KEYRING)
    with pytest.raises(EngineError, match="is missing") as caught:
        ensure(machine)
    assert "apt-get install -y docker-compose" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        ("deb [arch=amd64] http://a.example/debian/ bookworm main\n", "http://a.example/debian"),
        ("Types: deb\nURIs: http://b.example/debian\nSuites: x\n", "http://b.example/debian"),
        ("deb http://c.example/ubuntu noble main\n", None),
        ("# deb http://d.example/debian bookworm main\n", None),
    ],
)
def test_the_mirror_is_the_machines_own(
    text: str, mirror: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("ntplab.setup.compose.SOURCES", (Path(LISTING), tmp_path))
    machine = Machine()
    machine.files[LISTING] = text
    assert debian_mirror(machine) == mirror
