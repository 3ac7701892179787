"""Services by rate, errors, duration and own time, in both windows; and what counts as worse."""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)

from dataclasses import dataclass, field
from math import inf

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.signoz.client import Query, Row
from mcp_servers.signoz.reading import number, subject
from mcp_servers.signoz.sources import Source
from mcp_servers.signoz.sql import IS_BASE, IS_CURRENT, SAMPLED, SERVICE_OF_SPAN, SPANS
from mcp_servers.signoz.windows import Windows, iso
from mcp_servers.signoz.windows_compare import (
    CALLS_MIN,
    ERROR_RATIO,
    SIDES,
    SURE,
    TAIL_CALLS,
    TIMES,
    Standard,
    moments,
    more_or_less,
    slower,
    standard,
    standard_sql,
    worse_errors,
)
from mcp_servers.signoz.windows_resource import SPANS_OF_SERVICE

SPANS_LOOKED_AT = 200_000
LATENCY_MS, TAIL_MS, SELF_MS = 10.0, 20.0, 5.0
TRAFFIC_DROP, TRAFFIC_SPIKE, TRAFFIC_MIN = 0.5, 2.0, 0.1
SILENCE_TRACES = 12.0  # requests that one would expect

COUNT = Query("span count", f"SELECT count() AS n FROM {SPANS}")
# Services answer cheap and dear operations, and the mix moves with the hour. So the mean is compared with what the same operations took
# before (`expected`), and `z` tells how surely the logarithms of their durations differ, in standard errors.
RED = Query(
    "service rates",
    f"""SELECT service, sum(n) AS calls, sum(bn) AS base_calls, sum(e) AS errors, sum(be) AS base_errors, quantileMerge(0.99)(q) / 1e6 AS p99,
 quantileMerge(0.99)(bq) / 1e6 AS base_p99, sum(m * n) / greatest(calls, 1) / 1e6 AS mean, sum(bm * bn) / greatest(base_calls, 1) / 1e6 AS base_mean,
 max(bt) AS base_traces, {standard_sql()}
 FROM (SELECT {SERVICE_OF_SPAN} AS service, name, {SIDES}, uniqIf(trace_id, {IS_BASE}) AS bt, countIf(has_error AND {IS_CURRENT}) AS e, countIf(has_error AND {IS_BASE}) AS be,
  quantileStateIf(0.99)(duration_nano, {IS_CURRENT}) AS q, quantileStateIf(0.99)(duration_nano, {IS_BASE}) AS bq,
  {moments("duration_nano")}
  FROM {SPANS} AND kind IN (2, 5) AND ({{service:String}} = '' OR {SERVICE_OF_SPAN} = {{service:String}}) AND {SPANS_OF_SERVICE} GROUP BY service, name)
 GROUP BY service ORDER BY calls + base_calls DESC LIMIT 300""",
)
SEEN = Query(
    "versions",
    f"""SELECT {SERVICE_OF_SPAN} AS service, resources_string['service.version'] AS version, toUnixTimestamp(min(timestamp)) AS first,
 countIf({IS_CURRENT}) AS n, countIf({IS_BASE}) AS base_n FROM {SPANS} AND ({{service:String}} = '' OR {SERVICE_OF_SPAN} = {{service:String}}) AND {SPANS_OF_SERVICE}
 GROUP BY service, version ORDER BY service, first LIMIT 600""",
)
# A span's own time is its duration without its children's; a client span has none, it waits.
# A failure begins where no child failed; but a call without an answer, where calls of its name had one before, begins at its other end.
SELF = Query(
    "own time",
    f"""WITH s AS (SELECT trace_id, span_id, parent_span_id, {SERVICE_OF_SPAN} AS service, name, kind, duration_nano, timestamp, has_error
 FROM {SPANS} AND {SAMPLED})
 SELECT service, sum(entered) AS calls, sum(base_entered) AS base_calls, sum(m * n) / 1e6 AS self_ms, sum(bm * bn) / 1e6 AS base_self_ms,
 sum(o) AS origins, sum(bo) AS base_origins, {standard_sql()}
 FROM (SELECT service, name, {SIDES}, countIf(kind IN (2, 5) AND {IS_CURRENT}) AS entered, countIf(kind IN (2, 5) AND {IS_BASE}) AS base_entered,
  countIf(begins AND {IS_CURRENT}) AS o, countIf(begins AND {IS_BASE}) AS bo, {moments("own")}
  FROM (SELECT s.service AS service, s.name AS name, s.kind AS kind, s.timestamp AS timestamp, s.has_error AND c.failed = 0 AND NOT (s.kind = 3
    AND c.answers = 0 AND avgIf(least(c.answers, 1), {IS_BASE}) OVER (PARTITION BY s.service, s.name, s.kind) >= 0.5) AS begins,
   if(s.kind IN (3, 4), 0, greatest(0, toInt64(s.duration_nano) - toInt64(c.total))) AS own
   FROM s LEFT JOIN (SELECT trace_id, parent_span_id, sum(duration_nano) AS total,
    countIf(has_error) AS failed, countIf(kind IN (2, 5)) AS answers FROM s WHERE parent_span_id != ''
    GROUP BY trace_id, parent_span_id) AS c ON s.trace_id = c.trace_id AND s.span_id = c.parent_span_id)
  GROUP BY service, name)
 GROUP BY service LIMIT 300""",
)


