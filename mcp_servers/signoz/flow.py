"""What requests no longer do: a line that an operation always wrote next, and now often does not.

An exception that somebody catches and swallows leaves no failed span, no error line and no metric. It leaves a gap: the code goes another way,
and what always came next is missing. So the lines of each request are read in their order, and every step from one line to the next that
used to be certain is looked for now. Operations are compared with themselves, so that a change of traffic is no gap. Requests with an error
line are left out of what is usual: what failed before is no example of how it should be.

It speaks of what most requests no longer do, in their number, so that nobody makes a gap by writing a line; it is a suspicion all the same.
"""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean
from mcp_servers.signoz.client import Query, Row
from mcp_servers.signoz.edges import behind, callees
from mcp_servers.signoz.logs import IS_ERROR, SERVICE_OF_LINE
from mcp_servers.signoz.reading import name, number, subject
from mcp_servers.signoz.sql import ADDRESS, IS_BASE, IS_CURRENT, LOG_IS_BASE, LOGS, SAMPLED, SERVICE_OF_SPAN, SPANS
from mcp_servers.signoz.windows import Windows, iso

CERTAIN: Final = 0.9  # of the requests before took the step
LEFT: Final = 0.7  # of that share at most take it now
LEAST: Final = 10  # requests on either side
SURE: Final = 3.0  # standard errors
MISSING: Final = 5.0
EVERYWHERE: Final = 4  # services: where more break off at once it is the collection of logs that broke
SERVICES: Final = 3
CALLS_OF: Final = "(calls)"
# A statement of the code, not what it says: the message of a line, without numbers, ids and whatever follows the first "name:".
_JSON = (
    "coalesce("
    + ", ".join(f"nullIf(JSONExtractString(body, '{k}'), '')" for k in ("message", "msg", "log", "event"))
    + ", body)"
)
_TEXT = "if(startsWith(body, '{'), " + _JSON + ", body)"
# What stands before the message: time, level, process, thread, logger. Its colon ends a header; one in the message begins a value.
HEADER: Final = (
    r"^.{0,100}?\b(?i:trace|debug|info|notice|warn|warning|error|fatal|critical|severe)\b\]?"
    r"(?:.{0,120}?\s---\s+(?:\[[^\]]*\]\s*)*\S+\s*:\s|:\s|\s+-\s|:[\w.]+:\s?|\s+\w+[./][\w./$-]*:\s)"
)
_HEADER = HEADER.replace("\\", "\\\\")
_MESSAGE = rf"""if(match(text, '(^|\\s)msg='), extract(text, 'msg=("[^"]*"|\\S+)'), replaceRegexpOne(substring(text, 1, 600), '{_HEADER}', ''))"""
_STATEMENT = rf"""substring(replaceRegexpOne(replaceRegexpAll(substring({_MESSAGE}, 1, 400), '[0-9a-fA-F]{{8}}-[0-9a-fA-F-]{{27}}|[0-9a-fA-F]{{12,}}|[0-9]+', '#'),
 '(?:[:=]|：)\\s*[^\\s:=/#].*', ''), 1, 200)"""
