"""A client that hangs up ends its call: the answer has no reader, so the question to the backend is taken back too.

The SDK watches for a hang-up only where it streams its answers; ours are single JSON bodies, whose calls would run on to their deadline
against a backend that may be sick already.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class HangUp:
    """ASGI: cancels the application's work on a request when its client has gone before the answer."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":  # a GET may be a stream, which watches for itself
            await self._app(scope, receive, send)
            return
        taken = asyncio.Event()  # the whole body has been read; what comes next can only be the client's leaving
        gone = asyncio.Event()

        async def body() -> Message:
            if taken.is_set():
                await gone.wait()
                return {"type": "http.disconnect"}
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                taken.set()
            if message["type"] == "http.disconnect":
                gone.set()
            return message

        async def watch() -> None:
            await taken.wait()
            while not gone.is_set() and (await receive())["type"] != "http.disconnect":
                pass
            gone.set()

        work = asyncio.ensure_future(self._app(scope, body, send))
        watcher = asyncio.create_task(watch(), name="watch for a client that hangs up")
        try:
            await asyncio.wait({work, watcher}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
            if not work.cancelled():
                work.result()
        finally:
            watcher.cancel()
            if not work.done():  # cancelled from outside: the server stops
                work.cancel()
            await asyncio.wait({work, watcher})
