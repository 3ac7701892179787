"""What the numbers mean: recorded replies of MongoDB's documented shape through the functions that the tools use."""

import json
from datetime import timedelta
from typing import Any

import pytest
from bson.timestamp import Timestamp
from mongo_fixture import NOW, SECRET, set_status, status
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from mcp_servers.common.config import ConfigError
from mcp_servers.common.timerange import parse_range
from mcp_servers.mongodb import collection, connections, operations, replication, slow, slow_groups
from mcp_servers.mongodb import status as member
from mcp_servers.mongodb.refusals import failure_of
from mcp_servers.mongodb.settings import THRESHOLDS, load

Json = dict[str, Any]


def codes(signals: list[Any]) -> list[tuple[str, str]]:
    return [(s.code.removeprefix("mongo."), s.reason) for s in signals]


class TestMembers:
    def judged(
        self, second: Json, first: Json | None = None, **disk: float
    ) -> tuple[member.MemberHealth, list[tuple[str, str]]]:
        first = first or status()
        row = member.member_health("m1:27017", "primary", first, second, 1.0, disk=dict(disk))
        return row, codes(member.health_signals(row, first, second, NOW, THRESHOLDS))

    def test_a_calm_member_has_no_signal(self) -> None:
        later = status(
            opLatencies={
                "reads": {"latency": 1_400_000, "ops": 1_100},
                "writes": {"latency": 500_000, "ops": 100},
                "commands": {"latency": 100_000, "ops": 100},
            }
        )
        row, found = self.judged(later, fsUsedSize=50, fsTotalSize=100)
        assert found == []
        assert (row.read_ms, row.write_ms) == (4.0, None)
        assert (row.cache_used_ratio, row.disk_used_ratio) == (0.6, 0.5)
        assert row.unreported == ["oplog window"]

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"globalLock": {"currentQueue": {"total": 40, "readers": 40, "writers": 0}}}, ("queue", "")),
            ({"uptime": 60.0}, ("restart", "")),
            ({"flowControl": {"isLagged": True}}, ("flow_control", "")),
            (
                {"oplog": {"earliestOptime": Timestamp(1_000, 1), "latestOptime": Timestamp(8_200, 1)}},
                ("oplog_short", ""),
            ),
        ],
    )
    def test_what_is_wrong_is_told(self, changes: Json, code: tuple[str, str]) -> None:
        _, found = self.judged(status(**changes), status(**changes))
        assert found == [code]

    def test_a_full_disk_and_a_full_cache(self) -> None:
        cache = {
            "bytes currently in the cache": 970,
            "maximum bytes configured": 1_000,
            "tracked dirty bytes in the cache": 250,
        }
        _, found = self.judged(status(wiredTiger={"cache": cache}), fsUsedSize=90, fsTotalSize=100)
        assert found == [("cache_pressure", "used"), ("cache_pressure", "dirty"), ("disk_full", "")]

    def test_operations_that_evict_pages_themselves(self) -> None:
        later = status()
        later["wiredTiger"]["cache"]["pages evicted by application threads"] = 5_010
        row, found = self.judged(later)
        assert (row.app_evictions_per_s, found) == (5_000.0, [("app_eviction", "")])

    @pytest.mark.parametrize(("waiting", "found"), [(30, [("tickets_exhausted", "write")]), (0, [])])
    def test_few_free_tickets_mean_something_only_while_somebody_waits(self, waiting: int, found: list[Any]) -> None:
        reply = status()
        reply["queues"]["execution"]["write"] = {
            "available": 0,
            "totalTickets": 16,
            "normalPriority": {"queueLength": waiting},
        }
        assert self.judged(reply, reply)[1] == found

    def test_tickets_of_versions_before_8_are_found(self) -> None:
        reply = status(queues={})
        reply["wiredTiger"]["concurrentTransactions"] = {"read": {"out": 128, "available": 0, "totalTickets": 128}}
        reply["globalLock"] = {"currentQueue": {"total": 9, "readers": 9, "writers": 0}}
        row, found = self.judged(reply, reply)
        assert (row.tickets_read_available, found) == (0, [("tickets_exhausted", "read")])

    def test_a_restart_between_the_samples_gives_no_rates(self) -> None:
        later = status(uptime=1.0, extra_info={"page_faults": 1}, asserts={"regular": 0})
        assert self.judged(later)[0].page_faults_per_s is None

    def test_an_empty_reply_is_judged_in_nothing(self) -> None:
        row, found = self.judged({}, {"version": "1"})
        assert found == []
        assert row.unreported == ["latencies", "tickets", "cache", "queues", "oplog window", "disk"]


