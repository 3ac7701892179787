"""Ways round the guard of `run_query`. Each is refused by its reader, and the real engine agrees on what the accepted ones read."""

import asyncio
import re
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import clickhouse_connect
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_servers.clickhouse.guard import admitted
from mcp_servers.common.envelope import ToolFailure
from sandbox.clickhouse.server import EmbeddedClickHouse

ALLOWED = ("shop.*",)
NBSP, EM_SPACE, CURLY, ZERO_WIDTH = "\u00a0", "\u2003", "\u2018", "\u200b"


def refused(sql: str) -> bool:
    try:
        admitted(sql, ALLOWED)
    except ToolFailure as failure:
        assert failure.info.code in ("VALIDATION", "FORBIDDEN")
        return True
    return False


BYPASSES = {
    "several statements": ["SELECT 1; SELECT 2", "SELECT 1;;SELECT 2", "SELECT 1 /* ; */; DROP TABLE shop.orders", "SELECT 1;\n--\nDROP TABLE shop.orders"],
    "comments that hide code": [
        "SELECT 1 // '\nFROM hidden.t // '", "SELECT 1 -- '\n FROM hidden.t -- '", "SELECT 1 # '\n FROM hidden.t # '", "SELECT 1 #! '\n FROM hidden.t #! '",
        "SELECT 1 /* ' */ FROM hidden.t /* ' */", "SELECT 1 /* /* */ FROM hidden.t -- */", "SELECT 1 FROM/**/hidden.t", "SELECT 1 FROM hid/**/den.t, shop.a",
    ],
    "heredocs": ["SELECT $$ $$ FROM shop.orders", "SELECT $x$ ' $x$ FROM hidden.t -- '", "SELECT 1 FROM shop.orders WHERE a = $a$x$a$"],
    "names of WITH": [
        "WITH t AS (SELECT * FROM t) SELECT * FROM t",
        "SELECT * FROM t WHERE 1 IN (WITH t AS (SELECT 1) SELECT * FROM t)",
        "SELECT * FROM (WITH users AS (SELECT 1 FROM shop.orders) SELECT * FROM users) AS x JOIN users AS y ON 1 = 1",
        "WITH t AS (SELECT 1) SELECT * FROM t UNION ALL SELECT * FROM t", "WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT * FROM t) SELECT * FROM t",
        "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "SELECT users AS (1) FROM users",
    ],
    "quoted names": [
        "SELECT * FROM `hidden`.`t`", 'SELECT * FROM "hidden"."t"', "SELECT * FROM `shop.orders`", "SELECT * FROM `shop`.`a b`", "SELECT `file`('/etc/passwd')",
        "SELECT `in`(1, hidden.t)", "SELECT \"in\"(1, hidden.t)", "SELECT `sleep`(3)", "SELECT * FROM shop.`orders` , `hidden`.`t`", "SELECT * FROM `shop\\`.x`.`y`",
    ],
    "letters that only look right": [
        f"SELECT 1{NBSP}FROM hidden.t", f"SELECT 1{EM_SPACE}FROM shop.orders", f"SELECT {CURLY}x\u2019 FROM shop.orders", f"SELECT 1 FROM shop{ZERO_WIDTH}.orders",
        "SELECT 1 FROM \u0455hop.orders", "SELECT \uff11 FROM shop.orders", "SELECT 1 \x00 FROM hidden.t", "SELECT 1 \u201cFROM\u201d hidden.t", "SELECT 1 FROM \u015fhop.orders",
    ],
    "table functions in subqueries": [
        "SELECT * FROM shop.orders WHERE id IN (SELECT * FROM url('http://h', 'TSV', 'a Int8'))", "SELECT (SELECT count() FROM remote('h', hidden.t))",
        "SELECT * FROM (SELECT * FROM file('/etc/passwd', 'TSV', 'a String'))", "SELECT * FROM numbers(10)", "SELECT * FROM merge('hidden', '.*')",
        "SELECT * FROM cluster('c', hidden.t)", "SELECT * FROM values('a Int8', 1)", "SELECT * FROM view(SELECT 1)", "SELECT * FROM dictionary('hidden.d')",
        "SELECT * FROM mysql('h', 'd', 't', 'u', 'p')", "SELECT * FROM shop.orders JOIN executable('x', 'TSV', 'a Int8') AS e ON 1 = 1", "SELECT * FROM s3('http://h')",
    ],
    "IN and tables": [
        "SELECT 1 IN hidden.t", "SELECT 1 IN (hidden.t)", "SELECT 1 NOT IN hidden.t", "SELECT 1 GLOBAL IN hidden.t", "SELECT in(1, hidden.t)", "SELECT notIn(1, hidden.t)",
        "SELECT globalIn(1, hidden.t)", "SELECT 1 IN (1, hidden.t)", "SELECT 1 IN ((SELECT 1), hidden.t)", "SELECT 1 IN t", "SELECT (1, 2) IN (hidden.t)", "SELECT 1 IN ((hidden.t))",
        "SELECT 1 IN (SELECT 1) AND 1 IN users",
    ],
    "dictionaries and other doors": [
        "SELECT dictGet('d', 'a', 1)", "SELECT dictGetOrDefault('d', 'a', 1, 2)", "SELECT dictHas('d', 1)", "SELECT joinGet('hidden.j', 'a', 1)", "SELECT file('/etc/passwd')",
        "SELECT * APPLY file FROM shop.orders", "SELECT * APPLY(sleep) FROM shop.orders", "SELECT * REPLACE (sleep(3) AS id) FROM shop.orders",
        "SELECT COLUMNS('.*') FROM shop.orders", "SELECT arrayMap(x -> file(x), ['/etc/passwd'])", "SELECT catboostEvaluate('/m', 1)", "SELECT hostName()",
        "SELECT getSetting('x')", "SELECT currentUser()", "SELECT initializeAggregation('sleep', 1)", "SELECT addressToLine(1)", "SELECT throwIf(1)", "SELECT fuzzBits('a', 0.5)",
        "SELECT sleepEachRow(1) FROM shop.orders", "SELECT transactionID()", "SELECT generateSerialID('x')", "SELECT structureToCapnProtoSchema('a Int8')",
    ],
    "system tables": [
        "SELECT * FROM system.query_log", "SELECT * FROM `system`.users", "SELECT * FROM SYSTEM.users", "SELECT * FROM information_schema.tables",
        "SELECT * FROM INFORMATION_SCHEMA.TABLES", "SELECT * FROM shop.orders AS o LEFT JOIN system.one AS s ON 1 = 1", "SELECT 1 UNION ALL SELECT * FROM system.one",
        "SELECT 1 EXCEPT SELECT * FROM system.one", "SELECT (SELECT dummy FROM system.one)", "SELECT exists(SELECT 1 FROM system.one)",
    ],
    "other statements": [
        "EXPLAIN SELECT 1", "EXPLAIN AST SELECT 1", "WITH x AS (EXPLAIN SELECT 1) SELECT * FROM x", "SELECT * FROM (EXPLAIN SELECT 1)", "SHOW TABLES", "DESCRIBE shop.orders",
        "SET readonly = 0", "USE hidden", "EXISTS hidden.t", "KILL QUERY WHERE 1", "FROM hidden.t SELECT *", "INSERT INTO shop.orders SELECT 1", "(SELECT 1)", "SELECT 1 INTO OUTFILE 'x'",
        "WITH 1 AS x INSERT INTO shop.orders SELECT x", "VALUES (1)", "SELECT * FROM (SHOW TABLES)",
    ],
    "settings and formats": [
        "SELECT 1 SETTINGS readonly = 0", "SELECT * FROM (SELECT 1 SETTINGS max_execution_time = 0)", "SELECT 1 FORMAT CSV", "SELECT 1 settings\nmax_rows_to_read = 0",
        "SELECT 1 FROM shop.orders SETTINGS additional_table_filters = {}", "SELECT 1 FORMAT Null", "SELECT {a:Identifier}", "SELECT @@version", "SELECT :x",
    ],
    "numbers that swallow words": ["SELECT 1.FROM hidden.t", "SELECT 0xFROM hidden.t", "SELECT 1eFROM hidden.t", "SELECT 1_FROM hidden.t", "SELECT 1`x`FROM hidden.t"],
    "brackets": ["SELECT 1)) UNION ALL ((SELECT * FROM hidden.t", "SELECT 1) FROM (SELECT 1", "SELECT ((1)", "SELECT 1 FROM shop.orders) -- (", "SELECT 1 FROM (shop.orders"],
}  # fmt: skip


