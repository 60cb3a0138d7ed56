"""ntplab/train: a one-way ring of three over TCP, bent links, killed containers, snapshots."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest_images import Bench, Machine, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.slow]

NAMES = ["office", "c1", "c2"]
CLIENTS = NAMES[1:]
STATE = "/var/lib/ntplab/train"
EXAMPLE = "/opt/ntplab/share/train/timetable.csv"


class Ring:
    """office -> c1 -> c2 -> office."""

    def __init__(self, bench: Bench) -> None:
        network = bench.network()
        self.machines: dict[str, Machine] = {}
        for name, following in zip(NAMES, [*NAMES[1:], NAMES[0]], strict=True):
            config = {
                "name": name,
                "office": "office",
                "clients": CLIENTS if name == "office" else [],
                "neighbors": {following: {"host": following, "port": 7000}},
                "settings": {"retry_ns": 100_000_000, "retry_max_ns": 400_000_000},
            }
            self.machines[name] = bench.machine(
                "train",
                name,
                network=network,
                networking_config={
                    network: bench.client.api.create_endpoint_config(aliases=[name])
                },
                files={"/etc/ntplab/train.json": json.dumps(config)},
                env={"NTPLAB_SERVICES_DOWN": "chronyd"},
            )
        self.wait_for(*NAMES)

    def wait_for(self, *names: str) -> None:
        for name in names:
            wait_until(
                f"{name} answers",
                lambda m=self.machines[name]: m.run("ntplab-train", "ask", "status")[0] == 0,
            )

    def ask(self, name: str, *words: str) -> Any:
        return json.loads(self.machines[name].ok("ntplab-train", "ask", "--json", *words) or "null")

    def kill(self, *names: str) -> None:
        for name in names:
            self.machines[name].container.kill()
        for name in names:
            self.machines[name].container.start()
        self.wait_for(*names)

    def loads_end(self, requests: int) -> None:
        """Every client's own load has made its requests, and each has ended."""
        for name in CLIENTS:
            wait_until(
                f"the load of {name}",
                lambda name=name: self.is_done(self.ask(name, "status"), requests),
                timeout_s=120,
            )

    @staticmethod
    def is_done(status: dict[str, Any], requests: int) -> bool:
        return bool(
            len(status["client"]["outcomes"]) >= requests and status["client"]["stage"] == "idle"
        )

    def owned(self) -> dict[str, list[int]]:
        return {
            name: [ticket["ticket_id"] for ticket in self.ask(name, "tickets")] for name in CLIENTS
        }

    def holders(self) -> dict[str, Any]:
        """What the founding document's lists hold, everywhere."""
        return {name: self.ask(name, "tickets") for name in NAMES}

    def check_nothing_was_sold_twice(self) -> list[int]:
        """The tickets that are owned; the office must have each as sold to its owner."""
        owned = self.owned()
        every = sorted(number for numbers in owned.values() for number in numbers)
        assert len(set(every)) == len(every), owned
        sold = {
            sale["ticket"]["ticket_id"]: sale["client"]
            for sale in self.ask("office", "tickets")
            if sale["state"] in ("transferred", "deleted")
        }
        assert sold == {number: name for name, numbers in owned.items() for number in numbers}
        return every


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


@pytest.fixture(scope="module")
def ring(bench: Bench) -> Ring:
    return Ring(bench)


def facts(machine: Machine) -> list[dict[str, Any]]:
    return [json.loads(line) for line in machine.logs().splitlines() if line.startswith("{")]


# One ring is sold from, bent, killed and taken back, in this order.


def test_the_example_timetable_is_taken_and_given_back(ring: Ring) -> None:
    made = ring.ask("office", "import", EXAMPLE)
    seats = [line.split(",") for line in ring.machines["office"].ok("cat", EXAMPLE).splitlines()]
    assert len(made) == sum(int(line[-1]) for line in seats[1:])
    exported = ring.ask("office", "export").splitlines()
    assert [line.split(",")[-1] for line in exported[1:]] == [line[-1] for line in seats[1:]]


