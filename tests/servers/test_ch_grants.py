"""``deploy/clickhouse/rca_bot.sql`` on the real engine: it parses, it is enough for every statement of every tool, and it is not enough for anything else.

The embedded engine cannot create users, but it takes the grants and the profile of its only one from a file. They are put there word for word.
"""

import asyncio
import json
import re
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest

from mcp_servers.clickhouse import credentials as c
from mcp_servers.clickhouse import node, query_statements, state_statements
from mcp_servers.clickhouse.statements import Statement
from sandbox.clickhouse.asking import STRUCTURES
from sandbox.clickhouse.server import EmbeddedClickHouse

ROOT = Path(__file__).parents[2]
SQL = [
    each.strip()
    for each in re.sub(r"--[^\n]*", "", (ROOT / "deploy/clickhouse/rca_bot.sql").read_text()).split(";")
    if each.strip()
]
GRANTS = [line for line in SQL if line.startswith("GRANT") and " ON " in line]
PROFILE = dict(
    re.findall(r"(\w+) = '?(\w+)'?", next(line for line in SQL if line.startswith("CREATE SETTINGS PROFILE")))
)
VALUES = {
    "String": "x",
    "DateTime": "0",
    "Float64": "1",
    "Array(String)": "[]",
    "Array(UInt64)": "[]",
    "Array(Int32)": "[]",
}

# What a credential that could would do: read files and other hosts, write, stop, change.
REFUSED = [
    "SELECT * FROM file('/etc/passwd', 'TSV', 'a String')", "SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')", "DESCRIBE TABLE url('http://127.0.0.1:1/')",
    "SELECT * FROM remote('127.0.0.1:1', system.one)", "SELECT * FROM clusterAllReplicas('cluster', system.one)", "INSERT INTO FUNCTION file('x', 'TSV', 'a Int8') SELECT 1",
    "SELECT * FROM shop.orders", "SELECT count() FROM shop.orders", "SELECT * FROM merge('shop', '.*')", "SELECT 1 WHERE 1 IN (SELECT id FROM shop.orders)", "SELECT 1 IN shop.orders",
    "INSERT INTO shop.orders SELECT 1", "CREATE TABLE shop.x (a Int8) ENGINE = Memory", "CREATE TEMPORARY TABLE x (a Int8)", "CREATE VIEW shop.v AS SELECT 1", "CREATE DATABASE x",
    "DROP TABLE shop.orders", "TRUNCATE TABLE shop.orders", "ALTER TABLE shop.orders DELETE WHERE 1", "RENAME TABLE shop.orders TO shop.x", "OPTIMIZE TABLE shop.orders",
    "BACKUP TABLE shop.orders TO File('x')", "SYSTEM FLUSH LOGS", "SYSTEM STOP MERGES shop.orders", "GRANT SELECT ON *.* TO default", "CREATE USER x", "SHOW CREATE USER default",
    "CREATE FUNCTION f AS x -> x", "SET max_execution_time = 0", "SET readonly = 0", "SELECT 1 SETTINGS max_rows_to_read = 0", "ATTACH TABLE shop.x", "DETACH TABLE shop.orders",
    "MOVE USER x TO memory",
]  # fmt: skip


# The embedded build keeps these nowhere that outlives a process: they stand in a database of their own, with the grants for it.
LOGS = (*STRUCTURES, "query_log")


def elsewhere(text: str) -> str:
    return re.sub(rf"\bsystem\.({'|'.join(LOGS)})\b", r"logs.\1", text)


def statements() -> list[Statement]:
    return [v for v in (*vars(query_statements).values(), *vars(state_statements).values()) if isinstance(v, Statement)]


@dataclass(frozen=True)
class Tried:
    """What the engine said to each statement; "" is yes."""

    parsed: dict[str, str]
    refused: dict[str, str]
    needed: dict[str, str]


