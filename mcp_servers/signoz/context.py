"""What a tool is given: the source of telemetry (opened when first asked for), the settings, the clock."""

from mcp_servers.common.context import BackendContext
from mcp_servers.signoz.settings import SigNozSettings
from mcp_servers.signoz.sources import Source
from mcp_servers.signoz.sources.choose import opened


class Context(BackendContext[SigNozSettings, Source]):
    """Shared by all tools of the SigNoz server."""

    async def _open(self) -> Source:
        return await opened(self.settings)

    async def source(self) -> Source:
        """The open `Source`. Raises `ToolFailure`: UNAVAILABLE while it is away (the next call tries again), FORBIDDEN when its
        credential could do more than read.
        """
        source = await self.backend()
        if source.refusal is not None:
            raise source.refusal
        return source
