"""What the ClickHouse server never does, seen on the wire and in its answers: no statement but its own, none without bounds, no secret, no literal."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import clickhouse_connect
import pytest
from ch_relay import Relay, Request
from clickhouse_connect.driver.asyncclient import AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from mcp.client import Client

from mcp_servers.clickhouse import credentials, node, query_statements, state_statements, tools_raw
from mcp_servers.clickhouse.client import Database
from mcp_servers.clickhouse.server import create_server
from mcp_servers.clickhouse.settings import load
from mcp_servers.clickhouse.statements import Statement
from mcp_servers.clickhouse.texts import said, shape
from sandbox.clickhouse.asking import Json, stage
from sandbox.clickhouse.asking import load as add
from sandbox.clickhouse.server import EmbeddedClickHouse
from sandbox.clickhouse.users import READ_ONLY_PROFILE, USERS, User

sys.path.append(str(Path(__file__).parents[1] / "security"))
import attacker_kit as kit

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
LOOSE = User("loose", "x", {"readonly": "2"}, ("system.*", "shop.*"))
SHOP = User("shop", "x", READ_ONLY_PROFILE, ("system.*", "shop.*"))
UNBOUND = User("unbound", "x", {"readonly": "1", "max_execution_time": "10"}, ("system.*",))
SECRETS = kit.known_secrets()
BATCH = 12  # secrets a window and a database: fewer than any tool shows at once
BATCHES = [SECRETS[i : i + BATCH] for i in range(0, len(SECRETS), BATCH)]
SQL = "SELECT status, count() FROM shop.orders WHERE status != 'x' GROUP BY status"


def clock() -> datetime:
    return NOW


def window(batch: int) -> str:
    """Ten minutes a batch, an hour apart, so that no window is another's baseline."""
    return f"10m@{(NOW - timedelta(hours=batch)).strftime('%Y-%m-%dT%H:%M:%SZ')}"


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


CALLS: list[tuple[str, Json]] = [
    ("get_cluster_health", {}), ("get_running_queries", {"min_secs": 0}), ("get_replication_status", {"limit": 30}),
    ("get_table_info", {"table": "shop.orders"}), ("get_table_info", {"table": "shop.order"}), ("health", {}),
    ("get_slow_queries", {"kind": "Insert", "order_by": "p95"}), ("get_slow_queries", {"order_by": "memory", "compare": "1d"}),
    ("get_slow_queries", {"order_by": "read", "compare": "none"}), ("get_storage_health", {}), ("run_query", {"sql": SQL}),
    ("get_failed_queries", {"time_range": "5m@2026-01-01T00:00:00Z"}), ("get_schema_changes", {"time_range": "5m@2026-01-01T00:00:00Z"}),
    *(call for i in range(len(BATCHES)) for call in (
        ("get_slow_queries", {"time_range": window(i), "min_ms": 0, "limit": 30}),
        ("get_failed_queries", {"time_range": window(i), "limit": 30}),
        ("get_schema_changes", {"time_range": window(i), "limit": 40}),
        ("get_storage_health", {"database": f"d{i}", "min_parts": 1}),
    )),
]  # fmt: skip


