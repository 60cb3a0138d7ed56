"""A million clock samples as the few that a picture shows: the least and the most per pixel.

Nothing that stuck out is lost: a single wild sample is the extreme of its pixel. Read in batches,
so memory does not grow with the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from ..evidence import Evidence

PIXELS = 700
"""so many pixels wide is the inside of a chart"""


@dataclass(frozen=True)
class Window:
    """A stretch of lab time to be drawn `pixels` wide."""

    start_ns: int
    end_ns: int
    pixels: int = PIXELS

    @property
    def pixel_ns(self) -> int:
        """How long one pixel lasts, rounded up."""
        return max(1, -(-(self.end_ns - self.start_ns + 1) // self.pixels))


@dataclass(frozen=True)
class Course:
    """One node's divergence, pixel by pixel: `lab_ns` is the middle of each, those without a
    sample are left out; `low_ns` and `high_ns` the least and the most divergence in it."""

    lab_ns: Sequence[int]
    low_ns: Sequence[int]
    high_ns: Sequence[int]

    @property
    def extremes_ns(self) -> tuple[int, int]:
        return min(self.low_ns), max(self.high_ns)


Courses = Mapping[str, Course]
"""by node"""


def courses(evidence: Evidence, windows: Sequence[Window]) -> list[Courses]:
    """Every node's course in each of the windows. Reads the clock table once."""
    found: list[list[pl.DataFrame]] = [[] for _ in windows]
    for batch in evidence.batches("clock", ["lab_ns", "node", "divergence_ns"]):
        samples = _frame(batch)
        for window, parts in zip(windows, found, strict=True):
            if part := _extremes(samples, window):
                parts.append(part[0])
    return [dict(_courses(parts, window)) for window, parts in zip(windows, found, strict=True)]


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(pa.Table.from_batches([batch]))
    assert isinstance(frame, pl.DataFrame)
    return frame.drop_nulls()


def _extremes(samples: pl.DataFrame, window: Window) -> list[pl.DataFrame]:
    """Per node and pixel; nothing where no sample is inside."""
    inside = samples.filter(pl.col("lab_ns").is_between(window.start_ns, window.end_ns))
    if inside.is_empty():
        return []
    pixel = (pl.col("lab_ns") - window.start_ns) // window.pixel_ns
    value = pl.col("divergence_ns")
    return [
        inside.group_by("node", pixel.alias("pixel")).agg(
            value.min().alias("low_ns"), value.max().alias("high_ns")
        )
    ]


def _courses(parts: Sequence[pl.DataFrame], window: Window) -> Iterator[tuple[str, Course]]:
    """The parts of all batches as one: a pixel may have samples in two of them."""
    if not parts:
        return
    low, high = pl.col("low_ns").min(), pl.col("high_ns").max()
    whole = pl.concat(parts).group_by("node", "pixel").agg(low, high).sort("node", "pixel")
    for (node,), own in whole.group_by("node", maintain_order=True):
        middle = own["pixel"] * window.pixel_ns + window.start_ns + window.pixel_ns // 2
        yield str(node), Course(middle.to_list(), own["low_ns"].to_list(), own["high_ns"].to_list())
