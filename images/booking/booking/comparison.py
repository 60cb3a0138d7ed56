"""Stamps before and after correction. Pure: claims and clock measurements in, models out.

The corrected stamp is the stamp minus the measured error of the clock that made it, at that time.
Ground truth from the lab goes before chronyd's belief. Where neither is known close enough to the
claim, the error is null and the reason is said; nothing is interpolated or assumed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Literal

from booking.clocks import NS, iso
from booking.models import (
    ComparedClaim,
    ComparedSeat,
    ComparisonSummary,
    ConflictCount,
    CorrectionBasis,
    ServerDivergence,
)
from booking.policy import Decision

MEASUREMENT_AGE_NS_MAX = 3 * NS
"""A measurement further from a claim than this says nothing about it."""

Source = Literal["lab", "chronyd"]
Ntp = Literal["on", "off", "unknown"]
Basis = Literal["lab", "chronyd", "mixed", "none"]


@dataclass(frozen=True, slots=True)
class Stamped:
    """A claim on record, with its decision where this database has it."""

    claim_id: str
    server: str
    buyer: str
    seat: str
    phase: str | None
    stamp_ns: int
    raw_ns: int
    decision: Decision | None
    receipt_id: str | None
    claimed_wall_ns: int | None = None
    """the wall clock, where the stamp is another (hybrid-logical)"""

    @property
    def wall_ns(self) -> int:
        """What the wall clock showed when the claim was made."""
        return self.stamp_ns if self.claimed_wall_ns is None else self.claimed_wall_ns


@dataclass(frozen=True, slots=True)
class Measurement:
    """`server`'s clock was `error_ns` ahead of true time when it showed `wall_ns`.

    A measurement of source `chronyd` without an error is chronyd's ignorance; `reason` names it.
    """

    server: str
    wall_ns: int
    raw_ns: int | None
    error_ns: int | None
    bound_ns: int | None
    source: Source
    reason: str | None


class _Line:
    """Measurements along one axis (raw or wall), to find the nearest by bisection."""

    def __init__(self, points: Iterable[tuple[int, Measurement]]) -> None:
        ordered = sorted(points, key=lambda point: point[0])
        self._at = [at for at, _ in ordered]
        self._measured = [measured for _, measured in ordered]

    def nearest(self, at: int) -> tuple[int, Measurement] | None:
        """(distance, measurement) of the nearest one that is close enough."""
        right = bisect_left(self._at, at)
        near = [(abs(self._at[i] - at), i) for i in (right - 1, right) if 0 <= i < len(self._at)]
        if not near or min(near)[0] > MEASUREMENT_AGE_NS_MAX:
            return None
        distance, index = min(near)
        return distance, self._measured[index]


class ClockErrors:
    """Looks up the measured error of a claim's clock at the time of the claim."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        raw: dict[tuple[str, Source], list[tuple[int, Measurement]]] = defaultdict(list)
        wall: dict[tuple[str, Source], list[tuple[int, Measurement]]] = defaultdict(list)
        for m in measurements:
            if m.raw_ns is not None:
                raw[m.server, m.source].append((m.raw_ns, m))
            else:
                wall[m.server, m.source].append((m.wall_ns, m))
        self._raw = {key: _Line(points) for key, points in raw.items()}
        self._wall = {key: _Line(points) for key, points in wall.items()}

    def nearest(self, claim: Stamped, source: Source) -> Measurement | None:
        """The measurement from `source` nearest to the claim, by whichever axis is nearer.

        By the raw clock where the measurement has it: a wall clock that was stepped has shown
        the same time twice, with different errors.
        """
        key = claim.server, source
        lines = (self._raw.get(key), claim.raw_ns), (self._wall.get(key), claim.wall_ns)
        near = [found for line, at in lines if line and (found := line.nearest(at))]
        return min(near, key=lambda found: found[0])[1] if near else None


