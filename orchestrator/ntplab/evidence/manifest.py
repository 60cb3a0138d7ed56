"""manifest.json: what was run, with what, on what. Written at the start, completed at the end."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

CLOCK_ERROR_NS = 1_000
"""how far a sample of the observer may be off"""


Truth = Literal["clock-page", "ntp-probe"]
"""What divergence was measured by: the pages that are the clocks, read by the observer; or NTP
probes of clocks that nobody can look into."""


class _Model(BaseModel):
    # Extra keys are kept: whoever runs the lab may record more than analysis needs.
    model_config = ConfigDict(extra="allow", populate_by_name=True)


class ManifestNode(_Model):
    """One container. `kind` as in topology.NodeKind; `uptime_s` its monotonic offset."""

    name: str
    kind: str
    uptime_s: int = 0
    time_namespace: bool = False
    time_namespace_reason: str = ""
    image: str = ""
    image_digest: str = ""
    ntp_daemon: str = ""
    """chrony, ntpsec, openntpd or timesyncd; empty where none steers the clock"""
    ntp_version: str = ""
    """of its Debian package"""
    lab_error_ns: int = 0
    """how far the times it noted may be from lab time: 0 where both are one machine's"""


class Skew(_Model):
    """The clock error the scenario gives a server: theta(t) = offset + drift * (t - start)."""

    offset_ns: int = 0
    drift_ppm: float = 0.0

    def divergence_ns(self, elapsed_ns: int) -> int:
        """theta in ns, `elapsed_ns` after the error was set."""
        return self.offset_ns + round(self.drift_ppm * elapsed_ns / 1_000_000)


class ManifestFault(_Model):
    """A fault that the phase was to have: it must be seen in the events."""

    node: str
    kind: str


class ManifestSettle(_Model):
    """How near to true time NTP had to bring every server before the load began."""

    limit_ns: int


class ManifestPhase(_Model):
    """One planned phase, in order: the fields of `plan.PhasePlan` that judging needs.

    `switched`: the nodes whose NTP state `ntp` sets; `steered`: those whose NTP is on when
    the load begins; `clocks`: what the clocks are set to before that.
    """

    name: str
    duration_ns: int = 0
    ntp: Literal["on", "off", "keep"] = "keep"
    switched: list[str] = Field(default_factory=list)
    steered: list[str] = Field(default_factory=list)
    clocks: Literal["true", "skewed", "keep"] = "keep"
    settle: ManifestSettle | None = None
    trial_of: str | None = None
    """the phase of the scenario that this is one trial of, where it has several"""
    trial: int = 1
    load: list[Any] | None = None
    """the planned patterns, empty for none; None where the manifest does not say"""
    faults: list[ManifestFault] = Field(default_factory=list)


class ManifestPoint(_Model):
    """One point of a sweep: what it sets, by axis or key, as it is written."""

    number: int
    set: dict[str, Any]


class ManifestSweep(_Model):
    """What a sweep was asked for; with scenario.yaml it is enough to resume it."""

    points: list[ManifestPoint]
    expect: list[str] = Field(default_factory=list)
    overrides: list[str] = Field(default_factory=list)
    """the `--set` it was started with"""


class Manifest(_Model):
    """What analysis needs comes first; from `scenario` on it is provenance.

    `phases` takes `plan.to_json()["phases"]` as it is, `skews` the plan's clocks by node.
    """

    schema_version: int = Field(default=1, alias="schema")
    run: str
    scenario_name: str
    policy: str
    policy_params: dict[str, Any] = Field(default_factory=dict)
    seed: int
    anchor_ns: int = 0
    nodes: list[ManifestNode] = Field(default_factory=list)
    skews: dict[str, Skew] = Field(default_factory=dict)
    phases: list[ManifestPhase] = Field(default_factory=list)
    expect: list[str] = Field(default_factory=list)
    clock_sample_hz: float = 20.0
    clock_error_ns: int = CLOCK_ERROR_NS
    """stated error of one clock sample"""
    truth: Truth = "clock-page"
    sweep: ManifestSweep | None = None
    """set for a sweep: its points are runs of their own, in folders of this one"""
    scenario: dict[str, Any] = Field(default_factory=dict)
    plan: Any = None
    versions: dict[str, str] = Field(default_factory=dict)
    kernel: str = ""
    clocksource: str = ""
    git_commit: str = ""
    git_dirty: bool | None = None
    command_line: list[str] = Field(default_factory=list)
    overrides: list[str] | None = None
    """what `--set` and `--seed` said, or their variables; None where it was not recorded"""
    started_at: str = ""
    ended_at: str = ""

    def names_of(self, kind: str) -> list[str]:
        """Names of the nodes of one kind, in the manifest's order."""
        return [node.name for node in self.nodes if node.kind == kind]

    @property
    def phase_names(self) -> list[str]:
        """The phases of the scenario, in order: trials of one phase are one."""
        return list(dict.fromkeys(phase.trial_of or phase.name for phase in self.phases))

    @property
    def lab_errors_ns(self) -> dict[str, int]:
        """`lab_error_ns` of every server."""
        return {node.name: node.lab_error_ns for node in self.nodes if node.kind == "server"}

    @property
    def servers(self) -> list[str]:
        return self.names_of("server")