def _parameters(text: str) -> dict[str, str]:
    return {name: VALUES.get(kind, "0") for name, kind in re.findall(r"\{(\w+):([\w()]+)\}", text)}


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Tried:
    folder = tmp_path_factory.mktemp("grants")

    async def prepare() -> tuple[dict[str, str], dict[str, frozenset[str]]]:
        parsed: dict[str, str] = {}
        async with (
            EmbeddedClickHouse(str(folder / "data")) as server,
            await clickhouse_connect.get_async_client(dsn=server.dsn()) as admin,
        ):
            for line in SQL:
                parsed[line] = (await admin.raw_query(f"EXPLAIN AST {line}")).decode()
            await admin.command("CREATE DATABASE shop")
            await admin.command("CREATE TABLE shop.orders (id UInt64) ENGINE = MergeTree ORDER BY id")
            for table, structure in STRUCTURES.items():
                await admin.command(f"CREATE TABLE system.{table} ({structure}) ENGINE = MergeTree ORDER BY tuple()")
            await admin.command("CREATE DATABASE logs")
            for table in LOGS:
                await admin.command(f"CREATE TABLE logs.{table} AS system.{table}")
            found = await admin.query(
                "SELECT table, groupArray(name) FROM system.columns WHERE database = 'system' GROUP BY table"
            )
        return parsed, {table: frozenset(names) for table, names in found.result_rows}

    async def ask(asked: list[tuple[str, dict[str, str]]]) -> list[str]:
        settings = "".join(f"<{name}>{value}</{name}>" for name, value in PROFILE.items())
        grants = "".join(f"<query>{escape(elsewhere(line.rsplit(' TO ', 1)[0]))}</query>" for line in GRANTS)
        (folder / "users.xml").write_text(
            f"<clickhouse><profiles><default>{settings}</default></profiles><quotas><default></default></quotas><users><default><password></password>"
            f"<networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota><grants>{grants}</grants></default></users></clickhouse>"
        )
        cluster = "<cluster><shard><replica><host>localhost</host><port>9000</port></replica></shard></cluster>"
        (folder / "config.xml").write_text(
            f"<clickhouse><users_config>{folder}/users.xml</users_config><tcp_port>9000</tcp_port><remote_servers>{cluster}</remote_servers></clickhouse>"
        )
        given = {"path": str(folder / "data"), "config": str(folder / "config.xml"), "asked": asked}
        child = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).with_name("ch_grants_child.py")), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )  # fmt: skip
        out, errors = await child.communicate(json.dumps(given).encode())
        assert child.returncode == 0, errors.decode()[-500:]
        answers: list[str] = json.loads(out)
        return answers

    async def run() -> Tried:
        parsed, columns = await prepare()
        needed = [s.sql(columns[s.table], order="total_ms") for s in statements()]
        needed += [
            c.SETTINGS,
            c.WHO,
            c.GRANTS,
            node.COLUMNS,
            "SELECT version(), timezone()",
            "SELECT name, value, readonly FROM system.settings LIMIT 10000",
        ]
        said = await ask([(elsewhere(text), _parameters(text)) for text in needed] + [(text, {}) for text in REFUSED])
        return Tried(
            parsed, dict(zip(REFUSED, said[len(needed) :], strict=True)), dict(zip(needed, said, strict=False))
        )

    return asyncio.run(run())


def test_every_statement_parses(tried: Tried) -> None:
    kinds = {line: ast.split("\n", 1)[0].split(" ")[0] for line, ast in tried.parsed.items()}
    assert set(kinds.values()) == {
        "CreateSettingsProfileQuery",
        "CreateRoleQuery",
        "CreateUserQuery",
        "CreateQuotaQuery",
        "GrantQuery",
    }
    assert len(SQL) >= 25


def test_it_is_enough_for_every_statement_of_every_tool(tried: Tried) -> None:
    assert len(tried.needed) > 30
    assert {text[:80]: error for text, error in tried.needed.items() if error} == {}


def test_it_is_enough_for_nothing_else(tried: Tried) -> None:
    allowed = [text for text, error in tried.refused.items() if not error]
    assert allowed == []
    other = {text: error[:120] for text, error in tried.refused.items() if "497" not in error and "164" not in error}
    assert other == {}, "refused for want of rights, not by chance"


def test_the_server_finds_nothing_too_powerful_in_it() -> None:
    assert c.excess(GRANTS) == []
    assert c.roles(SQL) == ["rca_reader"]


def test_every_table_that_is_asked_is_granted_and_no_other() -> None:
    granted = set(re.findall(r"SELECT ON system\.(\w+)", " ".join(GRANTS)))
    texts = " ".join(s.rest for s in statements()) + " ".join([c.SETTINGS, node.COLUMNS])
    asked = {s.table for s in statements()} | set(re.findall(r"(?:@|system\.)(\w+)", texts))
    assert granted == asked | {"one"}, "system.one is what a SELECT without FROM reads"


def test_its_profile_bounds_every_statement() -> None:
    state: dict[str, dict[str, Any]] = {name: {"value": value, "readonly": 1} for name, value in PROFILE.items()}
    assert c.bounds(state, 20) == ({}, [])
    assert int(PROFILE["max_result_rows"]) >= 2_000, "the client reads system.settings when it connects"
