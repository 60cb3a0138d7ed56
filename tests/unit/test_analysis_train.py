"""Judging the train system: double sales explained by numbers, cuts, loads, messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ntplab.analysis.phases import PhaseSpan
from ntplab.analysis.train import double_sales, judge_phase
from ntplab.analysis.train.cuts import inconsistencies, replayed
from ntplab.analysis.train.facts import Account, Fact, Rules, Taken, TrainEvidence
from ntplab.analysis.train.traffic import measure
from ntplab.analysis.train_results import TrainFigures
from ntplab.evidence import ManifestPhase

S = 1_000_000_000
LITERAL = Rules("office", ("office", "ann", "bob"), "literal", "wall", 2 * S)
CONFIRMED = replace(LITERAL, protocol="confirmed")
SPAN = PhaseSpan(ManifestPhase(name="one"), 0, 0, 100 * S, ended=True, followed=True, arrivals=None)


def office(at_s: float, event: str, client: str, step_s: float = 0, ticket: int = 1) -> Fact:
    """A fact of the office, whose wall clock was stepped by `step_s` at some time before."""
    lab_ns = round(at_s * S)
    wall_ns = lab_ns + round(step_s * S)
    return Fact(lab_ns, "office", event, ticket, client, 1, 0, wall_ns, lab_ns)


def client(at_s: float, event: str, name: str, ticket: int | None = 1) -> Fact:
    return Fact(round(at_s * S), name, event, ticket, name, 1)


def seven_steps(expired_s: float = 2.0, step_s: float = 0) -> list[Fact]:
    """The flaw: ann owns the ticket, her hold ends all the same, and bob gets it."""
    return [
        client(0.0, "request.sent", "ann", None),
        office(0.1, "ticket.held", "ann"),
        client(0.2, "ticket.owned", "ann"),
        client(0.3, "request.sent", "bob", None),
        office(0.1 + expired_s, "hold.expired", "ann", step_s),
        office(0.2 + expired_s, "ticket.held", "bob", step_s),
        client(0.3 + expired_s, "ticket.owned", "bob"),
    ]


def evidence(
    facts: Sequence[Fact],
    rules: Rules = LITERAL,
    accounts: Sequence[Account] = (),
    snapshots: Sequence[Taken] = (),
) -> TrainEvidence:
    return TrainEvidence(rules, sorted(facts, key=lambda f: f.lab_ns), accounts, snapshots)


def figures(train: TrainEvidence, span: PhaseSpan = SPAN) -> TrainFigures:
    return judge_phase(train, span, [span], double_sales(train))


def test_a_late_receipt_explains_a_double_sale() -> None:
    (sale,) = double_sales(evidence(seven_steps()))
    assert (sale.status, sale.cause) == ("explained", "late-receipt")
    assert sale.numbers_ns["hold_clock_ran"] == 2 * S
    assert sale.numbers_ns["hold_clock_moved"] is not None
    assert "ann owned it 0.100 s after the grant" in sale.words


def test_a_stepped_office_clock_explains_one_too() -> None:
    (sale,) = double_sales(evidence(seven_steps(expired_s=0.5, step_s=90)))
    assert (sale.status, sale.cause) == ("explained", "clock-step")
    assert sale.numbers_ns["true_time_passed"] == S // 2
    assert sale.numbers_ns["hold_clock_moved"] == 90 * S
    found = figures(evidence(seven_steps(expired_s=0.5, step_s=90)))
    assert (found.double_sales, found.by_clock_step, found.hold_clock_steps) == (1, 1, 1)


def test_a_step_of_the_wall_clock_explains_nothing_where_holds_are_monotonic() -> None:
    rules = replace(LITERAL, hold_clock="monotonic")
    (sale,) = double_sales(evidence(seven_steps(expired_s=0.5, step_s=90), rules))
    assert sale.status == "unexplained"
    assert "before the hold clock had run" in sale.reason


def test_a_double_sale_of_the_confirmed_protocol_is_never_explained() -> None:
    found = figures(evidence(seven_steps(), CONFIRMED))
    assert (found.double_sales, found.unexplained) == (1, 1)


def test_an_operator_who_reclaims_explains_one_of_either_protocol() -> None:
    facts = [replace(f, event="ticket.reclaimed") if f.event == "hold.expired" else f
             for f in seven_steps()]  # fmt: skip
    found = figures(evidence(facts, CONFIRMED))
    assert (found.double_sales, found.unexplained, found.by_reclaim) == (1, 0, 1)


def test_a_receipt_before_the_end_of_the_hold_explains_nothing() -> None:
    (sale,) = double_sales(evidence([*seven_steps(), office(1.0, "ticket.sold", "ann")]))
    assert sale.status == "unexplained"


def test_without_the_office_s_word_nothing_is_explained() -> None:
    facts = [f for f in seven_steps() if f.node != "office"]
    (sale,) = double_sales(evidence(facts))
    assert sale.status == "unexplained"


def test_sales_are_paired_as_they_were_granted_whoever_had_the_ticket_first() -> None:
    """ann's ticket is under way for longer than bob's, though she was granted it before him."""
    facts = [f for f in seven_steps() if (f.event, f.node) != ("ticket.owned", "ann")]
    (sale,) = double_sales(evidence([*facts, client(9.0, "ticket.owned", "ann")]))
    assert (sale.status, sale.first.client, sale.second.client) == ("explained", "ann", "bob")
    assert sale.since_lab_ns == 9 * S
    assert "ann owned it 8.900 s after the grant" in sale.words


def test_a_ticket_sold_again_to_its_owner_is_a_figure_of_its_own_and_explained() -> None:
    """`literal`: ann's hold ends though she owns the ticket, and her next request gets it again."""
    again = [
        replace(f, node="ann" if f.node == "bob" else f.node, client="ann", request=2)
        if f.client == "bob" else f for f in seven_steps()
    ]  # fmt: skip
    found = figures(evidence(again))
    assert (found.double_sales, found.resales, found.unexplained) == (0, 1, 0)
    assert found.by_late_receipt == 1
    (sale,) = found.double_sale_details
    assert (sale.first.request, sale.second.request, sale.to_its_owner) == (1, 2, True)
    confirmed = figures(evidence(again, CONFIRMED))
    assert (confirmed.double_sales, confirmed.resales, confirmed.unexplained) == (0, 1, 1)
    # And from her to bob: one more of each kind, of one ticket.
    later = [replace(f, lab_ns=f.lab_ns + 20 * S, request=3) for f in seven_steps()[3:]]
    expired = replace(again[4], lab_ns=22 * S, wall_ns=22 * S, request=2)
    both = figures(evidence([*again, expired, *(f for f in later if f.client == "bob")]))
    assert (both.double_sales, both.resales, both.unexplained) == (1, 1, 0)


