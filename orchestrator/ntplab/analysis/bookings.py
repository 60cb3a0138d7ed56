"""What became of the seats in one phase: double bookings, explained, and their rate.

A seat is double-booked when two different buyers each hold a receipt for it. The rate is
double bookings per opportunity: a contested seat whose claims fell into the window that
the injected clock errors open, or would open if NTP were off. Where double bookings
outnumber the opportunities (the injected errors were not their cause, or there were none)
it is per contested seat. `rate_of` and `rate_trials` say which and of how many.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import polars as pl

from ..evidence import Event, Evidence, Manifest
from .attempts import Attempts, count_attempts, of_phase
from .claims import Claim, Records, claims_by_seat, count_records
from .clocks import Clocks
from .compact import compacted, hash_of
from .contests import Contests, examine
from .deciding import decided
from .explain import Injected, Model, World, model_of
from .findings import EXAMPLES_MAX, count_of, receipt_findings, stamp_findings
from .intervals import wilson
from .inversions import count_inversions
from .phases import PhaseSpan
from .predicting import SEATS_MAX, Tally
from .results import (
    Bookings,
    ClaimDetail,
    Comparison,
    DoubleBooking,
    Finding,
    PairExplanation,
    Prediction,
)
from .surroundings import injected_of, world_of
from .sync import synchronised

Status = Literal["explained", "unexplained", "undetermined"]

WORST_FIRST: tuple[Status, ...] = ("unexplained", "undetermined", "explained")


DETAILS_MAX = 1_000
"""Double bookings told in results.json for each phase; all are judged and counted."""
SEATS_AT_ONCE = 20_000
"""Seats whose claims are in memory as objects at one time."""


@dataclass(frozen=True)
class PhaseRecords:
    """What buyers and servers recorded of one phase, counted."""

    attempts: Attempts
    records: Records


def load_phase(evidence: Evidence, phase: str) -> PhaseRecords:
    """Count everything that buyers and servers recorded of one phase."""
    return PhaseRecords(count_attempts(evidence, phase), count_records(evidence, phase))


def judge(
    evidence: Evidence,
    seen: PhaseRecords,
    manifest: Manifest,
    clocks: Clocks,
    span: PhaseSpan,
    events: Sequence[Event],
) -> tuple[Bookings, Comparison]:
    """Every figure about bookings of one phase, and its stamps before and after correction."""
    model = model_of(manifest.policy)
    attempts, records = seen.attempts, seen.records
    whole = span.followed and records.reservations > 0
    world = world_of(manifest, clocks, records.holders, whole)
    injected = injected_of(manifest, span, events, records.lag_median_ns or 0)
    found = _contests(evidence, seen, span.name, world, model, injected)
    doubles = _explain_all(evidence, span.name, found.doubles, model, world)
    findings = _receipts(evidence, span.name, found) if whole else []
    findings += _stamp_findings(evidence, span.name, found, world)
    tally = Tally(manifest.policy, world, records.lags_ns)
    count = attempts.count
    bookings = Bookings(
        attempts=count,
        receipts=attempts.receipts,
        contested_seats=found.contested,
        opportunities=_opportunities(evidence, span.name, found, model, injected),
        double_bookings=doubles.count,
        unexplained=doubles.by_status["unexplained"],
        undetermined=doubles.by_status["undetermined"],
        order_inversions=count_inversions(evidence, span.name, 2 * _time_error_ns(manifest)),
        availability=(count - attempts.failed) / count if count else None,
        failed_requests=attempts.failed,
        lag_median_ns=records.lag_median_ns,
        latency_ms=attempts.latency_ms,
        prediction=_predicted(evidence, span.name, found, tally),
        receipts_without_record=count_of(findings, "receipt-without-record"),
        records_without_receipt=count_of(findings, "record-without-receipt"),
        double_booking_details=doubles.details,
        double_bookings_not_told=doubles.count - len(doubles.details),
        findings=findings,
    )
    return with_rate(bookings), found.comparison


def _time_error_ns(manifest: Manifest) -> int:
    """How far any server's time may be from lab time."""
    return manifest.clock_error_ns + max(manifest.lab_errors_ns.values(), default=0)


