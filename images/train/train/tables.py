"""What the command line shows of a node's answers. Pure: JSON values in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

NS = 1_000_000_000
MS = 1_000_000


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Left-aligned columns, two spaces between them."""
    lines = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)


def tickets(found: list[dict[str, Any]]) -> str:
    """An office's sales, or a client's tickets."""
    if not found:
        return "no tickets"
    header = ["ticket", "from", "to", "departure", "price", "holder"]
    if "ticket" not in found[0]:
        return table(header, map(_ticket, found))
    return table(
        [*header, "state", "client", "request"],
        ([*_ticket(s["ticket"]), s["state"], s["client"], s["request"]] for s in found),
    )


def _ticket(ticket: dict[str, Any]) -> list[Any]:
    price = ticket["price_cents"]
    return [
        ticket["ticket_id"],
        ticket["origin"],
        ticket["destination"],
        _departure(ticket),
        None if price is None else f"{price // 100}.{price % 100:02d}",
        ticket["holder"],
    ]


def _departure(ticket: dict[str, Any]) -> str:
    utc = datetime.fromtimestamp(ticket["departure_ns"] // NS, UTC)
    return f"{utc.astimezone(ZoneInfo(ticket['zone'])):%Y-%m-%d %H:%M} {ticket['zone']}"


def info(answer: dict[str, Any]) -> str:
    """The office's answer to a consultation."""
    shown = answer["tickets"]
    if not shown:
        return "no tickets fit; places are written as in the timetable, whole"
    more = answer["total"] - len(shown)
    return tickets(shown) + (f"\nand {more} more" if more else "")


def created(numbers: list[int]) -> str:
    """Numbers of new tickets."""
    match numbers:
        case []:
            return "no tickets made"
        case [number]:
            return f"ticket {number} made"
        case _:
            return f"tickets {numbers[0]} to {numbers[-1]} made"


def request(stands: dict[str, Any]) -> str:
    """How a request stands."""
    words = stands["outcome"] or stands["stage"]
    line = f"request {stands['request']}: {words}"
    return line if stands["ticket"] is None else f"{line}\n{tickets([stands['ticket']])}"


def snapshots(epochs: list[int]) -> str:
    """Epochs."""
    return "\n".join(map(str, epochs)) or "no snapshots"


def taken(epoch: int | None) -> str:
    """What `snapshot take` began."""
    return "the office is asked for a snapshot" if epoch is None else f"snapshot {epoch}"


def snapshot(content: dict[str, Any]) -> str:
    """A snapshot's file."""
    inner = content["snapshot"]
    rows = [
        [name, part["lamport"], part["balance"], _holdings(part), _under_way(part)]
        for name, part in inner["parts"]
    ]
    crossing = [[p["origin"], p["destination"], p["kind"]] for p in inner["preposts"]]
    text = f"snapshot {inner['epoch']}\n" + table(
        ["node", "lamport", "balance", "tickets", "unacknowledged"], rows
    )
    if crossing:
        text += "\nmessages that cross the cut\n" + table(["from", "to", "message"], crossing)
    return text


def _holdings(part: dict[str, Any]) -> str:
    if part["office"] is None:
        return f"{len(part['client']['owned'])} owned"
    return _counted(sale["state"] for _, sale in part["office"]["sales"])


def _counted(states: Iterable[str]) -> str:
    listed = list(states)
    return ", ".join(f"{listed.count(s)} {s}" for s in sorted(set(listed))) or "none"


def _under_way(part: dict[str, Any]) -> int:
    return sum(len(channel["outbox"]) for _, channel in part["channels"])


def status(answer: dict[str, Any]) -> str:
    """A node's status, one line a fact."""
    client = answer.get("client")
    lines = {
        "node": answer["node"] + ("" if client is None else f", client of {answer['office']}"),
        "started": f"{answer['incarnation']} times",
        "lamport": answer["lamport"],
        "epoch": f"{answer['epoch']}, generation {answer['generation']}",
        "unacknowledged": answer["unacknowledged"],
        "messages": _pairs(answer["messages"]),
        "rejected": _pairs(answer["rejected"]),
    }
    if client is None:
        lines["tickets"] = _pairs(answer["tickets"])
    else:
        lines["request"] = f"{client['request']}, {client['stage']}"
        lines["tickets"] = f"{len(client['owned'])} owned"
        lines["load"] = load(answer["load"])
    if answer["halted"]:
        lines["halted"] = "a snapshot is being loaded" + _waiting(answer["load_waits_for"])
    if answer["snapshot_under_way"] is not None:
        lines["snapshot"] = f"{answer['snapshot_under_way']}" + _waiting(
            answer["snapshot_waits_for"]
        )
    width = max(map(len, lines))
    text = "\n".join(f"{name.ljust(width)}  {value}" for name, value in lines.items())
    return f"{text}\n{links(answer['links'])}" if answer["links"] else text


def _waiting(names: list[str]) -> str:
    return f", waiting for {', '.join(names)}" if names else ""


def _pairs(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def links(found: dict[str, dict[str, Any]]) -> str:
    """The links that leave a node, and what bends them."""
    return table(
        ["link to", "sent", "lost here", "loss", "duplication", "delay ms", "cut"],
        (
            [
                name, link["sent"], link["dropped"], link["loss"], link["duplication"],
                f"{link['delay_min_ns'] / MS:g}-{link['delay_max_ns'] / MS:g}",
                "yes" if link["cut"] else "no",
            ]
            for name, link in found.items()
        ),
    )  # fmt: skip


def load(answer: dict[str, Any]) -> str:
    """A client's own load."""
    return f"{'running' if answer['running'] else 'none'}, {answer['made']} requests made"
