"""Whole reports of simulated runs: the exact pages, hostile names, damage, checksums.

`NTPLAB_GOLDEN=write pytest tests/golden/report` writes the golden files anew.
"""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ntplab.analysis import Results, analyze
from ntplab.errors import EvidenceError
from ntplab.evidence import RunDirectory, check_checksums, seal, write_checksums
from ntplab.report import deck_of, language, slides_html, write_report, writing
from ntplab.report.rendering import digest
from ntplab.run import judge
from simulated_lab import MS, START_NS, US, Request, S, SimPhase, Simulation, constant, races

HERE = Path(__file__).parent
HOSTILE = "<script>alert(1)</script>\"'>&{{7*191}}**b**"
TRUE = {"paris": constant(0), "lyon": constant(0)}
SLOW = {"paris": constant(0), "lyon": constant(-5 * S)}
NEAR = {"paris": constant(20 * US), "lyon": constant(-15 * US)}
EXPECT = [
    "phases.ntp-off.bookings.double_bookings > 0",
    "phases.ntp-on.bookings.double_bookings == 0",
]


def made(path: Path, **manifest: object) -> RunDirectory:
    """Control, NTP off with two seats sold twice, NTP on; judged, with checksums."""
    fields = {
        "expect": EXPECT,
        "command_line": ["ntplab", "run", "synthetic.yaml", "--set", "seed=7"],
        "git_commit": "0123456789abcdef",
        "versions": {"ntplab": "0.1.0"},
        "started_at": "2026-11-22T12:00:00+00:00",
        "scenario": {"description": "Two servers, one of them slow."},
        **manifest,
    }
    run = Simulation(path, **fields).play(
        SimPhase("control", "off", races(2, 900 * MS), TRUE, clocks="true"),
        SimPhase("ntp-off", "off", races(2, 900 * MS), SLOW, clocks="skewed"),
        SimPhase("ntp-on", "on", races(2, 900 * MS), NEAR),
    )
    return judged(run)


def judged(run: RunDirectory) -> RunDirectory:
    seal(run)
    analyze(run)
    write_checksums(run)
    return run


