"""What a tool is given: the deployment (opened when first asked for), the settings, the clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from mcp_servers.mongodb.client import Deployment, Topology
from mcp_servers.mongodb.settings import MongoSettings


def utc_now() -> datetime:
    return datetime.now(UTC)


class Context:
    """Shared by all tools of one server. ``clock`` returns the present as aware UTC; tests set it."""

    def __init__(self, settings: MongoSettings, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self._deployment: Deployment | None = None
        self._opening = asyncio.Lock()
        self._users = 0

    async def deployment(self) -> Deployment:
        """The open `Deployment`, whatever its credential may do. Raises `ToolFailure` UNAVAILABLE when nothing is configured."""
        async with self._opening:
            if self._deployment is None:
                self._deployment = await Deployment.open(self.settings)
            return self._deployment

    async def topology(self) -> Topology:
        """The members as they are now.

        Raises `ToolFailure`: UNAVAILABLE or UNAUTHORIZED when no member answers, FORBIDDEN for a credential that may write.
        """
        deployment = await self.deployment()
        topology = await deployment.look()
        await deployment.admit(topology)
        return topology

    async def close(self) -> None:
        deployment, self._deployment = self._deployment, None
        if deployment is not None:
            await deployment.close()

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
