"""Draws concert.svg from a run: `python docs/results/figure.py RUN docs/results/concert.svg`.

Run by hand, with matplotlib beside the lab's own packages: it is no part of the tool.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pyarrow.parquet as pq

COLORS = {"paris": "#2a6f97", "lyon": "#c1121f", "marseille": "#e09f3e"}
LINEAR_BELOW_S = 1e-4
"""Divergences of microseconds and of seconds in one picture: linear below this, then log."""


def draw(run: Path, target: Path) -> None:
    """Divergence of every server over the run, and the races below it on the same axis."""
    results = json.loads((run / "results.json").read_text())
    clock = pq.read_table(run / "evidence" / "clock.parquet").to_pydict()
    start_ns = min(clock["lab_ns"])
    figure, (top, below) = plt.subplots(
        2, 1, figsize=(9, 4.6), sharex=True, height_ratios=[3, 1], layout="constrained"
    )
    for server, color in COLORS.items():
        rows = [i for i, node in enumerate(clock["node"]) if node == server]
        times_s = [(clock["lab_ns"][i] - start_ns) / 1e9 for i in rows]
        top.plot(
            times_s, [clock["divergence_ns"][i] / 1e9 for i in rows], color=color, label=server
        )
    top.set_yscale("symlog", linthresh=LINEAR_BELOW_S)
    top.set_yticks([-1, -1e-2, -1e-4, 0, 1e-4, 1e-2, 1])
    top.set_yticklabels(["-1 s", "-10 ms", "-100 µs", "0", "100 µs", "10 ms", "1 s"])
    top.set_ylabel("wall clock\nminus true time")
    top.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    draw_seats(below, run, results, start_ns)
    for phase in results["phases"]:
        begin_s = (phase["start_lab_ns"] - start_ns) / 1e9
        end_s = (phase["end_lab_ns"] - start_ns) / 1e9
        for axis in (top, below):
            axis.axvspan(begin_s, end_s, color="#00000010", lw=0)
        top.text((begin_s + end_s) / 2, 6, phase["name"], ha="center", va="bottom")
    for axis in (top, below):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, metadata={"Date": None})


def draw_seats(axis: plt.Axes, run: Path, results: dict[str, Any], start_ns: int) -> None:
    """A mark for every race, at its second request: red where the seat was sold to both."""
    attempts = pq.read_table(run / "evidence" / "attempts.parquet").to_pylist()
    twice = {
        double["seat"]
        for phase in results["phases"]
        for double in phase["bookings"]["double_booking_details"]
    }
    races: dict[str, list[int]] = {}
    for attempt in attempts:
        if attempt["race"] is not None:
            races.setdefault(attempt["seat"], []).append(attempt["sent_ns"])
    for sold_twice, color, label in (
        (False, "#9aa0a6", "sold once"),
        (True, "#c1121f", "sold twice"),
    ):
        points = [
            ((max(sent) - start_ns) / 1e9, (max(sent) - min(sent)) / 1e9)
            for seat, sent in races.items()
            if (seat in twice) is sold_twice
        ]
        axis.scatter(*zip(*points, strict=True), s=12, color=color, label=label, lw=0)
    axis.set_ylabel("second buyer\nlater by [s]")
    axis.set_xlabel("lab time [s]")
    axis.set_ylim(0, 2.1)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
