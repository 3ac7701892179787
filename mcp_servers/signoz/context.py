"""What a tool is given: the store (opened when first asked for), the settings, the clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from mcp_servers.signoz.client import Store
from mcp_servers.signoz.settings import SigNozSettings


def utc_now() -> datetime:
    return datetime.now(UTC)


class Context:
    """Shared by all tools of one server. ``clock`` returns the present as aware UTC; tests set it."""

    def __init__(self, settings: SigNozSettings, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self._store: Store | None = None
        self._opening = asyncio.Lock()
        self._users = 0

    async def store(self) -> Store:
        """The open `Store`. Raises `ToolFailure` UNAVAILABLE while it is away; the next call tries again."""
        async with self._opening:
            if self._store is None:
                self._store = await Store.open(self.settings)
            return self._store

    async def close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            await store.close()

    @asynccontextmanager
    async def lifespan(self, _server: Any) -> AsyncIterator["Context"]:
        """The server's lifespan. In process several sessions may share one server: the last one to leave closes the connections."""
        self._users += 1
        try:
            yield self
        finally:
            self._users -= 1
            if self._users == 0:
                await self.close()
