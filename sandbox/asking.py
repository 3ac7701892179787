"""Ask one of our tool servers the way an MCP client does: arguments, door and answer model are the server's own."""

from dataclasses import dataclass
from typing import Any

from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """``data`` is the structured answer (``{"error": ...}`` when the call failed), ``text`` what a reader gets."""

    data: Json
    text: str
    failed: bool

    @property
    def error(self) -> Json:
        found: Json = self.data.get("error", {})
        return found

    def signals(self, code: str = "") -> list[Json]:
        return [s for s in self.data.get("signals", []) if not code or s["code"] == code]

    @property
    def codes(self) -> set[str]:
        return {s["code"] for s in self.signals()}


async def ask_server(server: MCPServer[Any], tool: str, arguments: Json, *, session: bool = False) -> Answer:
    """One call of one tool.

    ``session=True`` goes through a real MCP session as well, where the client checks the answer against the published schema; that costs
    a quarter of a second.
    """
    result = await (_by_session if session else _directly)(server, tool, arguments)
    data = result.structured_content
    text = "".join(str(getattr(c, "text", "")) for c in result.content)
    return Answer(data if isinstance(data, dict) else {}, text, bool(result.is_error))


async def _by_session(server: MCPServer[Any], tool: str, arguments: Json) -> CallToolResult:
    async with Client(server) as client:
        return await client.call_tool(tool, arguments)


async def _directly(server: MCPServer[Any], tool: str, arguments: Json) -> CallToolResult:
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
