"""Scripts of clock calls for the differential test: corners written by hand, and random ones.

A script sets the clock and then makes calls at given times. `uml/clockscript.c` runs them; see
there for the calls and the order of their arguments.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from clockpage import (
    ADJ_ESTERROR,
    ADJ_FREQUENCY,
    ADJ_MAXERROR,
    ADJ_MICRO,
    ADJ_NANO,
    ADJ_OFFSET,
    ADJ_OFFSET_SINGLESHOT,
    ADJ_OFFSET_SS_READ,
    ADJ_SETOFFSET,
    ADJ_STATUS,
    ADJ_TAI,
    ADJ_TICK,
    ADJ_TIMECONST,
    FREQ_SCALE,
    NS_PER_S,
    STA_DEL,
    STA_FLL,
    STA_FREQHOLD,
    STA_INS,
    STA_PLL,
    STA_UNSYNC,
)
from kernelclock import KernelClock, wrap

MS = 10**6
NOON_S = 1_700_000_000
MIDNIGHT_S = 19_676 * 86_400
MAX_SETTABLE_S = 8_277_292_036
REALTIME, MONOTONIC, COARSE, BOOTTIME, ALARM, TAI, NO_CLOCK = 0, 1, 5, 7, 8, 11, 77
OTHER_CLOCKS = (MONOTONIC, COARSE, BOOTTIME, ALARM, TAI, NO_CLOCK)

# A kernel ends its seconds late, at a timer tick: no call is planned so near to one.
BEFORE_END_NS, AFTER_END_NS = 30 * MS, 80 * MS

FIELDS = ("offset", "freq", "maxerror", "esterror", "status", "constant", "tick")


@dataclass(frozen=True)
class Call:
    """One line of a script."""

    name: str
    at_ns: int
    arguments: tuple[int, ...] = ()

    def __str__(self) -> str:
        return " ".join(map(str, (self.name, self.at_ns, *self.arguments)))


@dataclass(frozen=True)
class Script:
    """Calls on a clock that was set to `wall_ns` at time zero."""

    wall_ns: int
    calls: tuple[Call, ...]
    name: str = "random"

    def text(self, number: int) -> str:
        s, ns = divmod(self.wall_ns, NS_PER_S)
        return "\n".join([f"run {number} {s} {ns}", *map(str, self.calls), ""])


def adjtimex(modes: int, *, clock: int = REALTIME, **fields: int) -> tuple[str, tuple[int, ...]]:
    """A call of clock_adjtime; fields as of struct timex, and time_s and time_fraction."""
    values = [fields.pop(name, 0) for name in FIELDS]
    time = fields.pop("time_s", 0), fields.pop("time_fraction", 0)
    assert not fields
    return "adjtimex", (clock, modes, *values, *time)


Unplanned = tuple[str, tuple[int, ...]]


def predict(clock: KernelClock, at_ns: int, name: str, arguments: tuple[int, ...]) -> object:
    """What the reference answers to a call: a result, or a result and the fields of timex."""
    if name == "adjtimex" and arguments[0] == REALTIME:
        _, modes, *values, time_s, time_fraction = arguments
        fields = dict(zip(FIELDS, values, strict=True))
        return clock.adjtimex(at_ns, modes, **fields, time_s=time_s, time_fraction=time_fraction)
    if name == "settime" and arguments[0] == REALTIME:
        return clock.settime(at_ns, arguments[1], arguments[2])
    if name == "settimeofday" and not arguments[0]:
        return clock.settime(at_ns, arguments[1], wrap(arguments[2] * 1_000))
    if name == "adjtime" and abs(arguments[0]) < 2_000:
        offset = arguments[0] * 10**6 + arguments[1]
        return clock.adjtimex(at_ns, ADJ_OFFSET_SINGLESHOT, offset=offset)
    clock.advance(at_ns)
    return None


def plan(name: str, wall_ns: int, steps: Iterable[tuple[int, Unplanned]]) -> Script:
    """A script with each call about as long after the one before as asked for, and samples."""
    clock, at_ns, calls = KernelClock(0, wall_ns), 0, []

    def free_instant(earliest_ns: int) -> int:
        clock.advance(earliest_ns)
        phase_ns = (clock.wall >> 64) % NS_PER_S
        if NS_PER_S - phase_ns < BEFORE_END_NS:
            return free_instant(earliest_ns + NS_PER_S - phase_ns + AFTER_END_NS)
        if phase_ns < AFTER_END_NS:
            return free_instant(earliest_ns + AFTER_END_NS - phase_ns + MS)
        return earliest_ns

    for wait_ns, (call, arguments) in [*steps, (0, ("sample", ()))]:
        at_ns = free_instant(at_ns + wait_ns)
        calls += [Call("sample", at_ns)] if call != "sample" else []
        at_ns = free_instant(at_ns + MS)
        predict(clock, at_ns, call, arguments)
        calls.append(Call(call, at_ns, arguments))
        at_ns += MS
    return Script(wall_ns, tuple(calls), name)


# ---------- corners


def every(wait_ns: int, *steps: Unplanned) -> Iterator[tuple[int, Unplanned]]:
    return ((wait_ns, step) for step in steps)


SAMPLE: Unplanned = ("sample", ())
READ = adjtimex(0)
SYNCHRONISED = adjtimex(ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR, maxerror=1_000, esterror=10)


def leap(status: int, lead_ns: int) -> Script:
    steps = [adjtimex(ADJ_STATUS | ADJ_MAXERROR, status=status, maxerror=5)]
    steps += [adjtimex(ADJ_TAI, constant=37)]
    watch = [(500 * MS, step) for _ in range(4) for step in (READ, ("ntp_gettimex", ()))]
    back = [(100 * MS, adjtimex(ADJ_STATUS, status=0)), (900 * MS, READ)]
    wall_ns = MIDNIGHT_S * NS_PER_S - lead_ns
    return plan(f"leap {status:#x}", wall_ns, [*every(2 * MS, *steps), *watch, *back])


def loop(constant: int, offset: int, status: int, nano: int) -> Script:
    modes = ADJ_STATUS | ADJ_TIMECONST | ADJ_OFFSET | nano
    steer = adjtimex(modes, status=status, constant=constant, offset=offset)
    again = adjtimex(ADJ_OFFSET, offset=-offset)
    steps = [(20 * MS, steer), (900 * MS, READ), (900 * MS, again), (900 * MS, READ)]
    name = f"loop {constant} {offset} {status:#x} {nano:#x}"
    return plan(name, NOON_S * NS_PER_S + NS_PER_S // 2, steps)


def long_intervals(status: int, constant: int) -> Script:
    """The loop looks at the seconds since its last offset: steps make them many, or negative."""
    steer = adjtimex(ADJ_OFFSET | ADJ_NANO, offset=1_234_567)
    modes = ADJ_STATUS | ADJ_TIMECONST | ADJ_NANO
    steps = [adjtimex(modes, status=status, constant=constant), steer]
    second = NOON_S
    for by_s in (255, 257, 2_047, 2_050, -5_000, 10**8, -2 * 10**8):
        second += by_s
        steps += [("settime", (REALTIME, second, NS_PER_S // 2)), steer]
    name = f"long intervals {status:#x} {constant}"
    return plan(
        name, NOON_S * NS_PER_S + NS_PER_S // 2, [*every(30 * MS, *steps), (900 * MS, READ)]
    )


def slew(*amounts_us: int) -> Script:
    steps: list[tuple[int, Unplanned]] = []
    for amount_us in amounts_us:
        steps += [(50 * MS, ("adjtime", (amount_us // 10**6, amount_us % 10**6)))]
        steps += [(900 * MS, ("slewing", ())), (50 * MS, adjtimex(ADJ_OFFSET_SS_READ))]
    return plan(f"slew {amounts_us}", NOON_S * NS_PER_S + NS_PER_S // 2, steps)


BAD_CALLS: tuple[Unplanned, ...] = (
    *(adjtimex(m) for m in (0x8000, 0x8002, 0xA000, 0xA001, 0x8001, 0x8101, 0x0200, 0x10000)),
    adjtimex(0x8000 | ADJ_FREQUENCY, freq=2**62),
    adjtimex(0x8001 | ADJ_FREQUENCY, freq=2**62),
    adjtimex(0x8001 | ADJ_TICK, tick=1),
    *(adjtimex(ADJ_TICK, tick=t) for t in (0, -1, 8_999, 11_001, 2**62)),
    *(adjtimex(ADJ_FREQUENCY, freq=f) for f in (2**62, -(2**63), 140_739_635_871, -(2**40))),
    *(adjtimex(ADJ_SETOFFSET, time_fraction=f) for f in (-1, 10**6, 2**62)),
    *(adjtimex(ADJ_SETOFFSET | ADJ_NANO, time_fraction=f) for f in (-1, 10**9)),
    *(adjtimex(0, clock=clock) for clock in OTHER_CLOCKS),
    *(("settime", (clock, NOON_S, 0)) for clock in OTHER_CLOCKS),
    *(("settime", (REALTIME, s, 0)) for s in (-1, MAX_SETTABLE_S, 2**62, -(2**63))),
    *(("settime", (REALTIME, NOON_S, ns)) for ns in (-1, 10**9, 2**62)),
    *(("settimeofday", (0, NOON_S, us)) for us in (-1, 10**6, 2**62)),
    ("settimeofday", (0, -1, 0)),
    ("settimeofday", (1, 0, 0)),
    *(("settimezone", (0, minutes)) for minutes in (0, 900, -900, 901, -901)),
    *(("adjtime", (s, 0)) for s in (2_145, 2_146, 2_147, -2_145, -2_146, -2_147, 2**40)),
    ("adjtime", (0, 2**40)),
    ("adjtime", (0, 0)),
)

# Refused only after the kernel has begun: until Linux 6.13 it forgets its synchronisation all the
# same, which the virtual clock does not, so nothing else is looked at after these.
REFUSED_LATE = (
    *(adjtimex(ADJ_SETOFFSET, time_s=s) for s in (-MIDNIGHT_S - 9, 2**62, -(2**63), 2**33)),
    ("settime", (REALTIME, 0, 0)),
)


def corners() -> list[Script]:
    """The scripts written by hand."""
    noon_ns = NOON_S * NS_PER_S + NS_PER_S // 2
    nano = adjtimex(ADJ_NANO)
    values = [
        *(adjtimex(ADJ_TIMECONST, constant=c) for c in (-1, 0, 3, 6, 7, 10, 99)),
        *(adjtimex(ADJ_TIMECONST | ADJ_NANO, constant=c) for c in (-1, 0, 9, 10, 99)),
        *(adjtimex(ADJ_TAI, constant=c) for c in (37, -1, 0, 100_000, 100_001)),
        *(adjtimex(ADJ_FREQUENCY, freq=f) for f in (1, -1, 2**31, -(2**31), 32_768_001)),
        *(adjtimex(ADJ_MAXERROR, maxerror=e) for e in (-1, 16_000_000, 16_000_001, 2**62)),
        *(adjtimex(ADJ_ESTERROR, esterror=e) for e in (-1, 16_000_000, 16_000_001, 2**62)),
        *(adjtimex(ADJ_STATUS, status=s) for s in (0xFFFF, 0, STA_PLL, STA_UNSYNC, 0x1000, 2**30)),
        adjtimex(ADJ_NANO | ADJ_MICRO),
    ]
    rates = [
        step
        for change in (
            adjtimex(ADJ_FREQUENCY, freq=500 * FREQ_SCALE),
            adjtimex(ADJ_TICK, tick=11_000),
            adjtimex(ADJ_TICK | ADJ_FREQUENCY, tick=9_000, freq=-500 * FREQ_SCALE),
        )
        for step in ((10 * MS, change), (700 * MS, READ))
    ]
    unsynchronised = adjtimex(ADJ_STATUS | ADJ_MAXERROR, maxerror=15_999_200)
    steps = [
        adjtimex(ADJ_SETOFFSET, time_s=5, time_fraction=999_999),
        SYNCHRONISED,
        adjtimex(ADJ_SETOFFSET | ADJ_NANO, time_s=-6, time_fraction=1),
        ("settime", (REALTIME, NOON_S + 100, 300 * MS)),
        ("settimeofday", (0, NOON_S - 100, 400_000)),
        SYNCHRONISED,
        adjtimex(ADJ_SETOFFSET | ADJ_STATUS, time_s=1, status=STA_PLL),
    ]
    pll = STA_PLL | STA_FREQHOLD
    return [
        plan("bad calls", noon_ns, [(MS, SYNCHRONISED), *every(2 * MS, *BAD_CALLS)]),
        plan("refused late", noon_ns, every(2 * MS, *REFUSED_LATE)),
        plan("values", noon_ns, every(2 * MS, SYNCHRONISED, *values, READ)),
        plan("rates", noon_ns, rates),
        plan("steps", noon_ns, every(100 * MS, *steps)),
        plan("maxerror", noon_ns, [(MS, unsynchronised), *every(900 * MS, READ, READ, READ)]),
        plan("chronyd's start", noon_ns, every(20 * MS, *chronyd_start())),
        plan("nano", noon_ns, every(50 * MS, nano, READ, adjtimex(ADJ_MICRO), READ)),
        leap(STA_INS, 1_500 * MS),
        leap(STA_INS, 2_400 * MS),
        leap(STA_INS | STA_PLL, 1_500 * MS),
        leap(STA_DEL, 2_500 * MS),
        leap(STA_INS | STA_DEL, 1_500 * MS),
        plan("leap called off by a step", MIDNIGHT_S * NS_PER_S - 2_600 * MS, called_off()),
        *(loop(c, -3_000, STA_PLL, ADJ_MICRO) for c in (0, 2, 6)),
        *(loop(c, 2_345_678, STA_PLL, ADJ_NANO) for c in (0, 4, 10)),
        loop(2, 10**6, pll, ADJ_NANO),
        loop(3, 10**6, STA_PLL | STA_FLL, ADJ_NANO),
        loop(1, 600_000_000, STA_PLL, ADJ_NANO),
        *(long_intervals(status, c) for status in (STA_PLL, STA_PLL | STA_FLL) for c in (0, 7)),
        loop(2, 2**62, STA_PLL, ADJ_MICRO),
        slew(1_200, -300, 0),
        slew(-2_000, 1),
        slew(500, -501),
        slew(10**9),
    ]


def chronyd_start() -> list[Unplanned]:
    return [
        adjtimex(ADJ_OFFSET_SINGLESHOT),
        adjtimex(ADJ_OFFSET | ADJ_STATUS, status=STA_PLL | STA_UNSYNC),
        adjtimex(ADJ_STATUS, status=STA_UNSYNC),
        READ,
        adjtimex(ADJ_TICK | ADJ_FREQUENCY, tick=10_001, freq=-12_345),
        adjtimex(ADJ_MAXERROR),
        adjtimex(ADJ_SETOFFSET | ADJ_NANO),
        READ,
    ]


def called_off() -> list[tuple[int, Unplanned]]:
    announce = adjtimex(ADJ_STATUS | ADJ_MAXERROR, status=STA_INS)
    step = ("settime", (REALTIME, MIDNIGHT_S - 1, 500 * MS))
    return [(2 * MS, announce), (900 * MS, READ), (MS, step), (MS, announce), (900 * MS, READ)]


# ---------- random ones


@dataclass
class Generator:
    """Random scripts, the same for the same seed."""

    seed: int
    choice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.choice = random.Random(self.seed)

    def scripts(self, number: int) -> list[Script]:
        return [self.script(n) for n in range(number)]

    def script(self, number: int) -> Script:
        near_midnight = MIDNIGHT_S * NS_PER_S - self.choice.randint(500 * MS, 2_500 * MS)
        anywhere = NOON_S * NS_PER_S + self.choice.randint(0, NS_PER_S)
        wall_ns = self.choice.choice([anywhere, anywhere, near_midnight])
        steps = [(self.wait(), self.call()) for _ in range(self.choice.randint(3, 7))]
        return plan(f"random {self.seed}/{number}", wall_ns, steps)

    def wait(self) -> int:
        return self.choice.choice([MS, 20 * MS, 300 * MS, 700 * MS])

    def call(self) -> Unplanned:
        kinds = (
            *[self.mixed] * 6,
            *[self.steer] * 4,
            *[self.announce] * 2,
            *[self.slew] * 2,
            self.step,
            self.set,
            self.bad,
            self.read,
        )
        return self.choice.choice(kinds)()

    def offset(self) -> int:
        size = self.choice.choice([10, 1_000, 10**5, 10**7, 10**7, 6 * 10**8, 2**62])
        return self.choice.randint(-size, size)

    def status(self) -> int:
        bits = (STA_PLL, STA_PLL, STA_FLL, STA_INS, STA_DEL, STA_UNSYNC, STA_FREQHOLD, 0xFF00)
        return sum(set(self.choice.sample(bits, self.choice.randint(0, 3))))

    def mixed(self) -> Unplanned:
        """Any modes with any values, the odd one invalid."""
        single = (1, 2, 4, 8, 0x10, 0x10, 0x20, 0x80, 0x1000, 0x2000, 0x4000)
        pick = self.choice.choice
        return adjtimex(
            sum(set(self.choice.sample(single, self.choice.randint(1, 4)))),
            offset=self.offset(),
            freq=self.choice.randint(-600 * FREQ_SCALE, 600 * FREQ_SCALE),
            maxerror=pick([-1, 0, 1_000, 15_999_400, 2**40]),
            esterror=pick([-1, 0, 1_000, 2**40]),
            status=self.status(),
            constant=pick([-1, 0, 1, 3, 6, 10, 37, 10**6]),
            tick=pick([10_000, 10_000, 9_999, 10_050, 9_000, 11_000, 11_001, 0]),
        )

    def steer(self) -> Unplanned:
        status = STA_PLL | self.choice.choice([0, 0, STA_FLL, STA_FREQHOLD])
        unit, constant = self.choice.choice([ADJ_NANO, ADJ_MICRO]), self.choice.randint(0, 10)
        modes = ADJ_STATUS | ADJ_TIMECONST | ADJ_OFFSET | unit
        offset = self.choice.randint(-5_000, 5_000) * (1_000 if unit == ADJ_NANO else 1)
        return adjtimex(modes, status=status, constant=constant, offset=offset)

    def announce(self) -> Unplanned:
        status = self.choice.choice([0, STA_INS, STA_INS, STA_DEL, STA_INS | STA_DEL])
        modes = ADJ_STATUS | self.choice.choice([0, ADJ_MAXERROR])
        return adjtimex(modes, status=status | self.choice.choice([0, 0, STA_PLL]))

    def slew(self) -> Unplanned:
        us = self.choice.choice([self.choice.randint(-3_000, 3_000), 500, -500, 501, 0, 10**8])
        return "adjtime", (us // 10**6, us % 10**6)

    def step(self) -> Unplanned:
        unit = self.choice.choice([0, ADJ_NANO])
        fraction = self.choice.choice([0, 1, 300_000, 999_999, 10**6, -1])
        return adjtimex(
            ADJ_SETOFFSET | unit, time_s=self.choice.randint(-3, 3), time_fraction=fraction
        )

    def set(self) -> Unplanned:
        s = self.choice.choice([NOON_S, MIDNIGHT_S - 1, MIDNIGHT_S - 2])
        if self.choice.random() < 0.5:
            return "settimeofday", (0, s, self.choice.randint(0, 999_999))
        return "settime", (REALTIME, s, self.choice.randint(0, NS_PER_S - 1))

    def bad(self) -> Unplanned:
        return self.choice.choice(BAD_CALLS)

    def read(self) -> Unplanned:
        return self.choice.choice([READ, ("slewing", ()), ("ntp_gettimex", ())])