# Lines of one span that are told twice (a collector's retry) are one. The parent's name tells routes of one handler apart. Where traces are
# sampled, the lines of a request that nobody kept are read in their order, service by service: there is no operation but the first line, which begins
# it anew where it is written again.
STEPS = Query(
    "steps of requests",
    f"""WITH failed AS (SELECT DISTINCT trace_id FROM {LOGS} AND {LOG_IS_BASE} AND {IS_ERROR} AND trace_id != '' AND {SAMPLED}),
 s AS (SELECT trace_id, span_id, parent_span_id, {SERVICE_OF_SPAN} AS service, name, timestamp, {IS_CURRENT} AS cur, {IS_BASE} AS base FROM {SPANS} AND {SAMPLED}),
 e AS (SELECT trace_id, span_id, {SERVICE_OF_LINE} AS service, toUInt64(timestamp) AS at, {_TEXT} AS text, {_STATEMENT} AS told
  FROM {LOGS} AND trace_id != '' AND span_id != '' AND {SAMPLED}),
 l AS (SELECT trace_id, span_id, arrayMap(x -> x.2, arraySort(groupUniqArray(200)((at, told)))) AS said FROM e GROUP BY trace_id, span_id),
 u AS (SELECT trace_id, service, intDiv(min(at), 1000000000) AS began, arrayMap(x -> x.2, arraySort(groupUniqArray(200)((at, told)))) AS told FROM e
  WHERE trace_id GLOBAL NOT IN (SELECT DISTINCT trace_id FROM s) AND ({{service:String}} = '' OR service = {{service:String}}) GROUP BY trace_id, service),
 x AS (SELECT c.trace_id AS trace_id, c.span_id AS span_id, c.service AS service, c.name AS name, c.cur AS cur, c.base AS base,
  if(p.service = c.service, p.name, '') AS parent FROM s AS c LEFT JOIN s AS p ON c.trace_id = p.trace_id AND c.parent_span_id = p.span_id
  WHERE (c.cur OR (c.base AND c.trace_id GLOBAL NOT IN failed)) AND ({{service:String}} = '' OR c.service = {{service:String}})),
 o AS (SELECT x.service AS service, x.name AS name, x.parent AS parent, x.cur AS cur, x.base AS base, l.said AS said
  FROM x LEFT JOIN l ON x.trace_id = l.trace_id AND x.span_id = l.span_id
  UNION ALL SELECT service, '' AS name, told[1] AS parent, began >= {{c0:UInt64}} AND began < {{c1:UInt64}} AS cur, began >= {{b0:UInt64}} AND began < {{b1:UInt64}} AS base,
  arrayJoin(arraySplit((x, again) -> again, told, arrayMap(x -> x = told[1], told))) AS said
  FROM u WHERE cur OR (base AND trace_id GLOBAL NOT IN failed))
 SELECT service, name, parent, `from`, `to`, n, base_n, total, base_total FROM
 (SELECT service, name, parent, step.1 AS `from`, step.2 AS `to`, countIf(cur) AS n, countIf(base) AS base_n,
  sum(n) OVER w AS total, sum(base_n) OVER w AS base_total
  FROM (SELECT service, name, parent, cur, base,
   arrayConcat(if(name = '', [], ['']), arrayMap((x, i) -> if(i = 1, x, concat(x, ' (', toString(least(i, 4)), ')')), said, arrayEnumerateUniq(said)), ['']) AS told,
   arrayJoin(arrayZip(arrayPopBack(told), arrayPopFront(told))) AS step FROM o)
  GROUP BY service, name, parent, `from`, `to` WINDOW w AS (PARTITION BY service, name, parent, `from`))
 WHERE total >= {LEAST} AND base_total >= {LEAST} AND (base_n >= {CERTAIN} * base_total AND n <= {LEFT} * total * base_n / base_total
  OR `to` = '' AND n / total > base_n / base_total + 0.1)
 ORDER BY base_n / base_total * total - n DESC LIMIT 400""",
)
# The same of what an operation calls, inside of its service or outside, in whatever order: the second of a kind counts by itself. A request
# that failed aloud is left out, and whether a call was answered is not asked: that is no gap of the caller's.
DOINGS = Query(
    "doings of operations",
    f"""WITH s AS (SELECT trace_id, span_id, parent_span_id, {SERVICE_OF_SPAN} AS service, name, kind, {ADDRESS} AS address, timestamp, has_error
 FROM {SPANS} AND {SAMPLED}),
 w AS (SELECT trace_id, parent_span_id AS above, arraySort(groupArray(200)(if(kind IN (3, 4), concat(name, if(address = '', '', ' '), address), concat(service, ': ', name)))) AS did,
  max(has_error) AS bad FROM s WHERE parent_span_id != '' GROUP BY trace_id, above),
 x AS (SELECT c.trace_id AS trace_id, c.span_id AS span_id, c.service AS service, c.name AS name, {IS_CURRENT.replace("timestamp", "c.timestamp")} AS cur,
  {IS_BASE.replace("timestamp", "c.timestamp")} AS base, if(p.service = c.service, p.name, '') AS parent FROM s AS c LEFT JOIN s AS p
  ON c.trace_id = p.trace_id AND c.parent_span_id = p.span_id WHERE c.kind NOT IN (3, 4) AND NOT c.has_error AND (cur OR base)
  AND ({{service:String}} = '' OR c.service = {{service:String}})),
 o AS (SELECT x.service AS service, x.name AS name, x.parent AS parent, x.cur AS cur, x.base AS base,
  arrayMap((x, i) -> if(i = 1, x, concat(x, ' (', toString(least(i, 4)), ')')), w.did, arrayEnumerateUniq(w.did)) AS did
  FROM x LEFT JOIN w ON x.trace_id = w.trace_id AND x.span_id = w.above WHERE w.bad = 0)
 SELECT d.service AS service, d.name AS name, d.parent AS parent, '{CALLS_OF}' AS `from`, d.`to` AS `to`, d.n AS n, d.base_n AS base_n, t.total AS total, t.base_total AS base_total
 FROM (SELECT service, name, parent, `to`, countIf(cur) AS n, countIf(base) AS base_n FROM (SELECT service, name, parent, cur, base, arrayJoin(did) AS `to` FROM o)
  GROUP BY service, name, parent, `to`) AS d
 INNER JOIN (SELECT service, name, parent, countIf(cur) AS total, countIf(base) AS base_total FROM o GROUP BY service, name, parent) AS t USING (service, name, parent)
 WHERE total >= {LEAST} AND base_total >= {LEAST} AND base_n >= {CERTAIN} * base_total AND n <= {LEFT} * total * base_n / base_total
 ORDER BY base_n / base_total * total - n DESC LIMIT 200""",
)


