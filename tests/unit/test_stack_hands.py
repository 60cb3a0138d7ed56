"""The demo stack's hands: they do what the orchestrator asks, over a real socket, and no more."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ntplab.buyers import Buyers
from ntplab.collect.databases import RawClocks, collect_records, collect_seat, empty_databases
from ntplab.driver.base import ExecResult
from ntplab.driver.fake import FakeDriver
from ntplab.errors import NodeError, UsageError
from ntplab.faults import LabHandle, bend, ntp_state
from ntplab.faults.ntp import switch_ntp
from ntplab.lab import Lab, silent
from ntplab.labtime import LabClock
from ntplab.plan import Plan
from ntplab.provenance import manifest
from ntplab.stack import hands, preparing
from ntplab.stack.driver import HandsDriver
from ntplab.stack.hands import Hands
from ntplab.stack.reaching import Hands as Reaching
from ntplab.stack.settings import read_settings
from ntplab.standing import lab_handle
from ntplab.sweep.stage import reconfigure
from ntplab.ui.load import HandLoad

Asked = list[tuple[str, list[str], bytes]]
NODES = ("paris", "lyon", "marseille", "ntp1", "db", "observer", "buyers")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return preparing.plan_for(read_settings({}), tmp_path)


def of(node: str) -> Hands:
    return Hands(preparing.about(node), ["true"])


class Recorder(FakeDriver):
    """Notes every command; what is answered, a real node might have."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Asked = []

    def exec(
        self, lab: str, node: str, argv: Sequence[str], *, stdin: bytes | None = None
    ) -> ExecResult:
        self.asked.append((node, list(argv), stdin or b""))
        said = {"lab_ns": 2, "raw_ns": 1, "divergence_ns": {}, "nodes": {}}
        words = "running" if "-wu" in argv else "stopped" if "-wD" in argv else json.dumps(said)
        return ExecResult(0, "1,2" if argv[-1] == "activity" else words, "")


class Containers(Recorder):
    """The same with the nodes of the stack."""

    def exec_stream(
        self, lab: str, node: str, argv: Sequence[str], *, stdin: bytes | None = None
    ) -> Iterator[bytes]:
        self.exec(lab, node, argv, stdin=stdin)
        yield b""  # no records

    def container(self, lab: str, node: str) -> Any:
        return HandsDriver._info(self.stack, node)

    stack: HandsDriver


@pytest.fixture
def recorder(tmp_path: Path) -> Containers:
    preparing.prepare(read_settings({}), tmp_path)
    recorder = Containers()
    recorder.stack = HandsDriver(tmp_path, tmp_path)
    return recorder


def everything_a_session_does(driver: Containers, plan: Plan) -> None:
    handle = LabHandle(driver, "stack", LabClock(0))
    lab = Lab(driver, plan, "stack", LabClock(0), silent, lambda _table, _rows: None)
    lab_handle(driver, "stack")
    manifest(lab, "run", {}, lab.time_namespaces())
    for server in ("paris", "lyon", "marseille"):
        ntp_state(handle, server)
        switch_ntp(handle, server, "on", "daemon")
        switch_ntp(handle, server, "off", "daemon")
        reconfigure(handle, server, plan)
        for action, value in (("step", -5_000_000_000), ("set", 3), ("drift", -1e-05)):
            bend(handle, server, action, value)
    empty_databases(driver, "stack")
    clocks = RawClocks(0, {})
    collect_records(driver, "stack", "1-ntp-off", clocks, lambda _table, _rows: None)
    collect_seat(driver, "stack", "12-ntp-mixed", "G-0668", clocks, lambda _table, _rows: None)


def test_what_the_page_does_is_allowed(recorder: Containers, plan: Plan) -> None:
    everything_a_session_does(recorder, plan)
    assert {node for node, _, _ in recorder.asked} == set(NODES) - {"buyers"}
    refused = [asked for asked in recorder.asked if not of(asked[0]).allows(asked[1], asked[2])]
    assert refused == []


def test_a_load_is_allowed(recorder: Containers, plan: Plan) -> None:
    lab = Lab(recorder, plan, "stack", LabClock(0), silent, lambda _table, _rows: None)
    phase = HandLoad(lab, lambda _table, _rows: None).plan("1-ntp-off", 1.0)
    buyers = Buyers(recorder, "stack", 0)
    buyers.play(phase, plan, 0, lambda _table, _rows: None)
    buyers.end()
    assert [of(node).allows(argv, stdin) for node, argv, stdin in recorder.asked] == [True, True]


@pytest.mark.parametrize(
    ("node", "argv", "stdin"),
    [
        ("paris", ["sh", "-c", "id"], b""),
        ("paris", ["cat", "/etc/ntplab/secrets/db_password"], b""),
        ("paris", ["cat", "/run/ntplab/timens", "/etc/passwd"], b""),
        ("paris", ["chronyc", "-c", "tracking"], b"something"),
        ("paris", ["chronyc", "-c", "trackingx"], b""),
        ("paris", ["python3", "-m", "booking.reconfigure", '{"policy":\n"x"}'], b""),
        ("ntp1", ["chronyc", "-c", "activity"], b""),
        ("observer", ["ntplab-observer", "drift", "paris", "--ppm=1;id"], b""),
        ("observer", ["ntplab-observer", "run"], b""),
        ("buyers", ["touch", "/tmp/loads/../../etc/x.end"], b""),
    ],
)
def test_anything_else_is_refused(node: str, argv: list[str], stdin: bytes) -> None:
    assert not of(node).allows(argv, stdin)


