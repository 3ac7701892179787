"""Slow operations from a member's log ring and from ``system.profile``, grouped by what they do.

Both hold whole commands with customers' values; each line is turned into a `SlowOp` with a shape at once, and nothing else is kept of it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mcp_servers.common.untrusted import clean
from mcp_servers.mongodb.client import APP
from mcp_servers.mongodb.reading import moment, number, whole
from mcp_servers.mongodb.shapes import command_shape, label, plan

Json = dict[str, Any]
SLOW_QUERY = 51803  # the log's id of "Slow query"
_LONGEST_LINE = 200_000
PROFILE_ROWS = 300


@dataclass(frozen=True)
class SlowOp:
    """One slow operation; numbers that its source did not tell are ``None``."""

    host: str
    at: datetime
    ns: str
    op: str
    shape: str
    plan: str
    ms: float
    docs: int | None
    keys: int | None
    returned: int | None
    sort: bool
    planning_ms: float | None
    lock_ms: float | None
    conflicts: int | None
    app: str
    hash: str


@dataclass(frozen=True)
class LogRead:
    """What the ring gave: the slow operations, and since when it goes back (``None`` for an unreadable format)."""

    ops: list[SlowOp]
    oldest: datetime | None
    unreadable: int


def read_log(lines: Iterable[Any], host: str) -> LogRead:
    """``getLog: global``: JSON lines since 4.4; other lines are counted as unreadable."""
    ops: list[SlowOp] = []
    oldest: datetime | None = None
    unreadable = 0
    for line in lines:
        document = _json(line)
        at = _time(document.get("t")) if document is not None else None
        if document is None or at is None:
            unreadable += 1
            continue
        oldest = at if oldest is None or at < oldest else oldest
        attr = document.get("attr")
        slow = document.get("id") == SLOW_QUERY or document.get("msg") == "Slow query"
        if slow and isinstance(attr, Mapping):
            op = _op(attr, host, at, number(attr, "durationMillis"), attr.get("type"))
            if op is not None:
                ops.append(op)
    return LogRead(ops, oldest, unreadable)


def read_profile(rows: Iterable[Json], host: str) -> list[SlowOp]:
    """Rows of ``system.profile``."""
    found = []
    for row in rows:
        at = moment(row.get("ts"))
        op = _op(row, host, at, number(row, "millis"), row.get("op")) if at else None
        if op is not None:
            found.append(op)
    return found


def _json(line: Any) -> Json | None:
    if not isinstance(line, str) or len(line) > _LONGEST_LINE or not line.startswith("{"):
        return None
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _time(value: Any) -> datetime | None:
    text = value.get("$date") if isinstance(value, Mapping) else None
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _op(row: Mapping[str, Any], host: str, at: datetime, ms: float | None, kind: Any) -> SlowOp | None:
    """``None`` for what the bot itself asked, and for statistics that read no user's collection."""
    command = row.get("command")
    ns = row.get("ns")
    if ms is None or row.get("appName") == APP or not isinstance(ns, str) or _is_own(ns, command):
        return None
    op, told = command_shape(command)
    if op == "getMore" and not told:
        told = command_shape(row.get("originatingCommand"))[1]
    locks = _lock_wait(row.get("locks"))
    return SlowOp(
        host=host,
        at=at,
        ns=label(ns, 160),
        op=op or clean(kind, 30),
        shape=told,
        plan=plan(row.get("planSummary")),
        ms=ms,
        docs=whole(row, "docsExamined"),
        keys=whole(row, "keysExamined"),
        returned=_first(row, "nreturned", "nMatched", "nModified", "ndeleted"),
        sort=row.get("hasSortStage") is True,
        planning_ms=_scaled(row, "planningTimeMicros"),
        lock_ms=locks,
        conflicts=whole(row, "writeConflicts"),
        app=label(row.get("appName")),
        hash=clean(row.get("planCacheShapeHash") or row.get("queryHash"), 20),
    )


def _is_own(ns: str, command: Any) -> bool:
    if ns.endswith((".system.profile", ".$cmd")) or ns.startswith(("local.", "config.")):
        return True
    if not isinstance(command, Mapping):
        return False
    pipeline = command.get("pipeline")
    stage = (
        next(iter(pipeline[0]), "")
        if isinstance(pipeline, list) and pipeline and isinstance(pipeline[0], Mapping)
        else ""
    )
    return stage in ("$collStats", "$indexStats", "$currentOp", "$changeStream") or "collStats" in command


def _first(row: Mapping[str, Any], *names: str) -> int | None:
    return next((v for n in names if (v := whole(row, n)) is not None), None)


def _scaled(row: Mapping[str, Any], name: str) -> float | None:
    micros = number(row, name)
    return None if micros is None else round(micros / 1_000, 3)


def _lock_wait(locks: Any) -> float | None:
    """Milliseconds spent waiting for locks, over all resources and modes."""
    if not isinstance(locks, Mapping):
        return None
    waits = [
        number(inner, "timeAcquiringMicros", mode)
        for inner in locks.values()
        if isinstance(inner, Mapping)
        for mode in (
            inner.get("timeAcquiringMicros") or {} if isinstance(inner.get("timeAcquiringMicros"), Mapping) else {}
        )
    ]
    return round(sum(w for w in waits if w) / 1_000, 3)
