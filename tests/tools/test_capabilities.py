"""Playbooks on servers of other makers: the same question, whoever answers; and never a false all-clear."""

import importlib.util
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult

from bot.alerts.model import Alert
from bot.investigation.anchor import windows_of
from bot.investigation.investigator import Investigator
from bot.investigation.model import Report
from bot.playbooks import model
from bot.playbooks.loader import Library, load_library
from bot.playbooks.model import Playbook
from bot.playbooks.router import Choice
from bot.playbooks.shelf import Shelf, adapted
from bot.settings import ServerSettings
from bot.tools import capabilities
from bot.tools.adapters import ADAPTERS
from bot.tools.capabilities import BY_TOOL, CAPABILITIES, Ask, Times
from bot.tools.capabilities_door import CapableTools
from bot.tools.hub import Hub
from bot.tools.inventory import ToolInfo
from mcp_servers.common.envelope import Envelope, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.strict import tool

_spec = importlib.util.spec_from_file_location("official_standin", Path(__file__).with_name("official_standin.py"))
assert _spec is not None
assert _spec.loader is not None
standin = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("official_standin", standin)
_spec.loader.exec_module(standin)

CONTAINERS = ("pods_get", "pods_list_in_namespace", "pods_log", "resources_get", "events_list")
FLUX = ("kubectl_get", "kubectl_logs")
ALERT = Alert(
    source="alertmanager",
    name="KubePodCrashLooping",
    severity="warning",
    namespace="shop",
    pod="checkout-7d9f-abc",
    labels={"alertname": "KubePodCrashLooping", "namespace": "shop", "pod": "checkout-7d9f-abc"},
    starts_at=datetime(2026, 11, 22, 3, 0, tzinfo=UTC),
)


@asynccontextmanager
async def official(
    *allow: str, pods: list[dict[str, Any]] | None = None, **more: Any
) -> AsyncIterator[tuple[Any, CapableTools]]:
    """A hub with nothing but one server that is not ours."""
    async with standin.Official(pods).serving() as server:
        servers = (ServerSettings(name="theirs", transport="http", url=server.url, allow=allow, **more),)
        hub = Hub(servers)
        await hub.start()
        try:
            assert await hub.wait_ready(10), hub.health()
            yield server, CapableTools(hub, servers)
        finally:
            await hub.stop()


@cache
def library() -> Library:
    return load_library()


async def shipped(tools: CapableTools, alert: Alert = ALERT) -> Report:
    """The shipped library as it stands, on these tools."""
    shelf = Shelf(library(), tools.instead)
    return await Investigator(tools, shelf.choose).investigate(alert, investigation="inv-1")


def book(*steps: dict[str, Any], **more: Any) -> Playbook:
    fields = {"version": 1, "id": "asks", "title": "Asks", "description": "for tests", **more}
    return Playbook.model_validate({**fields, "steps": [{"title": s["id"], **s} for s in steps]})


async def run(tools: Any, playbook: Playbook, alert: Alert = ALERT) -> Report:
    choice = Choice(playbook, "pin", "test")
    return await Investigator(tools, lambda alert, pin: choice).investigate(alert, investigation="inv-1")


async def ask(tools: CapableTools, capability: str, **arguments: Any) -> Any:
    return await tools.call(f"any.{capability}", arguments, id="E1", step="s", timeout=10)


# -- a shipped playbook on the official servers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("allow", [CONTAINERS, FLUX], ids=["containers", "flux159"])
async def test_a_shipped_playbook_finds_the_cause_through_an_official_server(allow: tuple[str, ...]) -> None:
    async with official(*allow) as (_, tools):
        report = await shipped(tools)
    assert report.playbook == "pod-crash-looping"
    assert (report.causes[0].code, report.causes[0].object) == (
        "kubernetes.container.oom_killed",
        "Deployment/shop/checkout",
    )
    assert report.verdict == "confirmed"
    assert {e.server for e in report.evidence if e.server != "alert"} == {"theirs"}
    said = " | ".join(line.text for line in report.not_checked)
    assert "theirs: its answers came through an adapter" in said
    assert "kubernetes: no such server is configured" in said  # what only ours can answer is named once


