"""Reports of the train system: who held which ticket, what was sold twice and why, snapshots."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ntplab.analysis import analyze
from ntplab.errors import EvidenceError
from ntplab.evidence import RunDirectory, seal, write_checksums
from ntplab.report import deck_of, write_report
from simulated_trains import TrainRun

HOSTILE = "<img src=x onerror=alert(1)>"


def judged(run: RunDirectory) -> RunDirectory:
    seal(run)
    analyze(run)
    write_checksums(run)
    return run


def test_it_tells_each_ticket_sold_twice_and_who_held_it(tmp_path: Path) -> None:
    run = judged(TrainRun(tmp_path).run)
    page = write_report(run).read_text()
    assert "control (NTP off): tickets sold twice: 0, of 1 sales" in page
    assert "delay (NTP off): tickets sold twice: 1, of 2 sales" in page
    assert "Ticket 2 · ann, bob" in page
    assert "receipt too late" in page
    # The inequality with its numbers, the moments in true time, and the whole chain of holders.
    assert re.search(r"<strong>1\s?s ≥ 1\s?s, 12:00:14.100 ≤ 12:00:14.300</strong>", page)
    for moment in ("12:00:13.100", "12:00:13.400", "12:00:14.100", "12:00:14.500"):
        assert moment in page
    (told,) = re.findall(r'<ol lang="en">(.*?)</ol>', page, re.DOTALL)
    chain = re.findall(r"<li>([^<]*)</li>", told)
    assert [step.split(" s ", 1)[1] for step in chain] == [
        "held for ann (request 2)",
        "owned by ann (request 2)",
        "hold expired of ann (request 2)",
        "held for bob (request 1)",
        "owned by bob (request 1)",
    ]
    assert "No ticket was sold twice, of 1 that came to be owned." in page
    assert 'class="decided s0"' in page


def test_it_tells_the_snapshot_the_bound_and_the_limits(tmp_path: Path) -> None:
    page = write_report(judged(TrainRun(tmp_path).run)).read_text()
    assert "1 taken, 0 of them inconsistent" in page
    assert "received 1" in page
    assert "literal protocol sells a ticket twice when" in page
    assert "no ticket sold twice in 1 sales" in page
    assert "contested seats" not in page, "that is another system"
    assert "opportunities" not in page


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_hostile_names_are_text(tmp_path: Path, lang: str) -> None:
    clients = (f"a{HOSTILE}", f"b{HOSTILE}")
    run = TrainRun(tmp_path, clients, scenario={"description": HOSTILE}).run
    page = write_report(judged(run), lang).read_text()
    assert "<img" not in page
    assert "a&lt;img src=x onerror=alert(1)&gt;" in page


def test_in_french_the_explanation_is_french(tmp_path: Path) -> None:
    page = write_report(judged(TrainRun(tmp_path).run), "fr").read_text()
    assert re.search(r"Billet 2\s:\sla retenue de ann", page)
    assert "sold twice" not in page


def test_without_evidence_there_is_a_report_all_the_same(tmp_path: Path) -> None:
    made = TrainRun(tmp_path)
    for table in ("ticket_events", "train_snapshots", "clock"):
        for path in (made.run.path / "evidence").glob(f"{table}*"):
            path.unlink()
    page = write_report(judged(made.run)).read_text()
    assert "unknown: evidence is missing" in page


def test_there_are_no_slides_of_trains(tmp_path: Path) -> None:
    run = judged(TrainRun(tmp_path).run)
    with pytest.raises(EvidenceError, match="train tickets") as caught:
        deck_of(run, None)
    assert "./ntplab report" in caught.value.hint
