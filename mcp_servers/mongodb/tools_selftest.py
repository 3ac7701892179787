"""`health`: what an operator asks when the server itself is in doubt. It answers also for a credential that the other tools refuse."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ToolFailure, ok
from mcp_servers.mongodb.client import Member
from mcp_servers.mongodb.connections import BY_CLIENT
from mcp_servers.mongodb.context import Context
from mcp_servers.mongodb.operations import RUNNING
from mcp_servers.mongodb.reading import moment
from mcp_servers.mongodb.sampling import STATUS

DESCRIPTION = (
    "For operators: whether MongoDB answers, its version, latency and clock skew, which user is used and what it may do, and for each tool "
    "whether its reads are permitted."
)


class ToolCheck(Lean):
    """``state``: ok, forbidden, unsupported or failed."""

    tool: str
    state: str
    missing: str = ""


class Health(Envelope):
    reachable: bool
    version: str
    latency_ms: float
    clock_skew_s: float | None = None
    user: str
    roles: list[str]
    tools: list[ToolCheck]
    warnings: list[str]


def tools(context: Context) -> list[Tool]:
    async def health() -> Annotated[CallToolResult, Health]:
        deployment = await context.deployment()
        topology = await deployment.look()
        member = (topology.data or topology.members)[0]
        began = time.monotonic()
        build = await member.ask({"buildInfo": 1})
        latency = time.monotonic() - began
        credential = await deployment.credential(topology)
        checks = await asyncio.gather(*(_check(name, reads) for name, reads in _reads(member).items()))
        local = moment(member.hello.get("localTime"))
        warnings = []
        if credential.writes:
            warnings.append(
                f"the credential can write: {', '.join(credential.writes)}; use clusterMonitor on admin only"
            )
            if not context.settings.allow_privileged:
                warnings.append("the other tools refuse to work with it; RCA_ALLOW_PRIVILEGED=1 lets them")
        if credential.reads_documents:
            warnings.append("the credential can read documents, which no tool needs; use clusterMonitor on admin only")
        if not credential.user:
            warnings.append("no user: this deployment answers without authentication")
        bad = [c for c in checks if c.state != "ok"]
        answer = Health(
            summary=f"{len(checks) - len(bad)} of {len(checks)} tools can read; MongoDB {build.get('version', '?')}, {topology.words}, "
            f"{len(topology.members)} members answer",
            reachable=True,
            version=str(build.get("version", ""))[:40],
            latency_ms=round(latency * 1000, 1),
            clock_skew_s=round((local - context.clock()).total_seconds(), 1) if local else None,
            user=credential.user,
            roles=credential.roles[:20],
            tools=list(checks),
            warnings=warnings,
            partial=topology.gaps(),
            notes=topology.notes(),
        )
        return ok(answer)

    built = strict.tool(health, "health", DESCRIPTION)
    built.meta = {**(built.meta or {}), "rca/audience": "operator"}
    return [built]


def _reads(member: Member) -> dict[str, list[Awaitable[object]]]:
    """For each tool the reads it cannot do without, as the tools themselves send them."""
    return {
        "get_connection_metrics": [member.ask(STATUS), member.ask(BY_CLIENT)],
        "get_query_performance": [member.ask({"getLog": "global"}), member.ask({"listDatabases": 1, "nameOnly": True})],
        "get_database_health": [member.ask(STATUS)],
        "get_current_operations": [member.ask(RUNNING)],
        "get_replication_status": [member.ask({"replSetGetStatus": 1})],
        "get_collection_stats": [member.ask(_NO_COLLECTION, "admin")],
    }


# A statistics read of a collection that every deployment has.
_NO_COLLECTION = {
    "aggregate": "system.version",
    "pipeline": [{"$collStats": {"count": {}}}, {"$limit": 1}],
    "cursor": {"batchSize": 1},
}
_STATES = {"FORBIDDEN": "forbidden", "UNSUPPORTED": "unsupported"}


async def _check(tool: str, reads: list[Awaitable[object]]) -> ToolCheck:
    outcomes = await asyncio.gather(*reads, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, ToolFailure) and outcome.info.code != "NOT_FOUND":
            info = outcome.info
            return ToolCheck(
                tool=tool, state=_STATES.get(info.code, "failed"), missing=info.missing_permission or info.message
            )
        if isinstance(outcome, BaseException) and not isinstance(outcome, ToolFailure):
            raise outcome
    return ToolCheck(tool=tool, state="ok")
