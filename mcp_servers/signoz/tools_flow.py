"""`get_request_gaps`: what requests no longer do, where nothing failed aloud."""

import asyncio
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ok
from mcp_servers.common.timerange import parse_range
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.flow import EVERYWHERE, Gap, explained, gaps, shown, signals_of
from mcp_servers.signoz.logs import LINES_LOOKED_AT, volumes
from mcp_servers.signoz.reading import ALERT_AT, SERVICE, name, short
from mcp_servers.signoz.red import sample_of
from mcp_servers.signoz.windows import windows

SIGNALS = ("trace.broken_off",)
DESCRIPTION = (
    "Where requests stop or turn off: log lines that an operation always wrote next and now often does not, by service. Finds swallowed "
    "exceptions and early returns that leave no failed span and no error line. Needs logs with trace and span ids."
)


class GapRow(Lean):
    """``line`` used to follow ``after`` ("" is the request's start) in ``base_ratio`` of the requests, now in ``ratio`` of ``requests``."""

    service: str
    operation: str
    after: str = ""
    line: str
    requests: int
    ratio: float
    base_ratio: float
    stops: bool = False
    callee: str = ""


class Gaps(Envelope):
    """``gaps``: those that no gap further down explains first; ``callee`` names the service that explains the others."""

    gaps: list[GapRow]


def tools(context: Context) -> list[Tool]:
    async def get_request_gaps(
        service: Annotated[str, Field(pattern=SERVICE, description="service.name; empty: all")] = "",
        time_range: Annotated[str, Field(max_length=100)] = "30m",
        alert_at: Annotated[str, Field(pattern=ALERT_AT, description="ISO time of the alert's start")] = "",
        limit: Annotated[int, Field(ge=1, le=20)] = 6,
    ) -> Annotated[CallToolResult, Gaps]:
        source = await context.source()
        asked = parse_range(time_range, context.clock())
        both = await windows(source, asked, alert_at)
        sample, totals = await asyncio.gather(sample_of(source, both), source.log_volumes(both, ""))
        written = volumes(totals.rows)
        sample = max(sample, round(sum(v.lines + v.base_lines for v in written.values()) / LINES_LOOKED_AT))
        steps, calls = await asyncio.gather(source.steps(both, service, sample), source.calls(both, "", sample))
        errors = {who: volume.more_errors(both) for who, volume in written.items()}
        pairs = ((str(r["source"]), str(r["target"])) for r in calls.rows)
        lost, notes = gaps(steps.rows), steps.notes
        if not lost:
            # Without lines that tell of it, the calls that an operation makes do: less surely, for a callee's answer may decide on them.
            doings = await source.doings(both, service, sample)
            lost, notes = gaps(doings.rows), (*notes, *doings.notes)
        found = explained(lost, pairs, errors)
        answer = Gaps(
            summary="",
            window=asked.window(),
            notes=[*asked.notes, *both.notes, *notes, *calls.notes, *totals.notes],
            gaps=[_row(g) for g in found[:limit]],
            signals=signals_of(found, both),
            untrusted=["gaps[].line", "gaps[].after"],
        )
        services = len({g.service for g in found})
        if services > EVERYWHERE:
            answer.notes.insert(0, f"{services} services miss lines at once: more likely logs are lost than requests")
        if sample > 1:
            answer.notes.append(f"read on every {sample}. trace")
        told = f"; {name(found[0].service, 60)}: {answer.signals[0].detail}" if answer.signals else ""
        answer.summary = f"{len(found)} operations in {services} services miss a step that was certain{told}"
        if not found:
            answer.summary = "no request misses a step that was certain before"
        return ok(answer)

    return [strict.tool(get_request_gaps, "get_request_gaps", DESCRIPTION, SIGNALS)]


def _row(g: Gap) -> GapRow:
    return GapRow(
        service=name(g.service),
        operation=name(g.operation),
        after=shown(g.after) if g.after else "",
        line=shown(g.line),
        requests=int(g.count),
        ratio=short(g.now),
        base_ratio=short(g.before),
        stops=g.stops,
        callee=name(g.of_callee),
    )
