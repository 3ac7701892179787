"""Several ClickHouse servers asked as one: their rows add up as each field's meaning demands, and one that is away is named, and comes back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import clickhouse_connect
import pytest
from ch_relay import Relay
from clickhouse_connect.driver.asyncclient import AsyncClient
from mcp.client import Client

from mcp_servers.clickhouse import client as database_module
from mcp_servers.clickhouse.client import Database
from mcp_servers.clickhouse.query_statements import SLOW
from mcp_servers.clickhouse.server import create_server
from mcp_servers.clickhouse.settings import load
from sandbox.clickhouse.asking import Answer, Json, ask, stage
from sandbox.clickhouse.asking import load as add
from sandbox.clickhouse.server import EmbeddedClickHouse

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def clock() -> datetime:
    return NOW


def at(minutes: float) -> str:
    return (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S")


def logged(minutes: float, sql: str, ms: int, **more: Any) -> Json:
    return {
        "type": "QueryFinish", "event_date": at(minutes)[:10], "event_time": at(minutes), "query_duration_ms": ms, "query": sql, "user": "app",
        "query_kind": "Select", "is_initial_query": 1, "query_id": f"q-{minutes}-{ms}", "read_rows": 10, "result_rows": 1, "memory_usage": ms,
        "normalized_query_hash": "4711", "tables": ["shop.orders"], **more,
    }  # fmt: skip


LATELY: Json = {"start": int(NOW.timestamp()) - 3_600, "end": int(NOW.timestamp()), "kind": "", "min_ms": 0, "limit": 5}
SHARED = "SELECT sum(total) FROM shop.orders WHERE day = 1"
FAILING = {
    "type": "ExceptionWhileProcessing",
    "exception_code": 241,
    "exception": "Code: 241. DB::Exception: Memory limit exceeded",
}
ALTER = {"query_kind": "Alter", "normalized_query_hash": "9"}


async def _fill(admin: AsyncClient, first: bool) -> None:
    await admin.command("CREATE DATABASE shop")
    columns = "id UInt64, total UInt64" if first else "id UInt64, total UInt32"
    await admin.command(f"CREATE TABLE shop.orders ({columns}) ENGINE = MergeTree ORDER BY id")
    await admin.command("SYSTEM STOP MERGES shop.orders")
    for _ in range(2 if first else 5):
        await admin.command(f"INSERT INTO shop.orders SELECT number, 1 FROM numbers({1_000 if first else 100})")
    rows = (
        [logged(m, SHARED, 1_000) for m in (2, 3, 4, 5)]
        + [logged(6, "SELECT 1", 700, normalized_query_hash="1", **FAILING)]
        + [logged(20, "ALTER TABLE shop.orders ON CLUSTER main ADD COLUMN note String", 5, **ALTER)]
        if first
        else [logged(m, SHARED, 9_000, query_id="worst") for m in (2, 3)]
        + [logged(6, "SELECT 1", 700, normalized_query_hash="1", **FAILING) for _ in range(3)]
        + [logged(70, "SELECT 1", 700, normalized_query_hash="1", **FAILING)]
        + [logged(19.9, "ALTER TABLE shop.orders ADD COLUMN note String", 5, user="", **ALTER)]
    )
    await add(admin, "query_log", rows)
    mutation = {
        "database": "shop",
        "table": "orders",
        "mutation_id": "0000000001",
        "command": "(DELETE WHERE id = 5)",
        "create_time": at(90),
    }
    await stage(admin, "mutations", [
        {**mutation, "parts_to_do": 1 if first else 7, "latest_fail_reason": "" if first else "Cannot read", "latest_fail_time": at(1) if not first else "1970-01-01 00:00:00"},
    ])  # fmt: skip
    await stage(admin, "replicas", [
        {"database": "shop", "table": "orders", "absolute_delay": 0 if first else 900, "total_replicas": 2, "active_replicas": 2},
    ])  # fmt: skip


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def fronts(runner: asyncio.Runner) -> Iterator[list[EmbeddedClickHouse]]:
    """Two replicas of a shop, and a third that keeps no query log."""

    async def begin() -> list[EmbeddedClickHouse]:
        servers = [EmbeddedClickHouse(), EmbeddedClickHouse(), EmbeddedClickHouse(query_log=False)]
        await asyncio.gather(*(server.start() for server in servers))
        for server in servers[:2]:
            async with await clickhouse_connect.get_async_client(dsn=server.dsn()) as admin:
                await _fill(admin, server is servers[0])
        return servers

    servers = runner.run(begin())
    yield servers
    for server in servers:
        runner.run(server.stop())


@dataclass(frozen=True)
class Seen:
    """What the tools said of both shops. ``first`` and ``second`` are the servers' names in the answers."""

    first: str
    second: str
    answers: dict[str, Answer]
    again: Answer  # get_slow_queries once more, when the first server was the slower one


