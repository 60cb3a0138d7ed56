"""Which seats were contested, double-booked or could have been: all seats of a part at once.

Columns instead of objects: a phase may have millions of seats. What is found here is a set of
seats; only what has to be told about a seat is read again by name (`claims.claims_by_seat`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from .clocks import Clocks
from .compact import Part, codes_of
from .explain import DATABASE, Injected, Window
from .findings import STAMP_DISAGREEMENT_NS_MIN
from .orders import add, count_orders
from .results import Comparison
from .thetas import with_thetas


def _none() -> pl.Series:
    return pl.Series([], dtype=pl.UInt64)


@dataclass
class Contests:
    """Seats by their hashes. `ties`: contested ones where two claims share an instant, so that
    only their names tell which came first; `opportunities` leaves them out."""

    contested: int = 0
    contested_seats: pl.Series = field(default_factory=_none)
    opportunities: int = 0
    ties: pl.Series = field(default_factory=_none)
    unjudged: pl.Series = field(default_factory=_none)
    """contested seats of a policy without a `Window`"""
    doubles: pl.Series = field(default_factory=_none)
    stamps_off: int = 0
    """claims whose stamp is not what the observer saw that clock show"""
    seats_off: pl.Series = field(default_factory=_none)
    receipts_without_record: pl.Series = field(default_factory=_none)
    records_without_receipt: pl.Series = field(default_factory=_none)
    comparison: Comparison = field(default_factory=Comparison)

    def add(self, other: Contests) -> None:
        """Take in another part's seats: no seat is in two parts."""
        for name, value in vars(other).items():
            setattr(self, name, _both(getattr(self, name), value))


def _both(first: Any, second: Any) -> Any:
    if isinstance(first, pl.Series):
        return pl.concat([first, second])
    return add(first, second) if isinstance(first, Comparison) else first + second


def examine(
    part: Part,
    clocks: Clocks,
    beliefs: pl.DataFrame,
    window: Window | None,
    injected: Injected,
    sample_error_ns: int,
) -> Contests:
    """Every set of seats of one part."""
    claims = _claims(part)
    buyers, servers = (pl.col(c).drop_nulls() for c in ("buyer", "server"))
    holders = buyers.filter(pl.col("receipt").is_not_null())
    seats = claims.group_by("seat").agg(
        several=buyers.min() != buyers.max(),
        servers=servers.min() != servers.max(),
        double=(holders.min() != holders.max()).fill_null(False),
    )
    wanted = seats.filter("several")
    contested = wanted.filter("servers")["seat"]
    fought = _sorted(claims.filter(pl.col("seat").is_in(contested.implode())))
    tied = _tied(fought)
    found = Contests(len(contested), contested, doubles=seats.filter("double")["seat"])
    found.comparison = count_orders(fought, clocks, beliefs, sample_error_ns)
    if window is None:
        found.unjudged = contested
    else:
        found.ties = tied
        clear = fought.filter(~pl.col("seat").is_in(tied.implode())) if len(tied) else fought
        found.opportunities = len(opportunities(clear, window, injected, clocks))
    off = _stamps_off(
        claims.filter(pl.col("seat").is_in(wanted["seat"].implode())), clocks, sample_error_ns
    )
    found.stamps_off, found.seats_off = len(off), off["seat"].unique()
    receipts = part.attempts["receipt"].drop_nulls()
    records = part.reservations["receipt"].drop_nulls()
    found.receipts_without_record = receipts.filter(~receipts.is_in(records.implode()))
    found.records_without_receipt = records.filter(~records.is_in(receipts.implode()))
    return found


def opportunities(
    claims: pl.DataFrame, window: Window, injected: Injected, clocks: Mapping[str, object]
) -> pl.Series:
    """The seats with two claims for which `window` holds; `claims` sorted by seat and time."""
    names = sorted({*injected.skews, *injected.struck, *clocks})
    claims = claims.with_columns(
        theta_ns=_injected_theta(injected, codes_of(names)),
        database_ns=_of_node(injected, DATABASE),
        uptime_ns=_uptime(injected, codes_of(sorted(injected.monotonic_ns))),
        ttl_ns=pl.col("ttl_ns").fill_null(injected.ttl_ns),
        row=pl.int_range(pl.len()),
    )
    if window.reach_ns is None:
        starts = pl.when(pl.col("seat") != pl.col("seat").shift()).then(pl.col("row"))
        first = claims.select(starts.fill_null(0).cum_max()).to_series()
        return _holding(claims, first, claims["row"], window.holds(injected))["seat"].unique()
    return _any_pair(claims, window, injected)


