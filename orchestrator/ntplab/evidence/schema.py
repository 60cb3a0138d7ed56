"""The evidence tables, column by column. Shared by the spool, the Parquet files and the reader.

Times are nanoseconds: `*_lab_ns`, `due_ns`, `sent_ns` and `answered_ns` are lab time (the
truth); `stamp_ns`, `wall_ns`, `hold_*_ns` and `decided_wall_ns` are a server's wall clock.
`error_ns` of a clock sample is its own error, where that is not the same for all (NTP probes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

_TEXT, _INT, _REAL = pa.string(), pa.int64(), pa.float64()

_COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "clock": {
        "lab_ns": _INT,
        "node": _TEXT,
        "wall_ns": _INT,
        "divergence_ns": _INT,
        "error_ns": _INT,
    },
    "belief": {
        "lab_ns": _INT,
        "node": _TEXT,
        "state": _TEXT,
        "ref_name": _TEXT,
        "stratum": _INT,
        "offset_ns": _INT,
        "frequency_ppm": _REAL,
        "root_delay_ns": _INT,
        "root_dispersion_ns": _INT,
        "leap": _TEXT,
    },
    "attempts": {
        "attempt_id": _TEXT,
        "phase": _TEXT,
        "pattern": _TEXT,
        "race": _INT,
        "buyer": _TEXT,
        "seat": _TEXT,
        "server": _TEXT,
        "due_ns": _INT,
        "sent_ns": _INT,
        "answered_ns": _INT,
        "http_status": _INT,
        "outcome": _TEXT,
        "receipt_id": _TEXT,
        "claim_id": _TEXT,
        "stamp_ns": _INT,
        "problem": _TEXT,
        "confirm_delay_ns": _INT,
        "confirm_due_ns": _INT,
        "confirm_sent_ns": _INT,
        "confirm_answered_ns": _INT,
        "confirm_http_status": _INT,
        "confirm_outcome": _TEXT,
    },
    "claims": {
        "claim_id": _TEXT,
        "origin": _TEXT,
        "holder_server": _TEXT,
        "policy": _TEXT,
        "phase": _TEXT,
        "seat": _TEXT,
        "buyer": _TEXT,
        "stamp_ns": _INT,
        "claimed_lab_ns": _INT,
        "received_lab_ns": _INT,
        "logical": _INT,
        "claimed_wall_ns": _INT,
        "bound_ns": _INT,
    },
    "reservations": {
        "receipt_id": _TEXT,
        "claim_id": _TEXT,
        "server": _TEXT,
        "policy": _TEXT,
        "phase": _TEXT,
        "seat": _TEXT,
        "buyer": _TEXT,
        "stamp_ns": _INT,
        "claimed_lab_ns": _INT,
        "decision": _TEXT,
        "decided_wall_ns": _INT,
        "decided_lab_ns": _INT,
        "stability_ns": _INT,
        "hold_granted_ns": _INT,
        "hold_expires_ns": _INT,
        "ttl_ns": _INT,
        "logical": _INT,
        "claimed_wall_ns": _INT,
        "bound_ns": _INT,
        "fencing_token": _INT,
        "judged_ns": _INT,
        "peers_bound_ns": _INT,
    },
    "ticket_events": {
        "lab_ns": _INT,
        "node": _TEXT,
        "event": _TEXT,
        "ticket_id": _INT,
        "client": _TEXT,
        "request": _INT,
        "lamport": _INT,
        "epoch": _INT,
        "generation": _INT,
        "incarnation": _INT,
        "wall_ns": _INT,
        "monotonic_ns": _INT,
        "detail": _TEXT,
    },
    "ticket_states": {
        "phase": _TEXT,
        "moment": _TEXT,
        "lab_ns": _INT,
        "node": _TEXT,
        "lamport": _INT,
        "generation": _INT,
        "incarnation": _INT,
        "status": _TEXT,
        "tickets": _TEXT,
    },
    "train_snapshots": {"lab_ns": _INT, "epoch": _INT, "document": _TEXT},
}
TRAIN_TABLES = frozenset({"ticket_events", "ticket_states", "train_snapshots"})
"""Only a run of the train system has these; `ticket_events` are the nodes' facts, `ticket_states`
what each node said of itself (JSON) when a phase began and ended."""

TABLES: dict[str, pa.Schema] = {name: pa.schema(cols) for name, cols in _COLUMNS.items()}
"""table name -> Arrow schema; every column may be null"""

ADDED = frozenset(
    {
        "confirm_delay_ns",
        "logical",
        "claimed_wall_ns",
        "bound_ns",
        "peers_bound_ns",
        "fencing_token",
        "judged_ns",
        "error_ns",
    }
)
"""columns that evidence recorded by ntplab 1.0 does not have: null in it, and no damage"""

_CASTS = {
    name: [(column, {_TEXT: str, _INT: int, _REAL: float}[kind]) for column, kind in cols.items()]
    for name, cols in _COLUMNS.items()
}


def to_row(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` as a row of `table`: its columns only, each of its type, absent ones null.

    A nested `confirm` (as the buyers write it) becomes the `confirm_*` columns. Raises
    KeyError for an unknown table, TypeError or ValueError for a value of the wrong kind.
    """
    confirm = values.get("confirm")
    if isinstance(confirm, Mapping):
        values = {**values, **{f"confirm_{key}": value for key, value in confirm.items()}}
    return {
        column: None if (value := values.get(column)) is None else cast(value)
        for column, cast in _CASTS[table]
    }
