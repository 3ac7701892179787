"""`get_atlas_metrics`: how a cluster's processes did over a window, as Atlas measured them."""

from datetime import timedelta
from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, ToolFailure, ok
from mcp_servers.common.timerange import parse_range
from mcp_servers.mongodb import atlas_series as s
from mcp_servers.mongodb.context import Context
from mcp_servers.mongodb.reading import Reading

DESCRIPTION = (
    "MongoDB Atlas' own measurements of each process over a window, at most 30 points each: connections, CPU, cache, tickets, query "
    "targeting, operation times, replication lag, disk IOPS and free space. `metrics`: Atlas' names; empty: these. Needs Atlas."
)


class AtlasMetrics(Envelope):
    """``series`` in the order of the metrics, the primary first; each has its own unit."""

    granularity: str
    series: list[s.Series]


def tools(context: Context) -> list[Tool]:
    async def get_atlas_metrics(
        metrics: Annotated[
            list[Annotated[str, Field(pattern=s.METRIC)]], Field(max_length=20, description="empty: the usual ones")
        ] = [],  # noqa: B006 (pydantic copies it)
        time_range: Annotated[str, Field(max_length=100)] = "1h",
        granularity: Literal["auto", "PT1M", "PT5M", "PT1H"] = "auto",
    ) -> Annotated[CallToolResult, AtlasMetrics]:
        window = parse_range(time_range, context.clock(), timedelta(days=7))
        atlas, reading = await context.atlas(), Reading()
        found = await s.processes(atlas)
        wanted = list(dict.fromkeys(metrics)) or [*s.PROCESS_METRICS, *s.DISK_METRICS]
        step = s.granularity(window, granularity)
        measured = await s.everywhere(atlas, found, wanted, window, step, reading)
        if reading.missing and not any(m.points for m in measured):
            raise ToolFailure(**next(iter(reading.missing.values())).model_dump())
        rows = [
            s.series(metric, process.label, one, window, step)
            for metric in wanted
            for process, one in zip(found, measured, strict=True)
            if one.points.get(metric)
        ]
        told = {r.metric for r in rows}
        unknown = sorted({u for m in measured for u in m.unknown})
        silent = [m for m in wanted if m not in told and m not in unknown]
        answer = AtlasMetrics(
            summary=f"{len(rows)} series of {len(told)} metrics on {len(found)} processes, a point each {step[2:].lower()}",
            window=window.window(),
            granularity=step,
            series=rows,
            notes=list(window.notes),
        )
        if unknown:
            answer.notes.append(f"Atlas does not know {', '.join(unknown)}; left out")
        if silent:
            answer.notes.append(
                f"no points in this window: {', '.join(silent)}; Atlas keeps 1-minute points for 48 hours"
            )
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_atlas_metrics, "get_atlas_metrics", DESCRIPTION)]
