"""The booking service in its image, on real PostgreSQL, with clocks that really differ."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from .conftest_images import Bench, Clock, Machine, host_raw_ns, wait_until

pytestmark = pytest.mark.docker

S = 1_000_000_000
PASSWORD = 'p"w \\ 5$'
SECRET = {"/etc/ntplab/secrets/db_password": PASSWORD}
WALL_NS = 1_696_161_600 * S  # 2023-10-01 12:00:00 UTC, at raw time 0
DELTA_NS = S // 5
TTL_NS = 30 * S
TIMEOUT_S = 60
FAST_NS = 80_000_000

# Steers far too slowly to mend FAST_NS within a test: what it believes can be held against it.
SLOW_CHRONY = """
server {ntp} iburst minpoll -2 maxpoll 0
maxslewrate 1
bindcmdaddress 0.0.0.0
cmdallow all
driftfile /var/lib/chrony/drift
"""

_numbers = count(1)


def seat_name() -> str:
    return f"S-{next(_numbers)}"


def key() -> str:
    return f"key-{next(_numbers)}"


@dataclass(frozen=True)
class Reply:
    status: int
    document: Any
    media_type: str


@dataclass
class Server:
    """A booking server, called from the host."""

    name: str
    machine: Machine
    clock: Clock
    uptime_s: int
    address: str = field(init=False)

    def __post_init__(self) -> None:
        self.machine.container.reload()
        (network,) = self.machine.container.attrs["NetworkSettings"]["Networks"].values()
        self.address = f"http://{network['IPAddress']}:8000"

    def call(self, path: str, body: Any = None, **headers: str) -> Reply:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                return _reply(response.status, response)
        except urllib.error.HTTPError as error:
            with error:
                return _reply(error.code, error)

    def reserve(self, seat: str, buyer: str = "b", idempotency_key: str = "") -> Reply:
        body = {"seat": seat, "buyer": buyer, "phase": "test"}
        return self.call("/reserve_ticket", body, **{"Idempotency-Key": idempotency_key or key()})

    def confirm(self, claim_id: str) -> Reply:
        return self.call("/confirm_reservation", {"claim_id": claim_id})

    def cancel(self, claim_id: str) -> Reply:
        return self.call("/cancel_reservation", {"claim_id": claim_id})

    def ready(self) -> bool:
        try:
            return self.call("/readyz").status == 200
        except OSError:
            return False

    def app(self, *options: str) -> None:
        self.machine.ok("s6-svc", *options, "/run/service/app")

    def set_clock(self, divergence_ns: int) -> None:
        """Step the wall clock to true time + divergence, as `date -s` would."""
        seconds = (WALL_NS + host_raw_ns() + divergence_ns) / S
        self.machine.inside("date", "-s", f"@{seconds:.9f}")


def _reply(status: int, response: Any) -> Reply:
    text = response.read().decode()
    media_type = response.headers.get_content_type()
    return Reply(status, json.loads(text) if "json" in media_type else text, media_type)


@dataclass
class Lab:
    """One network with one database; makes servers on it."""

    bench: Bench
    network: str
    db: Machine

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Lab]:
        """The network and its database; all that was made on it is removed at the end."""
        with Bench() as bench:
            network = bench.network()
            env = {"NTPLAB_SERVICES_DOWN": "chronyd", "NTPLAB_MAP": "user"}
            db = bench.machine("postgres", "db", env=env, files=SECRET, network=network)
            yield cls(bench, network, db)

    def servers(self, policy: str, params: dict[str, int], divergence_ns: dict[str, int],
                chrony: str | None = None) -> list[Server]:  # fmt: skip
        """Servers that know each other, started at once, ready."""
        names = list(divergence_ns)
        made = [
            self._server(name, policy, params, names, divergence_ns[name], chrony) for name in names
        ]
        for server in made:
            wait_until(f"{server.name} ready: {server.machine.logs()}", server.ready, TIMEOUT_S)
        return made

    def _server(self, name: str, policy: str, params: dict[str, int], names: list[str],
                divergence_ns: int, chrony: str | None) -> Server:  # fmt: skip
        clock = self.bench.clock(name)
        clock.create(0, WALL_NS + divergence_ns)
        uptime_s = 1000 * next(_numbers)
        peers = [f"{p}=http://{self._host(p)}:8000" for p in names if p != name]
        env = {
            "NTPLAB_UPTIME_S": str(uptime_s),
            "NTPLAB_POLICY": policy,
            "NTPLAB_POLICY_PARAMS": json.dumps(params),
            "NTPLAB_PEERS": " ".join(peers),
            "NTPLAB_DB_HOST": self.db.docker_name,
            "NTPLAB_DB_PASSWORD_FILE": "/etc/ntplab/secrets/db_password",
        }
        if chrony is None:
            env["NTPLAB_SERVICES_DOWN"] = "chronyd"
        files = SECRET if chrony is None else SECRET | {"/etc/chrony/chrony.conf": chrony}
        machine = self.bench.machine(
            "booking", name, clock=clock, env=env, files=files, network=self.network
        )
        return Server(name, machine, clock, uptime_s)

    def _host(self, name: str) -> str:
        return f"ntplab-{self.bench.lab}-{name}"

    def sql(self, database: str, query: str) -> list[Any]:
        """Rows of `query`, each one JSON value."""
        text = self.db.ok("psql", "-h", "/run/postgresql", "-U", "booking", "-d", database,
                          "-XAtc", query)  # fmt: skip
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.started() as lab:
        yield lab


@pytest.fixture(scope="module")
def unique(lab: Lab) -> list[Server]:
    return lab.servers("unique", {}, {"uma": 0, "urs": -5 * S})


@pytest.fixture(scope="module")
def ordered(lab: Lab) -> list[Server]:
    """One true clock and one five seconds behind: the founding document's servers."""
    return lab.servers("timestamp-order", {"stability_ns": DELTA_NS}, {"paris": 0, "lyon": -5 * S})


