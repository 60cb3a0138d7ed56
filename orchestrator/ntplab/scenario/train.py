"""The train ticket system: office, clients, network, tickets and load. Part of the first stage."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler
from pydantic import WithJsonSchema as JsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ..units import NS_PER_MS, NS_PER_S, parse_duration_ns
from .base import Model
from .nodes import MachineClock, ServerNtp
from .types import Name, Number, Timeout, Wait, Whole

CLIENTS_MAX = 60
TICKETS_MAX = 10_000
TIMETABLE_COLUMNS = ("stop_from", "stop_to", "departure_date", "departure_time", "timezone")

Protocol = Literal["confirmed", "literal"]
HoldClock = Literal["monotonic", "wall"]
Shape = Literal["line", "ring", "ring-one-way", "star", "mesh"]


def _span(value: object) -> object:
    """`200ms` is always that; `[0s, 2s]` is drawn evenly for each message."""
    if isinstance(value, (list, tuple)):
        return value
    parse_duration_ns(value)
    return (value, value)


Span = Annotated[
    tuple[Wait, Wait],
    BeforeValidator(_span),
    JsonSchema(
        {
            "anyOf": [
                {"type": "string", "$comment": "duration from 0s to 1h"},
                {"const": 0},
                {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
            ]
        }
    ),
]
Share = Annotated[Number, Field(ge=0, le=1)]


class Links(Model):
    """What links do to every message that passes."""

    delay: Span = Field(
        default=(0, 0),
        description="how long a message is under way: `200ms`, or `[0s, 1s]` drawn evenly for "
        "each one, which reorders them",
    )
    loss: Share = Field(default=0.0, description="share of the messages that are lost")
    duplication: Share = Field(default=0.0, description="share of the messages that come twice")


class Wish(Model):
    """What a client asks for; whatever is absent may be anything."""

    origin: Annotated[str, Field(max_length=60)] | None = Field(
        default=None, description="where the train leaves"
    )
    destination: Annotated[str, Field(max_length=60)] | None = Field(
        default=None, description="where it goes"
    )
    day: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")] | None = Field(
        default=None, description="date of departure, there: `2027-12-20`"
    )


class TrainLoad(Model):
    """What every client does while a phase runs: thinks, asks for one ticket, waits for the end."""

    think: Wait = Field(
        default=NS_PER_S, description="mean time between requests (drawn, exponential)"
    )
    requests: Annotated[Whole, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="each client ends after so many; none: while the phase runs"
    )
    wishes: Annotated[tuple[Wish, ...], Field(min_length=1, max_length=100)] = Field(
        default=(Wish(),), description="each request is one of these, drawn evenly"
    )


class Office(Model):
    """The machine that sells the tickets (guichet)."""

    name: Name = Field(default="office", description="also its DNS name")
    clock: MachineClock = Field(default=MachineClock(), description="how its wall clock is wrong")
    ntp: ServerNtp = Field(default=ServerNtp(), description="its NTP daemon")


class Client(Model):
    """A machine that asks for tickets, and passes on the others' messages."""

    name: Name = Field(description="also its DNS name")
    clock: MachineClock = Field(default=MachineClock(), description="how its wall clock is wrong")
    ntp: ServerNtp = Field(default=ServerNtp(), description="its NTP daemon")


def _clients(value: object) -> object:
    """A number of clients is as many clients with nothing special: c1, c2, ..."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= CLIENTS_MAX:
            raise ValueError(f"must be from 1 to {CLIENTS_MAX} clients, not {value}")
        return [{"name": name} for name in client_names(value)]
    return value


class OrCount:
    """Says in the JSON Schema that a number will do in place of a list."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        count = {"type": "integer", "minimum": 1, "maximum": CLIENTS_MAX}
        return {"anyOf": [count, handler(core)]}


