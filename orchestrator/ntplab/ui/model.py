"""The state that the page shows. Rows of evidence in, changes out; knows no lab and no browser.

`feed` takes rows of the evidence tables and events, in whatever order they come in. `changes`
gives what is new since it was last asked; `snapshot` everything, for a browser that comes. Times
go to the page in milliseconds of lab time: a float holds those to a quarter of a microsecond,
nanoseconds since 1970 it does not hold.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from .halls import Hall
from .network import Network
from .shades import Shades

FRAME_MS = 90.0
"""Clock readings nearer together than this are not kept: ten a second is what eyes can use."""
FRAMES_MAX = 2400
EVENTS_MAX = 400
HALLS_MAX = 60
BELIEFS_MAX = 600
NTP_FAULTS = {"ntp-on": "on", "ntp-off": "off"}

UNHAPPY = ("request.none", "request.expired", "request.refused")
COUNTED = ("request.sent", "ticket.held", "ticket.owned", *UNHAPPY)
"""Facts of the train system that count: requests, and what became of them."""

Row = Mapping[str, Any]
Plain = dict[str, Any]


class Model:
    """One lab or run on the page. Safe to use from several threads."""

    def __init__(self, **about: Any) -> None:
        """`about`: what the page should know of it: mode, scenario, policy, servers, system."""
        self._lock = threading.RLock()
        self._about: Plain = {"servers": [], "system": "concert", **about}
        self._nodes: list[str] = list(self._about["servers"])
        self._frames: list[list[float | int | None]] = []
        self._beliefs: dict[str, list[list[Any]]] = {}
        self._events: list[Plain] = []
        self._shades = Shades()
        self._current: Hall | None = None
        self._halls: dict[str, Hall] = {}
        self._last_ms = 0.0
        plan = self._about.get("network")
        self._network = Network(plan) if plan else None
        self._new: Plain = {}

    # rows in

    def feed(self, table: str, rows: Iterable[Row]) -> None:
        """Take rows of `clock`, `belief`, `attempts`, `events`, or of the train system's
        `ticket_events` and `train_snapshots`; other tables are nothing new."""
        take = {
            "clock": self._clock,
            "belief": self._belief,
            "attempts": self._attempts,
            "events": self._event_rows,
            "ticket_events": self._facts,
            "train_snapshots": self._snapshots,
        }.get(table)
        if take is not None:
            with self._lock:
                take(rows)

    def tell(self, **about: Any) -> None:
        """Change what is known about it all."""
        with self._lock:
            if any(self._about.get(key, self) != value for key, value in about.items()):
                self._about.update(about)
                self._new["about"] = dict(self._about)

    def _clock(self, rows: Iterable[Row]) -> None:
        for lab_ns, of_instant in groupby(rows, key=lambda row: row["lab_ns"]):
            at_ms = lab_ns / 1e6
            if at_ms - self._last_ms < FRAME_MS:
                continue
            self._last_ms = at_ms
            seen = {row["node"]: row["divergence_ns"] for row in of_instant}
            if fresh := [node for node in seen if node not in self._nodes]:
                self._nodes += fresh
                self._new["nodes"] = self._nodes
            frame = [at_ms, *(seen.get(node) for node in self._nodes)]
            self._frames.append(frame)
            self._new.setdefault("frames", []).append(frame)
        if len(self._frames) > FRAMES_MAX:
            half = FRAMES_MAX // 2
            self._frames[:half] = self._frames[:half:2]

    def _belief(self, rows: Iterable[Row]) -> None:
        for row in rows:
            point = [row["lab_ns"] / 1e6, row.get("offset_ns"), bound_ns(row), _state(row)]
            series = self._beliefs.setdefault(str(row["node"]), [])
            series.append(point)
            if len(series) > BELIEFS_MAX:
                series[: BELIEFS_MAX // 2] = series[: BELIEFS_MAX // 2 : 2]
            self._new.setdefault("beliefs", []).append([row["node"], *point])

    def _attempts(self, rows: Iterable[Row]) -> None:
        for row in rows:
            hall = self._hall(str(row.get("phase") or ""))
            seat, state = hall.take(row)
            self._new.setdefault("seats", {}).setdefault(hall.name, {})[seat] = state
            self._touch(hall)

    def _facts(self, rows: Iterable[Row]) -> None:
        if self._network is None:
            return
        for row in rows:
            ticket, event = self._network.fact(row), row["event"]
            self._new["network"] = True
            hall = self._current
            if hall is None or event not in COUNTED:
                continue
            hall.attempts += event == "request.sent"
            hall.failed += event in UNHAPPY
            if ticket is not None and event in ("ticket.held", "ticket.owned"):
                hall.receipts += event == "ticket.owned"
                name = ticket_name(row["ticket_id"])
                code = hall.own(name, [_receipt(name, r) for r in ticket.owners.values()])
                self._new.setdefault("seats", {}).setdefault(hall.name, {})[name] = code
            self._touch(hall)

    def _snapshots(self, rows: Iterable[Row]) -> None:
        if self._network is not None:
            for row in rows:
                self._network.snapshot(row)
                self._new["network"] = True

    def _event_rows(self, rows: Iterable[Row]) -> None:
        for row in rows:
            event = {key: value for key, value in row.items() if key != "lab_ns"}
            event["at"] = row["lab_ns"] / 1e6
            self._events.append(event)
            del self._events[:-EVENTS_MAX]
            self._new.setdefault("events", []).append(event)
            self._follow(event)

    def _follow(self, event: Plain) -> None:
        """What an event changes beside the list of events."""
        at_ms, name, node = event["at"], event["event"], event.get("node")
        if name in ("ntp.switched", "ntp.seen"):
            self._switched(at_ms, str(node), str(event["state"]))
        elif name == "fault.in_force" and event["kind"] in NTP_FAULTS:
            self._switched(at_ms, str(node), NTP_FAULTS[event["kind"]])
        elif name == "fault.in_force" and event["kind"] != "clock":
            self._shades.struck(at_ms, str(node), event["kind"], str(event.get("value", "")))
            self._new["shades"] = True
        elif name.startswith("phase."):
            self._phase(event)
        elif name == "policy.changed":
            self.tell(policy=event["policy"])

    def _switched(self, at_ms: float, node: str, state: str) -> None:
        self._shades.switched(at_ms, node, state)
        self._new["shades"] = True

    def _phase(self, event: Plain) -> None:
        hall = self._hall(str(event["phase"]))
        if event["event"] == "phase.started":
            self._current = hall
            hall.begun_ms, hall.ntp = event["at"], str(event.get("ntp", ""))
            hall.planned_ms = event.get("duration_ns", 0) / 1e6
        elif event["event"] == "phase.measuring":
            hall.measuring_ms = event["at"]
        elif event["event"] == "phase.ended":
            hall.ended_ms = event["at"]
        self._touch(hall)

    def _hall(self, name: str) -> Hall:
        if name not in self._halls:
            self._halls[name] = Hall(name)
            if len(self._halls) > HALLS_MAX:
                del self._halls[next(iter(self._halls))]
        return self._halls[name]

    def _touch(self, hall: Hall) -> None:
        self._new.setdefault("halls", {})[hall.name] = hall

    # out to the page

    def snapshot(self) -> Plain:
        """Everything, as plain data. What `changes` would have told is contained in it."""
        with self._lock:
            return {
                "about": dict(self._about),
                "nodes": list(self._nodes),
                "frames": list(self._frames),
                "beliefs": [[node, *p] for node, series in self._beliefs.items() for p in series],
                "events": list(self._events),
                "shades": self._shades_now(),
                "network": self._network.plain() if self._network else None,
                "halls": [hall.plain() for hall in self._halls.values()],
                "seats": {
                    hall.name: {name: seat.state for name, seat in hall.seats.items()}
                    for hall in self._halls.values()
                },
            }

    def changes(self) -> Plain:
        """What is new since the last call; empty if nothing is."""
        with self._lock:
            new, self._new = self._new, {}
            if "shades" in new:
                new["shades"] = self._shades_now()
            if "network" in new and self._network is not None:
                new["network"] = self._network.changes()
            if "halls" in new:
                new["halls"] = [hall.plain() for hall in new["halls"].values()]
            if "nodes" in new:
                new["nodes"] = list(new["nodes"])
            return new

    def receipts(self, phase: str, seat: str) -> list[Row]:
        """The attempts that got a receipt for a seat; none for a seat that is not known."""
        with self._lock:
            hall = self._halls.get(phase)
            found = hall.seats.get(seat) if hall else None
            return list(found.receipts) if found else []

    def figures(self) -> Plain:
        """For monitoring: the newest divergence of every node, and counts over all phases."""
        with self._lock:
            last = self._frames[-1][1:] if self._frames else []
            halls = list(self._halls.values())
            return {
                "divergence_ns": dict(zip(self._nodes, last, strict=False)),
                "ntp": dict(self._shades.ntp),
                "attempts": sum(hall.attempts for hall in halls),
                "receipts": sum(hall.receipts for hall in halls),
                "failed": sum(hall.failed for hall in halls),
                "twice": sum(hall.twice for hall in halls),
            }

    def go_on_from(self, other: Model) -> None:
        """Show the clocks as `other` did, so that the chart goes on; the rest begins anew."""
        with other._lock:
            told = other.snapshot()
            last_ms, shades = other._last_ms, other._shades
        with self._lock:
            self._nodes, self._frames, self._last_ms = told["nodes"], told["frames"], last_ms
            self._shades = shades
            for node, *point in told["beliefs"]:
                self._beliefs.setdefault(node, []).append(point)

    def about(self) -> Plain:
        with self._lock:
            return dict(self._about)

    def _shades_now(self) -> Plain:
        shades = self._shades
        return {
            "state": shades.state,
            "ntp": dict(shades.ntp),
            "spans": [dict(span) for span in shades.spans],
            "faults": list(shades.faults),
        }


def ticket_name(number: Any) -> str:
    """As the page calls it; sorts by number."""
    return f"ticket-{int(number):04d}"


def _receipt(ticket: str, fact: Row) -> Row:
    """A client's word that it owns a ticket, as a receipt."""
    return {
        "seat": ticket, "buyer": fact["node"], "server": "",
        "receipt_id": f"#{fact.get('request')}", "stamp_ns": fact.get("wall_ns"),
        "sent_ns": fact.get("lab_ns"),
    }  # fmt: skip


def bound_ns(row: Row) -> int | None:
    """|offset| + root dispersion + root delay / 2 (RFC 5905, section 11.2); None without them."""
    offset, delay, dispersion = (
        row.get(key) for key in ("offset_ns", "root_delay_ns", "root_dispersion_ns")
    )
    if offset is None or delay is None or dispersion is None:
        return None
    return int(abs(offset) + dispersion + delay / 2)


def _state(row: Row) -> str:
    """What the daemon says of itself: `Normal`, `Not synchronised`, or that it does not answer."""
    return str((row.get("leap") or "") if row.get("state") == "ok" else row.get("state") or "")
