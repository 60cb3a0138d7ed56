"""The shape of results.json, version 1. Sixth stage: what analysis writes, report and CLI read.

Also the vocabulary of expectations: `expectations.py` walks these models to know which
paths exist, so a number added here can be expected at once. Fields marked
`NOT_EXPECTABLE` are for readers, not for expectations.

`None` means "there was nothing to measure it on", never zero.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from ..evidence.manifest import Truth
from .train_results import TrainFigures

SCHEMA_VERSION: Literal[1] = 1
NOT_EXPECTABLE: dict[str, Any] = {"expect": False}
"""`json_schema_extra` of a field that no expectation can name."""
NONE_IS_NEVER: dict[str, Any] = {"none_is_never": True}
"""`json_schema_extra` of a time that is infinite when it is None though it was measured."""

Verdict = Literal["met", "violated", "unknown"]
FindingKind = Literal[
    "receipt-without-record",
    "record-without-receipt",
    "confirmed-without-receipt",
    "stamp-disagrees-with-clock",
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class NodeDivergence(_Model):
    """One node's wall clock minus lab time over a phase's measuring window."""

    samples: int = 0
    max_abs_ns: int | None = None
    p99_abs_ns: int | None = None
    median_ns: int | None = None


class Divergence(_Model):
    """`max_abs_ns` and `p99_abs_ns` are those of the worst server; `pairwise_max_ns` the
    largest difference between two servers' clocks at one instant."""

    max_abs_ns: int | None = None
    p99_abs_ns: int | None = None
    pairwise_max_ns: int | None = None
    servers: dict[str, NodeDivergence] = Field(default_factory=dict)
    others: dict[str, NodeDivergence] = Field(
        default_factory=dict, json_schema_extra=NOT_EXPECTABLE
    )
    """time servers and the database"""


class ServerSync(_Model):
    """One server's way back to true time, how right it then was, and what its NTP daemon believed
    meanwhile. `steady_*`: |divergence| over the last quarter of the measuring window."""

    daemon: str = Field(default="", json_schema_extra=NOT_EXPECTABLE)
    """chrony, ntpsec, openntpd or timesyncd"""
    seconds_to_1ms: float | None = Field(default=None, json_schema_extra=NONE_IS_NEVER)
    seconds_to_limit: float | None = Field(default=None, json_schema_extra=NONE_IS_NEVER)
    steady_p50_ns: int | None = None
    steady_p99_ns: int | None = None
    beliefs: int = 0
    belief_error_p50_ns: int | None = None
    belief_error_p99_ns: int | None = None
    bound_coverage: float | None = None
    bound_exceeded: int = 0
    bound_p99_ns: int | None = None
    """99th percentile of the bounds that its chronyd gave: covering by a wide one is no art"""
    measured: bool = False
    """NTP was switched on in this phase and the clock was sampled after it"""


class ExceededBound(_Model):
    """One report of chronyd whose bound the true divergence exceeded, with the sample."""

    server: str
    lab_ns: int
    offset_ns: int
    """what chronyd believed"""
    bound_ns: int
    divergence_ns: int
    """the truth: the observer's samples around that instant"""
    divergence_error_ns: int
    """how much the samples leave open, a jump between them included"""


class Sync(_Model):
    """`seconds_to_*`: the slowest server; defined in `sync.py`. `bound_coverage`: share of
    the daemons' reports whose bound held the true divergence; `bound_exceeded` counts the others,
    `exceeded_details` tells the worst of them."""

    seconds_to_1ms: float | None = Field(default=None, json_schema_extra=NONE_IS_NEVER)
    seconds_to_limit: float | None = Field(default=None, json_schema_extra=NONE_IS_NEVER)
    limit_ns: int | None = None
    beliefs: int = 0
    belief_error_p99_ns: int | None = None
    bound_coverage: float | None = None
    bound_exceeded: int = 0
    exceeded_details: list[ExceededBound] = Field(
        default_factory=list, json_schema_extra=NOT_EXPECTABLE
    )
    measured: bool = False
    servers: dict[str, ServerSync] = Field(default_factory=dict)


