"""`search_traces`: which operations fail or take long, and a trace of each to open."""

from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.timerange import parse_range
from mcp_servers.common.untrusted import clean
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.reading import SERVICE, name, short, subject
from mcp_servers.signoz.series_filters import parse_filter
from mcp_servers.signoz.series_reads import FoundSpan, SpanGroup, TraceSearch, TracesFound
from mcp_servers.signoz.windows import iso

SIGNALS = ("trace.error_origin",)
DESCRIPTION = (
    "Spans that fail (or take long, or all) in groups of service, operation and status, with counts, latencies and trace ids for "
    "query_traces. Groups in which failures began stand first. filter: k = 'v' AND k2 IN ('a','b') on attributes."
)
GROUPS = 8
ORIGIN_SHARE = 0.2


class GroupRow(Lean):
    """Latencies in ms; ``origins`` of the failures began here, without a failing call below."""

    service: str
    name: str
    http_status: str = ""
    error: bool = False
    count: int
    origins: int = 0
    p50_ms: float
    p99_ms: float
    status: str = ""
    trace_id: str = ""


class TraceRow(Lean):
    """One span of a trace worth opening."""

    trace_id: str
    at: str
    service: str
    name: str
    duration_ms: float
    error: bool = False
    http_status: str = ""
    status: str = ""


class SearchResult(Envelope):
    """``total`` counts the matching spans, of which ``groups`` holds at most eight kinds."""

    total: int
    groups: list[GroupRow] = Field(default_factory=list)
    groups_total: int = 0
    traces: list[TraceRow] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def search_traces(  # noqa: PLR0917 (the arguments of the tool)
        service: Annotated[str, Field(pattern=SERVICE, description="service.name; empty: all")] = "",
        time_range: Annotated[str, Field(max_length=100)] = "30m",
        kind: Literal["errors", "slow", "all"] = "errors",
        operation: Annotated[str, Field(max_length=200, description="exact span name")] = "",
        min_duration_ms: Annotated[float, Field(ge=0, le=86_400_000)] = 0,
        http_status: Annotated[str, Field(pattern=r"^([1-5][0-9]{2})?$")] = "",
        filter: Annotated[str, Field(max_length=1000)] = "",
        limit: Annotated[int, Field(ge=1, le=30)] = 10,
    ) -> Annotated[CallToolResult, SearchResult]:
        conditions = parse_filter(filter)
        source = await context.source()
        asked = parse_range(time_range, context.clock())
        wanted = TraceSearch(
            int(asked.start.timestamp()),
            int(asked.end.timestamp()) + 1,
            kind,
            service,
            operation,
            min_duration_ms,
            http_status,
            conditions,
            limit,
        )
        found = await source.find_traces(wanted)
        groups = sorted(found.groups, key=lambda g: -g.origins)
        answer = SearchResult(
            summary=_summary(kind, found, groups),
            window=asked.window(),
            notes=[*asked.notes, *found.notes],
            total=found.total,
            groups=[_group(g) for g in groups[:GROUPS]],
            groups_total=len(groups),
            traces=[_trace(t) for t in found.spans],
            untrusted=["groups[].status", "groups[].name", "traces[].status", "traces[].name"],
        )
        if found.sampled > 1:
            answer.notes.append(f"origins are measured on every {found.sampled}. trace")
        if len(groups) > GROUPS:
            answer.notes.append(f"{len(groups) - GROUPS} smaller groups are not shown")
        most = sum(g.origins for g in groups)
        for group in groups[:GROUPS]:
            if group.origins and group.origins >= ORIGIN_SHARE * most:
                detail = f"{group.origins} of {most} failures began in {name(group.name, 80)}"
                said = clean(group.status, 80)
                answer.signals.append(
                    signal(
                        "trace.error_origin",
                        subject(group.service),
                        f"{detail}: {said}" if said else detail,
                        value=group.origins,
                        count=group.origins,
                    )
                )
        if not groups:
            answer.notes.append(await _why_empty(context, wanted))
        return ok(answer)

    return [strict.tool(search_traces, "search_traces", DESCRIPTION, SIGNALS)]


async def _why_empty(context: Context, wanted: TraceSearch) -> str:
    source = await context.source()
    everything = TraceSearch(wanted.from_s, wanted.to_s, "all", wanted.service, limit=1)
    same = await source.find_traces(everything)
    if same.groups:
        return f"{same.total:,} requests were traced here, but none matches; kind=all without filters shows them"
    if wanted.service and (await source.find_traces(TraceSearch(wanted.from_s, wanted.to_s, "all", limit=1))).groups:
        return f"service {name(wanted.service, 80)} has no entry span in this window, others have; find_fields lists service.name"
    return "no traces at all in this window: an ingestion gap, or the time is wrong"


def _summary(kind: str, found: TracesFound, groups: list[SpanGroup]) -> str:
    what = {"errors": "failing spans", "slow": "requests, the slowest first", "all": "requests"}[kind]
    told = f"{found.total:,} {what} in {len(groups)} groups"
    if groups:
        first = groups[0]
        told += f"; {name(first.service, 60)} {name(first.name, 60)}: {first.count:,}, p99 {first.p99:.0f} ms"
        told += f", {first.origins} failures began there" if first.origins else ""
    return told


def _group(g: SpanGroup) -> GroupRow:
    return GroupRow(
        service=name(g.service),
        name=name(g.name),
        http_status=name(g.http_status, 10),
        error=g.error,
        count=g.count,
        origins=g.origins,
        p50_ms=short(g.p50),
        p99_ms=short(g.p99),
        status=clean(g.status, 160),
        trace_id=name(g.trace_id, 32),
    )


def _trace(t: FoundSpan) -> TraceRow:
    return TraceRow(
        trace_id=name(t.trace_id, 32),
        at=iso(t.at),
        service=name(t.service),
        name=name(t.name),
        duration_ms=short(t.duration),
        error=t.error,
        http_status=name(t.http_status, 10),
        status=clean(t.status, 160),
    )
