"""What is not there: calls without an answer, requests that stop, errors that only the load made more of. Reasons, one a test."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st
from mcp.client import Client
from mcp.server.mcpserver import MCPServer

from mcp_servers.signoz.edges import Edge
from mcp_servers.signoz.flow import HEADER
from mcp_servers.signoz.logs import Volume, loud
from mcp_servers.signoz.red import Health, signals_of
from mcp_servers.signoz.server import create_server
from mcp_servers.signoz.unanswered import counted, missing, silent
from mcp_servers.signoz.windows import Windows
from mcp_servers.signoz.windows_compare import by_chance

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
BOTH = Windows(1000, 1600, 1700, 2300)


def calls(source: str, called: str, target: str, n: int, base_n: int) -> Json:
    return {"source": source, "called": called, "address": "", "target": target, "n": n, "base_n": base_n}


class TestCallsWithoutAnAnswer:
    def test_blame_whoever_used_to_answer_them(self) -> None:
        rows = [calls("orders", "Pay", "payments", 10, 100), calls("orders", "Pay", "", 90, 0)]
        assert silent(missing(rows, BOTH)) == {"payments": 90}

    def test_of_several_behind_one_name_the_one_that_shows_too_little(self) -> None:
        rows = [
            calls("web", "GET", "cart", 100, 100),
            calls("web", "GET", "orders", 20, 100),
            calls("web", "GET", "", 80, 0),
        ]
        assert list(silent(missing(rows, BOTH))) == ["orders"]

    def test_callers_are_counted_together_because_who_is_away_is_away_for_all(self) -> None:
        rows = [
            row
            for source in ("web", "orders", "mail")
            for row in (calls(source, "Get", "ledger", 30, 40), calls(source, "Get", "", 3, 0))
        ]
        assert silent(missing(rows, BOTH)) == {"ledger": 9}

    def test_a_call_that_never_had_an_answer_leads_out_of_what_is_traced(self) -> None:
        rows = [
            calls("orders", "query", "", 500, 100),
            calls("orders", "POST", "bank", 2, 3),
            calls("orders", "POST", "", 90, 90),
        ]
        assert missing(rows, BOTH) == []

    def test_a_few_that_are_lost_at_any_time_are_no_silence(self) -> None:
        rows = [calls("orders", "Pay", "payments", 960, 970), calls("orders", "Pay", "", 40, 30)]
        assert missing(rows, BOTH) == []

    def test_without_a_time_before_nobody_is_known_to_answer(self) -> None:
        assert missing([calls("orders", "Pay", "", 90, 0)], Windows(1700, 1700, 1700, 2300)) == []

    def test_they_count_as_failed_calls_of_the_edge_or_make_one(self) -> None:
        rows = [calls("orders", "Pay", "payments", 0, 100), calls("orders", "Pay", "", 90, 0)]
        for edges in ([], [Edge("orders", "payments", "service", 0, 100)]):
            edge = counted(edges, missing(rows, BOTH), 2)[0]
            assert (edge.target, edge.calls, edge.errors) == ("payments", 180, 180)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b"]),
                st.sampled_from(["", "c", "d"]),
                st.integers(0, 10**6),
                st.integers(0, 10**6),
            ),
            max_size=8,
        )
    )
    def test_no_counts_break_it_and_only_what_was_missed_is_named(self, drawn: list[tuple[str, str, int, int]]) -> None:
        found = missing([calls(source, "x", target, n, base_n) for source, target, n, base_n in drawn], BOTH)
        assert all(one.target and one.count >= 0 for one in found)


class TestSilence:
    def test_one_request_that_called_it_often_is_no_traffic_that_stopped(self) -> None:
        often = Health("rates", base_calls=60, base_traces=3)
        assert signals_of(often, BOTH) == []
        assert [s.code for s in signals_of(Health("rates", base_calls=60, base_traces=55), BOTH)] == ["svc.no_data"]


class TestChance:
    @pytest.mark.parametrize(
        ("now", "before", "share", "likely"),
        [(5, 1, 0.5, True), (3, 0, 0.5, True), (8, 0, 0.5, False), (30, 5, 0.5, False)],
    )
    def test_few_events_prove_little(self, now: int, before: int, share: float, likely: bool) -> None:
        assert (by_chance(now, before, share) > 0.05) is likely

    @given(st.integers(0, 3000), st.integers(0, 3000), st.floats(0.01, 0.99))
    def test_it_is_a_probability_and_falls_with_the_count(self, now: int, before: int, share: float) -> None:
        here = by_chance(now, before, share)
        assert 0 <= here <= 1
        if now + before <= 900:
            assert by_chance(now + 1, before, share) <= here + 1e-9

    def test_errors_that_grow_with_the_load_are_no_spike(self) -> None:
        surge = {"orders": Volume(4100, 1020, 100, 20)}
        assert loud(surge, BOTH) == {}
        assert loud({"orders": Volume(1100, 1020, 100, 20)}, BOTH) == {"orders": 80.0}

    def test_six_errors_after_one_are_no_spike_in_equal_windows(self) -> None:
        assert loud({"orders": Volume(900, 900, 4, 1), "web": Volume(900, 900, 6, 2)}, BOTH) == {}


class TestHeaders:
    @pytest.mark.parametrize(
        "line",
        [
            "2026-05-02 23:00:02.049  INFO 1 --- [nio-8080-exec-2] c.s.orders.Handler : Stored entry",
            "2026-05-02T23:00:02Z INFO [orders,4bf92f,00f067] 1 --- [main] o.s.Handler : Stored entry",
            "2026-05-02T23:00:02Z  INFO 1 --- [orders] [exec-1] [4bf92f-00f067] o.s.Handler : Stored entry",
            "[2026-05-02T23:00:02Z] info: Stored entry",
            "INFO:root:Stored entry",
            "2026-05-02 23:00:02,049 - orders - INFO - Stored entry",
            "WARNING orders.api: Stored entry",
        ],
    )
    def test_the_colon_of_a_header_is_no_name_and_value(self, line: str) -> None:
        assert re2.sub(HEADER, "", line) == "Stored entry"

    def test_a_message_without_a_header_stays(self) -> None:
        for line in ("Stored entry: 7", "16:48:42.424 INFO  o.s.OrdersImpl#532 [getRoute][Route is: Route(id=7)]"):
            assert re2.sub(HEADER, "", line) == line

    @given(st.text(max_size=300))
    def test_no_line_breaks_it(self, line: str) -> None:
        assert line.endswith(re2.sub(HEADER, "", line))


def _recording() -> tuple[list[Json], list[Json]]:
    """Three shops, six minutes, the second three with a fault. In ``away`` the ledger is gone and writes nothing. In ``early`` the ledger
    returns too early: no span fails; one request in five leaves spans, and lines stand behind a header with a colon. ``mute`` is the same with all its spans and without a line."""
    drawn = random.Random(3)
    spans: list[Json] = []
    logs: list[Json] = []

    def span(trace: str, parent: str, service: str, name: str, kind: str, start: float, end: float, **more: Any) -> str:
        made = f"{drawn.getrandbits(64):016x}"
        times = {"start_ns": int(start * 1e9), "end_ns": int(end * 1e9)}
        ids = {"trace_id": trace, "span_id": made, "parent_span_id": parent}
        spans.append(ids | {"service": service, "name": name, "kind": kind} | times | more)
        return made

    for number in range(180):
        at, broken = 2.0 * number, number >= 90
        for shop in ("away", "early", "mute"):
            trace = f"{drawn.getrandbits(128):032x}"
            gone = broken and shop == "away"
            failed = {"error": True} if gone else {}
            kept = shop != "early" or number % 5 == 0
            web = orders = ledger = f"{drawn.getrandbits(64):016x}"
            if kept:
                web = span(trace, "", f"{shop}-web", "POST /buy", "server", at, at + 0.05, **failed)
                call = span(trace, web, f"{shop}-web", "Order", "client", at, at + 0.05, **failed)
                orders = span(trace, call, f"{shop}-orders", "Order", "server", at, at + 0.05, **failed)
                call = span(trace, orders, f"{shop}-orders", "Book", "client", at, at + 0.04, **failed)
                if not gone:
                    ledger = span(trace, call, f"{shop}-ledger", "Book", "server", at, at + 0.03)
                    if not broken:
                        span(
                            trace,
                            ledger,
                            f"{shop}-ledger",
                            "INSERT",
                            "client",
                            at,
                            at + 0.01,
                            attributes={"db.system": "mysql"},
                        )
            if shop == "early":
                told = ["Checking entry", *([] if broken else ["Booking entry"])]
                for place, line in enumerate(told):
                    body = f"2026-05-02 23:00:02.049  INFO 1 --- [exec-{number % 8}] c.s.Handler : {line} {number}"
                    at_ns = int((at + place / 1000) * 1e9)
                    row = {"time_ns": at_ns, "service": "early-ledger", "severity": "INFO", "body": body}
                    logs.append(row | {"trace_id": trace, "span_id": ledger})
    return spans, logs


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MCPServer[Any]]:
    folder = tmp_path_factory.mktemp("recording")
    (folder / "case.json").write_text(json.dumps({"collected_at": "1970-01-01T00:06:02Z"}))
    for name, rows in zip(("spans", "logs"), _recording(), strict=True):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [sys.executable, "-m", "sandbox.telemetry", str(folder), "--port", "0", "--until-stdin-ends"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        yield create_server({"RCA_SIGNOZ_CLICKHOUSE_URL": process.stdout.readline().strip()})
        process.terminate()


async def ask(server: MCPServer[Any], tool: str, **arguments: Any) -> Json:
    alert = (datetime.now(UTC) - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    async with Client(server) as client:
        answer = (await client.call_tool(tool, {"alert_at": alert, **arguments})).structured_content
    assert answer is not None
    return answer


def of(answer: Json, code: str) -> dict[str, str]:
    return {s["subject"]: s.get("reason", "") for s in answer.get("signals", []) if s["code"] == code}


class TestInTheStore:
    async def test_who_is_away_is_named_by_the_calls_that_it_leaves_without_an_answer(
        self, store: MCPServer[Any]
    ) -> None:
        answer = await ask(store, "get_service_dependencies", entrance="away-web")
        assert answer["silent"] == ["away-ledger"]
        assert "service/away-ledger" in of(answer, "dep.error_rate_up")

    async def test_and_its_caller_is_not_where_the_failure_begins(self, store: MCPServer[Any]) -> None:
        answer = await ask(store, "get_service_overview")
        assert of(answer, "svc.error_rate_up") == {"service/away-web": "inherited", "service/away-orders": "inherited"}

    async def test_lines_tell_of_an_early_return_though_few_requests_are_traced(self, store: MCPServer[Any]) -> None:
        answer = await ask(store, "get_request_gaps")
        assert of(answer, "trace.broken_off") == {"service/early-ledger": "most"}
        assert answer["gaps"][0]["line"] == "Booking entry #"

    async def test_where_no_line_tells_of_it_the_calls_that_are_left_out_do_less_surely(
        self, store: MCPServer[Any]
    ) -> None:
        answer = await ask(store, "get_request_gaps", service="mute-ledger")
        assert of(answer, "trace.broken_off") == {"service/mute-ledger": "less"}
        assert answer["gaps"][0]["line"] == "INSERT"
