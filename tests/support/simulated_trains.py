"""A run directory of the train system, made up: one ticket sold twice, one snapshot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ntplab.evidence import Manifest, ManifestNode, RunDirectory, SpoolWriter

S, MS = 1_000_000_000, 1_000_000
START_NS = 1_795_348_800 * S
"""2026-11-22 12:00:00 UTC"""
PHASES = ("control", "delay")


class TrainRun:
    """An office and two clients; in phase `delay` the first receipt takes longer than the hold."""

    def __init__(self, path: Path, clients: tuple[str, str] = ("ann", "bob"), **manifest: Any):
        self.run = RunDirectory.create_at(path / "runs" / "trains")
        self.clients = clients
        self.spool = SpoolWriter(self.run)
        office, nodes = "office", ["office", *clients]
        neighbors = {office: list(clients), **{name: [office] for name in clients}}
        train = {
            "office": office, "clients": list(clients), "protocol": "literal",
            "hold_clock": "wall", "hold_ns": S, "neighbors": neighbors,
        }  # fmt: skip
        phases = [{"name": name, "ntp": "off", "duration_ns": 10 * S} for name in PHASES]
        self.run.write_manifest(
            Manifest.model_validate(
                {
                    "run": "trains", "scenario_name": "trains", "policy": "literal", "seed": 1,
                    "nodes": [ManifestNode(name=name, kind="server") for name in nodes],
                    "phases": phases, "plan": {"train": train},
                    "scenario": {"description": "Tickets of a train."}, **manifest,
                }
            )
        )  # fmt: skip
        self._events()
        first, second = clients
        self._sold(1 * S, 1, first, 1)
        self._twice(13 * S, first, second)
        self._snapshot(18 * S)
        self.spool.close()

    def _events(self) -> None:
        at_ns = START_NS
        self.run.append_event({"lab_ns": at_ns, "event": "run.started"})
        for name in PHASES:
            for offset_ns, event in ((0, "started"), (S, "measuring"), (10 * S - 1, "ended")):
                self.run.append_event(
                    {"lab_ns": at_ns + offset_ns, "event": f"phase.{event}", "phase": name}
                )
            at_ns += 10 * S
        self.run.append_event({"lab_ns": at_ns, "event": "run.ended"})
        rows = [
            {"lab_ns": START_NS + tick * 50 * MS, "node": node, "divergence_ns": 0,
             "wall_ns": START_NS + tick * 50 * MS}
            for tick in range(400)
            for node in ("office", *self.clients)
        ]  # fmt: skip
        self.spool.append("clock", rows)

    def _fact(self, at_ns: int, node: str, event: str, ticket: int | None, client: str,
              request: int) -> None:  # fmt: skip
        lab_ns = START_NS + at_ns
        row = {"lab_ns": lab_ns, "node": node, "event": event, "ticket_id": ticket,
               "client": client, "request": request, "generation": 0, "wall_ns": lab_ns,
               "monotonic_ns": at_ns}  # fmt: skip
        self.spool.append("ticket_events", [row])

    def _sold(self, at_ns: int, ticket: int, client: str, request: int) -> None:
        self._fact(at_ns, client, "request.sent", None, client, request)
        self._fact(at_ns + 10 * MS, "office", "ticket.held", ticket, client, request)
        self._fact(at_ns + 50 * MS, client, "ticket.owned", ticket, client, request)
        self._fact(at_ns + 90 * MS, "office", "ticket.sold", ticket, client, request)

    def _twice(self, at_ns: int, first: str, second: str) -> None:
        self._fact(at_ns, first, "request.sent", None, first, 2)
        self._fact(at_ns + 100 * MS, "office", "ticket.held", 2, first, 2)
        self._fact(at_ns + 400 * MS, first, "ticket.owned", 2, first, 2)
        self._fact(at_ns + 1_100 * MS, "office", "hold.expired", 2, first, 2)
        self._fact(at_ns + 1_200 * MS, second, "request.sent", None, second, 1)
        self._fact(at_ns + 1_300 * MS, "office", "ticket.held", 2, second, 1)
        self._fact(at_ns + 1_500 * MS, second, "ticket.owned", 2, second, 1)

    def _snapshot(self, at_ns: int) -> None:
        sale = {"ticket": {"ticket_id": 1}, "state": "deleted", "client": self.clients[0],
                "request": 1}  # fmt: skip
        parts: dict[str, Any] = {
            "office": {"office": {"sales": [[1, sale]]}, "balance": 0, "vector": {}},
            **{
                name: {"client": {"owned": [], "requests": 0}, "balance": 0, "vector": {}}
                for name in self.clients
            },
        }
        document = {"snapshot": {"epoch": 1, "parts": parts, "preposts": []}}
        self.spool.append(
            "train_snapshots",
            [{"lab_ns": START_NS + at_ns, "epoch": 1, "document": json.dumps(document)}],
        )
        for event in ("snapshot.started", "snapshot.whole"):
            self._fact(at_ns, "office", event, None, "office", 0)
