"""`health`: for operators. What answers, who the credential is, and which tools it can serve."""

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.clickhouse import query_statements as q
from mcp_servers.clickhouse import state_statements as s
from mcp_servers.clickhouse.client import Database, excess
from mcp_servers.clickhouse.context import Context
from mcp_servers.clickhouse.reading import Reading, whole
from mcp_servers.clickhouse.statements import Statement
from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ToolFailure, ok
from mcp_servers.common.untrusted import clean

DESCRIPTION = "For operators: whether ClickHouse answers, its version, the user's rights, clock skew, and for every tool whether the user may ask what it asks."
_PAST = {"start": 0, "end": 1}
# The statement without which a tool has no answer, with parameters that cost nothing; then those that it can do without.
PROBES: Mapping[str, tuple[tuple[Statement, dict[str, Any], dict[str, str]], ...]] = {
    "get_cluster_health": (
        (s.SERVER, {}, {}), (s.NOW, {"names": []}, {}), (s.MEASURED, {"names": []}, {}), (s.DISKS, {}, {}), (s.ERRORS, {"since": 2**31}, {}),
        (s.CLUSTERS, {}, {}), (s.WARNINGS, {}, {}), (s.LIMITS, {}, {}), (s.PART_LIMITS, {}, {}),
    ),
    "get_slow_queries": ((q.SLOW, {**_PAST, "kind": "", "min_ms": 0, "limit": 1}, {"order": "total_ms"}),),
    "get_failed_queries": ((q.FAILED, {**_PAST, "limit": 1}, {}),),
    "get_schema_changes": ((q.CHANGES, {**_PAST, "limit": 1}, {}),),
    "get_running_queries": ((q.RUNNING, {"min_s": 1e9, "limit": 1}, {}),),
    "get_storage_health": (
        (s.PARTS, {"database": "", "min_parts": 2**31, "limit": 1}, {}), (s.MUTATIONS, {"database": ""}, {}), (s.MERGES, {"database": ""}, {}),
        (s.DETACHED, {"database": "-"}, {}), (s.QUEUE, {"database": ""}, {}), (s.DISKS, {}, {}),
    ),
    "get_replication_status": ((s.REPLICA_COUNT, {}, {}), (s.REPLICATION_QUEUE, {}, {})),
    "get_table_info": (
        (s.TABLE, {"database": "", "table": ""}, {}), (s.TABLE_COLUMNS, {"database": "", "table": ""}, {}),
        (s.TABLE_PARTS, {"database": "", "table": ""}, {}), (s.INGESTION, {"database": "", "table": "", "start": 2**31}, {}),
    ),
}  # fmt: skip


class Permission(Lean):
    """One tool: ok, partial (it answers with parts missing), forbidden, unsupported or another error's code in small letters."""

    tool: str
    state: str
    missing: list[str] = Field(default_factory=list)


class Health(Envelope):
    """The answer of `health`."""

    reachable: bool
    user: str = ""
    version: str = ""
    latency_ms: float = 0
    clock_skew_s: float = 0
    code: str = ""
    problem: str = ""
    hint: str = ""
    permissions: list[Permission] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def health() -> Annotated[CallToolResult, Health]:
        user = clean(context.settings.user, 60)
        try:
            database = await context.database()
            began = time.monotonic()
            servers = await database.ask(s.SERVER)
            latency = round((time.monotonic() - began) * 1000, 1)
        except ToolFailure as failure:
            info = failure.info
            return ok(
                Health(
                    summary=f"not usable: {info.message}"[:240],
                    reachable=info.code in ("FORBIDDEN", "UNAUTHORIZED", "TOO_LARGE"),
                    user=user,
                    code=info.code,
                    problem=info.message,
                    hint=info.hint,
                )
            )
        answer = Health(summary="", reachable=True, user=user, latency_ms=latency)
        answer.version = clean(servers[0]["version"], 40) if servers else ""
        answer.clock_skew_s = round(whole(servers[0]["at"]) - context.clock().timestamp(), 1) if servers else 0
        answer.permissions = list(await asyncio.gather(*(_probe(database, tool) for tool in PROBES)))
        await _warn(answer, database)
        good = sum(p.state == "ok" for p in answer.permissions)
        answer.summary = (
            f"{len(database.nodes)} of {len(database.nodes) + len(database.absent)} nodes answer, version {answer.version}, {latency:g} ms; "
            f"{good} of {len(answer.permissions)} tools have all they need, {len(answer.warnings)} warnings"
        )
        Reading(database).into(answer)
        return ok(answer)

    built = strict.tool(health, "health", DESCRIPTION)
    built.meta = {**(built.meta or {}), "rca/audience": "operator"}
    return [built]


async def _probe(database: Database, tool: str) -> Permission:
    outcomes = await asyncio.gather(*(_try(database, *probe) for probe in PROBES[tool]))
    missing = [said for _, said in outcomes if said]
    state = outcomes[0][0] if outcomes[0][1] else "partial" if missing else "ok"
    return Permission(tool=tool, state=state, missing=missing)


async def _try(
    database: Database, statement: Statement, parameters: dict[str, Any], choices: dict[str, str]
) -> tuple[str, str]:
    try:
        await database.ask(statement, parameters, **choices)
    except ToolFailure as failure:
        info = failure.info
        return info.code.lower(), info.missing_permission or info.message[:160]
    return "ok", ""


async def _warn(answer: Health, database: Database) -> None:
    for node in database.nodes:
        answer.warnings += [f"{node.address.label}: {warning}" for warning in node.warnings]
        if excess(node.grants) and not node.warnings:
            answer.warnings.append(f"{node.address.label}: the credential can do more than read")
    seen = await database.ask(s.TABLE_COUNT)
    if not sum(whole(row["n"]) for row in seen):
        answer.warnings.append(
            "no table outside system is in sight: without SHOW TABLES, parts, replicas, merges and mutations are hidden without an error"
        )
    if abs(answer.clock_skew_s) > 5:
        answer.warnings.append(
            f"the server's clock is {answer.clock_skew_s:+.0f} s from this one; windows are cut by the server's clock"
        )
