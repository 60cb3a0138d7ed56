"""The servers' own records, read from their databases and put on lab time.

They are read from PostgreSQL, not from the servers: a server that was killed, or lies, does
not stand between its records and the evidence.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..driver.base import Driver
from ..errors import EvidenceError
from .samples import Append, ClockReading
from .streams import Document, lines

DATABASE_NODE = "db"
_LIST = "SELECT datname FROM pg_database WHERE datname LIKE 'booking%' ORDER BY 1"
_IN_EACH = r"""psql="psql -U ${PGUSER:-booking} --no-psqlrc --quiet --tuples-only --no-align"
psql="$psql -v ON_ERROR_STOP=1"
names=$($psql -d postgres -c "$1") || exit
text=$(cat)
for name in $names; do
  printf '\\connect %s\n%s\n' "$name" "$text"
done | $psql -d postgres -f -"""
"""Gives standard input to every booking database: `booking`, or `booking_<server>` each. One
command finds and serves them all: starting one in a container costs more than many a query."""
EMPTY = """DO $$ DECLARE tables text; BEGIN
  SELECT string_agg(quote_ident(tablename), ', ') INTO tables FROM pg_tables
   WHERE schemaname = 'public' AND tablename <> 'migrations';
  IF tables IS NOT NULL THEN EXECUTE 'TRUNCATE ' || tables || ' RESTART IDENTITY'; END IF;
END $$;"""
_TRUTH = (
    "COPY clock_measurements (server, wall_ns, raw_ns, error_ns, bound_ns, source)"
    " FROM STDIN WITH (FORMAT csv);"
)
COMMAND = ("sh", "-c", _IN_EACH, "sh", _LIST)
TABLES = {"claims": "evidence_claims", "reservations": "evidence_reservations"}


class LabTimes(Protocol):
    """What turns a server's own CLOCK_MONOTONIC_RAW into lab time."""

    def lab_ns(self, server: str, server_raw_ns: int) -> int: ...


@dataclass(frozen=True)
class RawClocks:
    """What turns a server's own CLOCK_MONOTONIC_RAW into lab time.

    `offset_ns` per server is its time namespace's monotonic offset (0 without one).
    """

    anchor_ns: int
    offset_ns: Mapping[str, int]

    def raw_ns(self, server: str, lab_ns: int) -> int:
        """What that server's own CLOCK_MONOTONIC_RAW showed at `lab_ns`."""
        return lab_ns - self.anchor_ns + self.offset_ns[server]

    def lab_ns(self, server: str, server_raw_ns: int) -> int:
        return server_raw_ns - self.offset_ns[server] + self.anchor_ns


def empty_databases(driver: Driver, lab: str) -> None:
    """Empty every table of every booking database.

    The servers remember what was in them until their policy is begun anew: follow it by
    `booking.reconfigure` on each. (Dropping the databases would cost a checkpoint each.)
    """
    _in_each(driver, lab, EMPTY, "the booking databases cannot be emptied")


def collect_records(
    driver: Driver, lab: str, phase: str, clocks: RawClocks, append: Append
) -> dict[str, int]:
    """Append the claims and reservations of `phase` to the evidence; rows per table."""
    return _collect(driver, lab, f"phase = {_literal(phase)}", clocks, append)


def collect_seat(
    driver: Driver, lab: str, phase: str, seat: str, clocks: RawClocks, append: Append
) -> dict[str, int]:
    """The same for one seat only, also while the phase goes on."""
    which = f"phase = {_literal(phase)} AND seat = {_literal(seat)}"
    return _collect(driver, lab, which, clocks, append)


def _collect(
    driver: Driver, lab: str, which: str, clocks: RawClocks, append: Append
) -> dict[str, int]:
    chunks = driver.exec_stream(lab, DATABASE_NODE, COMMAND, stdin=reading(which).encode())
    return append_records(chunks, clocks, append)


def reading_command(phase: str) -> tuple[list[str], str]:
    """What prints the records of a phase where PostgreSQL is: a command and its standard input."""
    return list(COMMAND), reading(f"phase = {_literal(phase)}")


def append_records(chunks: Iterable[bytes], clocks: LabTimes, append: Append) -> dict[str, int]:
    """Append what that printed to the evidence; rows per table."""
    counts = dict.fromkeys(TABLES, 0)
    for table, rows in itertools.groupby(_records(chunks), key=lambda record: record[0]):
        moved = [on_lab_time(row, clocks) for _, row in rows]
        append(table, moved)
        counts[table] += len(moved)
    return counts


def hand_in_readings(
    driver: Driver,
    lab: str,
    clocks: RawClocks,
    readings: Mapping[str, Sequence[ClockReading]],
    bound_ns: int,
) -> int:
    """Write what the observer saw of the servers' clocks into every booking database, as ground
    truth for `/compare_reservations`; how many readings."""
    rows = [
        f"{server},{seen.wall_ns},{clocks.raw_ns(server, seen.lab_ns)},{seen.divergence_ns},"
        f"{bound_ns},lab"
        for server, found in readings.items()
        if server in clocks.offset_ns
        for seen in found
    ]
    if rows:
        text = "\n".join([_TRUTH, *rows, "\\."])
        _in_each(driver, lab, text, "the clocks' readings cannot be handed in")
    return len(rows)


def _in_each(driver: Driver, lab: str, text: str, trouble: str) -> None:
    """Have psql do `text` in every booking database. Raises `EvidenceError` with `trouble`."""
    result = driver.exec(lab, DATABASE_NODE, COMMAND, stdin=text.encode())
    if not result.ok:
        tail = result.stderr.splitlines()[-5:]
        raise EvidenceError(f"{DATABASE_NODE}: {trouble}", log_tail=tail)


def on_lab_time(row: Document, clocks: LabTimes) -> Document:
    """Replace every `*_raw_ns` of a record by `*_lab_ns`.

    The reading is that of the server which took it: `holder_server` for when a claim was
    received, `origin` or `server` for when it was made or decided.
    """
    owner = row.get("server") or row["origin"]
    moved: Document = {}
    for key, value in row.items():
        if not key.endswith("_raw_ns"):
            moved[key] = value
            continue
        reader = row["holder_server"] if key == "received_raw_ns" else owner
        lab_key = key.removesuffix("_raw_ns") + "_lab_ns"
        moved[lab_key] = None if value is None else clocks.lab_ns(reader, int(value))
    return moved


def _literal(text: str) -> str:
    """`text` as a string of SQL (standard_conforming_strings is on, as by default)."""
    return "'" + text.replace("'", "''") + "'"


def reading(which: str) -> str:
    """What prints every record that is `which` as `{"table": ..., "row": {...}}`."""
    statements = ["SET TIME ZONE 'UTC';"]
    for table, view in TABLES.items():
        record = f"json_build_object('table', '{table}', 'row', row_to_json(v))"
        query = f"SELECT {record} FROM {view} v WHERE {which}"
        statements.append(f"COPY ({query}) TO STDOUT;")
    return "\n".join(statements)


def _records(chunks: Iterable[bytes]) -> Iterator[tuple[str, Document]]:
    for line in lines(chunks):
        # COPY's text format doubles the backslashes that JSON strings may hold.
        document = json.loads(line.replace(b"\\\\", b"\\"))
        yield document["table"], document["row"]
