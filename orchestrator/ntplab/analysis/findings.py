"""Where the parts of the evidence contradict each other. Reported by themselves."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from ..evidence import Evidence
from .attempts import CONFIRMED, HOLDS, of_phase
from .claims import Claim
from .compact import RECEIPT, receipt_hash
from .explain import World
from .results import Finding, FindingKind

EXAMPLES_MAX = 20
STAMP_DISAGREEMENT_NS_MIN = 1_000_000
"""stamp minus lab time may differ from the observer's divergence by less than this: the
server reads its two clocks one after the other"""

_WORDS: dict[FindingKind, str] = {
    "receipt-without-record": "a buyer holds a receipt of which the server has no record",
    "record-without-receipt": (
        "a server recorded a reservation whose buyer never got the receipt "
        "(its answer was lost, or came too late)"
    ),
    "confirmed-without-receipt": "a buyer was told yes and given no receipt",
}
_KEY = pl.concat_str([pl.col(name).fill_null("-") for name in RECEIPT], separator=" ")
"""`receipt seat buyer server`"""


def receipt_findings(
    evidence: Evidence, phase: str, without_record: pl.Series, without_receipt: pl.Series
) -> list[Finding]:
    """Receipts against the servers' records, both ways, and confirmations without a receipt.

    `without_*`: what was found lacking, as `receipt_hash` (one entry for each row).
    """
    unpaired = CONFIRMED & pl.col("receipt_id").is_null()
    confirmed = pl.col("decision") == "confirmed"
    found = [
        _lacking(evidence, phase, "receipt-without-record", "attempts", HOLDS, without_record),
        _lacking(
            evidence, phase, "record-without-receipt", "reservations", confirmed, without_receipt
        ),
        _finding(evidence, phase, "confirmed-without-receipt", "attempts", unpaired),
    ]
    return [finding for finding in found if finding and finding.count]


def stamp_findings(claims: Iterable[Claim], world: World) -> list[Finding]:
    """Claims whose stamp is not what the observer saw that clock show."""
    examples = []
    for claim in claims:
        theta = world.theta(claim.server, claim.time_ns)
        if claim.wall_ns is None or claim.claimed_ns is None or theta is None:
            continue
        off_ns = abs(claim.wall_ns - claim.claimed_ns - theta.divergence_ns)
        if off_ns > STAMP_DISAGREEMENT_NS_MIN + theta.error_ns:
            examples.append(f"{claim.claim_id} ({claim.server}): {off_ns} ns")
    if not examples:
        return []
    words = "a server's stamp differs from what the observer saw its clock show"
    return [
        Finding(
            kind="stamp-disagrees-with-clock",
            count=len(examples),
            words=words,
            examples=examples[:EXAMPLES_MAX],
        )
    ]


def count_of(findings: Iterable[Finding], kind: FindingKind) -> int:
    """How often one kind of contradiction was found."""
    return sum(finding.count for finding in findings if finding.kind == kind)


def _lacking(
    evidence: Evidence,
    phase: str,
    kind: FindingKind,
    table: str,
    rows: pl.Expr,
    hashes: pl.Series,
) -> Finding | None:
    """The finding of the rows whose hashes those are; asks the table only if there are any."""
    if not len(hashes):
        return None
    lacking = receipt_hash().is_in(hashes.unique().implode())
    return _finding(evidence, phase, kind, table, rows & lacking)


def _finding(
    evidence: Evidence, phase: str, kind: FindingKind, table: str, wanted: pl.Expr
) -> Finding:
    with evidence.reading(table):
        rows = of_phase(evidence.scan(table), phase).filter(wanted)
        count = int(rows.select(pl.len()).collect(engine="streaming").item())
        first = rows.select(key=_KEY).sort("key").head(EXAMPLES_MAX) if count else None
        examples = first.collect(engine="streaming")["key"].to_list() if first is not None else []
    return Finding(kind=kind, count=count, words=_WORDS[kind], examples=examples)
