"""Slow operations of one kind together: how many, how slow, how much they read for what they return, and what that means."""

import re
from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from mcp_servers.common.envelope import Lean, Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.timerange import Range
from mcp_servers.mongodb.reading import iso
from mcp_servers.mongodb.slow import SlowOp

CODES = (
    "mongo.collscan",
    "mongo.scan_ratio",
    "mongo.in_memory_sort",
    "mongo.slow_spike",
    "mongo.lock_wait",
    "mongo.plan_change",
)
_FEW = re.compile(r"\$(?:group|count|bucket|bucketAuto|sortByCount|facet)\b")
_PARTS = 4  # the window is compared with itself: its last quarter against the mean of the others


class SlowGroup(Lean):
    """Operations of one shape. Times in ms; ``scan_ratio`` is documents examined for one returned; sums over the group.

    ``plan`` is the newest operation's; ``plans`` (where there were several) in order of their last use, the newest last. ``plan_since`` is
    when a member first used a plan that it had not used before in the window.
    """

    ns: str
    op: str
    shape: str
    plan: str = ""
    plans: list[str] = Field(default_factory=list)
    plan_since: str = ""
    count: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    total_ms: float
    docs_examined: int | None = None
    keys_examined: int | None = None
    docs_returned: int | None = None
    scan_ratio: float | None = None
    has_sort_stage: bool = False
    planning_ms: float | None = None
    lock_wait_ms: float | None = None
    write_conflicts: int | None = None
    app_names: list[str] = Field(default_factory=list)
    first: str
    last: str
    hosts: list[str] = Field(default_factory=list)


def grouped(ops: list[SlowOp]) -> list[SlowGroup]:
    """One group a namespace, operation and shape; the one that took most time first."""
    by_kind: dict[tuple[str, str, str], list[SlowOp]] = {}
    for op in ops:
        by_kind.setdefault((op.ns, op.op, op.shape or op.hash), []).append(op)
    return sorted((_group(same) for same in by_kind.values()), key=lambda g: (-g.total_ms, g.ns, g.op, g.shape))


def _group(ops: list[SlowOp]) -> SlowGroup:
    ops = sorted(ops, key=lambda o: o.at)
    times = sorted(o.ms for o in ops)
    plans = list(reversed(dict.fromkeys(o.plan for o in reversed(ops) if o.plan)))
    changed = _changed(ops)
    docs, returned = _sum([o.docs for o in ops]), _sum([o.returned for o in ops])
    return SlowGroup(
        ns=ops[0].ns,
        op=ops[0].op,
        shape=ops[0].shape or (f"not told; hash {ops[0].hash}" if ops[0].hash else "not told"),
        plan=plans[-1] if plans else "",
        plans=plans[-4:] if len(plans) > 1 else [],
        plan_since=iso(changed),
        count=len(ops),
        p50_ms=_quantile(times, 0.5),
        p95_ms=_quantile(times, 0.95),
        max_ms=times[-1],
        total_ms=round(sum(times), 1),
        docs_examined=docs,
        keys_examined=_sum([o.keys for o in ops]),
        docs_returned=returned,
        scan_ratio=round(docs / max(1, returned), 1) if docs is not None and returned is not None else None,
        has_sort_stage=any(o.sort for o in ops),
        planning_ms=_most([o.planning_ms for o in ops]),
        lock_wait_ms=_most([o.lock_ms for o in ops]),
        write_conflicts=_sum([o.conflicts for o in ops]),
        app_names=sorted({o.app for o in ops if o.app})[:5],
        first=iso(ops[0].at),
        last=iso(ops[-1].at),
        hosts=sorted({o.host for o in ops}),
    )


def _changed(ops: list[SlowOp]) -> datetime | None:
    """When a member last took up a plan that was new to it; members that differ from each other all the time changed nothing."""
    known: dict[str, set[str]] = {}
    latest: datetime | None = None
    for op in ops:
        if not op.plan or op.plan == "EOF":  # EOF: the collection was not there
            continue
        used = known.setdefault(op.host, set())
        if used and op.plan not in used:
            latest = op.at
        used.add(op.plan)
    return latest


def _sum(values: list[int | None]) -> int | None:
    known = [v for v in values if v is not None]
    return sum(known) if known else None


def _most(values: list[float | None]) -> float | None:
    return max((v for v in values if v), default=None)


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def group_signals(group: SlowGroup, limits: Mapping[str, float]) -> list[Signal]:
    subject, what = f"mongo/{group.ns}", f"{group.op} {group.shape}"[:120]
    found: list[Signal] = []
    since = {"since": group.first, "count": group.count}
    docs_each = (group.docs_examined or 0) / group.count
    scans = any("COLLSCAN" in plan for plan in (group.plan, *group.plans))
    if scans and docs_each >= limits["scan_docs"]:
        said = f"{what}: {docs_each:,.0f} documents read each time without an index, p95 {group.p95_ms:g} ms"
        found.append(
            signal(
                "mongo.collscan",
                subject,
                said,
                value=docs_each,
                threshold=limits["scan_docs"],
                unit="documents",
                **since,
            )
        )
    # a grouping or a count returns few documents by its nature, however well it finds them
    ratio = None if _FEW.search(group.shape) or group.op in ("count", "distinct") else group.scan_ratio
    if ratio is not None and ratio >= limits["scan_ratio"] and group.p95_ms >= limits["scan_ms"]:
        said = f"{what}: {ratio:,.0f} documents read for one returned, p95 {group.p95_ms:g} ms"
        found.append(signal("mongo.scan_ratio", subject, said, value=ratio, threshold=limits["scan_ratio"], **since))
    if group.has_sort_stage:
        said = f"{what}: sorted in memory, p95 {group.p95_ms:g} ms"
        found.append(signal("mongo.in_memory_sort", subject, said, value=group.p95_ms, unit="ms", **since))
    waited = group.lock_wait_ms
    if waited is not None and waited >= limits["lock_wait_ms"]:
        said = f"{what}: waited up to {waited:g} ms for locks"
        found.append(
            signal("mongo.lock_wait", subject, said, value=waited, threshold=limits["lock_wait_ms"], unit="ms", **since)
        )
    if group.plan_since:
        others = [p for p in group.plans if p not in {group.plan, "EOF"}]
        said = f"{what}: plan went from {others[-1] if others else group.plan} to {group.plan}"
        found.append(signal("mongo.plan_change", subject, said, since=group.plan_since, count=group.count))
    return found


def spike(ops: list[SlowOp], window: Range, covered_from: datetime | None, limits: Mapping[str, float]) -> list[Signal]:
    """Whether slow operations rose in the window's last quarter. Judged only where the sources go back to the window's start."""
    if covered_from is None or covered_from > window.start or not ops:
        return []
    border = window.end - (window.end - window.start) / _PARTS
    late = [o for o in ops if o.at >= border]
    usual = (len(ops) - len(late)) / (_PARTS - 1)
    if len(late) < limits["spike_min"] or len(late) < limits["spike_factor"] * usual:
        return []
    busiest: dict[str, int] = {}
    for op in late:
        busiest[op.ns] = busiest.get(op.ns, 0) + 1
    most = max(busiest, key=lambda n: (busiest[n], n))
    said = (
        f"{len(late)} slow operations in the last quarter of the window, {usual:.1f} in each one before; most on {most}"
    )
    return [
        signal(
            "mongo.slow_spike",
            f"mongo/{most}",
            said,
            value=float(len(late)),
            baseline=round(usual, 2),
            threshold=limits["spike_factor"],
            unit="operations",
            since=iso(min(o.at for o in late)),
            count=len(late),
        )
    ]
