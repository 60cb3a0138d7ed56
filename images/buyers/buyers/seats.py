"""Names of seats and the ranges of them that patterns use. Pure."""

from __future__ import annotations

SEATS_IN_ROW = 100


def seat_name(number: int) -> str:
    """`A-0001` for 1, `K-1000` for 1000: a row letter for every hundred, then the number.

    The number alone is unique; the row is for people. `number` must not be negative.
    """
    return f"{_letters(number // SEATS_IN_ROW)}-{number:04d}"


def _letters(row: int) -> str:
    """A..Z, AA..AZ, BA.. as spreadsheets count columns."""
    letters = ""
    row += 1
    while row > 0:
        row, digit = divmod(row - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters
