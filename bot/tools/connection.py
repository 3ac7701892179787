"""One connection to one server, owned by one task.

The SDK's ``Client`` must be entered and left by the same task, and a refused HTTP connection cancels whichever task entered it. So each
connection lives in a task of its own that does nothing else; calls come from anywhere, and whoever starts the task only watches it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, Implementation, Tool

from bot.settings import ServerSettings
from bot.tools.failures import REQUEST_TIMEOUT, leaf
from bot.tools.targets import Target

MAX_PAGES: Final = 20
MAX_TOOLS: Final = 500
MISSED_HEARTBEATS: Final = 2


class Connection:
    """One life of a connection. Made anew for each attempt."""

    def __init__(self, settings: ServerSettings, make: Callable[[], Awaitable[Target]], recheck_s: float) -> None:
        self._settings = settings
        self._make = make
        self._recheck_s = recheck_s
        self._stir = asyncio.Event()
        self._ending = False
        self.client: Client | None = None
        """Set while the connection is up."""

    def end(self) -> None:
        """Ask the owner to leave. May be called from any task, more than once."""
        self._ending = True
        self.client = None
        self._stir.set()

    def recheck(self) -> None:
        """Ask the owner to read the tool list now."""
        self._stir.set()

    async def own(self, listed: Callable[["Connection", list[Tool]], None]) -> None:
        """Connect, report the tools, keep watch, leave. ``listed`` is called with each tool list, first when the connection is up.

        Raises whatever the transport raises, often wrapped in exception groups; `TimeoutError` when connecting takes too long.
        """
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s) as limit:
                client = Client(
                    await self._make(),
                    mode="auto",
                    cache=None,  # the hub's own cache knows what a call is worth; tool lists must be fresh
                    read_timeout_seconds=self._settings.timeout_s,
                    client_info=Implementation(name="rca-bot", version="1"),
                )
                async with client:
                    client.session.validate_tool_result = _as_it_is  # type: ignore[method-assign]
                    tools = await self._tools(client)
                    limit.reschedule(None)
                    self.client = None if self._ending else client
                    listed(self, tools)
                    await self._watch(client, listed)
        finally:
            self.client = None

    async def _watch(self, client: Client, listed: Callable[["Connection", list[Tool]], None]) -> None:
        missed = 0
        while not self._ending:
            with suppress(
                TimeoutError
            ):  # time for a heartbeat; the tool list is the one request that every server answers
                await asyncio.wait_for(self._stir.wait(), self._recheck_s)
            self._stir.clear()
            if self._ending:
                return
            try:
                tools = await self._tools(client)
            except MCPError as error:
                missed += 1
                if error.code != REQUEST_TIMEOUT or missed >= MISSED_HEARTBEATS:
                    raise
                continue
            missed = 0
            listed(self, tools)

    async def _tools(self, client: Client) -> list[Tool]:
        tools: list[Tool] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            tools.extend(page.tools)
            cursor = page.next_cursor
            if not cursor or len(tools) >= MAX_TOOLS:
                break
        return tools[:MAX_TOOLS]


async def _as_it_is(name: str, result: CallToolResult) -> None:
    """Instead of the SDK's check of an answer against its tool's own output schema.

    Schema and answer are both the server's, so the check proves nothing about it; `bot.tools.answers` bounds and cleans whatever comes. And
    it runs the schema's patterns with a backtracking engine on this process's loop, where one hostile pattern could hold up every incident.
    """


def ended_because(owner: "asyncio.Task[None]") -> BaseException | None:
    """Why a finished owner ended: the real error inside nested groups, or ``None`` for a plain end or a cancellation by the transport."""
    if owner.cancelled():
        return None
    error = owner.exception()
    return leaf(error) if error is not None else None
