"""Envelopes as Airplug payloads and back: `^name~value^name~value^…`, with a checksum at the end.

Field names have three letters, so none is a prefix of another (Airplug's Tcl library matches by
prefix); `-` stands for unset. The CRC is there because FIFOs written by several processes tear
lines: a torn line is rejected, never misread.
"""

from __future__ import annotations

import json
import re
import urllib.parse
import zlib
from collections.abc import Mapping
from typing import Any

from .envelope import Envelope
from .messages import KIND_OF, KINDS
from .plain import field_types, quote, restore, wire_text
from .ticket import BadValueError

PAYLOAD_BYTES_MAX = 1400
"""Of the 1440 of a message in Airplug; the rest is for its header."""

_FIELDS = {
    "org": "origin", "dst": "destination", "via": "transmitter", "inc": "incarnation",
    "seq": "sequence", "hop": "hops", "lam": "lamport", "vec": "vector", "epo": "epoch",
    "gen": "generation", "uid": "uid", "aka": "app_ack", "akc": "control_ack",
}  # fmt: skip
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_CHECKED = re.compile(r"(?P<checked>\^.*\^)crc~(?P<crc>[0-9a-f]{8})\^", re.DOTALL)


def encode(envelope: Envelope) -> str:
    """One line's payload, printable ASCII. Raises `BadValueError` when it is too long."""
    pairs = {"typ": KIND_OF[type(envelope.body)]}
    pairs |= {short: _value(getattr(envelope, name)) for short, name in _FIELDS.items()}
    pairs["bdy"] = wire_text(envelope.body)
    checked = "^" + "".join(f"{name}~{value}^" for name, value in pairs.items())
    payload = f"{checked}crc~{_crc(checked)}^"
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise BadValueError(f"a {pairs['typ']} of {len(payload)} bytes does not fit a line")
    return payload


def decode(payload: str) -> Envelope:
    """The envelope, or `BadValueError` saying what is wrong with the line."""
    return opened(checked_fields(payload))


def checked_fields(payload: str) -> dict[str, str]:
    """A line's fields as text, once its checksum fits. Raises `BadValueError`."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise BadValueError("line too long")
    match = _CHECKED.fullmatch(payload)
    if match is None:
        raise BadValueError("line torn: no checksum at its end")
    if _crc(match["checked"]) != match["crc"]:
        raise BadValueError("line torn: its checksum does not fit")
    return _fields(match["checked"])


def name_of(fields: Mapping[str, str]) -> tuple[str, int, int] | None:
    """(origin, incarnation, sequence) if these fields are all there and right: enough to see that
    a message has passed before."""
    origin, numbers = fields.get("org", ""), (fields.get("inc", ""), fields.get("seq", ""))
    if not all(map(_NUMBER.fullmatch, numbers)):
        return None
    return origin, int(numbers[0]), int(numbers[1])


def opened(fields: Mapping[str, str]) -> Envelope:
    """The envelope that `checked_fields` are of. Raises `BadValueError`."""
    fields = dict(fields)
    kind = fields.pop("typ", "")
    if kind not in KINDS:
        raise BadValueError(f"message type {kind!r} is unknown")
    body = restore(KINDS[kind], _json(fields.pop("bdy", "")), kind)
    if fields.keys() != _FIELDS.keys():
        raise BadValueError(f"fields missing or unknown: {sorted(fields.keys() ^ _FIELDS.keys())}")
    types = field_types(Envelope)
    named = {name: _parsed(fields[short], types[name], short) for short, name in _FIELDS.items()}
    return Envelope(body=body, **named)


def passed_on(payload: str, envelope: Envelope) -> str:
    """The line `payload` with the transmitter and the hop limit of `envelope`; every other byte of
    it stays as the origin wrote it."""
    checked = payload[: payload.rindex("^crc~") + 1]
    for name, value in (("via", quote(envelope.transmitter)), ("hop", str(envelope.hops))):
        start = checked.index(f"^{name}~") + len(name) + 2
        checked = checked[:start] + value + checked[checked.index("^", start) :]
    return f"{checked}crc~{_crc(checked)}^"


def _value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return "%2D" if value == "-" else quote(value)
    return str(value) if isinstance(value, int) else wire_text(value)


def _parsed(text: str, type_: Any, name: str) -> Any:
    if type_ is str:
        return _unquoted(text)
    if type_ is int:
        if not _NUMBER.fullmatch(text):
            raise BadValueError(f"{name}: {text!r} is no number")
        return int(text)
    return restore(type_, None if text == "-" else _json(text), name)


def _fields(checked: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for pair in checked[1:-1].split("^"):
        name, separator, value = pair.partition("~")
        if not separator or name in fields:
            raise BadValueError(f"field {pair[:20]!r}: not a name and a value, or given twice")
        fields[name] = value
    return fields


def _json(text: str) -> Any:
    try:
        return json.loads(_unquoted(text))
    except (ValueError, RecursionError) as error:
        raise BadValueError(f"not JSON: {error}") from error


def _unquoted(text: str) -> str:
    try:
        return urllib.parse.unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise BadValueError("not UTF-8") from error


def _crc(text: str) -> str:
    return f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"
