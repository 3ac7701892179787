"""`query_traces`: one trace, read to its point."""

from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ToolFailure, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.reading import name, ratio, short, subject
from mcp_servers.signoz.trace import (
    MAX_SPANS,
    Span,
    Tree,
    build,
    costs,
    critical_path,
    origins,
    repeated,
)
from mcp_servers.signoz.windows import iso

SIGNALS = ("trace.error_origin", "trace.slow_span", "trace.n_plus_one", "trace.missing_spans")
DESCRIPTION = (
    "One trace by its id: the critical path, own time per service, where the failure began, operations that repeat under one parent (N+1), "
    "missing spans. Trace ids come from query_logs."
)
_SLOW_SHARE, _SLOW_MS = 0.5, 50


class SpanOut(Lean):
    """Times in ms; ``offset_ms`` from the trace's start."""

    span_id: str
    service: str
    name: str
    kind: str = ""
    offset_ms: float
    duration_ms: float
    self_ms: float
    error: bool = False
    status: str = ""
    http_status: str = ""
    db: str = ""
    pod: str = ""


class ServiceCost(Lean):
    """Own time of one service in the trace, and its share of all own time."""

    service: str
    spans: int
    errors: int = 0
    self_ms: float
    share_ratio: float = 0


class TraceResult(Envelope):
    """``error_spans`` are the failures' origins, the earliest first."""

    trace_id: str
    root_service: str
    root_operation: str
    started: str
    duration_ms: float
    spans_total: int
    errors_total: int = 0
    complete: bool = True
    services: list[ServiceCost] = Field(default_factory=list)
    critical_path: list[SpanOut] = Field(default_factory=list)
    error_spans: list[SpanOut] = Field(default_factory=list)
    repeated: list[str] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def query_traces(
        trace_id: Annotated[str, Field(pattern=r"^[0-9a-fA-F-]{16,40}$", description="32 hex digits")],
        max_spans: Annotated[int, Field(ge=1, le=80, description="spans of the path and of the failures")] = 25,
    ) -> Annotated[CallToolResult, TraceResult]:
        source = await context.source()
        wanted = trace_id.replace("-", "").lower().zfill(32)
        read = await source.trace_spans(wanted, int(context.clock().timestamp()))
        if not read.rows:
            raise ToolFailure(
                "NOT_FOUND",
                f"no span of trace {wanted} is kept",
                hint="it may have been sampled out, be past retention, or not have arrived yet",
            )
        answer = _answer(wanted, build(read.rows), len(read.rows) >= MAX_SPANS, max_spans)
        answer.notes += read.notes
        return ok(answer)

    return [strict.tool(query_traces, "query_traces", DESCRIPTION, SIGNALS)]


def _answer(trace_id: str, tree: Tree, cut: bool, max_spans: int) -> TraceResult:
    root, path, began = tree.roots[0], critical_path(tree), origins(tree)
    spent = costs(tree)
    everything = sum(c[3] for c in spent)
    total_ms = (tree.end - tree.start) / 1e6
    answer = TraceResult(
        summary="",
        trace_id=trace_id,
        root_service=name(root.service),
        root_operation=name(root.name),
        started=iso(tree.start / 1e9),
        duration_ms=short(total_ms),
        spans_total=len(tree.spans),
        errors_total=sum(s.error for s in tree.spans),
        complete=not cut and not tree.orphans,
        services=[
            ServiceCost(
                service=name(s), spans=n, errors=e, self_ms=short(own / 1e6), share_ratio=ratio(own, everything)
            )
            for s, n, e, own in spent[:12]
        ],
        critical_path=[_span(s, tree.start) for s in path[:max_spans]],
        error_spans=[_span(s, tree.start) for s in began[: max(1, max_spans // 2)]],
        untrusted=["error_spans[].status", "critical_path[].status"],
    )
    for span in began[:3]:
        said = clean(span.row.get("status"), 120)
        answer.signals.append(
            signal(
                "trace.error_origin",
                subject(span.service),
                f"{name(span.name, 80)} failed{f': {said}' if said else ''}",
                since=iso(span.start / 1e9),
            )
        )
    slow = max(tree.spans, key=lambda s: (s.own, s.id))
    if slow.own / 1e6 >= _SLOW_MS and slow.own >= _SLOW_SHARE * (tree.end - tree.start):
        detail = f"{name(slow.name, 80)} takes {slow.own / 1e6:.0f} of {total_ms:.0f} ms itself"
        answer.signals.append(
            signal(
                "trace.slow_span",
                subject(slow.service),
                detail,
                value=short(slow.own / 1e6),
                unit="ms",
                threshold=_SLOW_SHARE,
            )
        )
    for parent, service, operation, times, took in repeated(tree)[:3]:
        told = f"{name(operation, 80)} x {times}, {took / 1e6:.0f} ms, under {name(parent.name, 60)}"
        answer.repeated.append(told)
        answer.signals.append(
            signal("trace.n_plus_one", subject(parent.service), f"{told} (service {name(service, 60)})", count=times)
        )
    if tree.orphans:
        answer.signals.append(
            signal(
                "trace.missing_spans",
                subject(root.service),
                f"{tree.orphans} spans name a parent that is not there",
                count=tree.orphans,
            )
        )
    if cut:
        answer.notes.append(f"the trace is longer: its {MAX_SPANS} failing or slowest spans are read")
    origin = f"; failed first in {name(began[0].service, 60)} ({name(began[0].name, 60)})" if began else ""
    most = f"; {spent[0][3] / 1e6:.0f} ms of own time in {name(spent[0][0], 60)}" if spent else ""
    answer.summary = f"{total_ms:.0f} ms, {len(tree.spans)} spans, {answer.errors_total} failed{origin}{most}"
    return answer


def _span(s: Span, zero: int) -> SpanOut:
    return SpanOut(
        span_id=name(s.id, 32),
        service=name(s.service),
        name=name(s.name),
        kind=name(s.kind, 20),
        offset_ms=short((s.start - zero) / 1e6),
        duration_ms=short((s.end - s.start) / 1e6),
        self_ms=short(s.own / 1e6),
        error=s.error,
        status=clean(s.row.get("status"), 200),
        http_status=name(s.row.get("http"), 10),
        db=name(s.row.get("db"), 40),
        pod=name(s.row.get("pod")),
    )
