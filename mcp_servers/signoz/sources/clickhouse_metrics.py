"""Metrics out of SigNoz's tables: samples folded by the store into slots, so that lines leave it and not samples.

The table follows the slot: 5-minute and 30-minute aggregates hold the same numbers for less work, as soon as a slot is as long as theirs.
"""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)

from collections import defaultdict
from math import inf
from typing import Any, Final

from mcp_servers.signoz.client import Query, Row, Store, Value
from mcp_servers.signoz.reading import number
from mcp_servers.signoz.series import Line, line, quantile
from mcp_servers.signoz.series_filters import clause, parameters
from mcp_servers.signoz.series_reads import MetricInfo, MetricQuery, MetricType, Resource, ways

LINES: Final = 1900
_TYPES: Final[tuple[MetricType, ...]] = ("gauge", "sum", "counter", "histogram", "exponential_histogram", "summary")
_DAY_S = 86_400
# The service that a series belongs to: what the SDK said, else the workload that the collector found, else Prometheus's label.
SERVICE_KEYS: Final = (
    "service.name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "service_name",
)
_READ = "JSONExtractString(labels, {key})"
_NAMES = [f"JSONExtractString(labels, '{key}')" for key in SERVICE_KEYS]
_SERVICE = f"coalesce({', '.join(f'nullIf({name}, {chr(39) * 2})' for name in _NAMES)}, '')"
OF_SERVICE = f"({{service:String}} = '' OR {{service:String}} IN ({', '.join(_NAMES)}))"
_POD = "coalesce(nullIf(JSONExtractString(labels, 'k8s.pod.name'), ''), nullIf(JSONExtractString(labels, 'pod'), ''), JSONExtractString(labels, 'host.name'))"
_SEEN = "unix_milli >= {from_s:Int64} * 1000 - {reach:Int64} AND unix_milli <= {to_s:Int64} * 1000"
# Names that tell of a resource; anything else of all services at once would be everything there is.
RESOURCE_NAMES: Final = "(?i)cpu|memory|mem_|heap|throttl|restart|oom|filesystem|disk|volume|network|thread|file_descriptor|connection|pool|gc[._]"
_BUCKET = "(endsWith(metric_name, '.bucket') OR endsWith(metric_name, '_bucket'))"


def _tables(text: str) -> dict[str, str]:
    """One text for each pair of tables: raw samples with hourly series, and the aggregates with daily ones."""
    raw = {"VALUE": "value", "SUM": "value", "COUNT": "1", "MIN": "value", "MAX": "value", "LAST": "value"}
    folded = {"VALUE": "last", "SUM": "sum", "COUNT": "count", "MIN": "min", "MAX": "max", "LAST": "last"}
    made = {}
    for name, samples, series, columns in (
        ("raw", "samples_v4", "time_series_v4", raw),
        ("5m", "samples_v4_agg_5m", "time_series_v4_1day", folded),
        ("30m", "samples_v4_agg_30m", "time_series_v4_1day", folded),
    ):
        one = text.replace("<SAMPLES>", f"signoz_metrics.distributed_{samples}")
        one = one.replace("<SERIES>", f"signoz_metrics.distributed_{series}")
        for word, column in columns.items():
            one = one.replace(f"<{word}>", column)
        made[name] = one
    return made


_FOLD = """multiIf({time:String} = 'avg', sum(<SUM>) / sum(<COUNT>), {time:String} = 'min', min(<MIN>), {time:String} = 'max', max(<MAX>),
 {time:String} = 'count', toFloat64(sum(<COUNT>)), sum(<SUM>))"""
# What a counter grew by, sample after sample of one series; after a reset the counter has grown by what it shows.
_GROWN = """SELECT fingerprint, intDiv(unix_milli, {step:Int64} * 1000) AS slot,
 sum(multiIf(way = 'Delta', reading, reading >= previous, reading - previous, reading)) AS x
 FROM (SELECT fingerprint, way, unix_milli, reading, lagInFrame(reading, 1, reading) OVER
  (PARTITION BY fingerprint ORDER BY unix_milli ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS previous
  FROM (SELECT fingerprint, any(temporality) AS way, unix_milli, max(<LAST>) AS reading FROM <SAMPLES> WHERE <WHICH>
   GROUP BY fingerprint, unix_milli)) GROUP BY fingerprint, slot"""
