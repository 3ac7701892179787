"""`get_replication_status`: who is primary, who lags or is away, and when that changed."""

from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Page, ok
from mcp_servers.mongodb.context import Context
from mcp_servers.mongodb.replication import CODES, SetView, set_signals
from mcp_servers.mongodb.viewing import view

DESCRIPTION = (
    "The replica set as its primary sees it: each member's state, lag in seconds, sync source, last heartbeat and its message; the last "
    "election with time and reason; initial sync. Signals: no primary, election, member down, replication lag."
)


class ReplicationStatus(Envelope):
    set: SetView


def tools(context: Context) -> list[Tool]:
    async def get_replication_status(
        limit: Annotated[int, Field(ge=1, le=50, description="members")] = 7,
    ) -> Annotated[CallToolResult, ReplicationStatus]:
        topology = await context.topology()
        seen = await view(topology)
        signals = set_signals(seen, context.clock(), context.settings.thresholds, topology.primary is not None)
        answer = ReplicationStatus(
            summary=_summary(seen),
            signals=signals,
            set=seen.model_copy(update={"members": seen.members[:limit]}),
            partial=topology.gaps(),
            notes=topology.notes(),
            page=Page(returned=min(limit, len(seen.members)), total=len(seen.members)),
            untrusted=["set.members[].message"],
        )
        if topology.primary is None:
            answer.notes.append(f"no member that was reached is primary; this is the view of {seen.seen_by}")
        if len(seen.members) == 1:
            answer.notes.append("one member only: there is nothing to lag or to fail over to")
        elif not signals:
            answer.notes.append("every member is up and close to the primary, and there was no election lately")
        return ok(answer)

    return [strict.tool(get_replication_status, "get_replication_status", DESCRIPTION, CODES)]


def _summary(seen: SetView) -> str:
    up = sum(m.healthy for m in seen.members)
    lags = [m for m in seen.members if m.lag_s is not None and m.state != "PRIMARY"]
    worst = max(lags, key=lambda m: m.lag_s or 0, default=None)
    lag = f"; largest lag {worst.lag_s:g} s on {worst.host}" if worst else ""
    return f"{up} of {len(seen.members)} members of {seen.name} are up; primary {seen.primary or 'none'}{lag}"
