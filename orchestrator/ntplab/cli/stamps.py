"""`compare RUN`: the stamps before and after correction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..analysis import Results
from ..analysis import judge as judge_run
from ..analysis.compared_seats import ComparedClaim, ComparedSeat, compare_seats
from ..analysis.explain.base import clock_text, span_text
from ..analysis.results import Orders
from ..evidence import find_run
from .analyze import Which
from .options import Json
from .output import out
from .run import Runs

SHOWN = 3

Count = Annotated[
    int, typer.Option("--show", metavar="N", min=0, help="Seats of each phase to tell in full.")
]
Seats = Annotated[
    list[str] | None,
    typer.Option("--seat", metavar="NAME", help="Tell this seat (can be given several times)."),
]


def compare(
    run: Which = "latest",
    runs: Runs = Path("runs"),
    show: Count = SHOWN,
    seat: Seats = None,
    json: Json = False,
) -> None:
    """Compare a run's stamps before and after correction.

    NTP off against on. For each phase: how many contested seats had their claims in the wrong order
    by their stamps, how many are put right by taking out the clocks' true error, and how many by
    taking out the error that chronyd believed in, which is all that is known outside a lab. Needs
    no Docker.
    """
    directory = find_run(run, runs)
    results = judge_run(directory)
    seats = compare_seats(directory, results, show, seat or ())
    if json:
        phases = [
            {"name": p.name, "ntp": p.ntp, **p.comparison.model_dump()} for p in results.phases
        ]
        told = [one.model_dump() for one in seats]
        out.json({"schema": 1, "run": results.run, "phases": phases, "seats": told})
        return
    show_summary(results)
    for one in seats:
        show_seat(one)


def show_summary(results: Results) -> None:
    """One line for each phase and way of correcting."""
    out.table(
        [
            "phase",
            "NTP",
            "corrected by",
            "contested\nseats",
            "wrong order\nby stamp",
            "order\nchanged",
            "still\nwrong",
            "cannot\ntell",
        ],
        [
            (phase.name, phase.ntp, how, *_row(orders))
            for phase in results.phases
            for how, orders in (
                ("true error", phase.comparison.by_truth),
                ("chronyd's belief", phase.comparison.by_belief),
            )
        ],
    )


def _row(orders: Orders) -> tuple[str, ...]:
    counts = (orders.wrong_before, orders.order_changed, orders.wrong_after, orders.order_unknown)
    unknown = orders.order_unknown == orders.seats
    told = ("-" if unknown and index < 3 else str(count) for index, count in enumerate(counts))
    return (str(orders.seats), *told)


def show_seat(seat: ComparedSeat) -> None:
    """The claims on a seat, before and after."""
    out.text("")
    change = {True: "the correction changes the order", False: "the order stays", None: "unknown"}
    out.text(f"seat {seat.seat} ({seat.phase}): {change[seat.order_changed]}")
    out.table(
        ["server", "buyer", "stamp", "error", "by", "corrected", "place", "receipt"],
        [_claim_row(claim) for claim in seat.claims],
    )


def _claim_row(claim: ComparedClaim) -> tuple[str, ...]:
    error_ns = claim.believed_error_ns if claim.error_ns is None else claim.error_ns
    after_ns, place = claim.corrected_stamp_ns, claim.place_after
    return (
        claim.server,
        claim.buyer,
        clock_text(claim.stamp_ns),
        "?" if error_ns is None else span_text(error_ns),
        claim.corrected_by,
        "?" if after_ns is None else clock_text(after_ns),
        f"{claim.place_before} -> {'?' if place is None else place}",
        "yes" if claim.receipt else "no",
    )
