"""Who calls whom, in both windows: errors, the callee's time, and the time lost between caller and callee; and what operations do below."""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)

from collections.abc import Iterable
from dataclasses import dataclass, field

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.signoz.client import Query, Row
from mcp_servers.signoz.reading import name, number, subject
from mcp_servers.signoz.sql import IS_BASE, IS_CURRENT, SAMPLED, SERVICE_OF_SPAN, SPANS
from mcp_servers.signoz.windows import Windows, iso
from mcp_servers.signoz.windows_compare import (
    CALLS_MIN,
    ERROR_RATIO,
    SIDES,
    SURE,
    TIMES,
    Standard,
    moments,
    slower,
    standard,
    standard_sql,
    worse_errors,
)
from mcp_servers.signoz.windows_resource import SPANS_OF_SERVICE

LATENCY_MS = 10.0
IO_SHARE = 0.6  # of the time lost in all: most of it, so that at most one service can have it
IO_ALONE_MS = 100.0  # half of the shortest wait before TCP sends a lost packet again
PATH_SKIPPED, PATH_ADDED, PATH_USUAL = 0.7, 2.0, 0.2

_WITH = f"""WITH s AS (SELECT trace_id, span_id, parent_span_id, {SERVICE_OF_SPAN} AS service, name, kind, duration_nano, timestamp, has_error
 FROM {SPANS} AND {SAMPLED})"""
