"""Which resource of a service changed: kinds by the names that metrics bear, and what counts as a change of each.

A relative change alone is no news: an idle container's CPU triples when a probe runs. So each kind has a size below which nothing is said,
and a change counts only when current values in a row lie well beyond everything the baseline usually shows.
"""

from dataclasses import dataclass
from statistics import fmean, median
from typing import Final, Literal

import re2

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.signoz.reading import name, subject
from mcp_servers.signoz.series import Judged, Line, judge, significant
from mcp_servers.signoz.series_reads import Resource
from mcp_servers.signoz.windows import Windows, iso

Kind = Literal[
    "cpu",
    "memory",
    "throttling",
    "restarts",
    "disk",
    "network",
    "network_errors",
    "threads",
    "connections",
    "gc",
    "other",
]
TIMES: Final = 1.5
TIMES_ALONE: Final = 3.0
# Memory and disk do not follow the traffic, so less is telling there; one restart more is one too many.
_TIMES: Final[dict[str, tuple[float, float]]] = {"memory": (1.2, 1.5), "disk": (1.2, 1.5), "restarts": (1.0, 1.0)}
NEAR_LIMIT: Final = 0.9
_KINDS: Final[tuple[tuple[Kind, str], ...]] = (
    ("throttling", r"throttl"),
    ("restarts", r"restart|oom"),
    ("gc", r"(?:^|[._])gc(?:[._]|$)|garbage"),
    ("network_errors", r"network.*(?:error|drop)|net\..*(?:error|drop)|retrans"),
    ("cpu", r"cpu"),
    ("memory", r"memory|mem[._]|heap|swap"),
    ("disk", r"filesystem|disk|volume|fs[._]"),
    ("network", r"network|net\.|(?:^|[._])(?:rx|tx)[._]"),
    ("threads", r"thread|goroutine|file_descriptor|open_fds"),
    ("connections", r"connection|pool"),
)
_PATTERNS: Final = [(kind, re2.compile(f"(?i){pattern}")) for kind, pattern in _KINDS]
# What a node or a whole host does is no property of one service; limits and requests are settings, not use.
_NOT_OWN: Final = re2.compile(
    r"(?i)(?:^|[._])node[._]|^system[._]|limit$|request$|capacity|allocatable|(?:^|[._])available"
)
_UTILISATION: Final = re2.compile(r"(?i)utili[sz]ation|usage_ratio|percent")
_OF_LIMIT: Final = re2.compile(r"(?i)limit")
# Sizes below which a change is the noise of a container at rest, in the unit of the metric: cores, bytes, bytes or events a second.
_FLOOR: Final[dict[Kind, float]] = {
    "cpu": 0.05,
    "memory": 33_554_432,
    "disk": 104_857_600,
    "network": 102_400,
    "threads": 20,
    "connections": 5,
    "throttling": 0.05,
    "network_errors": 0.05,
    "gc": 0.05,
    "restarts": 0.0005,
    "other": 0,
}
_AT_LIMIT: Final = {"cpu": "res.cpu_at_limit", "memory": "res.mem_near_limit", "disk": "res.disk_near_full"}
_RATIO_FLOOR: Final = 0.1  # of a utilisation, whatever it is of
# How telling a change of the kind is: traffic follows its callers, CPU and memory follow what the service does.
_WEIGHT: Final[dict[Kind, float]] = {
    "restarts": 3,
    "throttling": 2.5,
    "cpu": 2,
    "memory": 2,
    "network_errors": 2,
    "disk": 1.5,
    "gc": 1.5,
}
_SIGNALLED: Final = frozenset(_WEIGHT) | {"threads", "connections"}


@dataclass(frozen=True)
class Change:
    """One resource in both windows. ``score`` orders: telling kinds and large changes first; 0 where nothing changed."""

    resource: Resource
    kind: Kind
    judged: Judged
    now: float | None
    before: float | None
    changed: bool
    at_limit: bool
    score: float


def kind_of(metric: str) -> Kind:
    """The resource a metric tells of, by its name; "other" for everything else and for what is a node's or a setting."""
    if _NOT_OWN.search(metric):
        return "other"
    return next((kind for kind, pattern in _PATTERNS if pattern.search(metric)), "other")


def is_ratio(metric: str, unit: str) -> bool:
    """Whether the metric is a share (0..1, or percent)."""
    return unit in ("1", "%", "percent", "ratio") and bool(_UTILISATION.search(metric))


