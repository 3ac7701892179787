"""SigNoz server, what needs no store: settings, windows, traces as trees, patterns, statements."""

import importlib
import pkgutil
from datetime import UTC, datetime
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.client import Client

import mcp_servers.signoz as package
from mcp_servers.common.config import ConfigError
from mcp_servers.common.envelope import ToolFailure
from mcp_servers.common.signals import signal
from mcp_servers.signoz.client import Query, _escaped, _failure
from mcp_servers.signoz.edges import Edge, slow_io
from mcp_servers.signoz.logs import Found, Volume, fold, is_new, tells, volumes
from mcp_servers.signoz.red import Health, signals_of
from mcp_servers.signoz.server import create_server
from mcp_servers.signoz.settings import load
from mcp_servers.signoz.trace import build, critical_path, origins, repeated
from mcp_servers.signoz.windows import Windows, instant, split
from mcp_servers.signoz.windows_compare import keep, more_or_less, standard

AWAY = {"RCA_SIGNOZ_CLICKHOUSE_URL": "http://someone:word@127.0.0.1:9"}
BOTH = Windows(1000, 1600, 1700, 2300)


class TestSettings:
    def test_credentials_leave_the_url(self) -> None:
        settings = load({"RCA_SIGNOZ_CLICKHOUSE_URL": "http://u:p%40ss@store:18123/x?y=1"})
        assert (settings.url, settings.user, settings.password) == ("http://store:18123", "u", "p@ss")
        assert "p@ss" not in repr(settings)

    @pytest.mark.parametrize(
        ("environ", "says"),
        [
            ({}, "nor RCA_SIGNOZ_CLICKHOUSE_URL is set"),
            ({"RCA_SIGNOZ_CLICKHOUSE_URL": "clickhouse://x"}, "not an http"),
            ({"RCA_SIGNOZ_CLICKHOUSE_URL": "http://x:99999"}, "not an http"),
            ({**AWAY, "RCA_SIGNOZ_TIMEOUT": "3"}, "RCA_SIGNOZ_TIMEOUT_S is"),
        ],
    )
    def test_refuses_what_cannot_work_and_names_the_mend(self, environ: dict[str, str], says: str) -> None:
        with pytest.raises(ConfigError, match=says):
            load(environ)


class TestStatements:
    def test_every_statement_of_the_package_reads(self) -> None:
        held = [
            value
            for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
            if not module.name.endswith("__main__")
            for value in vars(importlib.import_module(module.name)).values()
        ]
        held += [value for several in held if isinstance(several, dict) for value in several.values()]
        found = [value for value in held if isinstance(value, Query)]
        assert len(found) > 30
        for query in found:
            words = query.text.upper().replace("(", " ").split()
            assert words[0] in ("SELECT", "WITH")
            assert not {"INSERT", "ALTER", "DROP", "CREATE", "SYSTEM", "KILL", "INTO", "URL", "FILE", "REMOTE"} & set(
                words
            )

    @pytest.mark.parametrize("text", ["DROP TABLE x", "SELECT 1; DROP TABLE x", "INSERT INTO x SELECT 1"])
    def test_no_other_statement_can_be_made(self, text: str) -> None:
        with pytest.raises(ValueError, match="not one reading statement"):
            Query("x", text)

    @given(st.text(max_size=80))
    def test_a_value_stays_on_one_line(self, value: str) -> None:
        assert not {"\n", "\t", "\r", "\0"} & set(_escaped(value))

    def test_an_error_shows_its_name_and_never_the_statement(self) -> None:
        body = (
            b"Code: 497. DB::Exception: bot: Not enough privileges. To execute this query, it's necessary to have the grant "
            b"SELECT(body) ON signoz_logs.logs_v2. WHERE x = 'hunter2' (ACCESS_DENIED) (version 26.5)"
        )
        info = _failure("log shapes", 403, "497", body).info
        assert (info.code, info.message) == ("FORBIDDEN", "log shapes: the store refused with ACCESS_DENIED (code 497)")
        assert info.missing_permission.startswith("SELECT(body) ON signoz_logs.logs_v2")
        assert "hunter2" not in info.model_dump_json()


class TestTheServerWithoutItsStore:
    async def test_lists_its_tools_and_fails_with_a_reason(self) -> None:
        async with Client(create_server(AWAY)) as client:
            tools = (await client.list_tools()).tools
            assert {t.name for t in tools} == {
                "find_fields",
                "get_alert_rule",
                "get_alerts",
                "get_exceptions",
                "get_request_gaps",
                "get_service_dependencies",
                "get_service_overview",
                "get_service_resources",
                "health",
                "query_logs",
                "query_metrics",
                "query_traces",
                "search_traces",
            }
            for tool in tools:
                assert tool.annotations is not None
                assert tool.annotations.read_only_hint is True
                assert len(tool.description or "") <= 350
                assert len(tool.input_schema["properties"]) <= 8
            answer = await client.call_tool("get_service_overview", {})
        assert answer.is_error
        assert answer.structured_content is not None
        assert answer.structured_content["error"]["code"] == "UNAVAILABLE"
        assert "word" not in str(answer.structured_content)


