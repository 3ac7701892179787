"""Where SigNoz's telemetry is read: one set of typed reads, two interchangeable ways to answer them.

A tool asks ``await context.source()`` and calls the reads below; it never knows whether SigNoz's ClickHouse store or SigNoz's HTTP API
answered. Every read gives `Read`: rows whose keys are named here, the same from both sources, and notes on what the source had to leave
out or estimate, which a tool hands on in its answer. Counts are numbers (or their decimal text: `reading.number` reads both), times are
epoch seconds unless a key says ns, durations are ms unless a key says ns.

The statements of the ClickHouse source are fixed texts with typed parameters; the HTTP source sends builder queries only, never SQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.signoz.series_reads import FieldReads, MetricReads, SearchReads

if TYPE_CHECKING:
    from mcp_servers.signoz.windows import Windows

Row = dict[str, Any]
Kind = Literal["traces", "logs", "metrics"]


@dataclass(frozen=True)
class Read:
    """Rows of one read, and what the reader must know about them (estimates, fall-backs, parts that the source cannot give)."""

    rows: list[Row]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LogFilter:
    """Which lines. Empty strings do not filter; ``contains`` is plain text, any case; ``level`` a severity number, 0 for all."""

    service: str = ""
    contains: str = ""
    trace_id: str = ""
    level: int = 0


@dataclass(frozen=True)
class Identity:
    """Who answers, and as whom it is read. ``now`` is the backend's clock in epoch seconds, ``None`` where it does not tell."""

    product: str  # "ClickHouse" or "SigNoz"
    where: str  # the address that is asked, without credentials
    version: str
    user: str
    now: float | None = None
    roles: tuple[str, ...] = ()
    excess: tuple[str, ...] = ()  # what the credential may do beyond reading
    warnings: tuple[str, ...] = ()


class Source(MetricReads, FieldReads, SearchReads, Protocol):
    """All reads raise `ToolFailure`. ``service`` is an exact service name, "" for all. ``sample``: every how manyth trace is read."""

    backend: str  # "signoz-clickhouse" or "signoz-http"; what ``source.backend`` of every answer says

    @property
    def refusal(self) -> ToolFailure | None:
        """What every tool answers because the credential may do more than read, unless that is allowed."""

    async def close(self) -> None: ...

    async def identity(self) -> Identity: ...

    async def probe(self, part: str) -> None:
        """One cheap read of ``part`` (a key of `PARTS`); raises what a tool that stands on it would."""

    async def first(self, kind: Kind, from_s: int, to_s: int) -> int:
        """Epoch second of the first telemetry of ``kind`` in [from_s, to_s); 0 when there is none."""

    # Logs
    async def log_volumes(self, both: "Windows", service: str) -> Read:
        """``service, lines, base_lines, errors, base_errors``; the most talkative first."""

    async def log_shapes(self, both: "Windows", only: LogFilter, sample: int) -> Read:
        """Lines folded by shape: ``service, error, severity, shape, line, n, base_n, first, last, traces, pods``. Counts are not yet
        multiplied by ``sample``; a source that reads otherwise thinned lines multiplies them itself and notes it."""

    async def log_series(self, both: "Windows", only: LogFilter, step_s: int) -> Read:
        """Lines per slot of ``step_s`` seconds since 1970: ``slot, n``."""

    async def log_rows(self, both: "Windows", only: LogFilter, limit: int) -> Read:
        """The newest lines of the current window: ``timestamp`` (ns), ``severity_text, service, pod, line, trace_id, span_id``."""

    async def steps(self, both: "Windows", service: str, sample: int) -> Read:
        """Steps from one log line of a request to the next that were certain and are rarer now, and where requests end now: ``service,
        name, parent, from, to`` ("" for a request's start and end), ``n, base_n, total, base_total``. See `flow`."""

    # Spans
    async def span_count(self, both: "Windows") -> int:
        """Spans in both windows and between them: what decides on ``sample``."""

    async def service_rates(self, both: "Windows", service: str) -> Read:
        """Server and consumer spans: ``service, calls, base_calls, errors, base_errors, p99, base_p99, mean, base_mean, base_traces`` (the
        requests that its commonest operation served)."""

    async def own_time(self, both: "Windows", service: str, sample: int) -> Read:
        """``service, calls, base_calls, self_ms, base_self_ms, origins, base_origins``: sums over the read traces; an origin is a failing
        span none of whose children failed. ``origins`` are multiplied by ``sample`` by the caller."""

    async def versions(self, both: "Windows", service: str) -> Read:
        """``service, version, first, n, base_n``, by service and then by first sight."""

    async def doings(self, both: "Windows", service: str, sample: int) -> Read:
        """Calls that an operation always made and makes more seldom now: the keys of `steps`, ``from`` being `flow.CALLS_OF`."""

    async def operations(self, both: "Windows", service: str) -> Read:
        """Server and consumer spans by name: ``service, name, calls, base_calls, errors, base_errors, p99, base_p99``."""

    async def calls(self, both: "Windows", service: str, sample: int) -> Read:
        """``source, target, calls, base_calls, errors, base_errors, mean, base_mean, gap, base_gap``; means in ms a call."""

    async def unanswered(self, both: "Windows", service: str, sample: int) -> Read:
        """Client spans by what answered them: ``source, called, address, target`` ("" for no answer), ``n, base_n``. See `unanswered`."""

    async def backends(self, both: "Windows", service: str) -> Read:
        """The same keys, ``target`` being a database or messaging system; ``gap`` is 0."""

    async def paths(self, both: "Windows", service: str, sample: int) -> Read:
        """``service, name, to_service, to_name, below, base_below, calls, base_calls`` of operations whose calls below changed."""

    async def exceptions(self, both: "Windows", service: str) -> Read:
        """``service, type, message, stack, trace, n, base_n, first, last``; new ones first, then the most frequent."""

    async def trace_spans(self, trace_id: str, now_s: int) -> Read:
        """One trace (32 hex digits), failing spans first, then the longest: ``span_id, parent_span_id, service, name, kind_string,
        start`` (ns), ``duration_nano, has_error, status, http, db, pod``. At most `trace.MAX_SPANS`."""

    # Alerts
    async def alerts(self, from_s: int, to_s: int) -> Read:
        """Alert instances: ``rule_id, name, severity, state`` (firing, pending, nodata, resolved, silenced), ``since, ended`` (0: on),
        ``labels`` (dict), ``value, threshold`` (floats or None), ``summary``. Those that end before ``from_s`` are left out."""

    async def rule(self, rule_id: str) -> Read:
        """One row: ``rule_id, name, severity, kind`` (logs, traces, metrics, exceptions or ""), ``condition`` (one sentence or ""),
        ``filter, group_by`` (list), ``labels`` (dict), ``disabled``. No row: no such rule."""

    async def rule_history(self, rule_id: str, from_s: int, to_s: int) -> Read:
        """Changes of state, the oldest first: ``at, state, labels`` (dict), ``value``, ``overall`` (whether the whole rule changed)."""


# What a probe may be asked for, and the tools that stand on it.
PARTS: dict[str, Sequence[str]] = {
    "logs": ("query_logs", "get_request_gaps"),
    "traces": ("get_service_overview", "get_service_dependencies", "query_traces", "search_traces", "find_fields"),
    "metrics": ("query_metrics", "get_service_resources"),
    "exceptions": ("get_exceptions",),
    "alerts": ("get_alerts",),
    "rules": ("get_alert_rule",),
}
