"""What Atlas measured, as the replies that the driver's tools judge: one judgement for both sources."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import CATALOGUE, signal
from mcp_servers.mongodb.atlas_series import Measured, Process
from mcp_servers.mongodb.reading import iso
from mcp_servers.mongodb.status import MemberHealth, health_signals, member_health

Json = dict[str, Any]
HEALTH_METRICS = (
    "GLOBAL_LOCK_CURRENT_QUEUE_TOTAL",
    "TICKETS_AVAILABLE_READS",
    "TICKETS_AVAILABLE_WRITES",
    "CACHE_FILL_RATIO",
    "DIRTY_FILL_RATIO",
    "OP_EXECUTION_TIME_READS",
    "OP_EXECUTION_TIME_WRITES",
    "OP_EXECUTION_TIME_COMMANDS",
    "OPLOG_MASTER_TIME",
    "OPLOG_SLAVE_LAG_MASTER_TIME",
    "EXTRA_INFO_PAGE_FAULTS",
    "ASSERT_REGULAR",
    "DISK_PARTITION_IOPS_TOTAL",
    "DISK_PARTITION_SPACE_PERCENT_FREE",
)
# What a member left unreported -> the signal that Atlas' figure for it can raise.
JUDGED = {
    "tickets": "mongo.tickets_exhausted",
    "cache": "mongo.cache_pressure",
    "queues": "mongo.queue",
    "oplog window": "mongo.oplog_short",
    "disk": "mongo.disk_full",
}
CONNECTION_METRICS = ("CONNECTIONS", "OPCOUNTER_QUERY", "OPCOUNTER_CMD")
LEAK = tuple(code for code in ("mongo.conn_leak",) if code in CATALOGUE)


def pair(measured: Measured) -> tuple[Json, Json]:
    """The last two points as two replies to ``serverStatus``."""
    return _reply(measured, 0), _reply(measured, 1)


def _reply(measured: Measured, which: int) -> Json:
    def of(metric: str) -> float | None:
        return measured.last_two(metric)[which]

    sides = {"read": "TICKETS_AVAILABLE_READS", "write": "TICKETS_AVAILABLE_WRITES"}
    tickets = {side: {"available": of(metric)} for side, metric in sides.items()}
    cache: Json = {}
    used, dirty = of("CACHE_FILL_RATIO"), of("DIRTY_FILL_RATIO")
    if used is not None or dirty is not None:
        cache = {
            "maximum bytes configured": 100.0,
            "bytes currently in the cache": used,
            "tracked dirty bytes in the cache": dirty,
        }
    return {
        # Atlas does not tell readers from writers here: whoever waits may wait for either
        "globalLock": {
            "currentQueue": dict.fromkeys(("total", "readers", "writers"), of("GLOBAL_LOCK_CURRENT_QUEUE_TOTAL"))
        },
        "queues": {"execution": tickets},
        "wiredTiger": {"cache": cache},
        "connections": {"current": of("CONNECTIONS")},
    }


def row_of(process: Process, measured: Measured) -> MemberHealth:
    """One member as Atlas measured it over its last step; what it does not measure stays missing."""
    first, second = pair(measured)
    free = measured.last("DISK_PARTITION_SPACE_PERCENT_FREE")
    disk = {} if free is None else {"fsUsedSize": 100.0 - free, "fsTotalSize": 100.0}
    row = member_health(process.label, process.role, first, second, 60.0, disk=disk)
    oplog = measured.last("OPLOG_MASTER_TIME")
    more: Json = {
        "version": process.version,
        "read_ms": measured.last("OP_EXECUTION_TIME_READS"),
        "write_ms": measured.last("OP_EXECUTION_TIME_WRITES"),
        "command_ms": measured.last("OP_EXECUTION_TIME_COMMANDS"),
        "page_faults_per_s": measured.last("EXTRA_INFO_PAGE_FAULTS"),
        "asserts_per_s": measured.last("ASSERT_REGULAR"),
        "oplog_window_s": None if oplog is None else int(oplog),
        "disk_iops": measured.last("DISK_PARTITION_IOPS_TOTAL"),
    }
    row = row.model_copy(update=more)
    told = {"latencies": row.read_ms, "oplog window": row.oplog_window_s}
    return row.model_copy(update={"unreported": [u for u in row.unreported if told.get(u) is None]})


def row_signals(row: MemberHealth, measured: Measured, now: datetime, limits: Mapping[str, float]) -> list[Signal]:
    """As for a member that was asked itself, with the lag that Atlas measured."""
    first, second = pair(measured)
    found = health_signals(row, first, second, now, limits)
    lag = measured.last("OPLOG_SLAVE_LAG_MASTER_TIME")
    if lag is not None and lag >= limits["lag_s"] and row.role == "secondary":
        subject, said = f"mongo/{row.host}", f"{lag:g} s behind the primary, as Atlas measured"
        found.append(signal("mongo.repl_lag", subject, said, value=lag, threshold=limits["lag_s"], unit="s"))
    return found


def completed(row: MemberHealth, atlas: MemberHealth) -> MemberHealth:
    """``row``, as the member says, with what only Atlas tells."""
    if row.unreported:
        taken = {
            name: getattr(atlas, name)
            for name in MemberHealth.model_fields
            if name != "unreported" and getattr(row, name) is None and getattr(atlas, name) is not None
        }
        names = [u for u in row.unreported if u in atlas.unreported]
        return row.model_copy(update={**taken, "unreported": names})
    return row.model_copy(update={"disk_iops": atlas.disk_iops})


def leak(host: str, measured: Measured, limits: Mapping[str, float]) -> tuple[list[Signal], str]:
    """Connections that grow step by step while the work stays as it is: the signal, and the same in words ("" for neither).

    The work is what Atlas counts as queries and commands, in the first and the last third of the window.
    """
    points = measured.points.get("CONNECTIONS") or []
    if len(points) < 9:
        return [], ""
    third = len(points) // 3
    values = [v for _, v in points]
    thirds = [sum(values[i * third : (i + 1) * third]) / third for i in range(3)]
    falls = sum(later < 0.9 * before for before, later in pairwise(values))
    factor = limits["conn_leak_factor"]
    grew = values[0] > 0 and values[-1] >= factor * values[0] and thirds[0] < thirds[1] < thirds[2] and falls == 0
    work = [_growth(measured.points.get(m) or []) for m in CONNECTION_METRICS[1:]]
    known = [w for w in work if w is not None]
    if not grew or not known or max(known) >= factor * 0.75:
        return [], ""
    said = f"connections grew from {values[0]:g} to {values[-1]:g} without a fall, while operations stayed at {max(known):.1f} times"
    told = [
        signal(
            code,
            f"mongo/{host}",
            said,
            value=values[-1],
            baseline=values[0],
            threshold=factor,
            unit="connections",
            since=iso(points[0][0]),
        )
        for code in LEAK
    ]
    return told, f"{host}: {said}: a client may not give its connections back"


def _growth(points: list[tuple[datetime, float]]) -> float | None:
    third = len(points) // 3
    if not third:
        return None
    before, after = (sum(v for _, v in part) / third for part in (points[:third], points[-third:]))
    return after / before if before > 0 else None
