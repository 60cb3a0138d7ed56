"""What the buyers were told: counts over a whole phase, and the seats that more than one wanted.

Whole phases are counted by Arrow, column by column. Only claims on seats with two or more
buyers become Python objects: nothing else can be contested or double-booked.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ..evidence import Evidence
from .clocks import quantile
from .results import LatencyMs

DECIDED = pa.array(["confirmed", "held", "rejected", "cancelled", "expired"])
"""answers that decide something; all else is a failed request"""


@dataclass(frozen=True)
class Attempts:
    """The attempts of one phase: a table as in evidence.TABLES plus `final` and `holds`."""

    table: pa.Table

    @property
    def count(self) -> int:
        return int(self.table.num_rows)

    @property
    def receipts(self) -> pa.Table:
        """The attempts whose buyer holds a receipt."""
        return self.table.filter(self.table["holds"])

    @property
    def confirmed_without_receipt(self) -> pa.Table:
        """Attempts that were told yes and given nothing to show for it."""
        confirmed = pc.equal(self.table["final"], "confirmed")
        return self.table.filter(pc.and_(confirmed, pc.is_null(self.table["receipt_id"])))

    @property
    def failed(self) -> int:
        """Attempts without a decision: no answer, an error, or a confirm that got none."""
        decided = pc.is_in(self.table["outcome"], value_set=DECIDED)
        confirmed = pc.is_in(self.table["confirm_outcome"], value_set=DECIDED)
        no_confirm = pc.is_null(self.table["confirm_outcome"])
        both = pc.and_(decided, pc.or_(no_confirm, confirmed))
        return int(pc.sum(pc.invert(both)).as_py() or 0)

    def latency_ms(self) -> LatencyMs:
        """Answered minus due of every answered reservation: lateness of the server counts."""
        waits = pc.drop_null(pc.subtract(self.table["answered_ns"], self.table["due_ns"]))
        shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
        found = {name: quantile(waits, share) for name, share in shares.items()}
        return LatencyMs(**{k: None if v is None else v / 1e6 for k, v in found.items()})

    def wanted_by_several(self) -> pa.Array:
        """Names of the seats that two or more buyers attempted, sorted."""
        buyers = self.table.group_by("seat").aggregate([("buyer", "count_distinct")])
        several = buyers.filter(pc.greater(buyers["buyer_count_distinct"], 1))
        return several.sort_by("seat")["seat"].combine_chunks()


def load_attempts(evidence: Evidence, phase: str) -> Attempts:
    """The attempts of one phase, with what each came to (`final`) and whether the buyer
    holds a receipt for it that was not withdrawn (`holds`)."""
    table = evidence.table("attempts", keep=lambda batch: of_phase(batch, phase))
    final = pc.coalesce(table["confirm_outcome"], table["outcome"])
    confirmed = pc.fill_null(pc.equal(final, "confirmed"), False)
    holds = pc.and_(confirmed, pc.is_valid(table["receipt_id"]))
    return Attempts(table.append_column("final", final).append_column("holds", holds))


def of_phase(batch: pa.RecordBatch, phase: str) -> pa.RecordBatch:
    """The rows of one phase."""
    return batch.filter(pc.fill_null(pc.equal(batch["phase"], phase), False))
