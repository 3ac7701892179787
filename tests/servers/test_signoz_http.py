"""SigNoz server, the API source without a server: literals, times, settings, sampling, and answers of every sort."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_servers.common.config import ConfigError
from mcp_servers.common.envelope import ToolFailure
from mcp_servers.signoz.series_filters import parse_filter
from mcp_servers.signoz.settings import load
from mcp_servers.signoz.sources.http_client import Api, Missing
from mcp_servers.signoz.sources.http_logs import at_least
from mcp_servers.signoz.sources.http_query import Questions, lit, nanoseconds, question, spec, value
from mcp_servers.signoz.sources.http_search import expression
from mcp_servers.signoz.sources.standardised import Durations
from sandbox.signoz.filters import BadFilter, sql_of

API = {"RCA_SIGNOZ_URL": "http://127.0.0.1:9", "RCA_SIGNOZ_API_KEY": "k"}
text = st.text(max_size=60).filter(lambda t: "\x00" not in t)


def column(key: str) -> tuple[str, str]:
    return f"`{key}`", f"has_{key}"


def unquoted(sql: str) -> str:
    """The value of the one string in a statement of the stand-in."""
    inside = re.fullmatch(r"\(`k` = '((?:[^'\\]|\\.)*)'\)", sql, re.DOTALL)
    assert inside is not None, sql
    return re.sub(r"\\(.)", r"\1", inside[1], flags=re.DOTALL)


class TestLiterals:
    @settings(max_examples=200, deadline=None)
    @given(text)
    def test_whatever_is_quoted_is_read_as_itself(self, word: str) -> None:
        assert unquoted(sql_of(f"k = {lit(word)}", column)) == word

    @settings(max_examples=100, deadline=None)
    @given(text, text)
    def test_a_value_cannot_add_a_condition(self, one: str, two: str) -> None:
        told = sql_of(f"k = {lit(one)} AND j IN {lit([two])}", column)
        bare = re.sub(r"'(?:[^'\\]|\\.)*'", "?", told, flags=re.DOTALL)
        assert bare == "((`k` = ?) AND (`j` IN (?)))"

    def test_numbers_and_switches(self) -> None:
        assert (lit(True), lit(17), lit(2.5)) == ("true", "17", "2.5")
        for bad in (float("nan"), float("inf"), "x\0y", "x" * 1001):
            with pytest.raises(ToolFailure):
                lit(bad)

    def test_severities_come_in_every_case(self) -> None:
        assert at_least(0) == ""
        assert "'Error'" in at_least(17)
        assert "'warn'" in at_least(13)
        assert "IN" not in at_least(21)

    def test_conditions_keep_their_operators(self) -> None:
        told = expression(parse_filter("a='x', b IN ('y','z') AND c CONTAINS 'q'"))
        assert told == "a = 'x' AND b IN ('y', 'z') AND c CONTAINS 'q'"


class TestTimes:
    @settings(max_examples=100, deadline=None)
    @given(st.integers(10**18, 2 * 10**18))
    def test_ns_survive_every_spelling(self, at: int) -> None:
        iso = f"{datetime.fromtimestamp(at // 10**9, UTC):%Y-%m-%dT%H:%M:%S}"
        assert nanoseconds(at) == nanoseconds(str(at)) == nanoseconds(f"{iso}.{at % 10**9:09d}Z") == at
        assert nanoseconds(f"{iso.replace('T', ' ')}.{at % 10**9:09d}") == at

    def test_what_is_no_time_is_0(self) -> None:
        odd: tuple[Any, ...] = ("", "soon", None, -1, "NaN", [])
        assert [nanoseconds(x) for x in odd] == [0] * 6
        assert nanoseconds(1_700_000_000) == nanoseconds(1_700_000_000_000) == 1_700_000_000 * 10**9

    def test_nan_is_no_number(self) -> None:
        assert [value(x) for x in ("NaN", "+Inf", "-Inf", None, "x", "1.5")] == [None] * 5 + [1.5]

    def test_a_question_is_bounded(self) -> None:
        with pytest.raises(ToolFailure, match="31 days"):
            question("raw", 0, 32 * 86_400_000, spec("logs"))


class TestSettings:
    @pytest.mark.parametrize(
        ("environ", "says"),
        [
            ({}, "neither RCA_SIGNOZ_URL"),
            ({"RCA_SIGNOZ_URL": "http://signoz:8080"}, "without RCA_SIGNOZ_API_KEY"),
            ({"RCA_SIGNOZ_API_KEY": "k"}, "without RCA_SIGNOZ_URL"),
            ({**API, "RCA_SIGNOZ_URL": "signoz:8080"}, "not an http"),
            ({**API, "RCA_SIGNOZ_URL": "https://a:b@signoz"}, "holds a user"),
            ({**API, "RCA_SIGNOZ_API_KEY": "a b"}, "holds characters"),
            ({**API, "RCA_SIGNOZ_SERVICE_KEYS": "x' OR 1=1"}, "is no attribute key"),
            ({**API, "RCA_SIGNOZ_CA_FILE": "/no/such/file"}, "there is no file"),
            ({**API, "RCA_SIGNOZ_APIKEY": "k"}, "RCA_SIGNOZ_API_KEY is"),
        ],
    )
    def test_what_cannot_work_is_named(self, environ: dict[str, str], says: str) -> None:
        with pytest.raises(ConfigError, match=re.escape(says)):
            load(environ)

    def test_the_key_stays_hidden(self) -> None:
        told = load({**API, "RCA_SIGNOZ_URL": "https://signoz.example.com/base/", "RCA_SIGNOZ_API_KEY": "top-word"})
        assert told.api is not None
        assert told.api.url == "https://signoz.example.com/base"
        assert "top-word" not in repr(told)
        assert told.backend == "signoz-http"


class TestComparison:
    def test_operations_are_compared_with_themselves(self) -> None:
        durations = Durations()
        for _ in range(50):
            for current in (True, False):
                durations.add("same", 10e6, current=current)
            durations.add("slow", 40e6, current=True)
            durations.add("slow", 10e6, current=False)
        for _ in range(500):
            durations.add("new", 900e6, current=True)  # it has nothing to be compared with
        told = durations.row("g")
        assert (told["gknown"], told["gobserved"], told["gexpected"]) == (100, 25, 10)
        assert told["gz"] > 4


@pytest.fixture
async def api() -> Any:
    """A client of a server that answers what its `answers` say, path by path."""
    answers: dict[str, tuple[int, str]] = {
        "/api/v1/version": (200, '{"version":"v0.125.0"}'),
        "/api/v1/service_accounts/me": (200, '{"status":"success","data":{"name":"b","serviceAccountRoles":null}}'),
    }

    async def answer(request: web.Request) -> web.Response:
        status, body = answers.get(request.path, (404, "404 page not found"))
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    opened = await Api.open(load({**API, "RCA_SIGNOZ_URL": url, "RCA_MAX_UPSTREAM_BYTES": "65536"}))
    yield opened, answers
    await opened.close()
    await runner.cleanup()


class TestAnswers:
    async def test_only_reading_paths_and_builder_queries_leave(self, api: Any) -> None:
        client, _ = api
        for path in ("/api/v1/rules", "/api/v1/dashboards", "/api/v2/rules/..", "/api/v5/query_range/../x"):
            with pytest.raises(ValueError, match="not a reading path"):
                await client.post(path, {})
        with pytest.raises(ValueError, match="builder queries"):
            await client.query(
                {"compositeQuery": {"queries": [{"type": "clickhouse_sql", "spec": {"query": "SELECT 1"}}]}}
            )

    async def test_a_path_that_is_gone_is_left_alone(self, api: Any) -> None:
        client, answers = api
        with pytest.raises(Missing):
            await client.get("/api/v1/alerts")
        answers["/api/v1/alerts"] = (200, '{"status":"success","data":[]}')
        with pytest.raises(Missing):
            await client.get("/api/v1/alerts")
        assert await client.first_of(("GET", "/api/v1/alerts", {}), ("GET", "/api/v1/version", {})) == {
            "version": "v0.125.0"
        }

    @pytest.mark.parametrize(
        ("status", "body", "code"),
        [
            (200, "[" * 100_000, "TOO_LARGE"),
            (200, "[" * 60_000, "UPSTREAM"),
            (200, '{"status":"error","error":{"message":"x"}}', "UPSTREAM"),
            (401, '{"status":"error","error":"no"}', "UNAUTHORIZED"),
            (403, "[]", "FORBIDDEN"),
            (500, '{"status":"error","error":{"code":"internal","message":"SELECT secret FROM t"}}', "UPSTREAM"),
            (302, "", "UPSTREAM"),
            (404, '{"status":"error","error":{"code":"rule_not_found","message":"no such rule"}}', "NOT_FOUND"),
            (400, '{"status":"error","error":{"errors":[1,{"suggestions":"x"}],"message":7}}', "VALIDATION"),
        ],
    )
    async def test_every_answer_becomes_an_error_that_is_safe_to_show(
        self, api: Any, status: int, body: str, code: str
    ) -> None:
        client, answers = api
        answers["/api/v1/alerts"] = (status, body)
        with pytest.raises(ToolFailure) as failed:
            await client.get("/api/v1/alerts")
        assert failed.value.info.code == code
        assert "SELECT" not in json.dumps(failed.value.info.model_dump())

    @pytest.mark.parametrize(
        "body", ["{}", "[]", "null", '{"status":"success","data":{"data":{"results":[{}, 3, null]}}}']
    )
    async def test_an_odd_shape_is_no_rows_or_an_error(self, api: Any, body: str) -> None:
        client, answers = api
        answers["/api/v5/query_range"] = (200, body)
        try:
            assert await Questions(client).rows(0, 60, spec("logs")) == []
        except ToolFailure as failure:
            assert failure.info.code == "UPSTREAM"


class TestTheStandInReadsFilters:
    @pytest.mark.parametrize(
        ("told", "sql"),
        [
            ("a = 'x' OR NOT b EXISTS", "((`a` = 'x') OR (NOT (has_b)))"),
            ("resource.a NOT IN ('x', \"y\")", "(NOT (`a` IN ('x', 'y')))"),
            ("a > 5 b LIKE 'x%'", "((has_a AND toFloat64OrZero(toString(`a`)) > 5) AND (`b` LIKE 'x%'))"),
        ],
    )
    def test_as_documented(self, told: str, sql: str) -> None:
        assert sql_of(told, column) == sql

    @settings(max_examples=150, deadline=None)
    @given(st.text(alphabet="ab ()'\"=<>\\ORANDNTI,.1", max_size=40))
    def test_anything_else_is_refused(self, told: str) -> None:
        try:
            made = sql_of(told, column)
        except BadFilter:
            return
        assert made.count("(") == made.count(")") or "'" in made
