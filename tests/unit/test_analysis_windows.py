"""Each policy's window by column against its opportunity claim by claim; predictions at size."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from ntplab.analysis import bookings, judge
from ntplab.analysis.claims import Claim
from ntplab.analysis.compact import codes_of
from ntplab.analysis.contests import opportunities
from ntplab.analysis.explain import DATABASE, MODELS, Injected
from ntplab.bench.evidence_made import Size, make_run
from ntplab.evidence import Skew
from ntplab.evidence.schema import ADDED

SERVERS = ("lyon", "paris")


def _made(draw: random.Random) -> dict[str, object]:
    return {
        "seat": draw.choice("AB"),
        "buyer": draw.choice("xyz"),
        "server": draw.choice(SERVERS),
        "granted": draw.random() < 0.7,
        "ttl_ns": draw.choice([None, 40]),
        "confirm_after_ns": draw.choice([None, draw.randrange(60)]),
    }


def _claim(index: int, made: dict[str, object]) -> Claim:
    time_ns, after_ns = index * 7, made["confirm_after_ns"]
    return Claim(
        attempt_id=f"{index}", seat=str(made["seat"]), buyer=str(made["buyer"]),
        server=str(made["server"]), holds_receipt=False, receipt_id=None, claim_id=f"{index}",
        sent_ns=time_ns, claimed_ns=time_ns, ttl_ns=made["ttl_ns"],  # type: ignore[arg-type]
        hold_granted_ns=0 if made["granted"] else None,
        confirm_sent_ns=time_ns + after_ns if isinstance(after_ns, int) else None,
    )  # fmt: skip


def _frame(claims: list[Claim]) -> pl.DataFrame:
    codes = codes_of(SERVERS)
    return pl.DataFrame(
        [
            (c.seat, c.buyer, codes[c.server], c.time_ns, c.ttl_ns, c.hold_granted_ns is not None,
             c.confirm_sent_ns)
            for c in claims
        ],
        schema={
            "seat": pl.String, "buyer": pl.String, "server": pl.UInt64, "time_ns": pl.Int64,
            "ttl_ns": pl.Int64, "granted": pl.Boolean, "confirm_sent_ns": pl.Int64,
        },
        orient="row",
    ).with_columns(pl.col("seat", "buyer").hash(0)).sort("seat", "time_ns")  # fmt: skip


@pytest.mark.parametrize("policy", MODELS)
def test_windows_by_column_are_opportunities_one_by_one(policy: str) -> None:
    model, draw, hits = MODELS[policy], random.Random(policy), 0
    assert model.window is not None
    for _ in range(150):
        claims = [_claim(index, _made(draw)) for index in range(draw.randrange(9))]
        injected = Injected(
            {"lyon": Skew(offset_ns=draw.randrange(-50, 50))}, 0,
            stability_ns=10, ttl_ns=30, lag_ns=draw.randrange(20),
            struck={DATABASE: [(draw.randrange(50), draw.randrange(-50, 50))]},
            monotonic_ns={"lyon": draw.randrange(-50, 50), "paris": 5},
        )  # fmt: skip
        by_seat = [[c for c in claims if c.seat == seat] for seat in "AB"]
        expected = sum(bool(own) and model.opportunity(own, injected) for own in by_seat)
        found = opportunities(_frame(claims), model.window, injected, dict.fromkeys(SERVERS))
        assert len(found) == expected
        hits += expected
    assert 0 < hits < 300, "it says something only if windows are hit and missed"


def test_of_too_many_seats_a_sample_is_predicted_and_the_rest_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", Size(6_000, 3_000))
    whole = judge(run).phases[1].bookings
    monkeypatch.setattr(bookings, "SEATS_MAX", 200)
    sampled = judge(run).phases[1].bookings
    assert whole.prediction is not None
    assert sampled.prediction is not None
    assert whole.prediction.left_out == 0
    assert whole.prediction.seats == whole.contested_seats > 400
    assert sampled.prediction.seats == 200
    assert sampled.prediction.left_out == whole.contested_seats - 200
    low, high = sampled.prediction.ci95
    assert low <= whole.prediction.observed_rate <= high
    assert sampled.double_bookings == whole.double_bookings


def test_a_run_recorded_before_a_column_existed_is_judged(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Size(3_000, 3_000))
    whole = judge(run)
    for table in ("attempts", "claims", "reservations"):
        path = run.evidence / f"{table}.parquet"
        rows = pq.read_table(path)
        old = [name for name in rows.column_names if name not in ADDED]
        assert len(old) < len(rows.column_names)
        pq.write_table(rows.select(old), path)
    assert judge(run).phases == whole.phases
