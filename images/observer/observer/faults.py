"""Bends the oscillator of one clock, and reads back what it does now. Used by `cli`.

NTP daemons cannot see any of it, except as time that goes wrong. What an oscillator is asked
to do is written down first (`holding`), then done to the page at once; from then on the main
process goes by it (`driving`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

from .config import Config, NodeConfig
from .holding import Held, HeldFile, HoldingError, asked_anew
from .oscillator import MAX_PPM, SCALED_PER_PPM, Strobe, Temperature, Wander, on_grid
from .pages import ClockPage, PageError, raw_ns
from .strobing import come_home, move

ATTEMPTS = 100
"""To set a clock between two changes by its own daemon, which come a few times a second."""
MODELS = ("wander", "temperature", "strobe")


@dataclass(frozen=True)
class Clock:
    """A clock that nobody else bends meanwhile: its page, and what its oscillator does."""

    node: NodeConfig
    page: ClockPage
    file: HeldFile
    anchor_ns: int

    def held(self) -> Held:
        """What is asked of it; of a page that was made without: the drift it has."""
        return self.file.read() or Held(drift_ppm=self.page.status(raw_ns()).drift_ppm)

    def ask(self, held: Held) -> int:
        """Have its oscillator do so from now on; the raw instant it took effect at."""
        self.file.write(held)
        return self.page.set_drift(held.scaled(self.lab_ns()) / SCALED_PER_PPM)

    def lab_ns(self) -> int:
        return raw_ns() + self.anchor_ns


Fault = Callable[[Clock], int]
"""Bends a clock; the raw instant it took effect at."""


def set_offset(offset_ns: int) -> Fault:
    """The clock shows lab time plus `offset_ns`; a strobe begins anew, from there."""

    def fault(clock: Clock) -> int:
        held = clock.held()
        if held.strobe is not None:
            strobe = replace(held.strobe, since_lab_ns=clock.lab_ns())
            clock.file.write(asked_anew(held, strobe=strobe, out_ns=0, jump=None))
        return _at_one_instant(clock.page.set_wall, clock.anchor_ns + offset_ns)

    return fault


def step(by_ns: int) -> Fault:
    """The clock jumps by `by_ns`."""
    return lambda clock: clock.page.step(by_ns)


def drift(ppm: float) -> Fault:
    """The oscillator's constant error is `ppm` from now on (slow if negative)."""
    return lambda clock: clock.ask(asked_anew(clock.held(), drift_ppm=_within(ppm)))


def wander(per_second_ppm: float, seed: int | None) -> Fault:
    """The oscillator's frequency walks at random, as `Wander` says; 0: no longer."""

    def fault(clock: Clock) -> int:
        chosen = clock.node.seed if seed is None else seed
        model = Wander(_within(per_second_ppm), chosen, on_grid(clock.lab_ns()))
        return clock.ask(asked_anew(clock.held(), wander=model if per_second_ppm else None))

    return fault


def temperature(amplitude_ppm: float, period_ns: int, phase_ns: int) -> Fault:
    """The oscillator's frequency follows a sinusoid, as `Temperature` says; 0: no longer."""

    def fault(clock: Clock) -> int:
        since_lab_ns = on_grid(clock.lab_ns())
        model = Temperature(_within(amplitude_ppm), period_ns, phase_ns, since_lab_ns)
        return clock.ask(asked_anew(clock.held(), temperature=model if amplitude_ppm else None))

    return fault


def strobe(by_ns: int, period_ns: int, for_ns: int | None) -> Fault:
    """The clock jumps to and fro, as `Strobe` says, from now on; 0: no longer."""

    def fault(clock: Clock) -> int:
        held = come_home(clock.page, clock.file, clock.held())
        now_ns = clock.lab_ns()
        until_ns = None if for_ns is None else now_ns + for_ns
        model = Strobe(by_ns, period_ns, now_ns, until_ns) if by_ns else None
        held = asked_anew(held, strobe=model)
        clock.file.write(held)
        move(clock.page, clock.file, held, by_ns)
        return raw_ns()

    return fault


def steady(models: tuple[str, ...]) -> Fault:
    """These models end, all if none is named: constant drift is left, and home is shown."""

    def fault(clock: Clock) -> int:
        ended = models or MODELS
        held = clock.held()
        if "strobe" in ended:
            held = come_home(clock.page, clock.file, held)
        return clock.ask(asked_anew(held, **dict.fromkeys(ended)))

    return fault


def freeze(frozen: bool) -> Fault:
    """The clock stands still, or goes on from where it stood; its oscillator's models go on."""
    return lambda clock: clock.page.freeze(frozen)


