"""One load after the other, as they are handed in: the program of a container that stays up.

A fresh container and Python's imports take longer than many a load lasts. Here both are paid
for once: a load.json that appears in the folder is played at once, in the order of names, and
removed first, so that none is ever played twice. `NAME.end` beside it ends the load NAME.json:
nobody new comes, and whoever was sent gets an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from .load import Load, LoadError, parse_load
from .runner import Emit

LOOK_EVERY_S = 0.02
END = ".end"

Play = Callable[[Load, asyncio.Event], Awaitable[None]]
"""Plays one load; sends nobody any more once the event is set."""


async def stand_by(folder: Path, play: Play, emit: Emit, stop: asyncio.Event) -> None:
    """Say `ready`, then play every `*.json` of `folder` until `stop` is set.

    A load that makes no sense is told as `{"t": "refused", "problems": [...]}`. Whoever hands
    one in writes it under another name first and renames it: half a load is never read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    emit({"t": "ready"})
    while not stop.is_set():
        handed_in = sorted(folder.glob("*.json"))
        if not handed_in:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)
            continue
        text = handed_in[0].read_text(encoding="utf-8")
        handed_in[0].unlink()
        enough, end = asyncio.Event(), handed_in[0].with_suffix(END)
        watching = asyncio.create_task(_watch_for_end(end, enough))
        try:
            await play(parse_load(text), enough)
        except LoadError as error:
            emit({"t": "refused", "problems": error.problems})
        finally:
            watching.cancel()
            end.unlink(missing_ok=True)


async def _watch_for_end(end: Path, enough: asyncio.Event) -> None:
    while not end.exists():
        await asyncio.sleep(LOOK_EVERY_S)
    enough.set()
