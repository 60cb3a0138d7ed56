"""The ticket office: who may have which ticket. Pure: a message or the time in, answers out.

`confirmed` holds a ticket for a client until it confirms, and only the hold ends by itself: once
TRANSFERRED, a ticket never comes back. `literal` is the founding document word by word: the ticket
goes out at once and comes back into circulation when no receipt arrives in time, which sells it
twice. See docs/explanation/train.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .facts import Fact
from .messages import (
    Body,
    Confirm,
    Expired,
    Info,
    NoTicket,
    Offer,
    Query,
    Receipt,
    ReceiptAck,
    Refuse,
    Req,
    Sync,
    Synced,
    TicketSent,
)  # fmt: skip
from .office_state import (
    Office,
    Protocol,
    Rules,
    Sale,
    State,
    Step,
    back_on_sale,
    hold_now_ns,
    with_sales,
)  # fmt: skip
from .plain import wire_text
from .reading import Reading
from .ticket import Ticket, Wish

INFO_CHARS_MAX = 700
"""An INFO names as many tickets as fit here: a message must fit one line of Airplug."""


def handle(rules: Rules, office: Office, client: str, body: Body, reading: Reading) -> Step:
    """Take a client's message. Whatever it says, and however often, is answered from state."""
    expired = expire(rules, office, reading)
    step = _answer(rules, expired.office, client, body, reading)
    return replace(step, facts=expired.facts + step.facts)


def _answer(rules: Rules, office: Office, client: str, body: Body, reading: Reading) -> Step:
    match body:
        case Query(query, wish):
            return _inform(office, query, wish, reading)
        case Req(request, wish):
            return _reserve(rules, office, client, request, wish, reading)
        case Confirm(request):
            return _transfer(rules, office, client, request)
        case Refuse(request):
            return _release(office, client, request)
        case Receipt(request, ticket_id):
            return _received(office, client, request, ticket_id)
        case Sync(request):
            return _synced(rules, office, client, request, reading)
        case _:
            return Step(office)


def expire(rules: Rules, office: Office, reading: Reading) -> Step:
    """Put back into circulation what was held for too long."""
    now_ns = hold_now_ns(rules, reading)
    over = [
        sale
        for sale in office.sales.values()
        if sale.deadline_ns is not None and sale.deadline_ns <= now_ns
    ]
    facts = tuple(
        Fact("hold.expired", sale.ticket.ticket_id, sale.client, sale.request) for sale in over
    )
    return Step(with_sales(office, *(back_on_sale(rules, sale) for sale in over)), facts=facts)


def _inform(office: Office, query: int, wish: Wish, reading: Reading) -> Step:
    fitting = list(_offered(office, wish, reading))
    shown: list[Ticket] = []
    room = INFO_CHARS_MAX
    for sale in fitting:
        room -= len(wire_text(sale.ticket))
        if room < 0 and shown:
            break
        shown.append(sale.ticket)
    return Step(office, (Info(query, len(fitting), tuple(shown)),))


def _offered(office: Office, wish: Wish, reading: Reading) -> Iterator[Sale]:
    """What is for sale to `wish`, lowest number first. The office's wall clock judges departure."""
    for sale in office.sales.values():
        on_sale = sale.state is State.AVAILABLE and sale.ticket.departure_ns > reading.wall_ns
        if on_sale and wish.fits(sale.ticket):
            yield sale


def _reserve(
    rules: Rules, office: Office, client: str, request: int, wish: Wish, reading: Reading
) -> Step:
    if request <= office.answered.get(client, 0):
        return Step(office, tuple(_again(rules, office, client, request, reading)))
    office = replace(office, answered={**office.answered, client: request})
    sale = next(_offered(office, wish, reading), None)
    if sale is None:
        return Step(office, (NoTicket(request),))
    held = replace(
        sale,
        state=State.HELD,
        client=client,
        request=request,
        deadline_ns=hold_now_ns(rules, reading) + rules.hold_ns,
    )
    answer: Body = Offer(request, sale.ticket, rules.hold_ns)
    if rules.protocol is Protocol.LITERAL:
        answer = TicketSent(request, replace(sale.ticket, holder=client))
    fact = Fact("ticket.held", sale.ticket.ticket_id, client, request)
    return Step(with_sales(office, held), (answer,), (fact,))


