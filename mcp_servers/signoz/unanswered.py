"""Calls that nobody answered: a client span without a span of the service behind it.

Who is away writes no spans, so the traces hold only the failing ends of its callers, and those callers look as if failures began in them.
But the same call had an answer before, and it says whose. So each client span is compared with what usually stands below its like; what
is missing is counted as a failed call to whoever no longer shows. A call that never had an answer leads out of what is traced: no news.
"""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.signoz.client import Query, Row
from mcp_servers.signoz.edges import Edge
from mcp_servers.signoz.reading import name, number, subject
from mcp_servers.signoz.sql import ADDRESS, IS_BASE, IS_CURRENT, SAMPLED, SERVICE_OF_SPAN, SPANS
from mcp_servers.signoz.windows import Windows, iso
from mcp_servers.signoz.windows_compare import TIMES, by_chance

ANSWERED: Final = 0.9  # of the calls before had an answer: only then its absence tells something
LEAST: Final = 5  # calls without an answer, and calls with one before
SHARE: Final = 0.02
UNLIKELY: Final = 0.01  # it blames another than the one that shows it
UNANSWERED = Query(
    "answers to calls",
    f"""WITH s AS (SELECT trace_id, span_id, parent_span_id, {SERVICE_OF_SPAN} AS service, name, kind, {ADDRESS} AS address, timestamp, has_error
 FROM {SPANS} AND {SAMPLED})
 SELECT source, called, address, target, countIf({IS_CURRENT}) AS n, countIf({IS_BASE}) AS base_n FROM
 (SELECT p.service AS source, p.name AS called, p.address AS address, p.timestamp AS timestamp, c.service AS target
  FROM s AS p LEFT ANY JOIN (SELECT trace_id, parent_span_id, service FROM s WHERE kind IN (2, 5)) AS c
  ON p.trace_id = c.trace_id AND p.span_id = c.parent_span_id WHERE p.kind = 3 AND ({{service:String}} = '' OR p.service = {{service:String}} OR c.service IN ('', {{service:String}})))
 GROUP BY source, called, address, target ORDER BY n + base_n DESC LIMIT 2000""",
)


@dataclass(frozen=True)
class Missing:
    """Calls from ``source`` that ``target`` should have answered, in both windows."""

    source: str
    target: str
    count: float
    base_count: float


def missing(rows: Iterable[Row], both: Windows) -> list[Missing]:
    """What surely lacks an answer now, by source and target. Nothing without a baseline: it says who used to answer.

    All that call one service count together: whoever is away is away for all.
    """
    if not both.compared:
        return []
    calls: dict[tuple[str, str, str], dict[str, tuple[float, float]]] = defaultdict(dict)
    for row in rows:
        key = (str(row["source"]), str(row["called"]), str(row["address"]))
        calls[key][str(row["target"])] = (number(row["n"]), number(row["base_n"]))
    lost: dict[str, list[Missing]] = defaultdict(list)
    made: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for (source, _, _), targets in sorted(calls.items()):
        now, before = (sum(pair[side] for pair in targets.values()) for side in (0, 1))
        gone, base_gone = targets.pop("", (0.0, 0.0))
        for target, pair in targets.items():
            made[target] = made[target][0] + pair[0], made[target][1] + pair[1]
        if not targets or before - base_gone < ANSWERED * before or not before:
            continue
        # Of several that one call leads to, the one that shows less than its share is away.
        short = {target: pair[1] * now / before - pair[0] for target, pair in targets.items()}
        worst = max(sorted(short), key=lambda target, of=short: of[target])  # type: ignore[misc]
        if gone or base_gone:
            lost[worst].append(Missing(source, worst, gone, base_gone))
    return [one for target in sorted(lost) if _surely(lost[target], made[target]) for one in lost[target]]


def _surely(lost: list[Missing], answered: tuple[float, float]) -> bool:
    gone, base_gone = sum(one.count for one in lost), sum(one.base_count for one in lost)
    now, before = answered[0] + gone, answered[1] + base_gone
    if gone < LEAST or before < LEAST or gone < SHARE * now or gone / now < TIMES * base_gone / before:
        return False
    return by_chance(gone, base_gone, now / (now + before)) < UNLIKELY


def counted(edges: list[Edge], lost: Iterable[Missing], sample: int) -> list[Edge]:
    """``edges`` with the calls that had no answer as calls that failed; an edge that shows no other call is made for them."""
    known = {(e.source, e.target): e for e in edges if e.kind == "service"}
    for one in lost:
        edge = known.setdefault((one.source, one.target), Edge(one.source, one.target, "service"))
        edge.calls += one.count * sample
        edge.errors += one.count * sample
        edge.base_calls += one.base_count * sample
        edge.base_errors += one.base_count * sample
    return [*known.values(), *(e for e in edges if e.kind != "service")]


def silent(lost: Iterable[Missing]) -> dict[str, float]:
    """Services that do not answer, and how many calls to each had no answer; the most missed first."""
    count: dict[str, float] = defaultdict(float)
    for one in lost:
        count[one.target] += one.count
    return dict(sorted(count.items(), key=lambda item: (-item[1], item[0])))


def signals_of(lost: list[Missing], both: Windows) -> list[Signal]:
    """One for each service that does not answer, its callers taken together."""
    made = []
    for target, count in silent(lost).items():
        callers = [name(one.source) for one in lost if one.target == target and one.count]
        before = sum(one.base_count for one in lost if one.target == target)
        detail = f"{count:.0f} calls of {', '.join(callers[:4])} had no answer, before {before:.0f}; such calls used to be answered"
        made.append(signal("dep.error_rate_up", subject(target), detail, count=int(count), since=iso(both.cur_from)))
    return made
