"""What a tool is given: the connections (opened when first asked for), the settings, the clock."""

from mcp_servers.clickhouse.client import Database
from mcp_servers.clickhouse.settings import ClickHouseSettings
from mcp_servers.common.context import BackendContext, utc_now

__all__ = ["Context", "utc_now"]


class Context(BackendContext[ClickHouseSettings, Database]):
    """Shared by all tools of the ClickHouse server."""

    async def _open(self) -> Database:
        return await Database.open(self.settings)

    async def database(self) -> Database:
        """The open `Database`. Raises `ToolFailure`: UNAVAILABLE while no node answers, FORBIDDEN for a credential that may write."""
        return await self.backend()
