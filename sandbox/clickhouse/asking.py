"""Ask the ClickHouse tool server the way an MCP client does, and put recorded rows where its questions look.

The embedded engine has no replicas, no Keeper and no trouble of its own. `stage` replaces one of its system tables by an ordinary one
with the same columns and the rows of an incident; the statements that read it stay the real ones, on the real engine.
"""

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clickhouse_connect.driver.asyncclient import AsyncClient
from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent

from mcp_servers.clickhouse.context import utc_now
from mcp_servers.clickhouse.server import create_server

Json = dict[str, Any]

# Tables that the embedded build lacks, with a server's columns.
STRUCTURES = {
    "asynchronous_metrics": "metric String, value Float64, description String",
    "part_log": (
        "event_type Enum8('NewPart' = 1, 'MergeParts' = 2), event_date Date, event_time DateTime, database String, "
        "table String, rows UInt64, error UInt16"
    ),
}


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


@functools.cache
def _server(environ: tuple[tuple[str, str], ...], clock: Callable[[], datetime]) -> MCPServer[Any]:
    """One server a process and environment: building its schemas is slow, and it connects anew for every session."""
    return create_server({"RCA_CACHE_S": "0", **dict(environ)}, clock=clock)


async def ask(
    environ: Mapping[str, str],
    tool: str,
    *,
    clock: Callable[[], datetime] = utc_now,
    session: bool = False,
    **arguments: Any,
) -> Answer:
    """One call of one tool. Arguments, door and answer model are the server's own.

    ``session=True`` goes through a real MCP session as well, where the client checks the answer against the published schema.
    """
    server = _server(tuple(sorted(environ.items())), clock)
    if session:
        async with Client(server) as client:
            result = await client.call_tool(tool, arguments)
    else:
        result = await _directly(server, tool, arguments)
    data = result.structured_content
    text = "".join(str(getattr(c, "text", "")) for c in result.content)
    return Answer(data if isinstance(data, dict) else {}, text, bool(result.is_error))


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


async def stage(admin: AsyncClient, table: str, rows: Iterable[Json]) -> None:
    """Let ``system.<table>`` hold ``rows`` from now on; columns that a row leaves out get their defaults."""
    structure = STRUCTURES.get(table, "")
    if not structure:
        found = await admin.query(
            (
                "SELECT name, type FROM system.columns WHERE database = 'system' AND table = {table:String} AND "
                "default_kind != 'ALIAS' ORDER BY position"
            ),
            parameters={"table": table},
        )
        structure = ", ".join(f"`{name}` {kind}" for name, kind in found.result_rows)
    await admin.command(f"DROP TABLE IF EXISTS system.{table} SYNC")
    await admin.command(f"CREATE TABLE system.{table} ({structure}) ENGINE = MergeTree ORDER BY tuple()")
    await load(admin, table, rows)


async def load(admin: AsyncClient, table: str, rows: Iterable[Json]) -> None:
    """Add ``rows`` to ``system.<table>``."""
    lines = "\n".join(json.dumps(row) for row in rows)
    if lines:
        await admin.raw_insert(f"system.{table}", insert_block=lines, fmt="JSONEachRow")