@given(st.permutations(seven_steps()), st.integers(0, 3))
def test_the_order_in_which_facts_came_home_is_nothing(facts: list[Fact], twice: int) -> None:
    again = [*facts, *(f for f in facts[:twice] if f.event == "ticket.owned")]
    assert double_sales(evidence(again)) == double_sales(evidence(seven_steps()))


@given(st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.integers(1, 4)), max_size=12))
def test_a_ticket_is_sold_twice_exactly_when_two_own_it(owned: list[tuple[str, int]]) -> None:
    facts = [client(at, "ticket.owned", name, number) for at, (name, number) in enumerate(owned)]
    of_both = {n for _, n in owned if {("ann", n), ("bob", n)} <= set(owned)}
    assert {sale.ticket for sale in double_sales(evidence(facts))} == of_both
    assert figures(evidence(facts)).double_sales == len(of_both)


def test_owners_of_different_generations_do_not_own_a_ticket_twice() -> None:
    facts = seven_steps()
    later = [replace(f, generation=1) if f.client == "bob" else f for f in facts]
    assert double_sales(evidence(later)) == []


def test_an_owner_that_a_load_carried_over_still_owns() -> None:
    """ann owned it before the load and by her own account after it, where bob got it too."""
    later = [replace(f, generation=1) if f.client == "bob" else f for f in seven_steps()]
    ann = account("ann", tickets=[{"ticket_id": 1}], generation=1)
    assert [s.ticket for s in double_sales(evidence(later, accounts=[ann]))] == [1]


def account(
    node: str,
    moment: str = "end",
    messages: dict[str, int] | None = None,
    tickets: Sequence[dict[str, Any]] = (),
    generation: int = 0,
    stage: str = "idle",
    incarnation: int = 1,
) -> Account:
    status: dict[str, Any] = {"messages": messages or {}, "client": {"stage": stage}}
    return Account(
        "one", moment, 50 * S, node, generation, incarnation, status, list(tickets)
    )  # fmt: skip


def sale(ticket: int, state: str, client: str | None = None) -> dict[str, Any]:
    request = 1 if client else None
    return {"ticket": {"ticket_id": ticket}, "state": state, "client": client, "request": request}


def test_requests_that_never_end_are_told() -> None:
    ends = [account("office"), account("ann"), account("bob", stage="confirming")]
    found = figures(evidence([client(1, "request.sent", "bob", None)], accounts=ends))
    assert (found.requests, found.requests_ended, found.requests_open) == (1, 0, 1)
    assert found.missing == []


