"""A reference for the virtual clock: the kernel's discipline, transcribed second by second.

Follows `second_overflow`, `ntp_update_offset` and `process_adjtimex_modes` of kernel/time/ntp.c and
`timekeeping_validate_timex`, `do_adjtimex` and `do_settimeofday64` of kernel/time/timekeeping.c of
Linux 6.1 (without CONFIG_NTP_PPS) in their own names and order, with numbers of any size. Slow and
plain where images/vclock is fast: it goes through every second. One thing is not the kernel's: a
second ends at the very instant the clock shows the next, not at the timer tick after it.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from clockpage import (
    ADJ_ESTERROR,
    ADJ_FREQUENCY,
    ADJ_MAXERROR,
    ADJ_MICRO,
    ADJ_NANO,
    ADJ_OFFSET,
    ADJ_SETOFFSET,
    ADJ_STATUS,
    ADJ_TAI,
    ADJ_TICK,
    ADJ_TIMECONST,
    NS_PER_S,
    STA_CLOCKERR,
    STA_DEL,
    STA_FLL,
    STA_FREQHOLD,
    STA_INS,
    STA_MODE,
    STA_NANO,
    STA_PLL,
    STA_RONLY,
    STA_UNSYNC,
    TIME_DEL,
    TIME_ERROR,
    TIME_INS,
    TIME_OK,
    TIME_OOP,
    TIME_WAIT,
)

ADJ_ADJTIME, ADJ_SINGLESHOT, ADJ_READONLY = 0x8000, 0x0001, 0x2000
HZ, SCALE_SHIFT = 100, 32
PPM_SCALE = 1000 << (SCALE_SHIFT - 16)
PPM_SCALE_INV_SHIFT = 19
PPM_SCALE_INV = (1 << (PPM_SCALE_INV_SHIFT + SCALE_SHIFT)) // PPM_SCALE + 1
MAXFREQ_SCALED = 500_000 << SCALE_SHIFT
MAXPHASE, PHASE_LIMIT = 500_000_000, 16_000_000
SHIFT_PLL, SHIFT_FLL, MAXTC, MINSEC, MAXSEC = 2, 2, 10, 256, 2048
MAX_TICKADJ, DAY_S = 500, 86_400
LONG_MAX = 2**63 - 1
SETTOD_S_MAX = LONG_MAX // NS_PER_S - 30 * 365 * 24 * 3600

# Instants are kept in 2^-64 ns; a rate is a fraction of these.
FINE = 64
ONE = (NS_PER_S << SCALE_SHIFT) * (10**6 << 16)


def shift_right(x: int, n: int) -> int:
    return -(-x >> n) if x < 0 else x >> n


def truncate(x: int, y: int) -> int:
    """Division as C does it."""
    return -(-x // y) if x < 0 else x // y


def wrap(x: int) -> int:
    """What is left of a number in 64 bits."""
    return (x + 2**63) % 2**64 - 2**63


def clamp(x: int, low: int, high: int) -> int:
    return max(low, min(x, high))


@dataclass
class KernelClock:
    """A clock as freshly booted that shows `wall_ns` at `raw_ns`."""

    raw_ns: int
    wall_ns: int
    drift: int = 0
    frozen: bool = False
    tick_usec: int = 10_000
    time_state: int = TIME_OK
    time_status: int = STA_UNSYNC
    time_offset: int = 0
    time_constant: int = 2
    time_maxerror: int = PHASE_LIMIT
    time_esterror: int = PHASE_LIMIT
    time_freq: int = 0
    time_reftime: int = 0
    time_adjust: int = 0
    next_leap_sec: int | None = None
    tai: int = 0
    slewing: int = 0
    raw: int = field(init=False)
    wall: int = field(init=False)

    def __post_init__(self) -> None:
        self.raw, self.wall = self.raw_ns << FINE, self.wall_ns << FINE

    # ---------- the clock between its calls

    def rate(self) -> int:
        length = (self.tick_usec * 1000 * 100 << SCALE_SHIFT) + self.time_freq + self.slewing
        return length * ((10**6 << 16) + self.drift)

    def second(self) -> int:
        return (self.wall >> FINE) // NS_PER_S

    def to_boundary_ns(self) -> float:
        """How far the clock is from a change of its second, on either side."""
        phase: float = (self.wall % (NS_PER_S << FINE)) / 2**FINE
        return min(phase, NS_PER_S - phase)

    def advance(self, raw_ns: int) -> None:
        raw, rate = raw_ns << FINE, self.rate()
        while not self.frozen:
            left = (self.second() + 1) * NS_PER_S * 2**FINE - self.wall
            needed = -(-left * ONE // rate)
            if self.raw + needed > raw:
                self.wall += (raw - self.raw) * rate // ONE
                break
            self.raw += needed
            self.wall += left
            self.wall += self.second_overflow(self.second()) * NS_PER_S << FINE
            rate = self.rate()
        self.raw = raw

    def read(self, raw_ns: int) -> int:
        self.advance(raw_ns)
        return self.wall >> FINE

    def second_overflow(self, secs: int) -> int:
        leap = 0
        if self.time_state == TIME_OK:
            if self.time_status & STA_INS:
                self.time_state = TIME_INS
                self.next_leap_sec = secs + DAY_S - secs % DAY_S
            elif self.time_status & STA_DEL:
                self.time_state = TIME_DEL
                self.next_leap_sec = secs + DAY_S - (secs + 1) % DAY_S
        elif self.time_state == TIME_INS:
            if not self.time_status & STA_INS:
                self.next_leap_sec, self.time_state = None, TIME_OK
            elif secs == self.next_leap_sec:
                leap, self.time_state = -1, TIME_OOP
        elif self.time_state == TIME_DEL:
            if not self.time_status & STA_DEL:
                self.next_leap_sec, self.time_state = None, TIME_OK
            elif secs == self.next_leap_sec:
                leap, self.next_leap_sec, self.time_state = 1, None, TIME_WAIT
        elif self.time_state == TIME_OOP:
            self.next_leap_sec, self.time_state = None, TIME_WAIT
        elif not self.time_status & (STA_INS | STA_DEL):
            self.time_state = TIME_OK

        self.time_maxerror += 500
        if self.time_maxerror > PHASE_LIMIT:
            self.time_maxerror = PHASE_LIMIT
            self.time_status |= STA_UNSYNC

        delta = shift_right(self.time_offset, SHIFT_PLL + self.time_constant)
        self.time_offset -= delta
        tick_length = delta
        if self.time_adjust > MAX_TICKADJ:
            self.time_adjust -= MAX_TICKADJ
            tick_length += (MAX_TICKADJ * 1000 << SCALE_SHIFT) // HZ
        elif self.time_adjust < -MAX_TICKADJ:
            self.time_adjust += MAX_TICKADJ
            tick_length -= (MAX_TICKADJ * 1000 << SCALE_SHIFT) // HZ
        else:
            tick_length += truncate(self.time_adjust * 1000, HZ) << SCALE_SHIFT
            self.time_adjust = 0
        self.slewing = tick_length * HZ
        self.tai -= leap
        return leap

    # ---------- the calls

    def ntp_clear(self) -> None:
        self.time_adjust = 0
        self.time_status |= STA_UNSYNC
        self.time_maxerror = self.time_esterror = PHASE_LIMIT
        self.slewing = self.time_offset = 0
        self.next_leap_sec = None

    def settime(self, raw_ns: int, s: int, ns: int) -> int:
        """0 or a negative errno."""
        self.advance(raw_ns)
        if not (0 <= s < SETTOD_S_MAX and 0 <= ns < NS_PER_S) or s * NS_PER_S + ns < raw_ns:
            return -errno.EINVAL
        self.wall = s * NS_PER_S + ns << FINE
        self.ntp_clear()
        return 0

    def inject_offset(self, raw_ns: int, by_ns: int) -> int:
        s = ((self.wall >> FINE) + by_ns) // NS_PER_S
        if not 0 <= s < SETTOD_S_MAX or (self.wall >> FINE) + by_ns < raw_ns:
            return -errno.EINVAL
        self.wall += by_ns << FINE
        self.ntp_clear()
        return 0

    def validate(self, modes: int, given: dict[str, int]) -> int:
        if modes & ADJ_ADJTIME:
            if not modes & ADJ_SINGLESHOT:
                return -errno.EINVAL
        elif modes & ADJ_TICK and not 9_000 <= given.get("tick", 0) <= 11_000:
            return -errno.EINVAL
        if modes & ADJ_SETOFFSET:
            limit = NS_PER_S if modes & ADJ_NANO else 10**6
            if not 0 <= given.get("time_fraction", 0) < limit:
                return -errno.EINVAL
        if modes & ADJ_FREQUENCY and abs(given.get("freq", 0)) > LONG_MAX // PPM_SCALE:
            return -errno.EINVAL
        return 0

    def adjtimex(self, raw_ns: int, modes: int, **given: int) -> tuple[int, dict[str, int]]:
        """The state of the clock or a negative errno, and the fields of struct timex."""
        self.advance(raw_ns)
        rc = self.validate(modes, given)
        if rc == 0 and modes & ADJ_SETOFFSET:
            unit_ns = 1 if modes & ADJ_NANO else 1_000
            by_ns = given.get("time_s", 0) * NS_PER_S + given.get("time_fraction", 0) * unit_ns
            rc = self.inject_offset(raw_ns, by_ns)
        if rc < 0:
            return rc, {}

        if modes & ADJ_ADJTIME:
            offset = self.time_adjust
            if not modes & ADJ_READONLY:
                self.time_adjust = given.get("offset", 0)
        else:
            self.process_modes(modes, given)
            offset = shift_right(self.time_offset * HZ, SCALE_SHIFT)
            if not self.time_status & STA_NANO:
                offset = truncate(offset, 1_000)
        error = self.time_status & (STA_UNSYNC | STA_CLOCKERR)
        return TIME_ERROR if error else self.time_state, self.fields(offset)

    def fields(self, offset: int) -> dict[str, int]:
        wall_ns = self.wall >> FINE
        freq = (self.time_freq >> PPM_SCALE_INV_SHIFT) * PPM_SCALE_INV
        return {
            "offset": offset,
            "freq": shift_right(freq, SCALE_SHIFT),
            "maxerror": self.time_maxerror,
            "esterror": self.time_esterror,
            "status": self.time_status,
            "constant": self.time_constant,
            "tick": self.tick_usec,
            "tai": self.tai,
            "precision": 1,
            "tolerance": MAXFREQ_SCALED // PPM_SCALE,
            "time_s": wall_ns // NS_PER_S,
            "time_fraction": wall_ns % NS_PER_S // (1 if self.time_status & STA_NANO else 1_000),
        }

    def process_modes(self, modes: int, given: dict[str, int]) -> None:
        if modes & ADJ_STATUS:
            self.process_adj_status(given.get("status", 0))
        if modes & ADJ_NANO:
            self.time_status |= STA_NANO
        if modes & ADJ_MICRO:
            self.time_status &= ~STA_NANO
        if modes & ADJ_FREQUENCY:
            freq = given.get("freq", 0) * PPM_SCALE
            self.time_freq = clamp(freq, -MAXFREQ_SCALED, MAXFREQ_SCALED)
        if modes & ADJ_MAXERROR:
            self.time_maxerror = clamp(given.get("maxerror", 0), 0, PHASE_LIMIT)
        if modes & ADJ_ESTERROR:
            self.time_esterror = clamp(given.get("esterror", 0), 0, PHASE_LIMIT)
        if modes & ADJ_TIMECONST:
            self.time_constant = clamp(given.get("constant", 0), 0, MAXTC)
            if not self.time_status & STA_NANO:
                self.time_constant += 4
            self.time_constant = clamp(self.time_constant, 0, MAXTC)
        if modes & ADJ_TAI and 0 <= given.get("constant", 0) <= 100_000:
            self.tai = given.get("constant", 0)
        if modes & ADJ_OFFSET:
            self.update_offset(given.get("offset", 0))
        if modes & ADJ_TICK:
            self.tick_usec = given.get("tick", 0)

    def process_adj_status(self, status: int) -> None:
        if self.time_status & STA_PLL and not status & STA_PLL:
            self.time_state, self.time_status = TIME_OK, STA_UNSYNC
            self.next_leap_sec = None
        if not self.time_status & STA_PLL and status & STA_PLL:
            self.time_reftime = self.second()
        self.time_status &= STA_RONLY
        self.time_status |= status & ~STA_RONLY

    def update_offset(self, offset: int) -> None:
        if not self.time_status & STA_PLL:
            return
        if not self.time_status & STA_NANO:
            offset = clamp(offset, -(10**6), 10**6) * 1_000
        offset = clamp(offset, -MAXPHASE, MAXPHASE)

        secs = self.second() - self.time_reftime
        if self.time_status & STA_FREQHOLD:
            secs = 0
        self.time_reftime = self.second()

        freq_adj = self.update_offset_fll(offset, secs)
        secs = min(secs, 1 << (SHIFT_PLL + 1 + self.time_constant))
        gain_shift = SCALE_SHIFT - 2 * (SHIFT_PLL + 2 + self.time_constant)
        freq_adj = wrap(freq_adj + (wrap(offset * secs) << gain_shift))
        freq = wrap(freq_adj + self.time_freq)
        self.time_freq = clamp(freq, -MAXFREQ_SCALED, MAXFREQ_SCALED)
        self.time_offset = truncate(offset << SCALE_SHIFT, HZ)

    def update_offset_fll(self, offset: int, secs: int) -> int:
        self.time_status &= ~STA_MODE
        if secs < MINSEC or (not self.time_status & STA_FLL and secs <= MAXSEC):
            return 0
        self.time_status |= STA_MODE
        return truncate(offset << (SCALE_SHIFT - SHIFT_FLL), secs)
