"""Who calls whom, in both windows: errors, the callee's time, and the time lost between caller and callee; and what operations do below."""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)

from dataclasses import dataclass

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.signoz.client import Query, Row
from mcp_servers.signoz.reading import name, number, subject
from mcp_servers.signoz.sql import IS_BASE, IS_CURRENT, SAMPLED, SERVICE_OF_SPAN, SPANS
from mcp_servers.signoz.windows import Windows, iso

CALLS_MIN = 10
ERRORS_MIN, ERROR_RATIO, ERROR_TIMES = 5, 0.02, 2.0
LATENCY_TIMES, LATENCY_MS = 1.5, 10.0
IO_SHARE = 0.6
PATH_SKIPPED, PATH_ADDED, PATH_USUAL = 0.7, 2.0, 0.2

_WITH = f"""WITH s AS (SELECT trace_id, span_id, parent_span_id, {SERVICE_OF_SPAN} AS service, name, kind, duration_nano, timestamp, has_error
 FROM {SPANS} AND {SAMPLED})"""
CALLS = Query(
    "calls between services",
    f"""{_WITH} SELECT source, target, countIf({IS_CURRENT}) AS calls, countIf({IS_BASE}) AS base_calls, countIf(bad AND {IS_CURRENT}) AS errors,
 countIf(bad AND {IS_BASE}) AS base_errors, avgIf(took, {IS_CURRENT}) / 1e6 AS mean, avgIf(took, {IS_BASE}) / 1e6 AS base_mean,
 avgIf(lost, {IS_CURRENT}) / 1e6 AS gap, avgIf(lost, {IS_BASE}) / 1e6 AS base_gap
 FROM (SELECT p.service AS source, c.service AS target, c.timestamp AS timestamp, c.has_error OR p.has_error AS bad, c.duration_nano AS took,
  if(p.kind = 3, greatest(0, toInt64(p.duration_nano) - toInt64(c.duration_nano)), 0) AS lost
  FROM s AS c INNER JOIN s AS p ON c.trace_id = p.trace_id AND c.parent_span_id = p.span_id WHERE c.service != p.service)
 WHERE {{service:String}} = '' OR source = {{service:String}} OR target = {{service:String}}
 GROUP BY source, target ORDER BY calls + base_calls DESC LIMIT 400""",
)
BACKENDS = Query(
    "calls to backends",
    f"""SELECT {SERVICE_OF_SPAN} AS source, coalesce(nullIf(attributes_string['db.system'], ''), nullIf(attributes_string['db.system.name'], ''),
 nullIf(attributes_string['messaging.system'], ''), '') AS target, countIf({IS_CURRENT}) AS calls, countIf({IS_BASE}) AS base_calls,
 countIf(has_error AND {IS_CURRENT}) AS errors, countIf(has_error AND {IS_BASE}) AS base_errors, avgIf(duration_nano, {IS_CURRENT}) / 1e6 AS mean,
 avgIf(duration_nano, {IS_BASE}) / 1e6 AS base_mean, 0 AS gap, 0 AS base_gap
 FROM {SPANS} AND kind IN (3, 4) AND target != '' AND ({{service:String}} = '' OR source = {{service:String}})
 GROUP BY source, target ORDER BY calls + base_calls DESC LIMIT 100""",
)
# What one operation does below itself, inside its service or outside, counted per call of the operation. Client spans are no operations:
# "HTTP GET" leads wherever the traffic of the minute goes.
PATHS = Query(
    "paths below operations",
    f"""{_WITH}, k AS (SELECT p.service AS service, p.name AS name, c.service AS to_service, c.name AS to_name,
  countIf({IS_CURRENT.replace("timestamp", "c.timestamp")}) AS below, countIf({IS_BASE.replace("timestamp", "c.timestamp")}) AS base_below
  FROM s AS c INNER JOIN s AS p ON c.trace_id = p.trace_id AND c.parent_span_id = p.span_id
  WHERE p.kind != 3 GROUP BY service, name, to_service, to_name),
 o AS (SELECT service, name, countIf({IS_CURRENT}) AS calls, countIf({IS_BASE}) AS base_calls FROM s GROUP BY service, name)
 SELECT k.service AS service, k.name AS name, k.to_service AS to_service, k.to_name AS to_name, k.below AS below, k.base_below AS base_below,
 o.calls AS calls, o.base_calls AS base_calls FROM k INNER JOIN o ON k.service = o.service AND k.name = o.name
 WHERE ({{service:String}} = '' OR k.service = {{service:String}}) AND calls >= 8 AND base_calls >= 8
 AND (below / calls <= 0.7 * base_below / base_calls OR below / calls >= 2 * base_below / base_calls)
 ORDER BY abs(below / calls - base_below / base_calls) DESC LIMIT 60""",
)


@dataclass
class Edge:
    """Calls from one service to another (or to a backend), both windows; times in ms, means."""

    source: str
    target: str
    kind: str
    calls: float = 0
    base_calls: float = 0
    errors: float = 0
    base_errors: float = 0
    mean: float = 0
    base_mean: float = 0
    gap: float = 0
    base_gap: float = 0

    @property
    def error_ratio(self) -> float:
        return self.errors / self.calls if self.calls else 0.0

    @property
    def base_error_ratio(self) -> float:
        return self.base_errors / self.base_calls if self.base_calls else 0.0

    @property
    def slower_ms(self) -> float:
        """How much longer one call takes, the way included."""
        return self.mean + self.gap - self.base_mean - self.base_gap if self.base_calls and self.calls else 0.0


