"""SigNoz server, both sources over one incident: what the store says exactly, the API says too; and neither says a secret or writes."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import util
from math import isclose
from pathlib import Path
from typing import Any

import pytest

import mcp_servers.signoz as package
from mcp_servers.common.server import discover
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.server import INSTRUCTIONS
from mcp_servers.signoz.settings import load
from mcp_servers.signoz.sources.http_client import READING
from sandbox.signoz.rules import ERRORS_ID, LATENCY_ID, SILENT_ID
from sandbox.telemetry.generate import END_NS, generated

pytest.importorskip("chdb")
ROOT = Path(__file__).parents[2]
Json = dict[str, Any]
WINDOW = {"time_range": "30m", "alert_at": "now-5m"}
_BEGAN: list[datetime] = []  # the present of all questions: when the sandbox was ready, not when pytest read this file
# What the two sources may differ in. Counts and times are exact; quantiles of the store's sketches and the answer's own data are not.
# Metrics begin for the API at the start of a slot, so that its baseline of a counter holds a little less.
LOOSE = {
    "baseline_avg": 0.1,
    "change_ratio": 0.1,
    "p99_ms": 0.1,
    "base_p99_ms": 0.1,
    "p50_ms": 0.1,
    "score": 0.2,
    "now": 0.1,
    "before": 0.1,
}
OWN = {"source", "notes", "took_ms"}
# The store keeps neither thresholds nor conditions of rules; the API counts no keys and shows no address of the store.
API_ONLY = {"threshold", "about", "condition", "filter", "group_by", "severity", "kind", "refs", "summary"}


def _secrets() -> list[Any]:
    """The attacker's kit lies with the security tests; it is loaded from there."""
    found = util.spec_from_file_location("attacker_kit", ROOT / "tests/security/attacker_kit.py")
    assert found is not None
    assert found.loader is not None
    module = util.module_from_spec(found)
    sys.modules["attacker_kit"] = module
    found.loader.exec_module(module)
    return list(module.known_secrets())


SECRETS = _secrets()