CALLS: dict[str, tuple[str, Json]] = {
    "slow": ("get_slow_queries", {}),
    "failed": ("get_failed_queries", {}),
    "failed last week": ("get_failed_queries", {"compare": "1w"}),
    "changes": ("get_schema_changes", {}),
    "storage": ("get_storage_health", {"database": "shop", "min_parts": 1}),
    "replication": ("get_replication_status", {}),
    "cluster": ("get_cluster_health", {}),
    "table": ("get_table_info", {"table": "shop.orders"}),
}


@pytest.fixture(scope="module")
def seen(runner: asyncio.Runner, fronts: list[EmbeddedClickHouse]) -> Seen:
    async def look() -> Seen:
        async with Relay(fronts[0].url) as one, Relay(fronts[1].url) as two:
            server = create_server({**environ(fronts, [one, two]), "RCA_CACHE_S": "0"}, clock=clock)
            async with Client(server) as session:

                async def call(tool: str, arguments: Json) -> Answer:
                    result = await session.call_tool(tool, arguments)
                    return Answer(result.structured_content or {}, "", bool(result.is_error))

                found = await asyncio.gather(*(call(*asked) for asked in CALLS.values()))
                one.delay_s = 0.05
                again = await call(*CALLS["slow"])
            return Seen(one.label, two.label, dict(zip(CALLS, found, strict=True)), again)

    return runner.run(look())


@pytest.fixture
async def relays(fronts: list[EmbeddedClickHouse]) -> AsyncIterator[list[Relay]]:
    both = [Relay(front.url) for front in fronts[:2]]
    for relay in both:
        await relay.start()
    yield both
    for relay in both:
        await relay.stop()


def environ(fronts: list[EmbeddedClickHouse], relays: list[Relay], **more: str) -> dict[str, str]:
    return {
        **fronts[0].environ(),
        "RCA_CH_URL": relays[0].url,
        "RCA_CH_HOSTS": " ".join(r.url for r in relays[1:]),
        **more,
    }


