"""Clients that we did not write, against our servers over stdio and HTTP: the MCP inspector's command line and the TypeScript SDK in it.

Nothing is installed here. The tests run where the inspector is found: RCA_TEST_MCP_INSPECTOR names its program (``mcp-inspector``), else it
is looked for on PATH. ``npm install --prefix DIR @modelcontextprotocol/inspector`` puts it into DIR/node_modules/.bin.
"""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from conformance_kit import TOKEN, Backstage, Silence, child, over_http

INSPECTOR = os.environ.get("RCA_TEST_MCP_INSPECTOR") or shutil.which("mcp-inspector") or ""
SCRIPT = Path(__file__).with_name("foreign_client.mjs")
pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(
        not (INSPECTOR and Path(INSPECTOR).is_file() and shutil.which("node")),
        reason="no MCP inspector: RCA_TEST_MCP_INSPECTOR names its program, npm installs it",
    ),
]
ABSENT = {"namespace": "shop", "pod_name": "absent-0"}
Json = dict[str, Any]


def sdk_folder() -> str:
    """The node_modules that the inspector was installed into; its client library lies beside it."""
    real = Path(INSPECTOR).resolve()
    folder = next((p for p in real.parents if (p / "@modelcontextprotocol" / "client").is_dir()), None)
    if folder is None:
        pytest.skip("this inspector is older than the MCP project's client package")
    return str(folder.parent)


async def run(*words: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def inspect(where: list[str], method: str, *more: str) -> tuple[int, Json, str]:
    code, out, err = await run("node", INSPECTOR, "--cli", *where, "--method", method, *more)
    assert out.startswith("{"), err
    return code, json.loads(out), err


@asynccontextmanager
async def reached(transport: str, stage: Backstage, environ: dict[str, str]) -> AsyncIterator[Json]:
    """How the Kubernetes server is reached, in the words of `foreign_client.mjs`."""
    if transport == "stdio":
        words = child("kubernetes", environ)
        yield {"command": words.command, "args": words.args, "env": words.env}
        return
    with over_http(stage, "kubernetes", environ) as url:
        yield {"url": url, "token": TOKEN}


def inspector_words(target: Json) -> list[str]:
    if "url" in target:
        return [target["url"], "--transport", "http", "--header", f"Authorization: Bearer {target['token']}"]
    environment = [word for name, value in target["env"].items() for word in ("-e", f"{name}={value}")]
    return [*environment, target["command"], *target["args"]]


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_the_inspector_lists_calls_and_is_told_what_is_wrong(
    backstage: Backstage, environments: Callable[[str], dict[str, str]], transport: str
) -> None:
    async with reached(transport, backstage, environments("kubernetes")) as target:
        words = inspector_words(target)
        code, listed, complaints = await inspect(words, "tools/list", "--strict")
        assert code == 0, complaints  # 6 would mean that a schema is not portable
        assert {"find_unhealthy", "get_recent_changes", "health"} <= {tool["name"] for tool in listed["tools"]}

        _, answer, _ = await inspect(words, "tools/call", "--tool-name", "find_unhealthy")
        assert not answer.get("isError")
        assert json.loads(answer["content"][0]["text"]) == answer["structuredContent"]

        pairs = [f"{name}={value}" for name, value in ABSENT.items()]
        _, missing, _ = await inspect(words, "tools/call", "--tool-name", "get_pod_status", "--tool-arg", *pairs)
        assert missing["isError"] is True
        assert missing["structuredContent"]["error"]["code"] == "NOT_FOUND"

        _, unknown, _ = await inspect(
            words, "tools/call", "--tool-name", "find_unhealthy", "--tool-arg", "timeRange=1h"
        )
        assert unknown["isError"] is True
        assert "timeRange" in unknown["content"][0]["text"]


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_the_typescript_client_lists_calls_aborts_and_goes_on(
    backstage: Backstage, environments: Callable[[str], dict[str, str]], tmp_path: Path, transport: str
) -> None:
    async with reached(transport, backstage, environments("kubernetes")) as target:
        plan = {"call": ["find_unhealthy", {}], "error": ["get_pod_status", ABSENT]}
        code, out, err = await run("node", str(SCRIPT), sdk_folder(), json.dumps(target), json.dumps(plan))
        assert code == 0, err
        said = json.loads(out)
        assert json.loads(said["call"]["content"][0]["text"]) == said["call"]["structuredContent"]
        assert said["progress"] == sorted(said["progress"])
        assert said["error"]["isError"] is True
        assert said["error"]["structuredContent"]["error"]["code"] == "NOT_FOUND"

    silence = Silence()
    backstage.run(silence.start())
    try:
        async with reached(transport, backstage, silence.environ("kubernetes", tmp_path)) as target:
            plan = {"abort": ["find_unhealthy", {}]}
            process = await asyncio.create_subprocess_exec(
                "node", str(SCRIPT), sdk_folder(), json.dumps(target), json.dumps(plan),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert await asyncio.to_thread(silence.asked.wait, 20), "the backend was never asked"
            out_bytes, err_bytes = await asyncio.wait_for(process.communicate(b"abort\n"), 30)
            assert process.returncode == 0, err_bytes.decode()
            aborted = json.loads(out_bytes)
            assert "abort" in aborted["aborted"].lower()
            assert aborted["after"] == len(aborted["tools"])
            async with asyncio.timeout(5):
                while silence.open:
                    await asyncio.sleep(0.01)
    finally:
        backstage.run(silence.stop())
