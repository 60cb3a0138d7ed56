"""Wrong ways to take a snapshot, put into the real code: the tests have to notice each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from train import cut, deliver
from train.envelope import Envelope
from train.messages import Application
from train.snapshot import Part
from train.turn import Turn


def count_before_recording(patch: pytest.MonkeyPatch) -> None:
    """The message that turns a node is counted, then the state is recorded."""
    take = deliver._take

    def counting_first(turn: Turn, envelope: Envelope) -> None:
        body = envelope.body
        turning = isinstance(body, Application) and deliver._is_current(turn, envelope)
        if turning and envelope.epoch > turn.node.epoch:
            window = turn.link(envelope.origin).app.window
            if envelope.uid not in window:
                turn.node = replace(turn.node, balance=turn.node.balance - 1)
                cut.turn_color(turn, envelope.epoch)
                turn.node = replace(turn.node, balance=turn.node.balance + 1)
        take(turn, envelope)

    patch.setattr(deliver, "_take", counting_first)


def reset_the_balance(patch: pytest.MonkeyPatch) -> None:
    """The initiator starts each snapshot from zero."""
    record = cut.record

    def forgetting(turn: Turn) -> Part:
        if turn.node.office is not None:
            turn.node = replace(turn.node, balance=0)
        return record(turn)

    patch.setattr(cut, "record", forgetting)


def recolor_what_is_repeated(patch: pytest.MonkeyPatch) -> None:
    """A repetition carries the color that its sender has by then."""
    emit = Turn.emit

    def recolored(self: Turn, peer: str, uid: int, pending: object, body: object) -> None:
        emit(self, peer, uid, replace(pending, epoch=self.node.epoch), body)  # type: ignore

    patch.setattr(Turn, "emit", recolored)


def record_after_turning_message(patch: pytest.MonkeyPatch) -> None:
    """The message takes effect before the state is recorded."""
    turn_color, take = cut.turn_color, deliver._take

    def late(turn: Turn, envelope: Envelope) -> None:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(cut, "turn_color", lambda _turn, _epoch: None)
            take(turn, envelope)
        if not isinstance(envelope.body, Application) or deliver._is_current(turn, envelope):
            turn_color(turn, envelope.epoch)

    patch.setattr(deliver, "_take", late)


def never_wake_silent_nodes(patch: pytest.MonkeyPatch) -> None:
    """Without SNAP, a node that hears nothing never turns."""
    send = Turn.send

    def silent(self: Turn, peer: str, body: object) -> None:
        if type(body).__name__ != "Snap":
            send(self, peer, body)  # type: ignore

    patch.setattr(Turn, "send", silent)
