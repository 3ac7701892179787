"""Services by rate, errors, duration and own time, in both windows; and what counts as worse."""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)

from dataclasses import dataclass

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.signoz.client import Query, Row, Store
from mcp_servers.signoz.reading import number, subject
from mcp_servers.signoz.sql import IS_BASE, IS_CURRENT, SAMPLED, SERVICE_OF_SPAN, SPANS
from mcp_servers.signoz.windows import Windows, iso

SPANS_LOOKED_AT = 200_000
ERRORS_MIN, ERROR_RATIO, ERROR_TIMES = 5, 0.02, 2.0
LATENCY_TIMES, LATENCY_MS = 1.5, 20.0
TRAFFIC_DROP, TRAFFIC_SPIKE, TRAFFIC_MIN = 0.5, 2.0, 0.1
SELF_TIMES, SELF_MS = 1.5, 5.0
CALLS_MIN = 10

COUNT = Query("span count", f"SELECT count() AS n FROM {SPANS}")
RED = Query(
    "service rates",
    f"""SELECT {SERVICE_OF_SPAN} AS service, countIf({IS_CURRENT}) AS calls, countIf({IS_BASE}) AS base_calls,
 countIf(has_error AND {IS_CURRENT}) AS errors, countIf(has_error AND {IS_BASE}) AS base_errors,
 quantileIf(0.99)(duration_nano, {IS_CURRENT}) / 1e6 AS p99, quantileIf(0.99)(duration_nano, {IS_BASE}) / 1e6 AS base_p99,
 avgIf(duration_nano, {IS_CURRENT}) / 1e6 AS mean, avgIf(duration_nano, {IS_BASE}) / 1e6 AS base_mean
 FROM {SPANS} AND kind IN (2, 5) AND ({{service:String}} = '' OR {SERVICE_OF_SPAN} = {{service:String}})
 GROUP BY service ORDER BY calls + base_calls DESC LIMIT 300""",
)
SEEN = Query(
    "versions",
    f"""SELECT {SERVICE_OF_SPAN} AS service, resources_string['service.version'] AS version, toUnixTimestamp(min(timestamp)) AS first,
 countIf({IS_CURRENT}) AS n, countIf({IS_BASE}) AS base_n FROM {SPANS} AND ({{service:String}} = '' OR {SERVICE_OF_SPAN} = {{service:String}})
 GROUP BY service, version ORDER BY service, first LIMIT 600""",
)
# A span's own time is its duration without its children's; a client span has none, it waits.
# A failure begins where no child failed.
SELF = Query(
    "own time",
    f"""WITH s AS (SELECT trace_id, span_id, parent_span_id, {SERVICE_OF_SPAN} AS service, kind, duration_nano, timestamp, has_error
 FROM {SPANS} AND {SAMPLED})
 SELECT service, countIf(kind IN (2, 5) AND {IS_CURRENT}) AS calls, countIf(kind IN (2, 5) AND {IS_BASE}) AS base_calls,
 sumIf(own, {IS_CURRENT}) / 1e6 AS self_ms, sumIf(own, {IS_BASE}) / 1e6 AS base_self_ms,
 countIf(begins AND {IS_CURRENT}) AS origins, countIf(begins AND {IS_BASE}) AS base_origins
 FROM (SELECT s.service AS service, s.kind AS kind, s.timestamp AS timestamp,
  s.has_error AND c.failed = 0 AS begins,
  if(s.kind IN (3, 4), 0, greatest(0, toInt64(s.duration_nano) - toInt64(c.total))) AS own
  FROM s LEFT JOIN (SELECT trace_id, parent_span_id, sum(duration_nano) AS total,
   countIf(has_error) AS failed FROM s WHERE parent_span_id != ''
   GROUP BY trace_id, parent_span_id) AS c ON s.trace_id = c.trace_id AND s.span_id = c.parent_span_id)
 GROUP BY service LIMIT 300""",
)


@dataclass
class Health:
    """One service in both windows; times in ms, own time per call."""

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

    @property
    def error_ratio(self) -> float:
        return self.errors / self.calls if self.calls else 0.0

    @property
    def base_error_ratio(self) -> float:
        return self.base_errors / self.base_calls if self.base_calls else 0.0

    def score(self) -> float:
        """How much worse the service itself became: extra errors and extra own time weigh, inherited waiting does not."""
        if min(self.calls, self.base_calls) < CALLS_MIN:
            return 0.0
        extra = max(0.0, self.self_ms - self.base_self_ms)
        grew = extra / (self.base_self_ms + 5.0)
        began = self.origins / max(1.0, self.calls) - self.base_origins / max(1.0, self.base_calls)
        return max(0.0, began) * 5 + min(grew, 20.0)


async def sample_of(store: Store, windows: Windows) -> int:
    """Every how manyth trace is read, so that about `SPANS_LOOKED_AT` spans are."""
    found = await store.rows(COUNT, windows.values)
    return max(1, round(number(found[0]["n"]) / SPANS_LOOKED_AT)) if found else 1


def read_health(rates: list[Row], own: list[Row], sample: int = 1) -> dict[str, Health]:
    """Services by name; ``sample`` is what `sample_of` said."""
    services: dict[str, Health] = {}
    for row in rates:
        one = services[str(row["service"])] = Health(str(row["service"]))
        for key in ("calls", "base_calls", "errors", "base_errors", "p99", "base_p99", "mean", "base_mean"):
            setattr(one, key, number(row[key]))
    for row in own:
        known = services.get(str(row["service"]))
        if known:
            known.self_ms = number(row["self_ms"]) / max(1.0, number(row["calls"]))
            known.origins, known.base_origins = number(row["origins"]) * sample, number(row["base_origins"]) * sample
            known.base_self_ms = number(row["base_self_ms"]) / max(1.0, number(row["base_calls"]))
    return services


def signals_of(one: Health, windows: Windows) -> list[Signal]:
    """What is worse with one service. Nothing without a baseline, except that half of all calls fail."""
    found: list[Signal] = []
    about, since = subject(one.service), iso(windows.cur_from)
    ratio, base = one.error_ratio, one.base_error_ratio
    if (
        one.errors >= ERRORS_MIN
        and ratio >= ERROR_RATIO
        and (ratio >= ERROR_TIMES * base if windows.compared else ratio >= 0.5)
    ):
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
    if one.base_calls >= CALLS_MIN and one.calls == 0:
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
        return found
    rate, before = one.calls / windows.cur_s, one.base_calls / windows.base_s
    if max(rate, before) >= TRAFFIC_MIN and max(one.calls, one.base_calls) >= CALLS_MIN and before:
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
    if one.p99 >= LATENCY_TIMES * one.base_p99 and one.p99 - one.base_p99 >= LATENCY_MS:
        detail = f"p99 {one.p99:.0f} ms, before {one.base_p99:.0f} ms"
        found.append(
            signal(
                "svc.latency_up",
                about,
                detail,
                value=round(one.p99, 1),
                baseline=round(one.base_p99, 1),
                threshold=LATENCY_TIMES,
                unit="ms",
                since=since,
            )
        )
    if one.self_ms >= SELF_TIMES * one.base_self_ms and one.self_ms - one.base_self_ms >= SELF_MS:
        detail = f"{one.self_ms:.0f} ms of own work a request, before {one.base_self_ms:.0f} ms; waiting for others is not counted"
        found.append(
            signal(
                "svc.self_time_up",
                about,
                detail,
                value=round(one.self_ms, 1),
                baseline=round(one.base_self_ms, 1),
                threshold=SELF_TIMES,
                unit="ms",
                since=since,
            )
        )
    return found
