"""A thousand investigations at once: wall time over the bare asyncio lower bound of the same calls, and memory of a running one."""

import asyncio
import gc
import time
import tracemalloc
from datetime import UTC, datetime
from typing import Any

from bench.engine import playbook
from bench.figure import Figure
from bot.alerts.model import Alert
from bot.investigation.investigator import Investigator
from bot.playbooks.router import Choice
from bot.tools.evidence import Evidence

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


async def bare() -> float:
    """The same calls with the same waiting for each other, and nothing else."""

    async def one() -> None:
        await asyncio.sleep(LATENCY_S)
        await asyncio.gather(*(asyncio.sleep(LATENCY_S) for _ in "bcd"))
        await asyncio.gather(*(asyncio.sleep(LATENCY_S) for _ in "ef"))
        await asyncio.sleep(LATENCY_S)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    return time.perf_counter() - began


async def crowd(tools: Tools) -> list["asyncio.Task[Any]"]:
    book = playbook()
    investigator = Investigator(tools, lambda alert, pin: Choice(playbook=book, stage="pin", because="bench"))
    return [
        asyncio.create_task(
            investigator.investigate(Alert(source="bench", name="Bench", labels={"n": str(n)}), investigation=f"b-{n}")
        )
        for n in range(AT_ONCE)
    ]


async def measure() -> list[Figure]:
    lower = min([await bare() for _ in range(3)])
    await asyncio.gather(*await crowd(Tools()))  # the first run compiles the playbook's expressions
    began = time.perf_counter()
    reports = await asyncio.gather(*await crowd(Tools()))
    took = time.perf_counter() - began
    assert all(r.ran == (7, 7) for r in reports)
    del reports
    size = await memory()
    return [
        Figure(
            "1,000 investigations at once over the bare lower bound",
            took / lower,
            1.5,
            detail=f"{took * 1000:.0f} ms, bare {lower * 1000:.0f} ms",
        ),
        Figure("memory of one of 1,000 running investigations", size / 1024, 128, "KB"),
    ]


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