def test_bent_links_sell_every_ticket_once(ring: Ring) -> None:
    for name in NAMES:
        links = ring.ask(
            name, "link", "--loss", "0.1", "--duplication", "0.1", "--delay", "0ms-60ms"
        )
        assert [link["loss"] for link in links.values()] == [0.1]
    for name in CLIENTS:
        ring.ask(name, "load", "start", "--think", "10ms", "--requests", "6")
    ring.loads_end(6)
    wait_until(
        "every receipt is in", lambda: ring.ask("office", "status")["tickets"].get("deleted") == 12
    )
    assert len(ring.check_nothing_was_sold_twice()) == 12
    dropped = [link["dropped"] for n in NAMES for link in ring.ask(n, "status")["links"].values()]
    assert sum(dropped) > 0


def test_killed_containers_come_back_and_end_their_requests(ring: Ring) -> None:
    for name in NAMES:
        ring.ask(name, "link", "--delay", "20ms-50ms")
    for victim in ("c1", "office"):
        numbers = {name: ring.ask(name, "reserve")["request"] for name in CLIENTS}
        ring.kill(victim)
        for name, number in numbers.items():
            ended = ring.ask(name, "request", str(number), "--wait", "60s")
            assert ended["outcome"] == "owned", (victim, name, ended)
    assert len(ring.check_nothing_was_sold_twice()) == 16
    assert [ring.ask(name, "status")["incarnation"] for name in NAMES] == [2, 2, 1]


def test_a_snapshot_outlives_everybody_and_is_loaded(ring: Ring) -> None:
    epoch = ring.ask("office", "snapshot", "take", "--wait", "60s")
    before = ring.holders()
    for name in CLIENTS:
        assert ring.ask(name, "reserve", "--wait", "60s")["outcome"] == "owned"
    assert ring.holders() != before
    ring.kill(*NAMES)
    assert ring.ask("office", "snapshot", "list") == [epoch]
    ring.ask("office", "snapshot", "load", str(epoch), "--wait", "60s")
    wait_until("the clients go on", lambda: not any(ring.ask(n, "status")["halted"] for n in NAMES))
    assert ring.holders() == before
    for name in CLIENTS:
        assert ring.ask(name, "reserve", "--wait", "60s")["outcome"] == "owned"
    ring.check_nothing_was_sold_twice()


def test_facts_are_on_two_clocks(ring: Ring) -> None:
    told = facts(ring.machines["office"])
    assert {"started", "fact"} <= {fact["t"] for fact in told}
    for name in ("raw_ns", "wall_ns", "lamport"):
        values = [fact[name] for fact in told]
        assert values == sorted(values), name
    sold = [fact for fact in told if fact.get("event") == "ticket.sold"]
    assert len(sold) >= 16
    assert {fact["client"] for fact in sold} == set(CLIENTS)


def test_a_node_is_stopped_alone_and_says_so(ring: Ring) -> None:
    machine = ring.machines["c2"]
    machine.ok("s6-svc", "-wd", "-d", "/run/service/app")
    assert machine.service("app") == "down"
    # Its neighbor was connected all the time; one that waited for it would have been killed.
    assert machine.ok("s6-svstat", "-o", "exitcode", "/run/service/app") == "0"
    assert facts(machine)[-1]["t"] == "stopped"
    code, said = machine.run("ntplab-train", "ask", "status")
    assert code == 5
    assert "no node answers" in said
    machine.ok("s6-svc", "-wu", "-u", "/run/service/app")
    ring.wait_for("c2")


def test_a_damaged_state_is_refused_left_alone_and_not_tried_again(ring: Ring) -> None:
    machine, path = ring.machines["c1"], f"{STATE}/node.db"
    machine.ok("s6-svc", "-wd", "-d", "/run/service/app")
    machine.ok("sh", "-c", f"dd if=/dev/urandom of={path} bs=100 count=1 conv=notrunc 2>&1")
    damaged = machine.ok("sha256sum", path)
    machine.ok("s6-svc", "-u", "/run/service/app")
    wait_until("the refusal", lambda: "the node's state is damaged" in machine.logs())
    wait_until("the supervisor gives up", lambda: machine.service("app") == "down")
    assert machine.ok("sha256sum", path) == damaged
