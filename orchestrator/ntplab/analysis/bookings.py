"""What became of the seats in one phase: double bookings, explained, and their rate.

A seat is double-booked when two different buyers each hold a receipt for it. The rate is
double bookings per opportunity: a contested seat whose claims fell into the window that
the injected clock errors open, or would open if NTP were off. Where double bookings
outnumber the opportunities (the injected errors were not their cause, or there were none)
it is per contested seat. `rate_of` and `rate_trials` say which and of how many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..evidence import Event, Evidence, Manifest
from .attempts import Attempts, load_attempts
from .claims import Claim, Records, claims_by_seat, load_records
from .clocks import Clocks
from .explain import Injected, Model, World, model_of
from .findings import count_of, receipt_findings, stamp_findings
from .intervals import wilson
from .inversions import count_inversions
from .phases import PhaseSpan
from .predicting import LAGS, Tally
from .results import Bookings, ClaimDetail, DoubleBooking, PairExplanation

CLOCK_FAULTS = ("date", "offset", "step", "clock")
"""Kinds of fault.in_force that leave a clock where it says; `clock` is a phase's setting."""

Status = Literal["explained", "unexplained", "undetermined"]

WORST_FIRST: tuple[Status, ...] = ("unexplained", "undetermined", "explained")


@dataclass(frozen=True)
class PhaseRecords:
    """What buyers and servers recorded of one phase."""

    attempts: Attempts
    records: Records
    by_seat: Mapping[str, list[Claim]]
    """claims in true order, on every seat that two or more buyers wanted"""


def load_phase(evidence: Evidence, phase: str) -> PhaseRecords:
    """Everything buyers and servers recorded of one phase; the whole phase in memory."""
    attempts, records = load_attempts(evidence, phase), load_records(evidence, phase)
    by_seat = claims_by_seat(attempts, records, attempts.wanted_by_several())
    return PhaseRecords(attempts, records, by_seat)


def judge(
    seen: PhaseRecords,
    manifest: Manifest,
    clocks: Clocks,
    span: PhaseSpan,
    events: Sequence[Event],
) -> Bookings:
    """Every figure about bookings of one phase."""
    model = model_of(manifest.policy)
    lag_ns = seen.records.lag_median_ns()
    whole = span.followed and seen.records.reservations.num_rows > 0
    world = world_of(manifest, clocks, seen.records.holders, whole)
    doubles = double_bookings(seen.by_seat, model, world)
    contested = {seat: claims for seat, claims in seen.by_seat.items() if is_contested(claims)}
    injected = _injected(manifest, span, events, lag_ns or 0)
    opportunities = sum(model.opportunity(claims, injected) for claims in contested.values())
    findings = receipt_findings(seen.attempts, seen.records) if whole else []
    every_claim = [claim for claims in seen.by_seat.values() for claim in claims]
    findings += stamp_findings(every_claim, world)
    failed = seen.attempts.failed
    count = seen.attempts.count
    bookings = Bookings(
        attempts=count,
        receipts=seen.attempts.receipts.num_rows,
        contested_seats=len(contested),
        opportunities=opportunities,
        double_bookings=len(doubles),
        unexplained=sum(double.status == "unexplained" for double in doubles),
        undetermined=sum(double.status == "undetermined" for double in doubles),
        order_inversions=count_inversions(seen.records, 2 * manifest.clock_error_ns),
        availability=(count - failed) / count if count else None,
        failed_requests=failed,
        lag_median_ns=lag_ns,
        latency_ms=seen.attempts.latency_ms(),
        prediction=Tally(manifest.policy, world, seen.records.lag_quantiles_ns(LAGS))
        .add_all(contested.values())
        .result(),
        receipts_without_record=count_of(findings, "receipt-without-record"),
        records_without_receipt=count_of(findings, "record-without-receipt"),
        double_booking_details=doubles,
        findings=findings,
    )
    return with_rate(bookings)


def is_contested(claims: Sequence[Claim]) -> bool:
    """Two or more buyers attempted it, on two or more servers."""
    buyers, servers = {c.buyer for c in claims}, {c.server for c in claims}
    return len(buyers) > 1 and len(servers) > 1


def double_bookings(
    by_seat: Mapping[str, Sequence[Claim]], model: Model, world: World
) -> list[DoubleBooking]:
    """Every seat with receipts in the hands of two or more buyers, explained or not."""
    held = {seat: _holders(claims) for seat, claims in by_seat.items()}
    return [_explained(holders, model, world) for holders in held.values() if len(holders) > 1]


