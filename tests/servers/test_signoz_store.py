"""SigNoz server against the real engine, filled with generated telemetry: each incident shows where it began."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from mcp_servers.signoz.server import create_server
from sandbox.telemetry.generate import END_NS, SCENARIOS, generated
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
def store() -> Iterator[Callable[[str], str]]:
    """Gives the URL for a scenario; one at a time runs, started when first asked for."""
    running: dict[str, Any] = {}

    def url(scenario: str) -> str:
        if scenario not in running:
            for other in list(running):
                running.pop(other)[0].__exit__(None, None, None)
            manager = served(scenario)
            running[scenario] = (manager, manager.__enter__())
        return str(running[scenario][1])

    yield url
    for manager, _ in running.values():
        manager.__exit__(None, None, None)


async def ask(url: str, tool: str, **arguments: Any) -> Json:
    async with Client(create_server({"RCA_SIGNOZ_CLICKHOUSE_URL": url})) as client:
        answer = (await client.call_tool(tool, arguments)).structured_content
    assert answer is not None
    return answer


def said(answer: Json, code: str) -> list[Json]:
    return [s for s in answer.get("signals", []) if s["code"] == code]


def window() -> dict[str, str]:
    """Half an hour, and an alert that came five minutes after the trouble: loading takes seconds, so no bound is exact."""
    return {"time_range": "30m", "alert_at": (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")}


class TestAnErrorThatBeginsInPayments:
    async def test_the_overview_ranks_where_it_began(self, store: Callable[[str], str]) -> None:
        answer = await ask(store("exception"), "get_service_overview", **window())
        assert answer["services"][0]["service"] == "payments"
        reasons = {s["subject"]: s["reason"] for s in said(answer, "svc.error_rate_up")}
        assert reasons == {"service/payments": "own", "service/orders": "inherited", "service/web": "inherited"}

    async def test_the_log_shows_the_new_line_without_its_secret(self, store: Callable[[str], str]) -> None:
        answer = await ask(store("exception"), "query_logs", **window())
        first = answer["patterns"][0]
        assert (first["service"], first["is_new"], first["error"]) == ("payments", True, True)
        assert "card gateway refused order <n>" in first["template"]
        assert "hunter" not in json.dumps(answer)
        assert {s["subject"] for s in said(answer, "log.conn_refused")} == {"service/payments"}
        assert answer["onset"]

    async def test_raw_lines_are_redacted_and_named_untrusted(self, store: Callable[[str], str]) -> None:
        answer = await ask(
            store("exception"), "query_logs", mode="raw", severity="error", service="payments", limit=5, **window()
        )
        assert len(answer["rows"]) == 5
        assert all("password=[redacted]" in row["body"] for row in answer["rows"])
        assert "rows[].body" in answer["untrusted"]

    async def test_its_trace_tells_the_origin(self, store: Callable[[str], str]) -> None:
        url = store("exception")
        logs = await ask(url, "query_logs", severity="error", **window())
        answer = await ask(url, "query_traces", trace_id=logs["patterns"][0]["trace_ids"][0])
        assert (answer["root_service"], answer["complete"]) == ("web", True)
        assert [s["subject"] for s in said(answer, "trace.error_origin")] == ["service/payments"]
        assert [s["service"] for s in answer["critical_path"]][:3] == ["web", "orders", "payments"]

    async def test_dependencies_blame_the_callee(self, store: Callable[[str], str]) -> None:
        answer = await ask(
            store("exception"), "get_service_dependencies", service="orders", direction="down", **window()
        )
        assert [(e["source"], e["target"]) for e in answer["edges"]] == [("orders", "payments")]
        assert [s["subject"] for s in said(answer, "dep.error_rate_up")] == ["service/payments"]

    async def test_its_exception_is_new_and_shows_its_frames(self, store: Callable[[str], str]) -> None:
        answer = await ask(store("exception"), "get_exceptions", **window())
        (found,) = answer["exceptions"]
        assert (found["service"], found["type"], found["is_new"]) == ("payments", "CardGatewayError", True)
        assert found["message"] == "gateway said no to order <n>"
        assert found["frames"][0] == "at Gateway.charge(Gateway.java:41)"
        assert [s["subject"] for s in said(answer, "exc.new")] == ["service/payments"]

    async def test_words_are_searched_as_words(self, store: Callable[[str], str]) -> None:
        answer = await ask(store("exception"), "query_logs", contains="x' OR 1=1 --", **window())
        assert "patterns" not in answer
        assert "none match" in " ".join(answer["notes"])

    async def test_an_unknown_service_gets_close_names(self, store: Callable[[str], str]) -> None:
        url = store("exception")
        answer = await ask(url, "get_service_overview", service="payment", **window())
        assert answer["error"]["code"] == "NOT_FOUND"
        assert "payments" in answer["error"]["hint"]
        answer = await ask(url, "query_logs", service="payment", **window())
        assert "close names: payments" in " ".join(answer["notes"])

    async def test_a_window_without_telemetry_says_so(self, store: Callable[[str], str]) -> None:
        answer = await ask(store("exception"), "get_service_overview", time_range="1h@2020-01-01T00:00:00Z")
        assert answer["services"] == []
        assert "ingestion gap" in " ".join(answer["notes"])

    async def test_a_trace_that_is_not_there(self, store: Callable[[str], str]) -> None:
        answer = await ask(store("exception"), "query_traces", trace_id="0" * 32)
        assert answer["error"]["code"] == "NOT_FOUND"

    async def test_health_tries_every_tool(self, store: Callable[[str], str]) -> None:
        answer = await ask(store("exception"), "health")
        assert {t["state"] for t in answer["tools"]} == {"ok"}
        assert answer["user"] == "rca_bot"
        assert abs(answer["clock_skew_s"]) < 5

    async def test_a_user_that_may_write_is_refused(self, store: Callable[[str], str]) -> None:
        admin = store("exception").replace("rca_bot:reader@", "default@")
        answer = await ask(admin, "get_service_overview")
        assert answer["error"]["code"] == "FORBIDDEN"
        assert "RCA_ALLOW_PRIVILEGED" in answer["error"]["hint"]
        server = create_server({"RCA_SIGNOZ_CLICKHOUSE_URL": admin, "RCA_ALLOW_PRIVILEGED": "1"})
        async with Client(server) as client:
            allowed = (await client.call_tool("health", {})).structured_content
        assert allowed is not None
        assert "may do more than read" in allowed["warnings"][0]

    async def test_a_wrong_password_is_told_without_it(self, store: Callable[[str], str]) -> None:
        answer = await ask(store("exception").replace(":reader@", ":wrong-word@"), "query_logs")
        assert answer["error"]["code"] == "UNAUTHORIZED"
        assert "wrong-word" not in json.dumps(answer)

    def test_the_printed_user_cannot_write(self, store: Callable[[str], str]) -> None:
        request = urllib.request.Request(
            "http://" + store("exception").split("@")[1],
            data=b"INSERT INTO signoz_logs.logs_v2 (body) VALUES ('x')",
            headers={"X-ClickHouse-User": "rca_bot", "X-ClickHouse-Key": "reader"},
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5)
        refused.value.close()
        assert refused.value.code == 403


class TestOtherIncidents:
    async def test_own_time_tells_the_slow_service_from_those_that_wait(self, store: Callable[[str], str]) -> None:
        answer = await ask(store("latency-step"), "get_service_overview", **window())
        assert answer["services"][0]["service"] == "payments"
        assert [s["subject"] for s in said(answer, "svc.self_time_up")] == ["service/payments"]
        assert {s["subject"] for s in said(answer, "svc.latency_up")} == {
            "service/payments",
            "service/orders",
            "service/web",
        }

    async def test_a_service_that_went_silent(self, store: Callable[[str], str]) -> None:
        url = store("missing-data")
        overview = await ask(url, "get_service_overview", **window())
        assert [s["subject"] for s in said(overview, "svc.no_data")] == ["service/payments"]
        edges = await ask(url, "get_service_dependencies", **window())
        assert "service/payments" in {s["subject"] for s in said(edges, "dep.gone")}
        assert [s["subject"] for s in said(await ask(url, "query_logs", **window()), "log.silence")] == [
            "service/payments"
        ]

    async def test_a_new_version_and_when_it_came(self, store: Callable[[str], str]) -> None:
        answer = await ask(store("new-version"), "get_service_overview", **window())
        (found,) = said(answer, "svc.new_version")
        assert found["subject"] == "service/payments"
        assert "1.5.0 appeared; before it ran 1.4.2" in found["detail"]

    async def test_a_normal_hour_is_quiet(self, store: Callable[[str], str]) -> None:
        url = store("normal")
        for tool in ("get_service_overview", "get_service_dependencies", "query_logs"):
            assert "signals" not in await ask(url, tool, **window()), tool


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

    async def test_a_folder_is_read_and_moved_to_now(self, tmp_path: Path) -> None:
        recording = generated("error-burst")
        (tmp_path / "case.json").write_text(json.dumps({"collected_at": "2023-11-14T22:13:20Z"}))
        for part in ("logs", "spans", "metrics"):
            (tmp_path / f"{part}.jsonl").write_text("\n".join(json.dumps(row) for row in getattr(recording, part)))
        assert read(tmp_path).collected_ns == END_NS
        with served(str(tmp_path)) as url:
            answer = await ask(url, "get_service_overview", **window())
        assert answer["services"][0]["service"] == "payments"

    def test_a_folder_without_a_case_is_an_error(self, tmp_path: Path) -> None:
        words = [sys.executable, "-m", "sandbox.telemetry", str(tmp_path)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 2
        assert "cannot serve telemetry" in done.stderr
