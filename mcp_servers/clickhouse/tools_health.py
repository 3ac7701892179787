"""`health`: for operators. What answers, who the credential is, and which tools it can serve."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from mcp.server.mcpserver.tools import Tool

from mcp_servers.clickhouse import query_statements as q
from mcp_servers.clickhouse import state_statements as s
from mcp_servers.clickhouse.client import Database, is_away
from mcp_servers.clickhouse.context import Context
from mcp_servers.clickhouse.reading import Reading, whole
from mcp_servers.clickhouse.statements import Statement
from mcp_servers.common import health as common
from mcp_servers.common.envelope import ErrorInfo, ToolFailure
from mcp_servers.common.health import Health, Permission
from mcp_servers.common.untrusted import clean

DESCRIPTION = (
    "For operators: whether ClickHouse answers, its version, the user's rights, clock skew, and for every "
    "tool whether the user may ask what it asks."
)
MEND = "deploy/clickhouse/rca_bot.sql grants all that the tools need, and nothing else"
_PAST = {"start": 0, "end": 1}
# The statement without which a tool has no answer, with parameters that cost nothing; then those that it can do without.
PROBES: Mapping[str, tuple[tuple[Statement, dict[str, Any], dict[str, str]], ...]] = {
    "get_cluster_health": (
        (s.SERVER, {}, {}), (s.NOW, {"names": []}, {}), (s.MEASURED, {"names": []}, {}), (s.DISKS, {}, {}),
        (s.ERRORS, {"since": 2**31}, {}), (s.CORES, {}, {}),
        (s.CLUSTERS, {}, {}), (s.WARNINGS, {}, {}), (s.LIMITS, {}, {}), (s.PART_LIMITS, {}, {}),
    ),
    "get_slow_queries": ((q.SLOW, {**_PAST, "kind": "", "min_ms": 0, "limit": 1}, {"order": "total_ms"}),),
    "get_failed_queries": ((q.FAILED, {**_PAST, "limit": 1}, {}), (q.FAILED_BEFORE, {**_PAST, "codes": []}, {})),
    "get_schema_changes": ((q.CHANGES, {**_PAST, "limit": 1}, {}),),
    "get_running_queries": ((q.RUNNING, {"min_s": 1e9, "limit": 1}, {}),),
    "get_storage_health": (
        (s.PARTS, {"database": "", "min_parts": 2**31, "limit": 1}, {}), (s.MUTATIONS, {"database": ""}, {}),
        (s.MERGES, {"database": ""}, {}),
        (s.DETACHED, {"database": "-"}, {}), (s.QUEUE, {"database": ""}, {}), (s.DISKS, {}, {}),
    ),
    "get_replication_status": ((s.REPLICA_COUNT, {}, {}), (s.REPLICATION_QUEUE, {}, {})),
    "get_table_info": (
        (s.TABLE, {"database": "", "table": ""}, {}), (s.TABLE_COLUMNS, {"database": "", "table": ""}, {}),
        (s.TABLE_PARTS, {"database": "", "table": ""}, {}), (s.INGESTION, {"database": "", "table": "", "start": 2**31}, {}),
    ),
}  # fmt: skip


def tools(context: Context) -> list[Tool]:
    async def health() -> Health:
        try:
            database = await context.database()
            return await health_of(database, context)
        except ToolFailure as failure:
            return common.unusable(_where(context), failure, identity=clean(context.settings.user, 60))

    return [common.tool(health, DESCRIPTION, _where(context))]


def _where(context: Context) -> str:
    return ", ".join(address.label for address in context.settings.addresses)


async def health_of(database: Database, context: Context) -> Health:
    """The answer. Raises `ToolFailure` when no server answers or the user is not accepted."""
    began = time.monotonic()
    servers = (await database.probe(s.SERVER)).rows
    answer = Health(
        summary="",
        server=_where(context),
        reachable=True,
        identity=clean(context.settings.user, 60),
        roles=list(dict.fromkeys(clean(role, 60) for node in database.nodes for role in node.roles)),
        latency_ms=round((time.monotonic() - began) * 1000, 1),
        version=", ".join(sorted({clean(row["version"], 40) for row in servers})),
        can_write=list(dict.fromkeys(right for node in database.nodes for right in node.excess)),
        refused=database.refusal.info if database.refusal else None,
    )
    if servers:
        skews = sorted(whole(row["at"]) - context.clock().timestamp() for row in servers)
        answer.clock_skew_s = round(skews[-1] if skews[-1] > -skews[0] else skews[0], 1)
    answer.permissions = list(await asyncio.gather(*(_probe(database, tool) for tool in PROBES)))
    answer.permissions.append(
        Permission(tool="run_query", state="ok" if context.settings.raw else "off", missing=_tables(context))
    )
    answer.warnings = [warning async for warning in _warnings(database)]
    Reading(database).into(answer)
    return common.settled(answer, mend=MEND)


def _tables(context: Context) -> list[str]:
    if context.settings.raw:
        return []
    return ["switched off; RCA_CH_RAW=1 and RCA_CH_ALLOWED switch it on"]


async def _probe(database: Database, tool: str) -> Permission:
    outcomes = await asyncio.gather(*(_try(database, *probe) for probe in PROBES[tool]))
    return common.permission(tool, [failure for failures in outcomes for failure in failures])


async def _try(
    database: Database, statement: Statement, parameters: dict[str, Any], choices: dict[str, str]
) -> list[ErrorInfo | None]:
    """What failed: nothing, everywhere, or on some of the servers."""
    try:
        answered = await database.probe(statement, parameters, **choices)
    except ToolFailure as failure:
        return [failure.info]
    # a server that is away is a warning of its own, and no fault of the credential
    return [None, *(missed.failure.info for missed in answered.missed if not is_away(missed.failure))]


async def _warnings(database: Database) -> AsyncIterator[str]:
    for member in database.members:
        if member.twin:
            yield (
                f"{member.label} is the same server as {member.twin} and is not asked a second time; RCA_CH_HOSTS "
                "names replicas, not further names"
            )
        elif member.node is None:
            yield member.away().failure.info.message
    for node in database.nodes:
        if node.unbounded:
            yield (
                f"{node.label}: the user's profile is readonly = 1 and sets no {', '.join(node.unbounded)}; "
                "system.query_log and system.part_log are "
                "not read without these bounds"
            )
    for row in (await database.probe(s.TABLE_COUNT)).rows:
        if not whole(row["n"]):
            yield (
                f"no table outside system is in sight on {clean(row['host'], 100)}: it is empty, or without SHOW "
                "TABLES parts, replicas, merges and "
                "mutations are hidden without an error"
            )
