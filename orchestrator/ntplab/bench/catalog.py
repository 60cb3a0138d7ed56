"""All benchmarks by name, in the order of running, and running those that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from ..errors import NtplabError
from . import (
    bring_up,
    convergence,
    database,
    demo,
    discipline,
    judging,
    live_page,
    model_checking,
    reading,
    reporting,
    sweeping,
    throughput,
)
from .figures import Outcome, Skipped
from .measuring import Bench, CannotMeasure

Measurement = Callable[[Bench], Iterator[Outcome]]


@dataclass(frozen=True)
class Group:
    """Benchmarks that are measured together: one lab serves them all."""

    about: Mapping[str, str]
    """name of each benchmark -> what it measures, in a line"""
    measure: Measurement


CLOCK_GROUPS = (
    Group(reading.ABOUT, reading.measure),
    Group(database.ABOUT, database.measure),
    Group(discipline.ABOUT, discipline.measure),
)
GROUPS = (
    *CLOCK_GROUPS,
    Group(model_checking.ABOUT, model_checking.measure),
    Group(bring_up.ABOUT, bring_up.measure),
    Group(convergence.ABOUT, convergence.measure),
    Group(throughput.ABOUT, throughput.measure),
    Group(demo.ABOUT, demo.measure),
    Group(sweeping.ABOUT, sweeping.measure),
    Group(judging.ABOUT, judging.measure),
    Group(reporting.ABOUT, reporting.measure),
    Group(live_page.ABOUT, live_page.measure),
)
BENCHMARKS: Mapping[str, str] = {
    name: about for group in GROUPS for name, about in group.about.items()
}
SETS: Mapping[str, tuple[str, ...]] = {
    "clock": tuple(name for group in CLOCK_GROUPS for name in group.about),
    "report": tuple(reporting.ABOUT),
    "ui": tuple(live_page.ABOUT),
}
"""name of several benchmarks -> theirs"""


def named(words: Collection[str]) -> frozenset[str]:
    """The benchmarks that `words` name, each its own or that of a set."""
    return frozenset(name for word in words for name in SETS.get(word, (word,)))


def unknown(names: Collection[str]) -> list[str]:
    """Those of `names` that are no benchmark."""
    return [name for name in names if name not in BENCHMARKS]


def measure(bench: Bench, groups: Collection[Group] = GROUPS) -> Iterator[Outcome]:
    """One outcome for each benchmark wanted. What breaks one group leaves the others alone."""
    for group in groups:
        wanted = [name for name in group.about if name in bench.wanted]
        if wanted:
            yield from _measure_group(bench, group, wanted)


def _measure_group(bench: Bench, group: Group, wanted: list[str]) -> Iterator[Outcome]:
    left = dict.fromkeys(wanted)
    reason, failed = "it gave no figure", True
    try:
        for outcome in group.measure(bench):
            if outcome.name in left:
                del left[outcome.name]
                yield outcome
    except CannotMeasure as missing:
        reason, failed = str(missing), False
    except NtplabError as error:
        reason = "; ".join([error.message, *error.log_tail[-1:]])
    for name in left:
        yield Skipped(name, reason, failed)
