"""`health`: what an operator asks when the server itself is in doubt. It answers also for a credential that the other tools refuse."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from mcp.server.mcpserver.tools import Tool

from mcp_servers.common import health as common
from mcp_servers.common.envelope import ErrorInfo, ToolFailure
from mcp_servers.common.health import Health, Permission
from mcp_servers.common.untrusted import clean
from mcp_servers.mongodb.atlas_client import Atlas, UnknownMetric
from mcp_servers.mongodb.atlas_series import processes
from mcp_servers.mongodb.client import Deployment, Member
from mcp_servers.mongodb.connections import by_client
from mcp_servers.mongodb.context import Context
from mcp_servers.mongodb.operations import RUNNING
from mcp_servers.mongodb.reading import moment
from mcp_servers.mongodb.sampling import STATUS

DESCRIPTION = (
    "For operators: whether MongoDB and Atlas answer, version, latency and clock skew, which user or key is used and what it may do, and "
    "for each tool whether its reads are permitted."
)
MEND = "grant the user clusterMonitor on admin (deploy/mongodb/create-user.js), the Atlas key the roles in docs/servers/mongodb.md"
ONLY_ATLAS = ("get_atlas_metrics", "get_atlas_activity")
_DOCUMENTS = "the user can read documents, which no tool needs; use clusterMonitor on admin only"
# A statistics read of a collection that every deployment has.
_NO_COLLECTION = {
    "aggregate": "system.version",
    "pipeline": [{"$collStats": {"count": {}}}, {"$limit": 1}],
    "cursor": {"batchSize": 1},
}


def tools(context: Context) -> list[Tool]:
    async def health() -> Health:
        atlas = context.settings.atlas
        if not context.settings.uri and atlas is not None:
            return await _only_atlas(context.api())
        deployment = await context.deployment()
        answer = await _of_driver(deployment, context)
        if atlas is not None:
            await _beside(answer, context.api())
        else:
            off = ["Atlas is not configured; RCA_ATLAS_PROJECT_ID and a service account switch it on"]
            answer.permissions += [Permission(tool=name, state="off", missing=off) for name in ONLY_ATLAS]
        return common.settled(answer, mend=MEND)

    return [common.tool(health, DESCRIPTION, "MongoDB" if context.settings.uri else "")]


async def _of_driver(deployment: Deployment, context: Context) -> Health:
    """Raises `ToolFailure` when no member answers or the user is not accepted."""
    topology = await deployment.look()
    member = (topology.data or topology.members)[0]
    began = time.monotonic()
    build = await member.ask({"buildInfo": 1})
    latency = time.monotonic() - began
    credential = await deployment.credential(topology)
    rows = await asyncio.gather(*(_permission(name, reads) for name, reads in _reads(member).items()))
    local = moment(member.hello.get("localTime"))
    answer = Health(
        summary="",
        server=f"{topology.words} at {member.label}",
        reachable=True,
        version=clean(build.get("version"), 40),
        identity=clean(credential.user, 120),
        roles=[clean(r, 60) for r in credential.roles[:20]],
        latency_ms=round(latency * 1000, 1),
        clock_skew_s=round((local - context.clock()).total_seconds(), 1) if local else None,
        permissions=list(rows),
        can_write=credential.writes,
        partial=topology.gaps(),
        notes=topology.notes(),
    )
    if credential.reads_documents:
        answer.warnings.append(_DOCUMENTS)
    if not credential.user:
        answer.warnings.append("no user: this deployment answers without authentication")
    try:
        await deployment.admit(topology)
    except ToolFailure as failure:
        answer.refused = failure.info
    return answer


def _reads(member: Member) -> dict[str, list[Awaitable[object]]]:
    """For each tool the reads it cannot do without, as the tools themselves send them."""
    return {
        "get_connection_metrics": [member.ask(STATUS), member.ask(by_client(router=member.role == "mongos"))],
        "get_query_performance": [member.ask({"getLog": "global"}), member.ask({"listDatabases": 1, "nameOnly": True})],
        "get_database_health": [member.ask(STATUS)],
        "get_current_operations": [member.ask(RUNNING)],
        "get_replication_status": [member.ask({"replSetGetStatus": 1})],
        "get_collection_stats": [member.ask(_NO_COLLECTION, "admin")],
    }


async def _permission(name: str, reads: list[Awaitable[object]]) -> Permission:
    return common.permission(name, list(await asyncio.gather(*(_try(read) for read in reads))))


async def _try(read: Awaitable[Any]) -> ErrorInfo | None:
    try:
        await read
    except ToolFailure as failure:
        return failure.info if failure.info.code != "NOT_FOUND" else None
    except UnknownMetric:
        return None  # it was understood and permitted
    return None


async def _only_atlas(atlas: Atlas) -> Health:
    try:
        answer = Health(summary="", server=atlas.server, reachable=True, identity=clean(atlas.atlas.account, 60))
        began = time.monotonic()
        found = await processes(atlas)
    except ToolFailure as failure:
        return common.unusable(atlas.server, failure, identity=clean(atlas.atlas.account, 60))
    answer.latency_ms = round((time.monotonic() - began) * 1000, 1)
    answer.version = found[0].version
    driver = ["needs the driver: RCA_MONGO_URI"]
    off = ("get_current_operations", "get_replication_status", "get_collection_stats")
    answer.permissions = [Permission(tool=name, state="off", missing=driver) for name in off]
    await _beside(answer, atlas, alone=True)
    return common.settled(answer, mend=MEND)


async def _beside(answer: Health, atlas: Atlas, *, alone: bool = False) -> None:
    """Put what Atlas' key may do into ``answer``; alone it also serves the tools that the driver would."""
    failed = await _try(atlas.inspect())
    process = await _first(atlas)
    if isinstance(process, ErrorInfo):
        answer.permissions += [common.permission(name, [process]) for name in ONLY_ATLAS]
        answer.warnings.append(f"Atlas cannot be used: {process.message}; {process.hint}"[:240])
    else:
        path = f"/processes/{process}"
        measured = await _try(
            atlas.group(f"{path}/measurements", [("granularity", "PT1M"), ("period", "PT5M"), ("m", "CONNECTIONS")])
        )
        slow = await _try(
            atlas.group(f"{path}/performanceAdvisor/slowQueryLogs", [("nLogs", "1"), ("duration", "60000")])
        )
        events = await _try(atlas.rows("/events", [("itemsPerPage", "1")]))
        alerts = await _try(atlas.rows("/alerts", [("status", "OPEN"), ("itemsPerPage", "1")]))
        answer.permissions.append(common.permission("get_atlas_metrics", [measured]))
        answer.permissions.append(common.permission("get_atlas_activity", [events, alerts]))
        if alone:
            answer.permissions.append(common.permission("get_connection_metrics", [measured]))
            answer.permissions.append(common.permission("get_database_health", [measured]))
            answer.permissions.append(common.permission("get_query_performance", [slow]))
        elif slow is not None:
            answer.warnings.append(f"Atlas gives no slow queries: {slow.message}; {slow.hint}"[:240])
    if failed is not None and not isinstance(process, ErrorInfo):
        answer.warnings.append(f"the roles of the Atlas key could not be looked at: {failed.message}"[:240])
    if atlas.excess:
        answer.can_write += [f"Atlas role {role}" for role in atlas.excess[:6]]
    if alone:
        answer.roles = list(atlas.roles)
        refused = await _try(atlas.admit())
        answer.refused = answer.refused or refused


async def _first(atlas: Atlas) -> str | ErrorInfo:
    try:
        return (await processes(atlas))[0].id
    except ToolFailure as failure:
        return failure.info
