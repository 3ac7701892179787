"""`query_metrics`: one metric as lines with a past: what it looks like, and when it changed."""

from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Signal, ToolFailure, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.timerange import Range, parse_range
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.reading import ALERT_AT, name
from mcp_servers.signoz.series import Judged, Shape, judge, significant, thinned
from mcp_servers.signoz.series_filters import KEY, parse_filter
from mcp_servers.signoz.series_reads import MetricInfo, MetricQuery, MetricReads, ways
from mcp_servers.signoz.series_resources import floor
from mcp_servers.signoz.windows import Windows, iso, windows

SIGNALS = ("metric.step_change", "metric.spike", "metric.gone", "metric.saturated")
DESCRIPTION = (
    "One metric against the time before: average, shape (flat, step_up, spike, gone, ...), when it changed, at most 30 values a series. "
    "aggregation=auto follows the type: gauges are averaged, counters become rates, histograms give p99. Names come from find_fields, "
    "a service's CPU and memory from get_service_resources."
)
POINTS = 30
_LAG_S = 60  # what was counted in the last minute may still be on its way
SATURATED = 0.95
_STEPS = (60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
Key = Annotated[str, Field(pattern=f"^{KEY}$")]


class Series(Lean):
    """``change_ratio`` is (avg - baseline_avg) / baseline_avg; ``values`` begin at ``series_start``, null where nothing was reported."""

    labels: dict[str, str] = Field(default_factory=dict)
    first: float | None = None
    last: float | None = None
    min: float | None = None
    max: float | None = None
    avg: float | None = None
    baseline_avg: float | None = None
    change_ratio: float | None = None
    shape: Shape
    changed_at: str | None = None
    values: list[float | None] = Field(default_factory=list)


class MetricsResult(Envelope):
    """``series``: the most changed first. ``unit`` is the metric's own; a rate is that a second."""

    metric: str
    type: str
    unit: str = ""
    aggregation: str
    step_s: int
    series_start: str
    series: list[Series]
    series_total: int


def tools(context: Context) -> list[Tool]:
    async def query_metrics(  # noqa: PLR0917 (the arguments of the tool)
        metric_name: Annotated[str, Field(min_length=1, max_length=300)],
        filters: Annotated[str, Field(max_length=1000, description="k=v,k2=v2, or k = 'v' AND k2 IN ('a','b')")] = "",
        group_by: Annotated[list[Key], Field(max_length=3, description="label names")] = [],  # noqa: B006 (never changed)
        aggregation: Literal[
            "auto", "avg", "sum", "min", "max", "count", "rate", "increase", "p50", "p90", "p95", "p99"
        ] = "auto",
        time_range: Annotated[str, Field(max_length=100)] = "1h",
        alert_at: Annotated[str, Field(pattern=ALERT_AT, description="ISO time of the alert's start")] = "",
        compare: Annotated[
            Literal["previous", "1d", "1w", "none"], Field(description="the time before, or the same time then")
        ] = "previous",
        limit: Annotated[int, Field(ge=1, le=20)] = 8,
    ) -> Annotated[CallToolResult, MetricsResult]:
        conditions = parse_filter(filters)
        source = await context.source()
        asked = parse_range(time_range, context.clock())
        both = await _windows(source, asked, alert_at, compare)
        since = min(both.base_from, both.cur_from)
        info = await source.metric_info(metric_name, since, both.cur_to)
        if info is None:
            raise await _unknown(source, metric_name, since, both.cur_to)
        joined = compare == "previous" and both.compared
        start = since if joined else both.cur_from
        step = step_for(both.cur_to - start)
        ways(info, aggregation)
        query = MetricQuery(info, aggregation, since, both.cur_to, step, conditions, tuple(group_by))
        lines = await source.metric_lines(query)
        # Of what is counted, the slots at both ends of the telemetry hold less than the others.
        counted = info.type in ("counter", "histogram")
        begin = -(-both.base_from // step) * step if counted else both.base_from - both.base_from % step
        end = (both.cur_to - _LAG_S) // step * step if counted else both.cur_to
        judged = [judge(line, (begin, max(begin, both.base_to)), (both.cur_from, end), joined) for line in lines]
        judged = [j for j in judged if j.average is not None or j.baseline is not None]
        judged.sort(key=lambda j: (-_weight(j), sorted(j.line.labels.items())))
        first = start - start % step
        answer = MetricsResult(
            summary="",
            window=asked.window(),
            notes=[*asked.notes, *both.notes],
            metric=name(info.name, 300),
            type=info.type,
            unit=name(info.unit, 30),
            aggregation=aggregation if aggregation != "auto" else f"auto ({_told(info)})",
            step_s=step,
            series_start=iso(first),
            series=[_series(j, first, step) for j in judged[:limit]],
            series_total=len(judged),
            untrusted=["series[].labels"],
        )
        if len(judged) > limit:
            answer.notes.append(f"{len(judged) - limit} less changed series are not shown")
        if not judged:
            answer.notes.append(
                "the metric exists, but no sample matches the filters"
                if filters
                else "the metric has series here, but no sample"
            )
        answer.signals = [s for j in judged for s in _signals(info, j, both)]
        answer.summary = _summary(info, judged, answer.signals)
        return ok(answer)

    return [strict.tool(query_metrics, "query_metrics", DESCRIPTION, SIGNALS)]


def step_for(seconds: int) -> int:
    """The shortest usual step that gives at most `POINTS` slots, of which the first and last may be cut."""
    return next((step for step in _STEPS if seconds <= step * (POINTS - 1)), _STEPS[-1])


async def _windows(source: object, asked: Range, alert_at: str, compare: str) -> Windows:
    start, end = int(asked.start.timestamp()), int(asked.end.timestamp()) + 1
    if compare == "previous":
        return await windows(source, asked, alert_at, "metrics")  # type: ignore[arg-type]
    if compare == "none":
        return Windows(start, start, start, end)
    back = int(timedelta(days=1 if compare == "1d" else 7).total_seconds())
    note = f"compared with {iso(start - back)} to {iso(end - back)}"
    # A window longer than the shift would be compared with itself.
    return Windows(start - back, min(end - back, start), start, end, (note,))


async def _unknown(source: MetricReads, asked: str, from_s: int, to_s: int) -> ToolFailure:
    """NOT_FOUND with close names: by the words of the name, and by its letters."""
    known = {one.name for one in await source.metric_names("", "", from_s, to_s, 1000)}
    words = {w for w in asked.lower().replace("_", ".").split(".") if len(w) > 2}
    ranked = sorted(known, key=lambda n: (-len(words & set(n.lower().replace("_", ".").split("."))), n))
    near = list(
        dict.fromkeys(
            [
                *get_close_matches(asked, sorted(known), 5, 0.6),
                *[n for n in ranked if words & set(n.lower().replace("_", ".").split("."))],
            ]
        )
    )[:5]
    hint = (
        f"close names: {', '.join(name(n, 100) for n in near)}"
        if near
        else f"{len(known)} metrics are reported there; find_fields lists them"
    )
    if not known:
        hint = "no metric at all was reported there: an ingestion gap, or the time is wrong"
    return ToolFailure(
        "NOT_FOUND", f"no series of metric {name(asked, 100)} between {iso(from_s)} and {iso(to_s)}", hint=hint
    )


def _weight(j: Judged) -> float:
    """What ended or began stands first, then the largest change."""
    if j.shape in ("gone", "new"):
        return 1e9
    return abs(j.change_ratio) if j.change_ratio is not None else (1e6 if j.average and j.baseline == 0 else 0.0)


def _told(info: MetricInfo) -> str:
    return {"counter": "rate", "histogram": "p99", "sum": "average, summed"}.get(info.type, "average")


def _series(j: Judged, first: int, step: int) -> Series:
    values = [v for _, v in j.current]
    return Series(
        labels={name(k, 60): name(v, 100) for k, v in j.line.labels.items() if v},
        first=significant(values[0]) if values else None,
        last=significant(values[-1]) if values else None,
        min=significant(min(values)) if values else None,
        max=significant(max(values)) if values else None,
        avg=None if j.average is None else significant(j.average),
        baseline_avg=None if j.baseline is None else significant(j.baseline),
        change_ratio=None if j.change_ratio is None else round(j.change_ratio, 3),
        shape=j.shape,
        changed_at=iso(j.changed_at) if j.changed_at is not None else None,
        values=thinned(j.line.points, first, step, POINTS + 1)[:POINTS],
    )


def subject_of(info: MetricInfo, labels: dict[str, str]) -> str:
    """The service that a series names, else the metric itself."""
    found = next(
        (labels[key] for key in ("service.name", "k8s.deployment.name", "service_name") if labels.get(key)), ""
    )
    return f"service/{name(found)}" if found else f"metric/{name(info.name)}"


def _signals(info: MetricInfo, j: Judged, both: Windows) -> list[Signal]:
    about = subject_of(info, j.line.labels)
    where = ", ".join(f"{name(k, 40)}={name(v, 60)}" for k, v in sorted(j.line.labels.items()) if v)
    what = name(info.name, 100) + (f" ({where})" if where else "")
    since = iso(j.changed_at if j.changed_at is not None else both.cur_from)
    average = None if j.average is None else significant(j.average)
    before = None if j.baseline is None else significant(j.baseline)
    numbers = {"value": average, "baseline": before, "unit": name(info.unit, 20), "since": since}
    found: list[Signal] = []
    if info.type == "gauge" and info.unit in ("1", "%", "percent") and j.current:
        share = max(v for _, v in j.current) / (1 if info.unit == "1" else 100)
        if share >= SATURATED and "util" in info.name.lower():
            found.append(
                signal("metric.saturated", about, f"{what} reached {share:.0%}", threshold=SATURATED, **numbers)
            )
    if j.shape == "gone":
        numbers["since"] = iso(both.cur_from)
        detail = f"{what} was {before} on average and is no longer reported"
        return [signal("metric.gone", about, detail, **numbers)]
    # What changed before the window is history; what changed in the gap before an alert is the incident.
    if j.changed_at is not None and j.changed_at < both.base_to and both.compared:
        return found
    values = [v for _, v in j.line.points]
    if values and max(values) - min(values) < floor(info.name, info.unit):
        return found
    if j.shape in ("step_up", "step_down"):
        detail = f"{what} stepped {'up' if j.shape == 'step_up' else 'down'} at {since}: {average} on average, before {before}"
        found.append(signal("metric.step_change", about, detail, reason=j.shape.removeprefix("step_"), **numbers))
    elif j.shape in ("spike", "dip"):
        found.append(signal("metric.spike", about, f"{what} had a {j.shape} at {since}", reason=j.shape, **numbers))
    return found


def _summary(info: MetricInfo, judged: list[Judged], signals: list[Signal]) -> str:
    if not judged:
        return f"{name(info.name)}: no sample in this window"
    worst = judged[0]
    told = f"{len(judged)} series of {name(info.name)}"
    if signals:
        return f"{told}; {signals[0].detail}"
    numbers = f"{_number(worst.average)} on average, before {_number(worst.baseline)}"
    return f"{told}, none stepped or spiked; the most changed is {worst.shape}, {numbers}"


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{significant(value):g}"