class TestWindows:
    def test_what_lies_right_before_the_alert_belongs_to_neither_side(self) -> None:
        both = split(first=0, start=0, end=3600, alert=2400)
        assert (both.base_from, both.base_to, both.cur_from, both.cur_to) == (0, 1800, 2100, 3600)

    def test_a_short_recording_still_has_a_baseline(self) -> None:
        both = split(first=3240, start=1800, end=3600, alert=3480)
        assert (both.base_from, both.base_to, both.cur_from) == (3240, 3360, 3420)

    def test_without_an_alert_the_window_before_is_the_baseline(self) -> None:
        both = split(first=100, start=1900, end=3600, alert=None)
        assert (both.base_from, both.base_to, both.cur_from) == (100, 1900, 1900)

    def test_telemetry_that_begins_inside_is_halved(self) -> None:
        both = split(first=3000, start=1800, end=3600, alert=None)
        assert (both.base_to, both.cur_from) == (3300, 3300)

    def test_too_little_is_not_compared(self) -> None:
        assert not split(first=3590, start=1800, end=3600, alert=None).compared

    @given(st.integers(0, 4000), st.integers(1, 3999), st.none() | st.integers(-10, 5000))
    def test_the_sides_never_overlap(self, first: int, start: int, alert: int | None) -> None:
        both = split(min(first, 4000), start, 4000, alert)
        assert both.base_from <= both.base_to <= both.cur_from <= both.cur_to == 4000

    def test_a_time_that_is_none_is_refused(self) -> None:
        assert instant("2026-01-01T00:00:00Z") == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
        with pytest.raises(ToolFailure, match="alert_at"):
            instant("yesterday")


class TestRates:
    def test_failures_that_began_elsewhere_are_inherited(self) -> None:
        own, inherited = (signals_of(Health("a", 100, 100, 50, 0, origins=n), BOTH)[0].reason for n in (50, 0))
        assert (own, inherited) == ("own", "inherited")

    def test_silence_is_told_from_little_traffic(self) -> None:
        assert [s.code for s in signals_of(Health("a", 0, 50), BOTH)] == ["svc.no_data"]
        assert signals_of(Health("a", 0, 3), BOTH) == []

    def test_nothing_is_worse_when_nothing_changed(self) -> None:
        same = Health("a", 100, 100, 5, 5, 80, 80, 20, 20, 9, 9)
        assert signals_of(same, BOTH) == []
        assert same.score() == 0

    def test_the_service_that_all_slow_edges_share_is_named(self) -> None:
        edges = [
            Edge(s, t, "service", 50, 50, mean=5, base_mean=5, gap=g, base_gap=2)
            for s, t, g in (("a", "b", 300), ("b", "c", 90), ("a", "d", 2))
        ]
        assert [s.subject for s in slow_io(edges, BOTH)] == ["service/b"]

    def test_one_slow_edge_names_the_end_that_has_no_other(self) -> None:
        def edge(source: str, target: str, gap: float) -> Edge:
            return Edge(source, target, "service", 50, 50, mean=5, base_mean=5, gap=gap, base_gap=2)

        slow, steady = edge("a", "b", 900), edge("a", "c", 2)
        assert [s.subject for s in slow_io([slow, steady], BOTH)] == ["service/b"]
        assert slow_io([slow], BOTH) == []  # either end may be it
        assert slow_io([slow, steady, edge("b", "d", 2)], BOTH) == []  # both ends have steady edges
        assert slow_io([edge("a", "b", 60), steady], BOTH) == []  # less than a lost packet costs