async def _fill(admin: AsyncClient) -> None:
    await admin.command("CREATE DATABASE shop")
    remarks = " ".join(s.line for s in SECRETS[:30])
    await admin.command(
        f"CREATE TABLE shop.orders (id UInt64 COMMENT {quoted(remarks)}, status String DEFAULT {quoted(SECRETS[0].line)}) ENGINE = MergeTree ORDER BY id "
        f"COMMENT {quoted(remarks)}"
    )
    await admin.command("INSERT INTO shop.orders SELECT number, 'paid' FROM numbers(10)")
    log: list[Json] = []
    troubles: dict[str, list[Json]] = {
        "mutations": [],
        "replicas": [],
        "replication_queue": [],
        "distribution_queue": [],
        "errors": [],
        "warnings": [],
    }
    for i, batch in enumerate(BATCHES):
        for n, secret in enumerate(batch):
            hour = (NOW - timedelta(hours=i, minutes=2)).strftime("%Y-%m-%d %H:%M:%S")
            base = {"event_date": hour[:10], "event_time": hour, "is_initial_query": 1, "query_duration_ms": 900, "query_id": f"q{i}-{n}", "user": f"app{n}", "client_name": secret.line}  # fmt: skip
            literal, bare = quoted(secret.line), secret.line
            log += [
                {**base, "type": "QueryFinish", "query_kind": "Select", "query": f"SELECT {literal} /* {bare.replace('*/', '')} */", "normalized_query_hash": str(n + 1)},
                {**base, "type": "QueryFinish", "query_kind": "Select", "query": f"SELECT 1 -- {bare.splitlines()[0]}\n, {literal} AS `{bare.replace('`', '')}`", "normalized_query_hash": str(n + 101)},
                {**base, "type": "ExceptionBeforeStart", "query_kind": "Select", "query": f"SELEC {bare}", "exception_code": 62,
                 "exception": f"Code: 62. DB::Exception: Syntax error: failed at position 7 ({literal}): {bare}. Expected one of: token"},
                {**base, "type": "ExceptionWhileProcessing", "query_kind": "Select", "query": f"SELECT toInt8({literal})", "exception_code": 1000 + n,
                 "exception": f"Code: {1000 + n}. DB::Exception: Poco::Exception: {bare}"},
                {**base, "type": "QueryFinish", "query_kind": "Alter", "query": f"ALTER TABLE shop.orders MODIFY COMMENT {literal} -- {bare}", "tables": ["shop.orders"]},
                {**base, "type": "QueryFinish", "query_kind": "Create", "query": f"CREATE TABLE d.m (a Int8) ENGINE = MySQL({literal}, 'd', 't', 'u', {literal})"},
            ]  # fmt: skip
            where = {"database": f"d{i}", "table": f"t{n}"}
            troubles["mutations"].append({**where, "mutation_id": f"m{n}", "command": f"(UPDATE a = {literal} WHERE b = {literal})", "create_time": hour, "parts_to_do": 1,
                                          "latest_fail_reason": f"Code: 6. DB::Exception: Cannot parse string {literal} as UInt64: {bare}", "latest_fail_time": hour})  # fmt: skip
            troubles["distribution_queue"].append(
                {**where, "data_files": 5, "error_count": 1, "last_exception": f"Code: 210. DB::NetException: {bare}"}
            )
            troubles["replicas"].append(
                {
                    **where,
                    "is_readonly": 1,
                    "zookeeper_exception": bare,
                    "last_queue_update_exception": bare,
                    "total_replicas": 1,
                    "active_replicas": 1,
                }
            )
            troubles["replication_queue"].append(
                {
                    **where,
                    "type": "GET_PART",
                    "num_tries": 50,
                    "last_exception": bare,
                    "postpone_reason": bare,
                    "create_time": hour,
                }
            )
            troubles["errors"].append(
                {
                    "name": "X",
                    "code": 1000 + n,
                    "value": 1,
                    "last_error_time": (NOW - timedelta(minutes=n)).strftime("%Y-%m-%d %H:%M:%S"),
                    "last_error_message": bare,
                }
            )
            troubles["warnings"].append({"message": bare})
    await add(admin, "query_log", log)
    for table, rows in troubles.items():
        await stage(admin, table, rows)