def compare(resource: Resource, both: Windows) -> Change:
    """Judge one resource: the mean over its pods, or the worst pod where only that one changed."""
    kind = kind_of(resource.metric)
    mean, peak = (_changed(resource, kind, line, both) for line in (resource.line, resource.peak))
    line, (changed, before, now) = (resource.peak, peak) if peak[0] and not mean[0] else (resource.line, mean)
    judged = judge(
        line,
        (both.base_from, both.base_to),
        (both.cur_from, both.cur_to),
        both.compared,
    )
    high = [v / _share(resource) for t, v in resource.peak.points if both.cur_from <= t < both.cur_to]
    at_limit = bool(
        (kind == "disk" or (kind in ("cpu", "memory") and _OF_LIMIT.search(resource.metric)))
        and is_ratio(resource.metric, resource.unit)
        and high
        and sorted(high)[-min(2, len(high))] >= NEAR_LIMIT
    )
    size = (
        abs((now or 0) - (before or 0)) / max(abs(before or 0), floor(resource.metric, resource.unit), 1e-9)
        if changed
        else 0.0
    )
    score = min(size, 50.0) * _WEIGHT.get(kind, 1.0) + (100 if at_limit else 0)
    return Change(resource, kind, judged, now, before, changed, at_limit, score)


def floor(metric: str, unit: str) -> float:
    """The size below which a movement of ``metric`` is noise, in its unit; 0 for what is no known resource."""
    if is_ratio(metric, unit):
        return _RATIO_FLOOR * (100.0 if unit in ("%", "percent") else 1.0)
    return _FLOOR[kind_of(metric)]


def _share(resource: Resource) -> float:
    return 100.0 if resource.unit in ("%", "percent") else 1.0


def _changed(resource: Resource, kind: Kind, line: Line, both: Windows) -> tuple[bool, float | None, float | None]:
    """Whether it changed, its usual value before, and its value now.

    The current window may begin before the change and end soon after it, so its longest run of values beyond the baseline speaks for it.
    One value alone must lie much further out. The baseline's farthest value is forgiven where there are many: an earlier incident's tail.
    """
    before = sorted(v for t, v in line.points if both.base_from <= t < both.base_to)
    after = [v for t, v in line.points if both.cur_from <= t < both.cur_to]
    usual, now = (median(values) if values else None for values in (before, after))
    if not after or usual is None or len(before) < 2 or not both.compared:
        return False, usual, now
    odd = len(before) // 10
    least = floor(resource.metric, resource.unit)
    high, low = max(before[-1 - odd], usual), min(before[odd], usual)
    several, alone = _TIMES.get(kind, (TIMES, TIMES_ALONE))

    def beyond(value: float, times: float) -> int:
        """1 far above, -1 far below what is usual, else 0."""
        if value >= times * high and value - usual >= least:
            return 1
        return -1 if value * times <= low and usual - value >= least else 0

    for side in (1, -1):
        start, end = _longest([beyond(v, several) == side for v in after])
        run = after[start:end]
        if len(run) > 1 or any(beyond(v, alone) == side for v in run):
            return True, usual, fmean(run)
    return False, usual, now


def _longest(hits: list[bool]) -> tuple[int, int]:
    """The longest run of true values, half-open; the last of equals, because what lasts until now matters most."""
    best, start = (0, 0), 0
    for place, hit in enumerate([*hits, False]):
        if not hit:
            if place > start and place - start >= best[1] - best[0]:
                best = (start, place)
            start = place + 1
    return best


def signals_of(change: Change, both: Windows) -> list[Signal]:
    """At most one signal a resource: at its limit, else changed. Falling CPU or memory is what less work looks like: no signal."""
    one = change.resource
    about, since = subject(one.service), iso(change.judged.changed_at or both.cur_from)
    numbers = {
        "value": significant(change.now) if change.now is not None else None,
        "baseline": significant(change.before) if change.before is not None else None,
        "unit": name(one.unit, 20),
        "since": since,
    }
    told = f"{name(one.metric, 80)} {_shown(change.now)}, before {_shown(change.before)} {name(one.unit, 12)}".rstrip()
    told += f" (highest: {name(one.pod, 60)})" if one.pod else ""
    if change.at_limit:
        return [signal(_AT_LIMIT[change.kind], about, told, threshold=NEAR_LIMIT, **numbers)]
    rose = change.changed and (change.now or 0) > (change.before or 0)
    if rose and change.kind in _SIGNALLED:
        return [signal("res.changed", about, told, reason=change.kind, threshold=TIMES, **numbers)]
    return []


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{significant(value, 3):g}"
