"""A small simulated lab: clocks, claims and decisions computed, evidence written as a run's.

It knows the policies' rules (who wins), not the analysis' inequalities, so the two can
disagree. Times are nanoseconds; everything follows from the arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ntplab.evidence import Manifest, ManifestPhase, RunDirectory, Skew, SpoolWriter

S, MS, US = 1_000_000_000, 1_000_000, 1_000
START_NS = 1_795_348_800 * S
"""2026-11-22 12:00:00 UTC"""
SERVERS = ("paris", "lyon")
LATENCY_NS = 2 * MS

Theta = Callable[[int], int]
"""lab time -> divergence of one server"""


@dataclass
class Request:
    """A buyer's wish: `at_ns` counts from the start of the load."""

    at_ns: int
    seat: str
    buyer: str
    server: str
    confirm_after_ns: int = 0


@dataclass
class SimPhase:
    """One phase: what is asked for, and what the clocks and the network really do."""

    name: str
    ntp: str
    requests: Sequence[Request]
    thetas: Mapping[str, Theta]
    clocks: str = "keep"
    duration_ns: int = 4 * S
    lag_ns: int = 5 * MS
    ends: bool = True
    faults: Sequence[dict[str, Any]] = ()
    extra: dict[str, Any] = field(default_factory=dict)


