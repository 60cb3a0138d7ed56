"""The figures about bookings computed in the plainest way: every row an object, all in memory.

This is how phases were judged before evidence was queried by column. It stays for two uses:
the benchmark of judging measures against it, and the tests hold both ways against each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import ceil
from typing import Any

from ..analysis.bookings import DETAILS_MAX, double_bookings, is_contested
from ..analysis.claims import LAGS, Claim, claim_of
from ..analysis.clocks import Clocks
from ..analysis.explain import World, model_of
from ..analysis.findings import EXAMPLES_MAX, stamp_findings
from ..analysis.inversions import inversions
from ..analysis.phases import PhaseSpan
from ..analysis.predicting import Tally
from ..analysis.surroundings import injected_of, world_of
from ..evidence import Event, Evidence, Manifest

DECIDED = {"confirmed", "held", "rejected", "cancelled", "expired"}

Row = dict[str, Any]


def figures(
    evidence: Evidence,
    manifest: Manifest,
    clocks: Clocks,
    span: PhaseSpan,
    events: Sequence[Event],
) -> dict[str, Any]:
    """The fields of `results.Bookings` that do not follow from others of them."""
    attempts, records, claims = (
        [row for row in evidence.table(table).to_pylist() if row["phase"] == span.name]
        for table in ("attempts", "reservations", "claims")
    )
    by_seat = _claims_by_seat(attempts, records, claims)
    model = model_of(manifest.policy)
    lags = [
        row["received_lab_ns"] - row["claimed_lab_ns"]
        for row in claims
        if row["origin"] != row["holder_server"]
    ]
    lag_ns = _quantile(lags, 0.5)
    whole = span.followed and bool(records)
    holders = frozenset(row["holder_server"] for row in claims)
    world = world_of(manifest, clocks, holders, whole)
    injected = injected_of(manifest, span, events, lag_ns or 0)
    doubles = double_bookings(by_seat, model, world)
    contested = [claims for claims in by_seat.values() if is_contested(claims)]
    status = Counter(double.status for double in doubles)
    waits = [a["answered_ns"] - a["due_ns"] for a in attempts if a["answered_ns"] is not None]
    stamps = stamp_findings((c for found in by_seat.values() for c in found), world)
    return {
        "attempts": len(attempts),
        "receipts": sum(_holds(row) for row in attempts),
        "contested_seats": len(contested),
        "opportunities": sum(model.opportunity(found, injected) for found in contested),
        "double_bookings": len(doubles),
        "unexplained": status["unexplained"],
        "undetermined": status["undetermined"],
        "order_inversions": _inverted(claims, 2 * manifest.clock_error_ns),
        "failed_requests": sum(not _decided(row) for row in attempts),
        "lag_median_ns": lag_ns,
        "latency_ms": {
            name: None if (found := _quantile(waits, share)) is None else found / 1e6
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        },
        "prediction": _predicted(manifest.policy, world, lags, contested),
        "double_booking_details": [double.model_dump() for double in doubles[:DETAILS_MAX]],
        "findings": [
            *(_receipt_findings(attempts, records) if whole else []),
            *((found.kind, found.count, found.examples) for found in stamps),
        ],
    }


def _claims_by_seat(
    attempts: Sequence[Row], records: Sequence[Row], claims: Sequence[Row]
) -> dict[str, list[Claim]]:
    """The claims on every seat that two or more buyers wanted, in the order truly made."""
    buyers: dict[str, set[str]] = defaultdict(set)
    for row in attempts:
        buyers[row["seat"]].add(row["buyer"])
    decided = {(row["claim_id"], row["server"], row["seat"]): row for row in records}
    received: dict[str, dict[str, int]] = defaultdict(dict)
    for row in claims:
        received[row["claim_id"]][row["holder_server"]] = row["received_lab_ns"]
    by_seat: dict[str, list[Claim]] = defaultdict(list)
    for row in attempts:
        if len(buyers[row["seat"]]) > 1:
            record = decided.get((row["claim_id"], row["server"], row["seat"]), {})
            known = received.get(row["claim_id"], {})
            by_seat[row["seat"]].append(claim_of(row, record, known, _holds(row)))
    for found in by_seat.values():
        found.sort(key=lambda claim: (claim.time_ns, claim.attempt_id))
    return dict(sorted(by_seat.items()))


def _predicted(
    policy: str, world: World, lags: Sequence[int], contested: Sequence[Sequence[Claim]]
) -> Row | None:
    middles = [_quantile(lags, (index + 0.5) / LAGS) for index in range(LAGS)]
    tally = Tally(policy, world, [lag_ns for lag_ns in middles if lag_ns is not None])
    found = tally.add_all(contested).result()
    return found.model_dump() if found else None


def _final(attempt: Row) -> str | None:
    outcome: str | None = attempt["confirm_outcome"] or attempt["outcome"]
    return outcome


def _holds(attempt: Row) -> bool:
    return _final(attempt) == "confirmed" and attempt["receipt_id"] is not None


def _decided(attempt: Row) -> bool:
    confirm = attempt["confirm_outcome"]
    return attempt["outcome"] in DECIDED and (confirm is None or confirm in DECIDED)


def _receipt_findings(
    attempts: Sequence[Row], records: Sequence[Row]
) -> list[tuple[str, int, list[str]]]:
    receipts = [_key(row) for row in attempts if _holds(row)]
    confirmed = [_key(row) for row in records if row["decision"] == "confirmed"]
    told, known = set(receipts), set(confirmed)
    empty = [
        _key(row) for row in attempts if _final(row) == "confirmed" and row["receipt_id"] is None
    ]
    found = {
        "receipt-without-record": [key for key in receipts if key not in known],
        "record-without-receipt": [key for key in confirmed if key not in told],
        "confirmed-without-receipt": empty,
    }
    return [(kind, len(keys), sorted(keys)[:EXAMPLES_MAX]) for kind, keys in found.items() if keys]


def _key(row: Row) -> str:
    return " ".join(row[name] or "-" for name in ("receipt_id", "seat", "buyer", "server"))


def _inverted(claims: Sequence[Row], gap_ns_min: int) -> int:
    by_seat: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in claims:
        if row["origin"] == row["holder_server"]:
            by_seat[row["seat"]].append((row["claimed_lab_ns"], row["stamp_ns"]))
    total = 0
    for found in by_seat.values():
        found.sort()
        times, stamps = zip(*found, strict=True)
        total += inversions(times, stamps, gap_ns_min)
    return total


def _quantile(values: Sequence[int], share: float) -> int | None:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[ceil(share * (len(ordered) - 1))] if ordered else None
