"""What is compared with what: the incident's window and the normal time before it.

A recording may hold six minutes in all and a store months; the baseline is taken from what exists. When the alert's time is known, the
minutes right before it belong to neither side: alerts fire late, so the trouble may have begun in them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.common.timerange import Range
from mcp_servers.signoz.client import Query, Value
from mcp_servers.signoz.sources import Kind, Source

_MARGIN = timedelta(minutes=10)
_ENOUGH_S = 30
_SPANS = Query(
    "first span",
    "SELECT toUnixTimestamp(min(timestamp)) AS first FROM signoz_traces.distributed_signoz_index_v3 WHERE ts_bucket_start BETWEEN "
    "{from_s:UInt64} - 1800 AND {to_s:UInt64} AND timestamp >= toDateTime64({from_s:UInt64}, 9) "
    "AND timestamp < toDateTime64({to_s:UInt64}, 9)",
)
_LOGS = Query(
    "first log",
    "SELECT intDiv(min(timestamp), 1000000000) AS first FROM signoz_logs.distributed_logs_v2 WHERE ts_bucket_start BETWEEN "
    "{from_s:UInt64} - 1800 AND {to_s:UInt64} AND timestamp >= {from_s:UInt64} * 1000000000 AND timestamp < {to_s:UInt64} * 1000000000",
)
# The earliest series says which hour and which metric to look into: samples are sorted by metric, so that reading the time alone would
# read all of them.
_METRICS = Query(
    "first metric sample",
    "WITH (SELECT min((unix_milli, toString(metric_name))) FROM signoz_metrics.distributed_time_series_v4 WHERE unix_milli >= "
    "{from_s:Int64} * 1000 - 3600000 AND unix_milli <= {to_s:Int64} * 1000) AS earliest SELECT intDiv(min(unix_milli), 1000) AS first "
    "FROM signoz_metrics.distributed_samples_v4 WHERE metric_name = earliest.2 AND unix_milli >= {from_s:Int64} * 1000 AND "
    "unix_milli < least({to_s:Int64} * 1000, greatest(earliest.1, {from_s:Int64} * 1000) + 7200000)",
)
FIRST = {"traces": _SPANS, "logs": _LOGS, "metrics": _METRICS}


@dataclass(frozen=True)
class Windows:
    """Half-open, epoch seconds. ``base_from == base_to`` where nothing can be compared."""

    base_from: int
    base_to: int
    cur_from: int
    cur_to: int
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, Value]:
        """The statement parameters: both windows, and the whole span from one to the other."""
        return {
            "b0": self.base_from,
            "b1": self.base_to,
            "c0": self.cur_from,
            "c1": self.cur_to,
            "from_s": min(self.base_from, self.cur_from),
            "to_s": self.cur_to,
        }

    @property
    def cur_s(self) -> int:
        return max(1, self.cur_to - self.cur_from)

    @property
    def base_s(self) -> int:
        return self.base_to - self.base_from

    @property
    def compared(self) -> bool:
        return self.base_s > 0


async def windows(source: Source, asked: Range, alert_at: str, kind: Kind = "traces") -> Windows:
    """The two windows for ``asked``. ``alert_at`` is ISO 8601 or empty; ``kind`` is the telemetry whose beginning counts.

    Raises `ToolFailure` VALIDATION for an ``alert_at`` that is no time.
    """
    start, end = int(asked.start.timestamp()), int(asked.end.timestamp()) + 1
    known = instant(alert_at)
    earliest = start - (end - start)
    first = await source.first(kind, earliest, end)
    if first <= 0:
        return Windows(
            start,
            start,
            start,
            end,
            (f"no {kind} at all between {iso(earliest)} and {iso(end)}: an ingestion gap, or the time is wrong",),
        )
    return split(max(first, earliest), start, end, known)


def split(first: int, start: int, end: int, alert: int | None) -> Windows:
    """Both windows from the first telemetry, the asked window, and the alert's time."""
    if alert and first + 2 * _ENOUGH_S < alert < end:
        lead = min(int(_MARGIN.total_seconds()), (alert - first) // 2)
        base = (first, alert - lead)
        note = f"compared with {iso(base[0])} to {iso(base[1])}, before the alert of {iso(alert)}"
        return Windows(*base, alert - lead // 2, end, (note,))
    if start - first >= max(_ENOUGH_S, (end - start) // 2):
        return Windows(first, start, start, end, (f"compared with {iso(first)} to {iso(start)}",))
    first = max(first, start - (end - start))
    middle = first + (end - first) // 2
    if middle - first < _ENOUGH_S:
        return Windows(start, start, start, end, ("too little telemetry before the window to compare with",))
    return Windows(
        first,
        middle,
        middle,
        end,
        (f"telemetry begins at {iso(first)}: its second half is compared with its first, from {iso(middle)}",),
    )


def instant(text: str) -> int | None:
    """Epoch seconds of an ISO 8601 time; ``None`` for "". Raises `ToolFailure` VALIDATION."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ToolFailure(
            "VALIDATION", f"alert_at {text[:40]!r} is not a time", hint="for example 2026-11-22T07:00:00Z"
        ) from error
    return int((moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp())


def iso(seconds: float) -> str:
    """Epoch seconds as ISO 8601 UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