_FOLDED = (
    f"SELECT fingerprint, intDiv(unix_milli, {{step:Int64}} * 1000) AS slot, {_FOLD} AS x FROM <SAMPLES> WHERE <WHICH> "
    "GROUP BY fingerprint, slot"
)
_WHICH = (
    "metric_name = {metric:String} AND unix_milli >= {from_s:Int64} * 1000 AND unix_milli < {to_s:Int64} * 1000 "
    "AND fingerprint GLOBAL IN (SELECT fingerprint FROM ts)"
)
_LINES = f"""WITH ts AS (SELECT fingerprint, any(labels) AS told FROM <SERIES> WHERE metric_name = {{metric:String}} AND {_SEEN}
 AND {clause(_READ)} GROUP BY fingerprint)
 SELECT g0, g1, g2, le, groupArray((slot, v)) AS points FROM (
  SELECT JSONExtractString(told, {{g0:String}}) AS g0, JSONExtractString(told, {{g1:String}}) AS g1, JSONExtractString(told, {{g2:String}}) AS g2,
  if({{bucket:UInt8}} = 1, JSONExtractString(told, 'le'), '') AS le, slot,
  multiIf({{space:String}} = 'sum', sum(x), {{space:String}} = 'min', min(x), {{space:String}} = 'max', max(x), avg(x)) AS v
  FROM (<INNER>) AS s GLOBAL INNER JOIN ts USING (fingerprint) GROUP BY g0, g1, g2, le, slot ORDER BY slot)
 GROUP BY g0, g1, g2, le ORDER BY g0, g1, g2, le LIMIT {LINES}"""
FOLDED = {
    k: Query(f"metric lines ({k})", v)
    for k, v in _tables(_LINES.replace("<INNER>", _FOLDED.replace("<WHICH>", _WHICH))).items()
}
GROWN = {
    k: Query(f"counter lines ({k})", v)
    for k, v in _tables(_LINES.replace("<INNER>", _GROWN.replace("<WHICH>", _WHICH))).items()
}
INFO = Query(
    "metric names",
    f"""SELECT metric_name AS name, any(type) AS type, any(unit) AS unit, any(temporality) AS temporality, max(is_monotonic) AS monotonic,
 uniqExact(fingerprint) AS series FROM signoz_metrics.distributed_time_series_v4 WHERE {_SEEN}
 AND ({{name:String}} = '' OR metric_name IN ({{name:String}}, concat({{name:String}}, '.bucket'), concat({{name:String}}, '_bucket')))
 AND positionCaseInsensitiveUTF8(metric_name, {{search:String}}) > 0 AND {OF_SERVICE}
 GROUP BY name ORDER BY name LIMIT {{limit:UInt16}}""",
)
RESOURCES = Query(
    "resources of services",
    f"""WITH ts AS (SELECT fingerprint, any(metric_name) AS metric, any(unit) AS unit, max(is_monotonic) AS monotonic, any({_SERVICE}) AS found,
 any({_POD}) AS pod FROM signoz_metrics.distributed_time_series_v4 WHERE {_SEEN} AND {OF_SERVICE} AND NOT {_BUCKET}
 AND ({{service:String}} != '' OR match(metric_name, '{RESOURCE_NAMES}')) GROUP BY fingerprint HAVING found != '')
 SELECT if({{service:String}} = '', found, {{service:String}}) AS service, metric, any(unit) AS unit, max(monotonic) AS counter,
 groupArray((slot, mean)) AS means, groupArray((slot, most)) AS peaks, argMax(top, slot) AS pod FROM (
  SELECT found, metric, any(unit) AS unit, max(monotonic) AS monotonic, slot, avg(v) AS mean, max(v) AS most, argMax(pod, v) AS top FROM (
   SELECT fingerprint, metric, unit, monotonic, found, pod, intDiv(unix_milli, {{step:Int64}} * 1000) AS slot,
   if(monotonic, sum(multiIf(temporality = 'Delta', value, value >= previous, value - previous, value)) / {{step:Int64}}, avg(value)) AS v
   FROM (SELECT fingerprint, temporality, unix_milli, value, lagInFrame(value, 1, value) OVER
     (PARTITION BY fingerprint ORDER BY unix_milli ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS previous
     FROM signoz_metrics.distributed_samples_v4 WHERE metric_name GLOBAL IN (SELECT metric FROM ts)
     AND unix_milli >= {{from_s:Int64}} * 1000 AND unix_milli < {{to_s:Int64}} * 1000 AND fingerprint GLOBAL IN (SELECT fingerprint FROM ts)) AS s
   GLOBAL INNER JOIN ts USING (fingerprint) GROUP BY fingerprint, metric, unit, monotonic, found, pod, slot)
  GROUP BY found, metric, slot ORDER BY slot)
 GROUP BY service, metric ORDER BY service, metric LIMIT {LINES}""",
)


