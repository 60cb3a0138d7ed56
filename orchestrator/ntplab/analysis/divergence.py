"""How far the wall clocks were from lab time, and from each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl
import pyarrow.compute as pc

from .clocks import Clocks, ClockSeries, quantile, to_arrow, to_series
from .phases import PhaseSpan
from .results import Divergence, NodeDivergence

SLICE_SAMPLES = 1_000_000
"""Samples compared at a time: what bounds the memory of comparing servers with each other."""


def measure(clocks: Clocks, span: PhaseSpan, servers: Sequence[str]) -> Divergence:
    """Figures over the measuring window; a server without samples has None, not zero."""
    if span.start_ns is None or span.end_ns is None:
        return Divergence()
    inside = {node: series.window(span.start_ns, span.end_ns) for node, series in clocks.items()}
    nodes = {node: _node(series) for node, series in inside.items()}
    of_servers = {name: nodes.get(name, NodeDivergence()) for name in servers}
    return Divergence(
        max_abs_ns=_worst([node.max_abs_ns for node in of_servers.values()]),
        p99_abs_ns=_worst([node.p99_abs_ns for node in of_servers.values()]),
        pairwise_max_ns=_pairwise([inside[name] for name in servers if name in inside]),
        servers=of_servers,
        others={name: node for name, node in nodes.items() if name not in of_servers},
    )


def _node(series: ClockSeries) -> NodeDivergence:
    values = to_arrow(series.divergence_ns)
    sizes = pc.abs(values)
    return NodeDivergence(
        samples=len(series),
        max_abs_ns=quantile(sizes, 1.0),
        p99_abs_ns=quantile(sizes, 0.99),
        median_ns=quantile(values, 0.5),
    )


def _worst(values: Sequence[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _pairwise(series: Sequence[ClockSeries]) -> int | None:
    """The largest spread among samples that share their lab time; None with fewer than two."""
    present = [one for one in series if len(one)]
    if len(present) < 2:
        return None
    return max(_spread(slices) for slices in _slices(present))


def _slices(series: Sequence[ClockSeries]) -> Iterator[list[ClockSeries]]:
    """All samples, in spans of time of some `SLICE_SAMPLES` each."""
    begin_ns = min(one.lab_ns[0] for one in series)
    end_ns = max(one.lab_ns[-1] for one in series)
    count = 1 + sum(len(one) for one in series) // SLICE_SAMPLES
    width_ns = (end_ns - begin_ns) // count + 1
    for low_ns in range(begin_ns, end_ns + 1, width_ns):
        inside = [one.window(low_ns, low_ns + width_ns - 1) for one in series]
        if any(len(one) for one in inside):
            yield inside


def _spread(series: Sequence[ClockSeries]) -> int:
    samples = pl.DataFrame(
        {
            "lab_ns": pl.concat([to_series(one.lab_ns) for one in series]),
            "divergence_ns": pl.concat([to_series(one.divergence_ns) for one in series]),
        }
    )
    divergence = pl.col("divergence_ns")
    spreads = samples.group_by("lab_ns").agg(spread_ns=divergence.max() - divergence.min())
    widest = spreads["spread_ns"].max()
    assert isinstance(widest, int)
    return widest
