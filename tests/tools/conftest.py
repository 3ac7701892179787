"""Hubs over real servers: in process, over stdio, over loopback HTTP. Every hub is stopped, and nothing may be left of it."""

import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bot.settings import ServerSettings
from bot.tools.hub import Hub

SCRIPT = Path(__file__).with_name("toolbox_server.py")
ALLOW = ("echo", "slow", "prose", "broken", "unmarked", "environment", "delete_*")


@pytest.fixture(scope="session")
def toolbox() -> ModuleType:
    spec = importlib.util.spec_from_file_location("toolbox_server", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stdio() -> Callable[..., ServerSettings]:
    def settings(name: str = "std", env: dict[str, str] | None = None, **more: Any) -> ServerSettings:
        fields: dict[str, Any] = {
            "allow": ALLOW,
            "args": (str(SCRIPT), "stdio"),
            "command": sys.executable,
            "connect_timeout_s": 60.0,
            **more,
        }
        return ServerSettings(name=name, transport="stdio", env=env or {}, **fields)

    return settings


def children() -> set[int]:
    """Living child processes of this one."""
    found = set()
    for line in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = line.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(os.getpid()) and fields[0] != "Z":
            found.add(int(line.parent.name))
    return found


@pytest.fixture
async def hub_of() -> AsyncIterator[Callable[..., Awaitable[Hub]]]:
    """A started hub that is ready; after the test it is stopped, and no task and no child process of it may be left."""
    before_tasks, before_children = asyncio.all_tasks(), children()
    hubs: list[Hub] = []

    async def make(*servers: ServerSettings, wait: float = 15.0, **more: Any) -> Hub:
        hub = Hub(servers, **more)
        hubs.append(hub)
        await hub.start()
        if wait:
            await hub.wait_ready(wait)
        return hub

    yield make
    for hub in hubs:
        await hub.stop()
    await asyncio.sleep(0)
    left = [t for t in asyncio.all_tasks() - before_tasks if t is not asyncio.current_task() and "MCP" in t.get_name()]
    assert left == []
    assert children() - before_children == set()


class HttpToolbox:
    """The toolbox over HTTP in a process of its own, which tests may kill and start again on the same port."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    async def start(self, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), "http", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
        )
        for _ in range(600):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
        raise AssertionError("the toolbox did not come up")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def web() -> Iterator[HttpToolbox]:
    server = HttpToolbox()
    yield server
    server.kill()
