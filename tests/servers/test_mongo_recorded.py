"""Every signal of the driver's tools, from recorded replies on a real wire: what raises it, and what looks alike but is none."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson.timestamp import Timestamp
from mongo_fixture import NOW, set_status, status
from mongo_wire import Deployment, RecordedMember, Room, seconds_apart

from mcp_servers.mongodb import sampling

Json = dict[str, Any]
Stage = Callable[[Deployment], None]
DAYS = 9 * 86_400
TOOLS: dict[str, Json] = {
    "get_collection_stats": {"namespace": "shop.orders"},
    "get_connection_metrics": {},
    "get_current_operations": {},
    "get_database_health": {},
    "get_query_performance": {},
    "get_replication_status": {},
}


@pytest.fixture(autouse=True)
def _samples_close_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "APART_S", 0.01)


@pytest.fixture(scope="module")
def shared() -> Iterator[Room]:
    with Room() as room:
        yield room


@pytest.fixture
def room(shared: Room) -> Room:
    """A calm set of three with one collection, and a server in front of it."""
    shared.deployment.calm()
    shared.deployment.everywhere(with_a_collection)
    return shared


def ask(room: Room, tool: str, **arguments: Any) -> Json:
    return room.ask(tool, **{**TOOLS[tool], **arguments})


def told(answer: Json) -> list[str]:
    """The signals, as "code" or "code:reason", once each."""
    assert "error" not in answer, answer
    found = (f"{s['code'].removeprefix('mongo.')}:{s.get('reason', '')}".rstrip(":") for s in answer.get("signals", []))
    return list(dict.fromkeys(found))


# -- stages ---------------------------------------------------------------------------------------------------------------------


def samples(first: Json, second: Json, seconds: float = 1.0) -> Stage:
    """The first member's two replies to ``serverStatus``; the others stay calm."""
    return lambda d: d.first.replies.update(serverStatus=seconds_apart(first, second, seconds))


def steady(**changes: Any) -> Stage:
    return samples(status(**changes), status(**changes))


def connected(before: Json, after: Json, **more: Any) -> Stage:
    calm = status()["connections"]
    return samples(status(connections={**calm, **before}, **more), status(connections={**calm, **after}, **more))


def tickets(free: int, waiting: int, total: int = 128) -> Stage:
    side = {"available": free, "totalTickets": total, "normalPriority": {"queueLength": waiting}}
    return steady(queues={"execution": {"read": status()["queues"]["execution"]["read"], "write": side}})


def old_tickets(free: int, waiting: int) -> Stage:
    calm = status()["wiredTiger"]
    wired = {**calm, "concurrentTransactions": {"read": {"available": free, "out": 128 - free, "totalTickets": 128}}}
    return steady(
        version="6.0.9",
        queues={},
        wiredTiger=wired,
        globalLock={"currentQueue": {"total": waiting, "readers": waiting, "writers": 0}},
    )


def cache(used: int = 600, dirty: int = 20, evicted: int = 10) -> Json:
    return {
        "cache": {
            "bytes currently in the cache": used,
            "maximum bytes configured": 1_000,
            "tracked dirty bytes in the cache": dirty,
            "pages evicted by application threads": evicted,
        }
    }


def clients_of(*groups: tuple[str, str, str, int]) -> Stage:
    rows = [{"_id": {"app": a, "client": h, "driver": d}, "n": n, "active": 1} for a, h, d, n in groups]
    return lambda d: d.first.replies.update(clients=rows)


def oplog(hours: float, uptime: float = DAYS) -> Stage:
    end = int(NOW.timestamp())
    ends = {"earliestOptime": Timestamp(end - int(hours * 3600), 1), "latestOptime": Timestamp(end, 1)}
    return steady(oplog=ends, uptime=uptime)


def seen(reply: Json, config: list[Json] | None = None) -> Stage:
    def stage(d: Deployment) -> None:
        d.first.replies["replSetGetStatus"] = reply
        d.first.replies["replSetGetConfig"] = {"config": {"_id": "rs0", "members": config or []}}

    return stage


def without_a_primary(d: Deployment) -> None:
    reply = set_status()
    reply["members"][0] |= {"state": 2, "stateStr": "SECONDARY"}
    for member in d.members:
        member.role = "secondary"
        member.replies["replSetGetStatus"] = reply


def third(state: int, text: str, health: float, message: str = "") -> Stage:
    row = {"name": "m3:27017", "health": health, "state": state, "stateStr": text, "lastHeartbeatMessage": message}
    return seen(set_status(third=row))


