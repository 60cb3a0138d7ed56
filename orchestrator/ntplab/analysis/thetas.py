"""What clocks showed, for millions of instants at once: `ClockSeries.at` by column."""

from __future__ import annotations

import polars as pl

from .clocks import GAP_NS_MAX, Clocks, ClockSeries, to_series


def thetas_at(series: ClockSeries, at_ns: pl.Series, sample_error_ns: int) -> pl.DataFrame:
    """`theta_ns`, `error_ns` for each instant, as `ClockSeries.at` gives them; null for None."""
    count = len(series)
    if not count:
        unknown = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(at_ns))
        return pl.DataFrame({"theta_ns": unknown, "error_ns": unknown})
    times, values = to_series(series.lab_ns), to_series(series.divergence_ns)
    right = times.search_sorted(at_ns, side="left").cast(pl.Int64)
    low, high = (right - 1).clip(0, count - 1), right.clip(0, count - 1)
    around = pl.DataFrame(
        {
            "at": at_ns,
            "t0": times.gather(low),
            "t1": times.gather(high),
            "d0": values.gather(low),
            "d1": values.gather(high),
            "error": _errors(series, low, high, sample_error_ns),
        }
    )
    t0, t1, d0, d1, at = (pl.col(name) for name in ("t0", "t1", "d0", "d1", "at"))
    # d0 + (d1 - d0) * (at - t0) // (t1 - t0), split so that no product leaves 64 bits: the
    # samples are at most 2 GAP_NS_MAX apart. At either end both samples are the same one.
    width = pl.when(t1 > t0).then(t1 - t0).otherwise(1)
    rise, since = d1 - d0, at - t0
    between = d0 + rise // width * since + rise % width * since // width
    known = ((at - t0).abs() <= GAP_NS_MAX) & ((at - t1).abs() <= GAP_NS_MAX)
    return around.select(
        theta_ns=pl.when(known).then(between),
        error_ns=pl.when(known).then(pl.col("error") + rise.abs()),
    )


def _errors(series: ClockSeries, low: pl.Series, high: pl.Series, same_ns: int) -> pl.Series:
    """The larger error of each two samples."""
    if not len(series.error_ns):
        return pl.Series([same_ns], dtype=pl.Int64).new_from_index(0, len(low))
    own = to_series(series.error_ns)
    both = pl.DataFrame({"low": own.gather(low), "high": own.gather(high)})
    return both.select(pl.max_horizontal("low", "high")).to_series()


def with_thetas(
    frame: pl.DataFrame, clocks: Clocks, codes: dict[str, int], at: str, sample_error_ns: int
) -> pl.DataFrame:
    """`frame` with `theta_ns` and `error_ns` of its column `server` (coded) at the column `at`.

    Rows of servers without samples get nulls. The order of the rows changes.
    """
    known = pl.col("server").is_in(pl.Series(codes.values(), dtype=pl.UInt64).implode())
    rest = frame.filter(~known.fill_null(False))
    nothing = pl.lit(None, pl.Int64)
    parts = [rest.with_columns(theta_ns=nothing, error_ns=nothing)]
    for name, code in codes.items():
        own = frame.filter(pl.col("server") == code)
        thetas = thetas_at(clocks.get(name, ClockSeries()), own[at], sample_error_ns)
        parts.append(own.hstack(thetas))
    return pl.concat(parts)
