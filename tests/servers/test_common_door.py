"""The door in front of every tool, the settings, the time ranges and the transports."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client, StdioServerParameters
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult

from mcp_servers.common import strict
from mcp_servers.common.config import CommonSettings, ConfigError, Environment, common
from mcp_servers.common.envelope import Envelope, ToolFailure, ok
from mcp_servers.common.server import build
from mcp_servers.common.signals import CATALOGUE, signal
from mcp_servers.common.timerange import parse_range
from mcp_servers.common.transports import BearerGate, http_app

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


class Answer(Envelope):
    rows: list[str]


def configured(**environ: str) -> CommonSettings:
    return common(Environment(environ))


@asynccontextmanager
async def nothing(_server: MCPServer[Any]) -> AsyncIterator[None]:
    yield


def server_of(fn: Any, **environ: str) -> MCPServer[Any]:
    return build(
        "rca-test", "", [strict.tool(fn, "look", "looks", ("k8s.pod.oom_killed",))], configured(**environ), nothing
    )


async def look(client: Client, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool("look", arguments)
    assert result.structured_content is not None, result.content
    return result.structured_content


class Counting:
    """A tool that counts its runs and takes its time."""

    def __init__(self, seconds: float = 0.0, **answer: Any) -> None:
        self.runs, self.cancelled, self.seconds, self.answer = 0, 0, seconds, {"summary": "s", "rows": [], **answer}

    @property
    def fn(self) -> Any:
        async def look(what: str = "") -> Annotated[CallToolResult, Answer]:
            self.runs += 1
            try:
                await asyncio.sleep(self.seconds)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            if what == "broken":
                raise ToolFailure("UPSTREAM", "password=hunter2 is wrong")
            return ok(Answer.model_validate(self.answer))

        return look


async def test_identical_calls_share_one_run_and_later_ones_the_answer() -> None:
    tool = Counting(0.05)
    async with Client(server_of(tool.fn)) as client:
        together = await asyncio.gather(*(look(client, what="a") for _ in range(8)))
        later = await look(client, what="a")
        other = await look(client, what="b")
    assert tool.runs == 2
    assert len({json.dumps(a) for a in together}) == 1
    assert later["source"]["cached"] is True
    assert "cached" not in other["source"]


async def test_failures_are_not_kept_and_are_redacted() -> None:
    tool = Counting()
    async with Client(server_of(tool.fn)) as client:
        first, _ = await look(client, what="broken"), await look(client, what="broken")
    assert tool.runs == 2
    assert first["error"]["message"] == "password=[redacted] is wrong"


async def test_a_late_tool_is_ended_with_a_hint() -> None:
    tool = Counting(5)
    async with Client(server_of(tool.fn, RCA_TOOL_TIMEOUT_S="1")) as client:
        error = (await look(client))["error"]
    assert (error["code"], tool.cancelled) == ("TIMEOUT", 1)
    assert "RCA_TOOL_TIMEOUT_S" in error["hint"]


async def test_a_call_that_finds_no_place_in_time_is_told_to_come_back() -> None:
    tool = Counting(30)
    async with Client(server_of(tool.fn, RCA_TOOL_TIMEOUT_S="1", RCA_MAX_CONCURRENCY="1")) as client:
        first = asyncio.create_task(look(client, what="a"))
        while not tool.runs:
            await asyncio.sleep(0.01)
        second = await look(client, what="b")
        await first
    error = second["error"]
    assert (error["code"], error["retryable"], tool.runs) == ("RATE_LIMITED", True, 1)
    assert "RCA_MAX_CONCURRENCY" in error["hint"]


async def test_the_last_one_to_leave_cancels_the_run() -> None:
    tool = Counting(30)
    async with Client(server_of(tool.fn)) as client:
        one = asyncio.create_task(look(client, what="a"))
        two = asyncio.create_task(look(client, what="a"))
        await asyncio.sleep(0.1)
        one.cancel()
        await asyncio.sleep(0.1)
        assert tool.cancelled == 0
        two.cancel()
        await asyncio.gather(one, two, return_exceptions=True)
        for _ in range(50):
            if tool.cancelled:
                break
            await asyncio.sleep(0.02)
    assert (tool.runs, tool.cancelled) == (1, 1)


async def test_signals_are_ordered_once_each_and_bounded() -> None:
    many = [signal("k8s.pod.oom_killed", f"Pod/a/{i}", since=f"2026-11-22T06:{i:02d}:00Z") for i in range(20)]
    late = signal("deploy.unavailable", "Deployment/a/b", since="2026-11-22T05:00:00Z")
    info = signal("node.cordoned", "Node/x")
    tool = Counting(signals=[info, late, *many[::-1], many[0]])
    async with Client(server_of(tool.fn)) as client:
        answer = await look(client)
    assert [s["subject"] for s in answer["signals"]] == [f"Pod/a/{i}" for i in range(12)]
    assert answer["notes"] == ["10 more signals of lower rank are left out"]


async def test_an_oversized_answer_is_cut_and_says_so() -> None:
    tool = Counting(rows=[f"row {i} {'x' * 50}" for i in range(1000)])
    async with Client(server_of(tool.fn)) as client:
        result = await client.call_tool("look", {})
    answer = result.structured_content
    assert answer is not None
    assert len(json.dumps(answer)) < 13_000
    assert answer["truncated"] is True
    assert f"rows: the first {len(answer['rows'])} of 1000 are shown" in answer["notes"][-1]


async def test_arguments_nobody_knows_are_refused() -> None:
    async with Client(server_of(Counting().fn)) as client:
        assert (await client.call_tool("look", {"timeRange": "1h"})).is_error


async def test_each_call_leaves_one_redacted_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mcp_servers.audit"):
        async with Client(server_of(Counting().fn)) as client:
            await look(client, what="password=hunter2")
    line = json.loads(caplog.records[-1].getMessage().removeprefix("tool_call "))
    assert line["tool"] == "look"
    assert line["code"] == "OK"
    assert line["arguments"] == {"what": "password=[redacted]"}


def test_the_catalogue_is_closed() -> None:
    with pytest.raises(ValueError, match="not in the catalogue"):
        signal("k8s.pod.tired", "Pod/a/b")
    with pytest.raises(ValueError, match="no reason"):
        signal("k8s.pod.image_pull", "Pod/a/b", reason="gremlins")
    assert all(e.severity in ("critical", "warning", "info") and e.says for e in CATALOGUE.values())


# -- settings --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"RCA_MAX_RESULT_BYTES": "lots"}, "RCA_MAX_RESULT_BYTES='lots' is not a number between 2000 and 24000"),
        ({"RCA_MCP_TRANSPORT": "carrier-pigeon"}, "use stdio or http"),
        ({"RCA_REDACT_EXTRA": '["("]'}, "RCA_REDACT_EXTRA"),
        ({"RCA_REDACT_EXTRA": "ACME"}, "is not JSON"),
        ({"RCA_MCP_TOKEN": "a", "RCA_MCP_TOKEN_FILE": "/b"}, "both set"),
        ({"RCA_MCP_TOKEN_FILE": "/does/not/exist"}, "cannot read /does/not/exist"),
    ],
)
def test_a_wrong_setting_names_itself_and_a_mend(environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(**environ)
    assert words in str(caught.value)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    assert configured(RCA_MCP_TOKEN_FILE=str(tmp_path / "token")).token == "t0ken"


# -- time ranges -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "start", "end"),
    [
        ("15m", "06:45", "07:00"),
        ("30m@2026-11-22T06:00:00Z", "05:30", "06:00"),
        ("±15m@2026-11-22T06:00:00Z", "05:45", "06:15"),
        ("+-15m@2026-11-22T06:00:00", "05:45", "06:15"),
        ("now-2h/now-1h", "05:00", "06:00"),
        ("2026-11-22T05:00:00+00:00/30m", "05:00", "05:30"),
        ("2026-11-22T06:00:00Z/2026-11-22T08:00:00Z", "06:00", "07:00"),
        (f"10m@{int(NOW.timestamp()) - 3600}", "05:50", "06:00"),
        (f"10m@{(int(NOW.timestamp()) - 3600) * 1000}", "05:50", "06:00"),
        (f"10m@{(int(NOW.timestamp()) - 3600) * 10**9}", "05:50", "06:00"),
    ],
)
def test_every_way_to_say_when(spec: str, start: str, end: str) -> None:
    window = parse_range(spec, NOW)
    assert (f"{window.start:%H:%M}", f"{window.end:%H:%M}") == (start, end)


def test_clamps_are_said() -> None:
    assert parse_range("30d", NOW, timedelta(days=7)).notes == (
        "the window was cut to its last 7 d, the most this tool reads",
    )
    assert "moved to now" in parse_range("now-1h/2030-01-01T00:00:00Z", NOW).notes[0]
    assert "days ago" in parse_range("1h@2025-01-01T00:00:00Z", NOW).notes[0]


@given(st.text(max_size=120))
def test_any_text_is_a_window_or_a_typed_refusal(spec: str) -> None:
    try:
        window = parse_range(spec, NOW)
    except ToolFailure as failure:
        refusal = failure.info
    else:
        assert window.start < window.end <= NOW
        assert window.end - window.start <= timedelta(days=7)
        return
    assert refusal.code == "VALIDATION"
    assert "2026-11-22T07:00:00Z" in refusal.message


# -- transports ------------------------------------------------------------------------------------------------------------------


def test_http_refuses_to_stand_open() -> None:
    server = server_of(Counting().fn)
    with pytest.raises(ConfigError, match="RCA_MCP_TOKEN"):
        http_app(server, configured(RCA_MCP_HOST="0.0.0.0"))
    with pytest.raises(ConfigError, match="RCA_MCP_ALLOWED_HOSTS"):
        http_app(server, configured(RCA_MCP_HOST="0.0.0.0", RCA_MCP_TOKEN="t"))


@pytest.mark.parametrize(
    ("path", "header", "passes"),
    [
        ("/mcp", b"Bearer right", True),
        ("/mcp", b"Bearer wrong", False),
        ("/mcp", b"", False),
        ("/mcp", b"right", False),
        ("/livez", b"", True),
    ],
)
async def test_the_gate_lets_the_right_token_pass(path: str, header: bytes, passes: bool) -> None:
    sent: list[Any] = []

    async def inner(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    await BearerGate(inner, "right")(
        {"type": "http", "path": path, "headers": [(b"authorization", header)]}, receive, send
    )
    assert sent[0]["status"] == (200 if passes else 401)


async def test_the_server_runs_alone_on_stdio(tmp_path: Path) -> None:
    environ = {"KUBECONFIG": str(tmp_path / "none"), "PATH": os.environ["PATH"]}
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "mcp_servers.kubernetes"], env=environ, cwd=str(Path.cwd())
    )
    async with Client(command) as client:
        assert "get_pod_status" in {t.name for t in (await client.list_tools()).tools}


async def test_a_misspelt_setting_ends_the_process_with_a_sentence() -> None:
    environ = {"RCA_K8S_NAMESPACE": "shop", "PATH": os.environ["PATH"]}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mcp_servers.kubernetes",
        env=environ,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err.decode().strip() == "RCA_K8S_NAMESPACE is not a setting of this server; RCA_K8S_NAMESPACES is"