def elected(hours: float, reason: str) -> Stage:
    reply = set_status(elected=NOW - timedelta(hours=hours))
    reply["electionCandidateMetrics"]["lastElectionReason"] = reason
    return seen(reply)


def slow_line(minutes: float, ms: int = 300, at: datetime = NOW, **attr: Any) -> str:
    """A slow query as 8.0 logs it."""
    stated = {
        "type": "command",
        "ns": "shop.orders",
        "appName": "checkout",
        "command": {"find": "orders", "filter": {"customer": "c-1"}, "$db": "shop"},
        "planSummary": "IXSCAN { customer: 1 }",
        "planningTimeMicros": 1_400,
        "keysExamined": 4,
        "docsExamined": 4,
        "nreturned": 4,
        "planCacheShapeHash": "5F5FC979",
        "locks": {"Global": {"acquireCount": {"r": 2}}},
        "workingMillis": ms - 1,
        "durationMillis": ms,
    }
    head = {"t": {"$date": (at - timedelta(minutes=minutes)).isoformat()}, "s": "I", "c": "COMMAND", "id": 51_803}
    return json.dumps({**head, "ctx": "conn77", "msg": "Slow query", "attr": {**stated, **attr}})


def logged(*lines: str, since: float = 90) -> Stage:
    """The first member's ring; every member's goes back ``since`` minutes."""
    old = json.dumps({"t": {"$date": (NOW - timedelta(minutes=since)).isoformat()}, "id": 20_250, "msg": "x"})

    def stage(d: Deployment) -> None:
        d.everywhere(lambda m: m.replies.update(getLog={"log": [old]}))
        d.first.replies["getLog"] = {"log": [old, *lines]}

    return stage


def planned_differently(d: Deployment) -> None:
    logged(slow_line(30), slow_line(8))(d)
    others = [slow_line(n, planSummary="IXSCAN { at: 1 }") for n in (29, 7)]
    d.members[1].replies["getLog"] = {
        "log": [json.dumps({"t": {"$date": (NOW - timedelta(hours=2)).isoformat()}}), *others]
    }


SCAN = {"planSummary": "COLLSCAN", "docsExamined": 90_000, "keysExamined": 0, "nreturned": 60_000}


def running(**row: Any) -> Stage:
    calm = {"type": "op", "host": "m1", "active": True, "client": "10.0.0.7:4711", "appName": "checkout", "opid": 7,
            "ns": "shop.orders", "op": "query", "command": {"find": "orders", "filter": {"customer": "c-1"}},
            "microsecs_running": 1_000}  # fmt: skip
    return lambda d: d.first.replies.update({"$currentOp": [{**calm, **row}]})


BUILD = {"client": None, "appName": None, "desc": "IndexBuildsCoordinatorMongod-0", "op": "command", "command": {"createIndexes": "orders"},
         "msg": "Index Build: scanning collection Index Build: scanning collection: 30/120 25%", "progress": {"done": 30, "total": 120}}  # fmt: skip
IDLE_TXN = {"type": "idleSession", "active": False, "desc": "inactive transaction", "command": None, "microsecs_running": None,
            "transaction": {"timeOpenMicros": 95_000_000, "timeActiveMicros": 4_000, "timeInactiveMicros": 94_996_000}}  # fmt: skip

