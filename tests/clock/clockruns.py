"""Running clock scripts on a real kernel and on the virtual clock, and comparing what they saw.

The real kernel is User Mode Linux: an ordinary process, with a clock of its own that it is harmless
to set. One such kernel, or one clock page, runs a batch of scripts after another; batches run side
by side.

What is compared: results, errnos and everything adjtimex tells must be equal. Calls are never made
at exactly the same time in two runs, so readings are compared by their distance from the reference
of kernelclock.py, which is given the same calls at the times each run made them. When exactly a
clock was set is known only to the time the call took; from the first reading after it on the two
clocks must keep together to `TOLERANCE_NS`, a part of the time the readings took, and what the
kernel is late with at its ticks.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from clockpage import ADJ_FREQUENCY, ADJ_TICK, NS_PER_S
from clockscripts import FIELDS, Call, Script, predict
from kernelclock import ONE, SCALE_SHIFT, KernelClock

UML = "linux.uml"
UML_MEMORY = "48M"
BOOT_LIMIT_S = 60
SLOWDOWN_LIMIT = 5
ATTEMPTS = 3

# Readings of one clock in two runs may differ by the resolution of UML's clock source and what the
# kernel's steering of its tick leaves over.
TOLERANCE_NS = 5_000
# A kernel ends a second at a timer tick, of 10 ms in UML, or when it next runs; the first tick that
# counts after a step comes a whole one later.
TICK_NS = 12_000_000
STEP_TICK_NS = 22_000_000

# What clockscript writes of struct timex before the time
TIMEX_NAMES = (*FIELDS, "tai", "tolerance + precision")


@dataclass(frozen=True)
class Seen:
    """What one call of a script brought; `before_ns` and `after_ns` are raw, `values` its own."""

    before_ns: int
    after_ns: int
    gap_ns: int
    result: int
    error: int
    values: tuple[int, ...]

    @property
    def raw_ns(self) -> int:
        return (self.before_ns + self.after_ns) // 2

    @property
    def width_ns(self) -> int:
        return self.after_ns - self.before_ns


Run = list[Seen]


@dataclass(frozen=True)
class Machine:
    """A way to run clockscript: the command of a batch, and what it adds to the environment."""

    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    results: Path

    def is_done(self) -> bool:
        return self.results.exists() and self.results.read_text().endswith("\nend\n")


def uml_machine(program: Path, scripts: Path, results: Path, xstate: Path) -> Machine:
    """`xstate`: tests/support/uml_xstate.c, compiled to be preloaded."""
    state = results.with_suffix(".uml")
    state.mkdir()
    settings = (
        "root=/dev/root rootfstype=hostfs rootflags=/ rw con=null con0=null "
        f"mem={UML_MEMORY} init={program} uml_dir={state} SCRIPTS={scripts} RESULTS={results}"
    )
    environment = (("TMPDIR", str(state)), ("LD_PRELOAD", str(xstate)))
    return Machine((UML, *settings.split()), environment, results)


def virtual_machine(
    program: Path, scripts: Path, results: Path, library: Path, page: Path
) -> Machine:
    environment = (("LD_PRELOAD", str(library)), ("VCLOCK_PAGE", str(page)))
    return Machine((str(program), str(scripts), str(results)), environment, results)


def run_all(machines: Sequence[Machine], scripts_s: float) -> None:
    """Run batches side by side; fails if one takes much longer than its scripts.

    Once in a hundred boots or so User Mode Linux gives up before it has begun; such a kernel is
    started again, up to `ATTEMPTS` times.
    """
    left, outputs = list(machines), [""]
    for _ in range(ATTEMPTS):
        outputs = run_once(left, scripts_s)
        done = [machine.is_done() for machine in left]
        outputs = [output for output, ok in zip(outputs, done, strict=True) if not ok]
        left = [machine for machine, ok in zip(left, done, strict=True) if not ok]
        if not left:
            return
        if any(machine.command[0] != UML for machine in left):
            break
    pytest.fail(f"{left[0].command} did not come to its end:\n{outputs[0][-3000:]}")


def run_once(machines: Sequence[Machine], scripts_s: float) -> list[str]:
    """What each printed."""
    with ExitStack() as stack:
        running = []
        for machine in machines:
            process = subprocess.Popen(
                machine.command,
                env={**os.environ, **dict(machine.environment)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            running.append(process)
        limit_s = BOOT_LIMIT_S + SLOWDOWN_LIMIT * scripts_s
        return [process.communicate(timeout=limit_s)[0] for process in running]


def read_results(path: Path) -> dict[int, Run]:
    """What each script of a batch saw, by its number."""
    lines = path.read_text().split("\n")
    runs: dict[int, Run] = {}
    for line in filter(None, lines[:-2]):
        script, number, before, after, gap, result, error, *values = map(int, line.split())
        run = runs.setdefault(script, [])
        assert number == len(run)
        run.append(Seen(before, after, gap, result, error, tuple(values)))
    return runs


class Traced(KernelClock):
    """A reference that also adds up how much its rate changed at ends of seconds."""

    turned: int = 0

    def second_overflow(self, secs: int) -> int:
        before = self.slewing
        leap = super().second_overflow(secs)
        self.turned += abs(self.slewing - before)
        return leap


@dataclass(frozen=True)
class Step:
    """A call, what the reference answered at the time it was made, and how far off it was seen."""

    call: Call
    seen: Seen
    expected: object
    residual_ns: int | None
    set_within_ns: int
    set_again: bool
    tolerance_ns: float
    second: int
    since_end_ns: int


def follow(script: Script, run: Run) -> Iterator[Step]:
    """A run beside the reference with the same calls at the same times."""
    start, *calls = run
    clock = Traced(0, script.wall_ns)
    set_within_ns, turned_ns, gap_ns = start.width_ns, 0.0, 0
    for call, seen in zip(script.calls, calls, strict=True):
        at_ns, gap_ns = seen.raw_ns - start.raw_ns, max(gap_ns, seen.gap_ns)
        clock.advance(at_ns)
        second, since_end_ns = clock.second(), (clock.wall >> 64) % NS_PER_S
        rate = clock.rate()
        expected = predict(clock, at_ns, call.name, call.arguments)
        was_set = call.name in ("settime", "settimeofday") and seen.result == 0
        if was_set:
            set_within_ns = seen.width_ns
        late_ns = seen.width_ns if is_immediate(call) else STEP_TICK_NS + gap_ns
        turned_ns += abs(clock.rate() - rate) / ONE * late_ns
        lag_ns = clock.turned / 2**SCALE_SHIFT * (TICK_NS + gap_ns) / NS_PER_S
        shown_ns = seen.values[0] if call.name == "sample" else None
        yield Step(
            call,
            seen,
            without_time(expected),
            None if shown_ns is None else shown_ns - (clock.wall >> 64),
            set_within_ns,
            was_set,
            TOLERANCE_NS / 2 + turned_ns + lag_ns + seen.width_ns / 2,
            second,
            since_end_ns,
        )


def is_immediate(call: Call) -> bool:
    """Whether the kernel does not wait for a tick to change its rate."""
    return call.name == "adjtimex" and bool(call.arguments[1] & (ADJ_FREQUENCY | ADJ_TICK))


def without_time(expected: object) -> object:
    if not isinstance(expected, tuple):
        return expected
    result, fields = expected
    return result, {name: fields[name] for name in fields if not name.startswith("time_")}


def answers(call: Call, seen: Seen) -> dict[str, int]:
    """What must be the same in two runs."""
    values: dict[str, int] = {"result": seen.result, "errno": seen.error}
    if call.name == "adjtimex" and seen.values:
        values |= dict(zip(TIMEX_NAMES, seen.values[: len(TIMEX_NAMES)], strict=True))
    elif call.name == "sample":
        values["tai"] = seen.values[1]
    else:
        values |= {f"value {n}": value for n, value in enumerate(seen.values)}
    return values


@dataclass
class Comparison:
    """Two runs of a script side by side."""

    script: Script
    late: bool = False
    difference: str = ""
    apart_ns: list[float] = field(default_factory=list)
    tolerances_ns: list[float] = field(default_factory=list)
    offset_ns: int | None = None
    offset_tolerance_ns: float = 0

    def compare_readings(self, real: Step, ours: Step) -> None:
        """The first after a setting says by how much it was made at different times."""
        if real.residual_ns is None or ours.residual_ns is None:
            return
        apart_ns = real.residual_ns - ours.residual_ns
        tolerance_ns = real.tolerance_ns + ours.tolerance_ns
        if self.offset_ns is None:
            self.offset_ns, self.offset_tolerance_ns = apart_ns, tolerance_ns
            tolerance_ns += real.set_within_ns + ours.set_within_ns
        else:
            apart_ns -= self.offset_ns
            tolerance_ns += self.offset_tolerance_ns
            self.apart_ns.append(apart_ns)
            self.tolerances_ns.append(tolerance_ns)
        if abs(apart_ns) > tolerance_ns:
            self.difference = (
                f"{real.call}: {apart_ns:.0f} ns apart, tolerance {tolerance_ns:.0f} ns; "
                f"{real.residual_ns} / {ours.residual_ns} ns from the reference"
            )

    def compare_answers(self, real: Step, ours: Step) -> None:
        told, ours_told = answers(real.call, real.seen), answers(ours.call, ours.seen)
        names = [n for n in told | ours_told if told.get(n) != ours_told.get(n)]
        if names:
            each = ", ".join(f"{n} {told.get(n)} / {ours_told.get(n)}" for n in names)
            self.difference = f"{real.call}: {each}"


def is_late(kernel: Step, virtual: Step) -> bool:
    """Whether the machine was too busy: the calls did not come in the same second of the clock, or
    so soon after its beginning that the kernel may not have noticed."""
    return (
        kernel.second != virtual.second
        or kernel.expected != virtual.expected
        or kernel.since_end_ns < STEP_TICK_NS + 2 * kernel.seen.gap_ns
        or NS_PER_S - kernel.since_end_ns < kernel.seen.width_ns
    )


def compare(script: Script, kernel: Run, virtual: Run) -> Comparison:
    """The first difference between two runs, up to where the machine was too busy to tell."""
    found = Comparison(script)
    for real, ours in zip(follow(script, kernel), follow(script, virtual), strict=True):
        found.late = is_late(real, ours)
        if found.late:
            break
        if real.set_again:
            found.offset_ns = None
        found.compare_answers(real, ours)
        found.compare_readings(real, ours)
        if found.difference:
            break
    return found