def read_edges(rows: list[Row], kind: str) -> list[Edge]:
    made = []
    for row in rows:
        cells = {
            key: number(row[key])
            for key in ("calls", "base_calls", "errors", "base_errors", "mean", "base_mean", "gap", "base_gap")
        }
        made.append(Edge(str(row["source"]), str(row["target"]), kind, **cells))
    return made


def signals_of(edge: Edge, both: Windows) -> list[Signal]:
    """Signals name the callee as their subject: it is what one looks at next."""
    found: list[Signal] = []
    target = subject(edge.target) if edge.kind == "service" else f"{edge.kind}/{name(edge.target)}"
    about, since = {"subject": target, "owner": subject(edge.source)}, iso(both.cur_from)
    who = f"{name(edge.source)} -> {name(edge.target)}"
    ratio, base = edge.error_ratio, edge.base_error_ratio
    if (
        edge.errors >= ERRORS_MIN
        and ratio >= ERROR_RATIO
        and (ratio >= ERROR_TIMES * base if both.compared else ratio >= 0.5)
    ):
        detail = f"{who}: {edge.errors:.0f} of {edge.calls:.0f} calls failed, before {base:.1%}"
        found.append(
            signal(
                "dep.error_rate_up",
                detail=detail,
                value=round(ratio, 4),
                baseline=round(base, 4),
                threshold=ERROR_RATIO,
                since=since,
                **about,
            )
        )
    if not both.compared:
        return found
    if edge.base_calls >= CALLS_MIN and edge.calls == 0:
        found.append(
            signal(
                "dep.gone",
                detail=f"{who}: {edge.base_calls:.0f} calls before, none now",
                value=0,
                baseline=edge.base_calls,
                since=since,
                **about,
            )
        )
    if edge.calls >= CALLS_MIN and edge.base_calls == 0:
        found.append(
            signal(
                "dep.new_edge",
                detail=f"{who}: {edge.calls:.0f} calls now, none before",
                value=edge.calls,
                baseline=0,
                since=since,
                **about,
            )
        )
    now, before = edge.mean + edge.gap, edge.base_mean + edge.base_gap
    if min(edge.calls, edge.base_calls) >= CALLS_MIN and now >= LATENCY_TIMES * before and now - before >= LATENCY_MS:
        between = edge.gap - edge.base_gap > edge.mean - edge.base_mean
        detail = f"{who}: {now:.0f} ms a call, before {before:.0f}; the time on the way went from {edge.base_gap:.0f} to {edge.gap:.0f} ms"
        reason = "network" if between else "callee"
        found.append(
            signal(
                "dep.latency_up",
                detail=detail,
                reason=reason,
                value=round(now, 1),
                baseline=round(before, 1),
                threshold=LATENCY_TIMES,
                unit="ms",
                since=since,
                **about,
            )
        )
    return found


def slow_io(edges: list[Edge], both: Windows) -> list[Signal]:
    """The one service that most of the time lost on the way has in common; none unless at least two of its edges lose some."""
    lost: dict[str, float] = {}
    touched: dict[str, int] = {}
    total = 0.0
    for edge in edges if both.compared else []:
        more = edge.gap - edge.base_gap
        if (
            edge.kind != "service"
            or min(edge.calls, edge.base_calls) < CALLS_MIN
            or more < LATENCY_MS
            or edge.gap < LATENCY_TIMES * edge.base_gap
        ):
            continue
        total += more
        for end in {edge.source, edge.target}:
            lost[end] = lost.get(end, 0.0) + more
            touched[end] = touched.get(end, 0) + 1
    worst = max(lost, key=lambda s: (lost[s], s), default="")
    if not worst or touched[worst] < 2 or lost[worst] < IO_SHARE * total:
        return []
    detail = f"{touched[worst]} of its edges lose time on the way, {lost[worst]:.0f} ms more a call in sum, {lost[worst] / total:.0%} of all that is lost"
    return [
        signal(
            "svc.io_slow",
            subject(worst),
            detail,
            value=round(lost[worst], 1),
            threshold=IO_SHARE,
            unit="ms",
            since=iso(both.cur_from),
        )
    ]


def path_signals(rows: list[Row], both: Windows) -> list[Signal]:
    """One signal an operation whose calls below changed: what is skipped tells where the code took another way."""
    found: dict[tuple[str, str], Signal] = {}
    for row in rows if both.compared else []:
        now, before = number(row["below"]) / number(row["calls"]), number(row["base_below"]) / number(row["base_calls"])
        if max(now, before) < PATH_USUAL:
            continue
        skipped = now < before
        if (skipped and now > PATH_SKIPPED * before) or (not skipped and now < PATH_ADDED * before):
            continue
        where = name(row["to_name"], 60) + (
            f" of {name(row['to_service'], 40)}" if row["to_service"] != row["service"] else ""
        )
        detail = (
            f"{name(row['name'], 60)} {'skips' if skipped else 'adds'} {where}: {now:.2f} a call, before {before:.2f}"
        )
        reason = "skipped" if skipped else "added"
        found.setdefault(
            (str(row["service"]), str(row["name"])),
            signal(
                "trace.path_changed",
                subject(str(row["service"])),
                detail,
                reason=reason,
                value=round(now, 3),
                baseline=round(before, 3),
                since=iso(both.cur_from),
            ),
        )
    return list(found.values())