def assert_golden(name: str, text: str) -> None:
    path = HERE / name
    if os.environ.get("NTPLAB_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


class Page(HTMLParser):
    """What a browser would make of a page: elements, what they point at, texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.points_at: list[str] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
                self.points_at.append(value or "")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_report_is_as_it_was(tmp_path: Path, lang: str) -> None:
    page = write_report(made(tmp_path), lang).read_text()
    # The folder of this test is not the same on the next machine.
    assert_golden(f"report.{lang}.html", page.replace(str(tmp_path), "TMP"))


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_slides_are_as_they_were(tmp_path: Path, lang: str) -> None:
    page = slides_html(deck_of(made(tmp_path), None), language(lang))
    assert_golden(f"slides.{lang}.html", page.replace(str(tmp_path), "TMP"))


def test_it_tells_the_verdict_and_every_double_booking(tmp_path: Path) -> None:
    page = write_report(made(tmp_path)).read_text()
    assert "expectations met" in page
    assert page.count("<details") == 2
    for seat in ("Seat A-0000", "Seat A-0001"):
        assert seat in page
    assert "delta - lag &lt; gap &lt; theta_A - theta_B" in page
    assert "./ntplab run" in page
    assert "git checkout 0123456789abcdef" in page


def test_nothing_of_it_comes_from_outside(tmp_path: Path) -> None:
    text = write_report(made(tmp_path)).read_text()
    page = Page(text)
    assert {"script", "link", "img", "iframe", "object", "embed"} & set(page.elements) == set()
    assert all(re.fullmatch(r"#[\w-]+|[\w./-]+", target) for target in page.points_at)
    assert not any(target.startswith(("//", "/")) for target in page.points_at)
    assert "url(" not in text
    assert "@import" not in text


def test_the_policy_allows_its_own_style_and_nothing_else(tmp_path: Path) -> None:
    text = write_report(made(tmp_path)).read_text()
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert style is not None
    assert policy is not None
    assert policy[1].replace("&#39;", "'") == (
        f"default-src 'none'; style-src '{digest(style[1])}'; base-uri 'none'; form-action 'none'"
    )
    assert "style" not in Page(text).attributes


def hostile(path: Path) -> RunDirectory:
    """Seats, buyers, fault values, scenario and description all want to be markup."""
    simulation = Simulation(
        path,
        scenario_name=HOSTILE,
        scenario={"description": HOSTILE},
        command_line=["ntplab", "run", HOSTILE, "--set", HOSTILE],
        kernel=HOSTILE,
    )
    buyers = [
        Request(0, f"{HOSTILE}1", f"{HOSTILE}b1", "paris"),
        Request(900 * MS, f"{HOSTILE}1", f"{HOSTILE}b2", "lyon"),
    ]
    phase = SimPhase("off", "off", buyers, SLOW, clocks="skewed")
    run = simulation.play(phase)
    event = {"lab_ns": START_NS + 2 * S, "event": "fault.in_force", "node": HOSTILE, "kind": "exec"}
    run.append_event({**event, "value": HOSTILE, "phase": "off", "asked_ns": START_NS + 2 * S})
    return judged(run)


def test_hostile_names_are_shown_as_text(tmp_path: Path) -> None:
    run = hostile(tmp_path)
    page = Page(write_report(run).read_text())
    assert "script" not in page.elements
    assert not any(name.startswith("on") for name in page.attributes)
    shown = "".join(page.texts)
    assert f"{HOSTILE}b1" in shown
    assert f"Seat {HOSTILE}1" in shown
    assert "1337" not in shown


def test_hostile_names_are_text_on_slides_too(tmp_path: Path) -> None:
    page = Page(slides_html(deck_of(hostile(tmp_path), None), language("en")))
    assert "script" not in page.elements
    shown = "".join(page.texts)
    assert f"{HOSTILE}b1" in shown
    assert "1337" not in shown


def test_a_report_is_vouched_for_and_made_again_the_same(tmp_path: Path) -> None:
    run = made(tmp_path)
    first = write_report(run).read_bytes()
    assert check_checksums(run) == []
    assert write_report(run).read_bytes() == first
    write_report(run, "fr")
    assert check_checksums(run) == []


def test_a_run_that_was_cut_short_has_a_report_that_says_so(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path)
    off = SimPhase("off", "off", races(2, 900 * MS), SLOW, ends=False)
    run = simulation.play(off, ends=False)
    analyze(run)
    page = write_report(run).read_text()
    assert "unknown: evidence is missing" in page
    assert "The run did not come to its end." in page


def test_a_run_without_any_evidence_has_a_report(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path)
    simulation.run.write_manifest(simulation.manifest)
    analyze(simulation.run)
    assert "unknown: evidence is missing" in write_report(simulation.run).read_text()


def test_a_run_that_was_never_judged_names_the_command(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path)
    simulation.run.write_manifest(simulation.manifest)
    with pytest.raises(EvidenceError, match="not judged yet") as caught:
        write_report(simulation.run)
    assert "analyze" in caught.value.hint


def test_a_report_that_fails_costs_nothing_but_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> str:
        raise RuntimeError("no pixel left")

    run = made(tmp_path)
    told: list[str] = []
    write_report(run)
    monkeypatch.setattr(writing, "run_page", fails)
    judge(run, told.append)
    assert told == ["RuntimeError('no pixel left')"]
    assert not (run.path / "report.html").exists(), "an earlier one would be of other results"
    assert check_checksums(run) == []
    assert Results.model_validate_json(run.results.read_bytes()).verdict == "met"


def test_a_report_written_elsewhere_names_raw_files_and_links_to_none(tmp_path: Path) -> None:
    text = writing.render(made(tmp_path), language("en"), linked=False)
    assert all(target.startswith("#") for target in Page(text).points_at)
    assert "<code>results.json</code>" in text