def ntp_state(belief: Measurement | None) -> Ntp:
    """Whether chronyd was disciplining the clock then, as far as it is on record."""
    if belief is None:
        return "unknown"
    return "on" if belief.error_ns is not None else "off"


def _known_error(truth: Measurement | None, belief: Measurement | None) -> Measurement | None:
    return next((m for m in (truth, belief) if m and m.error_ns is not None), None)


def _compared(
    claim: Stamped, position: int, known: Measurement | None, belief: Measurement | None
) -> ComparedClaim:
    error_ns = known.error_ns if known else None
    reason = None
    if error_ns is None:
        seconds = MEASUREMENT_AGE_NS_MAX // NS
        reason = (belief and belief.reason) or f"no measurement within {seconds} s of the claim"
    corrected_ns = None if error_ns is None else claim.wall_ns - error_ns
    return ComparedClaim(
        claim_id=claim.claim_id,
        server=claim.server,
        buyer=claim.buyer,
        phase=claim.phase,
        decision=claim.decision,
        receipt_id=claim.receipt_id,
        stamp_ns=claim.stamp_ns,
        stamp=iso(claim.stamp_ns),
        clock_error_ns=error_ns,
        clock_error_bound_ns=known.bound_ns if known else None,
        clock_error_source=known.source if known else None,
        clock_error_reason=reason,
        corrected_stamp_ns=corrected_ns,
        corrected_stamp=None if corrected_ns is None else iso(corrected_ns),
        ntp=ntp_state(belief),
        position_before=position,
        position_after=None,
    )


def compare_seat(seat: str, claims: Sequence[Stamped], errors: ClockErrors) -> ComparedSeat:
    """The claims on one seat, ordered by stamp, with their places after correction."""
    ordered = sorted(claims, key=lambda c: (c.stamp_ns, c.server, c.claim_id))
    compared = []
    for position, claim in enumerate(ordered, 1):
        belief = errors.nearest(claim, "chronyd")
        known = _known_error(errors.nearest(claim, "lab"), belief)
        compared.append(_compared(claim, position, known, belief))
    before = [c.claim_id for c in compared]
    after = None
    if all(c.corrected_stamp_ns is not None for c in compared):
        corrected = sorted(compared, key=lambda c: (c.corrected_stamp_ns, c.position_before))
        after = [c.claim_id for c in corrected]
        place = {claim_id: position for position, claim_id in enumerate(after, 1)}
        compared = [c.model_copy(update={"position_after": place[c.claim_id]}) for c in compared]
    return ComparedSeat(
        seat=seat,
        conflict=len({c.buyer for c in compared if c.decision == "confirmed"}) > 1,
        order_before=before,
        order_after=after,
        order_changed=None if after is None else after != before,
        order_certain=None if after is None else _certain(compared),
        claims=compared,
    )


def _certain(claims: Sequence[ComparedClaim]) -> bool | None:
    """Whether the bounds leave only one order open; None where a bound is not known.

    Of lab measurements without a bound the error counts as exact. In corrected order a claim's
    earliest possible time must lie behind the latest of all before it.
    """
    spans = []
    for claim in claims:
        bound_ns = claim.clock_error_bound_ns
        if bound_ns is None and claim.clock_error_source == "lab":
            bound_ns = 0
        if bound_ns is None or claim.corrected_stamp_ns is None:
            return None
        spans.append((claim.corrected_stamp_ns, bound_ns))
    latest_ns: int | None = None
    for corrected_ns, bound_ns in sorted(spans):
        if latest_ns is not None and corrected_ns - bound_ns <= latest_ns:
            return False
        end_ns = corrected_ns + bound_ns
        latest_ns = end_ns if latest_ns is None else max(latest_ns, end_ns)
    return True


def compare(claims: Iterable[Stamped], measurements: Iterable[Measurement]) -> list[ComparedSeat]:
    """Every seat that has claims, by name."""
    errors = ClockErrors(measurements)
    by_seat: dict[str, list[Stamped]] = defaultdict(list)
    for claim in claims:
        by_seat[claim.seat].append(claim)
    return [compare_seat(seat, by_seat[seat], errors) for seat in sorted(by_seat)]