async def test_a_quiet_answer_through_an_adapter_is_no_all_clear() -> None:
    async with official(*CONTAINERS, pods=[standin.WELL]) as (_, tools):
        report = await shipped(tools)
    assert report.verdict == "inconclusive"
    assert "Nothing wrong" not in report.headline
    assert not [f for f in report.findings if f.state == "false" and f.id == "quota_exceeded"]


async def test_only_what_the_adapter_judges_may_be_false() -> None:
    rules = [
        {"id": "oom", "on": "k8s.pod.oom_killed", "title": "killed"},
        {"id": "stuck", "on": "deploy.stuck", "title": "a list of pods cannot say"},
        {"id": "said", "on": "log.oom_text", "title": "nobody asked for logs"},
    ]
    playbook = book({"id": "all", "capability": "k8s.unhealthy", "args": {"namespace": "shop"}}, findings=rules)
    async with official(*CONTAINERS, pods=[standin.WELL]) as (_, tools):
        report = await run(tools, playbook)
    assert {f.id: f.state for f in report.findings} == {"oom": "false", "stuck": "unknown", "said": "false"}
    assert report.findings[1].reason == "“all”: theirs does not tell this"
    assert report.headline == "No cause found yet. 1 of 1 checks ran."


async def test_an_untrusted_server_gives_text_and_no_judgement() -> None:
    async with official(*CONTAINERS, untrusted=True) as (_, tools):
        report = await shipped(tools)
    assert not any(e.signals for e in report.evidence)
    assert all(e.tainted == ("*",) for e in report.evidence if e.server == "theirs" and e.ok)
    assert report.verdict == "inconclusive"
    assert report.causes == ()


# -- one capability after the other ---------------------------------------------------------------------------------------------


async def test_logs_through_signoz_and_grafana_have_our_own_tools_shape() -> None:
    window = {"service": "payments", "time_range": "30m@2026-11-22T03:00:00Z", "severity": "error"}
    async with official("signoz_search_logs") as (server, tools):
        evidence = await ask(tools, "logs.patterns", **window)
    assert evidence.ok, evidence.error
    (pattern,) = evidence.data["patterns"]
    assert (pattern["level"], pattern["count"]) == ("error", 3)
    assert evidence.data["errors"] == 3
    assert evidence.tainted == ("patterns[].template", "patterns[].example")
    asked = server.last("signoz_search_logs")
    assert (asked["service"], asked["severity"]) == ("payments", "ERROR")
    assert (int(asked["start"]), int(asked["end"])) == (1795314600000, 1795316400000)

    async with official("list_datasources", "query_loki_logs") as (server, tools):
        evidence = await ask(tools, "logs.patterns", **{**window, "service": 'x"} or vector(1) #'})
    assert evidence.data["patterns"][0]["count"] == 3
    asked = server.last("query_loki_logs")
    assert asked["datasourceUid"] == "loki-1"
    assert asked["startRfc3339"] == "2026-11-22T02:30:00Z"
    assert asked["logql"].startswith(
        '{service_name="x\\"} or vector(1) #"}'
    )  # what an alert names cannot end the string


async def test_a_late_alerts_question_is_asked_about_its_own_time_whoever_answers() -> None:
    late = ALERT.model_copy(update={"starts_at": datetime.now(UTC) - timedelta(hours=6)})
    steps = (
        {"id": "lines", "capability": "logs.patterns", "args": {"service": "payments"}},
        {"id": "last_words", "capability": "k8s.logs", "args": {"namespace": "shop", "pod_name": "checkout-7d9f-abc"}},
        {"id": "nobody", "capability": "mongo.logs"},
    )
    async with official("signoz_search_logs", *CONTAINERS) as (server, tools):
        choice = Choice(book(*steps), "pin", "test")
        investigator = Investigator(tools, lambda alert, pin: choice, windows=windows_of(tools.known))
        report = await investigator.investigate(late, investigation="inv-1")
        asked = server.last("signoz_search_logs")
    onset = int(late.starts_at.timestamp() * 1_000)
    assert abs(int(asked["start"]) - (onset - 3_600_000)) < 2_000
    assert abs(int(asked["end"]) - (onset + 900_000)) < 2_000
    assert "time_range" not in server.last("pods_log")
    spot = report.blind_spots[0]  # the tail of a log is of now, and says so; what nobody was asked is no such check
    assert "last_words" in spot
    assert "lines" not in spot
    assert "nobody" not in spot


