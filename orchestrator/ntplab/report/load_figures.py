"""Pictures of bookings: load, latency, rates beside theory, two claims on one seat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..analysis.results import ClaimDetail, PairExplanation
from ..units import NS_PER_S
from .language import Language
from .load_data import BINS, KINDS, SHARES, Load
from .plot import Plot
from .samples import Window
from .scales import Band, Linear, nice_step, of_shares, of_time
from .story import Story
from .svg import drawing, element, path


def load(story: Story, window: Window, seen: Load, say: Language) -> Markup:
    """Attempts per second, stacked by what became of them."""
    per_s = NS_PER_S / seen.bin_ns
    totals = [sum(seen.counts[kind][i] for kind in KINDS) * per_s for i in range(BINS)]
    step = nice_step(max(max(totals), 1.0) / 4)
    top = step * -(-max(totals) // step) or step
    plot = Plot(
        say("load_title"),
        of_time(window.start_ns, window.end_ns),
        Linear(0.0, top, 4),
        write_x=lambda s: say.numbers.real(s),
        write_y=lambda rate: say.numbers.real(rate),
        x_label=say("seconds_since_start"),
        y_label=say("attempts_per_second"),
        height=190.0,
    )
    for stretch in story.stretches:
        x0, x1 = ((at - window.start_ns) / NS_PER_S for at in (stretch.start_ns, stretch.end_ns))
        plot.span(x0, x1, f"phase ntp-{stretch.ntp}", stretch.name)
    width_s = seen.bin_ns / NS_PER_S
    for index in range(BINS):
        floor = 0.0
        for kind in KINDS:
            count = seen.counts[kind][index]
            if count:
                height = count * per_s
                plot.bar(index * width_s, (index + 1) * width_s, floor, floor + height,
                         f"load-{kind}", f"{say(kind)}: {count}")  # fmt: skip
                floor += height
    return plot.render("low")


def latency(seen: Load, phases: Sequence[str], say: Language) -> Markup:
    """Latency by share of the answers, a line for each phase."""
    known = [name for name in phases if seen.latencies_ms.get(name)]
    highest = max((max(seen.latencies_ms[name]) for name in known), default=1.0)
    step = nice_step(max(highest, 1e-3) / 4)
    plot = Plot(
        say("latency_title"),
        Band(len(SHARES)),
        Linear(0.0, step * -(-highest // step) or step, 4),
        write_x=lambda i: say.numbers.percent(SHARES[int(i)]),
        write_y=lambda ms: say.numbers.millis(ms),
        x_label=say("share_of_answers"),
        y_label=say("latency_axis"),
        height=200.0,
    )
    for number, name in enumerate(known):
        points = [(float(i), ms) for i, ms in enumerate(seen.latencies_ms[name])]
        plot.line(points, f"s{number % 8}", name)
        for x, y in points:
            plot.dot(x, y, f"s{number % 8}", f"{name}: {say.numbers.millis(y)}")
    return plot.render("low")


@dataclass(frozen=True)
class Rate:
    """A share of seats sold twice, its interval, and what theory expects (None: nothing)."""

    label: str
    rate: float
    low: float
    high: float
    theory: float | None
    trials: int
    disagrees: bool = False


ROW = 26.0


def rates(rows: Sequence[Rate], say: Language, title: str) -> Markup:
    """One row each: the observed share with its 95 % interval, and theory's diamond."""
    highest = max((max(row.high if row.trials else 0.0, row.theory or 0.0) for row in rows),
                  default=0.0)  # fmt: skip
    scale = of_shares(highest)
    left = min(360.0, 34.0 + 6.6 * max((len(row.label) for row in rows), default=8))
    width, right, top = 860.0, 150.0, 8.0
    bottom = top + ROW * len(rows)

    def px(share: float) -> float:
        return left + scale.at(min(share, scale.high)) * (width - left - right)

    parts: list[str] = []
    for tick in scale.ticks():
        parts.append(element("line", x1=px(tick), x2=px(tick), y1=top, y2=bottom, class_="grid"))
        parts.append(
            element("text", say.numbers.percent(tick), x=px(tick), y=bottom + 16, class_="tick-x")
        )
    for index, row in enumerate(rows):
        parts += _rate_row(row, top + ROW * (index + 0.5), left, width - right, px, say)
    label = say("share_sold_twice")
    middle = (left + width - right) / 2
    parts.append(element("text", label, x=middle, y=bottom + 34, class_="label-x"))
    return drawing(width, bottom + 42, title, parts)


