"""Ask the Kubernetes server about a recording the way an MCP client does."""

import functools
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent

from mcp_servers.kubernetes.server import create_server
from sandbox.cluster.server import RecordedCluster

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """``data`` is the structured answer (``{"error": ...}`` when the call failed); ``text`` what a reader gets; ``writes`` were refused."""

    data: Json
    text: str
    failed: bool
    requests: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)

    def signals(self, code: str = "") -> list[Json]:
        return [s for s in self.data.get("signals", []) if not code or s["code"] == code]

    @property
    def codes(self) -> set[str]:
        return {s["code"] for s in self.signals()}


@functools.cache
def _server(environ: tuple[tuple[str, str], ...]) -> tuple[MCPServer[Any], Path]:
    """One server a process and environment: building its schemas is slow, and it reads its kubeconfig anew for every session."""
    config = Path(tempfile.mkdtemp(prefix="rca-ask-")) / "kubeconfig.json"
    return create_server({"RCA_CACHE_S": "0", **dict(environ), "RCA_K8S_KUBECONFIG": str(config)}), config


async def ask(
    folder: Path, tool: str, environ: dict[str, str] | None = None, *, session: bool = False, **arguments: Any
) -> Answer:
    """One call of one tool on one recording. Calls of one process must not overlap.

    Arguments, door and answer model are the server's own. ``session=True`` goes through a real MCP session as well, where the client checks
    the answer against the published schema; that costs a quarter of a second.
    """
    async with RecordedCluster(folder) as cluster:
        server, config = _server(tuple(sorted((environ or {}).items())))
        config.write_text(json.dumps(cluster.kubeconfig()))
        result = await (_by_session if session else _directly)(server, tool, arguments)
        text = "".join(str(getattr(c, "text", "")) for c in result.content)
        data = result.structured_content
        failed = bool(result.is_error)
        return Answer(data if isinstance(data, dict) else {}, text, failed, cluster.requests, cluster.writes)


async def _by_session(server: MCPServer[Any], tool: str, arguments: dict[str, Any]) -> CallToolResult:
    async with Client(server) as client:
        return await client.call_tool(tool, arguments)


async def _directly(server: MCPServer[Any], tool: str, arguments: dict[str, Any]) -> CallToolResult:
    lifespan = server.settings.lifespan
    if lifespan is None:
        raise RuntimeError("the server has no lifespan to close its connections")
    async with lifespan(server):
        try:
            result = await server.call_tool(tool, arguments)
        except ToolError as error:
            return CallToolResult(is_error=True, content=[TextContent(type="text", text=str(error))])
    if not isinstance(result, CallToolResult):
        raise TypeError(f"{tool} wants input, which a read-only tool never does")
    return result
