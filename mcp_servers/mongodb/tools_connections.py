"""`get_connection_metrics`: how full each member is, how fast connections come, and who holds them."""

import asyncio
import time
from datetime import timedelta
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Signal, ToolFailure, ok
from mcp_servers.common.timerange import Range, parse_range
from mcp_servers.mongodb import connections as c
from mcp_servers.mongodb.atlas_health import LEAK
from mcp_servers.mongodb.atlas_page import History, history
from mcp_servers.mongodb.atlas_series import Series
from mcp_servers.mongodb.client import Member
from mcp_servers.mongodb.context import NO_DRIVER, Context
from mcp_servers.mongodb.reading import Reading
from mcp_servers.mongodb.sampling import sample

DESCRIPTION = (
    "Connections of each MongoDB member now: current, limit, active, new a second (over 1 s), rejected; which applications "
    "and hosts hold them; with Atlas also the history over `time_range`. Signals: saturation, storm, rejections, a dominating client."
)


class ConnectionMetrics(Envelope):
    """``by_client`` has at most eight rows, the largest first; ``client_total`` counts all client connections that were seen.

    ``history`` is Atlas' count over the window, a series for each member.
    """

    members: list[c.MemberConnections]
    by_client: list[c.Client]
    client_total: int
    history: list[Series] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def get_connection_metrics(
        time_range: Annotated[str, Field(max_length=100, description="of the history, which only Atlas keeps")] = "1h",
    ) -> Annotated[CallToolResult, ConnectionMetrics]:
        reading = Reading()
        window = parse_range(time_range, context.clock(), timedelta(days=7))
        topology, past = await asyncio.gather(context.members(reading), history(context, window, reading))
        if topology is None:
            return ok(_from_atlas(past, window, reading))
        began = time.monotonic()
        samples, (groups, full) = await asyncio.gather(sample(topology.data, reading), _groups(topology.data, reading))
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
        signals += past.signals
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
            notes=[*window.notes, *topology.notes(), *notes, *past.notes],
            window=window.window() if past.series else None,
            history=past.series,
            untrusted=["by_client[].app_name", "by_client[].driver", "by_client[].host_group"],
        )
        if full:
            answer.notes.append(f"{', '.join(full)}: only the {c.MOST} largest groups of clients were counted")
        if len(held) > c.SHOWN:
            answer.notes.append(f"by_client shows the largest {c.SHOWN} of {len(held)} groups")
        if not signals and rows:
            answer.notes.append(
                f"nothing stands out; rates are over {time.monotonic() - began:.1f} s, not over a window"
            )
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_connection_metrics, "get_connection_metrics", DESCRIPTION, (*c.CODES, *LEAK))]


def _from_atlas(past: History, window: Range, reading: Reading) -> ConnectionMetrics:
    """What Atlas alone can tell. Raises `ToolFailure` when it does not answer either."""
    if not past.members:
        raise ToolFailure(**next(iter(reading.missing.values())).model_dump())
    fullest = max(past.members, key=lambda r: r.current or 0)
    answer = ConnectionMetrics(
        summary=_summary(fullest, len(past.members), []),
        window=window.window(),
        signals=past.signals,
        members=past.members,
        by_client=[],
        client_total=0,
        history=past.series,
        notes=[
            *window.notes,
            "Atlas does not tell limits, rejections, new connections a second or who holds them",
            *past.notes,
        ],
    )
    answer.notes.insert(
        0, NO_DRIVER if "members" not in reading.missing else "no member could be reached; this is what Atlas measures"
    )
    reading.into(answer)
    return answer


async def _groups(members: list[Member], reading: Reading) -> tuple[list[c.Json], list[str]]:
    """The clients of every member, and whose groups were too many to be read in full."""

    async def one(member: Member) -> list[c.Json]:
        return await member.rows(c.by_client(router=member.role == "mongos"))

    parts = await asyncio.gather(*(reading.of(f"clients of {m.label}", one(m), []) for m in members))
    full = [m.label for m, part in zip(members, parts, strict=True) if len(part) >= c.MOST]
    return [group for part in parts for group in part], full


def _summary(fullest: c.MemberConnections | None, members: int, held: list[c.Client]) -> str:
    if fullest is None:
        return "no member reports its connections"
    of = f" of {fullest.limit} ({fullest.usage_ratio:.0%})" if fullest.limit and fullest.usage_ratio is not None else ""
    more = f"; most are held by {held[0].app_name or held[0].driver or 'a client without a name'}" if held else ""
    return f"{fullest.current}{of} connections on {fullest.host}, the fullest of {members} members asked{more}"