def _any_pair(claims: pl.DataFrame, window: Window, injected: Injected) -> pl.Series:
    """Pairs one apart, two apart, and so on, as long as a pair may still be within reach."""
    assert window.reach_ns is not None
    reach = claims.with_columns(reach_ns=window.reach_ns(injected))["reach_ns"]
    alive, distance, found = claims["row"], 0, _none()
    while len(alive):
        distance += 1
        alive = alive.filter(alive + distance < len(claims))
        later = alive + distance
        near = claims["seat"].gather(alive) == claims["seat"].gather(later)
        gaps = claims["time_ns"].gather(later) - claims["time_ns"].gather(alive)
        near &= gaps < reach.gather(alive)
        alive, later = alive.filter(near), later.filter(near)
        hit = _holding(claims, alive, later, window.holds(injected))["seat"].unique()
        found = pl.concat([found, hit])
        alive = alive.filter(~claims["seat"].gather(alive).is_in(hit.implode()))
    return found.unique()


def _holding(
    claims: pl.DataFrame, first: pl.Series, second: pl.Series, holds: pl.Expr
) -> pl.DataFrame:
    """The pairs (A, B) of different buyers for which `holds`."""
    a, b = claims[first], claims[second]
    pairs = pl.DataFrame(
        {
            "seat": a["seat"],
            "gap_ns": b["time_ns"] - a["time_ns"],
            "skew_ns": a["theta_ns"] - b["theta_ns"],
            "ttl_ns": a["ttl_ns"],
            "granted": a["granted"],
            "confirm_after_ns": a["confirm_sent_ns"] - b["time_ns"],
            "database_ns": b["database_ns"] - a["database_ns"],
            "uptime_ns": b["uptime_ns"] - a["uptime_ns"],
            "crossed": a["server"] != b["server"],
            "apart": a["buyer"] != b["buyer"],
        }
    )
    return pairs.filter(pl.col("apart") & holds)


def _claims(part: Part) -> pl.DataFrame:
    """Each attempt on a seat with its server's record: when it was made, and its stamp."""
    records = part.reservations.drop("seat", "receipt").drop_nulls("record")
    if records["record"].is_duplicated().any():
        records = records.unique("record", keep="last", maintain_order=True)
    joined = part.attempts.drop_nulls("seat").join(records, on="record", how="left")
    return joined.with_columns(
        time_ns=pl.coalesce("claimed_ns", "sent_ns"),
        stamp_ns=pl.coalesce("recorded_stamp_ns", "stamp_ns"),
        wall_ns=pl.coalesce("claimed_wall_ns", "recorded_stamp_ns", "stamp_ns"),
        granted=pl.col("granted").fill_null(False),
    ).drop("record", "recorded_stamp_ns", "claimed_wall_ns", "sent_ns")


def _sorted(claims: pl.DataFrame) -> pl.DataFrame:
    return claims.drop_nulls("time_ns").sort("seat", "time_ns")


def _tied(claims: pl.DataFrame) -> pl.Series:
    seat, time = pl.col("seat"), pl.col("time_ns")
    same = (seat == seat.shift()) & (time == time.shift())
    return claims.filter(same)["seat"].unique()


def _stamps_off(claims: pl.DataFrame, clocks: Clocks, sample_error_ns: int) -> pl.DataFrame:
    stamped = claims.drop_nulls(["claimed_ns", "wall_ns"])
    seen = with_thetas(stamped, clocks, codes_of(sorted(clocks)), "claimed_ns", sample_error_ns)
    off = (pl.col("wall_ns") - pl.col("claimed_ns") - pl.col("theta_ns")).abs()
    return seen.filter(off > STAMP_DISAGREEMENT_NS_MIN + pl.col("error_ns"))


def _injected_theta(injected: Injected, codes: Mapping[str, int]) -> pl.Expr:
    """`Injected.theta_ns` of the columns `server` (coded) and `time_ns`."""
    theta = pl.lit(0, pl.Int64)
    for name, code in codes.items():
        theta = pl.when(pl.col("server") == code).then(_of_node(injected, name)).otherwise(theta)
    return theta


def _uptime(injected: Injected, codes: Mapping[str, int]) -> pl.Expr:
    """What each server's monotonic clock is ahead of lab time, of the column `server`."""
    uptime = pl.lit(0, pl.Int64)
    for name, code in codes.items():
        own = pl.lit(injected.monotonic_ns[name], pl.Int64)
        uptime = pl.when(pl.col("server") == code).then(own).otherwise(uptime)
    return uptime


def _of_node(injected: Injected, name: str) -> pl.Expr:
    planned = pl.lit(0, pl.Int64)
    if name in injected.skews:
        skew = injected.skews[name]
        elapsed = (pl.col("time_ns") - injected.start_ns).cast(pl.Float64)
        drifted = (skew.drift_ppm * elapsed / 1_000_000).round(0, mode="half_to_even")
        planned = skew.offset_ns + drifted.cast(pl.Int64)
    theta = planned
    for struck_ns, left_ns in injected.struck.get(name, ()):
        left = planned if left_ns is None else pl.lit(left_ns, pl.Int64)
        theta = pl.when(pl.col("time_ns") >= struck_ns).then(left).otherwise(theta)
    return theta