class TestRowsOfSeveralServers:
    def test_one_shape_of_query_is_one_row(self, seen: Seen) -> None:
        answer = seen.answers["slow"]
        query = answer.data["queries"][0]
        assert (query["count"], query["total_ms"], query["read_rows"]) == (6, 22_000, 60), "what is spent adds up"
        assert (query["max_ms"], query["p95_ms"], query["peak_memory_bytes"]) == (9_000, 9_000, 9_000), (
            "the worst server counts"
        )
        assert query["p50_ms"] == pytest.approx((4 * 1_000 + 2 * 9_000) / 6, abs=1), (
            "a median is the mean by runs, and the notes say so"
        )
        assert any("p50 is the mean" in note for note in answer.data["notes"])
        assert (query["slowest_query_id"], query["host"], query["hosts"]) == (
            "worst",
            seen.second,
            [seen.first, seen.second],
        )
        assert query["time_share_ratio"] == pytest.approx(22_000 / 24_800, abs=0.01), "of the time on both"
        assert len([row for row in answer.data["queries"] if row["hash"] == query["hash"]]) == 1

    def test_failures_add_up_and_are_set_against_the_window_before(self, seen: Seen) -> None:
        answer = seen.answers["failed"]
        [failed] = answer.data["failures"]
        assert (failed["count"], failed["count_before"], failed["host"]) == (4, 1, seen.second)
        signal = answer.signals("ch.memory_limit")[0]
        assert (signal["value"], signal["baseline"], signal["count"]) == (4, 1, 4)
        other = seen.answers["failed last week"]
        assert "count_before" not in other.data["failures"][0]
        assert "nothing to compare with" in " ".join(other.data["notes"])

    def test_a_statement_on_a_cluster_is_one_change(self, seen: Seen) -> None:
        [change] = seen.answers["changes"].data["changes"]
        assert (change["actor"], change["hosts"]) == ("app", [seen.first, seen.second])
        assert "ON CLUSTER" in change["what"]

    def test_parts_and_mutations_show_the_server_that_is_worst_off(self, seen: Seen) -> None:
        answer = seen.answers["storage"]
        [parts] = answer.data["parts"]
        assert (parts["parts"], parts["host"], parts["hosts"]) == (5, seen.second, [seen.first, seen.second])
        [mutation] = answer.data["mutations"]
        assert (mutation["parts_to_do"], mutation["host"], mutation["fail_reason"]) == (7, seen.second, "Cannot read")
        assert len(answer.signals("ch.mutation_stuck")) == 1
        assert {disk["host"] for disk in answer.data["disks"]} == {seen.first, seen.second}, (
            "disks stay each server's own"
        )

    def test_replicas_and_servers_stay_labelled(self, seen: Seen) -> None:
        replication = seen.answers["replication"].data
        assert [(r["host"], r["delay_s"]) for r in replication["replicas"]] == [(seen.second, 900)]
        assert (replication["replicated_tables"], replication["replicas_seen"]) == (1, 2)
        assert [host["host"] for host in seen.answers["cluster"].data["hosts"]] == [seen.first, seen.second]

    def test_a_table_that_differs_between_servers_says_so(self, seen: Seen) -> None:
        data = seen.answers["table"].data
        assert [(h["host"], h["rows"], h["parts"]) for h in data["hosts"]] == [
            (seen.second, 500, 5),
            (seen.first, 2_000, 2),
        ]
        assert (data["rows"], data["parts"], data["columns_total"]) == (2_000, 5, 2)
        assert "the servers disagree on columns: total" in " ".join(data["notes"])

    def test_the_order_of_answers_changes_nothing(self, seen: Seen) -> None:
        assert {**seen.answers["slow"].data, "source": 0} == {**seen.again.data, "source": 0}

    def test_all_of_them_answered(self, seen: Seen) -> None:
        assert {
            name: answer.data.get("partial")
            for name, answer in seen.answers.items()
            if answer.failed or "partial" in answer.data
        } == {}