CALLS = Query(
    "calls between services",
    f"""{_WITH} SELECT source, target, sum(n) AS calls, sum(bn) AS base_calls, sum(e) AS errors, sum(be) AS base_errors,
 sum(tm * n) / greatest(calls, 1) / 1e6 AS mean, sum(tbm * bn) / greatest(base_calls, 1) / 1e6 AS base_mean,
 sum(gm * n) / greatest(calls, 1) / 1e6 AS gap, sum(gbm * bn) / greatest(base_calls, 1) / 1e6 AS base_gap, {standard_sql()}, {standard_sql("g")}
 FROM (SELECT source, target, {SIDES}, countIf(bad AND {IS_CURRENT}) AS e, countIf(bad AND {IS_BASE}) AS be, {moments("took", "t")},
  {moments("lost", "g")}, {moments("took + lost")}
  FROM (SELECT p.service AS source, c.service AS target, p.name AS operation, c.name AS called, c.timestamp AS timestamp,
   c.has_error OR (p.kind IN (3, 4) AND p.has_error) AS bad, toInt64(c.duration_nano) AS took,
   if(p.kind = 3, greatest(0, toInt64(p.duration_nano) - toInt64(c.duration_nano)), 0) AS lost
   FROM s AS c INNER JOIN s AS p ON c.trace_id = p.trace_id AND c.parent_span_id = p.span_id WHERE c.service != p.service)
  WHERE {{service:String}} = '' OR source = {{service:String}} OR target = {{service:String}}
  GROUP BY source, target, operation, called)
 GROUP BY source, target ORDER BY calls + base_calls DESC LIMIT 400""",
)
BACKENDS = Query(
    "calls to backends",
    f"""SELECT {SERVICE_OF_SPAN} AS source, coalesce(nullIf(attributes_string['db.system'], ''), nullIf(attributes_string['db.system.name'], ''),
 nullIf(attributes_string['messaging.system'], ''), '') AS target, countIf({IS_CURRENT}) AS calls, countIf({IS_BASE}) AS base_calls,
 countIf(has_error AND {IS_CURRENT}) AS errors, countIf(has_error AND {IS_BASE}) AS base_errors, avgIf(duration_nano, {IS_CURRENT}) / 1e6 AS mean,
 avgIf(duration_nano, {IS_BASE}) / 1e6 AS base_mean, 0 AS gap, 0 AS base_gap
 FROM {SPANS} AND kind IN (3, 4) AND target != '' AND ({{service:String}} = '' OR source = {{service:String}}) AND {SPANS_OF_SERVICE}
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
    """Calls from one service to another (or to a backend), both windows; times in ms, means. ``whole`` (way included) and
    ``way`` compare operations with themselves."""

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
    whole: Standard = field(default_factory=Standard)
    way: Standard = field(default_factory=Standard)

    @property
    def error_ratio(self) -> float:
        return self.errors / self.calls if self.calls else 0.0

    @property
    def base_error_ratio(self) -> float:
        return self.base_errors / self.base_calls if self.base_calls else 0.0

    @property
    def slower_ms(self) -> float:
        """How much longer one call takes, the way included."""
        now, before = self.took
        return now - before if self.base_calls and self.calls else 0.0

    @property
    def took(self) -> tuple[float, float]:
        """One call, the way included: now and before."""
        if self.whole.known is not None:
            return self.whole.observed, self.whole.expected
        return self.mean + self.gap, self.base_mean + self.base_gap

    @property
    def lost(self) -> tuple[float, float]:
        """The time on the way: now and before."""
        return (self.way.observed, self.way.expected) if self.way.known is not None else (self.gap, self.base_gap)


def read_edges(rows: list[Row], kind: str) -> list[Edge]:
    made = []
    for row in rows:
        cells = {
            key: number(row[key])
            for key in ("calls", "base_calls", "errors", "base_errors", "mean", "base_mean", "gap", "base_gap")
        }
        made.append(
            Edge(str(row["source"]), str(row["target"]), kind, **cells, whole=standard(row), way=standard(row, "g"))
        )
    return made


def callees(calls: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Service -> the others that it calls, out of (source, target)."""
    below: dict[str, set[str]] = {}
    for source, target in calls:
        if source != target:
            below.setdefault(source, set()).add(target)
    return below


def behind(service: str, below: dict[str, set[str]]) -> set[str]:
    """Every service that ``service`` calls, through others, too; itself only where the calls come back to it."""
    seen: set[str] = set()
    waiting = [service]
    while waiting:
        for target in below.get(waiting.pop(), ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def signals_of(edge: Edge, both: Windows) -> list[Signal]:
    """Signals name the callee as their subject: it is what one looks at next."""
    found: list[Signal] = []
    target = subject(edge.target) if edge.kind == "service" else f"{edge.kind}/{name(edge.target)}"
    about, since = {"subject": target, "owner": subject(edge.source)}, iso(both.cur_from)
    who = f"{name(edge.source)} -> {name(edge.target)}"
    ratio, base = edge.error_ratio, edge.base_error_ratio
    if worse_errors(edge.errors, edge.calls, edge.base_errors, edge.base_calls, both.compared):
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
    now, before = edge.took
    if slower(now, before, LATENCY_MS, edge.whole, edge.calls, edge.base_calls):
        on_way, used = edge.lost
        between = on_way - used > (now - before) / 2
        detail = f"{who}: {now:.0f} ms a call, the same operations before {before:.0f}; the time on the way went from {used:.0f} to {on_way:.0f} ms"
        reason = "network" if between else "callee"
        found.append(
            signal(
                "dep.latency_up",
                detail=detail,
                reason=reason,
                value=round(now, 1),
                baseline=round(before, 1),
                threshold=TIMES,
                unit="ms",
                since=since,
                **about,
            )
        )
    return found


def slow_io(edges: list[Edge], both: Windows) -> list[Signal]:
    """The one service that most of the time lost on the way has in common.

    Two edges of it at least must lose time; or one, when it loses as much as lost packets cost, when the service has no other edge, and
    when the other end has edges that lose nothing: what else could be slow there would slow them too.
    """
    lost: dict[str, float] = {}
    slow: dict[str, int] = {}
    steady: dict[str, int] = {}
    total = 0.0
    for edge in edges if both.compared else []:
        if edge.kind != "service" or min(edge.calls, edge.base_calls) < CALLS_MIN:
            continue
        on_way, used = edge.lost
        loses = slower(on_way, used, LATENCY_MS, edge.way, edge.calls, edge.base_calls)
        total += on_way - used if loses else 0.0
        for end in {edge.source, edge.target}:
            if loses:
                lost[end] = lost.get(end, 0.0) + on_way - used
                slow[end] = slow.get(end, 0) + 1
            else:
                steady[end] = steady.get(end, 0) + 1
    worst = max(lost, key=lambda s: (lost[s], slow[s] / (slow[s] + steady.get(s, 0)), s), default="")
    if not worst or lost[worst] < IO_SHARE * total:
        return []
    others = [s for s in lost if s != worst and lost[s] == lost[worst]]
    alone = slow[worst] == 1
    if alone and (
        lost[worst] < IO_ALONE_MS or steady.get(worst) or not others or not all(steady.get(s) for s in others)
    ):
        return []
    detail = f"{slow[worst]} of its {slow[worst] + steady.get(worst, 0)} edges lose time on the way, {lost[worst]:.0f} ms more a call in sum, {lost[worst] / total:.0%} of all that is lost"
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
        scatter = (now / number(row["calls"]) + before / number(row["base_calls"])) ** 0.5
        if abs(now - before) < SURE * scatter:
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
