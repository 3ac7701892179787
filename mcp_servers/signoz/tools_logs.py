"""`query_logs`: what is being written that was not written before."""

import asyncio
from difflib import get_close_matches
from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ok
from mcp_servers.common.timerange import parse_range
from mcp_servers.common.untrusted import clean
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.logs import (
    LEVELS,
    LINES_LOOKED_AT,
    TEXT_CODES,
    Found,
    fold,
    inherited,
    loud,
    signals_of,
    volumes,
)
from mcp_servers.signoz.reading import ALERT_AT, SERVICE, name, number, ratio
from mcp_servers.signoz.red import sample_of
from mcp_servers.signoz.sources import LogFilter, Row, Source
from mcp_servers.signoz.windows import Windows, iso, windows

SIGNALS = ("log.error_spike", "log.new_pattern", "log.silence", *TEXT_CODES)
DESCRIPTION = (
    "Log lines of one service (or all) as patterns with counts against the time before: errors and new lines come first, with first and "
    "last time, pods, trace ids. mode=raw gives the newest lines. contains is plain text, not a pattern."
)
_POINTS = 30


class LogPattern(Lean):
    """Lines of one service that differ only in ids, numbers and times."""

    service: str
    template: str
    count: int
    base_count: int = 0
    share_ratio: float = 0
    severity: str = ""
    error: bool = False
    is_new: bool = False
    first: str
    last: str
    example: str = ""
    pods: list[str] = Field(default_factory=list)
    trace_ids: list[str] = Field(default_factory=list)


class LogRow(Lean):
    """One line as it was written, redacted and cut."""

    at: str
    severity: str = ""
    service: str = ""
    pod: str = ""
    body: str
    trace_id: str = ""
    span_id: str = ""