@pytest.fixture(scope="module")
def lease(lab: Lab) -> list[Server]:
    return lab.servers("lease", {"ttl_ns": TTL_NS}, {"lea": 0, "leo": 0})


def at_once(*calls: Callable[[], Reply]) -> list[Reply]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


# --- start --------------------------------------------------------------------------------


def test_servers_that_start_at_once_migrate_once(lab: Lab, unique: list[Server]) -> None:
    steps = lab.sql("booking", "SELECT json_build_array(part, number) FROM migrations")
    assert sorted(map(tuple, steps)) == sorted(set(map(tuple, steps)))
    assert ["core", 1] in steps
    created = sum(server.machine.logs().count("database created") for server in unique)
    assert created == 1


def test_a_wrong_environment_is_said_and_not_tried_again(lab: Lab) -> None:
    machine = lab.bench.machine("booking", "wrong", env={"NTPLAB_POLICY": "luck"})
    wait_until("the app to give up", lambda: "hint:" in machine.logs())
    wait_until("the supervisor to leave it", lambda: machine.service("app") == "down")
    assert "NTPLAB_DB_HOST: not set" in machine.logs()
    assert machine.logs().count("hint:") == 1


# --- unique -------------------------------------------------------------------------------


def test_one_buyer_gets_the_seat_whatever_the_clocks(unique: list[Server]) -> None:
    seat = seat_name()
    buyers = [(server, f"b{i}") for i, server in enumerate(unique * 8)]
    replies = at_once(*[lambda s=s, b=b: s.reserve(seat, b) for s, b in buyers])
    assert sorted(reply.status for reply in replies) == [201] + [409] * 15
    (winner,) = [reply for reply in replies if reply.status == 201]
    assert winner.document["decision"] == "confirmed"
    assert winner.document["receipt_id"]
    loser = next(reply for reply in replies if reply.status == 409)
    assert loser.media_type == "application/problem+json"
    assert loser.document["decision"] == "rejected"


def test_a_repeated_key_gets_the_first_answer(unique: list[Server]) -> None:
    seat, again = seat_name(), key()
    replies = at_once(*[lambda s=s: s.reserve(seat, "b", again) for s in unique * 8])
    assert {reply.status for reply in replies} == {201}
    (answer,) = {json.dumps(reply.document) for reply in replies}
    uma = unique[0]
    uma.app("-wr", "-r")
    wait_until("uma again", uma.ready)
    assert json.dumps(uma.reserve(seat, "b", again).document) == answer
    other = uma.reserve(seat, "somebody else", again)
    assert (other.status, other.document["type"]) == (
        422,
        "urn:ntplab:booking:idempotency-key-reused",
    )
    lost, again = uma.reserve(seat, "late"), key()
    assert [uma.reserve(seat, "late", again).status for _ in range(2)] == [409, 409]
    assert lost.document["claim_id"] != uma.reserve(seat, "late", again).document["claim_id"]


