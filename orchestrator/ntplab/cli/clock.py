"""`clock show|step|set|drift|freeze|thaw|reset`: bend the clocks of a running lab by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer

from ..errors import UsageError
from ..faults import LabHandle, bend, reset_clocks, show_clocks
from ..units import format_duration, format_ppm, parse_duration_ns, parse_ppm
from .options import Json, LabName, connect, lab_handle, pick_lab
from .output import out

T = TypeVar("T")

# timex.tick is the length of 10 ms by this clock, in us.
TICK_ONE_US = 10_000
PPM_PER_TICK = 100

app = typer.Typer(help="Look at the clocks of a running lab, and bend them.")

Node = Annotated[str, typer.Argument(metavar="SERVER", help="A server, a time server or db.")]
Nodes = Annotated[list[str] | None, typer.Argument(metavar="SERVER", help="Which; all by default.")]
Span = Annotated[str, typer.Argument(metavar="VALUE", help="With its unit: -5s, 300ms.")]
VALUE_MAY_BE_NEGATIVE = {"ignore_unknown_options": True}


@app.command("show")
def show(nodes: Nodes = None, lab: LabName = None, json: Json = False) -> None:
    """Show every clock against lab time.

    divergence: wall clock minus true time. oscillator: its error, which no program of the server
    can see. correction: what its NTP daemon has set against that.
    """
    answer = show_clocks(_handle(lab), nodes or [])
    if json:
        out.json({"schema": 1, **answer})
        return
    out.table(
        ["clock", "divergence", "oscillator", "correction", "runs"],
        [_row(name, clock) for name, clock in answer["nodes"].items()],
    )


@app.command("step", context_settings=VALUE_MAY_BE_NEGATIVE)
def step(server: Node, value: Span, lab: LabName = None) -> None:
    """Move a clock by VALUE, at once."""
    _bend(lab, server, "step", _quantity(parse_duration_ns, value))


@app.command("set", context_settings=VALUE_MAY_BE_NEGATIVE)
def set_(server: Node, value: Span, lab: LabName = None) -> None:
    """Put a clock VALUE away from true time, wherever it is now."""
    _bend(lab, server, "set", _quantity(parse_duration_ns, value))


@app.command("drift", context_settings=VALUE_MAY_BE_NEGATIVE)
def drift(
    server: Node,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="With its unit: 50ppm.")],
    lab: LabName = None,
) -> None:
    """Give the oscillator an error of VALUE.

    The server's NTP daemon has to find out about it.
    """
    _bend(lab, server, "drift", _quantity(parse_ppm, value))


@app.command("freeze")
def freeze(server: Node, lab: LabName = None) -> None:
    """Make a clock stand still."""
    _bend(lab, server, "freeze", None)


@app.command("thaw")
def thaw(server: Node, lab: LabName = None) -> None:
    """Let a frozen clock run on from where it stood."""
    _bend(lab, server, "thaw", None)


@app.command("reset")
def reset(nodes: Nodes = None, lab: LabName = None) -> None:
    """Make clocks true again.

    No offset, no oscillator error, no correction left by a daemon.
    """
    handle = _handle(lab)
    names = nodes or list(show_clocks(handle)["nodes"])
    reset_clocks(handle, names)
    out.step(f"true again: {', '.join(names)}")
    out.next("./ntplab clock show")


def _handle(lab: str | None) -> LabHandle:
    driver = connect()
    return lab_handle(driver, pick_lab(driver, lab))


def _quantity(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        what, _, advice = str(error).partition(": ")
        raise UsageError(what, hint=advice) from None


def _bend(lab: str | None, server: str, action: str, value: int | float | None) -> None:
    answer = bend(_handle(lab), server, action, value)
    divergence_ns = answer["divergence_ns"][server]
    out.step(f"{server}: {action} in force, divergence now {format_divergence(divergence_ns)}")
    out.next("./ntplab clock show")


def _row(name: str, clock: dict[str, Any]) -> tuple[str, ...]:
    return (
        name,
        format_divergence(clock["divergence_ns"]),
        format_ppm(round(clock["drift_ppm"], 3)),
        format_ppm(round(correction_ppm(clock), 3)),
        "no" if clock["frozen"] else "yes",
    )


def correction_ppm(clock: Mapping[str, Any]) -> float:
    """What a daemon has set against the oscillator: timex.freq, and timex.tick for the rest."""
    frequency_ppm: float = clock["frequency_ppm"]
    tick_us: int = clock["tick"]
    return frequency_ppm + (tick_us - TICK_ONE_US) * PPM_PER_TICK


def format_divergence(divergence_ns: int) -> str:
    """Signed, in the unit that fits, three decimals at most: `-5s`, `+17.25us`."""
    rounded_ns = divergence_ns
    for unit_ns in (1_000_000_000, 1_000_000, 1_000):
        if abs(divergence_ns) >= unit_ns:
            rounded_ns = round(divergence_ns, 3 - len(str(unit_ns)) + 1)
            break
    sign = "+" if rounded_ns >= 0 else ""
    return sign + format_duration(rounded_ns)