class TestReplication:
    def told(self, reply: Json, primary_seen: bool = True) -> list[tuple[str, str]]:
        view = replication.set_view(reply, "m1:27017")
        return codes(replication.set_signals(view, NOW, THRESHOLDS, primary_seen))

    def test_a_healthy_set_is_silent(self) -> None:
        assert self.told(set_status()) == []

    @pytest.mark.parametrize(("lag", "found"), [(45, [("repl_lag", "")]), (10, []), (0, [])])
    def test_lag_counts_beyond_what_one_heartbeat_explains(self, lag: float, found: list[Any]) -> None:
        assert self.told(set_status(lag_s=lag)) == found

    @pytest.mark.parametrize(
        ("state", "text", "health", "reason"),
        [
            (8, "(not reachable/healthy)", 0.0, "unreachable"),
            (3, "RECOVERING", 1.0, "recovering"),
            (5, "STARTUP2", 1.0, "startup"),
            (9, "ROLLBACK", 1.0, "rollback"),
        ],
    )
    def test_a_member_that_cannot_be_used(self, state: int, text: str, health: float, reason: str) -> None:
        third = {
            "name": "m3:27017",
            "health": health,
            "state": state,
            "stateStr": text,
            "lastHeartbeatMessage": "Connection refused",
        }
        assert self.told(set_status(third=third)) == [("member_down", reason)]

    def test_an_arbiter_neither_lags_nor_is_down(self) -> None:
        assert self.told(set_status(third={"name": "m3:27017", "health": 1.0, "state": 7, "stateStr": "ARBITER"})) == []

    def test_a_recent_election_has_its_reason(self) -> None:
        assert self.told(set_status(elected=NOW - timedelta(hours=1))) == [("election", "timeout")]

    @pytest.mark.parametrize(("seen", "found"), [(False, [("no_primary", "")]), (True, [])])
    def test_no_primary_unless_a_member_says_it_is_one(self, seen: bool, found: list[Any]) -> None:
        reply = set_status()
        reply["members"][0] |= {"state": 2, "stateStr": "SECONDARY"}
        assert self.told(reply, seen) == found


class TestConnections:
    def told(self, first: Json, second: Json) -> tuple[connections.MemberConnections, list[tuple[str, str]]]:
        row = connections.member_row("m1:27017", "primary", first, second, 1.0)
        return row, codes(connections.member_signals(row, first, second, 1.0, THRESHOLDS))

    def test_a_member_near_its_limit(self) -> None:
        full = status(connections={"current": 850, "available": 150, "active": 10, "totalCreated": 900, "rejected": 0})
        row, found = self.told(full, full)
        assert (row.limit, row.usage_ratio, found) == (1_000, 0.85, [("conn_saturated", "")])

    def test_a_storm_is_measured_against_the_server_s_own_mean(self) -> None:
        second = status()
        second["connections"] = {**second["connections"], "totalCreated": 90_200}
        assert self.told(status(), second)[1] == [("conn_storm", "")]
        busy = status(uptime=400.0)  # 225 a second on average: 200 are nothing new
        assert self.told(busy, {**second, "uptime": 401.0})[1] == []

    def test_rejections_count_only_while_they_rise(self) -> None:
        old = status()
        old["connections"] = {**old["connections"], "rejected": 7}
        assert self.told(old, old)[1] == []
        new = {**old, "connections": {**old["connections"], "rejected": 12}}
        assert self.told(old, new)[1] == [("conn_rejected", "")]

    def test_one_application_holds_most_over_all_its_hosts(self) -> None:
        groups = [
            {"_id": {"app": "cart", "client": f"10.0.0.{n}", "driver": "nodejs"}, "n": 30, "active": 1}
            for n in range(3)
        ]
        groups += [
            {"_id": {"app": "mail", "client": "10.0.0.9", "driver": "go"}, "n": 10, "active": 0},
            {"_id": {"client": "internal"}, "n": 40},
        ]
        rows = connections.clients(groups)
        assert [r.count for r in rows] == [30, 30, 30, 10]
        signals = connections.dominating(rows, "mongo/rs0", THRESHOLDS)
        assert [(s.value, s.count) for s in signals] == [(0.9, 90)]
        assert connections.dominating(rows[3:], "mongo/rs0", THRESHOLDS) == []


