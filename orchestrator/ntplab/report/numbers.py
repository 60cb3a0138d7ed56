"""Numbers with units, as people read them: three significant digits, in either language. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ..units import NS_PER_MS, NS_PER_S, NS_PER_US

NBSP = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
NOTHING = DASH
"""shown where there was nothing to measure: never a zero"""

_UNITS = (("s", NS_PER_S), ("ms", NS_PER_MS), ("µs", NS_PER_US), ("ns", 1))


@dataclass(frozen=True)
class Numbers:
    """How numbers are written: `decimal` is the decimal sign, `percent` what follows a share."""

    decimal: str = "."
    percent_sign: str = "%"

    def real(self, value: float | None, digits: int = 3) -> str:
        """`digits` significant digits, without trailing zeros and without an exponent."""
        if value is None:
            return NOTHING
        if value == 0:
            return "0"
        text = f"{value:.{digits}g}"
        if "e" in text:
            text = f"{float(text):f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return self._signs(text)

    def count(self, value: int | None) -> str:
        """A whole number, its thousands apart."""
        if value is None:
            return NOTHING
        return self._signs(f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"))

    def duration(self, value_ns: float | None, *, signed: bool = False, digits: int = 3) -> str:
        """`628827415` is `629 ms`, in the largest unit of which there is one whole."""
        if value_ns is None:
            return NOTHING
        size = float(f"{abs(value_ns):.{digits}g}")
        unit, scale = next((u for u in _UNITS if size >= u[1]), _UNITS[-1])
        if value_ns == 0:
            unit, scale = "s", NS_PER_S
        sign = "+" if signed and value_ns > 0 else ""
        return f"{sign}{self.real(value_ns / scale, digits)}{NBSP}{unit}"

    def seconds(self, value_s: float | None, digits: int = 3) -> str:
        return NOTHING if value_s is None else f"{self.real(value_s, digits)}{NBSP}s"

    def millis(self, value_ms: float | None) -> str:
        return NOTHING if value_ms is None else self.duration(value_ms * NS_PER_MS)

    def percent(self, share: float | None) -> str:
        """A share; what is not 0 or 1 is never rounded to either."""
        if share is None:
            return NOTHING
        text = f"{share * 100:.3g}" if share * 100 < 99.95 else f"{share * 100:.4g}"
        return self._signs(text) + self.percent_sign

    def interval(self, low: float, high: float) -> str:
        """An interval of shares."""
        low_text = self.percent(low).removesuffix(self.percent_sign)
        return f"{low_text}{DASH}{self.percent(high)}"

    def time(self, lab_ns: int | None) -> str:
        """The time of the day in UTC, to the millisecond (truncated, as clocks show it)."""
        if lab_ns is None:
            return NOTHING
        of_day = datetime.fromtimestamp(lab_ns // NS_PER_S, UTC)
        return f"{of_day:%H:%M:%S}{self.decimal}{lab_ns % NS_PER_S // NS_PER_MS:03}"

    def _signs(self, text: str) -> str:
        return text.replace("-", MINUS).replace(".", self.decimal)
