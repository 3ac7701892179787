"""Socket Mode connections and the watchdog over them.

Two connections a process, because a client closes its old socket before it opens the new one: with one alone there is a moment in which
nobody listens. Bolt's own ``start_async`` never returns, not even when it is deaf; so somebody has to look.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from bot.slack.errors import MENDS, code_of
from bot.slack.identity import CannotConnect

log = structlog.get_logger(__name__)

WATCH_S = 15.0
PING_S = 10.0
REBUILD_AFTER_S = 60.0
STAGGER_S = 0.05


@dataclass
class Line:
    """One connection and since when it has not been heard (monotonic seconds; 0: it is heard)."""

    handler: AsyncSocketModeHandler
    deaf_since: float = 0.0


class Connections:
    """Keeps ``count`` sockets open. ``on_change`` is told how many are, for the metrics; ``on_reconnect`` that one was opened again."""

    def __init__(
        self,
        app: AsyncApp,
        app_token: str,
        count: int,
        *,
        on_change: Callable[[int], None] = lambda _: None,
        on_reconnect: Callable[[], None] = lambda: None,
        watch_s: float = WATCH_S,
        rebuild_after_s: float = REBUILD_AFTER_S,
    ) -> None:
        self._app = app
        self._token = app_token
        self._count = max(1, count)
        self._on_change = on_change
        self._on_reconnect = on_reconnect
        self._watch_s = watch_s
        self._rebuild_after_s = rebuild_after_s
        self._lines: list[Line] = []
        self._watchdog: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connects all. Raises `CannotConnect` when Slack refuses the app token or is away."""
        for number in range(self._count):
            if number:
                await asyncio.sleep(STAGGER_S)
            self._lines.append(Line(await self._connect()))
        self._on_change(await self.heard())
        self._watchdog = asyncio.create_task(self._watch(), name="socket-watchdog")

    async def _connect(self, *, again: bool = False) -> AsyncSocketModeHandler:
        handler = AsyncSocketModeHandler(self._app, self._token, ping_interval=PING_S)
        handler.client.message_listeners.append(self._greeted(again=again))
        try:
            await handler.client.connect()  # type: ignore[no-untyped-call]
        except SlackApiError as error:
            await _close(handler)
            word = code_of(error)
            mend = "check SLACK_APP_TOKEN (xapp-…, scope connections:write)"
            raise CannotConnect(
                f"Slack refused Socket Mode ({word}): {mend if word != 'ratelimited' else MENDS.get(word, 'wait')}"
            ) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            await _close(handler)
            raise CannotConnect(
                f"Socket Mode could not be opened ({type(error).__name__}): check the network"
            ) from error
        return handler

    def _greeted(self, *, again: bool) -> Callable[..., Awaitable[None]]:
        """Hears Slack's hello on each new socket, because the client reconnects by itself and tells nobody. The first is no news."""
        news = again

        async def listen(_client: Any, message: dict[str, Any], _raw: str | None = None) -> None:
            nonlocal news
            if message.get("type") == "hello":
                if news:
                    self._on_reconnect()
                news = True

        return listen

    async def heard(self) -> int:
        """How many connections are alive right now."""
        return sum([await _alive(line.handler) for line in self._lines])

    async def close(self) -> None:
        """Disconnects: from here on other processes get the events."""
        if self._watchdog is not None:
            self._watchdog.cancel()
            await asyncio.wait({self._watchdog})
        for line in self._lines:
            await _close(line.handler)
        self._lines.clear()
        self._on_change(0)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._watch_s)
            for line in self._lines:
                await self._look_at(line)
            self._on_change(await self.heard())

    async def _look_at(self, line: Line) -> None:
        if await _alive(line.handler):
            line.deaf_since = 0.0
            return
        now = time.monotonic()
        line.deaf_since = line.deaf_since or now
        if now - line.deaf_since < self._rebuild_after_s:
            return  # the client reconnects by itself; most of the time that is enough
        log.warning("socket_rebuilt", deaf_for_s=round(now - line.deaf_since))
        await _close(line.handler)
        try:
            line.handler = await self._connect(again=True)
            line.deaf_since = 0.0
        except CannotConnect as error:
            log.warning("socket_not_rebuilt", error=str(error))


async def _alive(handler: AsyncSocketModeHandler) -> bool:
    """Connected, and answering pings: a half-open socket stays "connected" for ever."""
    client = handler.client
    if client.closed or client.aiohttp_client_session.closed or not await client.is_connected():
        return False
    last = client.last_ping_pong_time
    return last is None or time.time() - last < 4 * client.ping_interval


async def _close(handler: AsyncSocketModeHandler) -> None:
    await handler.client.close()  # type: ignore[no-untyped-call]