def _contests(
    evidence: Evidence,
    seen: PhaseRecords,
    phase: str,
    world: World,
    model: Model,
    injected: Injected,
) -> Contests:
    """The sets of seats of the whole phase, part by part."""
    found = Contests()
    rows = max(seen.attempts.count, seen.records.reservations)
    with evidence.reading("belief"):
        beliefs = synchronised(evidence).collect(engine="streaming").sort("lab_ns")
    clocks, error_ns = world.clocks, world.sample_error_ns
    with compacted(evidence, phase, rows) as parts:
        for part in parts:
            found.add(examine(part, clocks, beliefs, model.window, injected, error_ns))
    return found


def _seats(
    evidence: Evidence, phase: str, seats: pl.Series, receipts_only: bool = False
) -> Iterator[dict[str, list[Claim]]]:
    """The claims on the seats of these hashes, in the order of the seats' names, some at a time."""
    if not len(seats):
        return
    with evidence.reading("attempts"):
        own = of_phase(evidence.scan("attempts"), phase)
        named = own.filter(hash_of("seat").is_in(seats.implode())).select(pl.col("seat").unique())
        names = named.collect(engine="streaming").to_series().sort().to_list()
    for low in range(0, len(names), SEATS_AT_ONCE):
        yield claims_by_seat(evidence, phase, names[low : low + SEATS_AT_ONCE], receipts_only)


def _opportunities(
    evidence: Evidence, phase: str, found: Contests, model: Model, injected: Injected
) -> int:
    """Those counted by column, and those that have to be looked at one by one."""
    one_by_one = pl.concat([found.ties, found.unjudged])
    return found.opportunities + sum(
        model.opportunity(claims, injected)
        for by_seat in _seats(evidence, phase, one_by_one)
        for claims in by_seat.values()
    )


def _predicted(evidence: Evidence, phase: str, found: Contests, tally: Tally) -> Prediction | None:
    """Theory's own figure, from a sample of the contested seats where there are too many: those
    of the lowest hashes, a choice that knows nothing of what happened on them."""
    sample = found.contested_seats.sort().head(SEATS_MAX)
    for by_seat in _seats(evidence, phase, sample):
        tally.add_all(claims for _, claims in by_seat.items())
    tally.left_out += found.contested - len(sample)
    return tally.result()


@dataclass
class _Doubles:
    """Double bookings counted; those worth telling kept, the worst before the others."""

    by_status: Counter[Status] = field(default_factory=Counter)
    kept: dict[Status, list[DoubleBooking]] = field(default_factory=lambda: defaultdict(list))

    def add(self, double: DoubleBooking) -> None:
        self.by_status[double.status] += 1
        if len(self.kept[double.status]) < DETAILS_MAX:
            self.kept[double.status].append(double)

    @property
    def count(self) -> int:
        return self.by_status.total()

    @property
    def details(self) -> list[DoubleBooking]:
        """At most DETAILS_MAX, in the order of the seats' names."""
        worst_first = [double for status in WORST_FIRST for double in self.kept[status]]
        return sorted(worst_first[:DETAILS_MAX], key=lambda double: double.seat)


def _explain_all(
    evidence: Evidence, phase: str, seats: pl.Series, model: Model, world: World
) -> _Doubles:
    doubles = _Doubles()
    for by_seat in _seats(evidence, phase, seats, receipts_only=True):
        for double in double_bookings(by_seat, model, world):
            doubles.add(double)
    return doubles


def _receipts(evidence: Evidence, phase: str, found: Contests) -> list[Finding]:
    return receipt_findings(
        evidence, phase, found.receipts_without_record, found.records_without_receipt
    )


def _stamp_findings(evidence: Evidence, phase: str, found: Contests, world: World) -> list[Finding]:
    """Stamps that disagree, counted by column; the first seats of them are looked at by name."""
    chunks = _seats(evidence, phase, found.seats_off)
    first = list(islice((claims for chunk in chunks for claims in chunk.values()), EXAMPLES_MAX))
    told = stamp_findings((claim for claims in first for claim in claims), world)
    return [finding.model_copy(update={"count": found.stamps_off}) for finding in told]


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
    found = decided(model, a, b, world)
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