class Simulation:
    """Builds a run directory phase by phase, as run.py would."""

    def __init__(self, path: Path, policy: str = "timestamp-order", **manifest: Any) -> None:
        self.run = RunDirectory.create(
            path, "synthetic", datetime.fromtimestamp(START_NS // S, UTC), "golden"
        )
        self.spool = SpoolWriter(self.run)
        self.now_ns = START_NS
        self.policy = policy
        self.delta_ns, self.ttl_ns = 250 * MS, 2 * S
        skews = {"paris": Skew(), "lyon": Skew(offset_ns=-5 * S)}
        self.manifest = Manifest(
            **{
                "run": self.run.run_id,
                "scenario_name": "synthetic",
                "policy": policy,
                "policy_params": {"stability_ns": self.delta_ns, "ttl_ns": self.ttl_ns},
                "seed": 7,
                "nodes": [{"name": name, "kind": "server"} for name in SERVERS],
                "skews": skews,
                **manifest,
            }
        )

    def event(self, name: str, **fields: Any) -> None:
        self.run.append_event({"lab_ns": self.now_ns, "event": name, **fields})

    def play(self, *phases: SimPhase, ends: bool = True) -> RunDirectory:
        """Write the evidence of the phases; `ends` False = killed after the last of them."""
        self.manifest.phases = [_planned(phase) for phase in phases]
        self.run.write_manifest(self.manifest)
        self.event("run.started")
        for phase in phases:
            self._phase(phase)
        if ends:
            self.event("run.ended")
        self.spool.close()
        return self.run

    def _phase(self, phase: SimPhase) -> None:
        self.event("phase.started", phase=phase.name)
        asked_ns = self.now_ns
        if phase.ntp != "keep":
            for name in SERVERS:
                self.event(
                    "ntp.switched", node=name, state=phase.ntp, phase=phase.name, asked_ns=asked_ns
                )
        self._sample(phase, asked_ns, asked_ns + S - 1)
        self.now_ns = load_ns = asked_ns + S
        self.event("phase.measuring", phase=phase.name)
        end_ns = load_ns + (phase.duration_ns if phase.ends else phase.duration_ns // 2)
        self._sample(phase, load_ns, end_ns)
        self._load(phase, load_ns, end_ns)
        self.now_ns = end_ns
        if phase.ends:
            self.event("phase.ended", phase=phase.name)
        self.now_ns += S

    def _sample(self, phase: SimPhase, from_ns: int, to_ns: int) -> None:
        rows, beliefs = [], []
        for lab_ns in range(from_ns, to_ns + 1, 50 * MS):
            for name in SERVERS:
                theta = phase.thetas[name](lab_ns)
                rows.append(
                    {"lab_ns": lab_ns, "node": name, "wall_ns": lab_ns + theta}
                    | {"divergence_ns": theta}
                )
                if phase.ntp == "on" and (lab_ns - from_ns) % S == 0:
                    beliefs.append(_belief(lab_ns, name, theta))
        self.spool.append("clock", rows)
        self.spool.append("belief", beliefs)

    def _load(self, phase: SimPhase, load_ns: int, end_ns: int) -> None:
        claims = [self._claim(phase, request, load_ns) for request in phase.requests]
        claims = [claim for claim in claims if claim["claimed"] < end_ns]
        claims.sort(key=lambda claim: claim["claimed"])
        decide = {"timestamp-order": self._by_stamp, "lease": self._by_lease}
        decide.get(self.policy, self._first)(phase, claims)
        self.spool.append("attempts", [_attempt(phase, claim) for claim in claims])
        if phase.ends:
            self.spool.append("reservations", [self._reservation(phase, c) for c in claims])
            self.spool.append("claims", self._claim_rows(phase, claims))

    def _claim(self, phase: SimPhase, request: Request, load_ns: int) -> dict[str, Any]:
        claimed_ns = load_ns + request.at_ns + LATENCY_NS
        return {
            "id": f"{phase.name}-{request.buyer}",
            "request": request,
            "due": load_ns + request.at_ns,
            "claimed": claimed_ns,
            "stamp": claimed_ns + phase.thetas[request.server](claimed_ns),
        }

    def _by_stamp(self, phase: SimPhase, claims: list[dict[str, Any]]) -> None:
        """The lowest (stamp, server) known at claimed + delta wins, on every server by itself."""
        for claim in claims:
            server = claim["request"].server
            claim["decided"] = claim["claimed"] + self.delta_ns
            known = [
                other
                for other in claims
                if other["request"].seat == claim["request"].seat
                and _known_ns(other, server, phase.lag_ns) <= claim["decided"]
            ]
            lowest = min(known, key=lambda c: (c["stamp"], c["request"].server))
            claim["outcome"] = "confirmed" if lowest is claim else "rejected"

    def _by_lease(self, phase: SimPhase, claims: list[dict[str, Any]]) -> None:
        """A lease until stamp + ttl; confirmed by the granting server's own clock alone."""
        steps = [(c["claimed"], 0, c) for c in claims]
        steps += [(c["claimed"] + c["request"].confirm_after_ns, 1, c) for c in claims]
        expires: dict[str, int] = {}
        sold: set[str] = set()
        for at_ns, confirming, claim in sorted(steps, key=lambda step: step[:2]):
            seat, server = claim["request"].seat, claim["request"].server
            wall_ns = at_ns + phase.thetas[server](at_ns)
            if not confirming:
                claim["decided"] = at_ns
                held = seat not in sold and wall_ns > expires.get(seat, 0)
                claim["outcome"] = "held" if held else "rejected"
                if held:
                    claim["granted"] = wall_ns
                    claim["expires"] = expires[seat] = wall_ns + self.ttl_ns
            elif claim["outcome"] == "held":
                lives = wall_ns <= claim["expires"]
                claim["confirm"] = "confirmed" if lives else "rejected"
                claim["decided"] = at_ns
                sold |= {seat} if lives else set()

    def _first(self, phase: SimPhase, claims: list[dict[str, Any]]) -> None:
        taken: set[str] = set()
        for claim in claims:
            seat = claim["request"].seat
            claim["decided"] = claim["claimed"]
            claim["outcome"] = "rejected" if seat in taken else "confirmed"
            taken.add(seat)

    def _reservation(self, phase: SimPhase, claim: dict[str, Any]) -> dict[str, Any]:
        request = claim["request"]
        return {
            "receipt_id": _receipt(claim),
            "claim_id": claim["id"],
            "server": request.server,
            "policy": self.policy,
            "phase": phase.name,
            "seat": request.seat,
            "buyer": request.buyer,
            "stamp_ns": claim["stamp"],
            "claimed_lab_ns": claim["claimed"],
            "decision": claim.get("confirm", claim["outcome"]),
            "decided_lab_ns": claim["decided"],
            "hold_granted_ns": claim.get("granted"),
            "hold_expires_ns": claim.get("expires"),
            "ttl_ns": self.ttl_ns if "granted" in claim else None,
        }

    def _claim_rows(self, phase: SimPhase, claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
        replicated = self.policy == "timestamp-order"
        return [
            {
                "claim_id": claim["id"],
                "origin": claim["request"].server,
                "holder_server": holder,
                "policy": self.policy,
                "phase": phase.name,
                "seat": claim["request"].seat,
                "buyer": claim["request"].buyer,
                "stamp_ns": claim["stamp"],
                "claimed_lab_ns": claim["claimed"],
                "received_lab_ns": _known_ns(claim, holder, phase.lag_ns),
            }
            for claim in claims
            for holder in SERVERS
            if replicated or holder == claim["request"].server
        ]


def _planned(phase: SimPhase) -> ManifestPhase:
    switched = list(SERVERS) if phase.ntp != "keep" else []
    return ManifestPhase.model_validate(
        {
            "name": phase.name,
            "duration_ns": phase.duration_ns,
            "ntp": phase.ntp,
            "clocks": phase.clocks,
            "switched": switched,
            "steered": switched if phase.ntp == "on" else [],
            "faults": list(phase.faults),
        }
    )


def _known_ns(claim: dict[str, Any], server: str, lag_ns: int) -> int:
    return int(claim["claimed"] + (0 if claim["request"].server == server else lag_ns))


def _receipt(claim: dict[str, Any]) -> str | None:
    confirmed = claim.get("confirm", claim["outcome"]) == "confirmed"
    return f"r-{claim['id']}" if confirmed else None


def _attempt(phase: SimPhase, claim: dict[str, Any]) -> dict[str, Any]:
    request = claim["request"]
    at_once = "confirm" not in claim
    answered_ns = (claim["decided"] if at_once else claim["claimed"]) + LATENCY_NS
    row = {
        "attempt_id": f"a-{claim['id']}",
        "phase": phase.name,
        "pattern": "races",
        "buyer": request.buyer,
        "seat": request.seat,
        "server": request.server,
        "due_ns": claim["due"],
        "sent_ns": claim["due"],
        "answered_ns": answered_ns,
        "http_status": 409 if claim["outcome"] == "rejected" else 201,
        "outcome": claim["outcome"],
        "receipt_id": _receipt(claim),
        "claim_id": claim["id"],
        "stamp_ns": claim["stamp"],
        "confirm_delay_ns": request.confirm_after_ns,
    }
    if not at_once:
        sent_ns = claim["decided"] - LATENCY_NS
        row["confirm"] = {"due_ns": sent_ns, "sent_ns": sent_ns, "outcome": claim["confirm"]}
    return row


def _belief(lab_ns: int, node: str, theta_ns: int) -> dict[str, Any]:
    return {
        "lab_ns": lab_ns,
        "node": node,
        "state": "ok",
        "stratum": 2,
        "offset_ns": theta_ns // 2,
        "root_delay_ns": 40 * US,
        "root_dispersion_ns": 20 * US,
        "leap": "Normal",
    }


def constant(offset_ns: int) -> Theta:
    return lambda lab_ns: offset_ns


def races(count: int, gap_ns: int, first: str = "paris", **fields: Any) -> list[Request]:
    """Races for one seat each, 100 ms apart; the second buyer asks the other server later."""
    second = next(name for name in SERVERS if name != first)
    return [
        Request(i * 100 * MS + late * gap_ns, f"A-{i:04}", f"b-{2 * i + late}", server, **fields)
        for i in range(count)
        for late, server in enumerate((first, second))
    ]