def _rate_row(
    row: Rate, y: float, left: float, right: float, px: object, say: Language
) -> list[str]:
    assert callable(px)
    parts: list[str] = [element("text", row.label, x=left - 14, y=y + 4, class_="tick-y")]
    if not row.trials:
        parts.append(element("text", say("no_trials"), x=left + 6, y=y + 4, class_="faint"))
        return parts
    interval = say.numbers.interval(row.low, row.high)
    says = f"{row.label}: {say.numbers.percent(row.rate)} ({interval}, n = {row.trials})"
    low, high = px(row.low), px(row.high)
    ends = path([(low, y), (high, y), None, (low, y - 4), (low, y + 4), None, (high, y - 4),
                 (high, y + 4)])  # fmt: skip
    parts.append(element("path", element("title", says), d=ends, class_="whisker bad"))
    parts.append(
        element("circle", element("title", says), cx=px(row.rate), cy=y, r=4.5, class_="dot bad")
    )
    if row.theory is not None:
        x = px(row.theory)
        d = path([(x - 7, y), (x, y - 7), (x + 7, y), (x, y + 7)]) + "Z"
        words = f"{say('by_theory')}: {say.numbers.percent(row.theory)}"
        parts.append(element("path", element("title", words), d=d, class_="diamond"))
    text = f"{say.numbers.percent(row.rate)} ({interval})" + (" !" if row.disagrees else "")
    parts.append(element("text", text, x=right + 10, y=y + 4, class_="row-value"))
    return parts


def pair(found: PairExplanation, say: Language) -> Markup | None:
    """Two claims on one seat: when they were truly made, and when their stamps say so."""
    claims = (found.first, found.second)
    if any(c.stamp_ns is None or c.claimed_lab_ns is None for c in claims):
        return None
    times = [t for c in claims for t in (c.stamp_ns, c.claimed_lab_ns, c.decided_lab_ns)
             if t is not None]  # fmt: skip
    start, end = min(times), max(times)
    width, left, right = 760.0, 110.0, 20.0
    lanes = {"truth": 26.0, "stamp": 74.0}

    def px(at_ns: int) -> float:
        return left + 30 + (at_ns - start) / max(end - start, 1) * (width - left - right - 60)

    parts: list[str] = []
    for name, y in lanes.items():
        parts.append(element("line", x1=left, x2=width - right, y1=y, y2=y, class_="axis"))
        parts.append(element("text", say(f"lane_{name}"), x=left - 8, y=y + 4, class_="tick-y"))
    for index, claim in enumerate(claims):
        parts += _claim_marks(claim, "AB"[index], f"s{index}", lanes, px, say)
    return drawing(width, 104, say("pair_title"), parts, "pair")


def _claim_marks(
    claim: ClaimDetail, letter: str, class_: str, lanes: Mapping[str, float], px: object,
    say: Language,
) -> list[str]:  # fmt: skip
    assert callable(px)
    assert claim.claimed_lab_ns is not None
    assert claim.stamp_ns is not None
    true_x, stamp_x = px(claim.claimed_lab_ns), px(claim.stamp_ns)
    says = f"{letter}: {claim.server}, {say.numbers.time(claim.claimed_lab_ns)}"
    parts: list[str] = [
        element("line", x1=true_x, y1=lanes["truth"], x2=stamp_x, y2=lanes["stamp"],
                class_=f"line {class_}"),
    ]  # fmt: skip
    if claim.decided_lab_ns is not None:
        end = px(claim.decided_lab_ns)
        parts.append(
            element("line", element("title", say("until_decided")), x1=true_x, x2=end,
                    y1=lanes["truth"], y2=lanes["truth"], class_=f"decided {class_}")
        )  # fmt: skip
    for x, lane, up in ((true_x, "truth", -9.0), (stamp_x, "stamp", 18.0)):
        y = lanes[lane]
        parts.append(
            element("circle", element("title", says), cx=x, cy=y, r=5.0, class_=f"dot {class_}")
        )
        parts.append(element("text", letter, x=x, y=y + up, class_="claim-letter"))
    return parts