@dataclass
class Health:
    """One service in both windows; times in ms, own time per request. ``took`` and ``own`` compare operations with themselves."""

    service: str
    calls: float = 0
    base_calls: float = 0
    errors: float = 0
    base_errors: float = 0
    p99: float = 0
    base_p99: float = 0
    mean: float = 0
    base_mean: float = 0
    self_ms: float = 0
    base_self_ms: float = 0
    origins: float = 0
    base_origins: float = 0
    took: Standard = field(default_factory=Standard)
    own: Standard = field(default_factory=Standard)
    own_requests: float = 0
    base_traces: float = inf  # requests before; unlimited where the source does not tell

    @property
    def error_ratio(self) -> float:
        return self.errors / self.calls if self.calls else 0.0

    @property
    def base_error_ratio(self) -> float:
        return self.base_errors / self.base_calls if self.base_calls else 0.0

    @property
    def extra_self_ms(self) -> float:
        """Own time a request beyond what its operations used to take."""
        if self.own.known is None or not self.own_requests:
            return self.self_ms - self.base_self_ms
        return self.own.slower * self.own.known / self.own_requests

    def score(self) -> float:
        """How much worse the service itself became: extra errors and extra own time weigh, inherited waiting does not."""
        if min(self.calls, self.base_calls) < CALLS_MIN:
            return 0.0
        extra = max(0.0, self.extra_self_ms)
        grew = extra / (max(0.0, self.self_ms - extra) + 5.0)
        if self.own.known is not None:
            grew *= min(1.0, max(0.0, self.own.z) / SURE)
        began = self.origins / max(1.0, self.calls) - self.base_origins / max(1.0, self.base_calls)
        return max(0.0, began) * 5 + min(grew, 20.0)


async def sample_of(source: Source, windows: Windows) -> int:
    """Every how manyth trace is read, so that about `SPANS_LOOKED_AT` spans are."""
    return max(1, round(await source.span_count(windows) / SPANS_LOOKED_AT))


def read_health(rates: list[Row], own: list[Row], sample: int = 1) -> dict[str, Health]:
    """Services by name; ``sample`` is what `sample_of` said."""
    services: dict[str, Health] = {}
    for row in rates:
        one = services[str(row["service"])] = Health(str(row["service"]))
        for key in ("calls", "base_calls", "errors", "base_errors", "p99", "base_p99", "mean", "base_mean"):
            setattr(one, key, number(row[key]))
        one.base_traces = number(row["base_traces"]) if "base_traces" in row else inf
        one.took = standard(row)
    for row in own:
        known = services.get(str(row["service"]))
        if known:
            known.self_ms = number(row["self_ms"]) / max(1.0, number(row["calls"]))
            known.origins, known.base_origins = number(row["origins"]) * sample, number(row["base_origins"]) * sample
            known.own, known.own_requests = standard(row), number(row["calls"])
            known.base_self_ms = number(row["base_self_ms"]) / max(1.0, number(row["base_calls"]))
    return services


