"""What may be shown of a statement or an error, what `run_query` takes, which rights are too many, which settings are mistakes. No engine needed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_servers.clickhouse.credentials import excess
from mcp_servers.clickhouse.guard import admitted
from mcp_servers.clickhouse.settings import load
from mcp_servers.clickhouse.statements import Statement, plain
from mcp_servers.clickhouse.texts import said, shape, tokens
from mcp_servers.common.config import ConfigError
from mcp_servers.common.envelope import ToolFailure

ALLOWED = ("shop.*", "reports.daily")
PLAIN = st.text(st.characters(codec="ascii", exclude_characters="'\\\x00"), min_size=1, max_size=20)


class TestShapes:
    @pytest.mark.parametrize(
        ("sql", "shown"),
        [
            ("SELECT 1, 'a', 2.5e3 FROM t1 -- note", "SELECT ?.. FROM t1"),
            ("SELECT x /* 'a */ FROM t WHERE y = 'it''s' AND z = 'a\\'b'", "SELECT x FROM t WHERE y = ? AND z = ?"),
            ("SELECT $$secret$$, $tag$ it's $tag$", "SELECT ?.."),
            ("SELECT 'open secret", "SELECT ?"),
            ("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO t VALUES (?..), (?..)"),
            ('SELECT `a b`, "c" FROM d.e', 'SELECT `a b`, "c" FROM d.e'),
            ("SELECT 0xDEADBEEF", "SELECT ?"),
        ],
    )
    def test_literals_become_marks(self, sql: str, shown: str) -> None:
        assert shape(sql) == shown

    @given(PLAIN)
    def test_no_quoted_text_survives(self, value: str) -> None:
        assert shape(f"SELECT a FROM t WHERE b = '{value}' AND c = 1") == "SELECT a FROM t WHERE b = ? AND c = ?"

    @given(st.text(max_size=300))
    def test_tokens_lose_nothing(self, text: str) -> None:
        assert "".join(part for _, part in tokens(text)) == text

    @pytest.mark.parametrize("text", ["'" * 4000, "'\\" * 2000, "$" * 4000, "/*" * 2000, "`\\" * 2000, "a'" * 2000])
    def test_hostile_text_is_read_in_linear_time(self, text: str) -> None:
        assert len(shape(text)) <= 300


class TestErrors:
    @pytest.mark.parametrize(
        ("message", "code", "shown"),
        [
            ("Code: 62. DB::Exception: Syntax error: failed at position 8 ('secret'): secret. Expected", 62, "Syntax error"),
            ("Code: 53. DB::Exception: Cannot compare 4111111111111111 and 'secret': While processing x = 'secret'", 53, "Cannot compare [card] and ?"),
            ("Code: 60. DB::Exception: Table shop.absent does not exist. Maybe you meant shop.orders?. (UNKNOWN_TABLE) (version 26.5)", 60, "Table shop.absent does not exist"),
            ("Code: 47. DB::Exception: Unknown expression identifier `gone` in scope SELECT gone WHERE x = 'secret'", 47, "Unknown expression identifier gone"),
            ("Timeout exceeded: elapsed 20.5 seconds, maximum: 20", 159, "Timeout exceeded: elapsed 20.5 seconds, maximum: 20"),
        ],
    )  # fmt: skip
    def test_the_statement_is_not_repeated(self, message: str, code: int, shown: str) -> None:
        assert said(message, code) == shown

    @given(PLAIN, st.sampled_from([0, 6, 53, 241, 159]))
    def test_no_quoted_text_survives(self, value: str, code: int) -> None:
        # a value may hold the very words behind which a message is cut
        assert said(f"Cannot read '{value}' here", code) in ("Cannot read ? here", "Cannot read ?")


class TestTheGuard:
    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT count() FROM shop.orders",
            "SELECT status, sum(total) AS s FROM shop.orders AS o WHERE at > now() - INTERVAL 1 DAY GROUP BY status ORDER BY s DESC LIMIT 5;",
            "WITH recent AS (SELECT id FROM shop.orders) SELECT count() FROM recent",
            "SELECT a.id FROM shop.orders a JOIN shop.items AS b ON a.id = b.id WHERE a.x IN ('p', 'q') AND a.y IN (SELECT id FROM reports.daily)",
            "SELECT count(*) FROM (SELECT id FROM shop.orders) WHERE id IN (1, 2)",
            "SELECT `status` FROM `shop`.`orders` -- with a remark",
            "SELECT id FROM shop.a UNION ALL SELECT id FROM shop.b",
        ],
    )
    def test_takes_a_plain_question(self, sql: str) -> None:
        assert admitted(sql, ALLOWED).startswith(("SELECT", "WITH"))

    @pytest.mark.parametrize(
        "sql",
        [
            "DROP TABLE shop.orders",
            "SELECT 1; DROP TABLE shop.orders",
            "SELECT * FROM system.query_log",
            "SELECT * FROM SYSTEM.query_log",
            "SELECT * FROM other.t",
            "SELECT * FROM orders",
            "SELECT * FROM shop.orders, system.users",
            "SELECT * FROM shop.orders a JOIN shop.b ON a.x = b.x, system.users",
            "SELECT * FROM (system.users)",
            "SELECT * FROM shop.orders JOIN system.users USING (id)",
            "SELECT * FROM url('http://127.0.0.1/', 'TSV', 'a String')",
            "SELECT * FROM remote('h', system.users)",
            "SELECT * FROM shop.url('x')",
            "SELECT file('/etc/passwd')",
            "SELECT dictGet('d', 'a', 1) FROM shop.orders",
            "SELECT sleep(3) FROM shop.orders",
            "SELECT getSetting('x')",
            "SELECT currentUser()",
            "SELECT * FROM shop.orders INTO OUTFILE '/tmp/x'",
            "SELECT * FROM shop.orders FORMAT CSV",
            "SELECT * FROM shop.orders SETTINGS max_execution_time = 0",
            "SELECT 1 WHERE 1 IN system.users",
            "SELECT 1 WHERE 1 IN (system.users)",
            "SELECT 1 WHERE 1 IN ((system.users))",
            "SELECT /* ' */ * FROM system.users -- '",
            "SELECT $$a$$ FROM shop.orders",
            "SELECT 'open FROM shop.orders",
            "SELECT {x:Identifier} FROM shop.orders",
            "SELECT 1 FROM shop.orders)) UNION ALL SELECT * FROM system.users --",
            "SELECT 1) FROM (SELECT 1",
            "EXPLAIN SELECT 1",
            "SELECT * FROM shop.orders ARRAY JOIN x, y",
            "SELECT * FROM `shop`.`orders`.`x`",
            "SELECT `url`('http://127.0.0.1')",
            "SELECT " + "x" * 5000,
            ";",
        ],
    )  # fmt: skip
    def test_refuses_what_it_does_not_know(self, sql: str) -> None:
        with pytest.raises(ToolFailure) as caught:
            admitted(sql, ALLOWED)
        assert caught.value.info.code in ("VALIDATION", "FORBIDDEN")

    def test_system_tables_stay_closed_even_to_a_generous_operator(self) -> None:
        with pytest.raises(ToolFailure):
            admitted("SELECT * FROM system.users", ("system.*",))

    @given(st.text(max_size=200))
    def test_no_text_breaks_it(self, text: str) -> None:
        for sql in (text, f"SELECT {text}", f"SELECT 1 FROM shop.orders WHERE {text}"):
            try:
                admitted(sql, ALLOWED)
            except ToolFailure as failure:
                assert failure.info.code in ("VALIDATION", "FORBIDDEN")

    @given(
        st.lists(
            st.sampled_from(
                [
                    "SELECT",
                    "FROM",
                    "system.users",
                    "shop.orders",
                    "(",
                    ")",
                    ",",
                    "IN",
                    "JOIN",
                    "WITH",
                    "a",
                    "AS",
                    "UNION ALL",
                    "1",
                    "'s'",
                    "ON",
                ]
            ),
            max_size=12,
        )
    )
    def test_no_arrangement_reaches_a_closed_table_behind_from(self, words: list[str]) -> None:
        sql = "SELECT " + " ".join(words)
        try:
            text = admitted(sql, ALLOWED)
        except ToolFailure:
            return
        flat = text.replace("(", " ( ").replace(")", " ) ").split()
        for before, word in zip(flat, flat[1:], strict=False):
            assert not (word == "system.users" and before in ("FROM", "JOIN", "IN"))


class TestRights:
    def test_reading_is_not_too_much(self) -> None:
        assert (
            excess(
                [
                    "GRANT SHOW DATABASES, SHOW TABLES ON *.* TO rca",
                    "GRANT SELECT(a, b) ON system.parts TO rca",
                    "GRANT rca_reader TO rca",
                    "GRANT CREATE TEMPORARY TABLE ON *.* TO rca",
                ]
            )
            == []
        )

    @pytest.mark.parametrize(
        "line",
        [
            "GRANT ALL ON *.* TO x", "GRANT SELECT, INSERT ON shop.* TO x", "GRANT ALTER UPDATE ON shop.t TO x", "GRANT KILL QUERY ON *.* TO x",
            "GRANT READ ON URL TO x", "GRANT SOURCES ON *.* TO x", "GRANT SELECT ON *.* TO x WITH GRANT OPTION", "GRANT S3 ON *.* TO x", "GRANT SYSTEM ON *.* TO x",
            "GRANT CREATE TABLE ON shop.* TO x", "GRANT BACKUP ON *.* TO x", "GRANT TRUNCATE ON shop.t TO x",
        ],
    )  # fmt: skip
    def test_more_than_reading_is(self, line: str) -> None:
        assert excess([line])


class TestSettings:
    @pytest.mark.parametrize(
        ("environ", "says"),
        [
            ({"RCA_CH_URI": "http://h"}, "RCA_CH_URL is"),
            ({"RCA_CH_URL": "tcp://h:9000"}, "take HTTP addresses"),
            ({"RCA_CH_URL": "http://u:p@h"}, "RCA_CH_PASSWORD_FILE"),
            ({"RCA_CH_URL": "http://h:99999"}, "cannot be read"),
            ({"RCA_CH_RAW": "1"}, "RCA_CH_ALLOWED"),
            ({"RCA_CH_ALLOWED": "orders"}, "database.table"),
            ({"RCA_CH_THRESHOLDS": '{"disk": 1}'}, "disk_ratio"),
            ({"RCA_CH_THRESHOLDS": '{"disk_ratio": true}'}, "number above 0"),
            ({"RCA_CH_CLUSTER": "a'b"}, "not a cluster"),
            ({"RCA_CH_CLUSTER": "c", "RCA_CH_URL": "http://a", "RCA_CH_HOSTS": "http://b"}, "keep one"),
        ],
    )
    def test_mistakes_are_named(self, environ: dict[str, str], says: str) -> None:
        with pytest.raises(ConfigError, match=says):
            load(environ)

    def test_ports_and_hosts(self) -> None:
        settings = load({"RCA_CH_URL": "https://a", "RCA_CH_HOSTS": "http://b,http://c:1,https://a:8443"})
        assert [a.label for a in settings.addresses] == ["a:8443", "b:8123", "c:1"]

    def test_the_password_is_not_shown(self) -> None:
        assert "hunter2" not in repr(load({"RCA_CH_PASSWORD": "hunter2"}))


class TestStatements:
    def test_columns_that_a_server_lacks_are_left_out(self) -> None:
        statement = Statement("x", "parts", plain("a", "b"), "FROM @parts LIMIT 1", ("a",))
        assert statement.sql(frozenset({"a"})) == "SELECT a AS a FROM system.parts LIMIT 1"
        assert (
            statement.sql(frozenset({"a"}), "c") == "SELECT a AS a FROM clusterAllReplicas('c', system.parts) LIMIT 1"
        )

    def test_a_needed_column_is_not(self) -> None:
        with pytest.raises(ToolFailure, match="UNSUPPORTED"):
            Statement("x", "parts", plain("a"), "FROM @parts", ("b",)).sql(frozenset({"a"}))