def test_stamps_are_the_virtual_clocks(unique: list[Server]) -> None:
    for server, divergence_ns in zip(unique, (0, -5 * S), strict=True):
        answer = server.reserve(seat_name()).document
        host_raw = answer["raw_ns"] - server.uptime_s * S
        assert abs(answer["stamp_ns"] - (WALL_NS + host_raw + divergence_ns)) < 1_000_000


# --- timestamp-order ----------------------------------------------------------------------


def evidence(lab: Lab, server: Server, view: str, seat: str) -> list[Any]:
    database = f"booking_{server.name}"
    return lab.sql(database, f"SELECT row_to_json(e) FROM evidence_{view} e WHERE seat = '{seat}'")


def both_by_evidence(lab: Lab, servers: list[Server], seat: str) -> bool:
    """The policy's condition, from the databases alone: the lower claim came too late."""
    claims = evidence(lab, servers[0], "claims", seat)
    assert len(claims) == 2
    low, high = sorted(claims, key=lambda c: (c["stamp_ns"], c["origin"]))
    holder = next(server for server in servers if server.name == high["origin"])
    learned = {c["claim_id"]: c for c in evidence(lab, holder, "claims", seat)}
    (verdict,) = evidence(lab, holder, "reservations", seat)
    assert verdict["decided_raw_ns"] >= verdict["claimed_raw_ns"] + DELTA_NS
    return bool(learned[low["claim_id"]]["received_raw_ns"] > verdict["decided_raw_ns"])


def test_a_server_five_seconds_behind_sells_the_seat_again(lab: Lab, ordered: list[Server]) -> None:
    paris, lyon = ordered
    seat = seat_name()
    first = paris.reserve(seat, "anna")
    second = lyon.reserve(seat, "bert")  # paris has answered, so δ is over
    assert (first.status, second.status) == (201, 201)
    assert second.document["stamp_ns"] < first.document["stamp_ns"]
    assert first.document["receipt_id"] != second.document["receipt_id"]
    assert both_by_evidence(lab, ordered, seat)


def test_the_other_way_round_the_seat_is_sold_once(lab: Lab, ordered: list[Server]) -> None:
    paris, lyon = ordered
    seat = seat_name()
    assert lyon.reserve(seat, "anna").status == 201
    late = paris.reserve(seat, "bert")
    assert late.status == 409
    assert not both_by_evidence(lab, ordered, seat)


def test_each_race_ends_as_the_condition_says(lab: Lab, ordered: list[Server]) -> None:
    """Claims at the same moment: δ is long against the lag, so as a rule one of them loses."""
    seats = [seat_name() for _ in range(8)]
    for seat in seats:
        at_once(*[lambda s=s, seat=seat: s.reserve(seat, s.name) for s in ordered])
        confirmed = [
            r["server"]
            for server in ordered
            for r in evidence(lab, server, "reservations", seat)
            if r["decision"] == "confirmed"
        ]
        assert (len(confirmed) == 2) == both_by_evidence(lab, ordered, seat)
        assert "lyon" in confirmed  # its stamp is the lower


def test_the_same_server_sells_twice_after_a_step_back(ordered: list[Server]) -> None:
    paris = ordered[0]
    seat = seat_name()
    assert paris.reserve(seat, "anna").status == 201
    assert paris.reserve(seat, "bert").status == 409
    paris.set_clock(-60 * S)
    assert paris.reserve(seat, "carl").status == 201
    paris.set_clock(0)


def test_a_claim_survives_its_server(lab: Lab) -> None:
    """Killed while a claim waits for its decision: repeated, the request goes on with it."""
    wait_ns = 3 * S
    nice, metz = lab.servers("timestamp-order", {"stability_ns": wait_ns}, {"nice": 0, "metz": 0})
    seat, again = seat_name(), key()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(nice.reserve, seat, "anna", again)
        wait_until("the claim at the peer", lambda: evidence(lab, metz, "claims", seat))
        nice.app("-k")
        with pytest.raises(OSError):  # noqa: PT011 (the connection broke, in one way or another)
            first.result()
    wait_until("nice again", nice.ready)
    reply = nice.reserve(seat, "anna", again)
    assert reply.status == 201
    (claim,) = evidence(lab, metz, "claims", seat)
    assert reply.document["claim_id"] == claim["claim_id"]
    assert reply.document["stamp_ns"] == claim["stamp_ns"]
    assert metz.reserve(seat, "bert").status == 409


