"""What a tool is given: the cluster (opened and examined when first asked for), the settings, the clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Self

from mcp_servers.common.context import BackendContext, utc_now
from mcp_servers.kubernetes.access import Privileges, privileges
from mcp_servers.kubernetes.client import Cluster
from mcp_servers.kubernetes.settings import KubernetesSettings
from mcp_servers.kubernetes.wire import client_library

_IDLE_S = 0.3  # after this a session is there to stay


class Context(BackendContext[KubernetesSettings, Cluster]):
    """Shared by all tools of the Kubernetes server."""

    def __init__(self, settings: KubernetesSettings, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(settings, clock)
        self._judging = asyncio.Lock()
        self._privileges: Privileges | None = None
        self._warming: asyncio.Task[None] | None = None

    async def _open(self) -> Cluster:
        return await Cluster.open(self.settings)

    async def cluster(self) -> Cluster:
        """The open `Cluster`.

        Raises `ToolFailure`: UNAVAILABLE while the configuration cannot be read (the next call tries again), FORBIDDEN when the credential
        may write and `KubernetesSettings.allow_privileged` is off.
        """
        cluster = await self.backend()
        if not self.settings.allow_privileged:
            (await self.powers(cluster)).refuse()
        return cluster

    async def powers(self, cluster: Cluster) -> Privileges:
        """What the credential may do beyond reading; asked once, and again after a while when it could not be asked."""
        async with self._judging:
            if self._privileges is None or self._privileges.stale:
                self._privileges = await privileges(cluster)
            return self._privileges

    async def close(self) -> None:
        self._privileges = None  # the next session may bring another credential
        await super().close()

    @asynccontextmanager
    async def lifespan(self, server: Any) -> AsyncIterator[Self]:
        """The server's lifespan, which also imports the Kubernetes client while nobody waits for it."""
        async with super().lifespan(server):
            if self.settings.configured and self._warming is None:
                self._warming = asyncio.create_task(_warm(), name="import the Kubernetes client")
            try:
                yield self
            finally:
                if self._sessions == 1 and self._warming is not None:  # the last one leaves
                    self._warming.cancel()
                    self._warming = None


async def _warm() -> None:
    """Import the client in a thread: the first call need not spend its deadline on that. Who only lists the tools is gone by then."""
    await asyncio.sleep(_IDLE_S)
    await asyncio.to_thread(client_library)
