"""What a tool is given: the cluster (opened when first asked for), the settings, the clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from mcp_servers.kubernetes.client import Cluster
from mcp_servers.kubernetes.settings import KubernetesSettings


def utc_now() -> datetime:
    return datetime.now(UTC)


class Context:
    """Shared by all tools of one server. ``clock`` returns the present as aware UTC; tests set it."""

    def __init__(self, settings: KubernetesSettings, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self._cluster: Cluster | None = None
        self._opening = asyncio.Lock()
        self._users = 0

    async def cluster(self) -> Cluster:
        """The open `Cluster`. Raises `ToolFailure` UNAVAILABLE while the configuration cannot be read; the next call tries again."""
        async with self._opening:
            if self._cluster is None:
                self._cluster = await Cluster.open(self.settings)
            return self._cluster

    async def close(self) -> None:
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            await cluster.close()

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
