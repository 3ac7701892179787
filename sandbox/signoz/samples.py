"""Metrics of a builder query: samples folded in plain Python, series by series, as the documentation says."""

# ruff: noqa: S608 (a stand-in: its statements are made of checked keys and quoted literals)

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import isfinite
from statistics import fmean
from typing import Any, Protocol

from sandbox.signoz.filters import KeyMissing, quoted, sql_of

Json = dict[str, Any]
_SPACES: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": sum,
    "avg": fmean,
    "min": min,
    "max": max,
    "count": len,
}


class Rows(Protocol):
    """The store, as far as samples need it. ``hidden``: keys that are to be unknown."""

    hidden: set[str]

    def rows(self, statement: str) -> list[Json]: ...


def labels_of(text: str) -> dict[str, str]:
    """Labels out of their JSON text."""
    return {str(k): str(v) for k, v in json.loads(text or "{}").items()}


def metric_series(builder: Rows, spec: Json, start: int, end: int) -> list[Json]:
    """The series of the first aggregation. Raises `KeyMissing`, `BadFilter`."""
    one = (spec.get("aggregations") or [{}])[0]
    metric, step = str(one.get("metricName", "")), max(1, int(float(spec.get("stepInterval") or 60)))
    found = builder.rows(
        "SELECT fingerprint, any(labels) AS labels, any(temporality) AS temporality FROM signoz_metrics.time_series_v4 "
        f"WHERE metric_name = {quoted(metric)} GROUP BY fingerprint"
    )
    known = label_keys(builder, metric)

    def column(key: str) -> tuple[str, str]:
        if key not in known or key in builder.hidden:
            raise KeyMissing(key, sorted(known))
        return f"JSONExtractString(labels, {quoted(key)})", f"JSONHas(labels, {quoted(key)})"

    groups = [str(g.get("name", "")) for g in spec.get("groupBy") or []]
    for group in groups:
        column(group)
    space = str(one.get("spaceAggregation") or "avg")
    share = int(space[1:]) / 100 if space[0] == "p" else None
    where = sql_of(str((spec.get("filter") or {}).get("expression") or ""), column)
    rows = builder.rows(
        "SELECT s.fingerprint AS fingerprint, s.unix_milli AS at, s.value AS value "
        "FROM signoz_metrics.samples_v4 AS s INNER JOIN (SELECT DISTINCT fingerprint FROM signoz_metrics.time_series_v4 "
        f"WHERE metric_name = {quoted(metric)} AND {where}) AS t ON s.fingerprint = t.fingerprint "
        f"WHERE s.metric_name = {quoted(metric)} AND s.unix_milli >= {start} AND s.unix_milli < {end} ORDER BY fingerprint, at"
    )
    told = {int(f["fingerprint"]): labels_of(f["labels"]) for f in found}
    lines: dict[tuple[str, ...], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    bounds: dict[tuple[str, ...], dict[int, dict[float, float]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(float))
    )
    by_series: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for row in rows:
        by_series[int(row["fingerprint"])].append((int(row["at"]), float(row["value"])))
    for fingerprint, points in sorted(by_series.items()):
        key = tuple(told[fingerprint].get(g, "") for g in groups)
        how = "increase" if share else str(one.get("timeAggregation") or "avg")
        for slot, value in _over_time(points, how, step).items():
            if share:
                bounds[key][slot][float(told[fingerprint].get("le", "inf"))] += value
            else:
                lines[key][slot].append(value)
    if share:
        for key, slots in bounds.items():
            for slot, buckets in slots.items():
                lines[key][slot].append(_quantile(sorted(buckets.items()), share))
    fold = _SPACES["avg" if share else space]
    return [
        {
            "labels": [{"key": {"name": g}, "value": v} for g, v in zip(groups, key, strict=True)],
            "values": [
                {"timestamp": slot * step * 1000, "value": number(float(fold(values)))}
                for slot, values in sorted(slots.items())
            ],
        }
        for key, slots in sorted(lines.items())
    ]


def _over_time(points: list[tuple[int, float]], how: str, step: int) -> dict[int, float]:
    slots: dict[int, list[float]] = defaultdict(list)
    if how in ("rate", "increase"):
        for (_, before), (at, value) in pairwise(points):
            slots[at // (step * 1000)].append(value - before if value >= before else value)
        return {slot: sum(grown) / (step if how == "rate" else 1) for slot, grown in slots.items()}
    for at, value in points:
        slots[at // (step * 1000)].append(value)
    return {slot: float(_SPACES[how](values)) for slot, values in slots.items()}


def label_keys(builder: Rows, metric: str = "") -> set[str]:
    """The labels that series of a metric (or of all) bear."""
    rows = builder.rows(
        f"SELECT DISTINCT labels FROM signoz_metrics.time_series_v4 WHERE {quoted(metric)} IN ('', metric_name)"
    )
    return {key for row in rows for key in labels_of(row["labels"])}


def _quantile(buckets: list[tuple[float, float]], share: float) -> float:
    """By linear interpolation within the bucket that holds the share; counts are cumulative."""
    total = buckets[-1][1] if buckets else 0
    wanted, low, under = share * total, 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted and total:
            if bound == float("inf"):
                return low
            return low + (bound - low) * ((wanted - under) / (count - under) if count > under else 1.0)
        low, under = bound, count
    return float("nan")


def number(value: float) -> float | str:
    """As the API writes it: what is no number as text."""
    return value if isfinite(value) else "NaN" if value != value else str(value).title()  # noqa: PLR0124 (NaN)