def test_a_request_under_way_is_answered_before_the_end(lab: Lab) -> None:
    (brest,) = lab.servers("timestamp-order", {"stability_ns": S}, {"brest": 0})
    seat = seat_name()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(brest.reserve, seat)
        wait_until("the claim", lambda: evidence(lab, brest, "claims", seat))
        began = time.monotonic()
        brest.app("-wD", "-d")
        assert waiting.result().status == 201
        assert time.monotonic() - began < TIMEOUT_S
    assert brest.machine.service("app") == "down"


# --- lease --------------------------------------------------------------------------------


def test_with_true_clocks_a_lease_keeps_others_away(lease: list[Server]) -> None:
    lea, leo = lease
    seat = seat_name()
    held = lea.reserve(seat, "anna").document
    assert held["decision"] == "held"
    assert held["hold_expires_ns"] == held["stamp_ns"] + TTL_NS
    assert leo.reserve(seat, "bert").status == 409
    elsewhere = leo.confirm(held["claim_id"])
    assert (elsewhere.status, elsewhere.document["type"]) == (
        409,
        "urn:ntplab:booking:wrong-server",
    )
    confirmed = lea.confirm(held["claim_id"])
    assert (confirmed.status, confirmed.document["decision"]) == (200, "confirmed")
    assert lea.confirm(held["claim_id"]).document == confirmed.document
    assert lea.cancel(held["claim_id"]).status == 409
    assert leo.reserve(seat, "carl").status == 409


def test_a_seat_given_back_is_free(lease: list[Server]) -> None:
    lea, leo = lease
    seat = seat_name()
    claim_id = lea.reserve(seat, "anna").document["claim_id"]
    assert lea.cancel(claim_id).document["decision"] == "cancelled"
    assert lea.cancel(claim_id).status == 200
    assert lea.confirm(claim_id).status == 409
    assert leo.reserve(seat, "bert").status == 201


def test_a_lease_that_is_over_is_not_confirmed(lease: list[Server]) -> None:
    lea = lease[0]
    claim_id = lea.reserve(seat_name()).document["claim_id"]
    lea.set_clock(TTL_NS + S)
    try:
        late = lea.confirm(claim_id)
    finally:
        lea.set_clock(0)
    assert (late.status, late.document["decision"]) == (409, "expired")
    assert lea.confirm(claim_id).status == 409, "decided once and for all"


def test_a_clock_ahead_takes_over_a_lease_that_lives(lab: Lab, lease: list[Server]) -> None:
    """The window of the design: θ_B - θ_A beyond what is left of A's lease, A confirms after."""
    lea, leo = lease
    seat = seat_name()
    a = lea.reserve(seat, "anna").document
    leo.set_clock(TTL_NS + 5 * S)
    try:
        b = leo.reserve(seat, "bert").document
        assert b["decision"] == "held"
        receipts = {lea.confirm(a["claim_id"]).document["receipt_id"],
                    leo.confirm(b["claim_id"]).document["receipt_id"]}  # fmt: skip
    finally:
        leo.set_clock(0)
    assert len(receipts - {None}) == 2
    rows = lab.sql(
        "booking",
        f"SELECT row_to_json(e) FROM evidence_reservations e WHERE seat = '{seat}'",
    )
    first, second = sorted(rows, key=lambda r: r["stamp_ns"])
    granted_b = second["claimed_raw_ns"] - leo.uptime_s * S
    theta = {r["server"]: r["hold_granted_ns"] - (r["claimed_raw_ns"] - server.uptime_s * S)
             for r, server in ((first, lea), (second, leo))}  # fmt: skip
    left = first["hold_expires_ns"] - (granted_b + theta["lea"])
    assert theta["leo"] - theta["lea"] > left
    assert first["decided_raw_ns"] - lea.uptime_s * S > granted_b


# --- operation ----------------------------------------------------------------------------


def test_a_lost_database_is_said_and_survived(lab: Lab, unique: list[Server]) -> None:
    uma = unique[0]
    lab.db.ok("s6-svc", "-wD", "-d", "/run/service/postgres")
    try:
        lost = uma.reserve(seat_name())
        assert (lost.status, lost.media_type) == (503, "application/problem+json")
        assert uma.call("/readyz").status == 503
        assert uma.call("/healthz").status == 200
    finally:
        lab.db.ok("s6-svc", "-u", "/run/service/postgres")
    wait_until("uma to book again", uma.ready)
    assert uma.reserve(seat_name()).status == 201


