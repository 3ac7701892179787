"""One MCP server as the hub sees it: kept connected, its tools judged and pinned, its calls bounded."""

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult, Tool

from bot.settings import ServerSettings
from bot.tools.arguments import ArgumentCheck
from bot.tools.connection import Connection, ended_because
from bot.tools.failures import TRANSPORT_ERRORS, ConnectionLost, is_lost, why_not_connected
from bot.tools.inventory import (
    MAX_DESCRIPTION,
    ServerHealth,
    ServerState,
    ToolInfo,
    declared_audience,
    declared_signals,
    definition_hash,
)
from bot.tools.pins import Pins
from bot.tools.policy import Policy
from bot.tools.targets import Stderr, Target, TargetError, target
from mcp_servers.common.breaker import Breaker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = structlog.get_logger(__name__)

RECHECK_S: Final = 30.0
"""Seconds between two looks at a server's tool list, which is its heartbeat too.

A server over stateless HTTP can be replaced without a connection ending, so this is also how long a changed definition may go unseen; what
a model reads meanwhile is the definition that was pinned.
"""
BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_S: Final = 5.0
"""A connection that lived shorter than this counts as a failed attempt."""
EAGER_S: Final = 0.5
"""After a failed attempt, calls are refused at once for this long; later ones start a new attempt instead of waiting for the backoff."""
STOP_S: Final = 8.0


class NotConnected(Exception):
    """The server cannot be reached now; the message says why, for a person."""


class Busy(Exception):
    """No place among the server's concurrent calls before the deadline."""


class NotAllowed(Exception):
    """The tool may not be called (any more: it is judged anew after a reconnect); the message says why."""


@dataclass(frozen=True)
class Offered:
    """One tool as judged at the last look."""

    info: ToolInfo
    check: ArgumentCheck


