"""``/readyz``: whether this server can answer questions now, which it can when its backend answered within the last minute.

Anyone may ask, so the reply is yes or no and nothing else, and asking costs the backend at most one look in `KEPT_S` seconds, however
often it happens.
"""

import asyncio
import time
from typing import Any, Final

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mcp_servers.common.health import NAME

KEPT_S: Final = 60.0
"""Seconds for which a good look counts."""
AGAIN_S: Final = 10.0
"""Seconds after which a bad one is repeated."""
PATIENCE_S: Final = 0.8
"""Seconds that a question waits for a look; kubelets give up after one. A slow look counts for the next question."""


class Readiness:
    """The handler of the route. A server without a ``health`` tool is ready when it lives."""

    def __init__(self, server: MCPServer[Any]) -> None:
        self._server = server
        self._ready = False
        self._looked = float("-inf")
        self._looking: asyncio.Task[None] | None = None

    async def __call__(self, _request: Request) -> Response:
        ready = await self.ready()
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    async def ready(self) -> bool:
        """Whether the last look was good; begins a new one when that is too old."""
        if time.monotonic() - self._looked > (KEPT_S if self._ready else AGAIN_S):
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look(), name="look whether the backend answers")
            await asyncio.wait({self._looking}, timeout=PATIENCE_S)
        return self._ready and time.monotonic() - self._looked <= KEPT_S

    async def _look(self) -> None:
        self._ready = await self._answers()
        self._looked = time.monotonic()

    async def _answers(self) -> bool:
        if NAME not in {tool.name for tool in await self._server.list_tools()}:
            return True
        try:
            result = await self._server.call_tool(NAME, {})
        except ToolError:
            return False
        if not isinstance(result, CallToolResult) or result.is_error:
            return False
        told = result.structured_content or {}
        return told.get("reachable", True) is True and "refused" not in told
