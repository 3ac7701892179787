"""The service families: which alerts come to them, and how telemetry leads from the entrance to the service that is to blame."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.client import Client

from bot.playbooks.loader import Library, load_library
from bot.playbooks.router import Router
from bot.playbooks.rows import alert_of
from mcp_servers.signoz.edges import behind, callees
from mcp_servers.signoz.flow import EVERYWHERE, Gap, explained, gaps, signals_of
from mcp_servers.signoz.logs import inherited
from mcp_servers.signoz.server import create_server
from mcp_servers.signoz.windows import Windows

ROOT = Path(__file__).parents[2]
BOTH = Windows(0, 600, 700, 1300)
CALLS = [("web", "orders"), ("orders", "ledger"), ("orders", "rates"), ("web", "carts")]
Json = dict[str, Any]


@cache
def library() -> Library:
    return load_library()


@cache
def router() -> Router:
    return Router(library())


def family(name: str, summary: str = "", expr: str = "", **labels: str) -> str:
    row = {"source": "alertmanager", "name": name, "summary": summary, "expr": expr, "labels": labels}
    return router().choose(alert_of(row)).playbook.family


class TestWhichAlertsComeHere:
    @pytest.mark.parametrize(
        ("wanted", "name", "summary", "expr"),
        [
            ("service.errors", "CheckoutApiErrors", "12 % of the requests fail", ""),
            ("service.errors", "Team42", "5xx error rate of service checkout is 7 %", ""),
            ("service.errors", "Team42", "", 'sum(rate(istio_requests_total{response_code=~"5.."}[5m])) > 1'),
            ("service.errors", "ErrorBudgetBurn", "the error budget of checkout burns 14 times too fast", ""),
            ("service.latency", "CheckoutHttpResponseTimeHigh", "", ""),
            ("service.latency", "Team42", "p99 latency of checkout requests is 3 s", ""),
            (
                "service.latency",
                "Team42",
                "",
                "histogram_quantile(0.99, rate(http_server_request_duration_seconds_bucket[5m])) > 1",
            ),
            ("service.traffic", "NoTraffic", "no requests for checkout in 5 minutes", ""),
            ("service.traffic", "Team42", "request rate of checkout dropped by 80 %", ""),
            ("service.availability", "Team42", "website shop.example is down", ""),
            ("service.availability", "BlackboxProbeFailed", "", "probe_success == 0"),
            ("service.dependency", "CircuitBreakerOpen", "the circuit breaker for ledger is open", ""),
            ("service.dependency", "Team42", "calls to ledger are timing out: upstream request timeout", ""),
        ],
    )
    def test_by_their_name_their_words_or_their_query(self, wanted: str, name: str, summary: str, expr: str) -> None:
        assert family(name, summary, expr, service="checkout") == wanted

    @pytest.mark.parametrize(
        ("name", "summary", "labels"),
        [
            ("HostNetworkReceiveErrors", "receive errors on eth0", {"instance": "host-1"}),
            ("KubernetesAPIServerLatency", "API server has a high latency", {"job": "apiserver"}),
            ("MongodbReplicationLag", "replication lag above 10 s", {}),
            ("KubePodCrashLooping", "pod checkout-1 restarts", {"namespace": "shop", "pod": "checkout-1"}),
            ("CassandraClientRequestFailures", "read failures", {}),
            ("TeamMeeting", "lunch is ready", {}),
        ],
    )
    def test_what_is_not_about_a_service_stays_away(self, name: str, summary: str, labels: dict[str, str]) -> None:
        assert not family(name, summary, **labels).startswith("service.")

    def test_every_one_of_them_walks_through_telemetry_and_through_the_cluster(self) -> None:
        ours = [p for p in library().playbooks.values() if p.family.startswith("service.")]
        assert {p.family for p in ours} == {
            f"service.{f}" for f in ("errors", "latency", "traffic", "availability", "dependency")
        }
        for playbook in ours:
            assert {"signoz-walk", "kubernetes-walk"} <= set(playbook.use), playbook.id
            # Words that a stranger can write, and figures alone, never confirm.
            assert not [
                r.id
                for r in playbook.findings
                if r.decisive and r.steps and set(r.steps) & {"traced", "calls", "written", "gaps", "used"}
            ]


def step(
    service: str, n: int, total: int = 40, base_n: int = 40, base_total: int = 40, to: str = "entry booked"
) -> Json:
    return {"service": service, "name": "Handler.post", "parent": f"POST /{service}", "from": "entry read", "to": to, "n": n, "base_n": base_n,
            "total": total, "base_total": base_total}  # fmt: skip


class TestRequestsThatBreakOff:
    def test_a_certain_step_that_is_missing_now_is_a_gap_and_its_end_is_told(self) -> None:
        (gap,) = gaps([step("ledger", 4), step("ledger", 36, base_n=0, to="")])
        assert (gap.service, gap.operation, gap.missing, gap.stops) == ("ledger", "POST /ledger", 36, True)
        (signal,) = signals_of([gap], BOTH)
        assert (signal.code, signal.reason, signal.subject) == ("trace.broken_off", "most", "service/ledger")
        assert "36 of 40 requests stop before “entry booked”, 0% did so before" in signal.detail

    def test_what_turns_off_weighs_less_than_what_stops(self) -> None:
        found = gaps([step("rates", 10), step("ledger", 20), step("ledger", 20, base_n=0, to="")])
        assert [(g.service, g.stops) for g in found] == [("ledger", True), ("rates", False)]

    @pytest.mark.parametrize(
        "row",
        [step("ledger", 37), step("ledger", 1, total=3), step("ledger", 6, total=11)],
        ids=["few", "rare", "chance"],
    )
    def test_few_or_chance_are_no_gap(self, row: Json) -> None:
        assert not [g for g in gaps([row]) if g.missing < 5]
        assert not gaps([step("ledger", 37)])

    def test_a_caller_breaks_off_where_its_callee_did(self) -> None:
        found = explained(gaps([step("web", 0), step("orders", 2), step("ledger", 10)]), CALLS, {})
        assert [(g.service, g.of_callee) for g in found] == [("ledger", ""), ("web", "ledger"), ("orders", "ledger")]
        assert [s.reason for s in signals_of(found, BOTH)] == ["most", "callee", "callee"]

    def test_a_callee_that_now_fails_aloud_explains_a_gap_too(self) -> None:
        (gap,) = explained(gaps([step("orders", 0)]), CALLS, {"rates": 30.0, "carts": 900.0, "ledger": 2.0})
        assert gap.of_callee == "rates"  # carts is not behind orders, and two lines explain nothing

    def test_services_that_call_each_other_explain_nothing(self) -> None:
        found = explained(gaps([step("web", 0), step("orders", 0)]), [("web", "orders"), ("orders", "web")], {})
        assert {g.of_callee for g in found} == {""}

    def test_many_services_at_once_are_lost_logs(self) -> None:
        found = gaps([step(f"svc-{i}", 0) for i in range(EVERYWHERE + 1)])
        assert len(found) == EVERYWHERE + 1
        assert not signals_of(found, BOTH)

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.builds(
                step,
                st.text(max_size=12),
                st.integers(0, 50),
                st.integers(50, 99),
                st.integers(0, 50),
                st.integers(50, 99),
                st.text(max_size=300),
            ),
            max_size=12,
        )
    )
    def test_foreign_lines_give_bounded_signals(self, rows: list[Json]) -> None:
        found: list[Gap] = explained(gaps(rows), CALLS, {})
        for signal in signals_of(found, BOTH):
            assert signal.subject.startswith("service/")
            assert len(signal.detail) <= 240
            assert not any(ord(c) < 32 and c != "\t" for c in signal.detail + signal.subject)


class TestWhoseErrorsTheyAre:
    def test_a_caller_of_one_that_fails_as_much_only_tells_of_it(self) -> None:
        assert inherited({"web": 40.0, "ledger": 36.0, "carts": 5.0}, CALLS) == {"web"}
        assert inherited({"web": 400.0, "ledger": 6.0}, CALLS) == frozenset()

    def test_behind_follows_calls_through_others_and_ends_in_a_circle(self) -> None:
        assert behind("web", callees([*CALLS, ("ledger", "web")])) == {"orders", "ledger", "rates", "carts", "web"}


def recording(folder: Path) -> Path:
    """Ten minutes of requests web -> orders -> ledger; in the last four, ledger swallows an exception before its last line."""
    end = 1_700_000_000 * 10**9
    spans: list[Json] = []
    logs: list[Json] = []
    for number in range(200):
        start = end - (600 - 3 * number) * 10**9
        trace, broken = f"{number + 1:032x}", number >= 120
        parent = ""
        for depth, service in enumerate(("web", "orders", "ledger")):
            span = f"{number * 8 + depth + 1:016x}"
            at = start + depth * 1_000_000
            spans.append({"trace_id": trace, "span_id": span, "parent_span_id": parent, "service": service, "name": f"POST /{service}", "start_ns": at,
                          "end_ns": at + (20 - 4 * depth) * 1_000_000})  # fmt: skip
            told = [f"entry {number} read: customer-{number % 7}", f"entry {number} checked", f"entry {number} booked"]
            for k, text in enumerate(told[: 2 if broken and service == "ledger" else 3]):
                body = json.dumps({"level": "info", "message": text}) if service == "ledger" else f"INFO {text}"
                logs.append(
                    {
                        "time_ns": at + (k + 1) * 100_000,
                        "service": service,
                        "severity": "INFO",
                        "body": body,
                        "trace_id": trace,
                        "span_id": span,
                    }
                )
            if broken and service != "ledger" and number % 2:
                logs.append({"time_ns": at + 900_000, "service": service, "severity": "ERROR", "body": "no answer for the entry", "trace_id": trace,
                             "span_id": span})  # fmt: skip
            parent = span
    for name, rows in (("spans", spans), ("logs", logs), ("metrics", [])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "case.json").write_text(json.dumps({"collected_at": "2023-11-14T22:13:20Z"}))
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("chdb")
    folder = recording(tmp_path_factory.mktemp("shop"))
    words = [sys.executable, "-m", "sandbox.telemetry", str(folder), "--port", "0", "--until-stdin-ends"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://")
        try:
            yield url
        finally:
            process.terminate()


async def test_an_exception_that_is_swallowed_is_found_where_it_is(store: str) -> None:
    at = (datetime.now(UTC) - timedelta(seconds=210)).strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = {"time_range": "15m", "alert_at": at}
    async with Client(create_server({"RCA_SIGNOZ_CLICKHOUSE_URL": store})) as client:
        broken, logs, calls = [
            (await client.call_tool(tool, {**asked, **more})).structured_content or {}
            for tool, more in (
                ("get_request_gaps", {}),
                ("query_logs", {}),
                ("get_service_dependencies", {"entrance": "orders"}),
            )
        ]
    (gap,) = broken["gaps"]
    assert (gap["service"], gap["operation"], gap["stops"]) == ("ledger", "POST /ledger", True)
    assert gap["line"] == "entry # booked"  # the statement, without the values
    assert [(s["subject"], s["reason"]) for s in broken["signals"]] == [("service/ledger", "most")]
    # Both callers fail aloud; of the two, the one nearer to the trouble is told as the one that has most.
    assert {s["subject"]: s["reason"] for s in logs["signals"] if s["code"] == "log.error_spike"} == {
        "service/web": "less",
        "service/orders": "most",
    }
    assert calls["reached"] == ["orders", "ledger"]
