"""A run of the train system as a page: tickets, their holders, snapshots. Read `train_page` first.

Clocks, verdict, surroundings are those of any run: `clock_views.py`, `page.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ..analysis.intervals import wilson
from ..analysis.results import PhaseResult, Results
from ..analysis.train import TrainEvidence, load_train
from ..analysis.train.cuts import office_states
from ..analysis.train_results import DoubleSale, TrainFigures
from ..evidence import Evidence, RunDirectory
from . import train_figures
from .clock_views import Clocks, ClockView, clocks_of
from .language import Language
from .limits import limit_gaps, run_limits
from .page import DOUBLES_SHOWN, story_values
from .rendering import page
from .story import Stretch, tell

CHAINS_SHOWN = 200
"""tickets of one phase whose holders are listed; the others are in results.json"""
MOMENTS = (
    ("granted", "granted_lab", "granted_hold_clock"),
    ("hold_expired", "expired_lab", "expired_hold_clock"),
    ("first_owns", "first_owned_lab", None),
    ("granted_again", "granted_again_lab", None),
    ("second_owns", "second_owned_lab", None),
)
"""of a double sale: what happened, when in true time, and by the office's hold clock"""

Moment = tuple[str, int | None, int | None]


@dataclass(frozen=True)
class SaleView:
    """One ticket that two clients own, ready to be shown."""

    sale: DoubleSale
    words: str
    svg: Markup | None
    moments: Sequence[Moment]
    numbers: str
    chain: Sequence[str]


@dataclass(frozen=True)
class SnapshotView:
    """One snapshot: what it says of the tickets, and how many messages crossed it."""

    epoch: int
    lab_ns: int
    parts: int
    crossing: int
    states: Mapping[str, int]
    """state of a ticket at the office -> how many"""


@dataclass(frozen=True)
class TrainView:
    """One phase, ready to be shown."""

    result: PhaseResult
    train: TrainFigures
    clocks: ClockView
    sales: Sequence[SaleView]
    more_sales: int
    chains: Sequence[tuple[str, Sequence[str]]]
    more_chains: int
    snapshots: Sequence[SnapshotView]


def train_page(run: RunDirectory, results: Results, say: Language, linked: bool = True) -> str:
    """The report of one run of the train system, as HTML."""
    evidence = Evidence(run)
    story = tell(evidence, results)
    clocks = clocks_of(evidence, story, say)
    train = load_train(evidence, story.manifest)
    assert train is not None
    values = {
        **story_values(run, story, clocks, say, linked),
        "rules": train.rules,
        "traffic": train_figures.traffic(story, clocks.window, train.facts, say),
        "phases": [
            _phase(phase, train, clocks, story.stretch(phase.name), say) for phase in results.phases
        ],
        "limits": [*_limits(results, train, say), *run_limits(story, say)],
    }
    return page("train.html.j2", "report.css", values)


def _phase(
    phase: PhaseResult, train: TrainEvidence, clocks: Clocks, stretch: Stretch | None, say: Language
) -> TrainView:
    figures = phase.train or TrainFigures()
    twice = figures.double_sale_details
    chains = list(figures.chains.items())
    return TrainView(
        result=phase,
        train=figures,
        clocks=clocks.phase(phase.name),
        sales=[_sale(sale, figures, say) for sale in twice[:DOUBLES_SHOWN]],
        more_sales=max(0, len(twice) - DOUBLES_SHOWN),
        chains=chains[:CHAINS_SHOWN],
        more_chains=max(0, len(chains) - CHAINS_SHOWN),
        snapshots=list(_snapshots(train, stretch)) if stretch else (),
    )


def _sale(sale: DoubleSale, figures: TrainFigures, say: Language) -> SaleView:
    numbers = sale.numbers_ns
    moments = [
        (say(name), numbers.get(lab), numbers.get(clock) if clock else None)
        for name, lab, clock in MOMENTS
    ]
    words = sale.words or sale.reason
    if say.code != "en" and sale.status == "explained":
        words = _sentence(sale, say)
    return SaleView(
        sale, words, train_figures.double(sale, say), moments, _with_numbers(sale, say),
        figures.chains.get(str(sale.ticket), ()),
    )  # fmt: skip


def _with_numbers(sale: DoubleSale, say: Language) -> str:
    """The inequality of the hold with measured numbers in it; empty where they are missing."""
    found, write = sale.numbers_ns, say.numbers
    if found.get("hold_clock_ran") is None or found.get("expired_lab") is None:
        return ""
    return (
        f"{write.duration(found['hold_clock_ran'], digits=4)} ≥ {write.duration(found['hold'])}, "
        f"{write.time(found['expired_lab'])} ≤ {write.time(found['granted_again_lab'])}"
    )


def _sentence(sale: DoubleSale, say: Language) -> str:
    """The explanation, in a language that results.json is not written in."""
    values: dict[str, Any] = {
        "ticket": sale.ticket,
        "first": sale.first.client,
        "second": sale.second.client,
        **{name: say.numbers.duration(ns, digits=4) for name, ns in sale.numbers_ns.items()},
    }
    return say(f"train_sentence_{sale.cause}", **values)


def _snapshots(train: TrainEvidence, stretch: Stretch) -> Iterator[SnapshotView]:
    for taken in train.snapshots:
        if not stretch.start_ns <= taken.lab_ns < stretch.end_ns:
            continue
        cut = taken.document["snapshot"]
        parts = dict(cut["parts"])
        office = parts.get(train.rules.office)
        sales = office_states(office["office"]["sales"]) if office else {}
        states = Counter(state for state, _, _ in sales.values())
        yield SnapshotView(taken.epoch, taken.lab_ns, len(parts), len(cut["preposts"]), states)


def _limits(results: Results, train: TrainEvidence, say: Language) -> Iterator[str]:
    """What the phases cannot show; those that weigh most first."""
    for phase in results.phases:
        figures = phase.train or TrainFigures()
        for what in [*figures.missing, *phase.evidence.missing]:
            yield say("limit_missing", phase=phase.name, what=what)
        if figures.sold and not figures.double_sales:
            high = say.numbers.percent(wilson(0, figures.sold)[1])
            yield say("limit_train_zero", phase=phase.name, n=figures.sold, high=high)
        yield from limit_gaps(phase, say)
    yield say("limit_train_model", protocol=train.rules.protocol)
