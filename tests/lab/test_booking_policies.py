"""The policies that cure, or do not, on real servers: one pair, its policy changed in place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest_images import wait_until
from .test_booking_service import TTL_NS, Lab, S, Server, at_once, seat_name

pytestmark = pytest.mark.docker

MS = 1_000_000
Change = Callable[[str, dict[str, int]], list[Server]]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.started() as lab:
        yield lab


@pytest.fixture(scope="module")
def change(lab: Lab) -> Change:
    """Slow is five seconds behind right, and its machine was started before right's."""
    servers = lab.servers("unique", {}, {"right": 0, "slow": -5 * S})

    def to(policy: str, params: dict[str, int]) -> list[Server]:
        wanted = json.dumps({"policy": policy, "params": params})
        for server in servers:
            health = json.loads(server.machine.ok("python3", "-m", "booking.reconfigure", wanted))
            assert (health["status"], health["policy"]) == ("ok", policy)
        return servers

    return to


def rows(lab: Lab, server: Server, view: str, seat: str) -> list[Any]:
    query = f"SELECT row_to_json(e) FROM evidence_{view} e WHERE seat = '{seat}'"
    return lab.sql(f"booking_{server.name}", query)


def test_a_change_that_is_refused_leaves_the_policy(change: Change) -> None:
    right, _ = change("unique", {})
    code, said = right.machine.run("python3", "-m", "booking.reconfigure", '{"policy": "luck"}')
    assert code == 1
    assert "luck" in json.loads(said)["refused"]
    assert right.reserve(seat_name()).document["policy"] == "unique"
    assert right.call("/readyz").document["policy"] == "unique"


def test_a_change_outlives_the_process(change: Change) -> None:
    right, _ = change("lease", {"ttl_ns": TTL_NS})
    right.app("-wr", "-r")
    wait_until("right again", right.ready)
    assert right.call("/readyz").document["policy"] == "lease"


def take_over(a: Server, b: Server) -> list[int]:
    """A holds the seat, B comes for it at once, then both confirm: the four statuses."""
    seat = seat_name()
    held, taken = a.reserve(seat, "anna"), b.reserve(seat, "bert")
    asked = [(a, held), (b, taken)]
    return [held.status, taken.status] + [
        server.confirm(reply.document["claim_id"]).status for server, reply in asked
    ]


def test_a_lease_is_taken_over_by_a_faster_clock_and_both_are_told_yes(change: Change) -> None:
    right, slow = change("lease", {"ttl_ns": 4 * S})
    assert take_over(slow, right) == [201, 201, 200, 200]


def test_a_fencing_token_tells_the_first_holder_no(lab: Lab, change: Change) -> None:
    right, slow = change("lease-fenced", {"ttl_ns": 4 * S})
    assert take_over(slow, right) == [201, 201, 409, 200]
    tokens = lab.sql("booking", "SELECT fencing_token FROM evidence_reservations"
                     " WHERE policy = 'lease-fenced' ORDER BY claimed_raw_ns")  # fmt: skip
    assert sorted(tokens) == [1, 2]


def test_the_databases_clock_is_the_same_for_both(change: Change) -> None:
    right, slow = change("lease-db-time", {"ttl_ns": 4 * S})
    held, taken, confirmed, _ = take_over(slow, right)
    assert (held, taken, confirmed) == (201, 409, 200)


def test_uptimes_of_two_machines_do_not_compare(change: Change) -> None:
    right, slow = change("lease-monotonic", {"ttl_ns": 4 * S})
    longer, shorter = sorted((right, slow), key=lambda s: s.uptime_s, reverse=True)
    assert take_over(shorter, longer) == [201, 201, 200, 200]
    assert take_over(longer, shorter)[:3] == [201, 409, 200]


def test_the_last_write_wins_only_what_it_knows_nothing_of(lab: Lab, change: Change) -> None:
    servers = change("last-write-wins", {})
    right, slow = servers
    seat = seat_name()
    assert right.reserve(seat, "anna").status == 201
    wait_until("the news at slow", lambda: rows(lab, slow, "claims", seat))
    assert slow.reserve(seat, "bert").status == 409
    for seat in [seat_name() for _ in range(6)]:
        replies = at_once(*[lambda s=s, seat=seat: s.reserve(seat, s.name) for s in servers])
        told = [reply.document["server"] for reply in replies if reply.status == 201]
        if len(told) == 2:  # crossed on the wire: both replicas keep the higher stamp, right's
            for server in servers:
                knows = lambda s=server, x=seat: len(rows(lab, s, "claims", x)) == 2  # noqa: E731
                wait_until("both claims", knows)
                (kept,) = lab.sql(f"booking_{server.name}", "SELECT to_json(origin) FROM registers"
                                  f" WHERE seat = '{seat}'")  # fmt: skip
                assert kept == "right"


def test_a_hybrid_clock_stamps_above_what_it_has_seen(lab: Lab, change: Change) -> None:
    right, slow = change("hybrid-logical", {"stability_ns": 200 * MS})
    seat = seat_name()
    first = right.reserve(seat, "anna")
    wait_until("the claim at slow", lambda: rows(lab, slow, "claims", seat))
    second = slow.reserve(seat, "bert")
    assert (first.status, second.status) == (201, 409)
    (own,) = [c for c in rows(lab, slow, "claims", seat) if c["origin"] == "slow"]
    assert (own["stamp_ns"], own["logical"]) > (first.document["stamp_ns"], 0)
    assert own["stamp_ns"] - own["claimed_wall_ns"] > 4 * S


def test_without_a_synchronised_chronyd_commit_wait_sells_nothing(change: Change) -> None:
    right, _ = change("commit-wait", {"lag_ns": 200 * MS, "limit_ns": 50 * MS})
    refused = right.reserve(seat_name())
    assert refused.status == 503
    assert refused.document["type"] == "urn:ntplab:booking:clock-uncertain"
    assert refused.media_type == "application/problem+json"
