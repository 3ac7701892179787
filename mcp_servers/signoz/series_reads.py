"""What is asked of a source of metrics, fields and traces, and what it gives back: the same from SigNoz's API and from its store."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.signoz.series import Line
from mcp_servers.signoz.series_filters import Condition

Telemetry = Literal["logs", "traces", "metrics"]
MetricType = Literal["gauge", "sum", "counter", "histogram", "exponential_histogram", "summary"]
Time = Literal["avg", "sum", "min", "max", "count", "rate", "increase"]
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class MetricInfo:
    """A metric as its source describes it. ``stored`` is the name its samples bear (a histogram's buckets have one of their own);
    ``counter`` is a sum that only grows; ``temporality`` is Cumulative, Delta or Unspecified."""

    name: str
    stored: str
    type: MetricType
    unit: str = ""
    temporality: str = ""
    series: int = 0


@dataclass(frozen=True)
class MetricQuery:
    """Half-open window in epoch seconds; slots of ``step_s`` that begin at multiples of it."""

    info: MetricInfo
    aggregation: str
    from_s: int
    to_s: int
    step_s: int
    conditions: tuple[Condition, ...] = ()
    group_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resource:
    """One metric of one service, per slot the mean over its pods; ``peak``: the highest pod's value; ``pod`` had the last of those."""

    service: str
    metric: str
    unit: str
    counter: bool
    line: Line
    peak: Line
    pod: str = ""


@dataclass(frozen=True)
class FieldKey:
    """A key of logs or spans: where it lives (resource or attribute), its type, and in how many of the rows looked at it occurs."""

    key: str
    context: str
    type: str
    count: int


@dataclass(frozen=True)
class FieldValue:
    """One value of a key and how often it occurs in the rows looked at."""

    value: str
    count: int


@dataclass(frozen=True)
class SpanGroup:
    """Spans that agree in service, operation and status; durations in ms. ``origins`` failed without a failing child."""

    service: str
    name: str
    http_status: str
    error: bool
    count: int
    p50: float
    p99: float
    origins: int = 0
    status: str = ""
    trace_id: str = ""


@dataclass(frozen=True)
class FoundSpan:
    """One span of a trace worth opening; ``at`` in epoch seconds, duration in ms."""

    trace_id: str
    at: float
    service: str
    name: str
    duration: float
    http_status: str = ""
    status: str = ""
    error: bool = False


@dataclass(frozen=True)
class TraceSearch:
    """Which spans are wanted. ``kind``: failing ones, the longest entry spans, or all entry spans."""

    from_s: int
    to_s: int
    kind: Literal["errors", "slow", "all"] = "errors"
    service: str = ""
    operation: str = ""
    min_duration_ms: float = 0
    http_status: str = ""
    conditions: tuple[Condition, ...] = ()
    limit: int = 10


@dataclass(frozen=True)
class TracesFound:
    """``total`` counts the matching spans; ``sampled``: origins are measured on every how manyth trace."""

    groups: tuple[SpanGroup, ...] = ()
    spans: tuple[FoundSpan, ...] = ()
    total: int = 0
    sampled: int = 1
    notes: tuple[str, ...] = field(default=())


class MetricReads(Protocol):
    """Metrics. All raise `ToolFailure`."""

    async def metric_info(self, name: str, from_s: int, to_s: int) -> MetricInfo | None:
        """The metric called ``name``, ``None`` when no series of it was seen in the window."""

    async def metric_names(
        self, search: str, service: str, from_s: int, to_s: int, limit: int
    ) -> tuple[MetricInfo, ...]:
        """Metrics whose name holds ``search`` (plain text, any case), of one service or all, by name."""

    async def metric_lines(self, query: MetricQuery) -> tuple[Line, ...]:
        """One line for each combination of the ``group_by`` labels, ordered by labels."""

    async def resources(self, service: str, from_s: int, to_s: int, step_s: int) -> tuple[Resource, ...]:
        """Every metric of one service; of all services, those that tell of resources."""


class FieldReads(Protocol):
    """Keys and values, asked for in the order of the tool's arguments. All raise `ToolFailure`."""

    async def field_keys(  # noqa: PLR0917
        self, kind: Telemetry, search: str, service: str, from_s: int, to_s: int, limit: int
    ) -> tuple[FieldKey, ...]:
        """Keys that hold ``search``, the most frequent first; for metrics the labels of their series."""

    async def field_values(  # noqa: PLR0917
        self, kind: Telemetry, key: str, search: str, service: str, from_s: int, to_s: int, limit: int
    ) -> tuple[FieldValue, ...]:
        """Values of ``key``, the most frequent first."""


class SearchReads(Protocol):
    """Traces by what is wrong with them. Raises `ToolFailure`."""

    async def find_traces(self, search: TraceSearch) -> TracesFound:
        """Groups (failing and frequent first) and examples, one for each group before a second of any."""


def ways(info: MetricInfo, aggregation: str) -> tuple[Time, Literal["avg", "sum", "min", "max"], float | None]:
    """How samples of one series fold into a slot, how series fold into a line, and the quantile of a histogram.

    ``auto`` follows the type: gauges are averaged, counters become rates that are summed, other sums are averaged over time and summed
    over series, histograms give their 99th percentile. Raises `ToolFailure` VALIDATION or UNSUPPORTED for what the type cannot give.
    """
    if info.type == "exponential_histogram":
        raise ToolFailure(
            "UNSUPPORTED",
            f"{info.name} is an exponential histogram, which cannot be read as lines",
            hint="ask for its sum or count metric, or use get_service_overview for latencies",
        )
    chosen = aggregation
    if aggregation == "auto":
        chosen = {"counter": "rate", "histogram": "p99", "sum": "avg"}.get(info.type, "avg")
    if chosen in QUANTILES:
        if info.type != "histogram":
            raise ToolFailure(
                "VALIDATION",
                f"{info.name} is a {info.type}; quantiles exist for histograms only",
                hint="use aggregation=auto, or a metric whose type is histogram",
            )
        return "increase", "sum", QUANTILES[chosen]
    if info.type == "histogram":
        raise ToolFailure(
            "VALIDATION",
            f"{info.name} is a histogram; {chosen} of its buckets has no meaning",
            hint=f"use p50, p90, p95 or p99, or the metric {info.name}.count or {info.name}.sum",
        )
    times: dict[str, tuple[Time, Literal["avg", "sum", "min", "max"]]] = {
        "avg": ("avg", "sum" if info.type == "sum" and aggregation == "auto" else "avg"),
        "sum": ("avg", "sum"),
        "min": ("min", "min"),
        "max": ("max", "max"),
        "count": ("count", "sum"),
        "rate": ("rate", "sum"),
        "increase": ("increase", "sum"),
    }
    if chosen in ("rate", "increase") and info.type != "counter":
        raise ToolFailure(
            "VALIDATION",
            f"{info.name} is a {info.type}, not a counter; {chosen} has no meaning",
            hint="use aggregation=auto",
        )
    time, space = times[chosen]
    return time, space, None
