"""Evidence of any size out of a seed, for benchmarks and tests: a run that never ran.

`timestamp-order` on three servers, one five seconds slow and one a little fast: phases
control, ntp-off and ntp-on. Half of the attempts are races of two for a seat, half go to
seats that many want. Decisions follow the policy's rule: the lowest stamp known after the wait
wins. With NTP off one of `Size.doubled` races has its first buyer on the faster clock, the
others cannot be sold twice.

Everything is computed by column from hashes of the row's number: ten million rows take less
than a minute, and the same seed gives the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ..evidence import TABLES, Manifest, ManifestNode, ManifestPhase, RunDirectory, Skew

S = 1_000_000_000
START_NS = 1_795_348_800 * S
SERVERS = ("paris", "lyon", "marseille")
OTHERS = ("ntp1", "db")
SKEWS = {"paris": 0, "lyon": -5 * S, "marseille": S * 4 // 5}
PHASES = ("control", "ntp-off", "ntp-on")
SAMPLE_HZ = 20
CHUNK_ROWS = 500_000
DELTA_NS, LAG_NS, LATENCY_NS = S // 2, 5_000_000, 2_000_000
RACE_GAP_NS = 2 * S
HERD = 100
"""attempts for a seat that many want"""


@dataclass(frozen=True)
class Size:
    """How much evidence: rows of `attempts` and `reservations` each, and of `clock`.

    `claims` has a row for every attempt and server that heard of it. `doubled`: of so many
    races with NTP off one is on servers whose clocks differ.
    """

    attempts: int
    clock: int
    doubled: int = 100


def make_run(path: Path, size: Size, seed: int = 1) -> RunDirectory:
    """Write a whole run into `path`, which must not exist; unsealed but for its tables."""
    run = RunDirectory.create_at(path)
    instants = max(size.clock // (len(SERVERS) + len(OTHERS)), 3 * SAMPLE_HZ)
    span_ns = instants * S // SAMPLE_HZ // len(PHASES)
    run.write_manifest(_manifest(run))
    _events(run, span_ns)
    writers = {table: _Writer(run, table) for table in TABLES}
    for number, phase in enumerate(PHASES):
        begin_ns = START_NS + number * span_ns
        for lab_ns in _ranges(instants // len(PHASES)):
            writers["clock"].write(_clock(phase, begin_ns, *lab_ns))
        for rows in _ranges(size.attempts // len(PHASES)):
            frame = _attempts(phase, begin_ns, span_ns, rows, size, seed)
            writers["attempts"].write(_as_attempts(frame))
            writers["reservations"].write(_as_reservations(frame))
            for holder in SERVERS:
                writers["claims"].write(_as_claims(frame, holder))
        writers["belief"].write(_beliefs(phase, begin_ns, span_ns))
    for writer in writers.values():
        writer.close()
    return run


class _Writer:
    """One table's Parquet file, in row groups as `seal` makes them."""

    def __init__(self, run: RunDirectory, table: str) -> None:
        self._schema = TABLES[table]
        path = run.evidence / f"{table}.parquet"
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, frame: pl.DataFrame) -> None:
        columns = {
            field.name: frame[field.name].to_arrow().cast(field.type)
            if field.name in frame.columns
            else pa.nulls(len(frame), field.type)
            for field in self._schema
        }
        self._file.write_table(pa.table(columns, schema=self._schema), row_group_size=65_536)

    def close(self) -> None:
        self._file.close()


def _ranges(count: int) -> Iterator[tuple[int, int]]:
    """(first, one past last) of chunks; a chunk holds whole races and whole herds."""
    for low in range(0, count, CHUNK_ROWS):
        yield low, min(low + CHUNK_ROWS, count)


def _random(number: pl.Expr, seed: int, below: int) -> pl.Expr:
    """A number in [0, below), the same for the same number and seed."""
    return (number.cast(pl.UInt64).hash(seed) % below).cast(pl.Int64)


