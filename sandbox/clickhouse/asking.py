"""Ask the ClickHouse tool server the way an MCP client does, and put recorded rows where its questions look.

The embedded engine has no replicas, no Keeper and no trouble of its own. `stage` replaces one of its system tables by an ordinary one
with the same columns and the rows of an incident; the statements that read it stay the real ones, on the real engine.
"""

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from clickhouse_connect.driver.asyncclient import AsyncClient
from mcp.server.mcpserver import MCPServer

from mcp_servers.clickhouse.context import utc_now
from mcp_servers.clickhouse.server import create_server
from sandbox.asking import Answer, Json, ask_server

# Tables that the embedded build lacks, with a server's columns.
STRUCTURES = {
    "asynchronous_metrics": "metric String, value Float64, description String",
    "part_log": (
        "event_type Enum8('NewPart' = 1, 'MergeParts' = 2), event_date Date, event_time DateTime, database String, "
        "table String, rows UInt64, error UInt16"
    ),
}


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
    """One call of one tool of the ClickHouse server; ``session`` as in `sandbox.asking`."""
    return await ask_server(_server(tuple(sorted(environ.items())), clock), tool, arguments, session=session)


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
