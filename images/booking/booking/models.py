"""What goes over HTTP, as pydantic models: requests are validated by them, OpenAPI shows them.

Integers that end in `_ns` are nanoseconds and exceed 2^53: read them as integers, never as floats.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from booking.policy import Decision

PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
INT64 = 2**63 - 1

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=PRINTABLE)]
Nanoseconds = Annotated[int, Field(ge=-INT64, le=INT64)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReserveRequest(_Strict):
    """A buyer wants a seat. `phase` labels the phase of an experiment and decides nothing."""

    seat: Name
    buyer: Name
    phase: Name | None = None


class ClaimRequest(_Strict):
    """Names the claim that a reservation was answered with."""

    claim_id: Name


class ClaimMessage(_Strict):
    """A claim as its origin stamped it."""

    claim_id: Name
    origin: Name
    phase: Name | None = None
    seat: Name
    buyer: Name
    stamp_ns: Nanoseconds
    claimed_raw_ns: Nanoseconds
    logical: Annotated[int, Field(ge=0, le=INT64)] = 0
    claimed_wall_ns: Nanoseconds | None = None
    bound_ns: Annotated[int, Field(ge=0, le=INT64)] | None = None


class PromiseMessage(_Strict):
    """What `server` promises that its clock's error does not exceed while it sells.

    `raw_ns` (that server's CLOCK_MONOTONIC_RAW) orders its promises.
    """

    server: Name
    bound_ns: Annotated[int, Field(ge=0, le=INT64)]
    raw_ns: Nanoseconds


class ClaimsMessage(_Strict):
    """What a server tells its peers."""

    claims: Annotated[list[ClaimMessage], Field(min_length=1, max_length=1000)]


class MeasurementMessage(_Strict):
    """How wrong `server`'s wall clock was when it showed `wall_ns`.

    `error_ns` is wall clock minus true time. `raw_ns` (that server's CLOCK_MONOTONIC_RAW at the
    same instant) makes the match to stamps certain where the wall clock has been stepped.
    """

    server: Name
    wall_ns: Nanoseconds
    error_ns: Nanoseconds
    raw_ns: Nanoseconds | None = None
    bound_ns: Annotated[int, Field(ge=0, le=INT64)] | None = None


class MeasurementsMessage(_Strict):
    """Ground truth from the lab, recorded with source `lab`."""

    measurements: Annotated[list[MeasurementMessage], Field(min_length=1, max_length=10_000)]


class Answer(BaseModel):
    """A claim and what became of it."""

    server: str
    seat: str
    buyer: str
    policy: str
    claim_id: str
    stamp_ns: int
    stamp: str
    raw_ns: int
    decision: Decision
    receipt_id: str | None
    hold_expires_ns: int | None


class Problem(BaseModel):
    """RFC 9457 problem details; further members depend on the type."""

    type: str
    title: str
    status: int
    detail: str


class DecisionProblem(Problem, Answer):
    """A problem that is a decision: it carries the members of an answer where there is one."""

    server: str | None = None  # type: ignore[assignment]
    seat: str | None = None  # type: ignore[assignment]
    buyer: str | None = None  # type: ignore[assignment]
    policy: str | None = None  # type: ignore[assignment]
    claim_id: str | None = None  # type: ignore[assignment]
    stamp_ns: int | None = None  # type: ignore[assignment]
    stamp: str | None = None  # type: ignore[assignment]
    raw_ns: int | None = None  # type: ignore[assignment]
    decision: Decision | None = None  # type: ignore[assignment]
    receipt_id: str | None = None
    hold_expires_ns: int | None = None


class Fault(BaseModel):
    """One fault of a request: where (`body.seat`) and what."""

    at: str
    message: str


class InvalidProblem(Problem):
    """A request that is not valid; `errors` lists the faults where there is more to say."""

    errors: list[Fault] | None = None


class Recorded(BaseModel):
    """How many documents were taken in."""

    recorded: int


class Health(BaseModel):
    """`reason` is set when the status is not `ok`.

    `generation` is the number of the change of policy in force (0: none since the container was
    made), `reloads` counts the changes asked of this process, `refused` says what was wrong with
    the last one.
    """

    status: Literal["ok", "not ready"]
    server: str
    policy: str
    reason: str | None = None
    generation: int = 0
    reloads: int = 0
    refused: str | None = None


class Belief(BaseModel):
    """What this server's chronyd says of its clock, asked once a second.

    `offset_ns` is positive where chronyd holds the clock for fast; `error_bound_ns` is
    |offset| + root dispersion + root delay / 2. Null where the state is not `ok`.
    """

    state: Literal["ok", "not synchronised", "chronyd not running", "unknown"]
    reason: str | None
    asked_wall_ns: int | None
    age_ns: int | None
    offset_ns: int | None
    error_bound_ns: int | None
    frequency_ppm: float | None
    root_delay_ns: int | None
    root_dispersion_ns: int | None
    stratum: int | None
    reference: str | None
    leap: str | None


class ClockAnswer(BaseModel):
    """This server's clocks now, and what its chronyd believes."""

    server: str
    wall_ns: int
    wall: str
    raw_ns: int
    chronyd: Belief


class Reservation(BaseModel):
    """A decision on record; the columns of the view `evidence_reservations`, and `stamp`."""

    receipt_id: str | None
    claim_id: str
    server: str
    policy: str
    phase: str | None
    seat: str
    buyer: str
    stamp_ns: int
    stamp: str
    claimed_raw_ns: int
    decision: Decision
    decided_wall_ns: int
    decided_raw_ns: int
    stability_ns: int | None
    hold_granted_ns: int | None
    hold_expires_ns: int | None
    ttl_ns: int | None


class ReservationsPage(BaseModel):
    """Reservations in the order in which they were recorded; `next` asks for the page behind."""

    server: str
    database: str
    reservations: list[Reservation]
    next: str | None


class ComparedClaim(BaseModel):
    """A claim with its stamp, the measured error of the clock that made it, and the correction.

    Where the error is unknown, it and what follows from it are null, and `clock_error_reason`
    says why. `decision` is null for claims that another server decides, or that wait.
    """

    claim_id: str
    server: str
    buyer: str
    phase: str | None
    decision: Decision | None
    receipt_id: str | None
    stamp_ns: int
    stamp: str
    clock_error_ns: int | None
    clock_error_bound_ns: int | None
    clock_error_source: Literal["lab", "chronyd"] | None
    clock_error_reason: str | None
    corrected_stamp_ns: int | None
    corrected_stamp: str | None
    ntp: Literal["on", "off", "unknown"]
    position_before: int
    position_after: int | None


class ComparedSeat(BaseModel):
    """The claims on a seat, in the order of their stamps as they were made.

    `order_after` and `order_changed` are null when a clock error is unknown. `order_certain`: no
    two neighbouring corrected stamps are nearer than the bounds of their errors together; null
    where an error or its bound is unknown. `conflict`: more than one buyer holds a confirmed
    reservation.
    """

    seat: str
    conflict: bool
    order_before: list[str]
    order_after: list[str] | None
    order_changed: bool | None
    order_certain: bool | None
    claims: list[ComparedClaim]


class ServerDivergence(BaseModel):
    """Measured errors of one server's clock at the claims of one phase."""

    server: str
    phase: str | None
    claims: int
    measured: int
    clock_error_ns_min: int | None
    clock_error_ns_median: int | None
    clock_error_ns_max: int | None


class ConflictCount(BaseModel):
    """Counts over the seats of a group; a seat with claims of several groups counts in each.

    `order_changed` counts seats whose order the correction changes, `order_uncertain` those of
    them and of the others where the bounds of the clock errors leave more than one order open,
    `order_unknown` seats where nothing can be said because a clock error is unknown.
    """

    group: str | None
    claims: int
    seats: int
    contested_seats: int
    conflicts: int
    order_changed: int
    order_uncertain: int
    order_unknown: int


class CorrectionBasis(BaseModel):
    """What the corrections rest on: claims by the source of their clock's error.

    `lab` is ground truth; `chronyd` is what the machine's own daemon believed, which is all that
    is known outside a lab; `unknown` claims are not corrected. `words` says it for readers.
    """

    basis: Literal["lab", "chronyd", "mixed", "none"]
    lab: int
    chronyd: int
    unknown: int
    words: str


class ComparisonSummary(BaseModel):
    """Divergence per server and phase; conflicts per phase, and NTP off against NTP on."""

    corrections: CorrectionBasis
    divergence: list[ServerDivergence]
    by_phase: list[ConflictCount]
    by_ntp: list[ConflictCount]


class Comparison(BaseModel):
    """What the stamps say before and after correction, from this server's database.

    `servers_known` are the servers whose claims are in it, `servers_decided` those whose decisions
    are: with a database per server the decisions of the others are not known here. `truncated`
    says that there are more claims than one comparison takes; narrow it with the filters.
    """

    server: str
    policy: str
    database: str
    scope: str
    servers_known: list[str]
    servers_decided: list[str]
    truncated: bool
    summary: ComparisonSummary
    seats: list[ComparedSeat]
    next: str | None
