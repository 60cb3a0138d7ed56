"""Requests per second of one booking server beside pgbench running the same statement.

The server decides by policy `unique`: one statement a request. Which statement that is, it is
asked itself, so that pgbench never runs another one. Both come to the database over the lab's
network, write to the same tables, one after the other, with as many statements in flight as the
server has connections.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import LabError
from ..lab import Lab
from ..plan import APP_PORT
from ..topology import APP_NETWORK, PASSWORD_PATH, NodeSpec
from .figures import Outcome, compare
from .labs import plan_of, standing
from .measuring import Bench

NAME = "unique_throughput"
ABOUT = {NAME: "requests/s of one booking server beside pgbench with the same SQL statement"}
TARGET = 0.25
RUNS = 5
SECONDS = 3
WARM_UP_S = 1
IN_FLIGHT = 8
GENERATOR = Path(__file__).with_name("generator.py")
GENERATOR_PATH = "/etc/ntplab/generator.py"
GENERATOR_NODE = "generator"
PGBENCH_NODE = "pgbench"
DATABASE = "db"
SCRIPT_PATH = "/etc/ntplab/bench.sql"
READ_STATEMENT = "from booking.policies.unique import RESERVE; print(RESERVE)"
PARAMETERS = 9
RANDOM_MAX = 2**62
STAMP_NS = 1_800_000_000_000_000_000
"""Any will do: the statement only writes it down."""
_PARAMETER = re.compile(r"\$(\d+)")
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


def measure(bench: Bench) -> Iterator[Outcome]:
    """A figure in requests per second."""
    ours, pgbench = [], []
    with standing(bench.driver, plan_of(1, "unique", ntp_running=True)) as lab:
        start_helpers(lab, pgbench_script(read_statement(lab)))
        for _ in range(RUNS):
            pgbench.append(run_pgbench(lab))
            answered = run_generator(lab)
            ours.append(answered["requests_per_s"])
            bench.tell(
                NAME,
                f"{ours[-1]:.0f}/s, pgbench {pgbench[-1]:.0f}/s; the generator took "
                f"{answered['cpu_share']:.0%} of a processor",
            )
    yield compare(NAME, ours, pgbench, "pgbench", "requests/s", TARGET, better="higher")


def start_helpers(lab: Lab, script: str) -> None:
    """Containers that the generator and pgbench run in, asleep until then."""
    password = lab.handle.must(DATABASE, ["cat", PASSWORD_PATH]).encode()
    files = {
        GENERATOR_NODE: ("ntplab/buyers", {GENERATOR_PATH: GENERATOR.read_bytes()}),
        PGBENCH_NODE: (
            "ntplab/postgres",
            {SCRIPT_PATH: script.encode(), PASSWORD_PATH: password},
        ),
    }
    for name, (image, content) in files.items():
        spec = NodeSpec(
            name,
            "buyers",
            image,
            networks=(APP_NETWORK,),
            entrypoint=("sleep",),
            command=("3600",),
        )
        lab.driver.create(lab.name, spec, content, {})
        lab.driver.start(lab.name, name)


# --- ours ---------------------------------------------------------------------------------


def run_generator(lab: Lab) -> Any:
    """The generator's report: `requests_per_s`, `cpu_share`, `statuses`."""
    host = lab.plan.servers[0].name
    words = [host, str(APP_PORT), str(IN_FLIGHT), str(WARM_UP_S), str(SECONDS)]
    done = lab.handle.must(GENERATOR_NODE, ["python3", GENERATOR_PATH, *words])
    report = json.loads(done)
    if unwanted := {s: n for s, n in report["statuses"].items() if s not in ("201", "409")}:
        raise LabError(f"{host} did not decide some requests: {unwanted}")
    return report


# --- pgbench ------------------------------------------------------------------------------


def read_statement(lab: Lab) -> str:
    """The SQL statement that the server runs for a reservation."""
    return lab.handle.must(lab.plan.servers[0].name, ["python3", "-c", READ_STATEMENT]).strip()


def pgbench_script(statement: str) -> str:
    """The statement for pgbench: `$1` becomes `:p1`, and each gets a value such as ours have.

    Parameters, as the service passes them: claim, idempotency key, server, phase, seat, buyer,
    wall clock, raw clock, receipt. Keys and seats are drawn, so that nearly each is new.
    """
    used = {int(number) for number in _PARAMETER.findall(statement)}
    if used != set(range(1, PARAMETERS + 1)):
        raise LabError(f"the service's statement has other parameters than we know: {sorted(used)}")
    drawn = f"random(1, {RANDOM_MAX})"
    values = [drawn, drawn, "1", "1", drawn, "random(1, 1000)", str(STAMP_NS), str(STAMP_NS), drawn]
    lines = [f"\\set p{number} {value}" for number, value in enumerate(values, 1)]
    return "\n".join([*lines, _PARAMETER.sub(r":p\1", statement).strip() + ";", ""])


def run_pgbench(lab: Lab) -> float:
    """Transactions per second, each of them one statement."""
    # The secret is on no command line.
    command = (
        f'PGPASSWORD="$(cat {PASSWORD_PATH})" exec pgbench --no-vacuum --protocol=prepared '
        f"--client={IN_FLIGHT} --time={SECONDS} --file={SCRIPT_PATH} "
        f"--host={DATABASE} --username=booking booking"
    )
    return parse_tps(lab.handle.must(PGBENCH_NODE, ["sh", "-c", command]))


def parse_tps(report: str) -> float:
    """The rate that pgbench reports, without the time for connecting."""
    found = _TPS.search(report)
    if not found:
        raise LabError("pgbench reported no rate", log_tail=report.splitlines()[-5:])
    return float(found[1])