@pytest.mark.parametrize("way", BYPASSES)
def test_refused(way: str) -> None:
    assert [sql for sql in BYPASSES[way] if not refused(sql)] == []


def test_what_it_is_for_still_passes() -> None:
    for sql in (
        "WITH recent AS (SELECT id FROM shop.orders), big AS (SELECT id FROM recent) SELECT count() FROM big JOIN recent ON big.id = recent.id",
        "SELECT status, count() FROM shop.orders GROUP BY status WITH TOTALS ORDER BY status WITH FILL LIMIT 5",
        "SELECT id FROM shop.orders WHERE (id, total) IN ((1, 2), (3, -4)) AND toDate(at) IN (toDate('2026-01-01'), today()) AND status IN (NULL, 'it''s; -- fine')",
        "SELECT quantile(0.9)(total), total / id /* per order */ FROM shop.orders WHERE status ILIKE '%paid%'",
        "SELECT * EXCEPT (id) FROM shop.orders WHERE id IN (SELECT id FROM shop.orders WHERE total > 1e3)",
    ):
        assert admitted(sql, ALLOWED).startswith(("SELECT", "WITH"))


# -- the engine as the judge ----------------------------------------------------------------------------------------------------


class Judge:
    """Asks the engine which tables a statement reads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._open = build_opener(ProxyHandler({})).open
        assert urlsplit(url).hostname == "127.0.0.1"

    def tables(self, sql: str) -> set[str] | None:
        """``None`` when it is no statement that the engine understands."""
        body = f"EXPLAIN QUERY TREE SELECT * FROM ({sql}) LIMIT 1 FORMAT TSVRaw".encode()
        try:
            with self._open(Request(self._url, data=body), timeout=10) as answer:
                tree = answer.read().decode()
        except HTTPError as error:
            error.close()
            return None
        return set(re.findall(r"table_name: ([^,\s]+)", tree)) | set(re.findall(r"table_function_name: (\w+)", tree))


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    async def fill(server: EmbeddedClickHouse) -> None:
        async with await clickhouse_connect.get_async_client(dsn=server.dsn()) as admin:
            for database in ("shop", "hidden"):
                await admin.command(f"CREATE DATABASE {database}")
            for table in ("shop.orders", "hidden.t", "default.t"):
                await admin.command(f"CREATE TABLE {table} (id UInt64, a UInt64) ENGINE = MergeTree ORDER BY id")

    with asyncio.Runner() as runner:
        server = EmbeddedClickHouse(query_log=False)
        runner.run(server.start())
        runner.run(fill(server))
        yield Judge(server.url)
        runner.run(server.stop())


TABLE = st.sampled_from(
    [
        "shop.orders",
        "`shop`.orders",
        "hidden.t",
        "t",
        "o",
        "numbers(3)",
        "(SELECT id, a FROM shop.orders)",
        "system.settings",
    ]
)
TERM = st.sampled_from(
    ["1", "id", "a", "count()", "'x'", "*", "(SELECT 1)", "in(1, t)", "`in`(1, hidden.t)", "id + 1 // '\n"]
)
BLANK = st.sampled_from([" ", "\n", "/**/", " -- '\n", "\t"])
HEAD = st.sampled_from(
    [
        "",
        "WITH o AS (SELECT id, a FROM shop.orders) ",
        "WITH t AS (SELECT id, a FROM t) ",
        "WITH t AS (SELECT id, a FROM shop.orders) ",
        "WITH 1 AS one ",
    ]
)
WHERE = st.sampled_from(["", " WHERE id IN t", " WHERE id IN (1, 2)", " WHERE id IN (SELECT id FROM t)", " WHERE id IN (t)", " WHERE a IN ((1), (2))", " WHERE id IN (SELECT id FROM shop.orders)"])  # fmt: skip
JOIN = st.sampled_from(["", " AS x JOIN hidden.t AS y ON x.id = y.id", ", hidden.t", " AS x JOIN shop.orders AS y USING (id)", " AS x CROSS JOIN t", " UNION ALL SELECT 1 FROM t", " UNION ALL SELECT 1 FROM shop.orders"])  # fmt: skip


@given(st.builds(lambda h, e, b, t, j, w: f"{h}SELECT {e}{b}FROM{b}{t}{j}{w}", HEAD, TERM, BLANK, TABLE, JOIN, WHERE))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_engine_reads_no_more_of_an_accepted_statement_than_what_is_allowed(judge: Judge, sql: str) -> None:
    try:
        text = admitted(sql, ALLOWED)
    except ToolFailure:
        return
    read = judge.tables(text)
    assert read is None or read <= {"shop.orders", "system.one"}, text  # system.one: a SELECT without FROM


def test_the_judge_sees_what_a_careless_guard_would_let_through(judge: Judge) -> None:
    assert judge.tables("SELECT id FROM shop.orders WHERE in(id, hidden.t)") is None or "hidden.t" in (
        judge.tables("SELECT id FROM shop.orders WHERE id IN hidden.t") or ()
    )
    assert judge.tables("WITH t AS (SELECT id FROM t) SELECT id FROM t") == {"default.t"}
    assert judge.tables("SELECT number FROM numbers(3)") == {"numbers"}
    assert judge.tables("SELECT id FROM shop.orders") == {"shop.orders"}