class TestComparisons:
    """Operations are compared with themselves, and surely."""

    ROW: ClassVar = {"observed": 60.0, "expected": 20.0, "known": 100, "z": 9.0}

    def health(self, **row: float) -> Health:
        return Health("a", 100, 100, mean=60, base_mean=60, took=standard(self.ROW | row))

    def test_the_same_operations_that_take_longer_are_slow_though_the_mean_is_the_same(self) -> None:
        (found,) = signals_of(self.health(), BOTH)
        assert (found.code, found.value, found.baseline) == ("svc.latency_up", 60, 20)

    def test_a_dearer_mix_is_no_slowness(self) -> None:
        mix = Health("a", 100, 100, mean=60, base_mean=20, took=standard(self.ROW | {"expected": 60.0, "z": 0.1}))
        assert signals_of(mix, BOTH) == []

    def test_what_scatters_that_much_is_no_slowness(self) -> None:
        assert signals_of(self.health(z=2.0), BOTH) == []

    def test_a_tail_counts_where_many_calls_make_it(self) -> None:
        few, many = (Health("a", n, n, p99=900, base_p99=90, mean=9, base_mean=9) for n in (50, 500))
        assert signals_of(few, BOTH) == []
        assert [s.code for s in signals_of(many, BOTH)] == ["svc.latency_up"]

    @pytest.mark.parametrize(
        ("now", "before", "surely"), [(10, 24, False), (100, 240, True), (0, 20, True), (5, 5, False)]
    )
    def test_counts_scatter_as_counts_do(self, now: int, before: int, surely: bool) -> None:
        assert more_or_less(now, before, 1.0) is surely

    @given(st.integers(0, 10**6), st.floats(0.1, 10))
    def test_what_was_to_be_expected_is_never_a_change(self, count: int, share: float) -> None:
        assert not more_or_less(count * share, count, share) or count == 0

    def test_a_full_answer_keeps_what_explains_most_of_each_severity(self) -> None:
        found = [(float(n), signal("svc.latency_up", f"service/s{n}")) for n in range(20)]
        found.append((0.0, signal("svc.error_rate_up", "service/grave")))
        notes: list[str] = []
        kept = [s.subject for s in keep(found, notes)]
        assert kept == ["service/grave", *(f"service/s{n}" for n in range(19, 8, -1))]
        assert notes == ["9 more signals, which explain less, are left out"]


def span(
    id: str, parent: str = "", start: int = 0, took: int = 10, error: bool = False, name: str = "op"
) -> dict[str, object]:
    return {
        "span_id": id,
        "parent_span_id": parent,
        "service": "s",
        "name": name,
        "kind_string": "Server",
        "start": start,
        "duration_nano": took,
        "has_error": error,
    }


class TestTraces:
    def test_own_time_counts_overlapping_children_once(self) -> None:
        tree = build([span("r", took=100), span("a", "r", 10, 50), span("b", "r", 30, 50)])
        assert tree.roots[0].own == 30

    def test_the_path_follows_what_ended_last(self) -> None:
        tree = build([span("r", took=100), span("a", "r", 0, 90), span("b", "r", 0, 20), span("c", "a", 5, 70)])
        assert [s.id for s in critical_path(tree)] == ["r", "a", "c"]

    def test_a_failure_begins_where_no_child_failed(self) -> None:
        tree = build([span("r", error=True), span("a", "r", error=True), span("b", "a"), span("c", "r", error=True)])
        assert {s.id for s in origins(tree)} == {"a", "c"}

    def test_repetition_under_one_parent_is_seen(self) -> None:
        tree = build([span("r", took=1000), *(span(f"c{n}", "r", n, 1, name="SELECT") for n in range(12))])
        assert [(f[2], f[3]) for f in repeated(tree)] == [("SELECT", 12)]

    @given(
        st.lists(
            st.tuples(
                st.sampled_from("abcdef"),
                st.sampled_from("abcdef-"),
                st.integers(0, 99),
                st.integers(0, 99),
                st.booleans(),
            ),
            min_size=1,
            max_size=12,
        )
    )
    def test_no_shape_of_parents_breaks_it(self, drawn: list[tuple[str, str, int, int, bool]]) -> None:
        tree = build([span(*d) for d in drawn])
        assert tree.roots
        assert all(0 <= s.own <= s.end - s.start for s in tree.spans)
        assert len(critical_path(tree)) <= len(tree.spans)
        origins(tree)


class TestPatterns:
    def test_absence_means_little_where_little_was_written(self) -> None:
        line = Found("s", "t", False, "INFO", "e", count=10)
        assert is_new(line, Volume(100, 100, 0, 0))
        assert not is_new(line, Volume(100, 20, 0, 0))
        assert not is_new(line, None)

    def test_an_error_needs_less(self) -> None:
        assert is_new(Found("s", "t", True, "ERROR", "e", count=3), Volume(100, 20, 3, 0))

    @pytest.mark.parametrize(
        ("line", "code", "reason"),
        [
            ("dial tcp 10.0.0.1:5432: connect: connection refused", "log.conn_refused", "refused"),
            ("lookup orders: no such host", "log.conn_refused", "dns"),
            ("java.lang.IllegalStateException: closed", "log.app_exception", ""),
            ("context deadline exceeded", "log.timeout_text", ""),
            ("order 7 served", "", ""),
        ],
    )
    def test_words_that_tell(self, line: str, code: str, reason: str) -> None:
        assert tells(line) == (code, reason)

    @given(st.text(max_size=300))
    def test_no_line_breaks_folding(self, line: str) -> None:
        row = {
            "service": "s",
            "error": 0,
            "severity": "",
            "line": line,
            "n": 4,
            "base_n": 0,
            "first": 1,
            "last": 2,
            "traces": [],
            "pods": [],
        }
        found = fold([row], volumes([{"service": "s", "lines": 4, "base_lines": 0, "errors": 0, "base_errors": 0}]), 1)
        assert [f.count for f in found] == [4]
