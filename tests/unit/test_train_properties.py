"""train.md's properties 1 to 8 under every fault, with the code that runs in a lab."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import traincounting
from train import codec, commands, cut, deliver
from train import office as office_rules
from train.checking.system import wrong_cut
from train.messages import KIND_OF, Offer
from train.office_state import HoldClock, Protocol, State
from train.snapshot import Part
from train.ticket import Wish
from train.turn import Turn
from train.window import Window
from trainworld import JOURNEY, MS, OFFICE, TOPOLOGIES, World, lively, neighbors, stormy

EXAMPLES = int(os.environ.get("NTPLAB_TRAIN_EXAMPLES", "25"))
SEEDS = range(int(os.environ.get("NTPLAB_TRAIN_SEEDS", "30")))

clients = st.integers(0, 2).map(lambda number: f"c{number}")
nodes = st.one_of(st.just(OFFICE), clients)
places = st.integers(0, 10**6)


class TrainMachine(RuleBasedStateMachine):
    """Whatever hypothesis does to it, `World` finds nothing wrong, and in the end it settles."""

    @initialize(
        topology=st.sampled_from(TOPOLOGIES), hold_clock=st.sampled_from(HoldClock),
        auto_confirm=st.booleans(), strangers=st.booleans(), seed=st.integers(0, 999),
    )  # fmt: skip
    def begin(
        self, topology: str, hold_clock: HoldClock, auto_confirm: bool, strangers: bool, seed: int
    ) -> None:
        self.world = World(
            topology, 3, hold_clock=hold_clock, auto_confirm=auto_confirm, strangers=strangers
        )
        self.chance = random.Random(seed)
        self.world.command(OFFICE, commands.create_ticket, **JOURNEY)

    @precondition(lambda self: self.world.lines)
    @rule(at=places, keep=st.booleans())
    def deliver_or_duplicate(self, at: int, keep: bool) -> None:
        self.world.arrive(at % len(self.world.lines), keep=keep)

    @precondition(lambda self: self.world.lines)
    @rule(many=st.integers(1, 12))
    def deliver_in_any_order(self, many: int) -> None:
        for _ in range(min(many, len(self.world.lines))):
            self.world.arrive(self.chance.randrange(len(self.world.lines)))

    @precondition(lambda self: self.world.lines)
    @rule(at=places)
    def drop(self, at: int) -> None:
        self.world.lines.pop(at % len(self.world.lines))

    @precondition(lambda self: self.world.lines)
    @rule(at=places)
    def crash_between_commit_and_send(self, at: int) -> None:
        self.world.arrive(at % len(self.world.lines), lost=True)

    @rule(name=nodes)
    def crash_and_restart(self, name: str) -> None:
        self.world.start(name)

    @rule(name=nodes, after_ms=st.integers(0, 3_000), lost=st.booleans())
    def tick(self, name: str, after_ms: int, lost: bool) -> None:
        self.world.now_ns += after_ms * MS
        self.world.tick(name, lost=lost)

    @rule(by_ms=st.integers(-5_000, 5_000))
    def step_the_wall_clock(self, by_ms: int) -> None:
        self.world.wall_off_ns += by_ms * MS

    @rule(name=clients, ticket=st.one_of(st.none(), st.integers(1, 3)))
    def reserve(self, name: str, ticket: int | None) -> None:
        self.world.command(name, commands.reserve, Wish(ticket_id=ticket))

    @rule(name=clients)
    def consult(self, name: str) -> None:
        self.world.command(name, commands.consult, Wish(origin="Paris"))

    @rule(name=clients, accept=st.booleans())
    def decide(self, name: str, accept: bool) -> None:
        self.world.command(name, commands.decide, accept)

    @rule()
    def create(self) -> None:
        self.world.command(OFFICE, commands.create_ticket, **JOURNEY)

    @rule(number=st.integers(1, 3), remove=st.booleans())
    def update_or_remove(self, number: int, remove: bool) -> None:
        office = self.world.nodes[OFFICE].office
        assert office is not None
        if remove:
            self.world.command(OFFICE, commands.remove_ticket, number)
        elif number in office.sales:
            changed = replace(office.sales[number].ticket, price_cents=1, holder="somebody")
            self.world.command(OFFICE, commands.update_ticket, changed)

    @rule(name=nodes)
    def take_snapshot(self, name: str) -> None:
        self.world.command(name, commands.take_snapshot)

    @rule()
    def reset_snapshot(self) -> None:
        self.world.command(OFFICE, commands.reset_snapshot)

    @precondition(lambda self: self.world.snapshots)
    @rule(which=places)
    def load_snapshot(self, which: int) -> None:
        self.world.load(self.world.snapshots[which % len(self.world.snapshots)])

    @invariant()
    def nothing_is_wrong(self) -> None:
        if hasattr(self, "world"):
            assert self.world.problems == []

    def teardown(self) -> None:
        if hasattr(self, "world") and not self.world.problems:
            self.world.settle(self.chance)
            assert self.world.problems == []


TestTrain = TrainMachine.TestCase
TestTrain.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=40, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_storms_leave_nothing_wrong_and_everything_ends(topology: str) -> None:
    snapshots = loads = 0
    for seed in list(SEEDS)[::3]:
        world = lively(
            seed, topology, 2 + seed % 2, hold_clock=list(HoldClock)[seed % 2],
            auto_confirm=seed % 3 > 0, strangers=seed % 5 == 0,
        )  # fmt: skip
        assert world.problems == [], f"seed {seed}"
        snapshots += len(world.snapshots)
        loads += world.nodes[OFFICE].generation
    assert snapshots > 0
    assert loads > 0


def test_topologies_are_what_they_are_called() -> None:
    names = ["office", "c0", "c1"]
    assert neighbors("line", names) == {"office": ["c0"], "c0": ["office", "c1"], "c1": ["c0"]}
    assert neighbors("ring-one-way", names) == {"office": ["c0"], "c0": ["c1"], "c1": ["office"]}
    assert neighbors("star", names) == {"office": ["c0", "c1"], "c0": ["office"], "c1": ["office"]}
    assert all(len(reached) == 2 for reached in neighbors("ring", names).values())
    assert all(len(reached) == 3 for reached in neighbors("mesh", [*names, "c2"]).values())


def test_the_literal_protocol_sells_twice_in_a_storm() -> None:
    assert any(sold_twice(seed, Protocol.LITERAL) for seed in range(40))
    assert not any(sold_twice(seed, Protocol.CONFIRMED) for seed in range(40))


def sold_twice(seed: int, protocol: Protocol) -> bool:
    chance = random.Random(seed)
    world = World("star", 2, protocol=protocol)
    world.command(OFFICE, commands.create_ticket, **JOURNEY)
    for name in ("c0", "c1"):
        world.command(name, commands.reserve, Wish())
    for _ in range(120):
        world.now_ns += chance.randrange(800 * MS)
        if world.lines and chance.random() < 0.5:
            world.arrive(chance.randrange(len(world.lines)))
        world.tick(chance.choice(world.names))
    clients = [node.client for node in world.nodes.values() if node.client is not None]
    return sum(len(client.owned) for client in clients) > 1


# faults that were found, each by one of the tests above


def pass_on(world: World, receiver: str, *kinds: str) -> None:
    """Deliver what is under way to `receiver` of these kinds; the rest is lost."""
    lines, world.lines = world.lines, []
    for name, line in lines:
        if name == receiver and KIND_OF[type(codec.decode(line).body)] in kinds:
            world.lines.insert(0, (name, line))
            world.arrive(0)


def test_a_repetition_of_before_the_cut_acknowledges_nothing_of_after_it() -> None:
    """Else the peer forgets, before it records, what crosses the cut: lost when that is loaded."""
    world = World("star", 1)
    world.command(OFFICE, commands.create_ticket, **JOURNEY)
    world.command("c0", commands.reserve, Wish())
    pass_on(world, OFFICE, "REQ")
    world.lines = []
    world.start("c0")
    before_the_cut, world.lines = world.lines, []
    world.command(OFFICE, commands.take_snapshot)
    world.lines = before_the_cut
    pass_on(world, OFFICE, "SYNC")
    world.lines = []
    world.now_ns += 1_000 * MS
    world.tick(OFFICE)
    again = ((line, codec.decode(line[1])) for line in world.lines)
    world.lines = [line for line, e in again if isinstance(e.body, Offer) and e.epoch == 0]
    assert len(world.lines) == 1
    world.arrive(0)
    client = world.nodes["c0"]
    assert client.epoch == 0
    kinds = [pending.kind for pending in client.links[OFFICE].app.outbox.values()]
    assert "SYNC" in kinds
    world.settle(random.Random(0))
    assert world.problems == []
    assert [wrong_cut(snapshot) for snapshot in world.snapshots] == [None]


def test_a_client_that_the_office_meets_after_a_load_is_served() -> None:
    world = World("star", 2, strangers=True)
    world.command(OFFICE, commands.create_ticket, **JOURNEY)
    world.command(OFFICE, commands.create_ticket, **JOURNEY)
    world.command("c0", commands.reserve, Wish())
    world.settle(random.Random(1))
    world.command(OFFICE, commands.take_snapshot)
    world.settle(random.Random(2))
    world.load(world.snapshots[0])
    world.settle(random.Random(3))
    world.command("c1", commands.reserve, Wish())
    world.settle(random.Random(4))
    assert world.problems == []
    late = world.nodes["c1"].client
    assert late is not None
    assert list(late.owned) == [1]


def test_a_client_that_is_in_step_ignores_a_resume_of_the_past() -> None:
    world = lively(5, "star")
    world.command(OFFICE, commands.take_snapshot)
    world.settle(random.Random(2))
    world.load(world.snapshots[-1])
    halted = world.nodes[OFFICE]
    assert halted.halted
    turn = Turn(halted, deliver.Settings(), world.rules, world.reading)
    deliver.barrier.resume(turn, halted.generation - 1)
    assert turn.node == halted


# tests of the tests: each fault that is put in has to be noticed


def holds_end_after_the_transfer(patch: pytest.MonkeyPatch) -> None:
    transfer = office_rules._transfer

    def timed(rules, office, client, request):  # type: ignore[no-untyped-def]
        step = transfer(rules, office, client, request)
        sales = {
            n: replace(s, deadline_ns=1) if s.state is State.TRANSFERRED else s
            for n, s in step.office.sales.items()
        }
        return replace(step, office=replace(step.office, sales=sales))

    patch.setattr(office_rules, "_transfer", timed)


def windows_forget(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Window, "__contains__", lambda self, number: False)


def forwards_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Turn, "is_new", lambda self, envelope: True)


def loads_without_a_new_generation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deliver, "_is_current", lambda turn, envelope: not turn.node.halted)


def forgets_the_clients_part(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deliver.barrier, "_client", lambda current, recorded: current)


def expires_nothing_and_transfers_twice(patch: pytest.MonkeyPatch) -> None:
    def generous(rules, office, client, request):  # type: ignore[no-untyped-def]
        sale = next(iter(office.sales.values()))
        sent = office_rules.TicketSent(request, replace(sale.ticket, holder=client))
        return office_rules.Step(office, (sent,))

    patch.setattr(office_rules, "_transfer", generous)


def repeats_acknowledge_the_future(patch: pytest.MonkeyPatch) -> None:
    emit = Turn.emit

    def eager(self, peer, uid, pending, body):  # type: ignore[no-untyped-def]
        emit(self, peer, uid, pending, body)
        floor = self.link(peer).app.window.floor
        self._sends[-1] = replace(self._sends[-1], app_ack=floor)

    patch.setattr(Turn, "emit", eager)


FAULTS: tuple[Callable[[pytest.MonkeyPatch], None], ...] = (
    traincounting.count_before_recording,
    traincounting.reset_the_balance,
    traincounting.recolor_what_is_repeated,
    traincounting.record_after_turning_message,
    traincounting.never_wake_silent_nodes,
    holds_end_after_the_transfer,
    windows_forget,
    forwards_everything,
    loads_without_a_new_generation,
    forgets_the_clients_part,
    expires_nothing_and_transfers_twice,
    repeats_acknowledge_the_future,
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_fault_that_is_put_in_is_noticed(
    fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    for seed in range(60):
        if noticed(seed):
            return
    pytest.fail("no seed notices it")


def noticed(seed: int) -> bool:
    chance = random.Random(seed)
    world = World(TOPOLOGIES[seed % 5], 2)
    for _ in range(3):
        world.command(OFFICE, commands.create_ticket, **JOURNEY)
    try:
        stormy(world, chance, 200)
        world.command(OFFICE, commands.take_snapshot)
        stormy(world, chance, 250)
        if world.snapshots:
            world.load(world.snapshots[-1])
        stormy(world, chance, 200)
        world.settle(chance, events_max=2_500)
    except Exception:  # a broken system may break anywhere: that is noticed too
        return True
    return world.problems != []


@pytest.mark.parametrize(
    ("counting", "totals_right"),
    [(None, True), (traincounting.count_before_recording, False)],
    ids=["record first", "count first"],
)
def test_balances_sum_to_what_crosses_the_cut_only_when_recorded_first(
    counting: Callable[[pytest.MonkeyPatch], None] | None,
    totals_right: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As train.md's simulation: the order of the two steps decides over the totals."""
    if counting is not None:
        counting(monkeypatch)
    wrong = sum(wrong_totals(seed) for seed in range(12))
    assert (wrong == 0) == totals_right


