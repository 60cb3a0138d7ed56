"""Policy unique never double-books: whatever the clocks, the constraint lets one row in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from booking.policies import unique
from booking.policies.unique import RESERVE, decide


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-(2**62), 2**62)), max_size=30))
def test_each_seat_is_confirmed_exactly_once(claims: list[tuple[int, int]]) -> None:
    """Claims reach the database in list order, with any stamps; a set is the constraint."""
    rows: set[int] = set()
    confirmed: list[int] = []
    for seat, _stamp_ns in claims:
        inserted = seat not in rows
        rows.add(seat)
        if decide(inserted) == "confirmed":
            confirmed.append(seat)
    assert sorted(confirmed) == sorted({seat for seat, _ in claims})


def test_no_clock_reading_takes_part_in_the_statement() -> None:
    """Stamps go into the columns that record them, and into no condition."""
    assert RESERVE.count("$7") == 2  # stamp_ns, decided_wall_ns
    for condition in ("WHERE", "ORDER BY", "now()", "clock_timestamp"):
        assert condition not in RESERVE


def test_one_row_per_seat_is_what_the_schema_says() -> None:
    (schema,) = unique.POLICY.migrations
    assert "seat text PRIMARY KEY" in schema
