"""Every server through the official Python client, in process, over stdio and over HTTP: the same promises on each way.

Listing, calling, text equal to structure and valid against its own schema, typed errors, unknown arguments, progress asked for,
cancellation that reaches the backend, tokens, and a server that goes and comes back.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest
from conformance_kit import (
    SERVERS,
    TOKEN,
    TRANSPORTS,
    Backstage,
    Opener,
    Silence,
    child,
    create,
    every_child,
    http_client,
    over_http,
)
from mcp.client import Client
from mcp.types import CallToolResult, TextContent

pytest.importorskip("chdb")

SLOW = (pytest.mark.foreign, every_child)
"""Each child costs a second; one server over stdio stands for all where time counts."""
PROTOCOL = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "kubernetes": ("find_unhealthy", {}),
    "signoz": ("get_service_dependencies", {"service": "checkout"}),
    "clickhouse": ("get_table_info", {"table": "signoz_logs.logs_v2"}),
    "mongodb": ("get_collection_stats", {"namespace": "shop.orders"}),
}
ABSENT: dict[str, tuple[str, dict[str, Any]]] = {
    "kubernetes": ("get_pod_status", {"namespace": "shop", "pod_name": "absent-0"}),
    "signoz": ("query_traces", {"trace_id": "0123456789abcdef0123456789abcdef"}),
    "clickhouse": ("get_table_info", {"table": "shop.absent"}),
    "mongodb": ("get_collection_stats", {"namespace": "shop.absent"}),
}


def payload(result: CallToolResult) -> dict[str, Any]:
    """The structure of an answer, after proof that its text says the same."""
    (text,) = result.content
    assert isinstance(text, TextContent)
    assert json.loads(text.text) == result.structured_content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


WAYS: list[Any] = [
    pytest.param(server, way, marks=SLOW if way == "stdio" and server != "kubernetes" else ())
    for server in SERVERS
    for way in TRANSPORTS
]


@pytest.mark.parametrize(("server", "transport"), WAYS)
async def test_it_lists_answers_and_refuses_alike_on_every_transport(
    connect: Opener, server: str, transport: str
) -> None:
    async with connect(server, transport) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert "health" in tools
        for tool in tools.values():
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint is True
            assert tool.annotations.destructive_hint is False
            assert tool.input_schema["additionalProperties"] is False
            assert tool.output_schema is not None

        name, arguments = ASKED[server]
        answer = await client.call_tool(name, arguments)
        assert not answer.is_error, answer.content
        said = payload(answer)
        assert 0 < len(said["summary"]) <= 240
        assert said["source"]["backend"].startswith(server)
        jsonschema.validate(said, tools[name].output_schema)

        absent_name, absent = ABSENT[server]
        missing = await client.call_tool(absent_name, absent)
        assert missing.is_error
        jsonschema.validate(payload(missing), tools[absent_name].output_schema)
        error = payload(missing)["error"]
        assert error["code"] == "NOT_FOUND"
        assert not error.get("retryable")

        unknown = await client.call_tool(name, {**arguments, "timeRange": "1h"})
        assert unknown.is_error
        (text,) = unknown.content
        assert isinstance(text, TextContent)
        assert "timeRange" in text.text

        heard: list[float] = []

        async def listen(progress: float, total: float | None, message: str | None) -> None:
            heard.append(progress)

        again = await client.call_tool(name, arguments, progress_callback=listen)
        assert payload(again)["summary"] == said["summary"]
        assert heard == sorted(heard)  # a short call may have nothing to say; what it says never goes back


@asynccontextmanager
async def silent(stage: Backstage, server: str, transport: str, folder: Path) -> AsyncIterator[tuple[Client, Silence]]:
    silence = Silence()
    stage.run(silence.start())
    environ = silence.environ(server, folder)
    try:
        if transport == "http":
            with over_http(stage, server, environ) as url:
                async with http_client(url) as client:
                    yield client, silence
        else:
            async with Client(
                create(server, environ) if transport == "in process" else child(server, environ)
            ) as client:
                yield client, silence
    finally:
        stage.run(silence.stop())


CANCELLED: list[Any] = [(server, way) for server in SERVERS for way in ("in process", "http")]
CANCELLED += [pytest.param("kubernetes", "stdio", marks=SLOW)]


@pytest.mark.parametrize(("server", "transport"), CANCELLED)
async def test_a_cancelled_call_leaves_the_backend_and_the_server_goes_on(
    backstage: Backstage, tmp_path: Path, server: str, transport: str
) -> None:
    name, arguments = ASKED[server]
    async with silent(backstage, server, transport, tmp_path) as (client, silence):
        call = asyncio.create_task(client.call_tool(name, arguments))
        assert await asyncio.to_thread(silence.asked.wait, 15), "the backend was never asked"
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await client.list_tools()).tools
        if server != "mongodb":  # its driver keeps a connection of its own to watch the member
            async with asyncio.timeout(5):
                while silence.open:
                    await asyncio.sleep(0.01)


async def test_http_wants_the_token_and_tells_strangers_nothing(backstage: Backstage) -> None:
    with over_http(backstage, "kubernetes", {}) as url:
        async with httpx2.AsyncClient() as web:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
                refused = await web.post(url, json=PROTOCOL, headers=headers)
                assert refused.status_code == 401
                assert refused.content == b""
            right = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json, text/event-stream"}
            elsewhere = await web.post(url, json=PROTOCOL, headers={**right, "Host": "attacker.example"})
            assert elsewhere.status_code == 421
            alive = await web.get(url.replace("/mcp", "/livez"))
            assert alive.json() == {"ready": True}
        async with http_client(url) as client:
            assert (await client.list_tools()).tools


async def test_an_http_server_that_went_and_came_back_serves_the_same_session(
    backstage: Backstage, environments: Callable[[str], dict[str, str]]
) -> None:
    environ = environments("kubernetes")
    with over_http(backstage, "kubernetes", environ) as url:
        port = int(url.split(":")[2].split("/")[0])
        async with http_client(url) as client:
            before = payload(await client.call_tool("find_unhealthy", {}))
    with over_http(backstage, "kubernetes", environ, port):
        async with http_client(url) as client:
            after = payload(await client.call_tool("find_unhealthy", {}))
    assert after["summary"] == before["summary"]


async def test_both_protocol_versions_are_spoken(connect: Opener) -> None:
    names: list[list[str]] = []
    for mode in ("legacy", "auto"):
        async with connect("kubernetes", "http", mode=mode) as client:
            names.append([tool.name for tool in (await client.list_tools()).tools])
            assert not (await client.call_tool("find_unhealthy", {})).is_error
    assert names[0] == names[1]
