"""The ASGI lifespan protocol, which Django refuses with a ValueError.

It is where captured events are sent before the process ends: uvicorn, once shut down, kills itself
with the signal that it was sent, so `atexit` functions don't run there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]


def with_lifespan(application: Application) -> Application:
    """`application`, with the lifespan events answered and a flush at shutdown."""

    async def wrapped(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            await application(scope, receive, send)

    return wrapped


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            from gateway import sender

            # It waits for a database, in another thread than the event loop's.
            await asyncio.to_thread(sender.flush_at_exit)
            await send({"type": "lifespan.shutdown.complete"})
            return