def _again(
    rules: Rules, office: Office, client: str, request: int, reading: Reading
) -> Iterator[Body]:
    """The answer that a request stands at now. An old one never makes a new hold."""
    if request < 1:
        return
    sale = _sale_of(office, client, request)
    if sale is None:
        yield Expired(request)
    elif sale.state is State.HELD and rules.protocol is Protocol.CONFIRMED:
        left_ns = (sale.deadline_ns or 0) - hold_now_ns(rules, reading)
        yield Offer(request, sale.ticket, left_ns)
    else:
        yield TicketSent(request, replace(sale.ticket, holder=client))


def _synced(rules: Rules, office: Office, client: str, request: int, reading: Reading) -> Step:
    """Say where a client's last request stands. One that is yet to come is thereby over: its REQ,
    overtaken by the SYNC, must not hold a ticket for a client that was told EXPIRED."""
    known = office.answered.get(client, 0)
    answers = (Synced(known), *_again(rules, office, client, request, reading))
    if request > known:
        office = replace(office, answered={**office.answered, client: request})
    return Step(office, answers)


def _transfer(rules: Rules, office: Office, client: str, request: int) -> Step:
    sale = _sale_of(office, client, request)
    if sale is None:
        return Step(office, (Expired(request),))
    sent = TicketSent(request, replace(sale.ticket, holder=client))
    if sale.state is not State.HELD or rules.protocol is Protocol.LITERAL:
        return Step(office, (sent,))
    gone = replace(sale, ticket=sent.ticket, state=State.TRANSFERRED, deadline_ns=None)
    fact = Fact("ticket.transferred", sale.ticket.ticket_id, client, request)
    return Step(with_sales(office, gone), (sent,), (fact,))


def _release(office: Office, client: str, request: int) -> Step:
    sale = _sale_of(office, client, request)
    if sale is None or sale.state is not State.HELD:
        return Step(office)
    back = replace(sale, state=State.AVAILABLE, client=None, request=None, deadline_ns=None)
    fact = Fact("hold.refused", sale.ticket.ticket_id, client, request)
    return Step(with_sales(office, back), facts=(fact,))


def _received(office: Office, client: str, request: int, ticket_id: int) -> Step:
    """A receipt for a ticket that is somebody else's by now is the literal protocol's flaw."""
    ack = ReceiptAck(request)
    sale = office.sales.get(ticket_id)
    if sale is None or not sale.is_of(client, request):
        return Step(office, (ack,), (Fact("receipt.conflict", ticket_id, client, request),))
    if sale.state is State.DELETED:
        return Step(office, (ack,))
    done = replace(
        sale,
        ticket=replace(sale.ticket, holder=client),
        state=State.DELETED,
        deadline_ns=None,
    )
    return Step(
        with_sales(office, done), (ack,), (Fact("ticket.sold", ticket_id, client, request),)
    )


def rearm_holds(rules: Rules, office: Office, reading: Reading) -> Office:
    """Count every hold anew from now, whole: clocks of an earlier life do not compare. Longer
    holds are always safe."""
    deadline_ns = hold_now_ns(rules, reading) + rules.hold_ns
    held = [sale for sale in office.sales.values() if sale.deadline_ns is not None]
    return with_sales(office, *(replace(sale, deadline_ns=deadline_ns) for sale in held))


def _sale_of(office: Office, client: str, request: int) -> Sale | None:
    return next((sale for sale in office.sales.values() if sale.is_of(client, request)), None)