class Server:
    """Connects in the background and reconnects for as long as it is started. Never raises out of its tasks."""

    def __init__(
        self,
        settings: ServerSettings,
        *,
        ready: MCPServer | None = None,
        environ: Mapping[str, str] | None = None,
        recheck_s: float = RECHECK_S,
    ) -> None:
        """``ready`` is an in-process server made elsewhere, instead of loading ``settings.module``.

        Raises `bot.patterns.PatternError` when a pattern of the settings cannot be used.
        """
        self.settings = settings
        self.breaker = Breaker()
        self.offered: dict[str, Offered] = {}
        self._ready = ready
        self._environ = os.environ if environ is None else environ
        self._recheck_s = recheck_s
        self._policy = Policy(settings)
        self._pins = Pins(settings.pins)
        self._places = asyncio.Semaphore(settings.max_concurrency)
        self._stderr = Stderr()
        self._state: ServerState = "stopped"
        self._reason = "not started"
        self._told = ""
        self._connection: Connection | None = None
        self._owner: asyncio.Task[None] | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._wake = asyncio.Event()
        self._failed_at = 0.0
        self._up_at = 0.0
        self._connects = 0
        self._stopping = False

    # life

    def start(self) -> None:
        """Begin to connect; returns at once."""
        if self._supervisor is not None:
            return
        self._stopping = False
        self._settled.clear()
        self._connection = None
        self._state, self._reason = "connecting", ""
        self._supervisor = asyncio.create_task(self._supervise(), name=f"MCP server {self.settings.name}")

    async def stop(self) -> None:
        """End the connection, its tasks and its child process."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is None:
            return
        self._stopping = True
        self._wake.set()
        if self._connection is not None:
            self._connection.end()
        if self._state == "connecting" and self._owner is not None:
            self._owner.cancel()  # it may hang in a handshake
        _, waiting = await asyncio.wait({supervisor}, timeout=STOP_S)
        if waiting:
            for task in (self._owner, supervisor):
                if task is not None:
                    task.cancel()
            await asyncio.wait({t for t in (self._owner, supervisor) if t is not None}, timeout=STOP_S)
        self._state, self._reason = "stopped", "stopped"
        self._settled.set()

    async def _supervise(self) -> None:
        failures = 0
        while not self._stopping:
            connection = Connection(self.settings, self._target, self._recheck_s)
            self._connection = connection
            self._stderr = Stderr()
            self._up_at = 0.0
            self._owner = asyncio.create_task(
                connection.own(self._listed), name=f"connection to MCP server {self.settings.name}"
            )
            await asyncio.wait({self._owner})
            if self._stopping:
                break
            lived = time.monotonic() - self._up_at if self._up_at else 0.0
            steady = lived >= STEADY_S
            failures = 0 if steady else failures + 1
            delay = 0.0 if failures == 0 else BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]
            self._down(ended_because(self._owner), failed=not self._up_at)
            if self._up_at and failures <= 1:
                delay = 0.0  # a connection that was up and broke is tried again at once
            self._wake.clear()
            if delay:
                await self._pause(delay)
            self._settled.clear()
            self._state = "connecting"

    async def _pause(self, delay: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), delay)
        except TimeoutError:
            return

    async def _target(self) -> Target:
        if self._ready is not None:
            return self._ready
        return await target(self.settings, self._stderr, self._environ)

    def _down(self, error: BaseException | None, *, failed: bool) -> None:
        if isinstance(error, TargetError):
            self._reason = str(error)
        elif error is None:
            self._reason = "the connection ended"
        else:
            self._reason = why_not_connected(error, self.settings.name)
        if self._stderr.last:
            self._reason += f" (stderr: {self._stderr.last})"
        if failed:
            self._failed_at = time.monotonic()
        self._state = "down" if failed else "connecting"
        if failed:
            self._settled.set()
        if self._reason != self._told:  # one line a reason, not one an attempt
            self._told = self._reason
            log.warning("mcp_server_down", server=self.settings.name, reason=self._reason, failed_to_connect=failed)

    def _listed(self, connection: Connection, tools: list[Tool]) -> None:
        if connection is not self._connection or connection.client is None:
            return
        self.offered = {tool.name: self._judge(tool) for tool in tools}
        if self._state != "up":
            self._connects += 1
            self._up_at = time.monotonic()
            self._told = ""
            self.breaker.connected()
            log.info("mcp_server_up", server=self.settings.name, tools=len(tools))
        self._state, self._reason = "up", ""
        self._settled.set()

    def _judge(self, tool: Tool) -> Offered:
        sha = definition_hash(tool)
        before = self.offered.get(tool.name)
        if before is not None and before.info.sha256 == sha and before.info.state != "changed":
            return before
        ruling = self._policy.judge(tool)
        changed = self._pins.check(tool.name, sha)
        if changed and (before is None or before.info.state != "changed"):
            log.error("mcp_tool_changed", server=self.settings.name, tool=tool.name, reason=changed)
        info = ToolInfo(
            name=f"{self.settings.name}.{tool.name}",
            server=self.settings.name,
            tool=tool.name,
            description=(tool.description or "")[:MAX_DESCRIPTION],
            schema=tool.input_schema,
            signals=declared_signals(tool),
            audience=declared_audience(tool),
            state="changed" if changed else "allowed" if ruling.allowed else "denied",
            reason=changed or ruling.reason,
            sha256=sha,
            read_only=bool(tool.annotations and tool.annotations.read_only_hint),
        )
        return Offered(info, ArgumentCheck(tool.input_schema))

    # calls

    async def connected(self, timeout_s: float) -> Connection:
        """The connection, waiting for it at most ``timeout_s``. Raises `NotConnected`."""
        connection = self._connection
        if self._state == "up" and connection is not None and connection.client is not None:
            return connection
        if self._supervisor is None:
            raise NotConnected(self._reason)
        if self._state == "down":
            if time.monotonic() - self._failed_at < EAGER_S:
                raise NotConnected(self._reason)
            self._settled.clear()
            self._wake.set()
        try:
            await asyncio.wait_for(self._settled.wait(), timeout_s)
        except TimeoutError:
            raise NotConnected(f"still connecting after {timeout_s:.1f} s") from None
        connection = self._connection
        if self._state != "up" or connection is None or connection.client is None:
            raise NotConnected(self._reason or "the connection ended")
        return connection

    async def request(self, tool: str, arguments: dict[str, Any], timeout_s: float) -> CallToolResult:
        """One call of an allowed tool. A read-only one is repeated once when the connection is lost under it.

        Raises `NotConnected`, `Busy`, `NotAllowed`, `TimeoutError`, or one of
        `TRANSPORT_ERRORS`.
        """
        deadline = time.monotonic() + timeout_s
        async with self._place(timeout_s), asyncio.timeout(max(0.001, deadline - time.monotonic())):
            for attempt in (1, 2):
                connection = await self.connected(min(timeout_s, self.settings.connect_timeout_s))
                offered = self.offered.get(tool)
                if offered is None or not offered.info.allowed:
                    raise NotAllowed(offered.info.reason if offered else "it is no longer offered")
                client = connection.client
                if client is None:
                    raise NotConnected("the connection ended")
                left = max(0.001, deadline - time.monotonic())
                try:
                    return await client.call_tool(tool, arguments, read_timeout_seconds=left)
                except TRANSPORT_ERRORS as error:
                    if not is_lost(error):
                        raise
                    self._lost(connection)
                    if attempt == 2 or not offered.info.read_only:
                        raise ConnectionLost(str(error)) from error
        raise AssertionError("unreachable: two attempts either return or raise")

    @asynccontextmanager
    async def _place(self, timeout_s: float) -> "AsyncIterator[None]":
        try:
            async with asyncio.timeout(timeout_s):  # wait_for could lose an acquired place when cancelled
                await self._places.acquire()
        except TimeoutError:
            raise Busy from None
        try:
            yield
        finally:
            self._places.release()

    def _lost(self, connection: Connection) -> None:
        """A caller found the connection dead: later callers wait for the next one instead of running into the same wall."""
        if connection is self._connection and self._state == "up":
            self._state, self._reason = "connecting", "the connection was lost"
            self._settled.clear()
        connection.end()

    # views

    async def recheck(self) -> None:
        """Read the tool list now and wait until it is judged, at most five seconds; for tests and ``rca doctor``."""
        if self._connection is None or self._connection.client is None:
            return
        before = self.offered
        self._connection.recheck()
        for _ in range(500):
            if self.offered is not before or self._state != "up":
                return
            await asyncio.sleep(0.01)

    async def settled(self) -> None:
        """Wait until the current attempt has ended, one way or the other."""
        await self._settled.wait()

    def health(self) -> ServerHealth:
        infos = [offered.info for offered in self.offered.values()]
        allowed = sum(info.allowed for info in infos)
        return ServerHealth(
            name=self.settings.name,
            transport=self.settings.transport,
            state=self._state,
            reason=self._reason,
            tools=allowed,
            refused=len(infos) - allowed,
            changed=tuple(info.tool for info in infos if info.state == "changed"),
            connects=self._connects,
            breaker_s=round(self.breaker.left_s, 1),
        )
