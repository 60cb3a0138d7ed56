"""How far the wall clocks were from lab time, and from each other."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from .clocks import Clocks, ClockSeries, quantile, to_arrow
from .phases import PhaseSpan
from .results import Divergence, NodeDivergence


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
    if sum(len(one) > 0 for one in series) < 2:
        return None
    samples = pa.table(
        {
            "lab_ns": pa.chunked_array([to_arrow(one.lab_ns) for one in series]),
            "divergence_ns": pa.chunked_array([to_arrow(one.divergence_ns) for one in series]),
        }
    )
    spreads = samples.group_by("lab_ns").aggregate(
        [("divergence_ns", "max"), ("divergence_ns", "min")]
    )
    widest = pc.max(pc.subtract(spreads["divergence_ns_max"], spreads["divergence_ns_min"]))
    return int(widest.as_py())
