"""Where the parts of the evidence contradict each other. Reported by themselves."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from .attempts import Attempts
from .claims import Claim, Records
from .explain import World
from .results import Finding, FindingKind

EXAMPLES_MAX = 20
STAMP_DISAGREEMENT_NS_MIN = 1_000_000
"""stamp minus lab time may differ from the observer's divergence by less than this: the
server reads its two clocks one after the other"""

_RECEIPT = ["receipt_id", "seat", "buyer", "server"]


def receipt_findings(attempts: Attempts, records: Records) -> list[Finding]:
    """Receipts against the servers' records, both ways, and confirmations without a receipt."""
    decision = records.reservations["decision"]
    confirmed = records.reservations.filter(pc.equal(decision, "confirmed"))
    receipts = attempts.receipts
    found = [
        _finding(
            "receipt-without-record",
            "a buyer holds a receipt of which the server has no record",
            _without(receipts, confirmed),
        ),
        _finding(
            "record-without-receipt",
            "a server recorded a reservation whose buyer never got the receipt "
            "(its answer was lost, or came too late)",
            _without(confirmed, receipts),
        ),
        _finding(
            "confirmed-without-receipt",
            "a buyer was told yes and given no receipt",
            _keys(attempts.confirmed_without_receipt),
        ),
    ]
    return [finding for finding in found if finding.count]


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


def _keys(table: pa.Table) -> pa.Array:
    """`receipt seat buyer server` of each row, sorted."""
    columns = [pc.fill_null(table[name], "-") for name in _RECEIPT]
    keys = pc.binary_join_element_wise(*columns, " ")
    return keys.take(pc.sort_indices(keys)).combine_chunks()


def _without(rows: pa.Table, others: pa.Table) -> pa.Array:
    keys = _keys(rows)
    return keys.filter(pc.invert(pc.is_in(keys, value_set=_keys(others))))


def _finding(kind: FindingKind, words: str, keys: pa.Array) -> Finding:
    examples = keys[:EXAMPLES_MAX].to_pylist()
    return Finding(kind=kind, count=len(keys), words=words, examples=examples)
