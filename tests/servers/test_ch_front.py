"""The embedded ClickHouse speaks ClickHouse's HTTP interface to the client that production uses."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import clickhouse_connect
import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import DatabaseError

from sandbox.clickhouse.server import EmbeddedClickHouse
from sandbox.clickhouse.users import ADMIN, READER, User


@pytest.fixture(scope="module")
def clickhouse() -> Iterator[EmbeddedClickHouse]:
    with asyncio.Runner() as runner:
        server = EmbeddedClickHouse()
        runner.run(server.start())
        yield server
        runner.run(server.stop())


@pytest.fixture
async def admin(clickhouse: EmbeddedClickHouse) -> AsyncIterator[AsyncClient]:
    async with await clickhouse_connect.get_async_client(dsn=clickhouse.dsn()) as client:
        yield client


async def code_of(client: AsyncClient, sql: str, **settings: object) -> int | None:
    with pytest.raises(DatabaseError) as caught:
        await client.query(sql, settings=settings)
    return caught.value.code


class TestTheFront:
    @pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False])
    async def test_takes_rows_in_every_encoding(
        self, clickhouse: EmbeddedClickHouse, admin: AsyncClient, compress: object
    ) -> None:
        table = f"default.t_{compress}".lower()
        await admin.command(
            f"CREATE TABLE {table} (a UInt32, s String, at DateTime64(9)) ENGINE = MergeTree ORDER BY a"
        )
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        rows = [[n, f"it's\x00 {n}", moment] for n in range(20_000)]
        async with await clickhouse_connect.get_async_client(dsn=clickhouse.dsn(), compress=compress) as client:
            await client.insert(table, rows, column_names=["a", "s", "at"])
            found = await client.query(
                f"SELECT count(), max(s) FROM {table} WHERE a < {{n:UInt32}}", parameters={"n": 10_000}
            )
        assert found.result_rows == [(10_000, "it's\x00 9999")]
        assert int(found.summary["read_rows"]) >= 10_000

    async def test_binds_parameters_on_the_server(self, admin: AsyncClient) -> None:
        values = {"x": "it's\n\\", "y": ["a'", "b"], "z": 5}
        found = await admin.query("SELECT {x:String}, {y:Array(String)}, {z:UInt8}", parameters=values)
        assert found.result_rows == [("it's\n\\", ["a'", "b"], 5)]

    async def test_settings_hold_for_their_statement_only(self, admin: AsyncClient) -> None:
        assert await code_of(admin, "SELECT sleep(1)", max_execution_time=0.2) == 159
        assert await code_of(admin, "SELECT count() FROM numbers(1000000)", max_rows_to_read=10) == 158
        assert await code_of(admin, "CREATE TABLE default.no (a UInt8) ENGINE = Memory", readonly=1) == 164
        await admin.command("CREATE TABLE default.yes (a UInt8) ENGINE = Memory")

    async def test_errors_carry_clickhouses_codes(self, admin: AsyncClient) -> None:
        assert await code_of(admin, "SELEC 1") == 62
        assert await code_of(admin, "SELECT * FROM default.absent") == 60
        assert await code_of(admin, "SELECT absent") == 47

    async def test_runs_statements_side_by_side(self, admin: AsyncClient) -> None:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(admin.query("SELECT sleep(0.5)") for _ in range(4)))
        assert asyncio.get_running_loop().time() - began < 1.9

    async def test_distributed_tables_work_without_an_open_port(self, admin: AsyncClient) -> None:
        await admin.command("CREATE TABLE default.local (a UInt8) ENGINE = MergeTree ORDER BY a")
        await admin.command(
            "CREATE TABLE default.dist AS default.local ENGINE = Distributed('cluster', 'default', 'local')"
        )
        await admin.insert("default.local", [[1], [2]], column_names=["a"])
        assert (await admin.query("SELECT sum(a) FROM default.dist")).result_rows == [(3,)]

    async def test_keeps_a_query_log(self, admin: AsyncClient) -> None:
        await admin.query("SELECT 'logged', {x:String}", parameters={"x": "bound"})
        await admin.command("SYSTEM FLUSH LOGS")
        found = await admin.query(
            "SELECT type, query_kind, normalizeQuery(query) FROM system.query_log WHERE query LIKE '%\\'logged\\'%\\'bound\\'%' AND query NOT LIKE '%query_log%'"
        )
        kind, verb, text = found.result_rows[0]
        assert (kind, verb) == ("QueryFinish", "Select")
        assert "logged" not in text


class TestUsers:
    async def test_a_wrong_password_is_refused(self, clickhouse: EmbeddedClickHouse) -> None:
        with pytest.raises(DatabaseError) as caught:
            await clickhouse_connect.get_async_client(dsn=clickhouse.url.replace("http://", "http://rca_bot:wrong@"))
        assert caught.value.code == 516

    @pytest.mark.parametrize(
        "sql",
        [
            "INSERT INTO default.t VALUES (1)",
            "DROP TABLE default.t",
            "SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')",
            "DESC TABLE url('http://127.0.0.1:1/')",
            "SELECT * FROM file('/etc/passwd', 'TSV', 'a String')",
            "KILL QUERY WHERE 1",
            "SELECT * FROM default.t",
            "SELECT 1 WHERE 1 IN (SELECT a FROM default.t)",
        ],
    )
    async def test_the_reader_may_not(self, clickhouse: EmbeddedClickHouse, sql: str) -> None:
        async with await clickhouse_connect.get_async_client(dsn=clickhouse.dsn(READER)) as client:
            assert await code_of(client, sql) == 497

    async def test_the_readers_profile_is_the_engines_own(self, clickhouse: EmbeddedClickHouse) -> None:
        async with await clickhouse_connect.get_async_client(dsn=clickhouse.dsn(READER)) as client:
            assert (await client.query("SELECT getSetting('readonly'), currentUser()")).result_rows == [(1, "rca_bot")]
            assert await code_of(client, "SELECT number FROM numbers(2001)") == 396


class TestTheChild:
    async def test_says_why_it_does_not_start(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with pytest.raises(RuntimeError, match="did not start.*in use"):
                await EmbeddedClickHouse(port=taken.getsockname()[1]).start()

    def test_users_survive_their_way_to_the_child(self) -> None:
        for user in (ADMIN, READER, User("x", "y", {"readonly": "2"}, ("a.*",), grants=("GRANT x",))):
            assert User.from_json(user.to_json()) == user
