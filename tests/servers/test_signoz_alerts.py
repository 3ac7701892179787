"""SigNoz server, alerts and rules without a server: ids out of links, conditions in a sentence, flapping, states of the store."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.signoz.condition import sentence
from mcp_servers.signoz.sources.clickhouse_alerts import instances, labels, state
from mcp_servers.signoz.sources.http_alerts import filter_of, group_of, queries_of
from mcp_servers.signoz.tools_rule import Rule, _history, rule_of

Json = dict[str, Any]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["compositeQuery", "queries", "spec", "filter", "filters", "items", "key", "groupBy", "name", "thresholds",
                         "target", "op", "aggregations", "expression", "metricName", "evalWindow", "builderQueries"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def change(at: int, now: str, **told: str) -> Json:
    return {"at": at, "state": now, "labels": told, "value": 1.0, "overall": True}


def rule() -> Rule:
    return Rule(summary="", rule_id="7", name="Slow requests")


class TestIds:
    @pytest.mark.parametrize(
        ("told", "found"),
        [
            ("0198a1b2-c3d4-7e5f-8a9b-1c2d3e4f5a6b", "0198a1b2-c3d4-7e5f-8a9b-1c2d3e4f5a6b"),
            ("https://signoz.example.com/alerts/edit?ruleId=12&relativeTime=1h", "12"),
            ("<https://signoz.example.com/alerts/overview?ruleId=12|the rule>", "12"),
            ("https://signoz.example.com/api/v1/rules/12/", "12"),
        ],
    )
    def test_out_of_what_people_paste(self, told: str, found: str) -> None:
        assert rule_of(told) == found

    @pytest.mark.parametrize(
        "told", ["..", "https://x/alerts?ruleId=../1", "no digits", "a' OR 1=1", "http://[", "1?x=2"]
    )
    def test_nothing_else(self, told: str) -> None:
        with pytest.raises(ToolFailure, match="no rule id"):
            rule_of(told)


class TestConditions:
    def test_a_metric_rule(self) -> None:
        query = {
            "name": "A",
            "signal": "metrics",
            "aggregations": [{"metricName": "http.server.duration", "spaceAggregation": "p99"}],
            "filter": {"expression": "service.name = 'checkout'"},
        }
        told: Json = {
            "condition": {
                "compositeQuery": {"queries": [{"type": "builder_query", "spec": query}]},
                "thresholds": {
                    "spec": [{"target": 800, "targetUnit": "ms", "op": "above", "matchType": "atleast_once"}]
                },
            },
            "evaluation": {"spec": {"evalWindow": "5m0s"}},
        }
        said = "p99 of http.server.duration where service.name = 'checkout' above 800 ms, at least once in 5m"
        assert sentence(told, queries_of(told["condition"])) == said

    def test_sql_and_promql_are_shown_short_and_clean(self) -> None:
        told = {
            "condition": {
                "compositeQuery": {"chQueries": {"A": {"query": "SELECT 1 -- password=hunter2hunter2"}}},
                "target": 1,
                "op": "2",
            }
        }
        said = sentence(told, queries_of(told["condition"]))
        assert said.startswith("query SELECT 1")
        assert said.endswith("below 1")
        assert "hunter2" not in said

    @settings(max_examples=150, deadline=None)
    @given(anything)
    def test_no_rule_breaks_it(self, told: Any) -> None:
        for condition in (
            told,
            {"compositeQuery": told},
            {"compositeQuery": {"queries": [{"spec": told}]}, "thresholds": {"spec": told}},
        ):
            queries = queries_of(condition)
            assert len(sentence({"condition": condition, "evaluation": told}, queries)) <= 400
            for query in queries:
                assert isinstance(filter_of(query), str)
                assert all(isinstance(g, str) for g in group_of(query))


class TestHistory:
    def test_on_and_off_is_flapping_of_that_instance(self) -> None:
        answer, rows = rule(), []
        for i in range(4):
            rows += [
                change(i * 60, "firing", **{"service.name": "orders"}),
                change(i * 60 + 30, "resolved", **{"service.name": "orders"}),
            ]
        _history(answer, [change(0, "firing", **{"service.name": "web"}), *rows], {})
        assert [(s.code, s.subject, s.count) for s in answer.signals] == [("alert.flapping", "service/orders", 4)]
        assert (answer.fired, answer.contributors[0].count) == (5, 4)

    def test_three_times_is_not(self) -> None:
        answer = rule()
        _history(answer, [change(i, "firing") for i in range(3)], {})
        assert answer.signals == []

    def test_missing_data_is_counted(self) -> None:
        answer = rule()
        _history(answer, [change(1, "nodata")], {"service.name": "payments"})
        assert [(s.code, s.subject) for s in answer.signals] == [("alert.nodata", "service/payments")]

    def test_a_long_history_keeps_its_end(self) -> None:
        answer = rule()
        _history(answer, [change(i, "firing", n=str(i)) for i in range(30)], {})
        assert len(answer.timeline) == 20
        assert answer.timeline[-1].at == "1970-01-01T00:00:29Z"
        assert "10 earlier changes are not shown" in answer.notes


class TestTheStoresStates:
    def test_words_of_all_versions(self) -> None:
        assert [state(s) for s in ("inactive", "Normal", "no_data", "firing", "disabled")] == [
            "resolved",
            "resolved",
            "nodata",
            "firing",
            "disabled",
        ]
        assert labels("not json") == labels("[1]") == labels(None) == {}

    def test_what_was_over_before_the_window_is_left_out(self) -> None:
        row = {"rule_id": "1", "name": "x", "instance": "7", "measured": 1, "told": "{}", "since": 50}
        rows = [row | {"last": "inactive", "changed": 90}, row | {"last": "firing", "changed": 50}]
        assert [r["state"] for r in instances(rows, 100)] == ["firing"]
        assert [r["ended"] for r in instances(rows, 80)] == [90, 0]
