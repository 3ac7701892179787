"""A thousand investigations at once: wall time over the bare asyncio lower bound of the same calls, and memory of a running one.

Two lower bounds, because "the same calls" can be read in two ways. Over bare sleeps: nothing but the waiting, which leaves a hundredth of
a millisecond for all that an investigation does. Over MCP: the same tool called through the bare client in process, waiting for each
other in the same way.
"""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult

from bench.engine import playbook
from bench.figure import Figure
from bot.alerts.model import Alert
from bot.investigation.investigator import Investigator
from bot.investigation.investigator import Tools as Door
from bot.playbooks.router import Choice
from bot.settings import ServerSettings
from bot.tools.evidence import Evidence
from bot.tools.hub import Hub
from mcp_servers.common.envelope import Envelope, ok
from mcp_servers.common.strict import tool

AT_ONCE = 1_000
LATENCY_S = 0.05
NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Tools:
    """A tool in process that takes its time; with a gate it waits there instead."""

    def __init__(self) -> None:
        self.gate: asyncio.Event | None = None
        self.calls = 0

    def has_server(self, name: str) -> bool:
        return True

    def signals_of(self, tool: str) -> frozenset[str] | None:
        return frozenset()

    async def call(
        self, tool: str, arguments: dict[str, Any], *, id: str, step: str, title: str = "", timeout: float | None = None
    ) -> Evidence:
        self.calls += 1
        if self.gate is not None and step == "g":
            await self.gate.wait()
        await asyncio.sleep(LATENCY_S)
        summary = f"looked at {arguments['name']}"
        return Evidence(
            id=id, step=step, title=title, server="stub", tool="look", arguments=arguments, summary=summary, at=NOW
        )


async def bare(call: Callable[[str], Awaitable[object]]) -> float:
    """Seconds that the same calls take with the same waiting for each other, and nothing else."""

    async def one(n: int) -> None:
        await call(f"a{n}")
        await asyncio.gather(*(call(f"{name}{n}") for name in "bcd"))
        await asyncio.gather(*(call(f"{name}{n}") for name in "ef"))
        await call(f"g{n}")

    began = time.perf_counter()
    await asyncio.gather(*(one(n) for n in range(AT_ONCE)))
    return time.perf_counter() - began


async def crowd(tools: Door) -> list["asyncio.Task[Any]"]:
    book = playbook("{{ alert.labels.n }}")  # each investigation asks its own questions: nothing is shared in flight
    investigator = Investigator(tools, lambda alert, pin: Choice(playbook=book, stage="pin", because="bench"))
    return [
        asyncio.create_task(
            investigator.investigate(Alert(source="bench", name="Bench", labels={"n": str(n)}), investigation=f"b-{n}")
        )
        for n in range(AT_ONCE)
    ]


async def timed(tools: Door) -> float:
    began = time.perf_counter()
    reports = await asyncio.gather(*await crowd(tools))
    took = time.perf_counter() - began
    assert all(r.ran == (7, 7) for r in reports)
    return took


async def look(name: str) -> Annotated[CallToolResult, Envelope]:
    await asyncio.sleep(LATENCY_S)
    return ok(Envelope(summary=f"looked at {name}"))


async def over_mcp() -> tuple[float, float]:
    """Seconds of a thousand investigations through the real hub, and of the same calls through the bare client."""
    server = MCPServer("stub", tools=[tool(look, "look", "Looks, slowly.")], log_level="ERROR")
    async with Client(server) as client:

        async def call(name: str) -> None:
            assert not (await client.call_tool("look", {"name": name})).is_error

        lower = min([await bare(call) for _ in range(2)])
    settings = ServerSettings(name="stub", cache_s=0, max_concurrency=7 * AT_ONCE, timeout_s=300)
    hub = Hub([settings], ready={"stub": server})
    await hub.start()
    try:
        await hub.wait_ready(5)
        return min([await timed(hub) for _ in range(2)]), lower
    finally:
        await hub.stop()


async def measure() -> list[Figure]:
    lower = min([await bare(lambda _: asyncio.sleep(LATENCY_S)) for _ in range(3)])
    took = min([await timed(Tools()) for _ in range(3)])  # the first run compiles the playbook's expressions
    real, real_lower = await over_mcp()
    size = await memory()
    return [
        Figure("1,000 investigations at once over bare sleeps", took / lower, 1.5, detail=_seconds(took, lower)),
        Figure(
            "... through the hub, over the bare MCP client", real / real_lower, 1.5, detail=_seconds(real, real_lower)
        ),
        Figure("memory of one of 1,000 running investigations", size / 1024, 128, "KB"),
    ]


def _seconds(took: float, lower: float) -> str:
    return f"{took * 1000:.0f} ms, bare {lower * 1000:.0f} ms"


async def memory() -> float:
    """Bytes that one investigation holds while it waits for its last step."""
    tools = Tools()
    tools.gate = asyncio.Event()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tasks = await crowd(tools)
        while tools.calls < 7 * AT_ONCE:
            await asyncio.sleep(LATENCY_S)
        gc.collect()
        now, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    tools.gate.set()
    await asyncio.gather(*tasks)
    return (now - before) / AT_ONCE
