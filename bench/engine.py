"""Wall time of an investigation over the critical path of its tools' latencies: seven steps of 200 ms, through the real hub."""

import asyncio
import statistics
import time
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult

from bench.figure import Figure
from bot.alerts.model import Alert
from bot.investigation.investigator import Investigator
from bot.playbooks.model import Playbook
from bot.playbooks.router import Choice
from bot.settings import ServerSettings
from bot.tools.hub import Hub
from mcp_servers.common.envelope import Envelope, ok
from mcp_servers.common.strict import tool

LATENCY_S = 0.2
RUNS = 7


async def look(name: str) -> Annotated[CallToolResult, Envelope]:
    await asyncio.sleep(LATENCY_S)
    return ok(Envelope(summary=f"looked at {name}"))


def playbook(suffix: str = "") -> Playbook:
    """a; then b, c, d beside each other; then e, f; then g: a critical path of four calls."""
    shape = {"a": [], "b": ["a"], "c": ["a"], "d": ["a"], "e": ["b"], "f": ["c"], "g": ["e"]}
    steps = [
        {"id": name, "title": name, "tool": "stub.look", "args": {"name": name + suffix}, "needs": needs}
        for name, needs in shape.items()
    ]
    return Playbook.model_validate(
        {"version": 1, "id": "bench", "title": "Bench", "description": "Seven steps", "steps": steps}
    )


async def measure() -> list[Figure]:
    server = MCPServer("stub", tools=[tool(look, "look", "Looks, slowly.")])
    book = playbook()
    settings = ServerSettings(name="stub", cache_s=0.001)
    hub = Hub([settings], ready={"stub": server})
    await hub.start()
    try:
        await hub.wait_ready(5)
        investigator = Investigator(hub, lambda alert, pin: Choice(playbook=book, stage="pin", because="bench"))
        alert = Alert(source="bench", name="Bench")
        took = []
        for run in range(RUNS):
            start = time.perf_counter()
            report = await investigator.investigate(alert, investigation=f"bench-{run}")
            took.append(time.perf_counter() - start)
            assert report.ran == (7, 7), report.checks
    finally:
        await hub.stop()
    path = 4 * LATENCY_S
    detail = f"median of {RUNS}: {statistics.median(took) * 1000:.0f} ms for a path of {path * 1000:.0f} ms"
    return [
        Figure("investigation over the critical path of its tools", statistics.median(took) / path, 1.10, detail=detail)
    ]
