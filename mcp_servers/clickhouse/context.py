"""What a tool is given: the connections (opened when first asked for), the settings, the clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from mcp_servers.clickhouse.client import Database
from mcp_servers.clickhouse.settings import ClickHouseSettings


def utc_now() -> datetime:
    return datetime.now(UTC)


class Context:
    """Shared by all tools of one server. ``clock`` returns the present as aware UTC; tests set it."""

    def __init__(self, settings: ClickHouseSettings, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self._database: Database | None = None
        self._opening = asyncio.Lock()
        self._users = 0

    async def database(self) -> Database:
        """The open `Database`. Raises `ToolFailure`: UNAVAILABLE while no node answers, FORBIDDEN for a credential that may write."""
        async with self._opening:
            if self._database is None:
                self._database = await Database.open(self.settings)
            return self._database

    async def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            await database.close()

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
