"""What keeps a server from adding to an incident, and its answers honest: circuit, retries, sizes, cursors, audit, readiness, health."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_args

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import audit, health, strict
from mcp_servers.common.breaker import Breaker
from mcp_servers.common.config import CommonSettings, ConfigError, Environment, common
from mcp_servers.common.context import BackendContext
from mcp_servers.common.cursor import Position, decode, encode
from mcp_servers.common.door import Door
from mcp_servers.common.envelope import Envelope, ErrorCode, ErrorInfo, Page, ToolFailure, ok
from mcp_servers.common.health import Health, Permission
from mcp_servers.common.redaction import WINDOW, redact, redactor
from mcp_servers.common.retry import patiently
from mcp_servers.common.shrink import shrink, size
from mcp_servers.common.timerange import Range, parse_range
from mcp_servers.common.transports import http_app

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
AWAY = ToolFailure("UNAVAILABLE", "the store at 10.0.0.9 refuses connections", retryable=True)


def configured(**environ: str) -> CommonSettings:
    return common(Environment({"RCA_CACHE_S": "0", **environ}))


class Answer(Envelope):
    SHRINK: ClassVar[tuple[str, ...]] = ("rows[].labels",)

    rows: list[dict[str, str]] = Field(default_factory=list)


class Backend:
    """A backend that does as it is told, behind one tool and a health tool; its clock stands until it is moved."""

    def __init__(self) -> None:
        self.asked, self.seconds, self.answers = 0, 0.0, Answer(summary="fine")
        self.failure: Exception | None = None

    async def look(self, what: str = "") -> Annotated[CallToolResult, Answer]:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        audit.scanned(700)
        return ok(self.answers)

    async def health(self) -> Health:
        if self.failure is not None:
            raise self.failure
        return health.settled(Health(summary="", server="store:9000", reachable=True))

    def server(self, **environ: str) -> MCPServer[Any]:
        door = Door(configured(**environ), "test", Breaker(clock=lambda: self.seconds))
        tools = [strict.tool(self.look, "look", "looks"), health.tool(self.health, "for operators", "store:9000")]
        return MCPServer("rca-test", tools=[door.admit(tool) for tool in tools])


async def told(client: Client, tool: str = "look", **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert result.structured_content is not None, result.content
    return result.structured_content


# -- circuit ---------------------------------------------------------------------------------------------------------------------


async def test_a_backend_that_does_not_answer_is_left_alone_and_then_tried_once() -> None:
    backend = Backend()
    backend.failure = AWAY
    async with Client(backend.server()) as client:
        for n in range(5):
            assert (await told(client, what=str(n)))["error"]["message"] == "the store at 10.0.0.9 refuses connections"
        refused = (await told(client, what="six"))["error"]
        assert backend.asked == 5
        assert (refused["code"], refused["retryable"], refused["retry_after_s"]) == ("UNAVAILABLE", True, 30)
        assert "the store at 10.0.0.9 refuses connections" in refused["message"]
        assert "asked again in 30 s" in refused["hint"]

        backend.seconds = 31
        await told(client, what="probe")  # still away: one question, and the circuit is open again
        await told(client, what="after")
        assert backend.asked == 6

        backend.seconds, backend.failure = 62, None
        assert (await told(client, what="back"))["summary"] == "fine"
        assert (await told(client, what="and on"))["summary"] == "fine"
    assert backend.asked == 8


async def test_the_health_tool_looks_through_an_open_circuit_and_closes_it() -> None:
    backend = Backend()
    backend.failure = ToolFailure("TIMEOUT", "no answer")
    async with Client(backend.server()) as client:
        for n in range(5):
            await told(client, what=str(n))
        assert (await told(client, "health"))["reachable"] is False
        assert "was not asked" in (await told(client))["error"]["message"]
        backend.failure = None
        assert (await told(client, "health"))["reachable"] is True
        assert (await told(client))["summary"] == "fine"


@pytest.mark.parametrize("code", ["FORBIDDEN", "NOT_FOUND", "TOO_LARGE", "RATE_LIMITED"])
async def test_a_backend_that_answers_with_a_refusal_is_not_away(code: Any) -> None:
    backend = Backend()
    backend.failure = ToolFailure(code, "no")
    async with Client(backend.server()) as client:
        for n in range(7):
            assert (await told(client, what=str(n)))["error"]["code"] == code
    assert backend.asked == 7


async def test_a_refused_argument_says_nothing_about_the_backend() -> None:
    backend = Backend()
    async with Client(backend.server()) as client:
        for n in range(6):
            backend.failure = ToolFailure("VALIDATION", "bad") if n == 3 else AWAY
            await told(client, what=str(n))
        assert "was not asked" in (await told(client))["error"]["message"]


async def test_a_defect_of_a_tool_is_an_answer_with_a_number_that_stands_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = Backend()
    backend.failure = KeyError("password=hunter2")
    async with Client(backend.server()) as client:
        result = await client.call_tool("look", {})
    assert result.is_error
    error = (result.structured_content or {})["error"]
    assert error["code"] == "UPSTREAM"
    assert "hunter2" not in json.dumps(error)
    number = error["message"].rpartition("error ")[2].rstrip(")")
    assert any(number in record.getMessage() and record.exc_info for record in caplog.records)


async def test_a_wrong_argument_is_named_and_its_value_is_not_repeated() -> None:
    backend = Backend()
    async with Client(backend.server()) as client:
        unknown = (await told(client, whatIs="token=abc123def"))["error"]
        wrong = (await told(client, what={"password": "hunter2"}))["error"]
    assert (unknown["code"], unknown["message"]) == ("VALIDATION", "look: whatIs is not an argument")
    assert unknown["hint"] == "did you mean what? look takes what"
    assert wrong["message"] == "look: what: Input should be a valid string"
    assert backend.asked == 0


# -- retries ---------------------------------------------------------------------------------------------------------------------


async def tries(*failures: ToolFailure, patience_s: float = 1.0) -> tuple[int, str]:
    left, asked = list(failures), 0

    async def ask() -> str:
        nonlocal asked
        asked += 1
        if left:
            raise left.pop(0)
        return "ok"

    try:
        return asked, await patiently(ask, patience_s)
    except ToolFailure as failure:
        return asked, failure.info.code
    finally:
        tries.asked = asked  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("failures", "asked", "outcome"),
    [
        ((), 1, "ok"),
        ((AWAY,), 2, "ok"),
        ((ToolFailure("RATE_LIMITED", "later", retry_after_s=0.01),), 2, "ok"),
        ((AWAY, AWAY, AWAY, AWAY), 3, "UNAVAILABLE"),
        ((ToolFailure("TIMEOUT", "slow", retryable=True),), 1, "TIMEOUT"),
        ((ToolFailure("FORBIDDEN", "no"),), 1, "FORBIDDEN"),
        ((ToolFailure("RATE_LIMITED", "much later", retry_after_s=60),), 1, "RATE_LIMITED"),
    ],
)
async def test_only_what_may_pass_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, failures: tuple[ToolFailure, ...], asked: int, outcome: str
) -> None:
    monkeypatch.setattr("mcp_servers.common.retry.PAUSES_S", (0.001, 0.001))
    _, said = await tries(*failures)
    assert (tries.asked, said) == (asked, outcome)  # type: ignore[attr-defined]


# -- sizes -----------------------------------------------------------------------------------------------------------------------


def rows(n: int) -> list[dict[str, str]]:
    return [{"name": f"checkout-{i}", "labels": "l" * 60} for i in range(n)]


async def test_what_the_model_calls_dispensable_goes_before_any_row() -> None:
    backend = Backend()
    backend.answers = Answer(summary="s", rows=rows(150))
    async with Client(backend.server()) as client:
        result = await client.call_tool("look", {})
    answer = result.structured_content or {}
    assert len(answer["rows"]) == 150
    assert all("labels" not in row for row in answer["rows"])
    assert answer["notes"] == ["rows[].labels: left out"]
    assert answer["truncated"] is True
    assert "rca/shrink" not in (result.meta or {})  # what `ok` told the door stays inside


async def test_a_page_counts_what_is_shown_and_loses_a_cursor_that_would_skip_rows() -> None:
    backend = Backend()
    backend.answers = Answer(summary="s", rows=rows(900), page=Page(returned=900, total=2000, next="opaque"))
    async with Client(backend.server()) as client:
        answer = await told(client)
    assert (answer["page"]["returned"], answer["page"]["total"]) == (len(answer["rows"]), 2000)
    assert "next" not in answer["page"]
    assert len(answer["rows"]) < 900
    backend.answers = Answer(summary="s", rows=rows(900))
    async with Client(backend.server()) as client:
        assert (await told(client))["page"]["total"] == 900


SMALL = st.text(max_size=400) | st.integers() | st.none()
ANSWERS = st.fixed_dictionaries(
    {"summary": st.text(max_size=240), "rows": st.lists(st.fixed_dictionaries({"a": SMALL, "b": SMALL}), max_size=60)}
)


@settings(max_examples=30, deadline=None)
@given(
    ANSWERS, st.integers(300, 4000), st.lists(st.sampled_from(["rows[].a", "rows[].b", "rows", "x[].y", "summary.z"]))
)
def test_shrinking_with_fields_to_spare_fits_is_settled_and_stays_json(data: Any, limit: int, first: list[str]) -> None:
    small, notes = shrink(data, limit, first=first)
    assert size(small) <= limit
    assert json.loads(json.dumps(small)) == small
    assert shrink(small, limit, first=first) == (small, [])
    assert bool(notes) == (small != data)


# -- cursors ---------------------------------------------------------------------------------------------------------------------

ARGUMENTS = st.dictionaries(st.text(max_size=10), st.text(max_size=20) | st.integers() | st.booleans(), max_size=4)
MOMENTS = st.integers(1, 6 * 86_400 * 1000).map(lambda ms: NOW - timedelta(milliseconds=ms))
POSITIONS = st.builds(
    Position,
    offset=st.integers(0, 100_000),
    window=st.none() | st.builds(lambda start: Range(start, NOW), MOMENTS),
)


@given(POSITIONS, ARGUMENTS)
def test_a_cursor_brings_back_what_it_was_given(position: Position, arguments: dict[str, Any]) -> None:
    cursor = encode(position, "query_logs", arguments)
    later = NOW + timedelta(hours=1)
    assert decode(cursor, "query_logs", arguments, now=later) == position
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(POSITIONS, ARGUMENTS, ARGUMENTS)
def test_a_cursor_is_worth_nothing_elsewhere(position: Position, mine: dict[str, Any], other: dict[str, Any]) -> None:
    cursor = encode(position, "query_logs", mine)
    with pytest.raises(ToolFailure) as caught:
        decode(cursor, "query_traces", mine, now=NOW)
    assert caught.value.info.code == "VALIDATION"
    if json.dumps(mine, sort_keys=True) != json.dumps(other, sort_keys=True):
        with pytest.raises(ToolFailure, match="other arguments"):
            decode(cursor, "query_logs", other, now=NOW)


@given(st.text(max_size=700) | st.binary(max_size=60).map(lambda b: b.hex()))
def test_any_text_is_refused_as_a_cursor(text: str) -> None:
    with pytest.raises(ToolFailure) as caught:
        decode(text, "query_logs", {}, now=NOW)
    assert caught.value.info.code == "VALIDATION"


def test_a_forged_cursor_opens_no_wider_window_than_an_argument_would() -> None:
    wide = Range(NOW - timedelta(days=300), NOW)
    ahead = Range(NOW, NOW + timedelta(days=1))
    for window in (wide, ahead, Range(NOW, NOW)):
        with pytest.raises(ToolFailure, match="not one that this tool gave out"):
            decode(encode(Position(window=window), "t", {}), "t", {}, now=NOW)


@given(st.integers(1, 99_999), st.sampled_from("smhdw"), st.integers(0, 10**6))
def test_a_window_is_as_long_as_it_says_or_as_long_as_it_may_be(length: int, unit: str, ago: int) -> None:
    end = NOW - timedelta(seconds=ago)
    window = parse_range(f"{length}{unit}@{end.isoformat()}", NOW)
    wanted = length * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    assert (window.end, window.seconds) == (end, min(wanted, 7 * 86400))
    assert any("cut" in note for note in window.notes) == (wanted > 7 * 86400)


# -- audit -----------------------------------------------------------------------------------------------------------------------


async def test_the_audit_line_tells_who_asked_what_and_what_it_cost(caplog: pytest.LogCaptureFixture) -> None:
    backend = Backend()
    with caplog.at_level(logging.INFO, "mcp_servers.audit"):
        async with Client(backend.server()) as client:
            answer = await client.call_tool("look", {"what": "token=abc123def"})
    line = json.loads(caplog.records[-1].getMessage().removeprefix("tool_call "))
    assert datetime.fromisoformat(line.pop("ts")).tzinfo is not None
    assert line.pop("caller")
    assert line.pop("ms") >= 0
    assert line == {
        "tool": "look",
        "arguments": {"what": "token=[redacted]"},
        "code": "OK",
        "bytes": len(answer.content[0].text.encode()),  # type: ignore[union-attr]
        "rows": 700,
        "cached": False,
    }


async def test_a_cancelled_call_leaves_its_line_too(caplog: pytest.LogCaptureFixture) -> None:
    begun = asyncio.Event()

    async def look() -> Annotated[CallToolResult, Answer]:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    door = Door(configured(), "test")
    tool = door.admit(strict.tool(look, "look", "looks"))
    with caplog.at_level(logging.INFO, "mcp_servers.audit"):
        call = asyncio.create_task(tool.fn())
        await begun.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert json.loads(caplog.records[-1].getMessage().removeprefix("tool_call "))["code"] == "CANCELLED"


# -- redaction -------------------------------------------------------------------------------------------------------------------


def test_addresses_are_marked_on_request_and_nothing_else_is() -> None:
    net = redactor(hash_key="k", ips=True)
    text = net.text("10.42.0.9:8443 to 2001:db8::7 at 12:34:56, v1.2.3.4.5, std::string, 127.0.0.1")
    assert "10.42.0.9" not in text
    assert "2001:db8" not in text
    assert text.endswith("at 12:34:56, v1.2.3.4.5, std::string, 127.0.0.1")
    assert net.text("10.42.0.9") in text  # the same address bears the same mark
    assert configured(RCA_REDACT_IP="1").redactor.text("10.42.0.9") != "10.42.0.9"
    assert redact("10.42.0.9") == "10.42.0.9"


@settings(max_examples=30)
@given(st.integers(WINDOW - 60, WINDOW + 40))
def test_the_window_does_not_split_a_secret_out_of_its_pattern(at: int) -> None:
    key = "ghp_" + "Ab1" * 12
    text = redact("x" * at + " " + key + " tail" * 300)
    assert len(text) <= WINDOW
    assert "ghp_" not in text
    assert redact(text) == text


# -- settings --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RCA_REDACT_KEY", "RCA_REDACT_KEYS"),
        ("RCA_MCP_TOKN", "RCA_MCP_TOKEN"),
        ("RCA_K8_DENY_NAMESPACES", "RCA_K8S_DENY_NAMESPACES"),
        ("RCA_TOOL_TIMEOUT", "RCA_TOOL_TIMEOUT_S"),
    ],
)
def test_a_name_next_to_a_setting_is_refused_with_the_setting(name: str, meant: str) -> None:
    env = Environment({name: "1"})
    common(env)
    env.items("RCA_K8S_DENY_NAMESPACES")
    with pytest.raises(ConfigError, match=f"{name} is not a setting of this server; {meant} is"):
        env.refuse_unknown("RCA_K8S_")


def test_names_of_other_parts_are_none_of_our_business() -> None:
    env = Environment({"RCA_CH_URL": "x", "RCA_MODEL_STANDARD": "m", "RCA_CONFIG": "rca.yaml", "RCA_TEAM": "shop"})
    common(env)
    env.refuse_unknown("RCA_K8S_")


def test_a_level_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="LOUD"):
        configured(RCA_LOG_LEVEL="loud")


# -- health and readiness --------------------------------------------------------------------------------------------------------


def test_health_draws_its_conclusions_the_same_way_for_every_server() -> None:
    answer = health.settled(
        Health(
            summary="",
            server="store:9000",
            reachable=True,
            version="26.9",
            identity="rca_bot",
            latency_ms=3.2,
            clock_skew_s=-61,
            permissions=[
                Permission(tool="a", state="ok"),
                Permission(tool="b", state="forbidden", missing=["SELECT ON system.parts"]),
                Permission(tool="c", state="partly", missing=["SELECT ON system.parts", "SHOW TABLES"]),
                Permission(tool="d", state="off"),
            ],
            can_write=["INSERT ON *.*"],
        ),
        mend="deploy/grants.sql grants it",
    )
    assert (
        answer.summary
        == "store:9000 answers in 3.2 ms, 26.9, as rca_bot; 1 of 3 tools may read all that they need, 5 warnings"
    )
    assert answer.warnings == [
        "the credential can do more than read: INSERT ON *.*; the bot never does, but whoever stole it could",
        "the backend's clock is 61 s behind this machine's: ages and time windows are off by that; set both by NTP",
        "missing: SELECT ON system.parts; needed by b, c",
        "missing: SHOW TABLES; needed by c",
        "deploy/grants.sql grants it",
    ]
    assert health.settled(answer.model_copy(deep=True), mend="deploy/grants.sql grants it").warnings == answer.warnings


@pytest.mark.parametrize(
    ("codes", "state"),
    [
        ([None, None], "ok"),
        ([None, "FORBIDDEN"], "partly"),
        ([None, "UNSUPPORTED"], "ok"),
        (["FORBIDDEN", None], "forbidden"),
        (["UNSUPPORTED"], "unsupported"),
        (["TIMEOUT"], "unknown"),
    ],
)
def test_the_first_read_of_a_tool_decides(codes: list[Any], state: str) -> None:
    failures = [None if code is None else ErrorInfo(code=code, message=code, missing_permission="p") for code in codes]
    assert health.permission("t", failures).state == state


async def test_a_backend_that_refuses_us_is_reachable_and_says_what_is_wrong() -> None:
    backend = Backend()
    backend.failure = ToolFailure("UNAUTHORIZED", "wrong password for rca_bot", hint="check RCA_CH_PASSWORD_FILE")
    async with Client(backend.server()) as client:
        answer = await told(client, "health")
    assert (answer["reachable"], answer["server"]) == (True, "store:9000")
    assert answer["refused"]["hint"] == "check RCA_CH_PASSWORD_FILE"


@asynccontextmanager
async def visiting(server: MCPServer[Any], **environ: str) -> AsyncIterator[httpx2.AsyncClient]:
    app = http_app(server, configured(**environ))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1:8811") as client:  # type: ignore[arg-type]
        yield client


async def test_ready_means_that_the_backend_answered_within_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Backend()
    backend.failure = AWAY
    now = [1000.0]
    monkeypatch.setattr("mcp_servers.common.readiness.time.monotonic", lambda: now[0])
    async with visiting(backend.server(), RCA_MCP_TOKEN="t0ken") as client:
        assert (await client.get("/livez")).status_code == 200
        away = await client.get("/readyz")
        assert (away.status_code, away.json()) == (503, {"ready": False})
        backend.failure = None
        assert (await client.get("/readyz")).status_code == 503  # not looked at again so soon
        now[0] += 11
        back = await client.get("/readyz")
        assert (back.status_code, back.json()) == (200, {"ready": True})
        backend.failure = AWAY
        now[0] += 59
        assert (await client.get("/readyz")).status_code == 200
        now[0] += 2
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.post("/mcp", json={})).status_code == 401


async def test_http_answers_only_to_the_names_it_was_given() -> None:
    server = Backend().server()
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"Accept": "application/json, text/event-stream", "Host": "evil.example"}
    async with visiting(server) as client, server.session_manager.run():
        assert (await client.post("/mcp", json=asked, headers=headers)).status_code == 421


# -- the backend's life ----------------------------------------------------------------------------------------------------------


class Store:
    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


class Owner:
    common = configured()


class Context(BackendContext[Owner, Store]):
    opened = 0
    trouble: ToolFailure | None = AWAY

    async def _open(self) -> Store:
        self.opened += 1
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble
        return Store()


async def test_a_backend_is_opened_once_tried_again_after_a_failure_and_closed_by_the_last_session() -> None:
    context = Context(Owner())
    async with context.lifespan(None):
        with pytest.raises(ToolFailure):
            await context.backend()
        context.trouble = None
        async with context.lifespan(None):
            first, second = await asyncio.gather(context.backend(), context.backend())
            assert first is second
            assert context.opened == 2
        assert first.closed == 0
    assert first.closed == 1
    async with context.lifespan(None):
        assert await context.backend() is not first


# -- the page about it -----------------------------------------------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "docs" / "servers" / "README.md"


def test_the_page_names_every_setting_and_every_error_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = text.split("## Settings that all servers have")[1].split("\n## ")[0]
    told = {name for row in re.findall(r"^\| (.*?) \|", table, re.M) for name in re.findall(r"`(RCA_\w+)`", row)}
    seen: set[str] = set()

    class Listening(Environment):
        def text(self, name: str, default: str = "") -> str:
            seen.add(name)
            return super().text(name, default)

    common(Listening({}))
    seen = {name for name in seen if not name.endswith("_FILE")}
    assert told == seen | {"RCA_ALLOW_PRIVILEGED"}  # which each server reads for itself
    codes = text.split("## When a call fails")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([A-Z_]+)`", codes, re.M)) == set(get_args(ErrorCode))
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", text)
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
