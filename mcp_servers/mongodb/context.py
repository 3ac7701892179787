"""What a tool is given: the deployment and Atlas (each opened when first asked for), the settings, the clock."""

from mcp_servers.common.context import BackendContext
from mcp_servers.common.envelope import ToolFailure
from mcp_servers.mongodb.atlas_client import Atlas
from mcp_servers.mongodb.client import Deployment, Topology
from mcp_servers.mongodb.reading import Reading
from mcp_servers.mongodb.settings import MongoSettings

NO_DRIVER = "RCA_MONGO_URI is not set: this is what Atlas measures; who holds connections, what runs now and the set's own view are absent"
NO_ATLAS = "Atlas is not configured: history, disk IOPS and its advice are absent"
_AWAY = ("UNAVAILABLE", "TIMEOUT")


class Context(BackendContext[MongoSettings, Deployment]):
    """Shared by all tools of the MongoDB server."""

    _atlas: Atlas | None = None

    async def _open(self) -> Deployment:
        return await Deployment.open(self.settings)

    async def deployment(self) -> Deployment:
        """The open `Deployment`, whatever its credential may do. Raises `ToolFailure` UNAVAILABLE when nothing is configured."""
        return await self.backend()

    async def topology(self) -> Topology:
        """The members as they are now.

        Raises `ToolFailure`: UNAVAILABLE or UNAUTHORIZED when no member answers, FORBIDDEN for a credential that may write.
        """
        deployment = await self.deployment()
        topology = await deployment.look()
        await deployment.admit(topology)
        return topology

    async def members(self, reading: Reading) -> Topology | None:
        """As `topology`; ``None`` where only Atlas can answer, because no URI is set or no member can be reached (noted in ``reading``)."""
        if self.settings.atlas is None:
            return await self.topology()
        if not self.settings.uri:
            return None
        try:
            return await self.topology()
        except ToolFailure as failure:
            if failure.info.code not in _AWAY:
                raise
            reading.missing["members"] = failure.info
            return None

    def api(self) -> Atlas:
        """Atlas, whatever its key may do. Raises `ToolFailure` UNAVAILABLE when it is not configured."""
        if self._atlas is None:
            self._atlas = Atlas.open(self.settings)
        return self._atlas

    async def atlas(self) -> Atlas:
        """Atlas. Raises `ToolFailure` as `Atlas.admit` and `api`."""
        api = self.api()
        await api.admit()
        return api

    async def close(self) -> None:
        atlas, self._atlas = self._atlas, None
        if atlas is not None:
            await atlas.close()
        await super().close()