async def test_rates_series_rows_and_server_logs() -> None:
    async with official(
        "signoz_list_services",
        "list_datasources",
        "query_prometheus",
        "run_query",
        "mongodb-logs",
        "events_list",
        "resources_get",
    ) as (server, tools):
        rates = await ask(tools, "service.red", time_range="15m")
        series = await ask(tools, "metrics.promql", query="up", time_range="1h")
        rows = await ask(tools, "clickhouse.sql", sql="SELECT level, count() AS n FROM logs GROUP BY level")
        mongod = await ask(tools, "mongo.logs")
        events = await ask(tools, "k8s.events", namespace="shop")
        workload = await ask(tools, "k8s.workload", namespace="shop", name="checkout")
        missing = await ask(tools, "k8s.workload", namespace="shop", name="nobody")
    assert [s["service"] for s in rates.data["services"]] == ["payments", "cart"]  # the worst first
    assert rates.data["services"][0]["error_ratio"] == 0.25
    assert series.data["series"] == [
        {"labels": {"pod": "checkout-1"}, "first": 0.5, "last": 0.97, "min": 0.5, "max": 0.97, "points": 2}
    ]
    assert server.last("query_prometheus")["datasourceUid"] == "prom-1"
    assert rows.data == {"columns": ["level", "n"], "rows": [["ERROR", 7], ["INFO", 90]]}
    assert mongod.data["lines_read"] == 2
    assert [e["reason"] for e in events.data["events"]] == ["BackOff"]
    assert [s.code for s in workload.signals] == ["deploy.unavailable"]
    assert missing.error.code == "UPSTREAM"
    assert "not found" in missing.error.message
    assert [a["kind"] for t, a in server.asked if t == "resources_get"][1:] == [
        "Deployment",
        "StatefulSet",
        "DaemonSet",
    ]


async def test_an_answer_of_another_shape_is_a_failure_and_no_empty_finding() -> None:
    async with official("pods_get") as (server, tools):
        server.pods = [{"kind": "Pod", "metadata": {"name": "odd"}, "message": "no status here"}]
        evidence = await ask(tools, "k8s.pod", namespace="shop", pod_name="odd")
    assert evidence.status == "error"
    assert "cannot be read from an answer of this shape" in evidence.error.message
    assert evidence.signals == ()


# -- what is missing, what comes first ------------------------------------------------------------------------------------------


async def test_a_capability_that_nobody_offers_is_skipped_and_named_and_holds_no_verdict_back() -> None:
    playbook = book(
        {"id": "pod", "capability": "k8s.pod", "args": {"namespace": "shop", "pod_name": "checkout-7d9f-abc"}, "key": True},
        {"id": "logs", "capability": "logs.patterns", "args": {"service": "checkout"}, "key": True},
        findings=[{"id": "oom", "on": "k8s.pod.oom_killed", "cause": "kubernetes.container.oom_killed", "confidence": 0.95,
                   "decisive": True, "title": "killed"}],
    )  # fmt: skip
    async with official("pods_get") as (_, tools):
        report = await run(tools, playbook)
    checks = {c.id: (c.status, c.reason) for c in report.checks}
    assert checks["logs"] == ("skipped", "no server offers logs.patterns")
    assert "no server offers logs.patterns; 1 check needs it" in [line.text for line in report.not_checked]
    assert report.verdict == "confirmed"
    assert report.ran == (1, 1)