def test_a_node_without_an_account_is_missing_evidence() -> None:
    found = figures(evidence([], accounts=[account("office"), account("ann")]))
    assert found.missing == ["bob gave no account of itself"]


def test_an_owned_ticket_that_the_office_sold_to_nobody_is_a_contradiction() -> None:
    ends = [
        account("office", tickets=[sale(1, "deleted", "ann"), sale(2, "available")]),
        account("ann", tickets=[{"ticket_id": 1}]),
        account("bob", tickets=[{"ticket_id": 2}]),
    ]
    assert figures(evidence([], accounts=ends)).contradictions == 1


def test_messages_against_the_flooding_bound() -> None:
    begin = [account(n, "begin", {"REQ": 1, "forwarded": 2}) for n in LITERAL.nodes]
    end = [account(n, "end", {"REQ": 3, "ACK": 1, "forwarded": 5}) for n in LITERAL.nodes]
    found = figures(evidence([client(1, "ticket.owned", "ann")], accounts=[*begin, *end]))
    assert (found.messages, found.transmissions) == (9, 18)
    assert found.flooding_bound_per_reservation == 27
    assert found.bound_share == round(18 / 27, 4)


def test_counters_of_a_node_that_was_restarted_do_not_count() -> None:
    begin = [account("ann", "begin", {"REQ": 5})]
    assert measure(begin, [account("ann", "end", {"REQ": 1}, incarnation=2)]) is None
    assert measure([], [account("ann", "end")]) is None


def part(balance: int = 0, vector: dict[str, int] | None = None, **more: Any) -> dict[str, Any]:
    pairs = [[name, value] for name, value in (vector or {}).items()]
    return {"balance": balance, "vector": pairs, "office": None, "client": None, **more}


def taken(owned_by_ann: Sequence[int] = (1,), balance: int = 1, known: int = 3) -> Taken:
    tickets = [[1, sale(1, "transferred", "ann")], [2, sale(2, "available")]]
    mine = [[1, {"ticket_id": n}] for n in owned_by_ann]
    parts = [
        ["ann", part(vector={"ann": 3}, client={"owned": mine})],
        ["bob", part(balance, vector={"ann": known}, client={"owned": []})],
        ["office", part(office={"sales": tickets})],
    ]
    return Taken(10 * S, 1, {"snapshot": {"epoch": 1, "parts": parts, "preposts": [{}]}})


def test_a_cut_is_consistent_or_it_is_said_why_not() -> None:
    assert list(inconsistencies(CONFIRMED, taken())) == []
    assert "cross the cut" in next(inconsistencies(CONFIRMED, taken(balance=2)))
    assert "knows more of ann" in next(inconsistencies(CONFIRMED, taken(known=4)))
    assert "ann owns ticket 2" in next(inconsistencies(CONFIRMED, taken([2])))


def loaded(office_tickets: Sequence[dict[str, Any]], ann: Sequence[int]) -> TrainFigures:
    """A load of `taken()`, after which the nodes' accounts say this."""
    resumed = Fact(20 * S, "office", "load.resumed", generation=1)
    held = replace(office(21, "ticket.held", "bob", ticket=2), generation=1)
    ends = [
        account("office", tickets=office_tickets, generation=1),
        account("ann", tickets=[{"ticket_id": n} for n in ann], generation=1),
        account("bob", generation=1),
    ]
    return figures(evidence([resumed, held], CONFIRMED, ends, [taken()]))


def test_after_a_load_the_system_is_the_cut_and_what_happened_since() -> None:
    found = loaded([sale(1, "transferred", "ann"), sale(2, "held", "bob")], [1]).snapshots
    assert (found.loads, found.load_differences, found.problems) == (1, 0, [])


def test_after_a_load_every_difference_is_found() -> None:
    found = loaded([sale(1, "available"), sale(2, "held", "bob")], []).snapshots
    assert found.load_differences == 2
    assert any("ann lacks ticket 1" in problem for problem in found.problems)


@given(st.lists(st.sampled_from(["ticket.held", "hold.expired", "ticket.transferred"])))
def test_replaying_ends_in_the_last_state_that_was_reported(events: list[str]) -> None:
    facts = [office(at, event, "ann") for at, event in enumerate(events)]
    states = {"ticket.held": "held", "hold.expired": "available",
              "ticket.transferred": "transferred"}  # fmt: skip
    wanted = states[events[-1]] if events else "available"
    assert replayed({1: ("available", None, None)}, facts)[1][0] == wanted
