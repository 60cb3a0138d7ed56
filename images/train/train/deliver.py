"""What a node does when a message or the time reaches it, and when it is started."""

from __future__ import annotations

from dataclasses import replace

from . import barrier, cut
from . import client as client_rules
from . import office as office_rules
from .envelope import Envelope
from .messages import (
    Ack,
    Application,
    Control,
    Loaded,
    LoadPart,
    Prepost,
    Resume,
    Snap,
    SnapAsk,
    StatePart,
)  # fmt: skip
from .node import Node, Result, Settings
from .office_state import HoldClock, Rules
from .reading import Reading
from .ticket import BadValueError
from .turn import Turn

_WALL_LOOK_NS = 50_000_000


def start(node: Node, settings: Settings, rules: Rules | None, reading: Reading) -> Result:
    """First or again: a new incarnation. Holds and repetitions are counted anew, and a client
    asks where its request stands."""
    turn = Turn(node, settings, rules, reading)
    turn.node = replace(node, incarnation=node.incarnation + 1, sequence=0)
    if node.office is not None and rules is not None:
        turn.node = replace(turn.node, office=office_rules.rearm_holds(rules, node.office, reading))
    for peer in node.links:
        link = turn.link(peer)
        now_ns, wait_ns = reading.monotonic_ns, settings.retry_ns
        turn.set_link(
            peer,
            replace(
                link,
                app=link.app.rearmed(now_ns, wait_ns),
                control=link.control.rearmed(now_ns, wait_ns),
                ack_due_ns=None,
            ),
        )
    if node.client is not None and node.client.request and not node.halted:
        turn.client_step(client_rules.resync(node.client))
    return turn.result()


def tick(node: Node, settings: Settings, rules: Rules | None, reading: Reading) -> Result:
    """Time has passed: end holds, send again, acknowledge."""
    turn = Turn(node, settings, rules, reading)
    if node.office is not None and rules is not None and not node.halted:
        turn.office_step(office_rules.expire(rules, node.office, reading))
    turn.repeat_due()
    return turn.result()


def receive(
    node: Node, settings: Settings, rules: Rules | None, reading: Reading, envelope: Envelope
) -> Result:
    """Forward what is for others; take what is for this node, each message once."""
    turn = Turn(node, settings, rules, reading)
    if not turn.is_new(envelope):
        return turn.result()
    if envelope.destination != node.name:
        turn.forward(envelope)
    elif _is_possible(turn, envelope):
        _take(turn, envelope)
    return turn.result()


def _is_possible(turn: Turn, envelope: Envelope) -> bool:
    """Clients write to their office and the office to clients; anything else is no message."""
    node = turn.node
    return node.office is not None or envelope.origin == node.office_name


def _take(turn: Turn, envelope: Envelope) -> None:
    """The order is the algorithm: turn before anything of the message takes effect, since its
    acknowledgments and stamps speak of what came after the cut."""
    body = envelope.body
    if envelope.origin not in turn.node.links:
        cut.greet(turn, envelope.origin)
    if isinstance(body, Application) and not _is_current(turn, envelope):
        return
    cut.turn_color(turn, envelope.epoch)
    _take_acknowledgments(turn, envelope)
    if isinstance(body, Ack):
        return
    if envelope.uid and not _is_first(turn, envelope):
        return
    turn.merge_stamps(envelope)
    if isinstance(body, Application):
        _take_application(turn, envelope)
    elif isinstance(body, Control):
        _take_control(turn, envelope.origin, body)
    elif not turn.node.halted:
        _to_role(turn, envelope)


def _is_current(turn: Turn, envelope: Envelope) -> bool:
    """Of this generation, and this node may act. What is dropped here comes again."""
    return envelope.generation == turn.node.generation and not turn.node.halted


def _take_acknowledgments(turn: Turn, envelope: Envelope) -> None:
    link = turn.link(envelope.origin)
    if envelope.generation == turn.node.generation:
        link = replace(link, app=link.app.acknowledged(envelope.app_ack))
    link = replace(link, control=link.control.acknowledged(envelope.control_ack))
    turn.set_link(envelope.origin, link)


def _is_first(turn: Turn, envelope: Envelope) -> bool:
    """Whether this message has not come before; either way an acknowledgment is owed."""
    which = "app" if isinstance(envelope.body, Application) else "control"
    link = turn.link(envelope.origin)
    channel = link.app if which == "app" else link.control
    first = envelope.uid not in channel.window
    now_ns = turn.reading.monotonic_ns
    owed_ns = now_ns + turn.settings.ack_wait_ns if first else now_ns
    due_ns = owed_ns if link.ack_due_ns is None else min(link.ack_due_ns, owed_ns)
    turn.set_link(envelope.origin, replace(link, ack_due_ns=due_ns))
    turn.set_channel(envelope.origin, which, channel.received(envelope.uid))
    return first


def _take_application(turn: Turn, envelope: Envelope) -> None:
    turn.node = replace(turn.node, balance=turn.node.balance - 1)
    if envelope.epoch < turn.node.epoch:
        cut.hand_over(turn, envelope)
    _to_role(turn, envelope)


def _to_role(turn: Turn, envelope: Envelope) -> None:
    node, body = turn.node, envelope.body
    if node.office is not None and turn.rules is not None:
        step = office_rules.handle(turn.rules, node.office, envelope.origin, body, turn.reading)
        turn.office_step(step, envelope.origin)
    elif node.client is not None:
        turn.client_step(client_rules.handle(node.client, body))


def _take_control(turn: Turn, sender: str, body: Control) -> None:
    at_office = turn.node.office is not None
    match body:
        case StatePart() if at_office:
            cut.collect_state(turn, sender, body)
        case Prepost() if at_office:
            cut.collect_prepost(turn, body)
        case SnapAsk() if at_office:
            _take_if_possible(turn)
        case Loaded(generation) if at_office:
            barrier.loaded(turn, sender, generation)
        case Snap(epoch) if not at_office:
            cut.turn_color(turn, epoch)
        case LoadPart() if not at_office:
            barrier.receive_part(turn, body)
        case Resume(generation) if not at_office:
            barrier.resume(turn, generation)
        case _:
            pass


def _take_if_possible(turn: Turn) -> None:
    """A client's wish for a snapshot; one under way is as good."""
    try:
        cut.take(turn)
    except BadValueError:
        return


def next_due_ns(node: Node, rules: Rules | None, reading: Reading) -> int | None:
    """When `tick` will have something to do, on the monotonic clock, as far as is known now.

    A hold on the wall clock may end whenever that clock is set: it is looked at every 50 ms.
    """
    due = [link.ack_due_ns for link in node.links.values() if link.ack_due_ns is not None]
    for link in node.links.values():
        for channel in (link.app, link.control):
            due += [pending.due_ns for pending in channel.outbox.values()]
    if node.office is not None and rules is not None and not node.halted:
        holds = [s.deadline_ns for s in node.office.sales.values() if s.deadline_ns is not None]
        if rules.hold_clock is HoldClock.MONOTONIC:
            due += holds
        elif holds:
            due.append(reading.monotonic_ns + _WALL_LOOK_NS)
    return min(due, default=None)