def _divergence(seats: Sequence[ComparedSeat]) -> list[ServerDivergence]:
    groups: dict[tuple[str, str], list[ComparedClaim]] = defaultdict(list)
    for seat in seats:
        for claim in seat.claims:
            groups[claim.server, claim.phase or ""].append(claim)
    found = []
    for (server, _), claims in sorted(groups.items()):
        errors = [c.clock_error_ns for c in claims if c.clock_error_ns is not None]
        found.append(
            ServerDivergence(
                server=server,
                phase=claims[0].phase,
                claims=len(claims),
                measured=len(errors),
                clock_error_ns_min=min(errors, default=None),
                clock_error_ns_median=median_low(errors) if errors else None,
                clock_error_ns_max=max(errors, default=None),
            )
        )
    return found


def _count(group: str | None, pairs: Sequence[tuple[ComparedSeat, int]]) -> ConflictCount:
    """`pairs`: each seat of the group with the number of its claims that are in the group."""
    seats = [seat for seat, _ in pairs]
    return ConflictCount(
        group=group,
        claims=sum(count for _, count in pairs),
        seats=len(seats),
        contested_seats=sum(len({c.buyer for c in seat.claims}) > 1 for seat in seats),
        conflicts=sum(seat.conflict for seat in seats),
        order_changed=sum(seat.order_changed is True for seat in seats),
        order_uncertain=sum(
            seat.order_changed is not None and seat.order_certain is not True for seat in seats
        ),
        order_unknown=sum(seat.order_changed is None for seat in seats),
    )


def _counts(seats: Sequence[ComparedSeat], by: Literal["phase", "ntp"]) -> list[ConflictCount]:
    groups: dict[str | None, dict[str, tuple[ComparedSeat, int]]] = defaultdict(dict)
    for seat in seats:
        for claim in seat.claims:
            group = claim.phase if by == "phase" else claim.ntp
            _, count = groups[group].get(seat.seat, (seat, 0))
            groups[group][seat.seat] = (seat, count + 1)
    return [_count(group, list(groups[group].values())) for group in sorted(groups, key=str)]


BASIS_WORDS: dict[Basis, str] = {
    "lab": "Every stamp is corrected by the clock error that the lab measured.",
    "chronyd": (
        "No ground truth: stamps are corrected by what each machine's chronyd believed its error"
        " to be. A chronyd that is wrong, or whose bound is exceeded, is not noticed here."
    ),
    "mixed": (
        "Some stamps are corrected by what the lab measured, the others only by what chronyd"
        " believed, or not at all."
    ),
    "none": "Nothing is known about these clocks at these times: no stamp is corrected.",
}


def corrections(seats: Sequence[ComparedSeat]) -> CorrectionBasis:
    """What the corrections rest on, and in words what that is worth."""
    sources = Counter(claim.clock_error_source for seat in seats for claim in seat.claims)
    lab, chronyd, unknown = sources["lab"], sources["chronyd"], sources[None]
    basis: Basis
    if not lab and not chronyd:
        basis = "none"
    elif lab:
        basis = "mixed" if chronyd or unknown else "lab"
    else:
        basis = "chronyd"
    words = BASIS_WORDS[basis]
    if basis == "chronyd" and unknown:
        words += f" Of {unknown} claims not even that is known: they are not corrected."
    return CorrectionBasis(basis=basis, lab=lab, chronyd=chronyd, unknown=unknown, words=words)


def summarize(seats: Sequence[ComparedSeat]) -> ComparisonSummary:
    """What the corrections rest on; divergence per server and phase; conflicts per phase, and
    NTP off against NTP on."""
    return ComparisonSummary(
        corrections=corrections(seats),
        divergence=_divergence(seats),
        by_phase=_counts(seats, "phase"),
        by_ntp=_counts(seats, "ntp"),
    )
