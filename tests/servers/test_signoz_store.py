"""SigNoz server against the real engine, filled with generated telemetry: each incident shows where it began."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.server.mcpserver import MCPServer

from mcp_servers.signoz.client import Store
from mcp_servers.signoz.series_filters import parse_filter
from mcp_servers.signoz.series_reads import MetricQuery
from mcp_servers.signoz.server import create_server
from mcp_servers.signoz.settings import load
from mcp_servers.signoz.sources.clickhouse import ClickHouseSource
from sandbox.telemetry.generate import SCENARIOS, STREET, generated
from sandbox.telemetry.load import _kinds, _sound, read

pytest.importorskip("chdb")
ROOT = Path(__file__).parents[2]
Json = dict[str, Any]


@contextmanager
def served(source: str) -> Iterator[str]:
    """The URL of a store with ``source`` in it."""
    words = [sys.executable, "-m", "sandbox.telemetry", source, "--port", "0", "--until-stdin-ends"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://rca_bot:")
        try:
            yield url
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The URL of one store for all tests: a street of shops, each with an incident of its own."""
    with served(STREET) as url:
        yield url


@cache
def server(url: str) -> MCPServer[Any]:
    """One for all questions: building a server's schemas takes longer than an answer."""
    return create_server({"RCA_SIGNOZ_CLICKHOUSE_URL": url})


async def ask(url: str, tool: str, **arguments: Any) -> Json:
    async with Client(server(url)) as client:
        answer = (await client.call_tool(tool, arguments)).structured_content
    assert answer is not None
    return answer


def said(answer: Json, code: str) -> list[Json]:
    return [s for s in answer.get("signals", []) if s["code"] == code]