def _holders(claims: Sequence[Claim]) -> list[Claim]:
    """The first claim with a receipt of each buyer, in true order."""
    first: dict[str, Claim] = {}
    for claim in claims:
        if claim.holds_receipt:
            first.setdefault(claim.buyer, claim)
    return list(first.values())


def _explained(holders: Sequence[Claim], model: Model, world: World) -> DoubleBooking:
    pairs = [_pair(a, b, model, world) for a, b in model.pairs(holders)]
    status = next(s for s in WORST_FIRST if any(pair.status == s for pair in pairs))
    deciding = [pair for pair in pairs if pair.status == status]
    return DoubleBooking(
        seat=holders[0].seat,
        buyers=[claim.buyer for claim in holders],
        servers=sorted({claim.server for claim in holders}),
        status=status,
        cause=deciding[0].cause,
        words=deciding[0].words,
        reason=deciding[0].reason,
        pairs=pairs,
    )


def _pair(a: Claim, b: Claim, model: Model, world: World) -> PairExplanation:
    found = model.explain(a, b, world)
    return PairExplanation(
        first=_detail(a, world),
        second=_detail(b, world),
        status=found.status,
        cause=found.cause,
        inequality=found.inequality,
        numbers_ns=dict(found.numbers_ns),
        words=found.words,
        reason=found.reason,
    )


def _detail(claim: Claim, world: World) -> ClaimDetail:
    theta = world.theta(claim.server, claim.time_ns)
    return ClaimDetail(
        buyer=claim.buyer,
        server=claim.server,
        attempt_id=claim.attempt_id,
        claim_id=claim.claim_id,
        receipt_id=claim.receipt_id,
        stamp_ns=claim.stamp_ns,
        claimed_lab_ns=claim.claimed_ns,
        decided_lab_ns=claim.decided_ns,
        divergence_ns=theta.divergence_ns if theta else None,
    )


def world_of(
    manifest: Manifest, clocks: Clocks, holders: frozenset[str], records_whole: bool
) -> World:
    """The evidence around the claims of one phase."""
    params = {k: v for k, v in manifest.policy_params.items() if isinstance(v, int)}
    return World(
        clocks, holders, manifest.clock_error_ns, records_whole, params, _monotonic_ns(manifest)
    )


def _monotonic_ns(manifest: Manifest) -> dict[str, int]:
    """Each server's CLOCK_MONOTONIC_RAW minus lab time."""
    return {
        node.name: node.uptime_s * 1_000_000_000 * node.time_namespace - manifest.anchor_ns
        for node in manifest.nodes
        if node.kind == "server"
    }


def _injected(
    manifest: Manifest, span: PhaseSpan, events: Sequence[Event], lag_ns: int
) -> Injected:
    parameters = manifest.policy_params
    return Injected(
        skews=manifest.skews,
        start_ns=span.start_ns or 0,
        struck=_struck(events),
        stability_ns=int(parameters.get("stability_ns") or parameters.get("lag_ns") or 0),
        monotonic_ns=_monotonic_ns(manifest),
        ttl_ns=int(parameters.get("ttl_ns") or 0),
        lag_ns=lag_ns,
    )


def with_rate(bookings: Bookings) -> Bookings:
    """The same with its rate and interval, of opportunities where there were enough."""
    doubles = bookings.double_bookings
    by_opportunity = 0 < bookings.opportunities >= doubles
    # Two receipts from one server make a double booking of a seat that is not contested.
    trials = bookings.opportunities if by_opportunity else max(bookings.contested_seats, doubles)
    bookings.rate_of = "opportunities" if by_opportunity else "contested_seats"
    bookings.rate_trials = trials
    bookings.rate = doubles / trials if trials else 0.0
    bookings.ci95 = wilson(doubles, trials)
    return bookings


def _struck(events: Sequence[Event]) -> dict[str, list[tuple[int, int | None]]]:
    """Where faults put the clocks, until a phase sets them anew (None), by server."""
    struck: dict[str, list[tuple[int, int | None]]] = defaultdict(list)
    for event in events:
        kind = event.fields.get("kind")
        if event.name == "fault.in_force" and event.node and kind in CLOCK_FAULTS:
            left_ns = None if kind == "clock" else event.fields.get("divergence_ns")
            struck[event.node].append((event.lab_ns, left_ns))
    return struck
