"""PostgreSQL, Redis and X.509 certificates on a virtual clock that is stepped under them.

What a server does about a step in the middle of a wait is its own affair: PostgreSQL counts
`pg_sleep` and its timeouts to a wall time, so a clock that is set back makes them longer. A virtual
clock has to show that, and the tests ask for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from .conftest_images import ENTER, wait_until
from .conftest_programs import DAY_NS, NS_PER_S, START_NS, Host, Talker

pytestmark = pytest.mark.docker

WAIT_ERROR_S = 0.005
BACK_NS = NS_PER_S

PSQL = ("psql", "-AtqX", "-U", "postgres", "postgres")
REDIS_SOCKET = "/tmp/redis.sock"
REDIS = ("redis-server", "--port", "0", "--unixsocket", REDIS_SOCKET, "--save", "")

# Valid for a day from the virtual now on, as `openssl req` counts it.
MAKE_CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
    " -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    " -keyout /tmp/key.pem -out /tmp/cert.pem"
)
TLS_PORT = "8443"
TLS_SERVER = (
    *("openssl", "s_server", "-www", "-accept", TLS_PORT),
    *("-key", "/tmp/key.pem", "-cert", "/tmp/cert.pem"),
)
CLIENTS = {
    "curl": f"curl --silent --show-error --cacert /tmp/cert.pem https://localhost:{TLS_PORT}",
    "openssl": "openssl verify -CAfile /tmp/cert.pem /tmp/cert.pem",
    "python": (
        "python3 -c \"import ssl, urllib.request as u; u.urlopen('https://localhost:"
        f"{TLS_PORT}', context=ssl.create_default_context(cafile='/tmp/cert.pem'))\""
    ),
    # Not fetch(), nor any choice of address: both give a connection up that is slow.
    "node": (
        "NODE_EXTRA_CA_CERTS=/tmp/cert.pem node -e \"require('https').get("
        f"{{ host: 'localhost', port: {TLS_PORT}, family: 4 }}, () => process.exit(0))"
        ".on('error', (e) => { console.log(e); process.exit(1) })\""
    ),
}


@pytest.fixture
def host(programs_host: Host) -> Host:
    programs_host.start_over()
    return programs_host


# PostgreSQL


@pytest.fixture
def psql(host: Host) -> Iterator[Talker]:
    wait_until("PostgreSQL", lambda: host.machine.run("pg_isready", "-q")[0] == 0)
    with host.machine_talker(*PSQL) as client:
        yield client


def sql_ns(psql: Talker, moment: str) -> int:
    """A timestamp of the server's, in ns; its resolution is a microsecond."""
    return int(psql.ask(f"SELECT (extract(epoch FROM {moment}) * 1000000)::bigint;")) * 1000


def assert_reads_the_page(host: Host, read_ns: Callable[[], int]) -> None:
    before_ns = host.wall_ns()
    shown_ns = read_ns()
    assert before_ns // 1000 * 1000 <= shown_ns <= host.wall_ns()


def test_postgresql_reads_the_page_in_a_session_that_lives_through_steps(
    host: Host, psql: Talker
) -> None:
    for by_ns in (0, DAY_NS, -2 * DAY_NS):
        host.step(by_ns)
        for moment in ("now()", "clock_timestamp()", "statement_timestamp()"):
            assert_reads_the_page(host, lambda at=moment: sql_ns(psql, at))
    host.drift(100_000)
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline:
        assert_reads_the_page(host, lambda: sql_ns(psql, "clock_timestamp()"))


def test_now_stands_still_in_a_transaction_whatever_the_clock_does(
    host: Host, psql: Talker
) -> None:
    psql.say("BEGIN;")
    first_ns = sql_ns(psql, "now()")
    host.step(DAY_NS)
    assert sql_ns(psql, "now()") == first_ns
    assert sql_ns(psql, "clock_timestamp()") - first_ns >= DAY_NS
    psql.say("COMMIT;")
    assert sql_ns(psql, "now()") - first_ns >= DAY_NS


def test_a_row_is_dated_by_its_servers_clock(host: Host, psql: Talker) -> None:
    psql.say("CREATE TEMP TABLE booked (id int, at timestamptz DEFAULT clock_timestamp());")
    psql.say("INSERT INTO booked VALUES (1);")
    assert psql.ask("SELECT id FROM booked WHERE at::date = '2023-10-01';") == "1"
    host.step(-DAY_NS)
    psql.say("INSERT INTO booked VALUES (2);")
    # The later row bears the earlier date, as behind any clock that was set back.
    assert psql.ask("SELECT string_agg(id::text, ',' ORDER BY at) FROM booked;") == "2,1"


WAITS = {
    "pg_sleep": "SELECT pg_sleep({ms} / 1000.0);",
    "statement_timeout": "SET statement_timeout = {ms}; SELECT pg_sleep(1000);",
    "lock_timeout": "SET lock_timeout = {ms}; BEGIN; LOCK TABLE contested;",
}


