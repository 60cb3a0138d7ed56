"""Table and pictures of policies.md, from two sweeps: what was run, not what was typed.

    python docs/results/policies_figure.py CURES HOW_GOOD docs/results

Prints the table of CURES; draws policies.svg from it, and how-good.svg from HOW_GOOD. Run by hand,
with matplotlib beside the lab's own packages: it is no part of the tool.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

OFF, ON = "#c1121f", "#2a6f97"
WAITS = {"300ms": "#2a6f97", "600ms": "#e09f3e", "1200ms": "#c1121f"}
MS = {"ms": 1.0, "s": 1000.0}


def points(run: Path) -> list[dict[str, Any]]:
    """The finished points of a sweep."""
    found: list[dict[str, Any]] = json.loads((run / "results.json").read_text())["points"]
    return [point for point in found if point["phases"]]


def milliseconds(text: str) -> float:
    """150ms, 2s."""
    digits = text.rstrip("ms")
    return float(digits) * MS[text[len(digits) :]]


def share(bookings: dict[str, Any]) -> tuple[float, float, float]:
    """Seats sold twice of those contested, by the prediction's interval: rate, low, high."""
    seen = bookings["prediction"]
    return seen["observed_rate"], *seen["ci95"]


def table(run: Path) -> None:
    """One line for each policy and state of NTP, as Markdown."""
    print("| policy | NTP | contested | sold twice | by theory | answered | p50 | p95 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for point in points(run):
        for phase in point["phases"]:
            seen, latency = phase["bookings"], phase["bookings"]["latency_ms"]
            print(
                f"| `{point['policy']}` | {phase['ntp']} | {seen['contested_seats']} "
                f"| {seen['double_bookings']} | {seen['prediction']['expected']:g} "
                f"| {seen['availability']:.0%} "
                f"| {latency['p50']:.0f} ms | {latency['p95']:.0f} ms |"
            )


def draw_policies(run: Path, target: Path) -> None:
    """Share of contested seats sold twice, NTP off and on, with intervals; theory as a tick."""
    found = points(run)
    figure, axis = plt.subplots(figsize=(9, 4.2), layout="constrained")
    for side, color in enumerate((OFF, ON)):
        for row, point in enumerate(found):
            seen = point["phases"][side]["bookings"]
            rate, low, high = share(seen)
            y = row + (side - 0.5) * 0.36
            axis.barh(y, rate * 100, 0.34, color=color)
            axis.plot([low * 100, high * 100], [y, y], color="#333333", lw=1)
            theory = seen["prediction"]["rate"] * 100
            axis.plot([theory, theory], [y - 0.17, y + 0.17], color="black", lw=2)
    axis.set_yticks(range(len(found)), [point["policy"] for point in found])
    axis.invert_yaxis()
    axis.set_xlabel("contested seats sold twice, % (line: 95 % interval; black tick: theory)")
    for label, color in (("NTP off", OFF), ("NTP on", ON)):
        axis.barh([0], [0], color=color, label=label)
    axis.legend(frameon=False, loc="lower right")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, metadata={"Date": None})


def draw_how_good(run: Path, target: Path) -> None:
    """Share of contested seats sold twice over the skew, a line for each wait."""
    figure, axis = plt.subplots(figsize=(9, 4), layout="constrained")
    for wait, color in WAITS.items():
        own = [p for p in points(run) if p["set"]["wait"] == wait]
        skews = [milliseconds(p["set"]["skew"]) for p in own]
        found = [share(p["phases"][0]["bookings"]) for p in own]
        theory = [p["phases"][0]["bookings"]["prediction"]["rate"] * 100 for p in own]
        rates = [rate * 100 for rate, _, _ in found]
        around = [[(r - low) * 100 for r, low, _ in found], [(h - r) * 100 for r, _, h in found]]
        axis.errorbar(skews, rates, around, color=color, marker="o", label=f"wait {wait}")
        axis.plot(skews, theory, color=color, ls=":", marker="_", ms=12)
        axis.axvline(milliseconds(wait), color=color, lw=0.8, alpha=0.5)
    axis.set_xlabel("clocks apart, ms (thin lines: the waits; dotted: theory)")
    axis.set_ylabel("contested seats sold twice, %")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    cures, how_good, folder = (Path(word) for word in sys.argv[1:])
    plt.rcParams["svg.hashsalt"] = "ntplab"
    table(cures)
    draw_policies(cures, folder / "policies.svg")
    draw_how_good(how_good, folder / "how-good.svg")