def signals_of(one: Health, windows: Windows) -> list[Signal]:
    """What is worse with one service. Nothing without a baseline, except that half of all calls fail."""
    found: list[Signal] = []
    about, since = subject(one.service), iso(windows.cur_from)
    ratio, base = one.error_ratio, one.base_error_ratio
    if worse_errors(one.errors, one.calls, one.base_errors, one.base_calls, windows.compared):
        detail = f"{one.errors:.0f} of {one.calls:.0f} requests failed ({ratio:.1%}), before {base:.1%}"
        detail += f"; {one.origins:.0f} failures began in it" if one.origins else "; none began in it"
        found.append(
            signal(
                "svc.error_rate_up",
                about,
                detail,
                reason="own" if one.origins >= one.errors / 2 else "inherited",
                value=round(ratio, 4),
                baseline=round(base, 4),
                threshold=ERROR_RATIO,
                unit="ratio",
                since=since,
            )
        )
    if not windows.compared:
        return found
    # One request may call a service twenty times: what is missing are requests, and of few of them all may lead elsewhere.
    expected = min(one.base_calls, one.base_traces) * windows.cur_s / windows.base_s
    if one.base_calls >= CALLS_MIN and one.calls == 0 and expected >= SILENCE_TRACES:
        found.append(
            signal(
                "svc.no_data",
                about,
                f"no span in the window, {one.base_calls:.0f} requests before",
                value=0,
                baseline=one.base_calls,
                since=since,
            )
        )
    if one.calls == 0:
        return found
    rate, before = one.calls / windows.cur_s, one.base_calls / windows.base_s
    surely = before and more_or_less(one.calls, one.base_calls, windows.cur_s / windows.base_s)
    if surely and max(rate, before) >= TRAFFIC_MIN and max(one.calls, one.base_calls) >= CALLS_MIN:
        for code, hit, limit in (
            ("svc.traffic_drop", rate <= TRAFFIC_DROP * before, TRAFFIC_DROP),
            ("svc.traffic_spike", rate >= TRAFFIC_SPIKE * before, TRAFFIC_SPIKE),
        ):
            if hit:
                detail = f"{rate:.2f} requests a second, before {before:.2f}"
                found.append(
                    signal(
                        code,
                        about,
                        detail,
                        value=round(rate, 3),
                        baseline=round(before, 3),
                        threshold=limit,
                        unit="1/s",
                        since=since,
                    )
                )
    if min(one.calls, one.base_calls) < CALLS_MIN:
        return found
    now, before = (one.took.observed, one.took.expected) if one.took.known is not None else (one.mean, one.base_mean)
    tail = min(one.calls, one.base_calls) >= TAIL_CALLS and one.p99 >= TIMES * one.base_p99
    if slower(now, before, LATENCY_MS, one.took, one.calls, one.base_calls) or (
        tail and one.p99 - one.base_p99 >= TAIL_MS
    ):
        detail = f"{now:.0f} ms a request, the same operations before {before:.0f}; p99 {one.p99:.0f}, before {one.base_p99:.0f} ms"
        found.append(
            signal(
                "svc.latency_up",
                about,
                detail,
                value=round(now, 1),
                baseline=round(before, 1),
                threshold=TIMES,
                unit="ms",
                since=since,
            )
        )
    extra = one.extra_self_ms
    if slower(one.self_ms, one.self_ms - extra, SELF_MS, one.own, one.calls, one.base_calls):
        detail = f"{one.self_ms:.0f} ms of own work a request, the same operations before {one.self_ms - extra:.0f} ms; waiting for others is not counted"
        found.append(
            signal(
                "svc.self_time_up",
                about,
                detail,
                value=round(one.self_ms, 1),
                baseline=round(one.self_ms - extra, 1),
                threshold=TIMES,
                unit="ms",
                since=since,
            )
        )
    return found
