"""What the hub's door (policy, pins, arguments, flight, deadline, redaction, evidence, audit) adds to a call of the bare client.

In process and over stdio, on one of our own tools with an answer of usual size; calls alternate, so that both see the same machine.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult

from bench.figure import Figure
from bot.settings import ServerSettings
from bot.tools.hub import Hub
from mcp_servers.common.envelope import Envelope, Signal, ok
from mcp_servers.common.strict import tool

CALLS = 400
LIMIT = 1.25


class Listing(Envelope):
    rows: list[dict[str, str]] = []  # noqa: RUF012 (a model's field)


async def look(name: str) -> Annotated[CallToolResult, Listing]:
    signals = [
        Signal(code="k8s.pod.oom_killed", severity="critical", subject=f"Pod/shop/{name}-0", detail="killed at 512Mi")
    ]
    rows = [
        {"pod": f"{name}-{n}", "state": "Running", "node": "worker-01", "image": "registry.example.com/shop:2.1"}
        for n in range(8)
    ]
    return ok(Listing(summary=f"8 pods of {name}, 1 was killed for memory", signals=signals, rows=rows))


def server() -> MCPServer:
    return MCPServer("stub", tools=[tool(look, "look", "Looks at pods.", ("k8s.pod.oom_killed",))], log_level="ERROR")


async def _pair(
    plain: Callable[[str], Awaitable[object]], through: Callable[[str], Awaitable[object]]
) -> tuple[float, float]:
    """Medians of both ways in seconds."""
    took: tuple[list[float], list[float]] = ([], [])
    for n in range(CALLS):
        for kind, call in enumerate((plain, through) if n % 2 else (through, plain)):
            which = kind if n % 2 else 1 - kind
            began = time.perf_counter()
            await call(f"orders-{n}")
            took[which].append(time.perf_counter() - began)
    return statistics.median(took[0][CALLS // 10 :]), statistics.median(took[1][CALLS // 10 :])


async def _ratio(target: MCPServer | StdioServerParameters, hub: Hub) -> tuple[float, str]:
    await hub.start()
    try:
        if not await hub.wait_ready(30):
            raise RuntimeError(hub.health()[0].reason)
        async with Client(target) as client:

            async def plain(name: str) -> None:
                assert not (await client.call_tool("look", {"name": name})).is_error

            async def through(name: str) -> None:
                assert (await hub.call("stub.look", {"name": name}, id="E1", step="s")).ok

            a, b = await _pair(plain, through)
    finally:
        await hub.stop()
    return b / a, f"medians of {CALLS} calls: {a * 1000:.2f} ms bare, {b * 1000:.2f} ms through the hub"


async def measure() -> list[Figure]:
    own = server()
    in_process, said = await _ratio(own, Hub([ServerSettings(name="stub")], ready={"stub": own}))
    words = ("-m", "bench.hub_call")
    environ = {"PYTHONPATH": str(Path(__file__).parents[1])}
    child = StdioServerParameters(command=sys.executable, args=list(words), env=environ)
    settings = ServerSettings(
        name="stub", transport="stdio", command=sys.executable, args=words, env=environ, allow=("look",)
    )
    stdio, told = await _ratio(child, Hub([settings]))
    return [
        Figure("hub call over the bare client's, in process", in_process, LIMIT, detail=said),
        Figure("hub call over the bare client's, stdio", stdio, LIMIT, detail=told),
    ]


if __name__ == "__main__":
    asyncio.run(server().run_stdio_async())