class LogsResult(Envelope):
    """``total`` counts the current window's lines of the services asked for; ``series`` the matching ones, from the baseline's start."""

    total: int
    base_total: int = 0
    errors: int = 0
    base_errors: int = 0
    onset: str | None = None
    series_start: str = ""
    series_step_s: int = 0
    series: list[int] = Field(default_factory=list)
    patterns: list[LogPattern] = Field(default_factory=list)
    rows: list[LogRow] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def query_logs(  # noqa: PLR0917 (the arguments of the tool)
        service: Annotated[str, Field(pattern=SERVICE, description="service.name; empty: all")] = "",
        time_range: Annotated[str, Field(max_length=100)] = "30m",
        alert_at: Annotated[str, Field(pattern=ALERT_AT, description="ISO time of the alert's start")] = "",
        severity: Annotated[Literal["any", "info", "warn", "error", "fatal"], Field(description="at least")] = "any",
        contains: Annotated[str, Field(max_length=200)] = "",
        trace_id: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")] = "",
        mode: Literal["patterns", "raw"] = "patterns",
        limit: Annotated[int, Field(ge=1, le=50)] = 12,
    ) -> Annotated[CallToolResult, LogsResult]:
        source = await context.source()
        asked = parse_range(time_range, context.clock())
        both = await windows(source, asked, alert_at, "logs")
        only = LogFilter(service, contains, trace_id, LEVELS[severity])
        totals = await source.log_volumes(both, service)
        volume = volumes(totals.rows)
        lines, base_lines = sum(v.lines for v in volume.values()), sum(v.base_lines for v in volume.values())
        sample = max(1, round((lines + base_lines) / LINES_LOOKED_AT))
        step = max(5, (both.cur_to - min(both.base_from, both.cur_from)) // _POINTS + 1)
        series, shapes = await asyncio.gather(
            source.log_series(both, only, step), source.log_shapes(both, only, sample)
        )
        patterns = fold(shapes.rows, volume, sample)
        answer = LogsResult(
            summary="",
            window=asked.window(),
            total=int(lines),
            base_total=int(base_lines),
            errors=int(sum(v.errors for v in volume.values())),
            base_errors=int(sum(v.base_errors for v in volume.values())),
            notes=[*asked.notes, *both.notes, *totals.notes, *series.notes, *shapes.notes],
            untrusted=["patterns[].template", "patterns[].example", "rows[].body"],
        )
        if sample > 1:
            answer.notes.append(f"counts of patterns are estimated from every {sample}. line")
        first = min(both.base_from, both.cur_from) // step
        counted = {int(number(row["slot"])): int(number(row["n"])) for row in series.rows}
        answer.series = [counted.get(slot, 0) for slot in range(first, both.cur_to // step + 1)][: _POINTS + 1]
        answer.series_start, answer.series_step_s = iso(first * step), step
        unfiltered = not (contains or trace_id)
        # Signals speak of the services, so they are drawn only from what was not narrowed by words or by one trace.
        effects: frozenset[str] = frozenset()
        # Over the API the graph of calls is every span once more: too much for a question about logs.
        if unfiltered and source.backend == "signoz-clickhouse" and len(risen := loud(volume, both)) > 1:
            calls = await source.calls(both, "", await sample_of(source, both))
            effects = inherited(risen, ((str(r["source"]), str(r["target"])) for r in calls.rows))
        answer.signals = signals_of(patterns, volume, both, effects) if unfiltered else []
        began = [p.first for p in patterns if p.is_new and p.error and p.first]
        answer.onset = iso(min(began)) if began else None
        if mode == "raw":
            answer.rows = [
                LogRow(
                    at=iso(number(row["timestamp"]) / 1e9),
                    severity=name(row["severity_text"], 20),
                    service=name(row["service"]),
                    pod=name(row["pod"]),
                    body=clean(row["line"], 600),
                    trace_id=name(row["trace_id"], 32),
                    span_id=name(row["span_id"], 16),
                )
                for row in (await source.log_rows(both, only, limit)).rows
            ]
        else:
            answer.patterns = [_pattern(p, patterns) for p in patterns[:limit]]
        if not patterns:
            answer.notes.append(await _why_empty(service, both, totals.rows, source))
        answer.summary = _summary(answer, patterns, {s: int(v.errors) for s, v in volume.items()})
        return ok(answer)

    return [strict.tool(query_logs, "query_logs", DESCRIPTION, SIGNALS)]


async def _why_empty(service: str, both: Windows, totals: list[Row], source: Source) -> str:
    if totals:
        return "lines exist in this window, but none match severity, contains and trace_id"
    everybody = [str(row["service"]) for row in (await source.log_volumes(both, "")).rows]
    if not everybody:
        return "no service wrote a line in this window: an ingestion gap, or the time is wrong"
    near = get_close_matches(service, everybody, 5, 0.4)
    return f"service {name(service, 80)} wrote no line in this window; " + (
        f"close names: {', '.join(near)}" if near else f"{len(everybody)} others did"
    )


def _pattern(p: Found, everything: list[Found]) -> LogPattern:
    """Only errors need an example, and only what is new or an error a way to look closer: an answer of calm lines stays small."""
    telling = p.error or p.is_new
    return LogPattern(
        service=name(p.service),
        template=p.template,
        count=p.count,
        base_count=p.base_count,
        share_ratio=ratio(p.count, sum(o.count for o in everything)),
        severity=name(p.severity, 20),
        error=p.error,
        is_new=p.is_new,
        first=iso(p.first),
        last=iso(p.last),
        example=p.example[:240] if p.error else "",
        pods=[name(x) for x in p.pods[:2]] if telling else [],
        trace_ids=[name(x, 32) for x in p.traces[:2]] if telling else [],
    )


def _summary(answer: LogsResult, patterns: list[Found], errors: dict[str, int]) -> str:
    new = [p for p in patterns if p.is_new]
    told = f"{answer.total:,} lines, {answer.errors:,} errors (before {answer.base_total:,} and {answer.base_errors:,})"
    told += f", {len(new)} new patterns"
    worst = max(errors.items(), key=lambda item: item[1], default=("", 0))
    if worst[1]:
        told += f", most errors in {name(worst[0], 60)}"
    return told + (f"; {patterns[0].template}" if patterns and (patterns[0].error or patterns[0].is_new) else "")
