"""Airplug's term mode: headers, options, the relay, and the ring of FIFOs as it is shipped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.airplug import (
    BEL,
    Header,
    HeaderMode,
    Subscriptions,
    Zone,
    frame,
    read_subscription,
    unframe,
)
from train.codec import PAYLOAD_BYTES_MAX, decode, encode
from train.envelope import Envelope
from train.lines import LINE_BYTES_MAX, LineSplitter
from train.messages import Info, Query
from train.ticket import BadValueError, Wish

from .train_program import DEADLINE_S, PROGRAM, TRAIN, environment, train, until

HEADER = Header("BAS", "NET", Zone.LOCAL)
PAYLOAD = "^payload~hi^nseq~3^"


def query(origin: str = "c1", sequence: int = 1) -> str:
    """A consultation of client `origin`, as a payload."""
    return encode(
        Envelope(
            body=Query(sequence, Wish()), origin=origin, destination="G", transmitter=origin,
            incarnation=1, sequence=sequence, hops=9, lamport=1, vector=None, epoch=0,
            generation=0, uid=0, app_ack=0, control_ack=0,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "line"),
    [
        (HeaderMode.WHAT, PAYLOAD),
        (HeaderMode.WHATWHO, f"\x07BAS\x07NET\x07{PAYLOAD}"),
        (HeaderMode.WHATWHOWHERE, f"\x07BAS\x07NET\x07LCH\x07{PAYLOAD}"),
    ],
)
def test_headers_are_the_frameworks(mode: HeaderMode, line: str) -> None:
    assert frame(PAYLOAD, mode, HEADER) == line
    header, payload = unframe(line, mode)
    assert payload == PAYLOAD
    assert header == {
        HeaderMode.WHAT: None,
        HeaderMode.WHATWHO: Header("BAS", "NET", Zone.AIR),
        HeaderMode.WHATWHOWHERE: HEADER,
    }[mode]  # fmt: skip


@given(st.text(alphabet=st.sampled_from("\x07ABNET^~L"), max_size=30), st.sampled_from(HeaderMode))
def test_a_header_is_read_or_refused(line: str, mode: HeaderMode) -> None:
    try:
        header, payload = unframe(line, mode)
    except BadValueError:
        return
    assert BEL not in payload
    if header is not None:
        assert frame(payload, mode, header) == line


@pytest.mark.parametrize(
    ("begun", "mode", "header", "taken"),
    [
        ("TRN", HeaderMode.WHATWHOWHERE, Header("TRN", "TRN", Zone.AIR), True),
        ("TRN", HeaderMode.WHATWHOWHERE, Header("TRN", "TRN", Zone.ALL), True),
        ("TRN", HeaderMode.WHATWHOWHERE, Header("TRN", "ALL", Zone.AIR), True),
        ("TRN", HeaderMode.WHATWHOWHERE, Header("TRN", "TRN", Zone.LOCAL), False),
        ("TRN", HeaderMode.WHATWHOWHERE, Header("BAS", "TRN", Zone.AIR), False),
        ("TRN", HeaderMode.WHATWHOWHERE, Header("TRN", "BAS", Zone.AIR), False),
        ("NET:lch", HeaderMode.WHATWHOWHERE, Header("NET", "TRN", Zone.LOCAL), True),
        ("NET:lch", HeaderMode.WHATWHOWHERE, Header("NET", "TRN", Zone.AIR), False),
        ("NET:all", HeaderMode.WHATWHOWHERE, Header("NET", "TRN", Zone.AIR), True),
        ("NET:lch", HeaderMode.WHATWHO, Header("NET", "TRN", Zone.AIR), True),
    ],
)
def test_only_applications_begun_are_heard(
    begun: str, mode: HeaderMode, header: Header, taken: bool
) -> None:
    subscriptions = Subscriptions("TRN", frozenset({read_subscription(begun)}))
    assert subscriptions.accept(header, mode) is taken


def test_a_line_with_its_header_is_within_airplugs_limit() -> None:
    longest = frame("x" * PAYLOAD_BYTES_MAX, HeaderMode.WHATWHOWHERE, HEADER)
    assert len(longest) <= LINE_BYTES_MAX == 1440
    splitter = LineSplitter()
    kept = list(splitter.feed(b"y" * 1440 + b"\n" + b"z" * 1441 + b"\n" + b"\xff\n" + b"ok\n"))
    assert kept == ["y" * 1440, "ok"]
    assert splitter.rejected == {"line too long": 1, "not UTF-8": 1}


def run_office(*options: str, lines: bytes) -> tuple[list[str], str]:
    """What an office answers to `lines`, and its log; its input ends then."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "office", "--ident=G", "--notk", *options],
        input=lines, capture_output=True, timeout=DEADLINE_S, check=True,
    )  # fmt: skip
    return done.stdout.decode().splitlines(), done.stderr.decode()


@pytest.mark.parametrize("mode", list(HeaderMode))
def test_an_office_answers_on_stdout_and_logs_on_stderr(mode: HeaderMode) -> None:
    header = Header("TRN", "TRN", Zone.AIR)
    asked = frame(query(), mode, header) + "\n"
    answers, log = run_office(f"--{mode.value}", "--auto=100", lines=asked.encode())
    (info,) = [decode(unframe(line, mode)[1]) for line in answers]
    assert (info.origin, info.destination) == ("G", "c1")
    assert type(info.body).__name__ == "Info"
    assert log.splitlines() == ["G: [0] started", f"G: [{info.lamport}] stopped"]


