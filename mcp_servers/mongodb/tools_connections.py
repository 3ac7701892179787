"""`get_connection_metrics`: how full each member is, how fast connections come, and who holds them."""

import asyncio
import time
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Signal, ok
from mcp_servers.mongodb import connections as c
from mcp_servers.mongodb.client import Member
from mcp_servers.mongodb.context import Context
from mcp_servers.mongodb.reading import Reading
from mcp_servers.mongodb.sampling import sample

DESCRIPTION = (
    "Connections of each MongoDB member now: current, limit, active, new a second (measured over 1 s), rejected; and which applications "
    "and hosts hold them. Takes no arguments. Signals: saturation, connection storm, rejections, one client holding most."
)


class ConnectionMetrics(Envelope):
    """``by_client`` has at most eight rows, the largest first; ``client_total`` counts all client connections that were seen."""

    members: list[c.MemberConnections]
    by_client: list[c.Client]
    client_total: int


def tools(context: Context) -> list[Tool]:
    async def get_connection_metrics() -> Annotated[CallToolResult, ConnectionMetrics]:
        topology, reading = await context.topology(), Reading()
        began = time.monotonic()
        samples, groups = await asyncio.gather(sample(topology.data, reading), _groups(topology.data, reading))
        limits = context.settings.thresholds
        rows: list[c.MemberConnections] = []
        signals: list[Signal] = []
        notes: list[str] = []
        for taken in samples:
            row = c.member_row(taken.member.label, taken.member.role, taken.first, taken.second, taken.seconds)
            rows.append(row)
            signals += c.member_signals(row, taken.first, taken.second, taken.seconds, limits)
            if row.limit is None:
                notes.append(f"{row.host} {c.UNKNOWN_LIMIT}")
        held = c.clients(groups)
        signals += c.dominating(held, f"mongo/{topology.set_name or topology.members[0].label}", limits)
        fullest = max(rows, key=lambda r: (r.usage_ratio or 0, r.current or 0), default=None)
        answer = ConnectionMetrics(
            summary=_summary(fullest, len(rows), held),
            signals=signals,
            members=rows,
            by_client=held[: c.SHOWN],
            client_total=sum(r.count for r in held),
            partial=topology.gaps(),
            notes=[*topology.notes(), *notes],
            untrusted=["by_client[].app_name", "by_client[].driver"],
        )
        if len(held) > c.SHOWN:
            answer.notes.append(f"by_client shows the largest {c.SHOWN} of {len(held)} groups")
        if not signals and rows:
            answer.notes.append(
                f"nothing stands out; rates are over {time.monotonic() - began:.1f} s, not over a window"
            )
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_connection_metrics, "get_connection_metrics", DESCRIPTION, c.CODES)]


async def _groups(members: list[Member], reading: Reading) -> list[c.Json]:
    """The clients of every member that keeps count of its own; a mongos shows its shards' connections instead."""
    asked = [m for m in members if m.role != "mongos"]
    parts = await asyncio.gather(*(reading.of(f"clients of {m.label}", m.rows(c.BY_CLIENT), []) for m in asked))
    return [group for part in parts for group in part]


def _summary(fullest: c.MemberConnections | None, members: int, held: list[c.Client]) -> str:
    if fullest is None:
        return "no member reports its connections"
    of = f" of {fullest.limit} ({fullest.usage_ratio:.0%})" if fullest.limit and fullest.usage_ratio is not None else ""
    more = f"; most are held by {held[0].app_name or held[0].driver or 'a client without a name'}" if held else ""
    return f"{fullest.current}{of} connections on {fullest.host}, the fullest of {members} members asked{more}"