def wrong_totals(seed: int) -> int:
    """Of the snapshots of a storm: whose balances do not sum to what their parts say crosses."""
    parts: dict[int, dict[str, Part]] = {}
    record, chance = cut.record, random.Random(seed)

    def noting(turn: Turn) -> Part:
        part = record(turn)
        parts.setdefault(turn.node.epoch + 1, {})[part.name] = part
        return part

    with pytest.MonkeyPatch.context() as inner:
        inner.setattr(cut, "record", noting)
        world = World("ring", 3)
        for _ in range(4):
            world.command(OFFICE, commands.create_ticket, **JOURNEY)
        for _ in range(3):
            for name in world.names[1:]:
                world.command(name, commands.reserve, Wish())
            stormy_without_loads(world, chance, 12)
            world.command(OFFICE, commands.take_snapshot)
            stormy_without_loads(world, chance, 200)
            world.command(OFFICE, commands.reset_snapshot)
    whole = [cut_ for cut_ in parts.values() if len(cut_) == len(world.names)]
    return sum(sum(part.balance for part in cut_.values()) != crossing_of(cut_) for cut_ in whole)


def crossing_of(parts: dict[str, Part]) -> int:
    return sum(
        uid not in parts[peer].channels[name].window
        for name, part in parts.items()
        for peer, channel in part.channels.items()
        for uid in channel.outbox
    )


def stormy_without_loads(world: World, chance: random.Random, events: int) -> None:
    for _ in range(events):
        world.now_ns += chance.randrange(30 * MS)
        if world.lines and chance.random() < 0.9:
            world.arrive(chance.randrange(len(world.lines)))
        else:
            world.tick(chance.choice(world.names))
