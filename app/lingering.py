"""A refusal that its client can read, although it came before the end of the client's body.

A connection that is closed while more arrives is reset, and the client's system may then throw the
answer away that it has not read yet: nginx gives its own client 502 for it, others fail.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINGER_SECONDS = 5.0
"""How long the rest of a refused body is read and forgotten."""


class LingeringMiddleware:
    """Ends an answer of 400 or more, which goes out at once, when the body has ended as well."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        more_comes = True
        refused = held = False

        async def receive_body() -> Message:
            nonlocal more_comes
            message = await receive()
            more_comes = message.get("more_body", False)  # none from a client that left
            return message

        async def send_but_end(message: Message) -> None:
            nonlocal refused, held
            if message["type"] == "http.response.start":
                refused = message["status"] >= 400
            elif refused and more_comes and not message.get("more_body"):
                held = True
                message = {**message, "more_body": True}
            await send(message)

        await self.app(scope, receive_body, send_but_end)
        if held:
            with suppress(TimeoutError, asyncio.CancelledError):  # that: the server has to end
                async with asyncio.timeout(LINGER_SECONDS):
                    while more_comes:
                        await receive_body()
            await send({"type": "http.response.body"})
