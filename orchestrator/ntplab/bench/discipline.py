"""What the virtual clock adds to the error of the chronyd that steers it.

The same pair of containers twice at the same time. On the virtual clocks, an unmodified chronyd
steers a server's clock page by a time server; ground truth is the page against lab time. Without
them, in the same two containers, chronyds without the preload read the host's clock, which none of
them may steer (`chronyd -x`). Such a chronyd keeps its estimate of the true time beside the clock
that it reads: reading plus correction. Both containers read the same clock there, so the correction
that it applies (`chronyc tracking`, "system time") is its true error, to the nanosecond: what
network, stamps and chronyd's own filter come to when there is no virtual clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from ..errors import LabError
from ..faults import reset_clocks, switch_ntp
from ..faults.handle import until
from ..lab import Lab
from ..units import NS_PER_S, NS_PER_US
from .figures import Figure, Outcome, against_limit
from .labs import TIME_SERVER, plan_of, standing
from .measuring import Bench
from .samples import ClockSamples

ERROR = "chrony_error_added"
BIAS = "chrony_bias_added"
ABOUT = {
    ERROR: "what the virtual clock adds to chronyd's typical error, by ground truth",
    BIAS: "... and to the mean of it, with its sign: by how much the clock is shifted",
}
LIMIT_US = 2.0
RUNS = 7
SETTLING_S = 10
WINDOW_S = 16
ASKED_HZ = 5
SERVER = "server1"
PORT = 11123
FOLDER = "/tmp/native"
STARTED_MAX_S = 20.0
FIELDS = 14
SYSTEM_TIME = 4
"""Place in `chronyc -c tracking`; see the observer's belief.py. What is added to the clock."""
COMMON = f"""cmdport 0
bindcmdaddress {FOLDER}/chronyd.sock
pidfile {FOLDER}/chronyd.pid
"""


@dataclass(frozen=True)
class Errors:
    """Errors of one clock over one window, ns."""

    typical: float
    """median of the sizes"""
    middle: float
    """median with the sign"""

    @classmethod
    def of(cls, errors_ns: Sequence[float], what: str) -> Errors:
        if not errors_ns:
            raise LabError(f"no error of {what} was seen")
        return cls(median(abs(error) for error in errors_ns), median(errors_ns))


def measure(bench: Bench) -> Iterator[Outcome]:
    """Figures in microseconds."""
    plan = plan_of(1, "timestamp-order", ntp_running=False)
    poll = f"minpoll {plan.ntp.minpoll} maxpoll {plan.ntp.maxpoll}"
    samples = ClockSamples()
    pairs: list[tuple[Errors, Errors]] = []
    with standing(bench.driver, plan, samples) as lab:
        for _ in range(RUNS):
            pairs.append(one_run(lab, samples, poll))
            bench.tell(ERROR, describe(*pairs[-1]))
    yield from figures(pairs)


def figures(pairs: Sequence[tuple[Errors, Errors]]) -> Iterator[Outcome]:
    """Medians over runs of what virtual has more than native."""
    typical_us = [(virtual.typical - native.typical) / NS_PER_US for virtual, native in pairs]
    yield against_limit(ERROR, typical_us, LIMIT_US, "us")
    # The size of the median: where runs scatter to both sides nothing is added.
    added_us = abs(
        median((virtual.middle - native.middle) / NS_PER_US for virtual, native in pairs)
    )
    yield Figure(BIAS, added_us, LIMIT_US, "limit", "us", "lower", 1.0, len(pairs))


def describe(virtual: Errors, native: Errors) -> str:
    """One run in words."""
    return ", ".join(
        f"{name} {errors.typical / NS_PER_US:.2f} us (middle {errors.middle / NS_PER_US:+.2f})"
        for name, errors in (("virtual", virtual), ("native", native))
    )


def one_run(lab: Lab, samples: ClockSamples, poll: str) -> tuple[Errors, Errors]:
    """Start both pairs anew, let them settle, and watch them over the same seconds."""
    reset_clocks(lab.handle, [SERVER])
    start_native(lab, TIME_SERVER, f"local stratum 1\nallow all\nport {PORT}\n")
    start_native(lab, SERVER, f"server {TIME_SERVER} port {PORT} iburst {poll}\nport 0\n")
    switch_ntp(lab.handle, SERVER, "on", "daemon")
    try:
        time.sleep(SETTLING_S)
        begin_ns = lab.now_ns()
        native = native_errors(lab)
        end_ns = lab.now_ns()
    finally:
        switch_ntp(lab.handle, SERVER, "off", "daemon")
        for node in (SERVER, TIME_SERVER):
            stop_native(lab, node)
    window = samples.window([SERVER], begin_ns, end_ns)[SERVER]
    virtual = [divergence_ns for _, divergence_ns in window]
    return Errors.of(virtual, "the virtual clock"), Errors.of(native, "chronyd -x")


def start_native(lab: Lab, node: str, settings: str) -> None:
    """A chronyd beside the node's own: no preload, no namespace, and no hand on the clock."""
    script = (
        f"mkdir -p -m 0700 {FOLDER} && rm -f {FOLDER}/* && cat >{FOLDER}/conf <<'END'\n"
        f"{settings}{COMMON}END\n"
        f'exec chronyd -x -U -u "$(id -un)" -F 1 -f {FOLDER}/conf'
    )
    lab.handle.must(node, ["sh", "-c", script])
    until(lambda: ask(lab, node, 1) or None, STARTED_MAX_S, f"chronyd -x on {node}")


def stop_native(lab: Lab, node: str) -> None:
    """End it, and wait until it has."""
    lab.handle.must(node, ["sh", "-c", f'kill "$(cat {FOLDER}/chronyd.pid)"'])
    gone = ["test", "!", "-e", f"{FOLDER}/chronyd.pid"]
    until(lambda: lab.handle.exec(node, gone).ok or None, STARTED_MAX_S, f"no chronyd -x on {node}")


def native_errors(lab: Lab) -> list[float]:
    """What chronyd -x believes the time to be, minus what it is, in ns; asked for a window."""
    answers = ask(lab, SERVER, WINDOW_S * ASKED_HZ)
    return [parse_error_ns(line) for line in answers.splitlines()]


def ask(lab: Lab, node: str, times: int) -> str:
    """What `chronyc tracking` says, so many times."""
    once = f"chronyc -c -n -h {FOLDER}/chronyd.sock tracking"
    script = f"for i in $(seq {times}); do {once} || exit; sleep {1 / ASKED_HZ:g}; done"
    return lab.handle.exec(node, ["sh", "-c", script]).stdout


def parse_error_ns(line: str) -> float:
    """The correction in a line of `chronyc -c tracking`, in ns."""
    fields = line.split(",")
    if len(fields) != FIELDS:
        raise LabError(f"chronyc said something else than its tracking: {line}")
    return float(fields[SYSTEM_TIME]) * NS_PER_S