def test_reservations_are_paged_and_filtered(unique: list[Server]) -> None:
    uma = unique[0]
    seats = [seat_name() for _ in range(5)]
    for seat in seats:
        uma.reserve(seat, "pager")
    found: list[Any] = []
    query = "?server=uma&limit=2"
    while True:
        page = uma.call("/get_reservations" + query).document
        found += page["reservations"]
        if page["next"] is None:
            break
        query = f"?server=uma&limit=2&next={page['next']}"
    assert [r["seat"] for r in found if r["buyer"] == "pager"] == seats
    assert len({r["claim_id"] for r in found}) == len(found)
    assert {r["server"] for r in found} == {"uma"}
    (one,) = uma.call(f"/get_reservations?seat={seats[0]}").document["reservations"]
    stamp = one["stamp_ns"]
    inside = uma.call(f"/get_reservations?seat={seats[0]}&from={stamp}&to={stamp + 1}").document
    assert inside["reservations"] == [one]
    outside = uma.call(f"/get_reservations?seat={seats[0]}&to={stamp}").document
    assert outside["reservations"] == []


def test_ground_truth_puts_the_stamps_right(ordered: list[Server]) -> None:
    paris, lyon = ordered
    seat = seat_name()
    first = paris.reserve(seat, "anna").document
    second = lyon.reserve(seat, "bert").document
    truth = [
        {"server": answer["server"], "wall_ns": answer["stamp_ns"], "raw_ns": answer["raw_ns"],
         "error_ns": error_ns}
        for answer, error_ns in ((first, 0), (second, -5 * S))
    ]  # fmt: skip
    before = paris.call(f"/compare_reservations?seat={seat}").document["seats"][0]
    assert before["order_before"] == [second["claim_id"], first["claim_id"]]
    paris.call("/internal/clock_measurements", {"measurements": truth})
    after = paris.call(f"/compare_reservations?seat={seat}").document
    (compared,) = after["seats"]
    assert compared["order_after"] == [first["claim_id"], second["claim_id"]]
    assert compared["order_changed"]
    assert after["servers_known"] == ["lyon", "paris"]
    assert after["servers_decided"] == ["paris"]


def test_a_clock_that_nobody_steers_says_so(unique: list[Server]) -> None:
    uma = unique[0]
    wait_until(
        "chronyd to have been asked",
        lambda: uma.call("/clock").document["chronyd"]["state"] == "chronyd not running",
    )
    seat = seat_name()
    uma.reserve(seat)
    wait_until("its silence on record", lambda: reason(uma, seat) == "chronyd not running")


def reason(server: Server, seat: str) -> str:
    (compared,) = server.call(f"/compare_reservations?seat={seat}").document["seats"]
    return str(compared["claims"][0]["clock_error_reason"])


def test_what_chronyd_believes_has_the_sign_of_the_divergence(lab: Lab) -> None:
    """A clock 80 ms fast that chronyd may not mend: believed fast, within its own bound."""
    true = lab.bench.clock("ntp")
    true.create(0, WALL_NS)
    ntp = lab.bench.machine("timeserver", "ntp", clock=true, network=lab.network)
    chrony = SLOW_CHRONY.format(ntp=ntp.docker_name)
    (dijon,) = lab.servers("unique", {}, {"dijon": FAST_NS}, chrony)

    def believed() -> Any:
        belief = dijon.call("/clock").document["chronyd"]
        return belief if belief["state"] == "ok" else None

    belief = wait_until("chronyd to be synchronised", believed)
    assert abs(belief["offset_ns"] - FAST_NS) < FAST_NS / 10
    assert belief["error_bound_ns"] >= abs(belief["offset_ns"])
    assert belief["leap"] == "Normal"

    seat = seat_name()
    dijon.reserve(seat)

    def corrected() -> Any:
        (compared,) = dijon.call(f"/compare_reservations?seat={seat}").document["seats"]
        claim = compared["claims"][0]
        return claim if claim["clock_error_ns"] is not None else None

    claim = wait_until("its belief on record", corrected)
    assert (claim["clock_error_source"], claim["ntp"]) == ("chronyd", "on")
    assert abs(claim["stamp_ns"] - claim["corrected_stamp_ns"] - FAST_NS) < FAST_NS / 10
