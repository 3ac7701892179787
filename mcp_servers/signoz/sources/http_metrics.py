"""Metrics through SigNoz's API: its catalogue of metrics, and builder queries for lines."""

from typing import Any, Final

import re2

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.signoz.series import Line, line
from mcp_servers.signoz.series_reads import QUANTILES, MetricInfo, MetricQuery, MetricType, Resource, ways
from mcp_servers.signoz.sources import Row
from mcp_servers.signoz.sources.clickhouse_metrics import RESOURCE_NAMES, SERVICE_KEYS
from mcp_servers.signoz.sources.http_client import Missing, UnknownKey
from mcp_servers.signoz.sources.http_query import Questions, both_of, lit, spec
from mcp_servers.signoz.sources.http_search import expression

_FEW: Final = 5  # metrics whose beginning is looked at
_METRICS: Final = "/api/v2/metrics"
_POD: Final = "k8s.pod.name"
RESOURCES: Final = 24  # metrics that are read to see what changed with a service
_TYPES: Final[dict[str, MetricType]] = {
    "gauge": "gauge",
    "sum": "sum",
    "histogram": "histogram",
    "exponentialhistogram": "exponential_histogram",
    "exponential_histogram": "exponential_histogram",
    "summary": "summary",
}
_RESOURCE = re2.compile(RESOURCE_NAMES)
_QUANTILE_NAMES: Final = {share: name for name, share in QUANTILES.items()}


