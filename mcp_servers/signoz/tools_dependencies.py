"""`get_service_dependencies`: which call between services became worse, and which operation changed its way."""

import asyncio
from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ok
from mcp_servers.common.timerange import parse_range
from mcp_servers.signoz.client import Row
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.edges import Edge, behind, callees, path_signals, read_edges, signals_of, slow_io
from mcp_servers.signoz.reading import ALERT_AT, SERVICE, name, number, ratio, short
from mcp_servers.signoz.red import sample_of
from mcp_servers.signoz.unanswered import counted, missing, silent
from mcp_servers.signoz.unanswered import signals_of as signals_of_silence
from mcp_servers.signoz.windows import windows
from mcp_servers.signoz.windows_compare import keep

SIGNALS = ("svc.io_slow", "dep.error_rate_up", "dep.latency_up", "dep.new_edge", "dep.gone", "trace.path_changed")
DESCRIPTION = (
    "Calls from and to one service (or all) against the time before: failures, time in the callee, time lost on the way, edges that are "
    "new or gone, databases and queues; operations that skip or add calls. Says which service to look at next."
)


class EdgeRow(Lean):
    """``mean_ms`` is the callee's own duration, ``gap_ms`` what the caller waited beyond it; per call."""

    source: str
    target: str
    kind: str
    calls: int
    base_calls: int = 0
    error_ratio: float = 0
    base_error_ratio: float = 0
    mean_ms: float = 0
    base_mean_ms: float = 0
    gap_ms: float = 0
    base_gap_ms: float = 0


class PathRow(Lean):
    """How often ``to`` happens below one call of ``operation``."""

    service: str
    operation: str
    to: str
    per_call: float
    base_per_call: float


class Dependencies(Envelope):
    """``edges``: failing first, then the most slowed. ``paths``: the most changed first. ``reached``: ``entrance`` and every service that
    it calls, through others, too, at most 200; empty without an entrance, or when no span knows it. ``silent``: services that leave calls
    without an answer which they answered before, the most missed first."""

    edges: list[EdgeRow]
    edges_total: int
    silent: list[str] = Field(default_factory=list)
    reached: list[str] = Field(default_factory=list)
    paths: list[PathRow] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def get_service_dependencies(  # noqa: PLR0917 (the arguments of the tool)
        service: Annotated[str, Field(pattern=SERVICE, description="service.name; empty: all")] = "",
        time_range: Annotated[str, Field(max_length=100)] = "30m",
        alert_at: Annotated[str, Field(pattern=ALERT_AT, description="ISO time of the alert's start")] = "",
        direction: Literal["both", "up", "down"] = "both",
        limit: Annotated[int, Field(ge=1, le=40)] = 12,
        entrance: Annotated[str, Field(pattern=SERVICE, description="also list what this service reaches")] = "",
    ) -> Annotated[CallToolResult, Dependencies]:
        source = await context.source()
        asked = parse_range(time_range, context.clock())
        both = await windows(source, asked, alert_at)
        sample = await sample_of(source, both)
        calls, backends, paths, answers = await asyncio.gather(
            source.calls(both, service, sample),
            source.backends(both, service),
            source.paths(both, service, sample),
            source.unanswered(both, service, sample),
        )
        lost = missing(answers.rows, both)
        reached = _reached(entrance, calls.rows) if entrance and not service else []
        edges = counted(read_edges(calls.rows, "service"), lost, sample) + read_edges(backends.rows, "backend")
        if service and direction != "both":
            edges = [e for e in edges if (e.target if direction == "up" else e.source) == service]
        edges.sort(
            key=lambda e: (-(e.error_ratio - e.base_error_ratio) if e.errors else 0, -e.slower_ms, e.source, e.target)
        )
        answer = Dependencies(
            summary="",
            window=asked.window(),
            notes=[*asked.notes, *both.notes, *calls.notes, *backends.notes, *paths.notes, *answers.notes],
            silent=[name(s) for s in silent(lost)][:20],
            edges=[_row(e) for e in edges[:limit]],
            edges_total=len(edges),
            paths=[_path(row) for row in paths.rows[:6]],
            reached=reached,
        )
        weighed = [(1e12, s) for s in (*slow_io(edges, both), *signals_of_silence(lost, both))]
        # Time lost in all calls of an edge is what it explains of a slow gateway; ways that changed come after.
        weighed += [(max(0.0, e.slower_ms) * e.calls, s) for e in edges for s in signals_of(e, both)]
        weighed += [(0.0, s) for s in path_signals(paths.rows, both)]
        answer.signals = keep(weighed, answer.notes)
        if not edges:
            answer.notes.append(
                f"{service} neither calls nor is called in these spans"
                if service
                else "no span has a parent in another service"
            )
        told = answer.signals[0].detail if answer.signals else "none became worse"
        answer.summary = f"{len(edges)} edges{f' of {name(service)}' if service else ''}; {told}"
        return ok(answer)

    return [strict.tool(get_service_dependencies, "get_service_dependencies", DESCRIPTION, SIGNALS)]


def _reached(entrance: str, rows: list[Row]) -> list[str]:
    below = callees((str(row["source"]), str(row["target"])) for row in rows)
    known = entrance in below or any(entrance in targets for targets in below.values())
    return [name(s) for s in [entrance, *sorted(behind(entrance, below) - {entrance})]][:200] if known else []


def _row(e: Edge) -> EdgeRow:
    return EdgeRow(
        source=name(e.source),
        target=name(e.target),
        kind=e.kind,
        calls=int(e.calls),
        base_calls=int(e.base_calls),
        error_ratio=ratio(e.errors, e.calls),
        base_error_ratio=ratio(e.base_errors, e.base_calls),
        mean_ms=short(e.mean),
        base_mean_ms=short(e.base_mean),
        gap_ms=short(e.gap),
        base_gap_ms=short(e.base_gap),
    )


def _path(row: Row) -> PathRow:
    return PathRow(
        service=name(row["service"]),
        operation=name(row["name"], 80),
        to=f"{name(row['to_service'], 60)}: {name(row['to_name'], 80)}",
        per_call=ratio(number(row["below"]), number(row["calls"])),
        base_per_call=ratio(number(row["base_below"]), number(row["base_calls"])),
    )