def test_lines_that_are_no_messages_are_counted_and_harm_nothing() -> None:
    good = query()
    torn = [good[:40], good[3:], good.replace("typ~QUERY", "typ~QUERZ"), "", "\x07", "^" * 2000]
    lines = "\n".join([*torn, good, ""]).encode()
    answers, log = run_office("--what", lines=lines)
    assert len(answers) == 1
    assert log.count("line rejected: ") == len(torn)


def test_the_names_of_applications_are_the_users() -> None:
    asked = frame(query(), HeaderMode.WHATWHOWHERE, Header("NET", "BIL", Zone.LOCAL)) + "\n"
    options = ["--appname=BIL", "--begin=NET:lch", "--dest=NET:lch"]
    (answer,), _ = run_office(*options, lines=asked.encode())
    assert answer.startswith("\x07BIL\x07NET\x07LCH\x07^typ~INFO^")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["office"], "--ident"),
        (["office", "--ident=a b"], "node name 'a b'"),
        (["office", "--ident=G", "--what", "--whatwho"], "not allowed with"),
        (["office", "--ident=G", "--appname=lower"], "three capital letters"),
        (["office", "--ident=G", "--begin=NET:sea"], "zone 'sea'"),
        (["office", "--ident=G", "--hold=5"], "write 5s or 5ms"),
        (["office", "--ident=G", "--timetable=/nowhere.csv"], "/nowhere.csv"),
        (["client", "--ident=office"], "a client and its office are both called office"),
        (["client", "--ident=c", "--day=tomorrow", "--auto"], "day 'tomorrow'"),
        (["client", "--ident=c", "--auto=soon"], "'soon'"),
        (["relay", "/nowhere", "--to", "/nowhere"], "mkfifo /nowhere"),
        (["ask", "link", "--delay", "5"], "write 5s or 5ms"),
        (["dance"], "invalid choice"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_named(words: list[str], said: str) -> None:
    done = train(*words, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert said in done.stderr


def test_nobody_at_the_socket_is_said_with_a_hint(tmp_path: Path) -> None:
    done = train("ask", "status", env=environment(NTPLAB_TRAIN_CONTROL=str(tmp_path / "no.sock")))
    assert done.returncode == 5
    assert "hint: is it running?" in done.stderr


@pytest.mark.parametrize("mode", ["what", "whatwhowhere"])
def test_the_ring_of_fifos_makes_ten_reservations(mode: str, tmp_path: Path) -> None:
    """As it is shipped, with the interpreter that runs the tests; nothing of it is left."""
    done = subprocess.run(
        [str(TRAIN / "ring.sh"), mode],
        env=environment(PYTHON=sys.executable, TMPDIR=str(tmp_path)),
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^c[12]: request \d: owned$", done.stdout, re.MULTILINE)) == 10
    assert done.stdout.endswith("10 reservations, no ticket sold twice\n")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_ring_leaves_nothing(tmp_path: Path) -> None:
    ring = subprocess.Popen(
        [str(TRAIN / "ring.sh")],
        env=environment(PYTHON=sys.executable, TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert ring.stdout is not None
    assert ring.stdout.readline().startswith("c1: request 1")
    children = children_of(ring.pid)
    assert len(children) >= 6
    ring.send_signal(signal.SIGTERM)
    ring.communicate(timeout=DEADLINE_S)
    assert ring.returncode == 143
    assert list(tmp_path.iterdir()) == []
    until("its processes end", lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_the_relay_tears_no_line_where_two_write() -> None:
    """cat's count is for the reader of the output: it depends on luck, the relay's does not."""
    done = subprocess.run(
        [str(TRAIN / "torn-lines.sh"), "2000"],
        env=environment(PYTHON=sys.executable),
        capture_output=True, text=True, timeout=DEADLINE_S, check=True,
    )  # fmt: skip
    first, second = done.stdout.splitlines()
    assert re.fullmatch(r"cat: \d+ lines torn of 4000", first)
    assert second == "relay: 0 lines torn of 4000"


def test_the_relay_carries_every_line_to_everybody_and_ends() -> None:
    with tempfile.TemporaryDirectory() as place:
        one, two, left, right = (Path(place) / name for name in ("one", "two", "left", "right"))
        one.write_text("a\nb\n" + "x" * 1441 + "\n")
        two.write_text("c\n")
        left.touch()
        right.touch()
        done = train("relay", one, two, "--to", left, right)
        assert done.returncode == 0
        assert "1 lines left out: line too long" in done.stderr
        assert os.path.getsize(left) == os.path.getsize(right) == 6


def test_without_a_state_nothing_is_left(tmp_path: Path) -> None:
    """However long the path of the folder for temporary files is."""
    folder = tmp_path / ("f" * 120)
    folder.mkdir()
    done = train("office", "--ident=G", input="", env=environment(TMPDIR=str(folder)))
    assert done.returncode == 0
    assert list(folder.iterdir()) == []


def test_a_timetable_is_for_a_new_office(tmp_path: Path) -> None:
    options = ["office", "--ident=G", f"--state={tmp_path}", "--verbose=0", "--what"]
    made = [*options, f"--timetable={TRAIN / 'examples' / 'timetable.csv'}"]
    totals = []
    for words in (made, made, options):
        done = train(*words, input=query(sequence=len(totals) + 1) + "\n")
        assert done.returncode == 0, done.stderr
        body = decode(done.stdout.strip()).body
        assert isinstance(body, Info)
        totals.append(body.total)
    assert totals == [68, 68, 68]