def client_names(data: Any) -> tuple[str, ...]:
    """The clients' names as the file gives them, whatever else is wrong with them."""
    if isinstance(data, int) and not isinstance(data, bool):
        return tuple(f"c{number}" for number in range(1, min(data, CLIENTS_MAX) + 1))
    elements = data if isinstance(data, (list, tuple)) else ()
    return tuple(
        e["name"] for e in elements if isinstance(e, dict) and isinstance(e.get("name"), str)
    )


def _tickets(value: object) -> object:
    """A count, or the text of a timetable."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= TICKETS_MAX:
            raise ValueError(f"must be from 1 to {TICKETS_MAX} tickets, not {value}")
        return value
    if isinstance(value, str):
        _check_timetable(value)
        return value
    raise ValueError("write how many tickets there are, or a timetable as CSV")


def _check_timetable(text: str) -> None:
    reader = csv.DictReader(io.StringIO(text))
    if missing := set(TIMETABLE_COLUMNS) - set(reader.fieldnames or ()):
        raise ValueError(f"the timetable has no column {', '.join(sorted(missing))}")
    seats = [(line.get("seats") or "1").strip() for line in reader]
    if wrong := [text for text in seats if not text.isdecimal()]:
        raise ValueError(f"the timetable has '{wrong[0]}' seats: a whole number is needed")
    if not 1 <= sum(map(int, seats)) <= TICKETS_MAX:
        raise ValueError(f"the timetable must have from 1 to {TICKETS_MAX} seats in all")


class Train(Model):
    """The train ticket system: an office, clients, and the messages that they pass on."""

    protocol: Protocol = Field(
        default="confirmed",
        description="`literal` is the founding document word by word, which sells twice; "
        "`confirmed` does not",
    )
    hold: Timeout = Field(default=2 * NS_PER_S, description="how long a ticket is held")
    hold_clock: HoldClock = Field(
        default="monotonic",
        description="the office's clock that holds are counted on; `wall` is the flaw: a step "
        "forward ends them early",
    )
    office: Office = Field(default=Office(), description="who sells")
    clients: Annotated[
        tuple[Client, ...],
        Field(min_length=1, max_length=CLIENTS_MAX),
        BeforeValidator(_clients),
        OrCount(),
    ] = Field(description="how many (they are `c1`, `c2`, ...), or each by itself")
    confirm: Literal["auto", "by-hand"] = Field(
        default="auto",
        description="clients take what they are offered, or wait for "
        "`ntplab train confirm` or `refuse`",
    )
    topology: Shape = Field(
        default="ring", description="who is whose neighbor, beginning with the office"
    )
    tickets: Annotated[
        int | str,
        BeforeValidator(_tickets),
        JsonSchema(
            {
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": TICKETS_MAX},
                    {"type": "string"},
                ]
            }
        ),
    ] = Field(
        default=100,
        description="how many, all of one departure; or a timetable as CSV text, as "
        "`ntplab train export` writes it",
    )
    links: Links = Field(default=Links(), description="what all links do from the start")
    load: TrainLoad = Field(default=TrainLoad(), description="what the clients do in every phase")
    retry: Timeout = Field(
        default=500 * NS_PER_MS, description="when a message without an answer is sent again"
    )


def shape(topology: str, office: str, clients: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Whom each node sends to, the office first and clients in their order."""
    nodes = [office, *clients]
    count = len(nodes)
    after = {n: [nodes[(i + 1) % count]] for i, n in enumerate(nodes)}
    if topology == "mesh":
        return {n: tuple(m for m in nodes if m != n) for n in nodes}
    if topology == "star":
        return {n: tuple(clients) if n == office else (office,) for n in nodes}
    if topology == "ring-one-way":
        return {n: tuple(after[n]) for n in nodes}
    pairs = list(pairwise(nodes))
    if topology == "ring" and count > 2:
        pairs.append((nodes[-1], nodes[0]))
    return {n: tuple(sorted({b if a == n else a for a, b in pairs if n in (a, b)})) for n in nodes}
