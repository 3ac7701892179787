"""What a tool is given: the cluster (opened and examined when first asked for), the settings, the clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from mcp_servers.kubernetes.access import Privileges, privileges
from mcp_servers.kubernetes.client import Cluster
from mcp_servers.kubernetes.settings import KubernetesSettings
from mcp_servers.kubernetes.wire import client_library

_IDLE_S = 0.3  # after this a session is there to stay


def utc_now() -> datetime:
    return datetime.now(UTC)


class Context:
    """Shared by all tools of one server. ``clock`` returns the present as aware UTC; tests set it."""

    def __init__(self, settings: KubernetesSettings, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self._cluster: Cluster | None = None
        self._opening = asyncio.Lock()
        self._privileges: Privileges | None = None
        self._users = 0
        self._warming: asyncio.Task[None] | None = None

    async def cluster(self) -> Cluster:
        """The open `Cluster`.

        Raises `ToolFailure`: UNAVAILABLE while the configuration cannot be read (the next call tries again), FORBIDDEN when the credential
        may write and `KubernetesSettings.allow_privileged` is off.
        """
        async with self._opening:
            if self._cluster is None:
                self._cluster = await Cluster.open(self.settings)
            if not self.settings.allow_privileged:
                if self._privileges is None or self._privileges.stale:
                    self._privileges = await privileges(self._cluster)
                self._privileges.refuse()
            return self._cluster

    async def close(self) -> None:
        cluster, self._cluster = self._cluster, None
        self._privileges = None  # the next session may bring another credential
        if cluster is not None:
            await cluster.close()

    @asynccontextmanager
    async def lifespan(self, _server: Any) -> AsyncIterator["Context"]:
        """The server's lifespan. In process several sessions may share one server: the last one to leave closes the connections."""
        self._users += 1
        if self.settings.configured and self._warming is None:
            self._warming = asyncio.create_task(_warm(), name="import the Kubernetes client")
        try:
            yield self
        finally:
            self._users -= 1
            if self._users == 0:
                if self._warming is not None:
                    self._warming.cancel()
                    self._warming = None
                await self.close()


async def _warm() -> None:
    """Import the client in a thread: the first call need not spend its deadline on that. Who only lists the tools is gone by then."""
    await asyncio.sleep(_IDLE_S)
    await asyncio.to_thread(client_library)