def window() -> dict[str, str]:
    """Half an hour, and an alert that came five minutes after the trouble: loading takes seconds, so no bound is exact."""
    return {"time_range": "30m", "alert_at": (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")}


def about(answer: Json, code: str, scenario: str) -> dict[str, str]:
    """Service (without its shop's name) to reason, of the signals of one shop."""
    start = f"service/{scenario}-"
    return {
        s["subject"].removeprefix(start): s.get("reason", "")
        for s in said(answer, code)
        if s["subject"].startswith(start)
    }


class TestAllShopsAtOnce:
    async def test_the_overview_ranks_where_failures_and_slowness_began(self, store: str) -> None:
        answer = await ask(store, "get_service_overview", limit=25, **window())
        worst = [row["service"] for row in answer["services"][:4]]
        assert worst[0] == "latency-step-payments"
        assert set(worst[1:]) == {"error-burst-payments", "exception-payments", "new-version-payments"}
        assert about(answer, "svc.error_rate_up", "exception") == {
            "payments": "own",
            "orders": "inherited",
            "web": "inherited",
        }
        assert {s["subject"] for s in said(answer, "svc.self_time_up")} == {"service/latency-step-payments"}
        assert [s["subject"] for s in said(answer, "svc.new_version")] == ["service/new-version-payments"]
        # Twelve signals fit: what is left out explains less than what is there, and is told.
        assert len(answer["signals"]) == 12
        assert "which explain less, are left out" in " ".join(answer["notes"])
        assert not about(answer, "svc.latency_up", "normal")

    async def test_resources_name_the_one_service_whose_cpu_rose(self, store: str) -> None:
        answer = await ask(store, "get_service_resources", **window())
        assert {(s["code"], s["subject"]) for s in answer["signals"]} == {
            ("res.changed", "service/latency-step-payments"),
            ("res.cpu_at_limit", "service/latency-step-payments"),
        }
        first = answer["resources"][0]
        assert (first["kind"], first["changed"]) == ("cpu", True)
        assert first["pod"] == "latency-step-payments-6d4cf56db6-x7k2p"

    async def test_failures_are_found_where_they_began(self, store: str) -> None:
        answer = await ask(store, "search_traces", time_range="30m", limit=9)
        assert [g["service"].rpartition("-")[2] for g in answer["groups"][:3]] == ["payments"] * 3
        assert {s["subject"] for s in said(answer, "trace.error_origin")} == {
            f"service/{shop}-payments" for shop in ("error-burst", "exception", "new-version")
        }
        # Nine groups fail; each is shown by one trace before any by a second.
        assert len({(t["service"], t["name"]) for t in answer["traces"]}) == 9

    async def test_fields_say_what_can_be_filtered_by(self, store: str) -> None:
        keys = await ask(store, "find_fields", signal="traces", service="exception-payments")
        assert {"service.name", "db.system", "http_status"} <= {f["key"] for f in keys["fields"]}
        systems = await ask(store, "find_fields", signal="traces", values_of="db.system")
        assert [v["value"] for v in systems["values"]] == ["postgresql"]
        metrics = await ask(store, "find_fields", signal="metrics", search="CPU")
        assert {m["metric"] for m in metrics["metrics"]} == {"k8s.pod.cpu.usage", "k8s.pod.cpu_limit_utilization"}
        labels = await ask(store, "find_fields", signal="metrics", search="", values_of="le")
        assert {v["value"] for v in labels["values"]} == {"0.01", "0.05", "0.1", "0.5", "+Inf"}
        logs = await ask(store, "find_fields", signal="logs", search="pod")
        assert [f["key"] for f in logs["fields"]] == ["k8s.pod.name"]
        nothing = await ask(store, "find_fields", signal="traces", values_of="nope")
        assert "key nope does not occur" in " ".join(nothing["notes"])


class TestAnErrorThatBeginsInPayments:
    async def test_the_log_shows_the_new_line_without_its_secret(self, store: str) -> None:
        answer = await ask(store, "query_logs", service="exception-payments", **window())
        first = answer["patterns"][0]
        assert (first["service"], first["is_new"], first["error"]) == ("exception-payments", True, True)
        assert "card gateway refused order <n>" in first["template"]
        assert "hunter" not in json.dumps(answer)
        assert about(answer, "log.conn_refused", "exception") == {"payments": "refused"}
        assert answer["onset"]

    async def test_raw_lines_are_redacted_and_named_untrusted(self, store: str) -> None:
        only = {"severity": "error", "service": "exception-payments"}
        answer = await ask(store, "query_logs", mode="raw", limit=5, **only, **window())
        assert len(answer["rows"]) == 5
        assert all("password=[redacted]" in row["body"] for row in answer["rows"])
        assert "rows[].body" in answer["untrusted"]

    async def test_its_trace_tells_the_origin(self, store: str) -> None:
        found = await ask(store, "search_traces", service="exception-payments", filter="db.system != 'x'")
        answer = await ask(store, "query_traces", trace_id=found["traces"][0]["trace_id"])
        assert (answer["root_service"], answer["complete"]) == ("exception-web", True)
        assert about(answer, "trace.error_origin", "exception") == {"payments": ""}
        path = [s["service"].removeprefix("exception-") for s in answer["critical_path"]]
        assert path[:3] == ["web", "orders", "payments"]

    async def test_dependencies_blame_the_callee_and_no_bystander(self, store: str) -> None:
        only = {"service": "exception-orders", "direction": "down"}
        answer = await ask(store, "get_service_dependencies", **only, **window())
        assert [(e["source"], e["target"]) for e in answer["edges"]] == [("exception-orders", "exception-payments")]
        assert about(answer, "dep.error_rate_up", "exception") == {"payments": ""}
        # ``web`` fails, but its calls to ``cart`` do not.
        around = await ask(store, "get_service_dependencies", service="exception-web", **window())
        assert about(around, "dep.error_rate_up", "exception") == {"orders": ""}

    async def test_its_exception_is_new_and_shows_its_frames(self, store: str) -> None:
        answer = await ask(store, "get_exceptions", **window())
        (found,) = answer["exceptions"]
        assert (found["service"], found["type"], found["is_new"]) == ("exception-payments", "CardGatewayError", True)
        assert found["message"] == "gateway said no to order <n>"
        assert found["frames"][0] == "at Gateway.charge(Gateway.java:41)"
        assert about(answer, "exc.new", "exception") == {"payments": ""}

    async def test_words_are_searched_as_words(self, store: str) -> None:
        answer = await ask(store, "query_logs", contains="x' OR 1=1 --", **window())
        assert "patterns" not in answer
        assert "none match" in " ".join(answer["notes"])
        traces = await ask(store, "search_traces", filter="service.name = 'x\\' OR 1=1 --'")
        assert traces["total"] == 0
        assert "none matches" in " ".join(traces["notes"])

    async def test_an_unknown_name_gets_close_names(self, store: str) -> None:
        for tool, named in (("get_service_overview", {}), ("get_service_resources", {})):
            answer = await ask(store, tool, service="exception-payment", **named, **window())
            assert answer["error"]["code"] == "NOT_FOUND"
            assert "exception-payments" in answer["error"]["hint"]
        answer = await ask(store, "query_logs", service="exception-payment", **window())
        assert "close names: exception-payments" in " ".join(answer["notes"])
        answer = await ask(store, "query_metrics", metric_name="pod_cpu_usage")
        assert answer["error"]["code"] == "NOT_FOUND"
        assert "k8s.pod.cpu.usage" in answer["error"]["hint"]

    async def test_a_window_without_telemetry_says_so(self, store: str) -> None:
        old = "1h@2020-01-01T00:00:00Z"
        answer = await ask(store, "get_service_overview", time_range=old)
        assert answer["services"] == []
        assert "ingestion gap" in " ".join(answer["notes"])
        for tool, more in (("find_fields", {"signal": "logs"}), ("search_traces", {})):
            empty = await ask(store, tool, time_range=old, **more)
            assert "ingestion gap" in " ".join(empty["notes"]), tool
        assert "ingestion gap" in (await ask(store, "query_metrics", metric_name="x", time_range=old))["error"]["hint"]

    async def test_a_trace_that_is_not_there(self, store: str) -> None:
        answer = await ask(store, "query_traces", trace_id="0" * 32)
        assert answer["error"]["code"] == "NOT_FOUND"

    async def test_a_user_that_may_write_is_refused(self, store: str) -> None:
        answer = await ask(store.replace("rca_bot:reader@", "default@"), "get_service_overview")
        assert answer["error"]["code"] == "FORBIDDEN"
        assert "RCA_ALLOW_PRIVILEGED" in answer["error"]["hint"]

    async def test_a_wrong_password_is_told_without_it(self, store: str) -> None:
        answer = await ask(store.replace(":reader@", ":wrong-word@"), "query_logs")
        assert answer["error"]["code"] == "UNAUTHORIZED"
        assert "wrong-word" not in json.dumps(answer)

    def test_the_printed_user_cannot_write(self, store: str) -> None:
        request = urllib.request.Request(
            "http://" + store.split("@")[1],
            data=b"INSERT INTO signoz_logs.logs_v2 (body) VALUES ('x')",
            headers={"X-ClickHouse-User": "rca_bot", "X-ClickHouse-Key": "reader"},
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5)
        refused.value.close()
        assert refused.value.code == 403


class TestOtherIncidents:
    async def test_the_slow_service_is_told_from_those_that_wait(self, store: str) -> None:
        codes = {}
        for service in ("payments", "orders", "cart"):
            answer = await ask(store, "get_service_overview", service=f"latency-step-{service}", **window())
            codes[service] = {s["code"] for s in answer.get("signals", [])}
        assert codes["payments"] == {"svc.latency_up", "svc.self_time_up"}
        assert codes["orders"] == {"svc.latency_up"}
        assert codes["cart"] == set()

    async def test_a_service_that_went_silent(self, store: str) -> None:
        gone = {"service": "missing-data-payments", **window()}
        assert about(await ask(store, "get_service_overview", **gone), "svc.no_data", "missing-data") == {
            "payments": ""
        }
        edges = await ask(store, "get_service_dependencies", **gone)
        assert "payments" in about(edges, "dep.gone", "missing-data")
        assert about(await ask(store, "query_logs", **gone), "log.silence", "missing-data") == {"payments": ""}
        metric = await ask(
            store,
            "query_metrics",
            metric_name="k8s.pod.cpu.usage",
            filters="service.name CONTAINS missing-data",
            group_by=["service.name"],
            **window(),
        )
        assert about(metric, "metric.gone", "missing-data") == {"payments": ""}
        assert metric["series"][0]["shape"] == "gone"

    async def test_a_new_version_and_when_it_came(self, store: str) -> None:
        answer = await ask(store, "get_service_overview", service="new-version-payments", **window())
        (found,) = said(answer, "svc.new_version")
        assert "1.5.0 appeared; before it ran 1.4.2" in found["detail"]

    async def test_a_normal_hour_is_quiet(self, store: str) -> None:
        for tool in ("get_service_overview", "get_service_dependencies", "query_logs", "get_service_resources"):
            assert "signals" not in await ask(store, tool, service="normal-payments", limit=3, **window()), tool


class TestMetrics:
    async def test_a_histogram_gives_its_quantile_and_the_step(self, store: str) -> None:
        answer = await ask(
            store,
            "query_metrics",
            metric_name="http.server.request.duration",
            filters="service.name IN ('latency-step-payments', 'latency-step-web')",
            group_by=["service.name"],
            **window(),
        )
        assert (answer["type"], answer["aggregation"]) == ("histogram", "auto (p99)")
        slow, same = answer["series"]
        assert (slow["labels"], slow["shape"]) == ({"service.name": "latency-step-payments"}, "step_up")
        assert 0.01 < slow["baseline_avg"] < 0.05 < 0.1 < slow["avg"] < 0.5
        assert (same["shape"], same["change_ratio"]) == ("flat", 0.0)
        assert about(answer, "metric.step_change", "latency-step") == {"payments": "up"}
        assert len(slow["values"]) <= 30

    async def test_a_counter_that_begins_again_keeps_its_rate(self, store: str) -> None:
        one = {"metric_name": "http.server.request.count", "filters": "service.name=normal-orders"}
        answer = await ask(store, "query_metrics", **one, **window())
        assert (answer["type"], answer["aggregation"]) == ("counter", "auto (rate)")
        (line,) = answer["series"]
        assert (line["avg"], line["baseline_avg"], line["shape"]) == (0.25, 0.25, "flat")

    async def test_what_a_type_cannot_give_is_refused(self, store: str) -> None:
        answer = await ask(store, "query_metrics", metric_name="k8s.pod.cpu.usage", aggregation="p99")
        assert answer["error"]["code"] == "VALIDATION"

    async def test_no_sample_for_a_filter_is_no_unknown_metric(self, store: str) -> None:
        answer = await ask(store, "query_metrics", metric_name="k8s.pod.cpu.usage", filters="service.name=nobody")
        assert answer["series"] == []
        assert "no sample matches the filters" in " ".join(answer["notes"])

    async def test_long_windows_read_the_aggregates_and_find_the_same(self, store: str) -> None:
        opened = await Store.open(load({"RCA_SIGNOZ_CLICKHOUSE_URL": store}))
        try:
            reads = ClickHouseSource(opened)
            now = int(datetime.now(UTC).timestamp())
            found = {}
            for metric, how in (("k8s.pod.cpu.usage", "avg"), ("http.server.request.count", "increase")):
                info = await reads.metric_info(metric, now - 3600, now)
                assert info is not None
                for hours in (2, 48):
                    query = MetricQuery(
                        info, how, now - hours * 3600, now + 1, 1800, parse_filter("service.name=normal-web")
                    )
                    (line,) = await reads.metric_lines(query)
                    values = [v for _, v in line.points]
                    found[how, hours] = sum(values) / (len(values) if how == "avg" else 1)
        finally:
            await opened.close()
        assert found["avg", 48] == pytest.approx(found["avg", 2], rel=0.02)
        # Between two aggregates, what came before the first is not known: one slot of 40 minutes may be short.
        assert 0.2 * found["increase", 2] <= found["increase", 48] <= found["increase", 2]


class TestRecordings:
    def test_the_generator_repeats_itself(self) -> None:
        for scenario in SCENARIOS:
            assert generated(scenario) == generated(scenario)
        with pytest.raises(ValueError, match="not a scenario"):
            generated("war")

    def test_kinds_follow_from_neighbours(self) -> None:
        rows = [
            {"span_id": "1", "parent_span_id": "", "service": "a", "name": "in"},
            {"span_id": "2", "parent_span_id": "1", "service": "a", "name": "out"},
            {"span_id": "3", "parent_span_id": "2", "service": "b", "name": "in"},
            {"span_id": "4", "parent_span_id": "1", "service": "a", "name": "out"},
            {"span_id": "5", "parent_span_id": "1", "service": "a", "name": "work"},
        ]
        assert _kinds(rows) == ["server", "client", "server", "client", "internal"]

    def test_rows_with_a_broken_clock_are_left_out(self) -> None:
        recording = generated("normal")
        kept = len(recording.spans)
        recording.spans.append({**recording.spans[0], "start_ns": -1})
        assert len(_sound(recording).spans) == kept

    def test_a_folder_is_read_as_it_was_recorded(self, tmp_path: Path) -> None:
        recording = generated("error-burst")
        (tmp_path / "case.json").write_text(json.dumps({"collected_at": "2023-11-14T22:13:20Z"}))
        for part in ("logs", "spans", "metrics"):
            (tmp_path / f"{part}.jsonl").write_text("\n".join(json.dumps(row) for row in getattr(recording, part)))
        assert read(tmp_path) == recording

    def test_a_folder_without_a_case_is_an_error(self, tmp_path: Path) -> None:
        words = [sys.executable, "-m", "sandbox.telemetry", str(tmp_path)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 2
        assert "cannot serve telemetry" in done.stderr
