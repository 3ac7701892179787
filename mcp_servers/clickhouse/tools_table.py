"""`get_table_info`: what a table is, how big, and whether rows still arrive. Its data is not read."""

from difflib import get_close_matches
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.clickhouse import state_statements as s
from mcp_servers.clickhouse.context import Context
from mcp_servers.clickhouse.reading import TABLE, Reading, iso, number_of, real, size_of, span_of, whole
from mcp_servers.clickhouse.texts import shape
from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ToolFailure, ok
from mcp_servers.common.untrusted import clean

DESCRIPTION = (
    "One table (database.table): engine, keys, TTL, rows, size, parts, columns, when its newest part was written and how many rows arrived in the last hour. "
    "Reads no data of the table. Use it to see whether ingestion stopped or how large a table is."
)
MAX_COLUMNS = 40


class Column(Lean):
    """One column."""

    name: str
    type: str
    key: str = ""  # "sorting", "partition"


class TableInfo(Envelope):
    """The answer of `get_table_info`. Sizes in bytes; ``rows_per_min`` over the last hour, missing where no part log is kept."""

    table: str
    engine: str = ""
    sorting_key: str = ""
    partition_key: str = ""
    ttl: str = ""
    rows: int = 0
    bytes: int = 0
    parts: int = 0
    partitions: int = 0
    newest_part: str = ""
    schema_changed: str = ""
    rows_per_min: float | None = None
    failed_parts: int = 0
    columns: list[Column] = Field(default_factory=list)
    columns_total: int = 0


def tools(context: Context) -> list[Tool]:
    async def get_table_info(
        table: Annotated[str, Field(pattern=TABLE, description="database.table")],
    ) -> Annotated[CallToolResult, TableInfo]:
        reading = Reading(await context.database())
        database, _, name = table.partition(".")
        which = {"database": database, "table": name}
        found = await reading.database.ask(s.TABLE, which)
        if not found:
            raise await _unknown(reading, table)
        now = int(context.clock().timestamp())
        columns, parts, ingested = await reading.all(
            (s.TABLE_COLUMNS, which), (s.TABLE_PARTS, which), (s.INGESTION, {**which, "start": now - 3_600})
        )
        row = found[0]
        answer = TableInfo(
            summary="",
            table=table,
            engine=clean(row["engine"], 60),
            sorting_key=shape(row.get("sorting_key"), 200),
            partition_key=shape(row.get("partition_key"), 120),
            ttl=shape(row.get("ttl"), 160),
            rows=max(whole(row.get("n_rows")), sum(whole(r["n_rows"]) for r in parts[:1])),
            bytes=max(whole(row.get("bytes")), sum(whole(r["bytes"]) for r in parts[:1])),
            parts=sum(whole(r["n"]) for r in parts[:1]),
            partitions=sum(whole(r["partitions"]) for r in parts[:1]),
            newest_part=iso(parts[0]["newest"]) if parts and parts[0]["n"] else "",
            schema_changed=iso(row.get("changed")),
            columns_total=len(columns),
            columns=[
                Column(
                    name=clean(c["name"], 80),
                    type=shape(c["type"], 80),
                    key="sorting" if c["is_in_sorting_key"] else "partition" if c["is_in_partition_key"] else "",
                )
                for c in columns[:MAX_COLUMNS]
            ],
        )
        if ingested:
            answer.rows_per_min = real(sum(whole(r["n_rows"]) for r in ingested) / 60, 1)
            answer.failed_parts = sum(whole(r.get("failed")) for r in ingested)
        if len(columns) > MAX_COLUMNS:
            answer.notes.append(f"the first {MAX_COLUMNS} of {len(columns)} columns are shown")
        if not columns:
            answer.notes.append("no column is in sight: the user lacks SHOW COLUMNS on the table")
        if not answer.parts and "MergeTree" in answer.engine:
            answer.notes.append(
                "the table has no active part: it is empty, or the user lacks SHOW TABLES or SELECT on system.parts"
            )
        age = f", newest part {span_of(max(0, now - whole(parts[0]['newest'])))} ago" if answer.newest_part else ""
        rate = f", {answer.rows_per_min:g} rows a minute in the last hour" if answer.rows_per_min is not None else ""
        answer.summary = f"{table}: {answer.engine}, {number_of(answer.rows)} rows, {size_of(answer.bytes)}, {answer.parts} parts{age}{rate}"
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_table_info, "get_table_info", DESCRIPTION)]


async def _unknown(reading: Reading, table: str) -> ToolFailure:
    names = [str(row["full"]) for row in await reading.one(s.TABLE_NAMES)]
    near = get_close_matches(table, names, 5, 0.6)
    hint = (
        f"close names: {', '.join(clean(n, 80) for n in near)}"
        if near
        else f"{len(names)} tables are in sight, none with a close name"
    )
    return ToolFailure("NOT_FOUND", f"no table {table} is in sight of this user", hint=hint)
