"""The train system on the page: facts of the nodes in; tickets, messages and cuts out."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ntplab.ui.model import Model
from ntplab.ui.network import AVAILABLE, HELD, SOLD, TWICE, Network, network_of

MS = 1_000_000
PLAN = {
    "office": "office", "clients": ["ann", "bob"], "protocol": "literal", "timetable": "long",
    "neighbors": {"office": ["ann"], "ann": ["bob"], "bob": ["office"]},
}  # fmt: skip


def fact(
    at_ms: int, node: str, event: str, client: str | None = None, ticket: int | None = None,
    **more: Any,
) -> dict[str, Any]:  # fmt: skip
    return {"lab_ns": at_ms * MS, "node": node, "event": event, "client": client, "request": 1,
            "ticket_id": ticket, "epoch": 0, "wall_ns": at_ms * MS, **more}  # fmt: skip


SOLD_TWICE = [
    fact(0, "ann", "request.sent", "ann"),
    fact(10, "office", "ticket.held", "ann", 1),
    fact(20, "ann", "ticket.owned", "ann", 1),
    fact(30, "bob", "request.sent", "bob"),
    fact(40, "office", "hold.expired", "ann", 1),
    fact(50, "office", "ticket.held", "bob", 1),
    fact(60, "bob", "ticket.owned", "bob", 1),
]
"""The literal protocol's flaw: ann's receipt does not come before her hold is over."""


def network(*facts: dict[str, Any], protocol: str = "literal") -> Network:
    found = Network({**PLAN, "protocol": protocol})
    for one in facts:
        found.fact(one)
    return found


def test_the_page_is_told_who_is_there_and_no_more() -> None:
    told = network_of(PLAN)
    assert told is not None
    assert "timetable" not in told
    assert told["neighbors"]["ann"] == ["bob"]
    assert network_of(None) is None


def test_a_ticket_goes_from_hand_to_hand() -> None:
    states = []
    shown = network()
    for one in SOLD_TWICE:
        shown.fact(one)
        states.append(shown.plain()["tickets"].get("1"))
    assert states == [
        None, [HELD, ["ann"]], [SOLD, ["ann"]], [SOLD, ["ann"]], [SOLD, ["ann"]],
        [SOLD, ["ann"]], [TWICE, ["ann", "bob"]],
    ]  # fmt: skip
    free = network(fact(0, "office", "ticket.created", None, 7)).plain()["tickets"]
    assert free == {"7": [AVAILABLE, []]}


@given(st.permutations(SOLD_TWICE))
def test_each_node_tells_its_own_story_and_all_orders_show_the_same(
    facts: list[dict[str, Any]],
) -> None:
    shown = network(*facts).plain()
    assert shown["tickets"]["1"][0] == TWICE
    assert shown["messages"]["request ann 1"] == ["request", "ann", "office", 0.0, 10.0, None]
    assert shown["messages"]["ticket bob 1"] == ["ticket", "office", "bob", 50.0, 60.0, 1]
    assert shown["messages"]["receipt ann 1"][4] is None  # lost, or late: nobody says it came


def test_an_offer_goes_there_and_back_before_the_ticket() -> None:
    facts = [
        fact(0, "ann", "request.sent", "ann"),
        fact(1, "office", "ticket.held", "ann", 1),
        fact(5, "office", "ticket.transferred", "ann", 1),
        fact(8, "ann", "ticket.owned", "ann", 1),
        fact(9, "office", "ticket.sold", "ann", 1),
    ]
    messages = network(*facts, protocol="confirmed").plain()["messages"]
    assert {kind.split()[0]: one[3:5] for kind, one in messages.items()} == {
        "request": [0.0, 1.0], "offer": [1.0, 5.0], "ticket": [5.0, 8.0], "receipt": [8.0, 9.0],
    }  # fmt: skip


def test_changes_put_together_are_the_whole() -> None:
    shown, tickets, messages = network(), {}, {}
    for one in SOLD_TWICE:
        shown.fact(one)
        new = shown.changes()
        tickets |= new["tickets"]
        messages |= new["messages"]
    whole = shown.plain()
    assert (tickets, messages) == (whole["tickets"], whole["messages"])
    assert shown.changes() == {"tickets": {}, "messages": {}, "cuts": []}


def document(ann_owns: list[int]) -> str:
    sales = [
        [n, {"ticket": {"ticket_id": n}, "state": "deleted" if n in ann_owns else "available",
             "client": "ann" if n in ann_owns else None, "request": 1}]
        for n in (1, 2)
    ]  # fmt: skip
    owned = [[1, {"ticket_id": n}] for n in ann_owns]
    parts = [
        ["office", {"office": {"sales": sales}, "client": None}],
        ["ann", {"office": None, "client": {"owned": owned}}],
        ["bob", {"office": None, "client": {"owned": []}}],
    ]
    crossing = [{"origin": "ann", "destination": "office", "kind": "RECEIPT"}]
    return json.dumps({"snapshot": {"epoch": 3, "parts": parts, "preposts": crossing}})


def test_a_cut_is_when_each_node_recorded_itself_and_what_crosses_it() -> None:
    shown = network(
        fact(10, "office", "snapshot.started", epoch=3),
        fact(15, "bob", "snapshot.recorded", epoch=3),
        fact(12, "ann", "snapshot.recorded", epoch=3),
    )
    (cut,) = shown.plain()["cuts"]
    assert cut == {"epoch": 3, "at": {"office": 10.0, "bob": 15.0, "ann": 12.0}, "whole": False,
                   "crossing": None}  # fmt: skip
    shown.fact(fact(20, "office", "snapshot.whole", epoch=3))
    shown.snapshot({"epoch": 3, "document": document([1])})
    (cut,) = shown.changes()["cuts"]
    assert (cut["whole"], cut["crossing"]) == (True, [["ann", "office", "RECEIPT"]])


def test_after_a_load_tickets_are_what_the_snapshot_says() -> None:
    shown = network(*SOLD_TWICE)
    shown.snapshot({"epoch": 3, "document": document([2])})
    shown.changes()
    shown.fact(fact(90, "office", "load.started"))
    new = shown.changes()
    assert new["tickets"] == {"1": [AVAILABLE, []], "2": [SOLD, ["ann"]]}
    assert new["all"] is True
    assert new["messages"] == {}


def test_tickets_of_a_phase_are_its_hall() -> None:
    model = Model(system="train", network=network_of(PLAN), servers=["office", "ann", "bob"])
    model.feed("ticket_events", [fact(0, "office", "ticket.created", None, 1)])
    started = {"lab_ns": 0, "event": "phase.started", "phase": "p", "ntp": "off"}
    model.feed("events", [started])
    model.feed("ticket_events", [*SOLD_TWICE, fact(99, "ann", "request.none", "ann")])
    shown = model.snapshot()
    assert shown["seats"] == {"p": {"ticket-0001": 2}}
    hall = shown["halls"][0]
    assert (hall["attempts"], hall["receipts"], hall["twice"], hall["failed"]) == (2, 2, 1, 1)
    receipts = model.receipts("p", "ticket-0001")
    assert [row["buyer"] for row in receipts] == ["ann", "bob"]
    assert model.changes()["network"]["tickets"] == {"1": [TWICE, ["ann", "bob"]]}
    plain = Model(servers=["paris"])
    plain.feed("ticket_events", SOLD_TWICE)
    assert plain.snapshot()["network"] is None
