"""Pictures of train tickets: what clients came to own over time, and one ticket that two own."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ..analysis.train.facts import Fact
from ..analysis.train_results import DoubleSale
from ..units import NS_PER_S
from .language import Language
from .load_data import BINS
from .plot import Plot
from .samples import Window
from .scales import Linear, nice_step, of_time
from .story import Story
from .svg import drawing, element

MOVES = {"ticket.owned": "owned", "hold.expired": "expired"}
"""facts that are counted over time -> the kind of their bars"""
LANES = ("office", "first", "second")
WIDTH, LEFT, RIGHT, TOP, LANE = 760.0, 118.0, 24.0, 26.0, 44.0


def traffic(story: Story, window: Window, facts: Sequence[Fact], say: Language) -> Markup:
    """Tickets that clients came to own, and holds that expired, in every second."""
    bin_ns = max(1, -(-(window.end_ns - window.start_ns + 1) // BINS))
    counts = {kind: [0] * BINS for kind in MOVES.values()}
    for fact in facts:
        index = (fact.lab_ns - window.start_ns) // bin_ns
        if fact.event in MOVES and 0 <= index < BINS:
            counts[MOVES[fact.event]][index] += 1
    per_s = NS_PER_S / bin_ns
    highest = max(sum(each) for each in zip(*counts.values(), strict=True)) * per_s
    step = nice_step(max(highest, 1.0) / 4)
    plot = Plot(
        say("train_traffic_title"),
        of_time(window.start_ns, window.end_ns),
        Linear(0.0, step * -(-highest // step) or step, 4),
        write_x=lambda s: say.numbers.real(s),
        write_y=lambda rate: say.numbers.real(rate),
        x_label=say("seconds_since_start"),
        y_label=say("tickets_per_second"),
        height=190.0,
    )
    for stretch in story.stretches:
        x0, x1 = ((at - window.start_ns) / NS_PER_S for at in (stretch.start_ns, stretch.end_ns))
        plot.span(x0, x1, f"phase ntp-{stretch.ntp}", stretch.name)
    width_s = bin_ns / NS_PER_S
    for index in range(BINS):
        floor = 0.0
        for kind, of_kind in counts.items():
            if of_kind[index]:
                top = floor + of_kind[index] * per_s
                words = f"{say(f'train_{kind}')}: {of_kind[index]}"
                plot.bar(index * width_s, (index + 1) * width_s, floor, top, f"move-{kind}", words)
                floor = top
    return plot.render("low")


def double(sale: DoubleSale, say: Language) -> Markup | None:
    """The office's holds, and when each client owned the ticket: in true time."""
    granted, expired, again = (
        sale.numbers_ns.get(name) for name in ("granted_lab", "expired_lab", "granted_again_lab")
    )
    if granted is None or again is None:
        return None
    owned = (sale.first.owned_lab_ns, sale.second.owned_lab_ns)
    start, end = min(granted, *owned), max(again, expired or 0, *owned)

    def px(at_ns: int) -> float:
        return LEFT + 24 + (at_ns - start) / max(end - start, 1) * (WIDTH - LEFT - RIGHT - 90)

    y = {lane: TOP + LANE * number for number, lane in enumerate(LANES)}
    names = {"office": say("office"), "first": sale.first.client, "second": sale.second.client}
    parts: list[str] = []
    for lane in LANES:
        parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y[lane], y2=y[lane],
                             class_="axis"))  # fmt: skip
        parts.append(element("text", names[lane], x=LEFT - 8, y=y[lane] + 4, class_="tick-y"))
    for number, (lane, held_ns, until_ns, owned_ns) in enumerate(
        (("first", granted, expired, owned[0]), ("second", again, None, owned[1]))
    ):
        x, class_ = px(held_ns), f"s{number}"
        held = say("held_for", client=names[lane])
        if until_ns is not None:
            parts.append(element("line", element("title", held), x1=x, x2=px(until_ns),
                                 y1=y["office"], y2=y["office"],
                                 class_=f"decided {class_}"))  # fmt: skip
        parts.append(element("line", x1=x, y1=y["office"], x2=px(owned_ns), y2=y[lane],
                             class_=f"line {class_}"))  # fmt: skip
        parts += _mark(x, y["office"], class_, held, held, -10.0)
        words = say("train_owns", client=names[lane])
        parts += _mark(px(owned_ns), y[lane], class_, words, words, 19.0)
        parts.append(element("line", x1=px(owned_ns), x2=WIDTH - RIGHT, y1=y[lane], y2=y[lane],
                             class_=f"decided {class_}"))  # fmt: skip
    if expired is not None:
        x = px(expired)
        parts.append(element("line", x1=x, x2=x, y1=y["office"] - 7, y2=y["office"] + 7,
                             class_="zero"))  # fmt: skip
        parts.append(element("text", say("hold_expired"), x=x, y=y["office"] + 19,
                             class_="span-label"))  # fmt: skip
    return drawing(WIDTH, TOP + 2 * LANE + 30, say("train_pair_title"), parts, "pair")


def _mark(x: float, y: float, class_: str, label: str, says: str, up: float) -> list[str]:
    dot = element("circle", element("title", says), cx=x, cy=y, r=5.0, class_=f"dot {class_}")
    return [dot, element("text", label, x=x, y=y + up, class_="span-label")]
