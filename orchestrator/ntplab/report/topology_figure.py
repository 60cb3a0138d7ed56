"""A picture of the lab: who serves time to whom, who sells, who watches. From the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from ..evidence import Manifest
from .language import Language
from .svg import drawing, element

BOX_WIDTH, BOX_HEIGHT, GAP, PER_ROW = 118.0, 44.0, 18.0, 6
KINDS = (("timeserver",), ("server",), ("database", "observer", "buyers"))
ROW_STEP = BOX_HEIGHT + 46.0


def topology(manifest: Manifest, say: Language) -> Markup:
    """Time servers above, booking servers in the middle, the rest below; dashed lines are NTP."""
    rows = _rows(manifest)
    width = 40 + PER_ROW * (BOX_WIDTH + GAP)
    places = _places(rows, width)
    parts: list[str] = []
    for server, sources in _sources(manifest).items():
        for source in sources:
            if server in places and source in places:
                parts.append(_link(places[source], places[server], "ntp-link"))
    for one, other in _neighbors(manifest):
        if one in places and other in places:
            parts.append(_between(places[one], places[other]))
    database = next((n.name for n in manifest.nodes if n.kind == "database"), None)
    if database in places:
        for name in manifest.servers:
            parts.append(_link(places[name], places[database], "app-link"))
    for node in [node for row in rows for node in row]:
        parts += _box(node, places[node["name"]])
    return drawing(width, 20 + ROW_STEP * len(rows), say("topology_title"), parts, "topology")


def _rows(manifest: Manifest) -> list[list[dict[str, str]]]:
    """Rows of boxes, no more than `PER_ROW` in each; the office of the trains above its clients."""
    rows: list[list[dict[str, str]]] = []
    train = _train(manifest)
    for kinds in KINDS:
        nodes = [
            {"name": n.name, "kind": n.kind, "about": _about(manifest, n.name, n.ntp_daemon)}
            for n in manifest.nodes
            if n.kind in kinds
        ]
        if train and "server" in kinds:
            rows.append([node for node in nodes if node["name"] == train["office"]])
            nodes = [node for node in nodes if node["name"] != train["office"]]
        lab_only = train is not None or any(n["kind"] == "buyers" for n in nodes)
        if "buyers" in kinds and nodes and not lab_only:
            nodes.append({"name": "buyers", "kind": "buyers", "about": ""})
        rows += [nodes[i : i + PER_ROW] for i in range(0, len(nodes), PER_ROW)]
    return rows


def _about(manifest: Manifest, name: str, daemon: str) -> str:
    skew = manifest.skews.get(name)
    if skew is None or (skew.offset_ns == 0 and skew.drift_ppm == 0):
        return daemon
    offset = f"{skew.offset_ns / 1e9:+.3g} s"
    drift = f" {skew.drift_ppm:+.3g} ppm" if skew.drift_ppm else ""
    return offset + drift


def _sources(manifest: Manifest) -> Mapping[str, Sequence[str]]:
    """Whom each server asks for the time, by the plan; without one, every time server."""
    plan: Any = manifest.plan if isinstance(manifest.plan, dict) else {}
    planned = {s["name"]: s.get("sources") or () for s in plan.get("servers", ())}
    everyone = manifest.names_of("timeserver")
    return {name: planned.get(name, everyone) for name in manifest.servers}


def _train(manifest: Manifest) -> Mapping[str, Any] | None:
    """The train system's part of the plan."""
    plan: Any = manifest.plan if isinstance(manifest.plan, dict) else {}
    found: Mapping[str, Any] | None = plan.get("train")
    return found


def _neighbors(manifest: Manifest) -> list[tuple[str, str]]:
    """Who of the train system talks to whom; each pair once, whichever way messages go."""
    train = _train(manifest) or {}
    pairs = {
        tuple(sorted((one, other)))
        for one, others in train.get("neighbors", {}).items()
        for other in others
    }
    return sorted((one, other) for one, other in pairs)


Place = tuple[float, float]


def _places(rows: Sequence[Sequence[Mapping[str, str]]], width: float) -> dict[str, Place]:
    places = {}
    for number, row in enumerate(rows):
        total = len(row) * (BOX_WIDTH + GAP) - GAP
        for index, node in enumerate(row):
            x = (width - total) / 2 + index * (BOX_WIDTH + GAP)
            places[node["name"]] = (x, 10 + ROW_STEP * number)
    return places


def _link(upper: Place, lower: Place, class_: str) -> str:
    return element(
        "line", x1=upper[0] + BOX_WIDTH / 2, y1=upper[1] + BOX_HEIGHT,
        x2=lower[0] + BOX_WIDTH / 2, y2=lower[1], class_=class_,
    )  # fmt: skip


def _between(one: Place, other: Place) -> str:
    """From the middle of a box to that of another; the boxes are drawn over it."""
    x, y = BOX_WIDTH / 2, BOX_HEIGHT / 2
    return element(
        "line", x1=one[0] + x, y1=one[1] + y, x2=other[0] + x, y2=other[1] + y, class_="app-link"
    )


def _box(node: Mapping[str, str], place: Place) -> list[str]:
    x, y = place
    middle = x + BOX_WIDTH / 2
    name = node["name"] if len(node["name"]) <= 16 else node["name"][:15] + "…"
    about = node["about"] or node["kind"]
    return [
        element("rect", element("title", f"{node['name']} ({node['kind']})"), x=x, y=y,
                width=BOX_WIDTH, height=BOX_HEIGHT, rx=6.0, class_=f"box box-{node['kind']}"),
        element("text", name, x=middle, y=y + 19, class_="box-name"),
        element("text", about, x=middle, y=y + 35, class_="box-about"),
    ]  # fmt: skip
