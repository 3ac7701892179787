"""`get_table_info`: what a table is, how big, and whether rows still arrive. Its data is not read."""

from difflib import get_close_matches
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.clickhouse import state_statements as s
from mcp_servers.clickhouse.context import Context
from mcp_servers.clickhouse.merging import Row
from mcp_servers.clickhouse.reading import TABLE, Reading, iso, number_of, real, size_of, span_of, whole
from mcp_servers.clickhouse.texts import shape
from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ToolFailure, ok
from mcp_servers.common.untrusted import clean

DESCRIPTION = (
    "One table (database.table): engine, keys, TTL, rows, size, parts, columns, when its newest part was written and "
    "how many rows arrived in the last hour. "
    "Reads no data of the table. Use it to see whether ingestion stopped or how large a table is."
)
MAX_COLUMNS = 40


class Column(Lean):
    """One column."""

    name: str
    type: str
    key: str = ""  # "sorting", "partition"


class Replica(Lean):
    """The table on one server, where there are several. Sizes in bytes."""

    host: str
    rows: int = 0
    bytes: int = 0
    parts: int = 0
    newest_part: str = ""


class TableInfo(Envelope):
    """The answer of `get_table_info`. Sizes in bytes; ``rows_per_min`` over the last hour, missing where no part log is kept.

    ``rows``, ``bytes`` and ``parts`` are of the server that has most; ``hosts`` has each, where there are several, the emptiest first.
    """

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
    hosts: list[Replica] = Field(default_factory=list)
    columns: list[Column] = Field(default_factory=list)
    columns_total: int = 0


def tools(context: Context) -> list[Tool]:
    async def get_table_info(
        table: Annotated[str, Field(pattern=TABLE, description="database.table")],
    ) -> Annotated[CallToolResult, TableInfo]:
        reading = Reading(await context.database())
        database, _, name = table.partition(".")
        which = {"database": database, "table": name}
        found = await reading.must(s.TABLE, which)
        if not found:
            raise await _unknown(reading, table)
        now = int(context.clock().timestamp())
        columns, parts, ingested = await reading.all(
            (s.TABLE_COLUMNS, which), (s.TABLE_PARTS, which), (s.INGESTION, {**which, "start": now - 3_600})
        )
        row = found[0]
        hosts = _replicas(found, parts)
        newest = max((whole(r["newest"]) for r in parts), default=0)
        answer = TableInfo(
            summary="",
            table=table,
            engine=clean(row["engine"], 60),
            sorting_key=shape(row.get("sorting_key"), 200),
            partition_key=shape(row.get("partition_key"), 120),
            ttl=shape(row.get("ttl"), 160),
            rows=max((h.rows for h in hosts), default=0),
            bytes=max((h.bytes for h in hosts), default=0),
            parts=max((h.parts for h in hosts), default=0),
            partitions=max((whole(r["partitions"]) for r in parts), default=0),
            newest_part=iso(newest),
            schema_changed=iso(max(whole(r.get("changed")) for r in found)),
            hosts=hosts if len(hosts) > 1 else [],
            columns_total=len({c["name"] for c in columns}),
            columns=[
                Column(
                    name=clean(c["name"], 80),
                    type=shape(c["type"], 80),
                    key="sorting" if c["is_in_sorting_key"] else "partition" if c["is_in_partition_key"] else "",
                )
                for c in columns[:MAX_COLUMNS]
            ],
        )
        drift = sorted({str(c["name"]) for c in columns if len(c["hosts"]) < len({r["host"] for r in found})})
        if drift:
            answer.notes.append(f"the servers disagree on columns: {', '.join(clean(name, 60) for name in drift[:5])}")
        if len({r["engine"] for r in found}) > 1:
            answer.notes.append("the servers disagree on the table's engine")
        if s.INGESTION.name not in reading.missing:
            answer.rows_per_min = real(sum(whole(r["n_rows"]) for r in ingested) / 60, 1)
            answer.failed_parts = sum(whole(r.get("failed")) for r in ingested)
        if len(columns) > MAX_COLUMNS:
            answer.notes.append(f"the first {MAX_COLUMNS} of {answer.columns_total} columns are shown")
        if not columns:
            answer.notes.append("no column is in sight: the user lacks SHOW COLUMNS on the table")
        if not answer.parts and "MergeTree" in answer.engine:
            answer.notes.append(
                "the table has no active part: it is empty, or the user lacks SHOW TABLES or SELECT on system.parts"
            )
        age = f", newest part {span_of(max(0, now - newest))} ago" if newest else ""
        rate = f", {answer.rows_per_min:g} rows a minute in the last hour" if answer.rows_per_min is not None else ""
        answer.summary = (
            f"{table}: {answer.engine}, {number_of(answer.rows)} rows, {size_of(answer.bytes)}, "
            f"{answer.parts} parts{age}{rate}"
        )
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_table_info, "get_table_info", DESCRIPTION)]


def _replicas(found: list[Row], parts: list[Row]) -> list[Replica]:
    """Each server's share, the emptiest first: that is the one behind."""
    by_host = {str(r["host"]): r for r in parts}
    hosts: list[Replica] = []
    for row in found:
        mine = by_host.get(str(row["host"]), {})
        hosts.append(
            Replica(
                host=clean(row["host"], 100),
                rows=max(whole(row.get("n_rows")), whole(mine.get("n_rows"))),
                bytes=max(whole(row.get("bytes")), whole(mine.get("bytes"))),
                parts=whole(mine.get("n")),
                newest_part=iso(mine.get("newest")),
            )
        )
    # under RCA_CH_CLUSTER the table's own row comes from one server, its parts from all
    seen = {str(r["host"]) for r in found}
    hosts += [
        Replica(host=clean(r["host"], 100), rows=whole(r["n_rows"]), bytes=whole(r["bytes"]), parts=whole(r["n"]),
        newest_part=iso(r["newest"]))
        for r in parts
        if str(r["host"]) not in seen
    ]  # fmt: skip
    return sorted(hosts, key=lambda h: (h.rows, h.host))


async def _unknown(reading: Reading, table: str) -> ToolFailure:
    names = [str(row["full"]) for row in await reading.one(s.TABLE_NAMES)]
    near = get_close_matches(table, names, 5, 0.6)
    hint = (
        f"close names: {', '.join(clean(n, 80) for n in near)}"
        if near
        else f"{len(names)} tables are in sight, none with a close name"
    )
    return ToolFailure("NOT_FOUND", f"no table {table} is in sight of this user", hint=hint)