class TestOperations:
    def seen(self, **row: Any) -> operations.Operation | None:
        calm = {
            "type": "op",
            "active": True,
            "client": "10.0.0.1:5",
            "appName": "cart",
            "ns": "shop.orders",
            "op": "query",
        }
        return operations.operation({**calm, **row}, "m1:27017", NOW)

    def test_a_long_read_is_told_by_its_shape(self) -> None:
        op = self.seen(
            microsecs_running=90_000_000, command={"find": "orders", "filter": {"card": SECRET}}, planSummary="COLLSCAN"
        )
        assert op is not None
        assert (op.secs, op.shape, op.plan, op.since) == (90.0, "{card: ?}", "COLLSCAN", "2026-11-22T06:58:30Z")
        assert codes(operations.signals([op], THRESHOLDS)) == [("long_op", "")]

    def test_an_idle_transaction_comes_first(self) -> None:
        idle = self.seen(type="idleSession", active=False, transaction={"timeOpenMicros": 120_000_000})
        long = self.seen(microsecs_running=900_000_000, command={"find": "orders"})
        waiting = self.seen(microsecs_running=2_000_000, waitingForLock=True, command={"q": {"a": 1}, "u": {}})
        assert idle is not None
        assert long is not None
        assert waiting is not None
        assert operations.ordered([long, waiting, idle]) == [idle, waiting, long]
        assert codes(operations.signals([idle, waiting], THRESHOLDS)) == [("lock_wait", ""), ("open_txn", "")]
        assert operations.wanted(waiting, 60, "shop")
        assert not operations.wanted(waiting, 60, "other")

    def test_an_index_build_has_its_progress(self) -> None:
        op = self.seen(
            client=None,
            appName=None,
            desc="IndexBuildsCoordinatorMongod-0",
            msg="Index Build: scanning collection",
            progress={"done": 30, "total": 120},
        )
        assert op is not None
        assert (op.op, op.progress) == ("index build", 0.25)
        assert codes(operations.signals([op], THRESHOLDS)) == [("index_build", "")]

    @pytest.mark.parametrize(
        "row",
        [
            {"appName": "rca-bot-ro"},
            {"command": {"hello": 1, "topologyVersion": {}, "maxAwaitTimeMS": 10_000}, "secs_running": 9},
            {"op": "getmore", "cursor": {"tailable": True, "awaitData": True}, "secs_running": 4_000},
            {"client": None, "appName": None, "desc": "TTLMonitor", "op": "none"},
        ],
    )
    def test_what_waits_by_design_is_no_operation(self, row: Json) -> None:
        assert self.seen(**row) is None


def line(
    second: int, ms: int, *, plan: str = "COLLSCAN", docs: int = 90_000, app: str = "cart", ns: str = "shop.orders"
) -> str:
    """A slow query as MongoDB logs it."""
    at = (NOW - timedelta(hours=1) + timedelta(seconds=second)).isoformat()
    return json.dumps(
        {
            "t": {"$date": at},
            "s": "I",
            "c": "COMMAND",
            "id": 51803,
            "ctx": "conn1",
            "msg": "Slow query",
            "attr": {
                "type": "command",
                "ns": ns,
                "appName": app,
                "command": {"find": "orders", "filter": {"card": SECRET, "n": {"$gt": second}}, "sort": {"at": -1}},
                "planSummary": plan,
                "docsExamined": docs,
                "keysExamined": 0,
                "nreturned": 3,
                "hasSortStage": True,
                "durationMillis": ms,
                "locks": {"Global": {"timeAcquiringMicros": {"r": 250_000}}},
            },
        }
    )


