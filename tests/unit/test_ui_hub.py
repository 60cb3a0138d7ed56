"""What every browser is told, and its end."""

from __future__ import annotations

import asyncio

from ntplab.ui.hub import Hub
from ntplab.ui.model import Model

WITHIN_S = 30.0


async def test_everybody_is_let_go_when_the_page_is_over() -> None:
    """Otherwise the server cuts them off, with a traceback for each."""
    model, over = Model(mode="idle"), False
    hub = Hub(lambda: model, lambda: over)
    telling = asyncio.create_task(hub.run())
    listeners = [hub.listen() for _ in range(2)]
    for listener in listeners:
        assert (await anext(listener)).startswith(b"event: all")
    over = True
    async with asyncio.timeout(WITHIN_S):
        for listener in listeners:
            async for _frame in listener:
                pass
        await telling