@dataclass(frozen=True)
class Seen:
    """Everything that went out to ClickHouse and everything that came out of the tools."""

    requests: list[Request]
    answers: list[tuple[str, str]]  # tool, text
    columns: dict[str, frozenset[str]]  # of the system tables, as the server sees them
    unbound: list[tuple[str, Json]]
    unbound_requests: list[Request]
    fixed: Database


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    async def session(environ: dict[str, str], calls: list[tuple[str, Json]]) -> list[tuple[str, str, Json]]:
        async with Client(
            create_server({"RCA_CACHE_S": "0", "RCA_MAX_RESULT_BYTES": "24000", **environ}, clock=clock)
        ) as client:
            places = asyncio.Semaphore(6)

            async def one(tool: str, arguments: Json) -> tuple[str, str, Json]:
                async with places:
                    result = await client.call_tool(tool, arguments)
                return (
                    tool,
                    "".join(str(getattr(c, "text", "")) for c in result.content),
                    result.structured_content or {},
                )

            return list(await asyncio.gather(*(one(*call) for call in calls)))

    async def look(server: EmbeddedClickHouse) -> Seen:
        await server.start()
        async with await clickhouse_connect.get_async_client(dsn=server.dsn()) as admin:
            await _fill(admin)
            running = asyncio.create_task(
                admin.query(
                    f"SELECT sleepEachRow(1), {quoted(SECRETS[5].line)} FROM numbers(3) SETTINGS max_block_size = 1"
                )
            )
            async with Relay(server.url) as relay:
                raw = {"RCA_CH_RAW": "1", "RCA_CH_ALLOWED": "shop.*"}
                answers = await session({**server.environ(LOOSE), "RCA_CH_URL": relay.url, **raw}, CALLS)
                requests, relay.requests = relay.requests, []
                logs = [
                    ("get_slow_queries", {}),
                    ("get_failed_queries", {}),
                    ("get_schema_changes", {}),
                    ("get_running_queries", {}),
                    ("health", {}),
                ]
                unbound = await session({**server.environ(UNBOUND), "RCA_CH_URL": relay.url}, logs)
                unbound_requests = relay.requests
            fixed = await Database.open(load(server.environ(SHOP)))
            columns = {t: await fixed.nodes[0].columns(t) for t in sorted({s.table for s in statements()})}
            await fixed.close()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return Seen(
            requests,
            [(t, text) for t, text, _ in answers],
            columns,
            [(t, d) for t, _, d in unbound],
            unbound_requests,
            fixed,
        )

    with asyncio.Runner() as runner:
        server = EmbeddedClickHouse(users=(*USERS, LOOSE, SHOP, UNBOUND))
        try:
            yield runner.run(look(server))
        finally:
            runner.run(server.stop())


def text_of(statement: Statement, columns: dict[str, frozenset[str]], **choices: str) -> str:
    """As this server gets it; "" where the table does not exist there, so that it is not asked."""
    known = columns[statement.table]
    return statement.sql(known, **choices) if known else ""


def statements() -> list[Statement]:
    found = [*vars(query_statements).values(), *vars(state_statements).values()]
    return [value for value in found if isinstance(value, Statement)]


def templates(columns: dict[str, frozenset[str]]) -> set[str]:
    """Every text that may leave: the server's own statements, and what the driver says when it connects."""
    texts = {
        "SELECT version(), timezone()",
        "SELECT name, value, readonly FROM system.settings LIMIT 10000",
        "SELECT 1 AS check",
    }
    texts |= {
        credentials.SETTINGS,
        credentials.WHO,
        credentials.WHO_OLD,
        credentials.GRANTS,
        credentials.GRANTS_OLD,
        node.COLUMNS,
    }
    texts |= {tools_raw.ESTIMATE % SQL, tools_raw.WRAPPED % (SQL, 51)}
    for order in query_statements.ORDERS.values():
        texts |= {text_of(statement, columns, order=order) for statement in statements()}
    return texts


def plain(request: Request) -> str:
    return request.statement.strip().removesuffix("FORMAT Native").strip()