class TestAServerThatGoesAway:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database_module, "GRACE_S", 0.3)
        monkeypatch.setattr(database_module, "REST_S", (0.05,))

    async def test_is_named_while_it_is_away_and_asked_again_when_it_is_back(
        self, fronts: list[EmbeddedClickHouse], relays: list[Relay]
    ) -> None:
        away = relays[1].label
        server = create_server({**environ(fronts, relays), "RCA_CACHE_S": "0"}, clock=clock)
        async with Client(server) as session:

            async def slow() -> Json:
                result = await session.call_tool("get_slow_queries", {})
                assert not result.is_error
                return dict(result.structured_content or {})

            assert "partial" not in await slow()
            await relays[1].stop()
            without = await slow()
            [part] = [p for p in without["partial"] if p["part"] == f"node {away}"]
            assert part["code"] == "UNAVAILABLE"
            assert "slow queries" in part["message"]
            assert f"1 of 2 servers are not in all of this: {away}" in without["notes"]
            assert without["queries"][0]["count"] == 4, "the one that answers counts"
            await relays[1].start()
            await asyncio.sleep(0.06)
            back = await slow()
            assert (back["queries"][0]["count"], back.get("partial")) == (6, None)

    async def test_away_from_the_start_is_tried_again_within_the_session(
        self, fronts: list[EmbeddedClickHouse], relays: list[Relay]
    ) -> None:
        await relays[1].stop()
        database = await Database.open(load(environ(fronts, relays)))
        try:
            assert [node.label for node in database.nodes] == [relays[0].label]
            await relays[1].start()
            await asyncio.sleep(0.06)
            answered = await database.ask(SLOW, LATELY, order="total_ms")
            assert answered.missed == ()
            assert [node.label for node in database.nodes] == [r.label for r in relays]
        finally:
            await database.close()

    async def test_one_that_hangs_holds_nobody_up(self, fronts: list[EmbeddedClickHouse], relays: list[Relay]) -> None:
        database = await Database.open(load(environ(fronts, relays)))
        try:
            relays[1].mode = "hang"
            began = asyncio.get_running_loop().time()
            answered = await database.ask(SLOW, LATELY, order="total_ms")
            assert asyncio.get_running_loop().time() - began < 2
            [missed] = answered.missed
            assert (missed.label, missed.failure.info.code) == (relays[1].label, "TIMEOUT")
        finally:
            await database.close()

    async def test_when_all_are_away_the_call_fails_and_says_why(
        self, fronts: list[EmbeddedClickHouse], relays: list[Relay]
    ) -> None:
        server = create_server({**environ(fronts, relays), "RCA_CACHE_S": "0"}, clock=clock)
        async with Client(server) as session:
            await session.call_tool("get_running_queries", {})
            for relay in relays:
                relay.mode = "drop"
            result = await session.call_tool("get_running_queries", {})
            assert result.is_error
            assert (result.structured_content or {})["error"]["code"] == "UNAVAILABLE"

    async def test_a_part_that_one_server_cannot_give_is_its_own(self, fronts: list[EmbeddedClickHouse]) -> None:
        answer = await ask({**fronts[0].environ(), "RCA_CH_HOSTS": fronts[2].url}, "get_schema_changes", clock=clock)
        [part] = answer.data["partial"]
        assert (part["part"], part["code"]) == (f"node {fronts[2].url.removeprefix('http://')}", "UNSUPPORTED")
        assert "query logging is off" in part["message"]
        assert len(answer.data["changes"]) == 1


async def test_a_server_under_two_names_is_asked_once(fronts: list[EmbeddedClickHouse], relays: list[Relay]) -> None:
    database = await Database.open(load(environ(fronts, relays)))
    try:
        for node in database.nodes:
            node.uuid = "0190c1f2-0000-7000-8000-000000000001"  # the embedded engine has none; a server tells its own
        database._find_twins()
        assert [m.twin for m in database.members] == ["", relays[0].label]
        answered = await database.ask(SLOW, LATELY, order="total_ms")
        assert max(row["n"] for row in answered.rows) == 4
        assert answered.missed == ()
    finally:
        await database.close()


OLD = "event_date Date, event_time DateTime, type String, is_initial_query UInt8, query_duration_ms UInt64, query String, exception_code Int32, exception String, user String"


async def test_an_older_server_answers_what_it_can(fronts: list[EmbeddedClickHouse]) -> None:
    """Columns that came later are left out; a question that needs one says which."""
    old = fronts[2]
    row = {
        "event_date": at(5)[:10],
        "event_time": at(5),
        "type": "ExceptionWhileProcessing",
        "is_initial_query": 1,
        "query": "SELECT 'x'",
        "user": "app",
    }
    async with await clickhouse_connect.get_async_client(dsn=old.dsn()) as admin:
        await admin.command(f"CREATE TABLE system.query_log ({OLD}) ENGINE = MergeTree ORDER BY event_time")
        try:
            await add(admin, "query_log", [{**row, "exception_code": 241, "exception": "Memory limit exceeded"}])
            failed = await ask(old.environ(), "get_failed_queries", clock=clock)
            slow = await ask(old.environ(), "get_slow_queries", clock=clock)
        finally:
            await admin.command("DROP TABLE system.query_log SYNC")
    [failure] = failed.data["failures"]
    assert (failure["count"], failure["sql"], "tables" in failure, "query_id" in failure) == (
        1,
        "SELECT ?",
        False,
        False,
    )
    assert slow.error["code"] == "UNSUPPORTED"
    assert "normalized_query_hash" in slow.error["message"]