@pytest.mark.parametrize(
    "which",
    [
        "phase = 'x' OR true",
        "phase = 'x'; DROP TABLE claims",
        "phase = 'x'\n\\! id\n",
        "phase = 'it''s'",
    ],
)
def test_no_other_sql_reaches_the_database(which: str) -> None:
    from ntplab.collect.databases import COMMAND, reading

    assert of("db").allows(list(COMMAND), reading("phase = 'x'").encode())
    assert not of("db").allows(list(COMMAND), reading(which).encode())
    assert not of("db").allows(list(COMMAND), b"SELECT 1")


# over a real socket

SAYS = "import sys, time\nfor n in range(10**9):\n print(n, flush=True)\n time.sleep(0.01)"


def listening(folder: Path, about: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Hands:
    monkeypatch.setattr(hands, "SOCKET", folder / "socket")
    made = Hands(about, [sys.executable, "-c", SAYS])
    threading.Thread(target=hands._listen, args=(made,), daemon=True).start()
    wait_for(lambda: (folder / "socket").exists())
    return made


def wait_for(look: Callable[[], object], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def end(made: Hands) -> None:
    """The program gone, and its output read to the end by whoever reads it."""
    if made._child is not None:
        made._child.kill()
        made._child.wait()
    for thread in threading.enumerate():
        if thread.name == hands.READER:
            thread.join(30)


@pytest.fixture
def stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Hands, Reaching]]:
    about = {"stream": True, "on_request": True, "allowed": [{"argv": ["cat"], "stdin": ".*"}]}
    made = listening(tmp_path, about, monkeypatch)
    yield made, Reaching("node", tmp_path / "socket")
    end(made)


def test_output_is_followed_and_another_life_is_another_stream(
    stream: tuple[Hands, Reaching],
) -> None:
    made, reaching = stream
    reaching.restart(0)
    wait_for(lambda: made._stream._count > 50)
    following = reaching.follow(2)
    text = b""
    while text.count(b"\n") < 5:
        text += next(following)
    first, *others = [int(line) for line in text.split(b"\n")[:5]]
    assert first == 0  # what it said first is said to everybody
    assert others == list(range(others[0], others[0] + 4))
    assert others[0] > 40
    reaching.restart(0)
    list(following)  # it ends
    assert reaching.answers()


def test_every_life_of_a_node_has_a_word_of_its_own(
    stream: tuple[Hands, Reaching], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container may be gone and back between two looks."""
    _, reaching = stream
    first = reaching.life()
    assert first
    assert reaching.life() == first
    another = tmp_path / "another"
    another.mkdir()
    listening(another, {}, monkeypatch)
    assert Reaching("node", another / "socket").life() not in (None, first)


def test_commands_take_input_and_give_everything_back(stream: tuple[Hands, Reaching]) -> None:
    _, reaching = stream
    words = b"two\nlines\n" * 5000
    assert reaching.run(["cat"], words).stdout.encode() == words
    with pytest.raises(NodeError, match="not allowed here: id"):
        reaching.run(["id"])


def test_who_is_not_there_does_not_answer(tmp_path: Path) -> None:
    reaching = Reaching("lyon", tmp_path / "socket")
    assert not reaching.answers()
    assert list(reaching.follow(1)) == []
    with pytest.raises(NodeError, match="lyon does not answer"):
        reaching.run(["true"])


def test_files_are_put_where_they_belong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "CONFIG", tmp_path / "config")
    (tmp_path / "config").mkdir()
    preparing.prepare(read_settings({"NTPLAB_NTP": "on"}), tmp_path / "config")
    hands.put_files("paris", tmp_path / "root")
    text = (tmp_path / "root/etc/chrony/chrony.conf").read_text()
    assert "server ntp1 iburst" in text
    assert "log tracking" not in text
    told = json.loads((tmp_path / "config/paris.json").read_text())
    assert "NTPLAB_SERVICES_DOWN" not in told["environment"]
    assert told["environment"]["NTPLAB_DB_PASSWORD_FILE"] == "/etc/ntplab/secrets/db_password"


def test_the_anchor_is_made_once(tmp_path: Path) -> None:
    first = hands.anchor_ns(tmp_path / "anchor")
    assert hands.anchor_ns(tmp_path / "anchor") == first
    assert abs(first + time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) - time.time_ns()) < 10**9


def test_every_fault_of_the_settings_is_told() -> None:
    wrong = {"NTPLAB_LOAD_HZ": "9", "NTPLAB_NTP": "maybe", "NTPLAB_RUNS_KEPT": "x"}
    with pytest.raises(UsageError) as caught:
        read_settings(wrong)
    for name in wrong:
        assert name in caught.value.message
    assert read_settings({"NTPLAB_LOAD_HZ": ""}).load_hz == 1.0
