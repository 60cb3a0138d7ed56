"""NTP daemons side by side, where a run had more than one kind of them."""

from __future__ import annotations

from ..analysis import Results
from ..analysis.results import PhaseResult, ServerSync
from ..daemons import DAEMONS
from ..units import format_duration
from .clock import format_divergence
from .output import out

COLUMNS = [
    "phase",
    "daemon",
    "server",
    "seconds\nto 1 ms",
    "steady error\np50",
    "steady error\np99",
    "belief\np50 off by",
    "belief\np99 off by",
    "truth within\nits bound",
]
NOT_OFFERED = "not offered"
NONE_YET = "none: unsynced"


def show_daemons(results: Results) -> None:
    """Print how fast and how near each daemon steered, if there were several kinds."""
    if rows := daemon_rows(results):
        out.text("")
        out.table(COLUMNS, rows)


def daemon_rows(results: Results) -> list[tuple[str, ...]]:
    """A row of words for every server and phase in which NTP was switched on; none if all servers
    had the same daemon. In the order of `COLUMNS`."""
    steered = [phase for phase in results.phases if phase.sync.measured]
    if len({s.daemon for phase in steered for s in phase.sync.servers.values()}) < 2:
        return []
    return [row for phase in steered for row in _rows(phase)]


def _rows(phase: PhaseResult) -> list[tuple[str, ...]]:
    servers = sorted(phase.sync.servers.items(), key=lambda item: (item[1].daemon, item[0]))
    return [
        (phase.name, sync.daemon, name, *_figures(sync)) for name, sync in servers if sync.measured
    ]


def _figures(sync: ServerSync) -> tuple[str, ...]:
    seconds, coverage = sync.seconds_to_1ms, sync.bound_coverage
    belief, bound = (
        NONE_YET if offered else NOT_OFFERED
        for offered in (_offers(sync, "tells_belief"), _offers(sync, "tells_bound"))
    )
    return (
        "never" if seconds is None else f"{seconds:.1f}",
        _length(sync.steady_p50_ns),
        _length(sync.steady_p99_ns),
        _length(sync.belief_error_p50_ns, belief),
        _length(sync.belief_error_p99_ns, belief),
        bound if coverage is None else f"{coverage:.0%}",
    )


def _offers(sync: ServerSync, what: str) -> bool:
    """Whether that kind of daemon tells this at all; one that an old run does not name, does."""
    return sync.daemon not in DAEMONS or bool(getattr(DAEMONS[sync.daemon], what))


def _length(length_ns: int | None, missing: str = "?") -> str:
    if length_ns is None:
        return missing
    return format_divergence(length_ns).lstrip("+") if length_ns else format_duration(0)