async def own_pod(namespace: str, pod_name: str) -> Annotated[CallToolResult, Envelope]:
    return ok(
        Envelope(
            summary="ours",
            signals=[signal("k8s.pod.crash_loop", f"Pod/{namespace}/{pod_name}", "x", reason="app_exit")],
        )
    )


async def test_ours_answers_first_under_whatever_name_it_runs() -> None:
    made = MCPServer("ours", tools=[tool(own_pod, "get_pod_status", "one pod", ("k8s.pod.crash_loop",))])
    async with standin.Official().serving() as server:
        servers = (
            ServerSettings(name="theirs", transport="http", url=server.url, allow=CONTAINERS),
            ServerSettings(name="cluster-a"),
        )
        hub = Hub(servers, ready={"cluster-a": made})
        await hub.start()
        try:
            assert await hub.wait_ready(10)
            tools = CapableTools(hub, servers)
            first = await ask(tools, "k8s.pod", namespace="shop", pod_name="p")
            assert (first.server, first.unjudged, first.summary) == ("cluster-a", (), "ours")
            assert tools.signals_of("any.k8s.pod") == {"k8s.pod.crash_loop"}
            # A playbook that names our server, which is called otherwise here.
            led = adapted(
                book(
                    {"id": "pod", "tool": "kubernetes.get_pod_status", "args": {"namespace": "shop", "pod_name": "p"}}
                ),
                tools.instead,
            )
            assert led.steps[0].tool == "any.k8s.pod"
            assert (await run(tools, led)).evidence[0].server == "cluster-a"
        finally:
            await hub.stop()


async def test_what_the_policy_refuses_is_no_way_to_an_answer() -> None:
    async with official("pods_get", deny=("pods_*",)) as (server, tools):
        assert not tools.has_server("any.k8s.pod")
        evidence = await ask(tools, "k8s.pod", namespace="shop", pod_name="p")
        assert evidence.error.code == "UNSUPPORTED"
        assert server.asked == []


def test_the_table_is_sound() -> None:
    assert capabilities.ANY == model.ANY
    assert {a.capability for a in ADAPTERS} <= set(CAPABILITIES)
    assert all(c.own.count(".") == 1 for c in BY_TOOL.values())
    for adapter in ADAPTERS:  # an adapter must not claim a judgement that the question does not ask for
        patterns = capabilities.CAPABILITIES[adapter.capability].signals
        assert not adapter.judges or patterns


def test_a_window_in_every_spelling() -> None:
    now = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
    times = Times.of("±15m@2026-11-22T03:00:00Z", now)
    assert (times.start_iso, times.end_iso) == ("2026-11-22T02:45:00Z", "2026-11-22T03:15:00Z")
    assert times.start_ns == times.start_ms * 1_000_000 == int(times.range.start.timestamp()) * 10**9
    assert times.since_seconds == 75 * 60


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["items", "status", "metadata", "containerStatuses", "state", "waiting", "reason", "data", "rows", "line", "values",
                         "kind", "spec", "conditions", "type", "name", "logs", "columns", "metric", "labels", "message", "x"]),
        inner, max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    JSON, st.dictionaries(st.sampled_from(["namespace", "pod_name", "service", "kind", "object"]), st.text(max_size=8))
)
def test_no_answer_breaks_an_adapter(data: Any, arguments: dict[str, Any]) -> None:
    asked = Ask(arguments, datetime(2026, 11, 22, tzinfo=UTC))
    for adapter in ADAPTERS:
        given_ = adapter.reads(data, asked)
        assert given_ is None or len(given_.signals) <= 12 or adapter.capability == "k8s.workload"


def test_a_tool_of_the_same_name_on_another_product_is_not_taken_for_it() -> None:
    class Door:
        def inventory(self) -> dict[str, ToolInfo]:
            return {"x.run_query": ToolInfo("x.run_query", "x", "run_query", schema={"properties": {"metric": {}}})}

        def has_server(self, name: str) -> bool:
            return name == "x"

    assert CapableTools(Door()).ways(CAPABILITIES["clickhouse.sql"]) == []  # type: ignore[arg-type]
