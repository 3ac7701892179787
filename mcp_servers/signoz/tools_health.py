"""`health`: for operators. What answers, who the credential is, and which tools it can serve."""

import asyncio
import time

from mcp.server.mcpserver.tools import Tool

from mcp_servers.common import health as common
from mcp_servers.common.envelope import ErrorInfo, ToolFailure
from mcp_servers.common.health import Health
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.reading import name
from mcp_servers.signoz.sources import PARTS, Source

DESCRIPTION = (
    "For operators: whether SigNoz (or its store) answers, as whom it is read, which tools the credential and the version allow, and what "
    "to mend."
)
MENDS = {
    "signoz-clickhouse": "deploy/signoz/clickhouse-reader.sql grants all that the tools read, and nothing else",
    "signoz-http": "give the key's service account the role Viewer in SigNoz (Settings, Service accounts)",
}


def tools(context: Context) -> list[Tool]:
    async def health() -> Health:
        return await health_of(await context.backend(), context)

    settings = context.settings
    return [common.tool(health, DESCRIPTION, settings.url or (settings.api.url if settings.api else ""))]


async def health_of(source: Source, context: Context) -> Health:
    """The answer. Raises `ToolFailure` when the backend does not answer or does not know the credential."""
    began = time.monotonic()
    told = await source.identity()
    latency = (time.monotonic() - began) * 1000
    answer = Health(
        summary="",
        server=told.where,
        reachable=True,
        version=f"{told.product} {name(told.version, 40)}".strip(),
        identity=name(told.user, 80),
        roles=[name(r, 60) for r in told.roles],
        latency_ms=round(latency, 1),
        clock_skew_s=None if told.now is None else round(told.now - context.clock().timestamp(), 1),
        can_write=list(told.excess),
        warnings=list(told.warnings),
        refused=source.refusal.info if source.refusal else None,
    )
    if source.refusal is None:
        failures = await asyncio.gather(*(_probe(source, part) for part in PARTS))
        answer.permissions = [
            common.permission(tool, [failure])
            for part, failure in zip(PARTS, failures, strict=True)
            for tool in PARTS[part]
        ]
    return common.settled(answer, mend=MENDS[source.backend])


async def _probe(source: Source, part: str) -> ErrorInfo | None:
    try:
        await source.probe(part)
    except ToolFailure as failure:
        return failure.info
    return None
