"""Snapshots judged: is each a consistent cut, and is the system after a load that cut?

Consistent (train.md, property 6): balances sum to the messages that cross; no part knows more of a
node than that node recorded of itself (vector clocks); every owned ticket is sold to its owner.
After a load, every node is what the cut says and what it has reported since: `replayed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..train_results import Snapshots
from .facts import Account, Fact, Rules, Taken, TrainEvidence
from .traffic import Traffic

State = tuple[str, str | None, int | None]
"""of a ticket at the office: state, client, request"""
SOLD = ("transferred", "deleted")
AVAILABLE: State = ("available", None, None)
CHANGES = {
    "ticket.held": "held",
    "ticket.transferred": "transferred",
    "ticket.sold": "deleted",
    "hold.expired": "available",
    "hold.refused": "available",
    "ticket.reclaimed": "available",
    "ticket.created": "available",
    "ticket.removed": "removed",
}


def judge(
    train: TrainEvidence, facts: Sequence[Fact], end: Sequence[Account], traffic: Traffic | None,
    start_ns: int, end_ns: int,
) -> Snapshots:  # fmt: skip
    """Snapshots and loads between two moments; `facts` are those of that span."""
    taken = [t for t in train.snapshots if start_ns <= t.lab_ns < end_ns]
    problems = {t.epoch: list(inconsistencies(train.rules, t)) for t in taken}
    resumed = [f for f in facts if f.event == "load.resumed" and f.node == train.rules.office]
    differences = list(_after_loads(train, resumed, end))
    begun = sum(f.event == "snapshot.started" for f in facts)
    return Snapshots(
        taken=len(taken),
        seconds_max=_longest(facts, train.rules.office, "snapshot.started", "snapshot.whole"),
        messages=traffic.of_snapshots if traffic and begun else None,
        crossing=sum(len(t.document["snapshot"]["preposts"]) for t in taken),
        inconsistent=sum(bool(found) for found in problems.values()),
        loads=len(resumed),
        load_seconds_max=_longest(facts, train.rules.office, "load.started", "load.resumed"),
        load_differences=len(differences),
        problems=[
            *(f"snapshot {epoch}: {what}" for epoch, found in problems.items() for what in found),
            *differences,
        ],
    )


def _longest(facts: Sequence[Fact], office: str, begin: str, end: str) -> float | None:
    """Seconds of the longest span from one event of the office to the other."""
    seconds, since = [], None
    for fact in facts:
        if fact.node == office and fact.event == begin:
            since = fact.lab_ns
        elif fact.node == office and fact.event == end and since is not None:
            seconds.append((fact.lab_ns - since) / 1e9)
            since = None
    return max(seconds, default=None)


def inconsistencies(rules: Rules, taken: Taken) -> Iterator[str]:
    """What makes a snapshot no consistent cut, in words."""
    snapshot = taken.document["snapshot"]
    parts = dict(snapshot["parts"])
    if missing := set(rules.nodes) - parts.keys():
        yield f"no part of {', '.join(sorted(missing))}"
        return
    crossing = sum(part["balance"] for part in parts.values())
    if crossing != len(snapshot["preposts"]):
        yield f"{crossing} messages cross the cut, {len(snapshot['preposts'])} are there"
    vectors = {name: dict(map(tuple, part["vector"])) for name, part in parts.items()}
    for one in parts:
        for other in parts:
            if vectors[other].get(one, 0) > vectors[one].get(one, 0):
                yield f"{other} knows more of {one} than {one} recorded of itself"
    sales = office_states(parts[rules.office]["office"]["sales"])
    for client in rules.nodes[1:]:
        for request, ticket in parts[client]["client"]["owned"]:
            state = sales.get(int(ticket["ticket_id"]))
            if state is None or state[0] not in SOLD or state[1:] != (client, request):
                yield f"{client} owns ticket {ticket['ticket_id']}, the office has it {state}"


def office_states(sales: Any) -> dict[int, State]:
    """Tickets of an office's part: `sales` as pairs (a snapshot) or as a list (an account)."""
    rows = [row[1] if isinstance(row, list) else row for row in sales]
    return {
        int(row["ticket"]["ticket_id"]): (row["state"], row["client"], row["request"])
        for row in rows
    }


def _after_loads(
    train: TrainEvidence, resumed: Sequence[Fact], end: Sequence[Account]
) -> Iterator[str]:
    """The last load of the phase against the nodes' accounts at its end."""
    if not resumed:
        return
    load = resumed[-1]
    cuts = [taken for taken in train.snapshots if taken.lab_ns < load.lab_ns]
    if not cuts:
        yield "a snapshot was loaded that is not among the evidence"
        return
    since = [f for f in train.facts if f.generation == load.generation]
    parts = dict(cuts[-1].document["snapshot"]["parts"])
    for account in end:
        mine = [f for f in since if f.node == account.node and f.lab_ns <= account.lab_ns]
        if account.generation != load.generation:
            yield f"{account.node} is of generation {account.generation}, not {load.generation}"
        elif account.node == train.rules.office:
            wanted = replayed(office_states(parts[account.node]["office"]["sales"]), mine)
            yield from _differing(wanted, office_states(account.tickets))
        else:
            owned = parts[account.node]["client"]["owned"]
            wanted_ids = {int(ticket["ticket_id"]) for _, ticket in owned}
            wanted_ids |= {f.ticket_id or 0 for f in mine if f.event == "ticket.owned"}
            shown_ids = {int(ticket["ticket_id"]) for ticket in account.tickets}
            for number in sorted(wanted_ids ^ shown_ids):
                lacks = "lacks" if number in wanted_ids else "should not own"
                yield f"{account.node} {lacks} ticket {number}"


def replayed(cut: Mapping[int, State], facts: Sequence[Fact]) -> dict[int, State]:
    """The office's tickets as the cut has them, after what the office reported since."""
    states = dict(cut)
    for fact in facts:
        state = CHANGES.get(fact.event)
        if state is None or fact.ticket_id is None:
            continue
        if state == "available":
            states[fact.ticket_id] = AVAILABLE
        elif state == "removed":
            states[fact.ticket_id] = ("removed", None, None)
        else:
            states[fact.ticket_id] = (state, fact.client, fact.request)
    return states


def _differing(wanted: Mapping[int, State], shown: Mapping[int, State]) -> Iterator[str]:
    for number in sorted(wanted.keys() | shown.keys()):
        if wanted.get(number) != shown.get(number):
            yield f"ticket {number} is {shown.get(number)}, should be {wanted.get(number)}"