class ClickHouseMetrics:
    """`mcp_servers.signoz.series_reads.MetricReads` over the store."""

    store: Store

    async def metric_info(self, name: str, from_s: int, to_s: int) -> MetricInfo | None:
        found = [_info(row) for row in await self._names(name, "", "", from_s, to_s, 3)]
        exact = [one for one in found if one.stored == name]
        # The name that was asked for wins over the buckets of a histogram of that name.
        return next(iter(exact or found), None)

    async def metric_names(
        self, search: str, service: str, from_s: int, to_s: int, limit: int
    ) -> tuple[MetricInfo, ...]:
        return tuple(_info(row) for row in await self._names("", search, service, from_s, to_s, limit))

    async def _names(  # noqa: PLR0917 (what is asked for, in the order of the tool's arguments)
        self, name: str, search: str, service: str, from_s: int, to_s: int, limit: int
    ) -> list[Row]:
        values: dict[str, Value] = {"name": name, "search": search, "service": service, "limit": limit}
        return await self.store.rows(INFO, values | _window(from_s, to_s, "raw"))

    async def metric_lines(self, query: MetricQuery) -> tuple[Line, ...]:
        time, space, wanted = ways(query.info, query.aggregation)
        table = _table(query)
        grows = time in ("rate", "increase")
        values: dict[str, Value] = {
            "metric": query.info.stored,
            "step": query.step_s,
            "time": time,
            "space": space,
            "bucket": int(wanted is not None),
            **parameters(query.conditions),
            **{f"g{i}": query.group_by[i] if i < len(query.group_by) else "" for i in range(3)},
        }
        # One slot more before the window, because the first reading of a counter has nothing to be compared with.
        earlier = query.step_s if grows else 0
        values |= _window(query.from_s - earlier, query.to_s, table)
        rows = await self.store.rows((GROWN if grows else FOLDED)[table], values)
        first, share = query.from_s // query.step_s, query.step_s if time == "rate" else 1
        if wanted is not None:
            return _quantiles(rows, query, wanted)
        return tuple(
            line(
                _labels(row, query),
                [(slot * query.step_s, value / share) for slot, value in _pairs(row["points"]) if slot >= first],
            )
            for row in rows
        )

    async def resources(self, service: str, from_s: int, to_s: int, step_s: int) -> tuple[Resource, ...]:
        values: dict[str, Value] = {"service": service, "step": step_s}
        rows = await self.store.rows(RESOURCES, values | _window(from_s, to_s, "raw"))
        return tuple(
            Resource(
                str(row["service"]),
                str(row["metric"]),
                str(row["unit"]),
                bool(row["counter"]),
                line({}, [(slot * step_s, value) for slot, value in _pairs(row["means"])]),
                line({}, [(slot * step_s, value) for slot, value in _pairs(row["peaks"])]),
                str(row["pod"]),
            )
            for row in rows
        )


def _table(query: MetricQuery) -> str:
    if query.to_s - query.from_s <= _DAY_S:
        return "raw"
    return "30m" if query.step_s % 1800 == 0 else "5m" if query.step_s % 300 == 0 else "raw"


def _window(from_s: int, to_s: int, table: str) -> dict[str, Value]:
    """``reach``: series are listed at the start of their hour or day, in ms."""
    return {"from_s": from_s, "to_s": to_s, "reach": (3_600 if table == "raw" else _DAY_S) * 1000}


def _info(row: Row) -> MetricInfo:
    stored = str(row["name"])
    said = str(row["type"]).lower().replace("exponentialhistogram", "exponential_histogram")
    bucket = stored.endswith((".bucket", "_bucket"))
    kind = "histogram" if bucket else "counter" if said == "sum" and row["monotonic"] else said
    # Parts of a histogram (.sum, .count, .min, .max) carry its type but are plain numbers; the first two only grow.
    if kind == "histogram" and not bucket:
        kind = "counter" if stored.endswith((".sum", ".count", "_sum", "_count")) else "gauge"
    known: MetricType = next((one for one in _TYPES if one == kind), "gauge")
    name = stored[: -len(".bucket")] if bucket else stored
    return MetricInfo(name, stored, known, str(row["unit"]), str(row["temporality"]), int(number(row["series"])))


def _labels(row: Row, query: MetricQuery) -> dict[str, str]:
    return {key: str(row[f"g{i}"]) for i, key in enumerate(query.group_by)}


def _pairs(cell: Any) -> list[tuple[int, float]]:
    """(slot, value) of a cell that holds tuples; a value may come as text or null (NaN, infinity)."""
    pairs = []
    for slot, value in cell or []:
        try:
            pairs.append((int(slot), float(value)))
        except (TypeError, ValueError):
            continue
    return pairs


def _quantiles(rows: list[Row], query: MetricQuery, wanted: float) -> tuple[Line, ...]:
    """Lines of one quantile out of buckets: rows of one group differ in ``le``."""
    groups: dict[tuple[str, ...], dict[int, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        try:
            bound = inf if str(row["le"]).lower() in ("+inf", "inf") else float(row["le"])
        except ValueError:
            continue
        slots = groups[tuple(_labels(row, query).values())]
        for slot, count in _pairs(row["points"]):
            slots[slot].append((bound, count))
    made = []
    for key, slots in sorted(groups.items()):
        found = {
            slot: quantile(buckets, wanted) for slot, buckets in slots.items() if slot >= query.from_s // query.step_s
        }
        points = [(slot * query.step_s, value) for slot, value in found.items() if value is not None]
        made.append(line(dict(zip(query.group_by, key, strict=True)), points))
    return tuple(made)
