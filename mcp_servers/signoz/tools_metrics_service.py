"""`get_service_resources`: which resource of a service changed, or which service's did, in one bounded call."""

from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ToolFailure, ok
from mcp_servers.common.timerange import parse_range
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.reading import ALERT_AT, SERVICE, name
from mcp_servers.signoz.series import Shape, significant
from mcp_servers.signoz.series_resources import Change, compare, signals_of
from mcp_servers.signoz.tools_metrics import step_for
from mcp_servers.signoz.windows import iso, windows

SIGNALS = ("res.cpu_at_limit", "res.mem_near_limit", "res.disk_near_full", "res.changed")
_LONGEST = timedelta(hours=6)
DESCRIPTION = (
    "CPU, memory, throttling, restarts, disk, network, threads and connections of one service's pods (or of all services, most changed "
    "first) against the time before, as far as metrics of it are reported. Says which resource changed, since when, on which pod."
)


class ResourceRow(Lean):
    """Mean over the service's pods (a counter as its rate a second); ``now`` is what it changed to, ``before`` the usual value."""

    service: str
    metric: str
    kind: str
    unit: str = ""
    now: float | None = None
    before: float | None = None
    max: float | None = None
    shape: Shape
    changed_at: str | None = None
    changed: bool = False
    pod: str = ""


class Resources(Envelope):
    """``resources``: what changed most, for its kind, stands first."""

    resources: list[ResourceRow]
    resources_total: int
    changed_total: int = 0


def tools(context: Context) -> list[Tool]:
    async def get_service_resources(
        service: Annotated[
            str, Field(pattern=SERVICE, description="service.name; empty: all, most changed first")
        ] = "",
        time_range: Annotated[str, Field(max_length=100)] = "30m",
        alert_at: Annotated[str, Field(pattern=ALERT_AT, description="ISO time of the alert's start")] = "",
        limit: Annotated[int, Field(ge=1, le=40)] = 12,
    ) -> Annotated[CallToolResult, Resources]:
        source = await context.source()
        asked = parse_range(time_range, context.clock(), _LONGEST)
        both = await windows(source, asked, alert_at, "metrics")
        since = min(both.base_from, both.cur_from)
        found = await source.resources(service, since, both.cur_to, step_for(both.cur_to - since))
        if service and not found:
            others = sorted({r.service for r in await source.resources("", since, both.cur_to, 3600)})
            near = get_close_matches(service, others, 5, 0.4)
            raise ToolFailure(
                "NOT_FOUND",
                f"no metric names service {service[:80]} between {iso(since)} and {iso(both.cur_to)}",
                hint=f"services with a close name: {', '.join(near)}"
                if near
                else f"{len(others)} services have resource metrics there; pods are matched by service.name or their workload's name",
            )
        changes = sorted(
            (compare(one, both) for one in found), key=lambda c: (-c.score, c.resource.service, c.resource.metric)
        )
        answer = Resources(
            summary="",
            window=asked.window(),
            notes=[*asked.notes, *both.notes],
            resources=[_row(c) for c in changes[:limit]],
            resources_total=len(changes),
            changed_total=sum(c.changed for c in changes),
        )
        for change in changes:
            answer.signals += signals_of(change, both)
        if not found:
            answer.notes.append(
                "no metric of CPU, memory, disk or network names a service: none is collected, or under other labels"
            )
        told = answer.signals[0] if answer.signals else None
        answer.summary = f"{len(changes)} metrics, {answer.changed_total} changed"
        answer.summary += f"; {told.subject}: {told.detail}" if told else "; no resource use rose"
        return ok(answer)

    return [strict.tool(get_service_resources, "get_service_resources", DESCRIPTION, SIGNALS)]


def _row(c: Change) -> ResourceRow:
    values = [v for _, v in c.resource.peak.points]
    return ResourceRow(
        service=name(c.resource.service),
        metric=name(c.resource.metric),
        kind=c.kind,
        unit=name(c.resource.unit, 30),
        now=None if c.now is None else significant(c.now),
        before=None if c.before is None else significant(c.before),
        max=significant(max(values)) if values else None,
        shape=c.judged.shape,
        changed_at=iso(c.judged.changed_at) if c.judged.changed_at is not None else None,
        changed=c.changed,
        pod=name(c.resource.pod),
    )
