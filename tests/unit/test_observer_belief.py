"""chronyc's answers, as chrony 4.6.1 of Debian trixie gave them."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from observer import belief
from observer.belief import Asker, Tracking, belief_document, parse_tracking

SLOW = (
    "AC180002,h3-chrony,9,1795337690.888737512,0.000028999,-0.000000677,0.000006570,"
    "-4.182,-0.066,6.456,0.000070050,0.000007817,0.3,Normal\n"
)
"""At that moment plain `chronyc tracking` said "0.000028983 seconds slow of NTP time" and
"4.182 ppm slow"."""
LOCAL = (
    "7F7F0101,,8,1795337684.235902271,0.000000000,0.000000000,0.000000000,"
    "0.000,0.000,0.000,0.000000000,0.000000000,0.0,Normal\n"
)
LOST = (
    "00000000,,0,0.000000000,-5.000000120,0.000000000,0.000000000,"
    "0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n"
)


def test_a_clock_that_is_slow_of_ntp_time_has_a_negative_offset() -> None:
    assert parse_tracking(SLOW) == Tracking(
        ref_id="AC180002",
        ref_name="h3-chrony",
        stratum=9,
        offset_ns=-28_999,
        last_offset_ns=-677,
        frequency_ppm=-4.182,
        skew_ppm=6.456,
        root_delay_ns=70_050,
        root_dispersion_ns=7_817,
        leap="Normal",
    )


def test_a_local_reference_has_no_name() -> None:
    tracking = parse_tracking(LOCAL)
    assert (tracking.ref_id, tracking.ref_name, tracking.offset_ns) == ("7F7F0101", "", 0)


def test_whole_seconds_are_exact() -> None:
    tracking = parse_tracking(LOST)
    assert tracking.offset_ns == 5_000_000_120
    assert (tracking.stratum, tracking.leap) == (0, "Not synchronised")


@pytest.mark.parametrize("line", ["", "506 Cannot talk to daemon\n", "a,b\n", SLOW[:60]])
def test_anything_else_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="expected 14 fields"):
        parse_tracking(line)


def test_documents_have_the_same_keys_answered_or_not() -> None:
    answered = belief_document("lyon", 9, parse_tracking(SLOW))
    silent = belief_document("lyon", 9, None)
    assert list(answered) == list(silent)
    assert answered["state"] == "ok"
    assert {k: v for k, v in silent.items() if v is not None} == {
        "t": "belief",
        "lab_ns": 9,
        "node": "lyon",
        "state": "unreachable",
    }


@pytest.fixture
def chronyc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a `chronyc` of the test's own, found first."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path / "chronyc"


def write(path: Path, body: str) -> None:
    path.write_text(f"#!{sys.executable}\nimport sys\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_asking_gives_what_chronyc_prints(chronyc: Path) -> None:
    write(chronyc, f"assert sys.argv[4] == 'lyon', sys.argv\nprint({SLOW!r}, end='')")
    assert belief.ask("lyon") == parse_tracking(SLOW)


def test_a_daemon_that_is_gone_is_none(chronyc: Path) -> None:
    write(chronyc, "print('506 Cannot talk to daemon'); sys.exit(1)")
    assert belief.ask("lyon") is None


def test_a_chronyc_that_hangs_is_given_up(chronyc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(belief, "CHRONYC_TIMEOUT_S", 0.2)
    write(chronyc, "import time; time.sleep(600)")
    assert belief.ask("lyon") is None


def test_an_answer_that_makes_no_sense_is_unreachable(chronyc: Path) -> None:
    write(chronyc, "print('what?')")
    assert belief.ask("lyon") is None


def test_the_asker_goes_on_while_the_daemon_comes_and_goes(chronyc: Path) -> None:
    write(chronyc, "sys.exit(1)")
    told: list[Any] = []
    stop = threading.Event()
    Asker("lyon", "lyon-host", 1_000, time.monotonic_ns, told.append).start(100, 0, stop)
    try:
        until(lambda: len(told) >= 2)
        # Replaced in one step: half a program is never run.
        write(chronyc.with_name("next"), f"print({SLOW!r}, end='')")
        chronyc.with_name("next").replace(chronyc)
        until(lambda: told[-1]["state"] == "ok")
    finally:
        stop.set()
    assert told[0]["state"] == "unreachable"
    assert told[-1]["offset_ns"] == -28_999
    assert [each["lab_ns"] for each in told] == sorted(each["lab_ns"] for each in told)


def until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