class LatencyMs(_Model):
    """Answer minus *due* time in milliseconds: waiting in a queue counts (open loop)."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class ClaimDetail(_Model):
    """One buyer's claim on a seat, as the buyer, the server and the observer saw it."""

    buyer: str
    server: str
    attempt_id: str
    claim_id: str | None
    receipt_id: str | None
    stamp_ns: int | None
    """the server's wall clock"""
    claimed_lab_ns: int | None
    """the truth"""
    decided_lab_ns: int | None
    divergence_ns: int | None
    """by the observer, at `claimed_lab_ns`"""


class PairExplanation(_Model):
    """Why two buyers could both be told yes: the policy's inequality with the numbers in it."""

    first: ClaimDetail
    second: ClaimDetail
    status: Literal["explained", "unexplained", "undetermined"]
    cause: str
    """`clock-skew`, `clock-step`, `late-replication`, or empty"""
    inequality: str
    numbers_ns: dict[str, int | None]
    words: str
    reason: str
    """why it is not explained; empty when it is"""


class DoubleBooking(_Model):
    """One seat that two or more buyers hold a receipt for."""

    seat: str
    buyers: list[str]
    servers: list[str]
    status: Literal["explained", "unexplained", "undetermined"]
    cause: str
    words: str
    reason: str
    pairs: list[PairExplanation]


class Finding(_Model):
    """Something in the evidence that does not fit together. `examples` is cut at 20."""

    kind: FindingKind
    count: int
    words: str
    examples: list[str]


class Prediction(_Model):
    """What theory says of the phase's contested seats, from measured clocks, delays and arrivals
    alone, beside what was observed on the same seats. See `predicting.py`."""

    condition: str
    """the policy's, in short"""
    numbers_ns: dict[str, int | None] = Field(json_schema_extra=NOT_EXPECTABLE)
    seats: int
    left_out: int
    """contested seats that could not be played: a record is missing, a clock was not sampled, or
    there are too many"""
    expected: float
    """double bookings"""
    rate: float
    observed: int
    observed_rate: float
    ci95: tuple[float, float]
    """Wilson interval of `observed_rate`"""
    disagreements: int
    """1 where `rate` lies outside `ci95`, else 0"""
    surprises: int
    """seats on which theory was certain and something else happened"""


class Bookings(_Model):
    """`rate` is double_bookings / `rate_trials`; see `bookings.py` for the choice of trials.

    `unexplained`: the policy's inequality does not hold. `undetermined`: evidence that
    would tell is missing.
    """

    attempts: int = 0
    receipts: int = 0
    contested_seats: int = 0
    opportunities: int = 0
    double_bookings: int = 0
    unexplained: int = 0
    undetermined: int = 0
    rate: float = 0.0
    ci95: tuple[float, float] = (0.0, 1.0)
    rate_of: Literal["opportunities", "contested_seats"] = "contested_seats"
    rate_trials: int = 0
    order_inversions: int = 0
    availability: float | None = None
    failed_requests: int = 0
    lag_median_ns: int | None = None
    latency_ms: LatencyMs = Field(default_factory=LatencyMs)
    receipts_without_record: int = 0
    records_without_receipt: int = 0
    prediction: Prediction | None = None
    double_booking_details: list[DoubleBooking] = Field(
        default_factory=list, json_schema_extra=NOT_EXPECTABLE
    )
    double_bookings_not_told: int = Field(default=0, json_schema_extra=NOT_EXPECTABLE)
    """judged and counted like the others, but left out of `double_booking_details`"""
    findings: list[Finding] = Field(default_factory=list, json_schema_extra=NOT_EXPECTABLE)


