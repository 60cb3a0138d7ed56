"""Buyers that stay: every load handed in is played once, in order, until they are told to stop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from buyers.load import Load
from buyers.standing import stand_by

LIMIT_S = 10.0


def load(phase: str) -> str:
    return json.dumps(
        {"phase": phase, "seed": 1, "start_lab_ns": 0, "duration_ns": 10**9,
         "patterns": [{"kind": "hot-spot", "rate_hz": 1, "seats": 2, "hot_seats": 1,
                       "hot_share": 0.5, "first_seat": 1}],
         "servers": {"paris": "http://paris"}, "policy_holds": False, "timeout_ns": 10**9}
    )  # fmt: skip


class Standing:
    """`stand_by` in a task, and what it said and played."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.stop = folder, asyncio.Event()
        self.said: list[Mapping[str, Any]] = []
        self.played: list[str] = []
        self.ended: list[str] = []
        self.lasting = False
        self.task = asyncio.create_task(stand_by(folder, self._play, self.said.append, self.stop))

    async def _play(self, wanted: Load, enough: asyncio.Event) -> None:
        self.played.append(wanted.phase)
        if self.lasting:
            await enough.wait()
            self.ended.append(wanted.phase)

    async def until(self, count: int) -> None:
        deadline = time.monotonic() + LIMIT_S
        while len(self.said) + len(self.played) < count:
            assert time.monotonic() < deadline, (self.said, self.played)
            await asyncio.sleep(0.005)

    def hand_in(self, name: str, text: str) -> None:
        draft = self.folder / f"{name}.new"
        draft.write_text(text)
        draft.rename(self.folder / f"{name}.json")


async def test_loads_are_played_in_order_and_never_twice(tmp_path: Path) -> None:
    standing = Standing(tmp_path / "loads")
    await standing.until(1)
    assert standing.said == [{"t": "ready"}]
    (standing.folder / "000009.new").write_text("half of a lo")  # not handed in yet
    standing.hand_in("000001", load("one"))
    await standing.until(2)
    standing.hand_in("000002", load("two"))
    await standing.until(3)
    assert standing.played == ["one", "two"]
    assert list(standing.folder.glob("*.json")) == []
    standing.stop.set()
    await asyncio.wait_for(standing.task, LIMIT_S)


async def test_a_load_that_makes_no_sense_is_refused_and_the_next_one_played(
    tmp_path: Path,
) -> None:
    standing = Standing(tmp_path)
    await standing.until(1)
    standing.hand_in("1", '{"phase": 5}')
    await standing.until(2)
    refused = standing.said[1]
    assert refused["t"] == "refused"
    assert any("phase" in problem for problem in refused["problems"])
    standing.hand_in("2", load("good"))
    await standing.until(3)
    assert standing.played == ["good"]
    standing.stop.set()
    await asyncio.wait_for(standing.task, LIMIT_S)


async def test_a_load_is_ended_by_hand_and_only_that_one(tmp_path: Path) -> None:
    standing = Standing(tmp_path)
    standing.lasting = True
    await standing.until(1)
    (tmp_path / "2.end").touch()  # before it has begun, or even come
    standing.hand_in("1", load("one"))
    await standing.until(2)
    standing.hand_in("2", load("two"))
    assert standing.ended == []
    (tmp_path / "1.end").touch()
    deadline = time.monotonic() + LIMIT_S
    while len(standing.ended) < 2 or list(tmp_path.iterdir()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
    assert standing.played == standing.ended == ["one", "two"]
    standing.stop.set()
    await asyncio.wait_for(standing.task, LIMIT_S)


@pytest.mark.parametrize("argv", [[], ["load.json", "--serve", "x"]])
def test_the_program_takes_one_load_or_a_folder(argv: list[str]) -> None:
    from buyers.cli import main

    with pytest.raises(SystemExit):
        main(argv)
