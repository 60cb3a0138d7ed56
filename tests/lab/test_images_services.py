"""chronyd and PostgreSQL in their images: chronyd steers the page, each starts and stops alone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from .conftest_images import Bench, Clock, Machine, host_raw_ns, wait_until

pytestmark = pytest.mark.docker

WALL_NS = 1_696_161_600_000_000_000  # 2023-10-01 12:00:00 UTC
ASKED_OFFSET_NS = -300_000_000
DRIFT_PPM = 50
LIMIT_NS = 1_000_000
PASSWORD = 'it\'s "quoted" \\ and $odd'

CLIENT_CONF = """
server ntp1 iburst minpoll -2 maxpoll 0
makestep 0.05 -1
bindcmdaddress 0.0.0.0
cmdallow all
driftfile /var/lib/chrony/drift
logdir /var/log/chrony
log tracking measurements
"""

# What chronyd does at its start to find out whether ADJ_SETOFFSET works: the step must raise
# maxerror, which was zeroed before. It falls back to settimeofday() otherwise.
SETOFFSET_PROBE = """
import ctypes, json
class Timex(ctypes.Structure):
    _fields_ = [("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
                ("maxerror", ctypes.c_long), ("rest", ctypes.c_long * 40)]
libc = ctypes.CDLL(None, use_errno=True)
ADJ_MAXERROR, ADJ_SETOFFSET, ADJ_NANO = 0x4, 0x100, 0x2000
zero = Timex(modes=ADJ_MAXERROR)
step = Timex(modes=ADJ_SETOFFSET | ADJ_NANO)
results = [libc.adjtimex(ctypes.byref(t)) for t in (zero, step)]
print(json.dumps([*results, zero.maxerror, step.maxerror]))
"""


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


@pytest.fixture(scope="module")
def network(bench: Bench) -> str:
    """The network with a time server `ntp1` on it, whose page shows WALL_NS + time since 0."""
    network, clock = bench.network(), bench.clock("ntp1")
    clock.create(0, WALL_NS)
    bench.machine("timeserver", "ntp1", clock=clock, network=network, hostname="ntp1",
                  networking_config=alias(bench, network, "ntp1"))  # fmt: skip
    return network


def alias(bench: Bench, network: str, name: str) -> dict[str, object]:
    return {network: bench.client.api.create_endpoint_config(aliases=[name])}


def client(bench: Bench, network: str, node: str, **env: str) -> tuple[Machine, Clock]:
    """A machine 0.3 s slow on a fast oscillator, with chronyd still stopped."""
    clock = bench.clock(node)
    clock.create(0, WALL_NS + ASKED_OFFSET_NS)
    clock.set_drift(DRIFT_PPM)
    machine = bench.machine(
        "base",
        node,
        clock=clock,
        network=network,
        files={"/etc/chrony/chrony.conf": CLIENT_CONF},
        env={"NTPLAB_SERVICES_DOWN": "chronyd", "NTPLAB_UPTIME_S": "5000", **env},
    )
    wait_until("the supervisor", lambda: machine.run("s6-svstat", "/run/service/chronyd")[0] == 0)
    return machine, clock


def divergence_ns(clock: Clock) -> int:
    """From what the time server shows, at one instant."""
    raw_ns = host_raw_ns()
    return clock.wall_ns(raw_ns) - (WALL_NS + raw_ns)


@pytest.mark.slow
@pytest.mark.parametrize("timens", ["auto", "off"])
def test_chronyd_steers_the_page(bench: Bench, network: str, timens: str) -> None:
    machine, clock = client(bench, network, f"lyon-{timens}", NTPLAB_TIMENS=timens)
    assert machine.service("chronyd") == "down"
    before_ns = divergence_ns(clock)
    assert before_ns == pytest.approx(ASKED_OFFSET_NS, abs=50_000_000)

    machine.ok("s6-svc", "-wu", "-u", "/run/service/chronyd")
    wait_until("within 1 ms", lambda: abs(divergence_ns(clock)) < LIMIT_NS)
    tracking = wait_until("a reference", lambda: tracking_of(machine))
    assert tracking["stratum"] == 2

    machine.ok("s6-svc", "-wd", "-d", "/run/service/chronyd")
    assert machine.service("chronyd") == "down"
    assert "chronyd exiting" in machine.logs()
    assert machine.ok("ls", "/var/log/chrony").split() == ["measurements.log", "tracking.log"]


def tracking_of(machine: Machine) -> dict[str, int] | None:
    code, output = machine.run("chronyc", "-c", "tracking")
    fields = output.split(",")
    return {"stratum": int(fields[2])} if code == 0 and int(fields[2]) > 0 else None


def test_adj_setoffset_passes_chronyds_probe(bench: Bench, network: str) -> None:
    machine, _ = client(bench, network, "probe")
    zeroed, stepped, maxerror_before, maxerror_after = json.loads(
        machine.inside("python3", "-c", SETOFFSET_PROBE)
    )
    assert zeroed >= 0
    assert stepped >= 0
    assert maxerror_before == 0
    assert maxerror_after >= 100_000


@pytest.fixture(scope="module")
def db(bench: Bench, network: str) -> Machine:
    clock = bench.clock("db")
    clock.create(0, WALL_NS + 3600 * 10**9)
    machine = bench.machine(
        "postgres", "db", clock=clock, network=network,
        networking_config=alias(bench, network, "db"),
        files={
            "/etc/ntplab/secrets/db_password": PASSWORD + "\n",
            "/etc/chrony/chrony.conf": "local stratum 5\nallow all\n",
        },
    )  # fmt: skip
    wait_until("PostgreSQL answers", lambda: answers(machine))
    return machine


def answers(machine: Machine) -> bool:
    return machine.run("psql", "-U", "booking", "-d", "postgres", "-c", "SELECT 1")[0] == 0


def sql(machine: Machine, query: str, user: str = "postgres") -> str:
    return machine.ok("psql", "-U", user, "-d", "postgres", "-Atc", query)


def test_postgresql_is_17_and_keeps_its_machines_time(db: Machine) -> None:
    assert sql(db, "SHOW server_version").startswith("17.")
    before_ns = WALL_NS + 3600 * 10**9 + host_raw_ns()
    shown_us = int(sql(db, "SELECT (extract(epoch FROM clock_timestamp()) * 1e6)::bigint"))
    after_ns = WALL_NS + 3600 * 10**9 + host_raw_ns()
    assert before_ns // 1000 <= shown_us + 1
    assert shown_us <= after_ns // 1000 + 1
    assert sql(db, "SHOW timezone") == "UTC"
    assert sql(db, "SELECT datcollate FROM pg_database WHERE datname = 'postgres'") == "C.UTF-8"


def test_role_booking_may_log_in_and_create_databases_only(db: Machine) -> None:
    query = "SELECT rolcanlogin, rolcreatedb, rolsuper, rolcreaterole, rolreplication"
    assert sql(db, f"{query} FROM pg_roles WHERE rolname = 'booking'", "booking") == "t|t|f|f|f"


@pytest.mark.parametrize(("password", "welcome"), [(PASSWORD, True), ("wrong", False)])
def test_the_network_needs_the_labs_password(db: Machine, password: str, welcome: bool) -> None:
    code, output = db.run(
        "psql", "-h", "db", "-U", "booking", "-d", "postgres", "-Atc", "SELECT current_user",
        env={"PGPASSWORD": password},
    )  # fmt: skip
    if welcome:
        assert (code, output.strip()) == (0, "booking")
    else:
        assert code != 0
        assert "password authentication failed" in output


def test_the_superuser_is_not_for_the_network(db: Machine) -> None:
    code, _ = db.run("psql", "-h", "db", "-U", "postgres", "-wc", "SELECT 1")
    assert code != 0


def test_the_password_is_on_no_command_line_and_in_no_log(db: Machine) -> None:
    shown = db.ok("sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'")
    assert "s6-svscan" in shown
    assert "$odd" not in shown
    assert "$odd" not in db.logs()


def test_chronyd_and_postgresql_start_and_stop_independently(db: Machine) -> None:
    for stopped, other in [("chronyd", "postgres"), ("postgres", "chronyd")]:
        untouched = db.service(other)
        assert untouched.startswith("up ")
        db.ok("s6-svc", "-wd", "-d", f"/run/service/{stopped}")
        assert db.service(stopped) == "down"
        assert db.service(other) == untouched
        db.ok("s6-svc", "-wu", "-u", f"/run/service/{stopped}")
        assert db.service(stopped).startswith("up ")
        assert db.service(other) == untouched
    wait_until("PostgreSQL answers again", lambda: answers(db))


def test_postgresql_survives_a_killed_container(bench: Bench) -> None:
    machine = bench.machine(
        "postgres", "killed", files={"/etc/ntplab/secrets/db_password": "secret"}
    )
    wait_until("PostgreSQL answers", lambda: answers(machine))
    sql(machine, "CREATE DATABASE kept", "booking")
    machine.container.kill()
    machine.container.start()
    wait_until("PostgreSQL answers after the kill", lambda: answers(machine))
    assert sql(machine, "SELECT count(*) FROM pg_database WHERE datname = 'kept'") == "1"


@pytest.mark.parametrize(
    "lock", ["/var/lib/postgresql/data/postmaster.pid", "/run/postgresql/.s.PGSQL.5432.lock"]
)
def test_postgresql_does_not_take_another_program_for_itself(bench: Bench, lock: str) -> None:
    """What a killed container leaves behind names a process id, and ids come around again."""
    machine = bench.machine(
        "postgres",
        f"stale-{lock.rpartition('.')[2]}",
        files={"/etc/ntplab/secrets/db_password": "secret"},
        env={"NTPLAB_SERVICES_DOWN": "postgres chronyd"},
    )
    wait_until("the supervisor is up", lambda: machine.run("pgrep", "-o", "s6-svscan")[0] == 0)
    stranger = machine.ok("pgrep", "-o", "s6-svscan")
    machine.ok("sh", "-c", f"printf '%s\n/\n' {stranger} >{lock}")
    machine.ok("s6-svc", "-u", "/run/service/postgres")
    wait_until("PostgreSQL answers beside a stranger's id", lambda: answers(machine))
