"""Everything a finished run recorded that the page shows, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..evidence import Evidence, RunDirectory
from .model import FRAME_MS

ATTEMPT_TIMES = ("confirm_answered_ns", "answered_ns", "sent_ns")


@dataclass(frozen=True)
class Moment:
    """Rows of one table that became known at one instant of lab time."""

    at_ns: int
    table: str
    rows: tuple[Mapping[str, Any], ...]


def load_moments(run: RunDirectory) -> list[Moment]:
    """The run, as the model takes it, by time. Clock readings are thinned to what it keeps."""
    with Evidence(run) as evidence:
        moments = [
            *(Moment(e.lab_ns, "events", (_event_row(e),)) for e in evidence.events()),
            *_clock(evidence),
            *_single(evidence, "belief", ("lab_ns",)),
            *_single(evidence, "attempts", ATTEMPT_TIMES),
            *_single(evidence, "ticket_events", ("lab_ns",)),
            *_single(evidence, "train_snapshots", ("lab_ns",)),
        ]
    return sorted(moments, key=lambda moment: moment.at_ns)


def _event_row(event: Any) -> dict[str, Any]:
    return {"lab_ns": event.lab_ns, "event": event.name, **event.fields}


def _clock(evidence: Evidence) -> Iterator[Moment]:
    kept_ns = 0
    for batch in evidence.batches("clock", ["lab_ns", "node", "divergence_ns"]):
        instants = []
        for lab_ns in sorted(pc.unique(batch["lab_ns"]).to_pylist()):
            if lab_ns - kept_ns >= FRAME_MS * 1e6 or lab_ns == kept_ns:
                kept_ns = lab_ns
                instants.append(lab_ns)
        thin = batch.filter(pc.is_in(batch["lab_ns"], value_set=pa.array(instants, pa.int64())))
        rows = sorted(thin.to_pylist(), key=itemgetter("lab_ns"))
        for lab_ns, of_instant in groupby(rows, key=itemgetter("lab_ns")):
            yield Moment(lab_ns, "clock", tuple(of_instant))


def _single(evidence: Evidence, table: str, times: tuple[str, ...]) -> Iterator[Moment]:
    for batch in evidence.batches(table):
        for row in batch.to_pylist():
            at_ns = next((row[key] for key in times if row[key] is not None), 0)
            yield Moment(at_ns, table, (row,))