@pytest.mark.parametrize("wait", WAITS)
def test_waits_of_postgresql_end_on_time_and_as_it_counts_them(
    host: Host, psql: Talker, wait: str
) -> None:
    psql.say("CREATE TABLE IF NOT EXISTS contested (); BEGIN; LOCK TABLE contested;")
    assert psql.ask("SELECT 'locked';") == "locked"
    # A step forward wakes nobody early: the timer underneath is monotonic.
    assert overtime_s(host, wait, lambda: host.step(DAY_NS)) >= -WAIT_ERROR_S
    # Set back, the wall time to wait for is further away, by just that much.
    back_s = overtime_s(host, wait, lambda: host.step(-BACK_NS))
    assert back_s >= BACK_NS / NS_PER_S - WAIT_ERROR_S


def overtime_s(host: Host, wait: str, bend: Callable[[], None]) -> float:
    """By how much a wait gets longer when the clock is bent in the middle of it.

    A wait that was over before it could be bent proves nothing: a longer one is tried.
    """
    for asked_s in (0.5, 2.0, 8.0, 32.0):
        with host.machine_talker(*PSQL) as session, host.machine_talker(*PSQL) as watcher:
            if (took_s := bent_wait_s(session, watcher, wait, asked_s, bend)) is not None:
                return took_s - asked_s
    pytest.fail("no wait was long enough to be seen")


def bent_wait_s(
    session: Talker, watcher: Talker, wait: str, asked_s: float, bend: Callable[[], None]
) -> float | None:
    """How long a wait of `asked_s` took; None if it ended before the clock was bent.

    The session is a fresh one: PostgreSQL leaves the alarm of an earlier timeout running, and one
    that comes after a step forward finds the next timeout due.
    """
    backend = session.ask("SELECT pg_backend_pid();")
    look = f"SELECT coalesce(wait_event_type, '-') FROM pg_stat_activity WHERE pid = {backend};"
    assert watcher.ask(look) == "Client"
    began_s = time.monotonic()
    session.say(WAITS[wait].format(ms=round(asked_s * 1000)))
    session.say("\\echo over")
    while watcher.ask(look) not in ("Timeout", "Lock"):
        if session.has_answered():
            return None
    bend()
    in_time = not session.has_answered()
    while session.hear() != "over":
        pass
    return time.monotonic() - began_s if in_time else None


# Redis


@pytest.fixture(scope="module")
def redis(programs_host: Host) -> Callable[..., str]:
    """Asks a Redis server that runs on the machine's clock."""
    programs_host.start(*REDIS)

    def ask(*words: str) -> str:
        return programs_host.machine.ok("redis-cli", "-s", REDIS_SOCKET, *words)

    ping = ("redis-cli", "-s", REDIS_SOCKET, "PING")
    wait_until("Redis", lambda: programs_host.machine.run(*ping) == (0, "PONG\n"))
    return ask


def redis_ns(redis: Callable[..., str]) -> int:
    seconds, micros = redis("TIME").split()
    return int(seconds) * NS_PER_S + int(micros) * 1000


def test_redis_reads_the_page(host: Host, redis: Callable[..., str]) -> None:
    for by_ns in (0, DAY_NS, -2 * DAY_NS):
        host.step(by_ns)
        assert_reads_the_page(host, lambda: redis_ns(redis))


def test_keys_of_redis_expire_in_wall_time(host: Host, redis: Callable[..., str]) -> None:
    redis("SET", "hold", "seat", "EX", "3600")
    host.step(3000 * NS_PER_S)
    assert 0 < int(redis("PTTL", "hold")) <= 600_000
    host.step(-1000 * NS_PER_S)
    assert 1_500_000 < int(redis("PTTL", "hold")) <= 1_600_000
    assert redis("GET", "hold") == "seat"
    host.step(1601 * NS_PER_S)
    assert redis("GET", "hold") == ""
    redis("SET", "other", "seat", "EX", "3600")
    host.step(3601 * NS_PER_S)
    # Nobody asks for this one: the server's own sweep takes it away.
    wait_until("the sweep", lambda: redis("DBSIZE") == "0")


# certificates


@pytest.fixture(scope="module")
def certificate(programs_host: Host) -> None:
    """A self-signed certificate of a day, made at START_NS on the virtual clock, and its server."""
    programs_host.start_over()
    programs_host.inside(*MAKE_CERTIFICATE.split())
    dates = programs_host.machine.ok("openssl", "x509", "-in", "/tmp/cert.pem", "-noout", "-dates")
    assert "notBefore=Oct  1 12:0" in dates
    assert "notAfter=Oct  2 12:0" in dates
    programs_host.start(*TLS_SERVER)
    look = ("curl", "-ks", f"https://localhost:{TLS_PORT}")
    wait_until("the TLS server", lambda: programs_host.machine.run(*look)[0] == 0)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_certificate_is_valid_by_the_virtual_clock(
    host: Host, certificate: None, client: str
) -> None:
    def verify() -> tuple[int, str]:
        code, said = host.machine.run(ENTER, "sh", "-c", CLIENTS[client])
        return code, said.lower()

    noon_ns = START_NS + DAY_NS // 2  # of the day that the certificate is valid for
    host.set(noon_ns)
    code, said = verify()
    assert code == 0, said
    host.step(2 * DAY_NS)
    code, said = verify()
    assert code != 0
    assert "expired" in said
    host.step(-3 * DAY_NS)
    code, said = verify()
    assert code != 0
    assert "not yet valid" in said or "not_yet_valid" in said
    host.set(noon_ns)
    code, said = verify()
    assert code == 0, said