class TestOnTheWire:
    def test_every_request_is_one_of_the_fixed_statements(self, seen: Seen) -> None:
        known = templates(seen.columns)
        assert len(seen.requests) > 100
        assert {(r.method, r.path) for r in seen.requests} <= {("POST", "/"), ("GET", "/ping")}
        assert {plain(r) for r in seen.requests} - known == set()

    def test_each_begins_with_a_word_that_reads(self, seen: Seen) -> None:
        assert {plain(r).split()[0] for r in seen.requests} <= {"SELECT", "WITH", "SHOW", "EXPLAIN", "DESCRIBE"}
        assert all(";" not in plain(r) for r in seen.requests)

    def test_each_has_bounds_of_time_rows_and_bytes(self, seen: Seen) -> None:
        """The driver's handshake and the first look at the settings aside: what they read is fixed and lives in memory."""
        first = {
            "SELECT version(), timezone()",
            "SELECT name, value, readonly FROM system.settings LIMIT 10000",
            "SELECT 1 AS check",
            credentials.SETTINGS,
        }
        for request in seen.requests:
            if plain(request) in first:
                continue
            bound = {
                name: int(request.settings.get(name, 0))
                for name in (*credentials.ESSENTIAL, "max_result_rows", "max_result_bytes", "max_memory_usage")
            }
            assert all(value > 0 for value in bound.values()), (plain(request), bound)
            assert request.settings["cancel_http_readonly_queries_on_client_close"] == "1"
            assert request.settings["log_comment"].startswith("rca:")

    def test_what_reads_a_table_has_a_limit_and_what_reads_a_log_has_a_window(self, seen: Seen) -> None:
        for statement in statements():
            text = statement.rest
            assert " LIMIT " in text, statement.name
            if statement.table in node.LOGS:
                assert "event_date >=" in text, statement.name
                assert "event_time >=" in text, statement.name

    def test_values_travel_beside_the_text(self, seen: Seen) -> None:
        """No argument of a call is part of a statement's text (`run_query` aside, whose text passed the guard)."""
        asked = [r for r in seen.requests if "d3" in r.parameters.values()]
        assert asked
        assert all("d3" not in r.statement for r in asked)

    def test_a_fixed_profile_bounds_by_itself(self, seen: Seen) -> None:
        assert seen.columns["query_log"]
        assert credentials.bounds(
            {
                "readonly": {"value": "1", "readonly": 1},
                **{n: {"value": "5", "readonly": 1} for n in credentials.ESSENTIAL},
            },
            20,
        ) == ({}, [])

    def test_without_any_bound_no_log_is_read(self, seen: Seen) -> None:
        said_it = dict(seen.unbound)
        for tool in ("get_slow_queries", "get_failed_queries", "get_schema_changes"):
            assert said_it[tool]["error"]["code"] == "FORBIDDEN"
            assert "max_rows_to_read, max_bytes_to_read" in said_it[tool]["error"]["message"]
            assert "deploy/clickhouse/rca_bot.sql" in said_it[tool]["error"]["hint"]
        assert "error" not in said_it["get_running_queries"]
        assert not [r for r in seen.unbound_requests if "FROM system.query_log" in r.statement]


class TestInTheAnswers:
    def test_the_corpus_is_wide_and_was_all_looked_at(self, seen: Seen) -> None:
        assert len({s.kind for s in SECRETS}) >= 60
        assert not [(tool, text[:200]) for tool, text in seen.answers if '{"error"' in text and "NOT_FOUND" not in text]
        shown = [text for tool, text in seen.answers if tool == "get_schema_changes"]
        assert sum(text.count('"kind":"alter"') for text in shown) >= 40

    def test_no_secret_leaves(self, seen: Seen) -> None:
        leaks = {(s.kind, tool) for tool, text in seen.answers for s in SECRETS if s.core in text}
        assert leaks == set()

    def test_nor_half_of_one(self, seen: Seen) -> None:
        long = [s for s in SECRETS if len(s.core) > 20]
        leaks = {
            (s.kind, tool) for tool, text in seen.answers for s in long if s.core[:12] in text or s.core[-12:] in text
        }
        assert leaks == set()

    @given(
        st.sampled_from(SECRETS),
        st.sampled_from(["{}", "x = {}", "({})", "a\n{}", "`{}`", "-- {}", "{} AND b", "{}'", "E'{}"]),
        st.sampled_from([0, 47, 60, 62, 241]),
    )
    def test_nor_from_any_place_in_a_text(self, secret: kit.Secret, dress: str, code: int) -> None:
        text = dress.replace("{}", secret.line)
        assert secret.core not in shape(f"SELECT {text}")
        assert secret.core not in said(f"Code: {code}. DB::Exception: {text}", code)

    @given(
        st.text(st.characters(codec="utf-8", exclude_characters="\\'"), min_size=4, max_size=30),
        st.sampled_from(["WHERE a = '{}'", "VALUES ('{}', 1)", "SETTINGS x = '{}'"]),
    )
    def test_no_literal_leaves_whatever_it_is(self, value: str, dress: str) -> None:
        text = shape(f"SELECT 1 {dress.replace('{}', value)}")
        assert text in ("SELECT ? WHERE a = ?", "SELECT ? VALUES (?..)", "SELECT ? SETTINGS x = ?")


def test_the_kit_is_the_one_of_the_security_tests() -> None:
    assert Path(str(kit.__file__)).parent.name == "security"
