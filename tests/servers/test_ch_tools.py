"""Every tool of the ClickHouse server, on the real engine: its statements run, its signals come from rows, its answers hold no literal."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from mcp.client import Client

from mcp_servers.clickhouse.server import create_server
from sandbox.clickhouse.asking import Json, ask, load, stage
from sandbox.clickhouse.server import EmbeddedClickHouse
from sandbox.clickhouse.users import READ_ONLY_PROFILE, USERS, User

SECRET = "hunter2-S3cr3t-pa55"  # planted in statements, errors and mutations; no answer may hold it
NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
SHOP = User("shop_bot", "reader", READ_ONLY_PROFILE, ("system.*", "shop.*"))


@pytest.fixture(scope="module")
def clickhouse() -> Iterator[EmbeddedClickHouse]:
    with asyncio.Runner() as runner:
        server = EmbeddedClickHouse(users=(*USERS, SHOP))
        runner.run(server.start())
        runner.run(_fill(server))
        yield server
        runner.run(server.stop())


def clock() -> datetime:
    return NOW


def at(minutes: float) -> str:
    return (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S")


def logged(minutes: float, sql: str, ms: int = 0, **more: Any) -> Json:
    """A row of the query log, ``minutes`` before NOW."""
    from_hash = {"SELECT": "Select", "INSERT": "Insert", "ALTER": "Alter", "CREATE": "Create"}
    return {
        "type": "QueryFinish", "event_date": at(minutes)[:10], "event_time": at(minutes), "query_duration_ms": ms, "query": sql, "user": "app",
        "query_kind": from_hash[sql.split(maxsplit=1)[0]], "is_initial_query": 1, "query_id": f"q-{minutes}", "read_rows": 10, "result_rows": 10,
        "normalized_query_hash": str(sum(sql.split("'", maxsplit=1)[0].encode())), **more,
    }  # fmt: skip


async def _fill(server: EmbeddedClickHouse) -> None:
    async with await clickhouse_connect.get_async_client(dsn=server.dsn()) as admin:
        await admin.command("CREATE DATABASE shop")
        await admin.command(
            "CREATE TABLE shop.orders (id UInt64, status LowCardinality(String), at DateTime) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY id TTL at + INTERVAL 30 DAY"
        )
        await admin.command("SYSTEM STOP MERGES shop.orders")
        for _ in range(4):
            await admin.command(
                "INSERT INTO shop.orders SELECT number, 'paid', toDateTime('2026-11-22 10:00:00') FROM numbers(1000)"
            )
        await load(admin, "query_log", _log())
        await stage(admin, "asynchronous_metrics", [
            {"metric": "LoadAverage1", "value": 9}, *({"metric": f"OSUserTimeCPU{n}", "value": 1} for n in range(4)),
            {"metric": "MaxPartCountForPartition", "value": 2_000}, {"metric": "ReplicasMaxAbsoluteDelay", "value": 900},
            {"metric": "OSMemoryTotal", "value": 1}, {"metric": "OSMemoryAvailable", "value": 0},
        ])  # fmt: skip
        await stage(admin, "part_log", [
            {"event_type": "NewPart", "event_date": at(9)[:10], "event_time": at(9), "database": "shop", "table": "orders", "rows": 6_000},
        ])  # fmt: skip
        await stage(admin, "replicas", [
            {"database": "shop", "table": "paid", "is_readonly": 1, "is_session_expired": 1, "total_replicas": 3, "active_replicas": 2,
             "zookeeper_exception": f"Session expired (path '/{SECRET}')", "absolute_delay": 0},
            {"database": "shop", "table": "late", "absolute_delay": 1_800, "queue_size": 500, "queue_oldest_time": at(40), "total_replicas": 3, "active_replicas": 3},
            {"database": "shop", "table": "fine", "total_replicas": 3, "active_replicas": 3},
        ])  # fmt: skip
        await stage(admin, "replication_queue", [
            {"database": "shop", "table": "late", "type": "GET_PART", "num_tries": 70, "create_time": at(40), "last_exception": f"No active replica has part '{SECRET}'"},
        ])  # fmt: skip
        await stage(admin, "mutations", [
            {"database": "shop", "table": "orders", "mutation_id": "m1", "command": f"(UPDATE status = '{SECRET}' WHERE id = 77)", "create_time": at(30),
             "parts_to_do": 4, "latest_fail_time": at(1), "latest_fail_reason": f"Code: 6. DB::Exception: Cannot parse string '{SECRET}' as UInt64: while executing '{SECRET}'"},
            {"database": "shop", "table": "orders", "mutation_id": "m2", "command": "(DELETE WHERE id = 1)", "create_time": at(180), "parts_to_do": 2},
            {"database": "shop", "table": "orders", "mutation_id": "m0", "command": "x", "create_time": at(900), "is_done": 1},
        ])  # fmt: skip
        await stage(
            admin,
            "merges",
            [
                {
                    "database": "shop",
                    "table": "orders",
                    "elapsed": 7_000.0,
                    "progress": 0.31,
                    "num_parts": 12,
                    "total_size_bytes_compressed": 10**10,
                }
            ],
        )
        await stage(admin, "detached_parts", [
            {"database": "shop", "table": "orders", "reason": "broken-on-start"}, {"database": "shop", "table": "orders", "reason": None},
        ])  # fmt: skip
        await stage(admin, "distribution_queue", [
            {"database": "shop", "table": "orders_dist", "data_files": 900, "error_count": 4, "last_exception": f"Connection refused, password={SECRET}"},
        ])  # fmt: skip
        await stage(admin, "disks", [
            {"name": "data", "type": "Local", "free_space": 5, "total_space": 100}, {"name": "s3", "type": "ObjectStorage", "total_space": 2**64 - 1, "is_remote": 1},
        ])  # fmt: skip
        await stage(admin, "errors", [
            {"name": "TOO_MANY_PARTS", "code": 252, "value": 5, "last_error_time": at(5), "last_error_message": "Too many parts (3001 with average size of 1.00 MiB)"},
            {"name": "OLD", "code": 1, "value": 5, "last_error_time": at(500)},
        ])  # fmt: skip
        await stage(admin, "warnings", [{"message": f"Table shop.orders uses '{SECRET}'"}])
        await stage(
            admin,
            "server_settings",
            [{"name": "max_concurrent_queries", "value": "1"}, {"name": "max_server_memory_usage", "value": "1000000"}],
        )
        await stage(admin, "metrics", [
            {"metric": name, "value": value}
            for name, value in {"Query": 9, "MemoryTracking": 950_000, "ReadonlyReplica": 1, "DelayedInserts": 2, "ZooKeeperSession": 0,
                                "BackgroundMergesAndMutationsPoolSize": 4, "BackgroundMergesAndMutationsPoolTask": 4}.items()
        ])  # fmt: skip


def _log() -> list[Json]:
    slow = f"SELECT * FROM shop.orders WHERE token = '{SECRET}' -- {SECRET}"
    return [
        *(logged(m, slow, 4_000, tables=["shop.orders"], memory_usage=6 * 1024**3, read_rows=50_000_000, result_rows=1) for m in (3, 4, 5, 6)),
        *(logged(m, slow, 700, tables=["shop.orders"]) for m in (70, 75, 80)),
        *(logged(m, f"SELECT sum(id) FROM shop.orders WHERE status = '{SECRET}'", 3_000, tables=["shop.orders"]) for m in (7, 8)),
        logged(9, "INSERT INTO shop.orders FORMAT Native", 600),
        *(
            logged(m, f"SELECT '{SECRET}'", 20, type="ExceptionWhileProcessing", exception_code=241, tables=["shop.orders"],
                   exception=f"Code: 241. DB::Exception: Memory limit (total) exceeded: would use 9.31 GiB, maximum: 9.00 GiB: While executing '{SECRET}'")
            for m in (10, 11)
        ),
        logged(12, "SELECT gone FROM shop.orders", 1, type="ExceptionBeforeStart", exception_code=47,
               exception=f"Code: 47. DB::Exception: Unknown identifier `gone` in scope SELECT gone WHERE x = '{SECRET}'. (UNKNOWN_IDENTIFIER)"),
        logged(13, f"SELECT nonsense '{SECRET}'", 1, type="ExceptionBeforeStart", exception_code=62,
               exception=f"Code: 62. DB::Exception: Syntax error: failed at position 8 ('{SECRET}'): {SECRET}. Expected one of: token"),
        logged(20, f"ALTER TABLE shop.orders ADD COLUMN note String DEFAULT '{SECRET}'", 5, tables=["shop.orders"]),
        logged(25, f"CREATE USER x IDENTIFIED BY '{SECRET}'", 5),
    ]  # fmt: skip


@pytest.fixture
async def admin(clickhouse: EmbeddedClickHouse) -> AsyncIterator[AsyncClient]:
    async with await clickhouse_connect.get_async_client(dsn=clickhouse.dsn()) as client:
        yield client


class TestSlowQueries:
    async def test_compares_with_the_window_before(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "get_slow_queries", clock=clock)
        first, second = answer.data["queries"][:2]
        assert (first["count"], first["p95_ms"], first["p95_before_ms"], first["p95_ratio"]) == (4, 4000, 700, 5.71)
        assert first["is_new"] is False
        assert second["is_new"] is True
        assert second["sql"] == "SELECT sum(id) FROM shop.orders WHERE status = ?"
        assert answer.codes == {"ch.slow_query_regressed", "ch.new_heavy_query", "ch.full_scan", "ch.memory_hog"}
        assert answer.signals("ch.slow_query_regressed")[0]["subject"].endswith("/shop.orders")

    @pytest.mark.parametrize(
        ("order", "field"),
        [("total", "total_ms"), ("p95", "p95_ms"), ("memory", "peak_memory_bytes"), ("read", "read_rows")],
    )
    async def test_orders(self, clickhouse: EmbeddedClickHouse, order: str, field: str) -> None:
        answer = await ask(clickhouse.environ(), "get_slow_queries", clock=clock, order_by=order)
        values = [row.get(field, 0) for row in answer.data["queries"]]
        assert values == sorted(values, reverse=True)

    async def test_a_kind_and_a_limit_narrow_it(self, clickhouse: EmbeddedClickHouse) -> None:
        inserts = await ask(clickhouse.environ(), "get_slow_queries", clock=clock, kind="Insert")
        assert [row["kind"] for row in inserts.data["queries"]] == ["Insert"]
        one = await ask(clickhouse.environ(), "get_slow_queries", clock=clock, limit=1)
        assert (len(one.data["queries"]), one.data["truncated"]) == (1, True)

    async def test_none_says_how_slow_the_slowest_was(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "get_slow_queries", clock=clock, min_ms=100_000)
        assert answer.data["summary"].startswith("no query took 100000 ms or more; ")
        assert "the slowest took 4000 ms" in answer.data["summary"]

    async def test_an_empty_log_is_not_taken_for_a_quiet_server(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "get_slow_queries", clock=clock, time_range="5m@2026-11-20T00:00:00Z")
        assert answer.data["summary"] == "no query was logged in this window"
        assert "reaches back to 2026-11-22T00:00:00Z only" in answer.data["notes"][0]
        later = datetime.now(UTC) + timedelta(days=2)
        answer = await ask(clickhouse.environ(), "get_slow_queries", clock=lambda: later)
        assert "was last written at" in answer.data["notes"][0]
        assert "before this window" in answer.data["notes"][0]

    async def test_the_baseline_may_be_a_day_or_a_week_ago_or_none(self, clickhouse: EmbeddedClickHouse) -> None:
        week = await ask(clickhouse.environ(), "get_slow_queries", clock=clock, compare="1w")
        assert "nothing was logged from 2026-11-15T11:00:00Z to 2026-11-15T12:00:00Z" in " ".join(week.data["notes"])
        assert "is_new" not in week.data["queries"][0], "not new, as nothing is known of that week"
        none = await ask(clickhouse.environ(), "get_slow_queries", clock=clock, compare="none")
        assert (none.codes, none.data.get("notes")) == ({"ch.full_scan", "ch.memory_hog"}, None)


class TestFailuresAndChanges:
    async def test_errors_become_signals(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "get_failed_queries", clock=clock)
        assert answer.codes == {"ch.memory_limit", "ch.schema_mismatch"}
        first = answer.data["failures"][0]
        assert (first["name"], first["count"], first["phase"]) == ("MEMORY_LIMIT_EXCEEDED", 2, "running")
        assert first["message"] == "Memory limit (total) exceeded: would use 9.31 GiB, maximum: 9.00 GiB"
        assert answer.signals("ch.schema_mismatch")[0]["reason"] == "column"
        assert "gone" in answer.signals("ch.schema_mismatch")[0]["detail"]

    async def test_schema_changes_newest_first(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "get_schema_changes", clock=clock, time_range="1h")
        assert [row["kind"] for row in answer.data["changes"]] == ["alter", "create"]
        assert answer.data["changes"][0]["what"] == "ALTER TABLE shop.orders ADD COLUMN note String DEFAULT ?"
        assert answer.data["blind_spots"]

    async def test_no_change_is_evidence_only_where_something_was_logged(self, clickhouse: EmbeddedClickHouse) -> None:
        quiet = await ask(clickhouse.environ(), "get_schema_changes", clock=clock, time_range="10m")
        assert quiet.codes == {"change.none_found"}
        silent = await ask(
            clickhouse.environ(), "get_schema_changes", clock=clock, time_range="5m@2026-11-20T00:00:00Z"
        )
        assert silent.codes == set()
        assert "proves nothing" in silent.data["notes"][0]


class TestRunningQueries:
    async def test_shows_what_runs_and_not_itself(self, clickhouse: EmbeddedClickHouse, admin: AsyncClient) -> None:
        running = asyncio.create_task(
            admin.query(f"SELECT sleepEachRow(0.3), '{SECRET}' FROM numbers(5) SETTINGS max_block_size = 1")
        )
        answer = await ask(clickhouse.environ(), "get_running_queries", min_secs=0.3)
        while "queries" not in answer.data and not running.done():
            answer = await ask(clickhouse.environ(), "get_running_queries", min_secs=0.3)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert [row["sql"].split(" FROM")[0] for row in answer.data["queries"]] == ["SELECT sleepEachRow(?), ?"]
        assert SECRET not in answer.text

    async def test_none_is_said(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "get_running_queries", min_secs=60)
        assert answer.data["summary"].startswith("no query runs for 60 s or more")


class TestTheServerItself:
    async def test_one_page_with_every_trouble(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "get_cluster_health", clock=clock)
        assert answer.codes == {
            "ch.restarted", "ch.memory_high", "ch.disk_full", "ch.too_many_parts", "ch.readonly_replica", "ch.repl_lag", "ch.keeper_down",
            "ch.inserts_delayed", "ch.inserts_rejected", "ch.merge_backlog", "ch.overloaded",
        }  # fmt: skip
        assert {s["reason"] for s in answer.signals("ch.overloaded")} == {"cpu", "query_slots"}
        assert [e["name"] for e in answer.data["errors"]] == ["TOO_MANY_PARTS"]
        assert [d.get("used_ratio") for d in answer.data["disks"]] == [0.95, None]

    async def test_storage(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "get_storage_health", clock=clock, database="shop", min_parts=3)
        assert [(p["table"], p["parts"]) for p in answer.data["parts"]] == [("shop.orders", 4)]
        assert answer.codes == {
            "ch.mutation_stuck",
            "ch.merge_slow",
            "ch.detached_broken",
            "ch.disk_full",
            "ch.dist_backlog",
        }
        assert {s["reason"] for s in answer.signals("ch.mutation_stuck")} == {"failing", "slow"}
        assert answer.data["mutations"][1]["what"] == "(UPDATE status = ? WHERE id = ?)"
        assert answer.data["mutations"][1]["fail_reason"] == "Cannot parse string ? as UInt64"

    async def test_thresholds_are_the_operators(self, clickhouse: EmbeddedClickHouse) -> None:
        environ = {**clickhouse.environ(), "RCA_CH_THRESHOLDS": '{"disk_ratio": 0.99, "parts_ratio": 0.001}'}
        answer = await ask(environ, "get_storage_health", clock=clock, database="shop", min_parts=3)
        assert "ch.disk_full" not in answer.codes
        assert "ch.too_many_parts" in answer.codes

    async def test_a_database_without_parts_is_explained(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "get_storage_health", clock=clock, database="chop")
        assert "SHOW TABLES" in " ".join(answer.data["notes"])

    async def test_replication(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "get_replication_status", clock=clock)
        assert [r["table"] for r in answer.data["replicas"]] == ["shop.paid", "shop.late"]
        assert answer.data["replicated_tables"] == 3
        assert {(s["code"], s.get("reason", "")) for s in answer.signals()} == {
            ("ch.readonly_replica", ""), ("ch.keeper_down", ""), ("ch.repl_lag", "delay"), ("ch.repl_lag", "replicas_missing"), ("ch.repl_lag", "stuck"),
        }  # fmt: skip

    async def test_a_table_without_reading_it(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "get_table_info", clock=clock, table="shop.orders")
        data = answer.data
        assert (data["rows"], data["parts"], data["sorting_key"], data["rows_per_min"]) == (4000, 4, "id", 100)
        assert data["ttl"] == "at + toIntervalDay(?)"
        assert {"name": "id", "type": "UInt64", "key": "sorting"} in data["columns"]

    async def test_an_unknown_table_has_close_names(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "get_table_info", clock=clock, table="shop.order")
        assert answer.error["code"] == "NOT_FOUND"
        assert "shop.orders" in answer.error["hint"]


TOOLS: list[tuple[str, Json]] = [
    ("get_cluster_health", {}), ("get_slow_queries", {"min_ms": 0, "limit": 30}), ("get_failed_queries", {"limit": 30}), ("get_running_queries", {"min_secs": 0}),
    ("get_storage_health", {"min_parts": 1}), ("get_replication_status", {}), ("get_table_info", {"table": "shop.orders"}), ("get_schema_changes", {"limit": 40}),
    ("health", {}),
]  # fmt: skip


class TestAllTools:
    async def test_no_literal_leaves(self, clickhouse: EmbeddedClickHouse) -> None:
        for tool, arguments in TOOLS:
            answer = await ask(clickhouse.environ(), tool, clock=clock, session=True, **arguments)
            assert not answer.failed, (tool, answer.text)
            assert SECRET not in answer.text, tool
            assert "hunter2" not in answer.text, tool

    async def test_only_reading_statements_reach_the_server(
        self, clickhouse: EmbeddedClickHouse, admin: AsyncClient
    ) -> None:
        for tool, arguments in TOOLS:
            await ask(clickhouse.environ(), tool, clock=clock, **arguments)
        await admin.command("SYSTEM FLUSH LOGS")
        found = await admin.query(
            "SELECT DISTINCT query_kind FROM system.query_log WHERE user = 'rca_bot' AND client_name != ''"
        )
        assert {kind for (kind,) in found.result_rows} <= {"Select", "Show"}
        unbounded = await admin.query(
            "SELECT query FROM system.query_log WHERE user = 'rca_bot' AND query_kind = 'Select' AND query NOT LIKE '%LIMIT%' AND query NOT LIKE 'SELECT version(), timezone()%' AND query NOT LIKE 'SELECT 1 AS check%'"
        )
        assert unbounded.result_rows == []

    async def test_the_list_is_small_strict_and_read_only(self) -> None:
        async with Client(create_server({})) as client:  # no server is configured: the tools are listed all the same
            listed = (await client.list_tools()).tools
        assert {t.name for t in listed} == {name for name, _ in TOOLS}
        for tool in listed:
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint is True
            assert len(tool.description or "") <= 350
            assert tool.input_schema["additionalProperties"] is False

    async def test_health_is_for_operators(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "health")
        assert {p["tool"]: p["state"] for p in answer.data["permissions"]} == {
            **{name: "ok" for name, _ in TOOLS if name != "health"},
            "run_query": "off",
        }
        assert (answer.data["reachable"], answer.data["identity"]) == (True, "rca_bot")


class TestRunQuery:
    @pytest.fixture
    def environ(self, clickhouse: EmbeddedClickHouse) -> dict[str, str]:
        return {**clickhouse.environ(SHOP), "RCA_CH_RAW": "1", "RCA_CH_ALLOWED": "shop.*"}

    async def test_answers_a_business_question(self, environ: dict[str, str]) -> None:
        answer = await ask(environ, "run_query", sql="SELECT status, count() AS n FROM shop.orders GROUP BY status")
        assert (answer.data["columns"], answer.data["rows"]) == (["status", "n"], [["paid", 4000]])

    async def test_says_when_there_is_more(self, environ: dict[str, str]) -> None:
        answer = await ask(environ, "run_query", sql="SELECT id FROM shop.orders ORDER BY id", limit=5)
        assert (len(answer.data["rows"]), answer.data["truncated"], answer.data["estimated_rows"]) == (5, True, 4000)

    async def test_the_estimate_is_a_gate(self, environ: dict[str, str]) -> None:
        answer = await ask({**environ, "RCA_CH_MAX_EST_ROWS": "100"}, "run_query", sql="SELECT id FROM shop.orders")
        assert answer.error["code"] == "TOO_LARGE"
        assert "RCA_CH_MAX_EST_ROWS" in answer.error["hint"]

    async def test_other_tables_are_refused_before_anything_is_sent(self, environ: dict[str, str]) -> None:
        answer = await ask(environ, "run_query", sql="SELECT * FROM system.query_log")
        assert answer.error["code"] == "FORBIDDEN"
