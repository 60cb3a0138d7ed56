"""`clock show|step|set|drift|wander|strobe|...`: bend the clocks of a running lab by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer

from ..errors import UsageError
from ..faults import (
    LabHandle,
    bend,
    let_strobe,
    let_temperature,
    let_wander,
    make_steady,
    reset_clocks,
    show_clocks,
)
from ..oscillator import MODELS, StrobePlan, TemperaturePlan, WanderPlan, models_in_words
from ..units import NS_PER_MS, NS_PER_S, format_duration, format_ppm, parse_duration_ns, parse_ppm
from .options import Json, LabName, connect, lab_handle, pick_lab
from .output import out

T = TypeVar("T")
Number = TypeVar("Number", int, float)

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

    divergence: wall clock minus true time. oscillator: its error now, which no program of the
    server can see. models: what it does over time. correction: what its NTP daemon has set
    against that.
    """
    answer = show_clocks(_handle(lab), nodes or [])
    if json:
        out.json({"schema": 1, **answer})
        return
    out.table(
        ["clock", "divergence", "oscillator", "correction", "runs", "models"],
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


@app.command("wander", context_settings=VALUE_MAY_BE_NEGATIVE)
def wander(
    server: Node,
    value: Annotated[
        str,
        typer.Argument(metavar="VALUE", help="How far in a second: 0.05ppm. 0 ends it."),
    ],
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="What it is drawn from.", show_default="the clock's own"
        ),
    ] = None,
    lab: LabName = None,
    json: Json = False,
) -> None:
    """Let the oscillator's frequency walk at random.

    VALUE is its standard deviation after a second; it grows with the root of time. The same seed
    gives the same walk.
    """
    per_second_ppm = _not_below("VALUE", _quantity(parse_ppm, value), 0.0, "0.05ppm")
    plan = WanderPlan(per_second_ppm, seed)
    _told(server, "wander", let_wander(_handle(lab), server, plan), json=json)


@app.command("temperature", context_settings=VALUE_MAY_BE_NEGATIVE)
def temperature(
    server: Node,
    value: Annotated[
        str,
        typer.Argument(metavar="VALUE", help="How far to either side: 2ppm. 0 ends it."),
    ],
    period: Annotated[
        str, typer.Option(metavar="TIME", help="From peak to peak, at least 1s.")
    ] = "10m",
    phase: Annotated[
        str, typer.Option(metavar="TIME", help="How far into its period it begins.")
    ] = "0s",
    lab: LabName = None,
    json: Json = False,
) -> None:
    """Let the oscillator's frequency follow a sinusoid.

    So it follows the temperature of a day, or of an air conditioner. It is on its way up at the
    start of its period.
    """
    amplitude_ppm = _not_below("VALUE", _quantity(parse_ppm, value), 0.0, "2ppm")
    period_ns = _not_below("--period", _quantity(parse_duration_ns, period), NS_PER_S, "1s or more")
    phase_ns = _not_below("--phase", _quantity(parse_duration_ns, phase), 0, "150s")
    plan = TemperaturePlan(amplitude_ppm, period_ns, phase_ns)
    _told(server, "temperature", let_temperature(_handle(lab), server, plan), json=json)


@app.command("strobe", context_settings=VALUE_MAY_BE_NEGATIVE)
def strobe(
    server: Node,
    value: Span,
    period: Annotated[
        str, typer.Option(metavar="TIME", help="From one jump out to the next, 20ms or more.")
    ] = "2s",
    for_: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="End after so long.")
    ] = None,
    lab: LabName = None,
    json: Json = False,
) -> None:
    """Make a clock jump by VALUE and back, again and again.

    It is away for half of each period. 0 ends it, as `clock steady` does, and takes it home.
    """
    by_ns, least_ns = _quantity(parse_duration_ns, value), 20 * NS_PER_MS
    period_ns = _not_below(
        "--period", _quantity(parse_duration_ns, period), least_ns, "20ms or more"
    )
    for_ns = for_ and _not_below("--for", _quantity(parse_duration_ns, for_), 1, "10s")
    plan = StrobePlan(by_ns, period_ns, for_ns or None)
    _told(server, "strobe", let_strobe(_handle(lab), server, plan), json=json)


@app.command("steady")
def steady(
    server: Node,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="wander, temperature or strobe; all by default.",
            autocompletion=lambda: list(MODELS),
        ),
    ] = None,
    lab: LabName = None,
    json: Json = False,
) -> None:
    """End wander, temperature and strobe; the constant drift is left.

    The oscillator goes back to its constant drift, a strobed clock goes home. What the wall clock
    has gained or lost meanwhile stays.
    """
    for model in models or ():
        if model not in MODELS:
            raise UsageError(f"no model {model!r} to end", hint=f"there are: {', '.join(MODELS)}")
    _told(server, "steady", make_steady(_handle(lab), server, models or ()), json=json)


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


def _told(server: str, verb: str, answer: Any, *, json: bool) -> None:
    """Say what the oscillator does now, as it was read back."""
    if json:
        out.json({"schema": 1, **answer})
        return
    clock = answer["nodes"][server]
    models = models_in_words(clock["models"]) or "no wander, temperature or strobe"
    error = format_ppm(round(clock["drift_ppm"], 3))
    divergence = format_divergence(clock["divergence_ns"])
    out.step(f"{server}: {verb} in force: {models}; oscillator {error}, divergence {divergence}")
    out.next("./ntplab clock show")


def _not_below(what: str, value: Number, least: Number, advice: str) -> Number:
    if value < least:
        raise UsageError(f"{what} is too small", hint=f"write {advice}")
    return value


def _row(name: str, clock: dict[str, Any]) -> tuple[str, ...]:
    return (
        name,
        format_divergence(clock["divergence_ns"]),
        format_ppm(round(clock["drift_ppm"], 3)),
        format_ppm(round(correction_ppm(clock), 3)),
        "no" if clock["frozen"] else "yes",
        models_in_words(clock["models"]),
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
