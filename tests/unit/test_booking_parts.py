"""Small parts of the booking service: clocks, times in queries, migrations, keys, the log."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking import clocks, policies
from booking.clocks import Reading, iso
from booking.database import core_migrations, policy_migrations
from booking.idempotency import Once
from booking.log import JsonFormatter
from booking.problems import ProblemError
from booking.queries import parse_time


def test_both_clocks_are_read_again_when_something_came_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raws = iter([0, 5_000_000, 6_000_000, 6_000_100])
    walls = iter([1, 2])
    monkeypatch.setattr(clocks, "raw_now_ns", lambda: next(raws))
    monkeypatch.setattr("booking.clocks.time.time_ns", lambda: next(walls))
    assert clocks.read() == Reading(wall_ns=2, raw_ns=6_000_050)


def test_a_busy_machine_still_gets_a_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    raws = iter(range(0, 10**12, 10**9))
    monkeypatch.setattr(clocks, "raw_now_ns", lambda: next(raws))
    monkeypatch.setattr("booking.clocks.time.time_ns", lambda: 7)
    assert clocks.read() == Reading(wall_ns=7, raw_ns=6_500_000_000)


@given(st.integers(-(2**62), 2**62))
def test_a_stamp_reads_back_as_what_it_was(wall_ns: int) -> None:
    text = iso(wall_ns)
    whole, rest = text[:-1].split(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    assert seconds * clocks.NS + int(rest) == wall_ns
    micro = wall_ns // 1000 * 1000
    assert parse_time("from", iso(micro), 0) == micro


def test_times_in_queries() -> None:
    assert parse_time("from", None, 5) == 5
    assert parse_time("from", "-17", 0) == -17
    assert parse_time("from", "2023-10-01T12:00:00Z", 0) == 1_696_161_600 * clocks.NS
    assert parse_time("from", "2023-10-01T14:00:00.000001+02:00", 0) == 1_696_161_600 * 10**9 + 1000
    for wrong in ("", "noon", "2023-10-01T12:00:00", "99999999999999999999", "1e9"):
        with pytest.raises(ProblemError, match="from"):
            parse_time("from", wrong, 0)


def test_migrations_are_numbered_without_gaps(tmp_path: Path) -> None:
    numbers = [m.number for m in core_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    (tmp_path / "0002_later.sql").write_text("SELECT 1")
    with pytest.raises(ValueError, match="not numbered"):
        core_migrations(tmp_path)


def test_policies_bring_their_own_tables() -> None:
    for name in policies.names():
        steps = policy_migrations(name, policies.load(name).migrations)
        assert [(m.part, m.number) for m in steps] == [
            (name, number) for number in range(1, len(steps) + 1)
        ]


class Work:
    """Counts how often it was begun; ends when told."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = asyncio.Event()

    async def __call__(self) -> str:
        self.begun += 1
        await self.go.wait()
        return f"outcome {self.begun}"


async def test_requests_with_one_key_share_one_run() -> None:
    once, work = Once[str](), Work()
    waiting = [asyncio.create_task(once.run("k", work)) for _ in range(5)]
    await asyncio.sleep(0)  # all of them come to their first wait
    work.go.set()
    assert set(await asyncio.gather(*waiting)) == {"outcome 1"}
    assert await once.run("k", work) == "outcome 2"


async def test_who_goes_away_leaves_the_run_to_the_others() -> None:
    once, work = Once[str](), Work()
    first, second = (asyncio.create_task(once.run("k", work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    work.go.set()
    assert await second == "outcome 1"


async def test_a_run_that_fails_is_not_remembered() -> None:
    once = Once[str]()

    async def fail() -> str:
        raise ConnectionResetError("gone")

    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            await once.run("k", fail)


def test_log_lines_are_json_with_both_clocks() -> None:
    record = logging.makeLogRecord(
        {"msg": "peer %s", "args": ("lyon",), "peer": "lyon", "levelname": "WARNING"}
    )
    line: dict[str, Any] = json.loads(JsonFormatter("paris").format(record))
    assert line["message"] == "peer lyon"
    assert (line["server"], line["peer"], line["level"]) == ("paris", "lyon", "warning")
    assert line["time"].endswith("Z")
    assert line["raw_ns"] > 0
