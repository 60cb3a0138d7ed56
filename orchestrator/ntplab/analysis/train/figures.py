"""One phase of the train system: every figure, from facts and the nodes' own accounts."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles

from ..phases import PhaseSpan
from ..train_results import DoubleSale, TrainFigures
from . import cuts, sales
from .facts import Account, Fact, TrainEvidence
from .traffic import Traffic, measure

ENDS = ("ticket.owned", "request.none", "request.expired", "request.refused")


def judge_phase(
    train: TrainEvidence, span: PhaseSpan, spans: Sequence[PhaseSpan], twice: Sequence[DoubleSale]
) -> TrainFigures:
    """The figures of one phase; `twice` are the double sales of the whole run.

    Whatever happens from the beginning of a phase to that of the next is its.
    """
    if span.start_ns is None or span.begun_ns is None:
        return TrainFigures(missing=["the phase never came to measuring"])
    start_ns, end_ns = span.begun_ns, _end_ns(span, spans)
    facts = train.within(start_ns, end_ns)
    begin, end = (
        [a for a in train.accounts if (a.phase, a.moment) == (span.name, moment)]
        for moment in ("begin", "end")
    )
    traffic = measure(begin, end)
    here = [sale for sale in twice if start_ns <= sale.since_lab_ns < end_ns]
    figures = TrainFigures(
        nodes=len(train.rules.nodes),
        double_sales=len({sale.ticket for sale in here if not sale.to_its_owner}),
        resales=len({sale.ticket for sale in here if sale.to_its_owner}),
        unexplained=sum(sale.status == "unexplained" for sale in here),
        by_late_receipt=sum(sale.cause == "late-receipt" for sale in here),
        by_clock_step=sum(sale.cause == "clock-step" for sale in here),
        by_reclaim=sum(sale.cause == "reclaimed" for sale in here),
        contradictions=_contradictions(train, end),
        snapshots=cuts.judge(train, facts, end, traffic, start_ns, end_ns),
        double_sale_details=here,
        chains=sales.chains(facts, span.start_ns),
        missing=_missing(train, span, end),
    )
    _requests(figures, train, facts, end, span)
    _messages(figures, traffic)
    return figures


def _end_ns(span: PhaseSpan, spans: Sequence[PhaseSpan]) -> int:
    later = [s.begun_ns for s in spans if s.begun_ns is not None]
    after = [begun_ns for begun_ns in later if begun_ns > (span.begun_ns or 0)]
    return min(after, default=2**62)


def _requests(
    figures: TrainFigures,
    train: TrainEvidence,
    facts: Sequence[Fact],
    end: Sequence[Account],
    span: PhaseSpan,
) -> None:
    count = {name: sum(f.event == name for f in facts) for name in ("request.sent", *ENDS)}
    figures.requests = count["request.sent"]
    figures.requests_ended = sum(count[name] for name in ENDS)
    figures.requests_open = sum(
        a.status["client"]["stage"] != "idle" for a in end if a.node != train.rules.office
    )
    figures.sold = count["ticket.owned"]
    figures.refused = count["request.refused"]
    figures.reservations_per_s = round(figures.sold / span.duration_s, 3) if span.duration_s else 0
    figures.holds_expired = sum(f.event == "hold.expired" for f in facts)
    figures.receipt_conflicts = sum(f.event == "receipt.conflict" for f in facts)
    figures.hold_clock_steps = _early(train, facts)
    waits = _latencies_ms(facts)
    if waits:
        figures.latency_p50_ms = round(_quantile(waits, 50), 3)
        figures.latency_p95_ms = round(_quantile(waits, 95), 3)


def _early(train: TrainEvidence, facts: Sequence[Fact]) -> int:
    """Holds that ended before their time."""
    held: dict[tuple[int | None, str | None, int | None], Fact] = {}
    early = 0
    for fact in facts:
        key = (fact.ticket_id, fact.client, fact.request)
        if fact.event == "ticket.held":
            held[key] = fact
        elif fact.event == "hold.expired" and key in held:
            early += sales.ended_early(train.rules, held[key], fact)
    return early


def _latencies_ms(facts: Sequence[Fact]) -> list[float]:
    sent: dict[tuple[str | None, int | None], int] = {}
    waits = []
    for fact in facts:
        key = (fact.client, fact.request)
        if fact.event == "request.sent":
            sent[key] = fact.lab_ns
        elif fact.event == "ticket.owned" and key in sent:
            waits.append((fact.lab_ns - sent[key]) / 1e6)
    return waits


def _quantile(values: Sequence[float], percent: int) -> float:
    if len(values) == 1:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _messages(figures: TrainFigures, traffic: Traffic | None) -> None:
    if traffic is None:
        return
    bound = traffic.messages * figures.nodes
    figures.messages, figures.transmissions = traffic.messages, traffic.transmissions
    figures.bound_share = round(traffic.transmissions / bound, 4) if bound else None
    if figures.sold:
        figures.messages_per_reservation = round(traffic.messages / figures.sold, 2)
        figures.transmissions_per_reservation = round(traffic.transmissions / figures.sold, 2)
        figures.flooding_bound_per_reservation = round(bound / figures.sold, 2)


def _contradictions(train: TrainEvidence, end: Sequence[Account]) -> int:
    """Owned tickets that the office's account does not have as sold to that client."""
    office = next((a for a in end if a.node == train.rules.office), None)
    if office is None:
        return 0
    sold = cuts.office_states(office.tickets)
    return sum(
        1
        for account in end
        if account.node != train.rules.office
        for ticket in account.tickets
        if not _is_sold_to(sold.get(int(ticket["ticket_id"])), account.node)
    )


def _is_sold_to(state: cuts.State | None, client: str) -> bool:
    return state is not None and state[0] in cuts.SOLD and state[1] == client


def _missing(train: TrainEvidence, span: PhaseSpan, end: Sequence[Account]) -> list[str]:
    """What the phase's figures lack; a node that was left dead has no account to give."""
    if not span.ended:
        return []
    killed = {f.node for f in span.plan.faults if f.kind == "kill"}
    silent = set(train.rules.nodes) - {a.node for a in end} - killed
    return [f"{node} gave no account of itself" for node in sorted(silent)]
