"""The JSON Schema of a scenario and its reference page, both made from the models.

Beside the first stage, used by nobody at run time. `python -m ntplab.scenario.reference`
writes playbooks/scenarios/schema.json and docs/reference/scenario.md; a test fails when they
are not what it would write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from .. import units
from ..paths import REPO_DIR
from .faults import (
    Exec,
    Freeze,
    Heal,
    Kill,
    Link,
    NtpOff,
    NtpOn,
    Partition,
    Restart,
    SetDate,
    SetDrift,
    SetOffset,
    SetTemperature,
    SetWander,
    Snapshot,
    Steady,
    Step,
    Strobe,
    Thaw,
)
from .models import Phase, Sampling, Scenario, Settle
from .nodes import (
    Database,
    MachineClock,
    Makestep,
    NtpDefaults,
    Server,
    ServerNtp,
    Temperature,
    TimeServer,
    Wander,
)
from .sweep import Axis, Sweep
from .train import Client, Links, Office, Train, TrainLoad, Wish
from .workload import (
    CommitWait,
    HotSpot,
    HybridLogical,
    LastWriteWins,
    Lease,
    LeaseDbTime,
    LeaseFenced,
    LeaseMonotonic,
    Races,
    TimestampOrder,
    Unique,
)

Schema = dict[str, Any]

SCHEMA_PATH = REPO_DIR / "playbooks" / "scenarios" / "schema.json"
REFERENCE_PATH = REPO_DIR / "docs" / "reference" / "scenario.md"

TABLE_HEAD = "| key | value | default | meaning |\n| --- | --- | --- | --- |\n"

TITLES: dict[type[BaseModel], str] = {
    Scenario: "Scenario",
    TimestampOrder: "Policy timestamp-order",
    Lease: "Policy lease",
    LeaseFenced: "Policy lease-fenced",
    LeaseDbTime: "Policy lease-db-time",
    LeaseMonotonic: "Policy lease-monotonic",
    LastWriteWins: "Policy last-write-wins",
    CommitWait: "Policy commit-wait",
    HybridLogical: "Policy hybrid-logical",
    Unique: "Policy unique",
    Server: "Server",
    MachineClock: "Clock",
    Wander: "Wander",
    Temperature: "Temperature",
    ServerNtp: "NTP client",
    TimeServer: "Time server",
    Database: "Database",
    NtpDefaults: "NTP",
    Makestep: "Makestep",
    Races: "Load races",
    HotSpot: "Load hot-spot",
    Train: "Train",
    Office: "Train office",
    Client: "Train client",
    Links: "Train links",
    TrainLoad: "Train load",
    Wish: "Train wish",
    Phase: "Phase",
    Settle: "Settle",
    Sampling: "Sampling",
    Sweep: "Sweep",
    Axis: "Axis",
}

FAULTS: tuple[type[BaseModel], ...] = (
    Step,
    SetOffset,
    SetDrift,
    SetWander,
    SetTemperature,
    Strobe,
    Steady,
    Freeze,
    Thaw,
    SetDate,
    Exec,
    Kill,
    NtpOff,
    NtpOn,
    Restart,
    Link,
    Partition,
    Heal,
    Snapshot,
)

INTRODUCTION = """\
# Scenario file

An experiment as YAML. `./ntplab validate FILE` names everything that is wrong with one, with
the line; `./ntplab plan FILE` shows what it would do. The first line
`# yaml-language-server: $schema=schema.json` lets editors complete and check it.

This page is generated from the models (`python -m ntplab.scenario.reference`).

- **Quantities carry their unit.** Durations: `ns`, `us`, `ms`, `s`, `m`, `h`, `d`, as in
  `500ms`, `-5s`, `1.5h`. Frequency errors: `50ppm`. Rates: `5/s`, `30/m`. Only `0` needs none.
- **Names** of nodes, phases and the scenario: up to 32 of `a-z`, `0-9` and `-`, beginning with
  a letter.
- `ntp: on` and `ntp: off` may be written as `true` and `false`. YAML aliases are not supported.
- **`--set key.path=value`** replaces or adds a value before the file is checked; elements of a
  list go by their name: `--set servers.lyon.clock.offset=0s`.
- **Expectations** are `<path> <op> <value>` over results.json:
  `phases.ntp-on.divergence.p99_abs_ns < 200us`. Those of a sweep choose points first:
  `points[skew<wait].phases.load.bookings.double_bookings == 0`, or `any`, `sum`, `mean`, `min`,
  `max` of `(points[...]...)`. A choice may also go by what came of a point:
  `points[skew<wait, phases.load.bookings.prediction.expected==0]...`; where it comes to no point,
  the expectation is unknown.
- **Two systems under test.** A concert (`policy`, `servers`, `database`, `load`, `sweep`) or, with
  `system: train`, the train tickets (`train`). Either refuses the keys of the other. Sweeps and
  `trials` are of a concert; of the trains, give each value by `--set`, one run each, and write a
  phase several times under names of its own. In the train system the office and the clients are
  what expectations and faults call servers; `server: all` strikes every one
  of them (kill, restart, link, partition, heal).
- A time server that restarts under another address is found again by chronyd only after
  minutes: chronyd keeps an address once it was resolved. A server that was cut off the time
  network and comes back is not affected.