CONN, HEALTH, SET, SLOW, NOW_RUNNING, COLL = (
    "get_connection_metrics",
    "get_database_health",
    "get_replication_status",
    "get_query_performance",
    "get_current_operations",
    "get_collection_stats",
)
TABLE: list[tuple[str, str, Stage, list[str]]] = [
    # connections
    ("near its limit", CONN, connected({"current": 850, "available": 150}, {"current": 850, "available": 150}), ["conn_saturated"]),
    ("below the limit", CONN, connected({"current": 700, "available": 300}, {"current": 700, "available": 300}), []),
    ("a storm", CONN, connected({"totalCreated": 90_000}, {"totalCreated": 90_080}), ["conn_storm"]),
    ("a busy server's usual rate", CONN, connected({"totalCreated": 90_000}, {"totalCreated": 90_080}, uptime=1_800.0), []),
    ("a fast rate that is small", CONN, connected({"totalCreated": 90_000}, {"totalCreated": 90_040}), []),
    ("the rush after a start", CONN, connected({"totalCreated": 100}, {"totalCreated": 400}, uptime=60.0), []),
    ("rejections now", CONN, connected({"rejected": 4}, {"rejected": 9}), ["conn_rejected"]),
    ("rejections long ago", CONN, connected({"rejected": 9}, {"rejected": 9}), []),
    ("one application", CONN, clients_of(("checkout", "10.0.0.1", "nodejs", 30), ("checkout", "10.0.0.2", "nodejs", 30), ("mail", "10.0.0.3", "PyMongo", 9)), ["one_client_dominates"]),
    ("many applications", CONN, clients_of(*((f"app-{n}", "10.0.0.1", "nodejs", 20) for n in range(4))), []),
    ("few connections", CONN, clients_of(("checkout", "10.0.0.1", "nodejs", 12)), []),
    ("the set's own connections", CONN, clients_of(("", "10.0.0.9", "NetworkInterfaceTL-ReplNetwork", 90), ("checkout", "10.0.0.1", "nodejs", 9)), []),
    # one member
    ("no write tickets", HEALTH, tickets(0, waiting=12), ["tickets_exhausted:write"]),
    ("few tickets and nobody waits", HEALTH, tickets(0, waiting=0, total=4), []),
    ("no read tickets on 6.0", HEALTH, old_tickets(2, waiting=9), ["tickets_exhausted:read"]),
    ("a queue", HEALTH, steady(globalLock={"currentQueue": {"total": 25, "readers": 5, "writers": 20}}), ["queue"]),
    ("a queue that is gone at once", HEALTH, samples(status(globalLock={"currentQueue": {"total": 25}}), status(globalLock={"currentQueue": {"total": 0}})), []),
    ("a full cache", HEALTH, steady(wiredTiger=cache(used=960)), ["cache_pressure:used"]),
    ("a dirty cache", HEALTH, steady(wiredTiger=cache(dirty=210)), ["cache_pressure:dirty"]),
    ("operations that evict", HEALTH, samples(status(), status(wiredTiger=cache(evicted=35))), ["app_eviction"]),
    ("a cache as it should be", HEALTH, samples(status(wiredTiger=cache(used=800, dirty=50)), status(wiredTiger=cache(used=800, dirty=50, evicted=12))), []),
    ("a full disk", HEALTH, lambda d: d.first.replies.update(dbStats={"fsUsedSize": 91.0, "fsTotalSize": 100.0}), ["disk_full"]),
    ("a restart", HEALTH, steady(uptime=600.0), ["restart"]),
    ("a restart between the samples", HEALTH, samples(status(), status(uptime=1.0, connections={"current": 1})), ["restart"]),
    ("flow control", HEALTH, steady(flowControl={"enabled": True, "isLagged": True}), ["flow_control"]),
    ("flow control on a secondary", HEALTH, lambda d: d.members[1].replies.update(serverStatus=status(flowControl={"isLagged": True})), []),
    ("a short oplog", HEALTH, oplog(6), ["oplog_short"]),
    ("a short oplog of a young set", HEALTH, oplog(6, uptime=7_200.0), []),
    # the set
    ("no primary", SET, without_a_primary, ["no_primary"]),
    ("no primary, on the page", HEALTH, without_a_primary, ["no_primary"]),
    ("a member away", SET, third(8, "(not reachable/healthy)", 0.0, "Connection refused"), ["member_down:unreachable"]),
    ("a member in initial sync", SET, third(5, "STARTUP2", 1.0), ["member_down:startup"]),
    ("a member that recovers", HEALTH, third(3, "RECOVERING", 1.0), ["member_down:recovering"]),
    ("a member that rolls back", SET, third(9, "ROLLBACK", 1.0), ["member_down:rollback"]),
    ("a removed member", SET, third(10, "REMOVED", 1.0), ["member_down:removed"]),
    ("an arbiter", SET, third(7, "ARBITER", 1.0), []),
    ("lag", SET, seen(set_status(lag_s=40)), ["repl_lag"]),
    ("one idle write", SET, seen(set_status(lag_s=10)), []),
    ("a member delayed on purpose", SET, seen(set_status(lag_s=3_601), [{"host": "m2:27017", "secondaryDelaySecs": 3_600, "priority": 0}]), []),
    ("a delayed member that lags more", SET, seen(set_status(lag_s=3_700), [{"host": "m2:27017", "secondaryDelaySecs": 3_600}]), ["repl_lag"]),
    ("an election", SET, elected(1, "electionTimeout"), ["election:timeout"]),
    ("a step-down", SET, elected(1, "stepUpRequestSkipDryRun"), ["election:step_up"]),
    ("a takeover", HEALTH, elected(1, "priorityTakeover"), ["election:priority"]),
    ("an election long ago", SET, elected(30, "electionTimeout"), []),
    # slow operations
    ("a collection scan", SLOW, logged(slow_line(9, **SCAN)), ["collscan"]),
    ("a scan of little", SLOW, logged(slow_line(9, **{**SCAN, "docsExamined": 300, "nreturned": 200})), []),
    ("far more read than returned", SLOW, logged(slow_line(9, docsExamined=90_000, nreturned=3)), ["scan_ratio"]),
    ("a grouping of much", SLOW, logged(slow_line(9, docsExamined=90_000, nreturned=3, command={"aggregate": "orders", "pipeline": [{"$group": {"_id": "$v"}}]})), []),
    ("a sort in memory", SLOW, logged(slow_line(9, hasSortStage=True)), ["in_memory_sort"]),
    ("waits for locks", SLOW, logged(slow_line(9, locks={"Global": {"timeAcquiringMicros": {"w": 150_000}}})), ["lock_wait"]),
    ("another plan", SLOW, logged(slow_line(30), slow_line(9, planSummary="IXSCAN { at: 1 }")), ["plan_change"]),
    ("more branches of one plan", SLOW, logged(slow_line(30, planSummary="IXSCAN { a: 1 }, IXSCAN { a: 1 }"), slow_line(9, planSummary="IXSCAN { a: 1 }")), []),
    ("members that plan differently all the time", SLOW, planned_differently, []),
    ("a scan that an index ended", SLOW, logged(slow_line(30, **SCAN), slow_line(9)), ["collscan", "plan_change"]),
    ("a rise", SLOW, logged(slow_line(50), *(slow_line(9 - n / 10) for n in range(20))), ["slow_spike"]),
    ("as slow as ever", SLOW, logged(*(slow_line(n) for n in range(1, 60))), []),
    # what runs now
    ("a long operation", NOW_RUNNING, running(microsecs_running=45_000_000), ["long_op"]),
    ("a long one that is not yet long", NOW_RUNNING, running(microsecs_running=9_000_000), []),
    ("one that waits", NOW_RUNNING, running(waitingForLock=True, locks={"Global": "w"}), ["lock_wait"]),
    ("an open transaction", NOW_RUNNING, running(**IDLE_TXN), ["open_txn"]),
    ("a young transaction", NOW_RUNNING, running(**{**IDLE_TXN, "transaction": {"timeOpenMicros": 4_000_000}}), []),
    ("an index build", NOW_RUNNING, running(**BUILD), ["index_build"]),
    ("a driver's watch", NOW_RUNNING, running(command={"hello": 1, "maxAwaitTimeMS": 10_000}, microsecs_running=90_000_000), []),
    ("a change stream", NOW_RUNNING, running(op="getmore", cursor={"tailable": True, "awaitData": True}, microsecs_running=90_000_000), []),
    ("an index that is built", COLL, lambda d: d.first.replies.update({"$indexStats": [INDEX, {**INDEX, "name": "at_1", "key": {"at": 1}, "building": True}]}), ["index_build"]),
]  # fmt: skip
INDEX = {"name": "_id_", "key": {"_id": 1}, "accesses": {"ops": 9, "since": NOW - timedelta(days=30)}}
COLLECTION = {
    "storageStats": {"size": 900, "storageSize": 400, "totalIndexSize": 60, "indexSizes": {"_id_": 60}},
    "latencyStats": {"reads": {"latency": 9_000, "ops": 3}, "writes": {"latency": 0, "ops": 0}},
    "count": 30,
}


