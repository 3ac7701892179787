"""How one member does, from two replies to ``serverStatus``: latency, tickets, cache, queues, faults, what it does not report.

Names differ between versions (tickets moved from ``wiredTiger`` to ``queues`` in 8.0) and whole sections are missing on managed tiers; a
missing number stays missing and never counts as zero.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from mcp_servers.common.envelope import Lean, Signal
from mcp_servers.common.signals import signal
from mcp_servers.mongodb.reading import iso, moment, number, rate, ratio, whole

Json = dict[str, Any]
CODES = (
    "mongo.tickets_exhausted",
    "mongo.queue",
    "mongo.cache_pressure",
    "mongo.app_eviction",
    "mongo.disk_full",
    "mongo.restart",
    "mongo.flow_control",
    "mongo.oplog_short",
)
_CACHE = ("wiredTiger", "cache")
_SIDES: tuple[Literal["read", "write"], ...] = ("read", "write")


class MemberHealth(Lean):
    """``*_ms`` are mean latencies of the operations of the sampled second; rates are over that second as well."""

    host: str
    role: str
    version: str = ""
    uptime_s: int | None = None
    read_ms: float | None = None
    write_ms: float | None = None
    command_ms: float | None = None
    queued: int | None = None
    tickets_read_available: int | None = None
    tickets_read_total: int | None = None
    tickets_write_available: int | None = None
    tickets_write_total: int | None = None
    cache_used_ratio: float | None = None
    cache_dirty_ratio: float | None = None
    app_evictions_per_s: float | None = None
    page_faults_per_s: float | None = None
    asserts_per_s: float | None = None
    scans_per_s: float | None = None
    flow_control_lagged: bool | None = None
    oplog_window_s: int | None = None
    disk_used_ratio: float | None = None
    disk_iops: float | None = None
    unreported: list[str] = Field(default_factory=list)


def member_health(label: str, role: str, first: Json, second: Json, seconds: float, *, disk: Json) -> MemberHealth:
    """``disk`` is a reply to ``dbStats`` (``fsUsedSize``, ``fsTotalSize``) or empty."""
    limit = number(second, *_CACHE, "maximum bytes configured")
    tickets = {side: _tickets(second, side) for side in _SIDES}
    row = MemberHealth(
        host=label,
        role=role,
        version=str(second.get("version", ""))[:40],
        uptime_s=whole(second, "uptime"),
        read_ms=_latency(first, second, "reads"),
        write_ms=_latency(first, second, "writes"),
        command_ms=_latency(first, second, "commands"),
        queued=whole(second, "globalLock", "currentQueue", "total"),
        tickets_read_available=tickets["read"][0],
        tickets_read_total=tickets["read"][1],
        tickets_write_available=tickets["write"][0],
        tickets_write_total=tickets["write"][1],
        cache_used_ratio=ratio(number(second, *_CACHE, "bytes currently in the cache"), limit),
        cache_dirty_ratio=ratio(number(second, *_CACHE, "tracked dirty bytes in the cache"), limit),
        app_evictions_per_s=rate(first, second, seconds, *_CACHE, "pages evicted by application threads"),
        page_faults_per_s=rate(first, second, seconds, "extra_info", "page_faults"),
        asserts_per_s=rate(first, second, seconds, "asserts", "regular"),
        scans_per_s=rate(first, second, seconds, "metrics", "queryExecutor", "collectionScans", "total"),
        flow_control_lagged=_flag(second, "flowControl", "isLagged"),
        oplog_window_s=oplog_window(second),
        disk_used_ratio=ratio(number(disk, "fsUsedSize"), number(disk, "fsTotalSize")),
    )
    row.unreported = _unreported(row, second)
    return row


def _tickets(reply: Json, side: str) -> tuple[int | None, int | None]:
    for path in (("queues", "execution", side), ("wiredTiger", "concurrentTransactions", side)):
        available, total = whole(reply, *path, "available"), whole(reply, *path, "totalTickets")
        if available is not None:
            return available, total
    return None, None


def _waiting(reply: Json, side: str) -> float | None:
    """Operations that queue for a ticket or a lock of ``side``; ``None`` when the server tells of neither."""
    priorities = ("normalPriority", "lowPriority", "highPriority")
    told = [number(reply, "queues", "execution", side, p, "queueLength") for p in priorities]
    told.append(number(reply, "globalLock", "currentQueue", f"{side}rs" if side == "write" else "readers"))
    known = [t for t in told if t is not None]
    return max(known) if known else None


def _latency(first: Json, second: Json, kind: str) -> float | None:
    """Mean milliseconds of the operations between the samples; ``None`` when there were none."""
    before, after = (number(r, "opLatencies", kind, "latency") for r in (first, second))
    ops0, ops1 = (number(r, "opLatencies", kind, "ops") for r in (first, second))
    if before is None or after is None or ops0 is None or ops1 is None or ops1 <= ops0 or after < before:
        return None
    return round((after - before) / (ops1 - ops0) / 1_000, 3)


def _flag(reply: Any, *path: str) -> bool | None:
    for name in path:
        if not isinstance(reply, Mapping):
            return None
        reply = reply.get(name)
    return reply if isinstance(reply, bool) else None


def oplog_window(reply: Json) -> int | None:
    """Seconds between the oldest and the newest entry of the oplog, where ``serverStatus`` tells."""
    oplog = reply.get("oplog")
    if not isinstance(oplog, Mapping):
        return None
    start, end = moment(oplog.get("earliestOptime")), moment(oplog.get("latestOptime"))
    return int((end - start).total_seconds()) if start and end and end >= start else None


def _unreported(row: MemberHealth, reply: Json) -> list[str]:
    missing = []
    if "opLatencies" not in reply:
        missing.append("latencies")
    if row.tickets_read_available is None:
        missing.append("tickets")
    if row.cache_used_ratio is None:
        missing.append("cache")
    if row.queued is None:
        missing.append("queues")
    if row.oplog_window_s is None and row.role in ("primary", "secondary"):
        missing.append("oplog window")
    if row.disk_used_ratio is None:
        missing.append("disk")
    return missing


def health_signals(
    row: MemberHealth, first: Json, second: Json, now: datetime, limits: Mapping[str, float]
) -> list[Signal]:
    """What is wrong with one member now."""
    subject, found = f"mongo/{row.host}", _ticket_signals(row, first, second, limits)

    def tell(code: str, detail: str, value: float, limit: float, unit: str, **more: Any) -> None:
        found.append(signal(code, subject, detail, value=value, threshold=limit, unit=unit, **more))

    queued = [number(r, "globalLock", "currentQueue", "total") for r in (first, second)]
    waiting = min((q for q in queued if q is not None), default=0.0)
    if None not in queued and waiting >= limits["queue"]:
        tell("mongo.queue", f"at least {waiting:g} operations queue for a lock", waiting, limits["queue"], "operations")
    if row.cache_used_ratio is not None and row.cache_used_ratio >= limits["cache_used"]:
        said = f"the cache is {row.cache_used_ratio:.0%} full"
        tell("mongo.cache_pressure", said, row.cache_used_ratio, limits["cache_used"], "ratio", reason="used")
    if row.cache_dirty_ratio is not None and row.cache_dirty_ratio >= limits["cache_dirty"]:
        said = f"{row.cache_dirty_ratio:.0%} of the cache waits to be written"
        tell("mongo.cache_pressure", said, row.cache_dirty_ratio, limits["cache_dirty"], "ratio", reason="dirty")
    evicted = row.app_evictions_per_s
    if evicted is not None and evicted >= limits["app_evictions_per_s"]:
        said = f"operations evict {evicted:g} pages a second themselves"
        tell("mongo.app_eviction", said, evicted, limits["app_evictions_per_s"], "per_s")
    if row.disk_used_ratio is not None and row.disk_used_ratio >= limits["disk_ratio"]:
        said = f"the data volume is {row.disk_used_ratio:.0%} full"
        tell("mongo.disk_full", said, row.disk_used_ratio, limits["disk_ratio"], "ratio")
    if row.uptime_s is not None and row.uptime_s < limits["restart_s"]:
        since = iso(now - timedelta(seconds=row.uptime_s))
        said = f"the process runs for {row.uptime_s} s"
        tell("mongo.restart", said, float(row.uptime_s), limits["restart_s"], "s", since=since)
    if row.flow_control_lagged and row.role == "primary":  # only a primary slows writes
        found.append(signal("mongo.flow_control", subject, "the primary slows writes because secondaries lag"))
    if row.oplog_window_s is not None and row.oplog_window_s < limits["oplog_s"] and _old_enough(row, limits):
        said = f"the oplog holds {row.oplog_window_s / 3600:.1f} h"
        tell("mongo.oplog_short", said, float(row.oplog_window_s), limits["oplog_s"], "s")
    return found


def _old_enough(row: MemberHealth, limits: Mapping[str, float]) -> bool:
    """A young set has a short oplog because it is young."""
    return row.uptime_s is not None and row.uptime_s > limits["oplog_s"]


def _ticket_signals(row: MemberHealth, first: Json, second: Json, limits: Mapping[str, float]) -> list[Signal]:
    """Few free tickets in both samples while somebody waits: since 7.0 tickets adapt, so few free ones alone mean nothing."""
    found = []
    for side in _SIDES:
        both = [_tickets(r, side) for r in (first, second)]
        low = all(a is not None and a < limits["tickets_ratio"] * (t or 128) for a, t in both)
        waiting = _waiting(second, side)
        # without knowing who waits, few free tickets mean something only beside a fixed total
        if low and (waiting > 0 if waiting is not None else both[1][1] is not None):
            available, total = both[1]
            queue = f", {waiting:g} operations wait" if waiting is not None else ""
            found.append(
                signal(
                    "mongo.tickets_exhausted",
                    f"mongo/{row.host}",
                    f"{available} of {total or '?'} {side} tickets are free{queue}",
                    reason=side,
                    value=float(available or 0),
                    threshold=limits["tickets_ratio"],
                    count=None if waiting is None else int(waiting),
                )
            )
    return found