"""


def json_schema() -> str:
    """schema.json: JSON Schema 2020-12 of the scenario file."""
    schema = Scenario.model_json_schema()
    optional = schema["properties"]["policy"]
    policy = optional["anyOf"][0]
    names = sorted(policy["discriminator"]["mapping"])
    schema["properties"]["policy"] = {
        "description": optional["description"],
        "anyOf": [{"enum": names}, policy],
    }
    schema |= {
        "if": {"properties": {"system": {"const": "train"}}, "required": ["system"]},
        "then": {"required": ["train"]},
        "else": {"required": ["policy", "servers"]},
    }
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_noise(schema)}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def reference() -> str:
    """docs/reference/scenario.md: a section for each model, a row for each key."""
    sections = [_section(model, title) for model, title in TITLES.items()]
    return "\n".join([INTRODUCTION, *sections, _faults()])


def write() -> None:
    """Bring both files up to date."""
    for path, text in ((SCHEMA_PATH, json_schema()), (REFERENCE_PATH, reference())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _without_noise(schema: Any) -> Any:
    """Without titles that repeat the key and defaults in ns, which nobody would write."""
    if isinstance(schema, dict):
        return {k: _without_noise(v) for k, v in schema.items() if k not in ("title", "default")}
    return [_without_noise(item) for item in schema] if isinstance(schema, list) else schema


def _faults() -> str:
    """One section for all kinds of fault: the keys that all have, then what each does."""
    common = Thaw.model_json_schema()["properties"]
    rows = [_row(Thaw, key, common[key]) for key in ("at", "server")]
    kinds = "| `kind` | `value` | default | what happens |\n| --- | --- | --- | --- |\n"
    return f"## Fault\n{TABLE_HEAD}{''.join(rows)}\n{kinds}{''.join(map(_kind, FAULTS))}"


def _kind(model: type[BaseModel]) -> str:
    schema = model.model_json_schema()["properties"]
    kind, what = schema["kind"]["const"], " ".join((model.__doc__ or "").split())
    if "value" not in schema:
        return f"| `{kind}` | | | {what} |\n"
    _, value, default, meaning = _row(model, "value", schema["value"]).strip("|\n ").split(" | ")
    return f"| `{kind}` | {value}: {meaning} | {default} | {what} |\n"


def _section(model: type[BaseModel], title: str) -> str:
    properties = model.model_json_schema()["properties"]
    text = " ".join((model.__doc__ or "").split())
    rows = [_row(model, key, schema) for key, schema in properties.items()]
    return f"## {title}\n{text}\n\n{TABLE_HEAD}{''.join(rows)}"


def _row(model: type[BaseModel], key: str, schema: Schema) -> str:
    field = model.model_fields[key]
    default = "**required**" if field.is_required() else _default(field.default, schema)
    meaning = field.description or "which one this is"
    return f"| `{key}` | {', '.join(dict.fromkeys(_values(schema)))} | {default} | {meaning} |\n"


def _values(schema: Schema) -> Iterator[str]:
    """What may be written, in words; alternatives one by one."""
    if "$comment" in schema:
        yield schema["$comment"]
    elif "$ref" in schema:
        yield _link(schema["$ref"])
    elif "enum" in schema or "const" in schema:
        for value in schema.get("enum", [schema.get("const")]):
            yield f"`{json.dumps(value).strip(chr(34))}`"
    elif "anyOf" in schema or "oneOf" in schema:
        for part in schema.get("anyOf") or schema["oneOf"]:
            yield from _values(part)
    elif schema.get("type") == "array":
        yield _list(schema)
    else:
        yield _simple(schema)


def _list(schema: Schema) -> str:
    parts = schema.get("prefixItems")
    if parts:
        return f"[{', '.join(next(_values(part)).split(' from ')[0] for part in parts)}]"
    most = f" (at most {schema['maxItems']})" if "maxItems" in schema else ""
    items = dict.fromkeys(_values(schema["items"]))
    return f"list of {' or '.join(items)}{most}"


def _simple(schema: Schema) -> str:
    kinds = {"integer": "whole number", "boolean": "`true`, `false`", "null": "`null`"}
    kind = str(schema["type"])
    text = "name" if "pattern" in schema else kinds.get(kind, kind.replace("string", "text"))
    if "minimum" in schema:
        most = schema.get("maximum", schema.get("exclusiveMaximum", 0) - 1)
        text += f" from {schema['minimum']} to {most}"
    return text


def _link(ref: str) -> str:
    name = ref.rsplit("/", 1)[1]
    titles = {model.__name__: title for model, title in TITLES.items()}
    title = titles.get(name, "Fault")
    return f"[{title}](#{title.lower().replace(' ', '-')})"


def _default(value: Any, schema: Schema) -> str:
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "its defaults"
    if value in ((), ""):
        return "empty"
    if isinstance(value, tuple) and "prefixItems" not in schema:
        return "one with its defaults" if isinstance(value[0], BaseModel) else f"`{value[0]}`"
    if isinstance(value, tuple):
        parts = schema["prefixItems"]
        return f"`[{', '.join(_text(v, p) for v, p in zip(value, parts, strict=True))}]`"
    return f"`{_text(value, schema)}`"


def _text(value: Any, schema: Schema) -> str:
    show = {"duration": units.format_duration, "drift": units.format_ppm}
    kind = str(schema.get("$comment", "")).split(" ")[0]
    if kind in show:
        return str(show[kind](value))
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    write()