def with_a_collection(member: RecordedMember) -> None:
    member.replies |= {"$collStats": [COLLECTION], "$indexStats": [INDEX]}


@pytest.mark.parametrize(("tool", "stage", "signals"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_signal_is_raised_by_its_cause_and_by_nothing_else(
    room: Room, tool: str, stage: Stage, signals: list[str]
) -> None:
    stage(room.deployment)
    assert told(ask(room, tool)) == signals


def test_every_signal_of_the_driver_stands_in_the_table() -> None:
    from mcp_servers.common.signals import CATALOGUE

    raised = {signal.partition(":")[0] for row in TABLE for signal in row[3]}
    # a leak shows over hours, which only Atlas keeps: test_mongo_atlas
    assert raised == {c.removeprefix("mongo.") for c in CATALOGUE if c.startswith("mongo.")} - {"conn_leak"}


def test_a_calm_set_raises_nothing_and_every_member_is_asked(room: Room) -> None:
    for tool in TOOLS:
        answer = ask(room, tool)
        assert told(answer) == [], tool
        assert "partial" not in answer, tool
    health = ask(room, HEALTH)
    primary, *others = [m.label for m in room.deployment.members]
    assert [m["host"] for m in health["members"]] == [primary, *sorted(others)]
    assert (health["topology"], health["version"], health["feature_version"]) == ("replica set rs0", "8.0.4", "8.0")
