"""Putting a server together: strict tools behind the door, with a lifespan that owns the backend's connections."""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.tools import Tool

from mcp_servers.common.config import CommonSettings
from mcp_servers.common.door import Door

VERSION = "0.1"


def build(
    name: str,
    instructions: str,
    tools: Iterable[Tool],
    settings: CommonSettings,
    lifespan: Callable[[MCPServer[Any]], AbstractAsyncContextManager[Any]],
) -> MCPServer[Any]:
    """A server called ``name`` (``rca-<backend>``) that offers ``tools`` and nothing else."""
    door = Door(settings, name.removeprefix("rca-"))
    admitted = [door.admit(_lean(tool)) for tool in tools]
    return MCPServer(
        name, instructions=instructions, version=VERSION, tools=admitted, lifespan=lifespan, log_level="WARNING"
    )


def _lean(tool: Tool) -> Tool:
    """Take the ``title`` keys out of the arguments' schema: they repeat the names and cost tokens in every prompt."""
    tool.parameters = _untitled(tool.parameters)
    return tool


def _untitled(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: _untitled(v) for k, v in schema.items() if not (k == "title" and isinstance(v, str))}
    return [_untitled(v) for v in schema] if isinstance(schema, list) else schema
