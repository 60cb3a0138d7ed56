"""The page's model: rows of evidence in, changes and snapshots out."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ntplab.ui.hub import Hub
from ntplab.ui.model import EVENTS_MAX, FRAMES_MAX, Model, bound_ns

MS = 1_000_000


def clock(at_ms: int, **divergence_ns: int) -> list[dict[str, Any]]:
    return [
        {"lab_ns": at_ms * MS, "node": node, "wall_ns": 0, "divergence_ns": ns}
        for node, ns in divergence_ns.items()
    ]


def attempt(seat: str, buyer: str, outcome: str = "confirmed", **more: Any) -> dict[str, Any]:
    receipt = f"r-{buyer}" if outcome == "confirmed" else None
    return {
        "phase": "p", "seat": seat, "buyer": buyer, "outcome": outcome,
        "receipt_id": receipt, **more,
    }  # fmt: skip


def event(name: str, at_ms: int = 1, **fields: Any) -> dict[str, Any]:
    return {"lab_ns": at_ms * MS, "event": name, **fields}


def merged(model: Model, told: list[dict[str, Any]]) -> dict[str, Any]:
    """What a browser that was there from the beginning has put together."""
    halls: dict[str, Any] = {}
    seats: dict[str, dict[str, int]] = {}
    frames: list[Any] = []
    for new in told:
        frames += new.get("frames", [])
        halls |= {hall["name"]: hall for hall in new.get("halls", [])}
        for name, some in new.get("seats", {}).items():
            seats.setdefault(name, {}).update(some)
    return {"halls": list(halls.values()), "seats": seats, "frames": frames}


def test_a_frame_holds_every_clock_of_one_instant() -> None:
    model = Model(servers=["paris", "lyon"])
    model.feed("clock", [*clock(1000, paris=1, lyon=-5, db=7), *clock(1050, paris=2, lyon=-5)])
    model.feed("clock", clock(1100, paris=3, lyon=-6))
    shown = model.snapshot()
    assert shown["nodes"] == ["paris", "lyon", "db"]
    assert shown["frames"] == [[1000.0, 1, -5, 7], [1100.0, 3, -6, None]]  # 1050 came too soon


def test_frames_do_not_grow_without_end_and_keep_both_ends() -> None:
    model = Model(servers=["a"])
    for at_ms in range(0, 100 * (3 * FRAMES_MAX), 100):
        model.feed("clock", clock(at_ms + 1000, a=at_ms))
    frames = model.snapshot()["frames"]
    assert len(frames) <= FRAMES_MAX
    assert frames[0][0] == 1000.0
    assert frames[-1][1] == 100 * (3 * FRAMES_MAX - 1)


def test_a_seat_is_sold_twice_when_two_buyers_hold_receipts() -> None:
    model = Model()
    model.feed("attempts", [attempt("A-1", "ann"), attempt("A-1", "bob", "rejected")])
    assert model.snapshot()["seats"]["p"] == {"A-1": 1}
    model.feed("attempts", [attempt("A-1", "ann")])  # her own second receipt is no conflict
    assert model.snapshot()["seats"]["p"] == {"A-1": 1}
    model.feed("attempts", [attempt("A-1", "cid"), attempt("A-2", "dan", "timeout")])
    shown = model.snapshot()
    assert shown["seats"]["p"] == {"A-1": 2, "A-2": 0}
    hall = shown["halls"][0]
    assert (hall["attempts"], hall["receipts"], hall["failed"], hall["twice"]) == (5, 3, 1, 1)
    assert [row["buyer"] for row in model.receipts("p", "A-1")] == ["ann", "ann", "cid"]


def test_a_withdrawn_hold_is_no_receipt() -> None:
    model = Model()
    held = attempt("A-1", "ann", "held", confirm_outcome="expired", confirm_http_status=409)
    model.feed("attempts", [attempt("A-1", "bob"), held])
    assert model.snapshot()["seats"]["p"] == {"A-1": 1}


def test_ntp_and_faults_shade_the_chart() -> None:
    model = Model()
    model.feed("events", [event("ntp.seen", 1, node="a", state="off")])
    model.feed("events", [event("ntp.switched", 5, node="b", state="off")])
    model.feed("events", [event("fault.in_force", 7, node="a", kind="ntp-on", value="daemon")])
    model.feed("events", [event("fault.in_force", 8, node="b", kind="step", value="-5s")])
    model.feed("events", [event("fault.in_force", 8, node="b", kind="clock", value="0s 0ppm")])
    shades = model.snapshot()["shades"]
    assert shades["spans"] == [
        {"from": 1.0, "to": 7.0, "state": "off"},
        {"from": 7.0, "to": None, "state": "mixed"},
    ]
    assert shades["ntp"] == {"a": "on", "b": "off"}
    assert [fault["kind"] for fault in shades["faults"]] == ["step"]


def test_bound_is_the_root_distance() -> None:
    row = {"offset_ns": -10, "root_dispersion_ns": 5, "root_delay_ns": 8}
    assert bound_ns(row) == 10 + 5 + 4
    assert bound_ns({"offset_ns": 3}) is None


@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.sampled_from("xyz"), st.booleans(), st.booleans()),
        max_size=40,
    )
)
def test_changes_put_together_are_the_snapshot(steps: list[tuple[str, str, bool, bool]]) -> None:
    """Who was there from the start and who comes late see the same."""
    model = Model()
    told = []
    for number, (seat, buyer, yes, look) in enumerate(steps):
        model.feed("attempts", [attempt(seat, buyer, "confirmed" if yes else "rejected")])
        model.feed("clock", clock(100 * number + 500, a=number))
        if look:
            told.append(model.changes())
    told.append(model.changes())
    shown = model.snapshot()
    for key, value in merged(model, told).items():
        assert value == shown[key]
    assert model.changes() == {}


async def test_every_browser_is_told_the_same() -> None:
    model = Model(mode="lab")
    hub = Hub(lambda: model, lambda: False)
    one, other = hub.listen(), hub.listen()
    first = await anext(one)
    model.feed("events", [event("ntp.switched", node="a", state="off")])
    second = await anext(other)  # comes late: the news is in its snapshot already
    hub.tick()
    news = await anext(one)
    assert kind_of(first) == kind_of(second) == "all"
    assert kind_of(news) == "new"
    assert data_of(second)["shades"] == data_of(news)["shades"]
    model.feed("attempts", [attempt("A-1", "ann")])
    hub.tick()
    assert await anext(one) == await anext(other)
    await one.aclose()  # type: ignore[attr-defined]
    await other.aclose()  # type: ignore[attr-defined]


async def test_another_model_begins_everybody_anew() -> None:
    models = [Model(mode="idle"), Model(mode="replay")]
    hub = Hub(lambda: models[0], lambda: False)
    browser = hub.listen()
    assert data_of(await anext(browser))["about"]["mode"] == "idle"
    del models[0]
    hub.tick()
    assert data_of(await anext(browser))["about"]["mode"] == "replay"
    await browser.aclose()  # type: ignore[attr-defined]


def kind_of(frame: bytes) -> str:
    return frame.split(b"\n")[0].removeprefix(b"event: ").decode()


def data_of(frame: bytes) -> Any:
    return json.loads(frame.split(b"\n")[1].removeprefix(b"data: "))


def test_seconds_are_counted_from_the_first_event_in_every_browser() -> None:
    model = Model()
    for number in range(EVENTS_MAX + 50):
        model.feed("events", [{"event": "lab.step", "lab_ns": (number + 1) * 10**6}])
    told = model.snapshot()
    assert told["about"]["begun"] == 1.0
    assert told["events"][0]["at"] > 1.0  # the first are no longer listed