class HttpMetrics:
    """`mcp_servers.signoz.series_reads.MetricReads`."""

    ask: Questions

    async def metric_info(self, name: str, from_s: int, to_s: int) -> MetricInfo | None:
        del from_s, to_s
        for stored in (name, f"{name}.bucket", f"{name}_bucket"):
            try:
                told = await self.ask.api.get(f"{_METRICS}/metadata", metricName=stored)
            except Missing as error:
                raise _unsupported() from error
            except ToolFailure as failure:
                if failure.info.code != "NOT_FOUND":
                    raise
                continue
            if isinstance(told, dict) and told.get("type"):
                return _info({"metricName": stored, **told})
        return None

    async def metric_names(
        self, search: str, service: str, from_s: int, to_s: int, limit: int
    ) -> tuple[MetricInfo, ...]:
        del service  # SigNoz lists metrics of all services
        rows = await self._listed(search, from_s, to_s, limit)
        return tuple(
            sorted((_info(r) for r in rows if search.lower() in str(r["metricName"]).lower()), key=lambda m: m.name)
        )[:limit]

    async def _listed(self, search: str, from_s: int, to_s: int, limit: int) -> list[Row]:
        try:
            told = await self.ask.api.get(
                _METRICS, start=str(from_s * 1000), end=str(to_s * 1000), limit=str(limit), searchText=search
            )
        except Missing as error:
            raise _unsupported() from error
        rows = told.get("metrics") if isinstance(told, dict) else told
        return [r for r in rows or [] if isinstance(r, dict) and r.get("metricName")]

    async def first_metric(self, from_s: int, to_s: int) -> int:
        """About when metrics begin: the first point of some of them in steps of a sixtieth of the window; 0 when there is none."""
        step = max(60, (to_s - from_s) // 60)
        infos = [_info(r) for r in await self._listed("", from_s, to_s, _FEW)]
        read = await self.ask.gathered(
            *(
                self.ask.series(from_s, to_s, _spec(i, "avg", "avg", step))
                for i in infos
                if i.type in ("gauge", "counter", "sum")
            )
        )
        return max(
            from_s,
            min((at for told in read for _, points in told for at, _ in points[:1]), default=from_s if infos else 0),
        )

    async def metric_lines(self, query: MetricQuery) -> tuple[Line, ...]:
        time, space, wanted = ways(query.info, query.aggregation)
        one = _spec(query.info, "" if wanted else time, _QUANTILE_NAMES[wanted] if wanted else space, query.step_s)
        one["filter"] = {"expression": expression(query.conditions)}
        one["groupBy"] = [{"name": g} for g in query.group_by]
        try:
            # One slot more before the window, because the first reading of a counter has nothing to be compared with.
            earlier = query.step_s if wanted or time in ("rate", "increase") else 0
            series = await self.ask.series(query.from_s - earlier, query.to_s, one)
        except UnknownKey as unknown:
            near = f"close keys: {', '.join(unknown.near)}" if unknown.near else "find_fields lists the keys"
            raise ToolFailure(
                "VALIDATION", f"SigNoz knows no key {unknown.key} of {query.info.name}", hint=near
            ) from unknown
        first = query.from_s // query.step_s * query.step_s
        made = [
            line({g: labels.get(g, "") for g in query.group_by}, [(at, v) for at, v in points if at >= first])
            for labels, points in series
        ]
        return tuple(sorted(made, key=lambda one: sorted(one.labels.items())))

    async def resources(self, service: str, from_s: int, to_s: int, step_s: int) -> tuple[Resource, ...]:
        rows = [r for r in await self._listed("", from_s, to_s, 1000) if _RESOURCE.search(str(r["metricName"]))]
        infos = sorted(
            (_info(r) for r in rows if not str(r["metricName"]).endswith(("bucket",))), key=lambda m: m.name
        )[:RESOURCES]
        read = await self.ask.gathered(*(self._resource(info, service, from_s, to_s, step_s) for info in infos))
        return tuple(sorted((r for found in read for r in found), key=lambda r: (r.service, r.metric)))

    async def _resource(self, info: MetricInfo, service: str, from_s: int, to_s: int, step_s: int) -> list[Resource]:
        grows = info.type == "counter"

        async def run(keys: list[str]) -> Any:
            owners = [k for k in keys if k != _POD]
            one = _spec(info, "rate" if grows else "avg", "avg", step_s)
            one["filter"] = {
                "expression": both_of(" OR ".join(f"{k} = {lit(service)}" for k in owners) if service else "")
            }
            one["groupBy"] = [{"name": k} for k in keys]
            return await self.ask.series(from_s, to_s, one) if owners else []

        series = await self.ask.optional("metrics", (*SERVICE_KEYS, _POD), run)
        by_service: dict[str, list[tuple[str, list[tuple[int, float]]]]] = {}
        for labels, points in series:
            owner = service or next((labels[k] for k in SERVICE_KEYS if labels.get(k)), "")
            if owner:
                by_service.setdefault(owner, []).append((labels.get(_POD, ""), points))
        return [_folded(owner, info, pods) for owner, pods in by_service.items()]


def _folded(service: str, info: MetricInfo, pods: list[tuple[str, list[tuple[int, float]]]]) -> Resource:
    """Per slot the mean over the pods and the highest of them."""
    slots: dict[int, list[tuple[float, str]]] = {}
    for pod, points in pods:
        for at, value in points:
            slots.setdefault(at, []).append((value, pod))
    means = [(at, sum(v for v, _ in found) / len(found)) for at, found in sorted(slots.items())]
    peaks = [(at, max(found)) for at, found in sorted(slots.items())]
    pod = peaks[-1][1][1] if peaks else ""
    counter = info.type == "counter"
    return Resource(
        service, info.name, info.unit, counter, line({}, means), line({}, [(at, top[0]) for at, top in peaks]), pod
    )


def _spec(info: MetricInfo, time: str, space: str, step_s: int) -> Row:
    one = spec("metrics", step_s=step_s)
    aggregation = {"metricName": info.stored, "temporality": info.temporality.lower(), "spaceAggregation": space}
    if time:
        aggregation["timeAggregation"] = time
    one["aggregations"] = [{k: v for k, v in aggregation.items() if v and v != "unspecified"}]
    return one


def _info(row: Row) -> MetricInfo:
    stored, said = str(row["metricName"]), str(row.get("type", "")).lower().replace(" ", "")
    kind: MetricType = _TYPES.get(said, "gauge")
    if kind == "sum" and row.get("isMonotonic") is True:
        kind = "counter"
    bucket = stored.endswith((".bucket", "_bucket"))
    if kind == "histogram" and not bucket:
        kind = "counter" if stored.endswith((".sum", ".count", "_sum", "_count")) else "gauge"
    name = stored[: -len(".bucket")] if bucket else stored
    return MetricInfo(name, stored, kind, str(row.get("unit") or ""), str(row.get("temporality") or ""), 0)


def _unsupported() -> ToolFailure:
    return ToolFailure("UNSUPPORTED", f"this SigNoz has no {_METRICS}", hint="a newer SigNoz, or its store, has one")
