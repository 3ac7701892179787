"""Log lines as patterns with a past: how often each was written in both windows, since when, by whom, and what it tells of."""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import re2

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.templates import read_line, template
from mcp_servers.common.untrusted import clean
from mcp_servers.signoz.client import Query, Row
from mcp_servers.signoz.edges import behind, callees
from mcp_servers.signoz.reading import number, subject
from mcp_servers.signoz.sql import LOG_IS_BASE, LOG_IS_CURRENT, LOGS
from mcp_servers.signoz.windows import Windows, iso
from mcp_servers.signoz.windows_compare import CHANCE, by_chance
from mcp_servers.signoz.windows_resource import LOGS_OF_SERVICE

LINES_LOOKED_AT = 300_000
SPIKE_TIMES, SPIKE_MIN = 3.0, 5
NEW_MIN, NEW_EXPECTED = 3, 5.0  # lines that would be expected in the baseline if the pattern had been there
NEW_CALM_MAX = 3
SILENCE_EXPECTED = 10.0
CALM_MIN = 30  # lines that are no errors: of fewer the load cannot be told
LEVELS = {"any": 0, "info": 9, "warn": 13, "error": 17, "fatal": 21}
_WORDS = "'ERROR', 'ERR', 'FATAL', 'CRITICAL', 'CRIT', 'PANIC', 'EMERGENCY', 'ALERT', 'SEVERE'"
IS_ERROR = f"(severity_number >= 17 OR upper(severity_text) IN ({_WORDS}))"
SERVICE_OF_LINE = "coalesce(nullIf(resources_string['service.name'], ''), nullIf(resources_string['k8s.deployment.name'], ''), resources_string['k8s.container.name'])"
# `contains` and `service` are plain substrings and equals, never patterns; many pipelines leave the number 0, so words count as well.
_FILTER = f"""({{service:String}} = '' OR {SERVICE_OF_LINE} = {{service:String}}) AND {LOGS_OF_SERVICE}
 AND ({{contains:String}} = '' OR positionCaseInsensitiveUTF8(body, {{contains:String}}) > 0)
 AND ({{trace_id:String}} = '' OR trace_id = {{trace_id:String}})
 AND ({{level:UInt8}} = 0 OR severity_number >= {{level:UInt8}} OR ({{level:UInt8}} <= 17 AND upper(severity_text) IN ({_WORDS}))
  OR ({{level:UInt8}} <= 13 AND upper(severity_text) IN ('WARN', 'WARNING')))"""