def _attempts(
    phase: str, begin_ns: int, span_ns: int, rows: tuple[int, int], size: Size, seed: int
) -> pl.DataFrame:
    """Claims and their decisions: the columns that the three tables are made of."""
    low, high = rows
    total = max(size.attempts // len(PHASES), 1)
    usable_ns = max(span_ns - RACE_GAP_NS - 2 * S, S)
    number = pl.col("number")
    key = pl.lit(PHASES.index(phase) * 2**40) + number
    race, late = number // 2, number % 2
    herd = race % 2 == 1
    seat = pl.when(herd).then(race // HERD * 2 + 1).otherwise(race * 2)
    frame = pl.select(number=pl.int_range(low, high)).with_columns(key=key)
    frame = frame.with_columns(
        seat=pl.format("{}-{}", pl.lit(phase), seat),
        herd=herd,
        buyer=pl.format("b-{}", pl.col("key")),
        server=pl.Series(SERVERS).gather(_servers(phase, race, late, size, seed, low, high)),
        due=begin_ns
        + S
        + race * (2 * usable_ns // total)
        + pl.when(late == 1).then(_random(race, seed, RACE_GAP_NS)).otherwise(0)
        + _random(number, seed + 1, 1_000_000),
        claim=pl.format(
            "{}-{}",
            pl.col("key").cast(pl.UInt64).hash(seed),
            pl.col("key").cast(pl.UInt64).hash(~seed & 0xFFFF),
        ),
        waited=LATENCY_NS + _random(number, seed + 2, LATENCY_NS),
    )
    frame = frame.with_columns(claimed=pl.col("due") + LATENCY_NS)
    frame = frame.with_columns(stamp=pl.col("claimed") + _theta(phase))
    return _decided(frame)


def _servers(
    phase: str, race: pl.Expr, late: pl.Expr, size: Size, seed: int, low: int, high: int
) -> pl.Series:
    """Races are fought between two servers; with NTP off mostly with the slow one first."""
    first = pl.lit(1, pl.Int64)
    second = pl.when(_random(race, seed + 3, 2) == 0).then(0).otherwise(2)
    if phase == "ntp-off":
        swapped = _random(race, seed + 4, size.doubled) == 0
    else:
        swapped = _random(race, seed + 4, 2) == 0
    turned = pl.when(swapped).then(1 - late).otherwise(late)
    chosen = pl.when(turned == 0).then(first).otherwise(second)
    return pl.select(number=pl.int_range(low, high)).select(chosen).to_series()


def _theta(phase: str) -> pl.Expr:
    if phase != "ntp-off":
        return pl.lit(0, pl.Int64)
    return pl.col("server").replace_strict(SKEWS, return_dtype=pl.Int64)


def _decided(frame: pl.DataFrame) -> pl.DataFrame:
    """timestamp-order's rule: the lowest (stamp, server) known when the wait is over."""
    order = pl.col("stamp") * 4 + pl.col("server").replace_strict(
        {name: rank for rank, name in enumerate(sorted(SERVERS))}, return_dtype=pl.Int64
    )
    frame = frame.with_columns(order=order).with_columns(
        lowest=pl.col("order").min().over("seat"),
    )
    known_late = pl.col("claimed").filter(pl.col("order") == pl.col("lowest")).first().over("seat")
    unheard = pl.col("claimed") + DELTA_NS < known_late + LAG_NS
    earliest = pl.col("order") == pl.col("order").min().over("seat", "unheard")
    won = (pl.col("order") == pl.col("lowest")) | (pl.col("unheard") & earliest)
    return frame.with_columns(unheard=unheard).with_columns(won=won)


def _as_attempts(frame: pl.DataFrame) -> pl.DataFrame:
    won = pl.col("won")
    return frame.select(
        attempt_id=pl.format("a-{}", "key"),
        phase=pl.col("seat").str.extract(r"^(.*)-\d+$"),
        pattern=pl.when("herd").then(pl.lit("hot-spot")).otherwise(pl.lit("races")),
        race=pl.col("number") // 2,
        buyer="buyer",
        seat="seat",
        server="server",
        due_ns="due",
        sent_ns=pl.col("due") + 50_000,
        answered_ns=pl.col("claimed") + DELTA_NS + pl.col("waited"),
        http_status=pl.when(won).then(201).otherwise(409),
        outcome=_outcome(),
        receipt_id=_receipt(),
        claim_id="claim",
        stamp_ns="stamp",
    )


def _as_reservations(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        receipt_id=_receipt(),
        claim_id="claim",
        server="server",
        policy=pl.lit("timestamp-order"),
        phase=pl.col("seat").str.extract(r"^(.*)-\d+$"),
        seat="seat",
        buyer="buyer",
        stamp_ns="stamp",
        claimed_lab_ns="claimed",
        decision=_outcome(),
        decided_wall_ns=pl.col("stamp") + DELTA_NS,
        decided_lab_ns=pl.col("claimed") + DELTA_NS,
        stability_ns=pl.lit(DELTA_NS),
    )


def _as_claims(frame: pl.DataFrame, holder: str) -> pl.DataFrame:
    heard = pl.when(pl.col("server") == holder).then(0).otherwise(LAG_NS)
    return frame.select(
        claim_id="claim",
        origin="server",
        holder_server=pl.lit(holder),
        policy=pl.lit("timestamp-order"),
        phase=pl.col("seat").str.extract(r"^(.*)-\d+$"),
        seat="seat",
        buyer="buyer",
        stamp_ns="stamp",
        claimed_lab_ns="claimed",
        received_lab_ns=pl.col("claimed") + heard,
    )


def _outcome() -> pl.Expr:
    return pl.when("won").then(pl.lit("confirmed")).otherwise(pl.lit("rejected"))


def _receipt() -> pl.Expr:
    return pl.when("won").then(pl.format("r-{}", "claim"))


def _clock(phase: str, begin_ns: int, low: int, high: int) -> pl.DataFrame:
    """Samples of every node at the same instants, a little noise on each."""
    instants = pl.select(lab_ns=begin_ns + pl.int_range(low, high) * (S // SAMPLE_HZ))
    skews = SKEWS if phase == "ntp-off" else dict.fromkeys(SKEWS, 0)
    nodes = pl.DataFrame(
        {
            "node": [*SERVERS, *OTHERS],
            "skew": [*(skews[name] for name in SERVERS), *(0 for _ in OTHERS)],
        }
    )
    noise = _random(pl.col("lab_ns"), 7, 2_000)
    return instants.join(nodes, how="cross").select(
        lab_ns="lab_ns",
        node="node",
        wall_ns=pl.col("lab_ns") + pl.col("skew") + noise,
        divergence_ns=pl.col("skew") + noise,
    )


def _beliefs(phase: str, begin_ns: int, span_ns: int) -> pl.DataFrame:
    seconds = pl.select(lab_ns=begin_ns + pl.int_range(0, span_ns // S) * S)
    rows = seconds.join(pl.DataFrame({"node": SERVERS}), how="cross")
    if phase != "ntp-on":
        return rows.with_columns(state=pl.lit("chronyd not running"))
    return rows.with_columns(
        state=pl.lit("ok"),
        ref_name=pl.lit("ntp1"),
        stratum=pl.lit(2),
        offset_ns=_random(pl.col("lab_ns"), 9, 1_000),
        frequency_ppm=pl.lit(0.0),
        root_delay_ns=pl.lit(40_000),
        root_dispersion_ns=pl.lit(20_000),
        leap=pl.lit("Normal"),
    )


def _manifest(run: RunDirectory) -> Manifest:
    return Manifest(
        run=run.run_id,
        scenario_name="made",
        policy="timestamp-order",
        policy_params={"stability_ns": DELTA_NS},
        seed=1,
        nodes=[ManifestNode(name=name, kind="server") for name in SERVERS],
        skews={name: Skew(offset_ns=skew_ns) for name, skew_ns in SKEWS.items()},
        phases=[ManifestPhase(name=name) for name in PHASES],
        expect=["phases.ntp-off.bookings.unexplained == 0"],
    )


def _events(run: RunDirectory, span_ns: int) -> None:
    run.append_event({"lab_ns": START_NS, "event": "run.started"})
    for number, phase in enumerate(PHASES):
        begin_ns = START_NS + number * span_ns
        for name, at_ns in (
            ("phase.started", begin_ns),
            ("phase.measuring", begin_ns),
            ("phase.ended", begin_ns + span_ns - 1),
        ):
            run.append_event({"lab_ns": at_ns, "event": name, "phase": phase})
    run.append_event({"lab_ns": START_NS + len(PHASES) * span_ns, "event": "run.ended"})
