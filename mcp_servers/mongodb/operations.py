"""What runs right now, from ``$currentOp``: long operations, waits, transactions left open, index builds."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mcp_servers.common.envelope import Lean, Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean
from mcp_servers.mongodb.client import APP
from mcp_servers.mongodb.reading import iso, number, ratio, whole
from mcp_servers.mongodb.shapes import command_shape, label, plan

Json = dict[str, Any]
CODES = ("mongo.long_op", "mongo.lock_wait", "mongo.open_txn", "mongo.index_build")
MOST = 300

# Everything that does something, and the sessions that hold a transaction open while they do nothing.
RUNNING: Json = {
    "aggregate": 1,
    "pipeline": [
        {"$currentOp": {"allUsers": True, "idleConnections": False, "idleSessions": True, "truncateOps": True}},
        {"$match": {"$or": [{"type": {"$ne": "idleSession"}}, {"transaction": {"$exists": True}}]}},
        # open transactions first: an idle one has no running time and would be the first to fall over the edge
        {"$sort": {"transaction.timeOpenMicros": -1, "microsecs_running": -1}},
        {"$limit": MOST},
    ],
    "cursor": {"batchSize": MOST + 1},
}
_PATIENT = frozenset({"hello", "isMaster", "ismaster"})  # these wait on purpose, for a topology change
_OWN_THREADS = re.compile(
    r"(?i)^(repl|oplog|noop|ttl|checkpoint|journal|flow|range|logical|sharding|balancer|wt|monitor|periodic|keys|waitfor|apply)"
)
_BUILD = re.compile(r"Index Build")


class Operation(Lean):
    """``secs`` runs since; ``shape`` has no literals; ``transaction_age_s`` where it belongs to a transaction."""

    host: str
    opid: str = ""
    ns: str = ""
    op: str = ""
    secs: float | None = None
    waiting_for_lock: bool = False
    locks: str = ""
    num_yields: int | None = None
    plan: str = ""
    shape: str = ""
    app: str = ""
    client: str = ""
    desc: str = ""
    transaction_age_s: float | None = None
    idle_transaction: bool = False
    progress: float | None = None
    since: str = ""


def operation(row: Json, host: str, now: datetime) -> Operation | None:
    """One row of ``$currentOp``; ``None`` for this server's own and for those that wait by design."""
    command = row.get("command")
    if row.get("appName") == APP:
        return None
    if isinstance(command, Mapping) and (_PATIENT & set(command) or "$currentOp" in str(command.get("pipeline"))[:40]):
        return None
    building = isinstance(row.get("msg"), str) and bool(_BUILD.search(row["msg"]))
    idle = row.get("type") == "idleSession"
    if not building and not idle and _waits_by_design(row):
        return None
    op, told = command_shape(command)
    if not told:
        told = command_shape((row.get("cursor") or {}).get("originatingCommand"))[1]
    micros = number(row, "microsecs_running")
    secs = micros / 1e6 if micros is not None else number(row, "secs_running")
    opened = number(row, "transaction", "timeOpenMicros")
    begin = iso(datetime.fromtimestamp(now.timestamp() - secs, now.tzinfo)) if secs is not None else ""
    done, total = number(row, "progress", "done"), number(row, "progress", "total")
    return Operation(
        host=host,
        opid=clean(row.get("opid"), 60),
        ns=label(row.get("ns"), 160),
        op="index build" if building else (op or clean(row.get("op"), 30)),
        secs=round(secs, 1) if secs is not None else None,
        waiting_for_lock=row.get("waitingForLock") is True,
        locks=_locks(row.get("locks")),
        num_yields=whole(row, "numYields"),
        plan=plan(row.get("planSummary")),
        shape=told,
        app=label(row.get("appName")),
        client=label(row.get("client") or row.get("client_s")),
        desc=clean(row.get("desc"), 60),
        transaction_age_s=round(opened / 1e6, 1) if opened is not None else None,
        idle_transaction=idle and opened is not None,
        progress=ratio(done, total) if building else None,
        since=begin,
    )


def _waits_by_design(row: Json) -> bool:
    cursor = row.get("cursor") or {}
    if cursor.get("awaitData") is True or cursor.get("tailable") is True:
        return True
    if str(row.get("op")) == "none" and not row.get("client"):
        return True
    internal = not row.get("client") and not row.get("appName") and not row.get("effectiveUsers")
    return internal and bool(_OWN_THREADS.match(str(row.get("desc") or "")))


def _locks(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    pairs = [f"{k}:{v}" for k, v in value.items() if isinstance(v, str) and v in ("r", "w", "R", "W")]
    return clean(" ".join(pairs), 100)


def wanted(found: Operation, min_secs: float, namespace: str) -> bool:
    if namespace and found.ns != namespace and not found.ns.startswith(f"{namespace}."):
        return False
    blocked = found.waiting_for_lock or found.idle_transaction or found.op == "index build"
    return blocked or (found.secs or 0) >= min_secs or (found.transaction_age_s or 0) >= min_secs


def ordered(found: list[Operation]) -> list[Operation]:
    """What blocks others first: open transactions, then what waits, then the longest."""
    return sorted(
        found,
        key=lambda o: (
            o.transaction_age_s is None,
            not o.waiting_for_lock,
            -(o.transaction_age_s or o.secs or 0),
            o.host,
            o.opid,
        ),
    )


def signals(found: list[Operation], limits: Mapping[str, float]) -> list[Signal]:
    """One signal for each host and kind, told by its worst operation and how many there are."""
    told: list[Signal] = []
    for host in sorted({o.host for o in found}):
        mine = [o for o in found if o.host == host]
        long = [o for o in mine if o.op != "index build" and not o.idle_transaction]
        groups = (
            ("mongo.long_op", [o for o in long if (o.secs or 0) >= limits["long_op_s"]], "runs", limits["long_op_s"]),
            ("mongo.lock_wait", [o for o in mine if o.waiting_for_lock], "waits for a lock, runs", None),
            (
                "mongo.open_txn",
                [o for o in mine if o.idle_transaction and (o.transaction_age_s or 0) >= limits["open_txn_s"]],
                "holds a transaction open, idle,",
                limits["open_txn_s"],
            ),
            ("mongo.index_build", [o for o in mine if o.op == "index build"], "builds an index", None),
        )
        for code, rows, says, limit in groups:
            if rows:
                told.append(_signal(code, rows, says, limit))
    return told


def _signal(code: str, rows: list[Operation], says: str, limit: float | None) -> Signal:
    worst = max(rows, key=lambda o: o.transaction_age_s or o.secs or 0)
    secs = worst.transaction_age_s if code == "mongo.open_txn" else worst.secs
    who = f" of {worst.app}" if worst.app else ""
    at = f" for {secs:g} s" if secs is not None else ""
    done = f", {worst.progress:.0%} done" if worst.progress is not None else ""
    more = f"; {len(rows) - 1} more" if len(rows) > 1 else ""
    return signal(
        code,
        f"mongo/{worst.host}",
        f"{worst.op or 'an operation'}{who} on {worst.ns or 'no collection'} {says}{at}{done}{more}",
        value=secs,
        threshold=limit,
        unit="s" if secs is not None else "",
        since=worst.since or None,
        count=len(rows),
    )