@dataclass(frozen=True)
class Gap:
    """A step that was certain and is no longer. ``stops``: nothing is written instead. Counts are of requests."""

    service: str
    operation: str
    after: str
    line: str
    now: float
    before: float
    missing: float
    count: float
    stops: bool
    of_callee: str = ""

    @property
    def weight(self) -> float:
        """What stops weighs more than what goes another way: data may lead there, too."""
        return self.missing * (2.0 if self.stops else 1.0)


def gaps(rows: Iterable[Row]) -> list[Gap]:
    """The steps that surely are missing, the weightiest first; of several in one operation only the first."""
    ended: dict[tuple[str, ...], float] = {}
    lost: list[Row] = []
    for row in rows:
        if row["to"]:
            lost.append(row)
        else:
            ended[_key(row)] = number(row["n"]) - number(row["total"]) * number(row["base_n"]) / number(
                row["base_total"]
            )
    found: dict[tuple[str, str], Gap] = {}
    for row in lost:
        n, base, total, base_total = (number(row[k]) for k in ("n", "base_n", "total", "base_total"))
        now, before = n / total, base / base_total
        both = (n + base) / (total + base_total)
        z = (before - now) / max(1e-9, sqrt(both * (1 - both) * (1 / total + 1 / base_total)))
        missing = before * total - n
        if z < SURE or missing < MISSING:
            continue
        one = Gap(
            str(row["service"]),
            str(row["parent"] or row["name"]),
            str(row["from"]),
            str(row["to"]),
            now,
            before,
            missing,
            total,
            ended.get(_key(row), 0.0) >= missing / 2,
        )
        known = found.get((one.service, one.operation))
        if known is None or one.weight > known.weight:
            found[one.service, one.operation] = one
    return sorted(found.values(), key=lambda g: (-g.weight, g.service, g.operation))


def _key(row: Row) -> tuple[str, ...]:
    return tuple(str(row[k]) for k in ("service", "name", "parent", "from"))


def explained(found: list[Gap], calls: Iterable[tuple[str, str]], errors: Mapping[str, float]) -> list[Gap]:
    """The same, those whose service calls (through others) no service with a gap of its own first: a caller breaks off
    where its callee did, or where its callee now fails aloud. ``errors``: service -> error lines beyond what is usual."""
    below = callees(calls)
    broken = {g.service for g in found}
    made: list[Gap] = []
    for gap in found:
        loud = {service for service, lines in errors.items() if lines >= max(MISSING, gap.missing / 2)}
        # Two that call each other explain nothing of each other.
        blamed = [
            o
            for o in sorted((behind(gap.service, below) & (broken | loud)) - {gap.service})
            if gap.service not in behind(o, below)
        ]
        made.append(replace(gap, of_callee=blamed[0] if blamed else ""))
    return sorted(made, key=lambda g: bool(g.of_callee))


def signals_of(found: list[Gap], both: Windows) -> list[Signal]:
    """One a service, at most `SERVICES`; the first one not explained by a callee is ``first``."""
    services = list(dict.fromkeys(g.service for g in found))
    if not both.compared or len(services) > EVERYWHERE:
        return []
    made: list[Signal] = []
    for service in services[:SERVICES]:
        gap = next(g for g in found if g.service == service)
        detail = f"{name(gap.operation, 80)}: {gap.missing:.0f} of {gap.count:.0f} requests {_how(gap)} “{shown(gap.line)}”, {1 - gap.before:.0%} did so before"
        reason = "callee" if gap.of_callee else "most" if not made and gap.after != CALLS_OF else "less"
        made.append(
            signal(
                "trace.broken_off",
                subject(service),
                detail,
                reason=reason,
                value=round(gap.now, 3),
                baseline=round(gap.before, 3),
                threshold=LEFT,
                unit="ratio",
                count=int(gap.missing),
                since=iso(both.cur_from),
            )
        )
    return made


def _how(gap: Gap) -> str:
    if gap.after == CALLS_OF:
        return "no longer call"
    return "stop before" if gap.stops else "turn off before"


def shown(line: str) -> str:
    """The end of a statement: its beginning is the time, the logger and ids."""
    text = " ".join(clean(line, 200).split())
    return text if len(text) <= 60 else "…" + text[-59:]
