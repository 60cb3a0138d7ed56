"""PostgreSQL under the preload beside the same PostgreSQL without: pgbench's own read-only load.

One container, two servers in it with a database each, made by the same commands; both run all the
time, in the same namespaces, and one of them is asked at a time. pgbench itself has no preload.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..driver.base import Driver
from ..faults.handle import ENTER, LabHandle, until
from ..labtime import LabClock
from ..topology import NodeSpec
from .figures import Outcome, compare
from .labs import fresh_name, undisturbed
from .measuring import Bench
from .throughput import parse_tps

NAME = "pgbench_select"
ABOUT = {NAME: "transactions/s of pgbench -S, PostgreSQL under the preload beside without"}
TARGET = 0.97
RUNS = 61
"""Many short ones: a server that is alone on the machine for a second gains more than a clock."""
CLIENTS = 4
TRANSACTIONS = 2_000
"""of each client, some 0.3 s"""
SCALE = 5
NODE = "postgres"
PAGE = "/clock/page"
PORTS = {"virtual": "5433", "native": "5434"}
WITHOUT = ("env", "-u", "LD_PRELOAD", "-u", "VCLOCK_PAGE")
START_MAX_S = 60.0
MAKE_PAGE = (
    "import ctypes, time; c = ctypes.CDLL('/usr/lib/ntplab/libvclockmodel.so').vclock_page_create; "
    "c.argtypes = [ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64]; "
    f"raise SystemExit(-c(b'{PAGE}', -1, time.time_ns() - 10**9))"
)


def measure(bench: Bench) -> Iterator[Outcome]:
    """A figure in transactions per second."""
    lab = fresh_name()
    handle = LabHandle(bench.driver, lab, LabClock.anchored_now())
    rates: dict[str, list[float]] = {way: [] for way in PORTS}
    try:
        start_container(bench.driver, lab)
        handle.must(NODE, ["python3", "-c", MAKE_PAGE])
        for way in PORTS:
            start_server(handle, way)
            fill(handle, way)
            run_pgbench(handle, way)
        for number in range(RUNS):
            # Forth and back: what grows or fades during a round favors neither.
            for way in PORTS if number % 2 else reversed(PORTS):
                rates[way].append(run_pgbench(handle, way))
            bench.tell(NAME, ", ".join(f"{way} {tps[-1]:.0f}/s" for way, tps in rates.items()))
    finally:
        with undisturbed():
            bench.driver.remove_lab(lab)
    ours, other = rates["virtual"], rates["native"]
    yield compare(NAME, ours, other, "native", "/s", TARGET, better="higher", paired=True)


def start_container(driver: Driver, lab: str) -> None:
    """A container of the lab's database image that sleeps."""
    environment = {"VCLOCK_PAGE": PAGE, "NTPLAB_MAP": "user", "NTPLAB_UPTIME_S": "1000"}
    spec = NodeSpec(
        NODE,
        "database",
        "ntplab/postgres",
        environment=environment,
        entrypoint=("sleep",),
        command=("3600",),
        time_namespace=True,
    )
    driver.create(lab, spec, {}, {})
    driver.start(lab, NODE)


def start_server(handle: LabHandle, way: str) -> None:
    """A PostgreSQL with its own copy of the image's empty cluster, on its own port."""
    data, port = f"/tmp/{way}", PORTS[way]
    environment = " ".join(WITHOUT) if way == "native" else ""
    settings = f"-D {data} -p {port} -c data_directory={data} -c listen_addresses="
    handle.must(NODE, ["cp", "-a", "/var/lib/postgresql/data", data])
    command = (
        f"{ENTER} {environment} postgres -c config_file=/etc/postgresql/postgresql.conf {settings} "
        f">/tmp/{way}.log 2>&1 &"
    )
    handle.must(NODE, ["sh", "-c", command])
    ready = ["pg_isready", "-q", "-h", "/run/postgresql", "-p", port]
    until(lambda: handle.exec(NODE, ready).ok or None, START_MAX_S, f"a {way} PostgreSQL that runs")


def fill(handle: LabHandle, way: str) -> None:
    """pgbench's tables."""
    words = ["--initialize", "--quiet", f"--scale={SCALE}"]
    handle.must(NODE, ["pgbench", *words, *address(way)])


def run_pgbench(handle: LabHandle, way: str) -> float:
    """Transactions per second. As many clients as keep all processors busy."""
    words = ["--select-only", "--no-vacuum", "--protocol=prepared"]
    load = [f"--client={CLIENTS}", f"--transactions={TRANSACTIONS}"]
    return parse_tps(handle.must(NODE, ["pgbench", *words, *load, *address(way)]))


def address(way: str) -> list[str]:
    """Where a server is."""
    return ["-h", "/run/postgresql", "-p", PORTS[way], "-U", "postgres", "postgres"]