def reset() -> Fault:
    """The clock shows lab time on a perfect oscillator, and no daemon's correction is left."""

    def fault(clock: Clock) -> int:
        clock.file.write(asked_anew(_nothing(clock.file)))
        return _at_one_instant(clock.page.reset, clock.anchor_ns)

    return fault


def _nothing(file: HeldFile) -> Held:
    """Nothing is asked; also the way out when the file cannot be read any more."""
    try:
        held = file.read() or Held()
    except HoldingError:
        return Held()
    return Held(generation=held.generation, taken_up=held.taken_up)


def apply(fault: Fault, nodes: tuple[NodeConfig, ...], anchor_ns: int) -> int:
    """Bend these clocks; lab time when the last of them was bent.

    Where an oscillator now changes by itself, the main process has taken that up.
    Raises `PageError` or `HoldingError`.
    """
    with ExitStack() as stack:
        # All are opened before one is bent: a page that is missing leaves the others alone.
        clocks = [_open(stack, node, anchor_ns) for node in nodes]
        since = max(_bend(clock, fault) for clock in clocks)
    for clock in clocks:
        held = clock.file.read()
        if held is not None and held.moves:
            clock.file.wait_until_taken_up(held.generation)
    return since + anchor_ns


def _open(stack: ExitStack, node: NodeConfig, anchor_ns: int) -> Clock:
    page = stack.enter_context(ClockPage(node.page, writable=True))
    return Clock(node, page, HeldFile.beside(node.page), anchor_ns)


def _bend(clock: Clock, fault: Fault) -> int:
    with clock.file.locked():
        return fault(clock)


def show(nodes: tuple[NodeConfig, ...], anchor_ns: int) -> Mapping[str, Any]:
    """These clocks at one instant, read from their pages. Raises `PageError`, `HoldingError`.

    `divergence_ns` by node, and under `nodes` all that is known of each; `drift_ppm` is the
    oscillator's whole error at that instant, `models` what it is made of.
    """
    with ExitStack() as stack:
        pages = {
            node.name: stack.enter_context(ClockPage(node.page, writable=False)) for node in nodes
        }
        raw = raw_ns()
        found = {name: page.status(raw) for name, page in pages.items()}
    held = {node.name: HeldFile.beside(node.page).read() for node in nodes}
    lab_ns = raw + anchor_ns
    divergence_ns = {name: status.wall_ns - lab_ns for name, status in found.items()}
    return {
        "raw_ns": raw,
        "read_lab_ns": lab_ns,
        "divergence_ns": divergence_ns,
        "nodes": {
            name: {
                "divergence_ns": divergence_ns[name],
                **asdict(status),
                "models": (held[name] or Held(drift_ppm=status.drift_ppm)).models(),
            }
            for name, status in found.items()
        },
    }


def create_missing(config: Config, anchor_ns: int) -> list[str]:
    """Make the pages that are not there yet, with the clocks as they begin; their nodes' names.

    A page that exists is kept, and so is what its oscillator does: its clock goes on while the
    observer is away.
    """
    created = []
    for node in config.nodes:
        if not node.page.exists():
            _create(node, anchor_ns)
            created.append(node.name)
    return created


def _create(node: NodeConfig, anchor_ns: int) -> None:
    # Renamed when complete: nobody ever sees a page whose drift is still to come.
    unfinished = node.page.with_name(f"{node.page.name}.new")
    raw = raw_ns()
    held = _initial(node, on_grid(raw + anchor_ns))
    ClockPage.create(unfinished, raw, raw + anchor_ns + node.offset_ns)
    with ClockPage(unfinished, writable=True) as page:
        page.set_drift(held.scaled(raw + anchor_ns) / SCALED_PER_PPM)
    HeldFile.beside(node.page).write(held)
    unfinished.replace(node.page)


def _initial(node: NodeConfig, since_lab_ns: int) -> Held:
    return Held(
        drift_ppm=node.drift_ppm,
        wander=node.wander and replace(node.wander, since_lab_ns=since_lab_ns),
        temperature=node.temperature and replace(node.temperature, since_lab_ns=since_lab_ns),
        generation=1,
    )


def _within(ppm: float) -> float:
    if not abs(ppm) <= MAX_PPM:
        what = f"Invalid argument: an oscillator can be off by {MAX_PPM} ppm at most"
        raise PageError(f"{what}, not by {ppm:g}")
    return ppm


def _at_one_instant(change: Callable[[int, int], int], lead_ns: int) -> int:
    """Have `change(raw, raw + lead_ns)` take effect at that very `raw`.

    It takes effect later when the clock was changed since `raw` was read, by its daemon;
    then what it set is behind by as much, and is set again.
    """
    for _ in range(ATTEMPTS):
        raw = raw_ns()
        since = change(raw, raw + lead_ns)
        if since == raw:
            break
    return since