TOTALS = Query(
    "log volume",
    f"""SELECT {SERVICE_OF_LINE} AS service, countIf({LOG_IS_CURRENT}) AS lines, countIf({LOG_IS_BASE}) AS base_lines,
 countIf({IS_ERROR} AND {LOG_IS_CURRENT}) AS errors, countIf({IS_ERROR} AND {LOG_IS_BASE}) AS base_errors
 FROM {LOGS} AND ({{service:String}} = '' OR {SERVICE_OF_LINE} = {{service:String}}) AND {LOGS_OF_SERVICE} GROUP BY service ORDER BY lines + base_lines DESC LIMIT 500""",
)
# The store folds lines of one shape, so that counts are exact and 2,000 shapes leave it rather than all lines.
SHAPES = Query(
    "log shapes",
    f"""SELECT {SERVICE_OF_LINE} AS service, {IS_ERROR} AS error, any(severity_text) AS severity,
 replaceRegexpAll(substring(body, 1, 300), '[0-9a-fA-F]{{{{8}}}}-[0-9a-fA-F-]{{{{27}}}}|[0-9a-fA-F]{{{{12,}}}}|[0-9]+', '#') AS shape,
 any(substring(body, 1, 600)) AS line, countIf({LOG_IS_CURRENT}) AS n, countIf({LOG_IS_BASE}) AS base_n,
 intDiv(minIf(timestamp, {LOG_IS_CURRENT}), 1000000000) AS first, intDiv(maxIf(timestamp, {LOG_IS_CURRENT}), 1000000000) AS last,
 groupUniqArrayIf(3)(trace_id, trace_id != '' AND {LOG_IS_CURRENT}) AS traces,
 groupUniqArrayIf(3)(resources_string['k8s.pod.name'], {LOG_IS_CURRENT}) AS pods
 FROM {LOGS} AND {_FILTER} AND cityHash64(id) % {{sample:UInt64}} = 0
 GROUP BY service, error, shape ORDER BY error DESC, n + base_n DESC LIMIT 1800""".replace("{{", "{").replace(
        "}}", "}"
    ),
)
ROWS = Query(
    "log lines",
    f"""SELECT timestamp, severity_text, {SERVICE_OF_LINE} AS service, resources_string['k8s.pod.name'] AS pod, substring(body, 1, 2000) AS line, trace_id, span_id
 FROM {LOGS} AND {_FILTER} AND {LOG_IS_CURRENT} ORDER BY timestamp DESC, id DESC LIMIT {{limit:UInt16}}""",
)
SERIES = Query(
    "log series",
    f"""SELECT intDiv(timestamp, {{step_ns:UInt64}}) AS slot, count() AS n FROM {LOGS} AND {_FILTER} GROUP BY slot ORDER BY slot LIMIT 200""",
)
_TELLS = [
    (code, reason, re2.compile(pattern))
    for code, reason, pattern in (
        ("log.oom_text", "", r"(?i)out of memory|OutOfMemoryError|cannot allocate memory|oom-?killed"),
        ("log.conn_refused", "refused", r"(?i)connection refused|ECONNREFUSED|connect: refused"),
        (
            "log.conn_refused",
            "dns",
            r"(?i)no such host|ENOTFOUND|unknown ?host|name or service not known|could not resolve",
        ),
        ("log.conn_refused", "reset", r"(?i)connection reset|ECONNRESET|broken pipe"),
        (
            "log.auth_failed",
            "",
            r"(?i)authentication failed|access denied for user|invalid credentials|\b401 unauthorized|password authentication",
        ),
        ("log.timeout_text", "", r"(?i)timed? ?out|deadline exceeded|ETIMEDOUT"),
        ("log.disk_full", "", r"(?i)no space left on device|disk full|ENOSPC"),
        ("log.permission_denied", "", r"(?i)permission denied|EACCES"),
        ("log.app_exception", "", r"\w+(?:Exception|Error)\b|(?i:\bpanic:|traceback|stack ?trace|unhandled)"),
    )
]
TEXT_CODES = tuple(dict.fromkeys(code for code, _, _ in _TELLS))


@dataclass
class Found:
    """Lines of one service that say the same. ``first`` and ``last`` are epoch seconds in the current window, 0 when it has none."""

    service: str
    template: str
    error: bool
    severity: str
    example: str
    count: int = 0
    base_count: int = 0
    first: int = 0
    last: int = 0
    traces: list[str] = field(default_factory=list)
    pods: list[str] = field(default_factory=list)
    is_new: bool = False


@dataclass(frozen=True)
class Volume:
    """Lines of one service in both windows."""

    lines: float
    base_lines: float
    errors: float
    base_errors: float

    def times(self, both: Windows) -> float:
        """How many times as much as in the baseline is to be expected: as the time passed and, where it does more, as it does."""
        calm, base_calm = self.lines - self.errors, self.base_lines - self.base_errors
        passed = both.cur_s / both.base_s
        return max(passed, calm / base_calm) if base_calm >= CALM_MIN else passed

    def more_errors(self, both: Windows) -> float:
        """Error lines beyond what the time before would make one expect."""
        return self.errors - self.base_errors * self.times(both) if both.compared else 0.0


def volumes(rows: list[Row]) -> dict[str, Volume]:
    return {
        str(r["service"]): Volume(*(number(r[k]) for k in ("lines", "base_lines", "errors", "base_errors")))
        for r in rows
    }


def fold(rows: list[Row], volume: dict[str, Volume], sample: int) -> list[Found]:
    """Patterns, the most telling first: new errors, risen errors, new lines, then by count. ``sample`` scales the counts."""
    found: dict[tuple[str, str, bool], Found] = {}
    for row in rows:
        line = read_line(str(row["line"]))
        error = bool(row["error"]) or line.level == "error"
        key = (str(row["service"]), template(line.text), error)
        one = found.get(key)
        if one is None:
            one = found[key] = Found(key[0], clean(key[1], 240), error, str(row["severity"]), clean(line.text, 240))
        one.count += int(number(row["n"])) * sample
        one.base_count += int(number(row["base_n"])) * sample
        first, last = int(number(row["first"])), int(number(row["last"]))
        one.first = min(filter(None, (one.first, first)), default=0)
        one.last = max(one.last, last)
        one.traces = [*one.traces, *(str(t) for t in row["traces"])][:3]
        one.pods = list(dict.fromkeys([*one.pods, *(str(p) for p in row["pods"] if p)]))[:3]
    for one in found.values():
        one.is_new = is_new(one, volume.get(one.service))
    return sorted(
        (f for f in found.values() if f.count),
        key=lambda f: (not (f.error and f.is_new), not f.error, not f.is_new, -f.count, f.template),
    )