@dataclass
class Signoz:
    """A running sandbox: the store and the API over one engine."""

    store: str
    signoz: str

    def environ(self, source: str, key: str = "viewer-key", **more: str) -> dict[str, str]:
        store = {"RCA_SIGNOZ_CLICKHOUSE_URL": self.store}
        api = {"RCA_SIGNOZ_URL": self.signoz, "RCA_SIGNOZ_API_KEY": key}
        return {"store": store, "api": api, "both": store | api}[source] | {"RCA_MAX_RESULT_BYTES": "24000"} | more

    def control(self, **told: Any) -> list[list[Any]]:
        """Set faults and hidden keys; gives what was asked since the last time."""
        request = urllib.request.Request(f"{self.signoz}/sandbox", data=json.dumps(told).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return list(json.load(answer)["asked"])


@pytest.fixture(scope="module")
def signoz(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signoz]:
    """The incident with an exception in it, and every kind of secret in its logs, spans and exceptions."""
    folder, recording = tmp_path_factory.mktemp("recording"), generated("exception")
    for number, secret in enumerate(SECRETS):
        at = END_NS - (number + 5) * 10**9
        recording.logs.append(
            {"time_ns": at, "service": "leaky", "pod": "leaky-0", "severity": "ERROR", "body": secret.line}
        )
        span: Json = {
            "trace_id": f"{number + 1:032x}",
            "span_id": f"{number + 1:016x}",
            "service": "leaky",
            "name": "GET /leak",
        }
        span |= {"start_ns": at, "end_ns": at + 10**6, "kind": "server", "error": True, "status_message": secret.line}
        told = {
            "type": f"Leak{number}",
            "message": secret.line,
            "stacktrace": f"Leak\n at {secret.line}\n at own.frame",
        }
        recording.spans.append(span | {"exception": told})
    (folder / "case.json").write_text(json.dumps({"collected_at": "2023-11-14T22:13:20Z"}))
    for part in ("logs", "spans", "metrics"):
        (folder / f"{part}.jsonl").write_text("\n".join(json.dumps(row) for row in getattr(recording, part)))
    words = [sys.executable, "-m", "sandbox.signoz", str(folder), "--until-stdin-ends"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        running = Signoz(**json.loads(process.stdout.readline()))
        _BEGAN[:] = [datetime.now(UTC)]
        yield running
        process.terminate()


_SERVERS: dict[tuple[tuple[str, str], ...], tuple[Context, Any]] = {}


@asynccontextmanager
async def client(environ: dict[str, str]) -> AsyncIterator[Any]:
    """The server of these settings with its connections open. It is made once and asked without a protocol session: sessions check the
    schemas of all tools anew, which costs more than the questions; other tests ask through them.
    """
    key = tuple(sorted(environ.items()))
    if key not in _SERVERS:
        context = Context(load(environ | {"RCA_CACHE_S": "0"}), lambda: _BEGAN[0])
        _SERVERS[key] = context, discover(package, INSTRUCTIONS, context)
    context, server = _SERVERS[key]
    async with context.lifespan(server):
        yield server


def timed(arguments: Json) -> Json:
    """``now-5m`` as the time that it is."""
    when = (_BEGAN[0] - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {name: when if value == "now-5m" else value for name, value in arguments.items()}


async def ask(environ: dict[str, str], tool: str, **arguments: Any) -> Json:
    async with client(environ) as opened:
        answer = (await opened.call_tool(tool, timed(arguments))).structured_content
    assert answer is not None
    return dict(answer)


def ordered(answer: Json) -> Json:
    """Edges that are equally slow come in any order."""
    edges = sorted(answer.get("edges", []), key=lambda e: (e["source"], e["target"]))
    return answer | {"edges": edges} if edges else answer


def differences(a: Any, b: Any, path: str = "") -> list[str]:
    """Where two answers differ beyond what is allowed."""
    name = re.sub(r"\[\d+\]", "", path).rsplit(".", 1)[-1]
    if name in OWN:
        return []
    if isinstance(a, dict) and isinstance(b, dict):
        return [d for k in sorted(a.keys() | b.keys()) for d in differences(a.get(k), b.get(k), f"{path}.{k}")]
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return [f"{path}: {len(a)} and {len(b)} entries: {str(a)[:200]} / {str(b)[:200]}"]
        return [d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, f"{path}[{i}]")]
    if isinstance(a, int | float) and isinstance(b, int | float):
        near = isclose(
            a, b, rel_tol=LOOSE.get(name, 0.01), abs_tol={"score": 0.02, "change_ratio": 0.06}.get(name, 0.002)
        )
        return [] if near else [f"{path}: {a} and {b}"]
    return [] if a == b else [f"{path}: {a!r} and {b!r}"]


ASKED: list[tuple[str, Json]] = [
    ("get_service_overview", WINDOW),
    ("get_service_overview", {**WINDOW, "service": "orders"}),
    ("get_service_dependencies", WINDOW),
    ("get_service_dependencies", {**WINDOW, "service": "orders", "direction": "down"}),
    ("query_logs", {**WINDOW, "service": "payments"}),
    ("query_logs", {**WINDOW, "service": "payments", "severity": "error", "contains": "Gateway"}),
    ("query_logs", {**WINDOW, "service": "payments", "mode": "raw", "limit": 5}),
    ("get_exceptions", {**WINDOW, "service": "payments"}),
    ("search_traces", {"time_range": "30m", "service": "payments"}),
    ("search_traces", {"time_range": "30m", "service": "web", "kind": "slow", "limit": 3}),
    ("query_metrics", {"metric_name": "k8s.pod.cpu.usage", "group_by": ["service.name"], **WINDOW}),
    ("query_metrics", {"metric_name": "http.server.request.count", "filters": "service.name=cart", **WINDOW}),
    ("find_fields", {"signal": "traces", "values_of": "service.name"}),
]
# Examples are chosen by each source as it can; the rest of a row must agree. ``series`` ends in a cut slot that the API marks as partial.
CHOSEN = {"trace_ids", "trace_id", "example", "pods", "message", "traces", "series", "values", "last", "max", "frames"}


class TestBothSourcesSayTheSame:
    async def test_field_by_field(self, signoz: Signoz) -> None:
        found = []
        async with client(signoz.environ("store")) as store, client(signoz.environ("api")) as api:
            for tool, arguments in ASKED:
                by_store, by_api = [
                    (await c.call_tool(tool, timed(arguments))).structured_content or {} for c in (store, api)
                ]
                assert "error" not in by_store, tool
                assert by_store["source"]["backend"] == "signoz-clickhouse"
                assert by_api["source"]["backend"] == "signoz-http"
                for told in differences(ordered(by_store), ordered(by_api)):
                    free = CHOSEN | ({"summary"} if tool == "query_metrics" else set())
                    if not free & set(re.findall(r"\w+", told.split(":")[0])):
                        found.append(f"{tool} {told}")
        assert found == []

    async def test_the_answers_hold_the_incident(self, signoz: Signoz) -> None:
        overview = await ask(signoz.environ("api"), "get_service_overview", **WINDOW)
        reasons = {s["subject"]: s["reason"] for s in overview["signals"] if s["code"] == "svc.error_rate_up"}
        assert reasons["service/payments"] == "own"
        assert reasons["service/web"] == "inherited"
        found = (await ask(signoz.environ("api"), "get_exceptions", service="payments", **WINDOW))["exceptions"]
        assert (found[0]["type"], found[0]["is_new"]) == ("CardGatewayError", True)
        assert found[0]["frames"][0] == "at Gateway.charge(Gateway.java:41)"

    async def test_a_trace_is_the_same_span_by_span(self, signoz: Signoz) -> None:
        search = await ask(signoz.environ("api"), "search_traces", service="payments", time_range="30m")
        trace = {"trace_id": search["traces"][0]["trace_id"]}
        by_store, by_api = [await ask(signoz.environ(s), "query_traces", **trace) for s in ("store", "api")]
        assert differences(by_store, by_api) == []
        assert by_api["error_spans"][0]["service"] == "payments"
        missing = await ask(signoz.environ("api"), "query_traces", trace_id="f" * 32)
        assert missing["error"]["code"] == "NOT_FOUND"

    async def test_resources_agree_where_the_api_can_read_them(self, signoz: Signoz) -> None:
        asked = {"service": "payments", **WINDOW}
        by_store, by_api = [await ask(signoz.environ(s), "get_service_resources", **asked) for s in ("store", "api")]
        told = {r["metric"]: r for r in by_store["resources"]}
        assert {r["metric"] for r in by_api["resources"]} <= set(told)
        assert len(by_api["resources"]) >= 3
        for row in by_api["resources"]:
            assert isclose(row["now"], told[row["metric"]]["now"], rel_tol=0.1), row

    async def test_an_unknown_service_gets_close_names_from_both(self, signoz: Signoz) -> None:
        for source in ("store", "api"):
            answer = await ask(signoz.environ(source), "get_service_overview", service="payment", **WINDOW)
            assert answer["error"]["code"] == "NOT_FOUND"
            assert "payments" in answer["error"]["hint"]


class TestAlerts:
    async def test_what_fires_together(self, signoz: Signoz) -> None:
        by_store, by_api = [await ask(signoz.environ(s), "get_alerts") for s in ("store", "api")]
        found = differences(by_store, by_api)
        assert [d for d in found if not API_ONLY & set(re.findall(r"\w+", d.split(":")[0]))] == []
        first = by_api["alerts"][0]
        assert (first["name"], first["state"], first["threshold"]) == ("High error share", "firing", 5)
        assert {"orders", "payments", "web"} <= set(first["services"])
        assert [s["subject"] for s in by_api["signals"] if s["code"] == "alert.nodata"] == ["service/payments"]

    async def test_of_one_service(self, signoz: Signoz) -> None:
        answer = await ask(signoz.environ("api"), "get_alerts", service="cart")
        assert answer["alerts"] == []
        assert "none has a label that names cart" in " ".join(answer["notes"])

    async def test_a_rule_in_one_sentence(self, signoz: Signoz) -> None:
        async with client(signoz.environ("api")) as api:
            for rule, says in (
                (ERRORS_ID, "by service.name above 5 percent (critical), at least once in 5m"),
                (f"https://signoz.example.com/alerts/edit?ruleId={LATENCY_ID}&x=1", "p99(durationNano) of spans"),
                (SILENT_ID, "at or above 1000, in total in 10m; also without data for 10 min"),
            ):
                answer = (await api.call_tool("get_alert_rule", {"rule": rule})).structured_content or {}
                assert says in answer["condition"]

    async def test_its_history_is_the_same_from_the_store(self, signoz: Signoz) -> None:
        by_store, by_api = [await ask(signoz.environ(s), "get_alert_rule", rule=ERRORS_ID) for s in ("store", "api")]
        assert by_store["fired"] == by_api["fired"] >= 3
        key = lambda c: json.dumps(c, sort_keys=True)  # noqa: E731 (an order for what happened at the same time)
        assert sorted(by_store["timeline"], key=key) == sorted(by_api["timeline"], key=key)
        assert "RCA_SIGNOZ_URL" in " ".join(by_store["notes"])

    async def test_with_both_configured_alerts_come_from_the_api(self, signoz: Signoz) -> None:
        answer = await ask(signoz.environ("both"), "get_alert_rule", rule=ERRORS_ID)
        assert answer["condition"]
        assert answer["source"]["backend"] == "signoz-clickhouse"

    async def test_a_rule_that_is_not_there(self, signoz: Signoz) -> None:
        for source in ("store", "api"):
            answer = await ask(signoz.environ(source), "get_alert_rule", rule="0198a1b2-c3d4-7e5f-8a9b-000000000009")
            assert answer["error"]["code"] == "NOT_FOUND"


class TestNever:
    async def test_only_reading_paths_are_asked_and_no_sql_is_sent(self, signoz: Signoz) -> None:
        signoz.control()
        async with client(signoz.environ("api")) as opened:
            for tool, arguments in [
                *ASKED,
                ("health", {}),
                ("get_alerts", {}),
                ("get_alert_rule", {"rule": ERRORS_ID}),
            ]:
                await opened.call_tool(tool, timed(arguments))
            tools = {t.name for t in await opened.list_tools()}
        asked = signoz.control()
        assert {tool for tool, _ in ASKED} | {"query_traces", "get_service_resources"} <= tools
        assert len(asked) > 50
        for method, path, body in asked:
            assert any(m == method and p.fullmatch(path) for m, p in READING), (method, path)
            assert "clickhouse_sql" not in json.dumps(body)
            if path.endswith("query_range"):
                assert {q["type"] for q in body["compositeQuery"]["queries"]} == {"builder_query"}
                assert body["end"] - body["start"] <= 31 * 86_400_000
                assert body["compositeQuery"]["queries"][0]["spec"]["limit"] <= 5000

    async def test_words_stay_words_in_a_filter(self, signoz: Signoz) -> None:
        for text in ("x\\' OR 1=1 --", "%zz_%"):
            by_store, by_api = [
                await ask(signoz.environ(s), "query_logs", contains=text, **WINDOW) for s in ("store", "api")
            ]
            assert by_api.get("patterns", []) == [] == by_store.get("patterns", []), text

    async def test_no_secret_leaves_through_either_source(self, signoz: Signoz) -> None:
        assert len(SECRETS) >= 60
        for source in ("store", "api"):
            said = []
            async with client(signoz.environ(source)) as opened:
                for tool, arguments in (
                    ("query_logs", {"service": "leaky", "limit": 50}),
                    ("query_logs", {"service": "leaky", "mode": "raw", "limit": 50}),
                    ("query_logs", {"service": "leaky", "mode": "raw", "limit": 50, "contains": "with"}),
                    ("get_exceptions", {"service": "leaky", "limit": 30}),
                    ("search_traces", {"service": "leaky", "limit": 30}),
                    ("query_traces", {"trace_id": f"{40:032x}"}),
                    ("query_traces", {"trace_id": f"{60:032x}"}),
                ):
                    answer = await opened.call_tool(
                        tool, {"time_range": "30m", **arguments} if tool != "query_traces" else arguments
                    )
                    assert not answer.is_error, answer.structured_content
                    said.append(json.dumps(answer.structured_content, ensure_ascii=False))
            found = [s.kind for s in SECRETS if any(s.core in text for text in said)]
            assert found == []
            assert any("redacted" in text for text in said)


class TestAnApiThatMisbehaves:
    async def test_is_told_with_what_to_mend(self, signoz: Signoz) -> None:
        async with client(signoz.environ("api")) as api:
            for fault, code, says in (
                ("html", "UNAVAILABLE", "web page"),
                ("forbidden", "FORBIDDEN", "403"),
                ("not_json", "UPSTREAM", "not JSON"),
                ("too_many", "RATE_LIMITED", "429"),
                ("away", "UNAVAILABLE", "503"),
                ("bad_filter", "VALIDATION", "400"),
                ("missing", "UNSUPPORTED", "has no /api/v5/query_range"),
            ):
                signoz.control(faults={fault: ["query_range", 999]})
                answer = (await api.call_tool("get_service_overview", timed(WINDOW))).structured_content or {}
                assert (answer["error"]["code"], says in answer["error"]["message"]) == (code, True), answer
                assert answer["error"].get("hint"), fault
                assert "hunter2" not in json.dumps(answer)
        signoz.control(faults={})

    async def test_a_pause_is_waited_out(self, signoz: Signoz) -> None:
        signoz.control(faults={"too_many": ["query_range", 2]})
        answer = await ask(signoz.environ("api"), "get_service_overview", **WINDOW)
        assert answer["services"]

    async def test_it_is_slow(self, signoz: Signoz) -> None:
        signoz.control(faults={"slow": ["alerts", 1]})
        answer = await ask(signoz.environ("api", RCA_SIGNOZ_TIMEOUT_S="1"), "get_alerts")
        assert (answer["error"]["code"], answer["error"]["retryable"]) == ("TIMEOUT", True)

    async def test_rows_may_be_null(self, signoz: Signoz) -> None:
        signoz.control(faults={"rows_null": ["query_range", 999]})
        try:
            answer = await ask(signoz.environ("api"), "query_logs", **WINDOW)
        finally:
            signoz.control(faults={})
        assert "ingestion gap" in " ".join(answer["notes"])

    async def test_nan_is_no_number(self, signoz: Signoz) -> None:
        signoz.control(faults={"nan": ["query_range", 999]})
        try:
            answer = await ask(signoz.environ("api"), "get_service_overview", **WINDOW)
        finally:
            signoz.control(faults={})
        assert "NaN" not in json.dumps(answer)

    async def test_lines_without_the_service_key_fall_back_once(self, signoz: Signoz) -> None:
        keys = {"RCA_SIGNOZ_SERVICE_KEYS": "service.name,k8s.pod.name"}
        signoz.control(hidden=["service.name"])
        try:
            async with client(signoz.environ("api", **keys)) as opened:
                answer = (await opened.call_tool("query_logs", timed(WINDOW))).structured_content
                signoz.control(hidden=["service.name"])
                await opened.call_tool("query_logs", timed({**WINDOW, "severity": "error"}))
                asked = signoz.control(hidden=["service.name"])
        finally:
            signoz.control()
        assert answer is not None
        assert "key service.name is absent in logs; k8s.pod.name names the service instead" in answer["notes"]
        assert answer["total"] > 500
        assert "service.name" not in json.dumps(asked)


class TestHealth:
    async def test_the_right_key(self, signoz: Signoz) -> None:
        for source, identity in (("api", "rca-bot"), ("store", "rca_bot")):
            answer = await ask(signoz.environ(source), "health")
            assert (answer["identity"], answer["reachable"]) == (identity, True)
            assert {p["state"] for p in answer["permissions"]} == {"ok"}
            assert "refused" not in answer

    async def test_the_wrong_key(self, signoz: Signoz) -> None:
        answer = await ask(signoz.environ("api", "no-such-key"), "health")
        assert (answer["refused"]["code"], answer["reachable"]) == ("UNAUTHORIZED", True)
        assert "RCA_SIGNOZ_API_KEY" in answer["refused"]["hint"]
        assert "no-such-key" not in json.dumps(answer)

    async def test_a_key_that_may_write_is_refused(self, signoz: Signoz) -> None:
        key = "admin-key"
        refused = await ask(signoz.environ("api", key), "get_alerts")
        assert refused["error"]["code"] == "FORBIDDEN"
        assert "RCA_ALLOW_PRIVILEGED" in refused["error"]["hint"]
        health = await ask(signoz.environ("api", key), "health")
        assert health["refused"]["code"] == "FORBIDDEN"
        assert health["can_write"] == [f"signoz-{key.removesuffix('-key')}"]
        allowed = await ask(signoz.environ("api", key, RCA_ALLOW_PRIVILEGED="1"), "health")
        assert "refused" not in allowed
        assert "can do more than read" in " ".join(allowed["warnings"])

    async def test_a_key_without_a_role(self, signoz: Signoz) -> None:
        answer = await ask(signoz.environ("api", "bare-key"), "health")
        assert {p["state"] for p in answer["permissions"]} == {"forbidden"}
        assert "no role" in " ".join(answer["warnings"])
