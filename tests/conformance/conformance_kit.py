"""The four servers over their recorded or embedded backends, each backend once for the file that asks for it.

Servers run in process, as children over stdio, and over loopback HTTP behind their token. What is served by this process lives on the
loop of one background thread, so that clients may come and go with their tests.
"""

import asyncio
import importlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
import uvicorn
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from mcp_servers.common.config import Environment, common
from mcp_servers.common.transports import http_app
from sandbox.cluster.server import RecordedCluster
from sandbox.incidents import folder_of

ROOT = Path(__file__).parents[2]
TOKEN = "conformance-token"
SERVERS = ("kubernetes", "signoz", "clickhouse", "mongodb")
TRANSPORTS = ("in process", "stdio", "http")
FOREIGN = os.environ.get("RCA_TEST_FOREIGN", "") not in ("", "0")
every_child = pytest.mark.skipif(not FOREIGN, reason="RCA_TEST_FOREIGN=1 runs it: every server as a child process")
T = TypeVar("T")
Opener = Callable[..., AbstractAsyncContextManager[Client]]


class Backstage:
    """A loop in a thread of its own, for servers that must answer while tests begin and end."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="backstage", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        self.run(_end_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


async def _end_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def create(server: str, environ: dict[str, str]) -> Any:
    """The server as the bot makes it."""
    return importlib.import_module(f"mcp_servers.{server}.server").create_server(environ)


@contextmanager
def telemetry(scenario: str = "error-burst") -> Iterator[str]:
    """SigNoz's store on the embedded ClickHouse engine; its URL."""
    words = [sys.executable, "-m", "sandbox.telemetry", scenario, "--port", "0", "--until-stdin-ends"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http://"), "the embedded ClickHouse did not start"
            yield url
        finally:
            process.terminate()


@contextmanager
def cluster(stage: Backstage, folder: Path, scenario: str = "checkout-config") -> Iterator[str]:
    """A recorded cluster; the path of a kubeconfig for it."""
    recorded = RecordedCluster(folder_of(scenario))
    stage.run(recorded.start())
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(recorded.kubeconfig()))
    try:
        yield str(kubeconfig)
    finally:
        stage.run(recorded.stop())


@contextmanager
def over_http(stage: Backstage, server: str, environ: dict[str, str], port: int = 0) -> Iterator[str]:
    """The URL of ``server`` on a loopback port, behind `TOKEN`."""
    settings = common(Environment({**environ, "RCA_MCP_TOKEN": TOKEN}))
    app = http_app(create(server, environ), settings)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    web = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=1))

    async def start() -> "asyncio.Task[None]":
        task = asyncio.create_task(web.serve(sockets=[sock]))
        while not web.started:
            assert not task.done(), "the HTTP server ended at its start"
            await asyncio.sleep(0.005)
        return task

    task = stage.run(start())

    async def stop() -> None:
        web.should_exit = True
        await task

    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/mcp"
    finally:
        stage.run(stop())
        sock.close()


def child(server: str, environ: dict[str, str]) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable, args=["-m", f"mcp_servers.{server}"], env={**environ, "PYTHONPATH": str(ROOT)}
    )


@asynccontextmanager
async def http_client(url: str, token: str = TOKEN, **options: Any) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as web,
        Client(streamable_http_client(url, http_client=web), **options) as client,
    ):
        yield client


class Silence:
    """A backend that takes connections and never answers: what a hanging one looks like. ``open`` counts those not yet closed."""

    def __init__(self) -> None:
        self.open = 0
        self.asked = threading.Event()
        self.url = ""
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._hold, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"{host}:{port}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while await reader.read(65_536):
                self.asked.set()
        finally:
            self.open -= 1
            writer.close()

    def environ(self, server: str, folder: Path) -> dict[str, str]:
        if server == "kubernetes":
            file = folder / "silent-kubeconfig"
            config = {
                "apiVersion": "v1", "kind": "Config", "current-context": "s",
                "clusters": [{"name": "s", "cluster": {"server": f"http://{self.url}"}}],
                "users": [{"name": "s", "user": {"token": "t"}}],
                "contexts": [{"name": "s", "context": {"cluster": "s", "user": "s"}}],
            }  # fmt: skip
            file.write_text(json.dumps(config))
            return {"KUBECONFIG": str(file)}
        return {
            "signoz": {"RCA_SIGNOZ_CLICKHOUSE_URL": f"http://u:p@{self.url}"},
            "clickhouse": {"RCA_CH_URL": f"http://{self.url}", "RCA_CH_USER": "u", "RCA_CH_PASSWORD": "p"},
            "mongodb": {"RCA_MONGO_URI": f"mongodb://{self.url}/?directConnection=true"},
        }[server]