class Orders(_Model):
    """Contested seats: the order of their claims by stamp, and by the stamps corrected.

    `order_changed`: the correction changes it. `order_unknown`: some claim could not be
    corrected (`uncorrected` counts those); such seats are in none of the other counts.
    `wrong_*`: seats whose order contradicts lab time, before and after the correction.
    """

    claims: int = 0
    uncorrected: int = 0
    seats: int = 0
    order_unknown: int = 0
    order_changed: int = 0
    wrong_before: int = 0
    wrong_after: int = 0


class Comparison(_Model):
    """Stamps before and after correction. `by_truth`: by the observer's samples; `by_belief`:
    by what chronyd believed, which is all that a machine outside a lab knows."""

    by_truth: Orders = Field(default_factory=Orders)
    by_belief: Orders = Field(default_factory=Orders)


class SkewSeen(_Model):
    """The clock error a phase was to begin with, and what the observer saw of it."""

    asked_ns: int
    seen_ns: int | None
    ok: bool


class PhaseEvidence(_Model):
    """What the phase's figures rest on. `missing` empty = they can be relied upon."""

    complete: bool = False
    missing: list[str] = Field(default_factory=list, json_schema_extra=NOT_EXPECTABLE)
    clock_samples: int = 0
    sampling_gaps: int = 0
    longest_gap_ns: int = 0
    servers_down: list[str] = Field(default_factory=list, json_schema_extra=NOT_EXPECTABLE)
    skew_seen: dict[str, SkewSeen] = Field(default_factory=dict, json_schema_extra=NOT_EXPECTABLE)
    faults_seen: list[str] = Field(default_factory=list, json_schema_extra=NOT_EXPECTABLE)


class PhaseResult(_Model):
    """One phase. `start_lab_ns`/`end_lab_ns` bound its measuring window."""

    name: str
    ntp: str
    duration_s: float = 0.0
    start_lab_ns: int | None = Field(default=None, json_schema_extra=NOT_EXPECTABLE)
    end_lab_ns: int | None = Field(default=None, json_schema_extra=NOT_EXPECTABLE)
    divergence: Divergence = Field(default_factory=Divergence)
    sync: Sync = Field(default_factory=Sync)
    bookings: Bookings = Field(default_factory=Bookings)
    comparison: Comparison = Field(default_factory=Comparison)
    evidence: PhaseEvidence = Field(default_factory=PhaseEvidence)
    trials: list[PhaseResult] = Field(default_factory=list, json_schema_extra=NOT_EXPECTABLE)
    """each trial by itself, where the phase had several; `pooling.py` says how they are pooled"""
    train: TrainFigures | None = None
    """of the train system; a concert's results do not have it at all"""

    @model_serializer(mode="wrap")
    def _without_the_other_system(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        if self.train is None:
            fields.pop("train", None)
        return fields


class ExpectationResult(_Model):
    """`observed` is in the unit of the field that the expectation names."""

    expect: str
    observed: float | int | None
    verdict: Verdict
    reason: str = ""


class Results(_Model):
    """One run, judged. `reasons` says in words what made it violated or unknown."""

    schema_version: Literal[1] = Field(
        default=SCHEMA_VERSION, alias="schema", json_schema_extra=NOT_EXPECTABLE
    )
    run: str
    scenario: str
    policy: str
    seed: int
    verdict: Verdict
    reasons: list[str] = Field(default_factory=list, json_schema_extra=NOT_EXPECTABLE)
    notes: list[str] = Field(default_factory=list, json_schema_extra=NOT_EXPECTABLE)
    """torn lines, missing tables, nodes that died: nothing is left out in silence"""
    expectations: list[ExpectationResult] = Field(
        default_factory=list, json_schema_extra=NOT_EXPECTABLE
    )
    phases: list[PhaseResult] = Field(default_factory=list)
    truth: Truth = Field(default="clock-page", json_schema_extra=NOT_EXPECTABLE)
    """what divergence is measured by; left out where it is the clocks' own pages, as in any lab"""

    @model_serializer(mode="wrap")
    def _without_the_usual_truth(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        if self.truth == "clock-page":
            fields.pop("truth", None)
        return fields

    def to_json(self) -> str:
        """The exact text of results.json: same evidence, same bytes."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"
