"""Putting a server together: strict tools behind the door, with a lifespan that owns the backend's connections.

Every module ``tools_*`` of a server's package offers ``tools(context) -> list[Tool]``; that is all it takes to add a tool.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from types import ModuleType
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.tools import Tool

from mcp_servers.common.config import CommonSettings
from mcp_servers.common.context import BackendContext
from mcp_servers.common.door import Door

VERSION = "0.1"


def discover(package: ModuleType, instructions: str, context: BackendContext[Any, Any]) -> MCPServer[Any]:
    """The server of ``package``, called ``rca-`` and the package's own name, with the tools of all its ``tools_*`` modules."""
    modules = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name.startswith("tools_"))
    found: list[Tool] = []
    for module in modules:
        found += importlib.import_module(f"{package.__name__}.{module}").tools(context)
    name = f"rca-{package.__name__.rsplit('.', 1)[-1]}"
    backend = str(
        getattr(context.settings, "backend", "")
    )  # a server with several ways to read says which one is in use
    return build(name, instructions, found, context.settings.common, context.lifespan, backend=backend)


def build(
    name: str,
    instructions: str,
    tools: Iterable[Tool],
    settings: CommonSettings,
    lifespan: Callable[[MCPServer[Any]], AbstractAsyncContextManager[Any]],
    *,
    backend: str = "",
) -> MCPServer[Any]:
    """A server called ``name`` (``rca-<backend>``) that offers ``tools`` and nothing else. ``backend``: what ``source.backend`` says,
    where that is not the server's own name.
    """
    door = Door(settings, backend or name.removeprefix("rca-"))
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
