"""The claims on some seats, told one by one: stamp, the clock's error then, the stamp corrected.

What `compare` prints below its summary; the summary itself (`orders.py`) is in results.json.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from pydantic import BaseModel

from ..evidence import Evidence, RunDirectory
from .attempts import of_phase
from .claims import Claim, claims_by_seat
from .clocks import Clocks, load_clocks
from .orders import corrected, orders_of
from .results import Results
from .sync import synchronised


class ComparedClaim(BaseModel):
    """One claim. `believed_error_ns`: what chronyd held the clock's error for."""

    server: str
    buyer: str
    receipt: bool
    stamp_ns: int
    error_ns: int | None
    believed_error_ns: int | None
    corrected_stamp_ns: int | None
    """by the true error where it is known, else by what chronyd believed"""
    corrected_by: str
    """`truth`, `belief` or `nothing`"""
    place_before: int
    place_after: int | None


class ComparedSeat(BaseModel):
    """The claims on a seat in the order of their stamps."""

    seat: str
    phase: str
    order_changed: bool | None
    claims: list[ComparedClaim]


def compare_seats(
    run: RunDirectory, results: Results, count: int, seats: Sequence[str] = ()
) -> list[ComparedSeat]:
    """Seats of each phase, told in full: those named, or `count` contested ones, those that
    were sold twice first."""
    found: list[ComparedSeat] = []
    with Evidence(run) as evidence:
        clocks = load_clocks(evidence)
        with evidence.reading("belief"):
            beliefs = synchronised(evidence).collect(engine="streaming").sort("lab_ns")
        for phase in results.phases:
            doubled = [double.seat for double in phase.bookings.double_booking_details]
            wanted = seats or doubled[:count] or _contested(evidence, phase.name, count)
            by_seat = claims_by_seat(evidence, phase.name, list(wanted))
            found += [
                told
                for seat, claims in by_seat.items()
                if (told := _told(seat, phase.name, claims, clocks, beliefs)).claims
            ]
    return found


def _contested(evidence: Evidence, phase: str, count: int) -> list[str]:
    with evidence.reading("attempts"):
        own = of_phase(evidence.scan("attempts"), phase).drop_nulls(["seat", "buyer"])
        ends = (pl.col(name).min() != pl.col(name).max() for name in ("buyer", "server"))
        several = own.group_by("seat").agg(pl.all_horizontal(*ends).alias("several"))
        first = several.filter("several").select("seat").sort("seat").head(count)
        return first.collect(engine="streaming")["seat"].to_list()


def _told(
    seat: str, phase: str, claims: Sequence[Claim], clocks: Clocks, beliefs: pl.DataFrame
) -> ComparedSeat:
    rows = corrected(_frame(claims), clocks, beliefs, 0)
    rows = rows.with_columns(after_ns=pl.col("wall_ns") - _ERROR).sort(
        "stamp_ns", "logical", "server_name", "buyer"
    )
    stamps = rows["after_ns"].to_list()
    places = orders_of(stamps) if None not in stamps else None
    told = [
        ComparedClaim(
            server=row["server_name"],
            buyer=row["buyer"],
            receipt=row["receipt"],
            stamp_ns=row["stamp_ns"],
            error_ns=row["theta_ns"],
            believed_error_ns=row["believed_ns"],
            corrected_stamp_ns=row["after_ns"],
            corrected_by=_source(row["theta_ns"], row["believed_ns"]),
            place_before=index + 1,
            place_after=None if places is None else places[index],
        )
        for index, row in enumerate(rows.to_dicts())
    ]
    changed = None if places is None else places != sorted(places)
    return ComparedSeat(seat=seat, phase=phase, order_changed=changed, claims=told)


_ERROR = pl.coalesce("theta_ns", "believed_ns")


def _source(truth_ns: int | None, belief_ns: int | None) -> str:
    if truth_ns is not None:
        return "truth"
    return "nothing" if belief_ns is None else "belief"


def _frame(claims: Sequence[Claim]) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            "server_name": [claim.server for claim in claims],
            "buyer": [claim.buyer for claim in claims],
            "receipt": [claim.holds_receipt for claim in claims],
            "stamp_ns": [claim.stamp_ns for claim in claims],
            "logical": [claim.logical for claim in claims],
            "wall_ns": [claim.wall_ns for claim in claims],
            "claimed_ns": [claim.claimed_ns for claim in claims],
        },
        schema_overrides={"stamp_ns": pl.Int64, "wall_ns": pl.Int64, "claimed_ns": pl.Int64},
    )
    return frame.with_columns(server=pl.col("server_name").hash(0))