class TestSlowOperations:
    WINDOW = parse_range("1h", NOW)

    def test_the_log_gives_groups_with_their_reasons(self) -> None:
        read = slow.read_log([line(n, 200 + n) for n in range(20)], "m1:27017")
        groups = slow_groups.grouped(read.ops)
        assert [(g.count, g.shape, g.plan, g.scan_ratio) for g in groups] == [
            (20, "{card: ?, n: {$gt: ?}} sort{at: -1}", "COLLSCAN", 30_000.0)
        ]
        assert (groups[0].p50_ms, groups[0].max_ms, groups[0].app_names) == (210, 219, ["cart"])
        found = codes(slow_groups.group_signals(groups[0], THRESHOLDS))
        assert found == [("collscan", ""), ("scan_ratio", ""), ("in_memory_sort", ""), ("lock_wait", "")]
        assert SECRET not in str(groups)

    def test_a_scan_of_a_small_collection_is_no_finding(self) -> None:
        groups = slow_groups.grouped(slow.read_log([line(1, 200, docs=50)], "m1").ops)
        assert ("collscan", "") not in codes(slow_groups.group_signals(groups[0], THRESHOLDS))

    def test_a_changed_plan_is_told_with_both(self) -> None:
        groups = slow_groups.grouped(slow.read_log([line(1, 120, plan="IXSCAN { card: 1 }"), line(9, 900)], "m1").ops)
        signal = next(s for s in slow_groups.group_signals(groups[0], THRESHOLDS) if s.code == "mongo.plan_change")
        assert signal.detail.endswith("plan went from IXSCAN {card: 1} to COLLSCAN")

    def test_a_rise_is_judged_only_where_the_log_goes_back_far_enough(self) -> None:
        read = slow.read_log([line(60, 200), *(line(3_300 + n, 200) for n in range(30))], "m1")
        told = slow_groups.spike(read.ops, self.WINDOW, self.WINDOW.start, THRESHOLDS)
        assert [(s.code, s.value) for s in told] == [("mongo.slow_spike", 30.0)]
        assert slow_groups.spike(read.ops, self.WINDOW, read.oldest, THRESHOLDS) == []

    def test_what_the_bot_asks_itself_is_left_out(self) -> None:
        assert slow.read_log([line(1, 500, app="rca-bot-ro"), line(1, 500, ns="local.oplog.rs")], "m1").ops == []

    def test_a_log_in_another_format_is_counted_as_unreadable(self) -> None:
        read = slow.read_log(["2026-11-22T06:00:00 I NETWORK connection accepted", None, "{", "[1]"], "m1")
        assert (read.ops, read.oldest, read.unreadable) == ([], None, 4)


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OperationFailure("serverStatus is not allowed in this atlas tier", 8000), "UNSUPPORTED", "Atlas tier"),
        (
            OperationFailure("not authorized on admin to execute command { x: 'zq9' }", 13),
            "FORBIDDEN",
            "serverStatus on database admin",
        ),
        (OperationFailure("Authentication failed.", 18), "UNAUTHORIZED", "password"),
        (OperationFailure("operation exceeded time limit", 50), "TIMEOUT", "in time"),
        (OperationFailure("no such command", 59), "UNSUPPORTED", "does not know"),
        (OperationFailure("not primary", 10107), "UNAVAILABLE", "changing its role"),
        (OperationFailure("zq9 something new", 99_999), "UPSTREAM", "code 99999"),
        (ServerSelectionTimeoutError("m1:27017: [Errno 111] Connection refused"), "UNAVAILABLE", "refuses connections"),
        (ServerSelectionTimeoutError("SSL handshake failed: certificate verify failed"), "UNAVAILABLE", "certificate"),
    ],
)
def test_a_refusal_says_what_failed_where_and_not_what_the_server_quoted(error: Any, code: str, says: str) -> None:
    info = failure_of(error, "serverStatus", "admin", "m1:27017").info
    assert info.code == code
    assert says in info.message
    assert "m1:27017" in info.message or code == "UNSUPPORTED"
    assert "zq9" not in info.message


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"RCA_MONGO_URL": "x"}, "RCA_MONGO_URI is"),
        ({"RCA_MONGO_URI": "postgres://u:Tr0ub4dor@h"}, "does not start with mongodb://"),
        ({"RCA_MONGO_THRESHOLDS": "[]"}, "JSON object"),
        ({"RCA_MONGO_THRESHOLDS": '{"lagg": 1}'}, "is not known"),
        ({"RCA_MONGO_THRESHOLDS": '{"lag_s": -1}'}, "above 0"),
        ({"RCA_MONGO_MAX_MEMBERS": "0"}, "between 1 and 50"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(environ: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(environ)
    assert says in str(raised.value)
    assert "Tr0ub4dor" not in str(raised.value)


def test_thresholds_can_be_set() -> None:
    settings = load({"RCA_MONGO_URI": f"mongodb://u:{SECRET}@h", "RCA_MONGO_THRESHOLDS": '{"lag_s": 60}'})
    assert (settings.thresholds["lag_s"], settings.thresholds["queue"]) == (60, THRESHOLDS["queue"])
    assert SECRET not in repr(settings)


def test_an_index_is_unused_only_after_it_was_watched_for_long() -> None:
    stats = [
        {
            "storageStats": {"size": 10, "indexSizes": {"_id_": 4, "u_1": 6}, "indexBuilds": ["b_1"]},
            "latencyStats": {"reads": {"latency": 9_000, "ops": 3}},
            "count": 2,
        }
    ]
    long, short = NOW - timedelta(days=30), NOW - timedelta(hours=1)
    rows = [
        {"name": "_id_", "key": {"_id": 1}, "accesses": {"ops": 0, "since": long}},
        {"name": "u_1", "key": {"u": 1}, "accesses": {"ops": 0, "since": long}},
        {"name": "b_1", "key": {"b": -1}, "accesses": {"ops": 0, "since": short}},
    ]
    seen = collection.member_collection("m1", "primary", stats, rows, now=NOW, limits=THRESHOLDS)
    assert [(i.name, i.unused, i.building) for i in seen.indexes] == [
        ("_id_", False, False),
        ("u_1", True, False),
        ("b_1", False, True),
    ]
    assert (seen.read_ms, seen.average_document_bytes) == (3.0, 5)