def is_new(one: Found, volume: Volume | None) -> bool:
    """Whether its absence before means something: a service that hardly wrote anything before has nothing new to say."""
    if one.base_count or one.count < NEW_MIN or volume is None:
        return False
    if one.error and volume.base_lines >= NEW_MIN:
        return True
    return bool(volume.lines) and one.count * volume.base_lines / volume.lines >= NEW_EXPECTED


def loud(volume: dict[str, Volume], both: Windows) -> dict[str, float]:
    """Services whose error lines rose, with how many more there are than one would expect."""
    return {
        service: v.more_errors(both)
        for service, v in volume.items()
        if both.compared
        and v.errors >= SPIKE_MIN
        and v.errors >= SPIKE_TIMES * v.base_errors * v.times(both)
        and by_chance(v.errors, v.base_errors, v.times(both) / (1 + v.times(both))) < CHANCE
    }


def inherited(risen: Mapping[str, float], calls: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Of the services whose errors ``risen``, those that call (through others) one with at least half as many: they tell of its failures."""
    below = callees(calls)
    return frozenset(
        one
        for one, lines in risen.items()
        for other in (behind(one, below) & risen.keys()) - {one}
        if risen[other] >= lines / 2 and one not in behind(other, below)
    )


def signals_of(
    patterns: list[Found], volume: dict[str, Volume], both: Windows, effects: frozenset[str] = frozenset()
) -> list[Signal]:
    """``effects``: services whose errors are those of what they call."""
    found: list[Signal] = []
    since = iso(both.cur_from)
    loudest = loud(volume, both)
    most = max((lines for service, lines in loudest.items() if service not in effects), default=0.0)
    for service, v in volume.items() if both.compared else ():
        rate, base = v.errors / both.cur_s, v.base_errors / both.base_s
        if service in loudest:
            detail = f"{v.errors:.0f} error lines, {rate * 60:.1f} a minute, before {base * 60:.1f}"
            found.append(
                signal(
                    "log.error_spike",
                    subject(service),
                    detail,
                    reason="most" if service not in effects and loudest[service] == most else "less",
                    value=round(rate, 4),
                    baseline=round(base, 4),
                    threshold=SPIKE_TIMES,
                    unit="1/s",
                    since=since,
                )
            )
        if v.lines == 0 and v.base_lines * both.cur_s / both.base_s >= SILENCE_EXPECTED:
            found.append(
                signal(
                    "log.silence",
                    subject(service),
                    f"no line in the window, {v.base_lines:.0f} before",
                    value=0,
                    baseline=v.base_lines,
                    since=since,
                )
            )
    told: set[tuple[str, str]] = set()
    # New lines that are no errors, in many services at once, are an operation that nobody called before: traffic, not trouble.
    calm = {p.service for p in patterns if p.is_new and not p.error}
    for one in patterns:
        about = subject(one.service)
        if one.is_new and (one.error or len(calm) <= NEW_CALM_MAX) and ("log.new_pattern", about) not in told:
            told.add(("log.new_pattern", about))
            grave = "warning" if one.error else "info"
            found.append(
                signal(
                    "log.new_pattern",
                    about,
                    f"{one.count} times, never before: {one.template}",
                    severity=grave,
                    count=one.count,
                    since=iso(one.first),
                )
            )
        if not (one.error and (one.is_new or risen(one, volume.get(one.service), both))):
            continue
        code, reason = tells(one.example)
        if code and (code, about) not in told:
            told.add((code, about))
            found.append(
                signal(
                    code,
                    about,
                    f"{one.count} times: {one.template}",
                    reason=reason,
                    count=one.count,
                    since=iso(one.first),
                )
            )
    return found


def risen(one: Found, volume: Volume | None, both: Windows) -> bool:
    """Whether the pattern is far more frequent than the time and the load explain, and surely so; without a baseline all of them are."""
    if not both.compared:
        return True
    times = volume.times(both) if volume else both.cur_s / both.base_s
    more = one.count >= SPIKE_TIMES * one.base_count * times
    return more and by_chance(one.count, one.base_count, times / (1 + times)) < CHANCE


def tells(text: str) -> tuple[str, str]:
    """The signal code and reason that a line's words stand for; ("", "") for none."""
    return next(((code, reason) for code, reason, pattern in _TELLS if pattern.search(text)), ("", ""))
