"""Work for a client that may leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar, cast

from fastapi import Request
from starlette.requests import ClientDisconnect

T = TypeVar("T")


async def unless_disconnected(request: Request, work: Awaitable[T]) -> T:
    """The result of `work`; it is cancelled when the client leaves. The body has to be read before.

    Raises:
        ClientDisconnect: the client left.
    """
    task = cast("asyncio.Task[object]", asyncio.current_task())
    working, cancelled = True, False

    def cancel(_: object) -> None:
        nonlocal cancelled
        if working:
            cancelled = task.cancel()

    leaving = asyncio.ensure_future(_left(request))
    leaving.add_done_callback(cancel)
    try:
        return await work
    except asyncio.CancelledError:
        # As asyncio.timeout does it: to wait for both would need a second task for the work.
        if cancelled and task.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        working = False
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
