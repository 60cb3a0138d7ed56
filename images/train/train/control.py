"""What one can ask of a running node, as JSON documents over a Unix socket.

A request is `{"do": NAME, ...}`, the answer `{"ok": ...}` or `{"error": WHAT}`. `ask` is the other
side. The same requests come from the command line, from the orchestrator, and from a node's own
load.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import commands, cut, timetable
from .client import Client, Stage
from .customers import Load
from .host import Host
from .link import Impairment
from .listening import Connections
from .office_state import State
from .plain import plain, restore
from .snapshot import document
from .ticket import BadValueError, Ticket, Wish

ANSWER_BYTES_MAX = 64 * 1024 * 1024
Request = Mapping[str, Any]


class Control:
    """Carries requests out at `host`. `impair(peer or None, impairment)` bends its links;
    `load(request)` starts or stops its own customers; `more_status` adds what surrounds the
    host."""

    def __init__(
        self,
        host: Host,
        impair: Callable[[str | None, Impairment], None],
        load: Callable[[Request], Any],
        more_status: Callable[[], dict[str, Any]],
    ) -> None:
        self._host = host
        self._impair = impair
        self._more_status = more_status
        self._verbs: dict[str, Callable[[Request], Any]] = {
            "status": self._status,
            "tickets": self._tickets,
            "create": self._create,
            "update": self._update,
            "delete": lambda r: host.command(commands.remove_ticket, _int(r, "ticket_id")),
            "reclaim": lambda r: host.command(commands.reclaim_ticket, _int(r, "ticket_id")),
            "import": self._import,
            "export": lambda r: timetable.write(self._office_tickets()),
            "consult": lambda r: host.command(commands.consult, _wish(r)),
            "info": self._info,
            "reserve": lambda r: host.command(commands.reserve, _wish(r)),
            "request": self._request,
            "confirm": lambda r: host.command(commands.decide, True),
            "refuse": lambda r: host.command(commands.decide, False),
            "snapshot-take": lambda r: host.command(commands.take_snapshot),
            "snapshot-reset": lambda r: host.command(commands.reset_snapshot),
            "snapshot-list": lambda r: host.snapshot_epochs(),
            "snapshot-show": lambda r: json.loads(document(host.snapshot(_int(r, "epoch")))),
            "snapshot-load": self._snapshot_load,
            "link": self._link,
            "load": load,
        }

    def answer(self, text: str) -> str:
        """The answer to one request; whatever is wrong with it is said there."""
        try:
            request = json.loads(text)
            if not isinstance(request, dict):
                raise BadValueError("a request is a JSON object")
            verb = self._verbs.get(str(request.get("do")))
            if verb is None:
                raise BadValueError(f"no request {request.get('do')!r}; {', '.join(self._verbs)}")
            return json.dumps({"ok": verb(request)})
        except BadValueError as error:
            return json.dumps({"error": str(error)})
        except ValueError as error:
            return json.dumps({"error": f"not JSON: {error}"})

    def _status(self, _: Request) -> dict[str, Any]:
        node = self._host.node
        status: dict[str, Any] = {
            "node": node.name,
            "office": node.office_name,
            "incarnation": node.incarnation,
            "generation": node.generation,
            "epoch": node.epoch,
            "lamport": node.lamport,
            "balance": node.balance,
            "halted": node.halted,
            "unacknowledged": sum(len(link.app.outbox) for link in node.links.values()),
            "rejected": dict(self._host.rejected),
            "messages": dict(self._host.messages),
            "snapshot_waits_for": sorted(cut.missing(node)),
            "snapshot_under_way": None if node.collection is None else node.collection.epoch,
            "load_waits_for": [] if node.loading is None else sorted(node.loading.waiting_for),
        }
        if node.client is not None:
            status["client"] = plain(node.client)
        if node.office is not None:
            states = [sale.state.value for sale in node.office.sales.values()]
            status["tickets"] = {state: states.count(state) for state in sorted(set(states))}
        return {**status, **self._more_status()}

    def _client(self) -> Client:
        client = self._host.node.client
        if client is None:
            raise BadValueError(f"{self._host.node.name} is the office; this is for a client")
        return client

    def _info(self, request: Request) -> Any:
        """The answer to consultation `query`, None while there is none."""
        info = self._client().info
        return None if info is None or info.query != _int(request, "query") else plain(info)

    def _request(self, request: Request) -> dict[str, Any]:
        """How request number `request` stands; without a number, the last one."""
        client = self._client()
        number = _int(request, "request") if "request" in request else client.request
        current = number == client.request and client.stage is not Stage.IDLE
        if not current and number not in client.outcomes:
            raise BadValueError(f"request {number}: {client.name} has made none of that number")
        ticket = client.owned.get(number, client.offer if current else None)
        return {
            "request": number,
            "stage": client.stage.value if current else Stage.IDLE.value,
            "outcome": None if current else client.outcomes[number].value,
            "ticket": None if ticket is None else plain(ticket),
        }

    def _tickets(self, _: Request) -> list[Any]:
        node = self._host.node
        if node.client is not None:
            return [plain(ticket) for ticket in node.client.owned.values()]
        return [] if node.office is None else [plain(s) for s in node.office.sales.values()]

    def _office_tickets(self) -> list[Ticket]:
        office = self._host.node.office
        if office is None:
            raise BadValueError("only the office has a timetable")
        return [s.ticket for s in office.sales.values() if s.state is not State.REMOVED]

    def _create(self, request: Request) -> int:
        return self._host.command(
            commands.create_ticket,
            departure_ns=_int(request, "departure_ns"),
            zone=_text(request, "zone"),
            origin=_text(request, "origin"),
            destination=_text(request, "destination"),
            price_cents=request.get("price_cents"),
        )

    def _update(self, request: Request) -> None:
        number = _int(request, "ticket_id")
        known = {ticket.ticket_id: ticket for ticket in self._office_tickets()}
        if number not in known:
            raise BadValueError(f"ticket {number}: there is none")
        fields = ("departure_ns", "zone", "origin", "destination", "price_cents")
        changes = {name: request[name] for name in fields if name in request}
        changed = replace(known[number], **changes)
        self._host.command(commands.update_ticket, restore(Ticket, plain(changed)))

    def _import(self, request: Request) -> list[int]:
        """All of it or nothing."""
        return self._host.command(commands.create_tickets, timetable.read(_text(request, "csv")))

    def _snapshot_load(self, request: Request) -> None:
        self._host.command(commands.load_snapshot, self._host.snapshot(_int(request, "epoch")))

    def _link(self, request: Request) -> None:
        fields = {k: v for k, v in request.items() if k not in ("do", "peer")}
        try:
            impairment = Impairment(**fields)
        except TypeError as error:
            raise BadValueError(f"link: {error}") from error
        peer = request.get("peer")
        self._impair(None if peer is None else str(peer), impairment)


async def serve(path: Path, answer: Callable[[str], str], done: Callable[[], None]) -> None:
    """Answer requests on the socket `path`, one per line, for ever; only this user may ask."""
    path.unlink(missing_ok=True)
    connections = Connections()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # ValueError: a request too long to be one.
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                writer.write(answer(line.decode("utf-8", "replace")).encode() + b"\n")
                done()
                await writer.drain()

    with _address(path) as address:
        mask = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(
                connections.handled(on_connection), address, limit=ANSWER_BYTES_MAX
            )
        finally:
            os.umask(mask)
        await connections.serve(server)


def ask(path: Path, request: Request, timeout_s: float = 10.0) -> Any:
    """One request to a running node. Raises `BadValueError` with the node's words, `OSError` when
    no node listens there."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        with _address(path) as address:
            connection.connect(address)
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("r") as answers:
            answer = json.loads(answers.readline())
    if "error" in answer:
        raise BadValueError(answer["error"])
    return answer["ok"]


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """The socket `path` in fewer bytes than the 108 that an address may have (unix(7))."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def load_of(request: Request) -> Load:
    """The load that a request asks for. Raises `BadValueError`."""
    wishes = request.get("wishes", [{}])
    if not isinstance(wishes, list):
        raise BadValueError("wishes: a list is needed")
    return Load(
        seed=_int(request, "seed"),
        think_mean_ns=_int(request, "think_mean_ns"),
        requests=None if request.get("requests") is None else _int(request, "requests"),
        wishes=tuple(_wish({"wish": wish}) for wish in wishes),
    )


def _int(request: Request, name: str) -> int:
    value = request.get(name)
    if type(value) is not int:
        raise BadValueError(f"{name}: a whole number is needed, not {value!r}")
    return value


def _text(request: Request, name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str):
        raise BadValueError(f"{name}: a text is needed, not {value!r}")
    return value


def _wish(request: Request) -> Wish:
    wish = request.get("wish", {})
    if not isinstance(wish, dict):
        raise BadValueError("wish: an object is needed")
    unset: dict[str, Any] = {"origin": None, "destination": None, "day": None, "ticket_id": None}
    return restore(Wish, {**unset, **wish}, "wish")
