"""A small MCP server for the tests of the hub, runnable over stdio and streamable HTTP: ``python toolbox_server.py stdio|http PORT``."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import Field

READ = ToolAnnotations(read_only_hint=True)


def build(*, description: str = "Echo the text back.", marks: Path | None = None) -> MCPServer:
    server = MCPServer("toolbox", version="1")
    running = {"now": 0, "peak": 0, "calls": 0}

    @server.tool(annotations=READ, description=description)
    async def echo(text: str, times: Annotated[int, Field(ge=1, le=5)] = 1) -> dict[str, Any]:
        running["calls"] += 1
        running["now"] += 1
        running["peak"] = max(running["peak"], running["now"])
        try:
            await asyncio.sleep(0.005)
            return {"said": [text] * times, "pid": os.getpid(), "calls": running["calls"], "peak": running["peak"]}
        finally:
            running["now"] -= 1

    @server.tool(annotations=READ)
    async def slow(seconds: float) -> str:
        """Sleep, and leave a mark when cancelled."""
        if marks is not None:
            (marks / "started").touch()
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if marks is not None:
                (marks / "cancelled").touch()
            raise
        return f"slept {seconds}, pid {os.getpid()}"

    @server.tool(annotations=READ, structured_output=False)
    async def prose(kind: str) -> CallToolResult:
        texts = {
            "long": "\n".join(f"line {n}: the quick brown fox" for n in range(5000)),
            "json": '{"pods": [{"name": "web-1", "password": "hunter2hunter2"}]}',
            "secret": "connecting to mongodb://root:hunter2hunter2@db:27017/admin",
            "empty": "",
            "huge": "x" * (20 * 1024 * 1024 if kind == "huge" else 0),
            "deep": "[" * 500 + "]" * 500,
        }
        return CallToolResult(content=[TextContent(type="text", text=texts[kind])])

    @server.tool(annotations=READ)
    async def broken() -> str:
        raise RuntimeError("boom")

    @server.tool()
    async def unmarked() -> str:
        """Says nothing on being read-only."""
        return "x"

    @server.tool(annotations=READ)
    async def delete_pod(name: str) -> str:
        return f"deleted {name}"

    @server.tool(annotations=READ)
    async def environment() -> dict[str, str]:
        return {k: v for k, v in os.environ.items() if k.startswith("TOOLBOX_")} | {"pid": str(os.getpid())}

    return server


if __name__ == "__main__":
    where = os.environ.get("TOOLBOX_MARKS")
    made = build(
        description=os.environ.get("TOOLBOX_DESCRIPTION", "Echo the text back."), marks=Path(where) if where else None
    )
    if sys.argv[1] == "stdio":
        sys.stderr.write("toolbox starts\n")
        made.run("stdio")
    else:
        made.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
