"""What every tool call passes on its way in and out: cache, single flight, places, deadline; then order, cleaning, redaction, size, audit.

Tools stay free of all that: they read and judge. An incident fans out into many identical calls, and the observer must not add to it,
so identical calls within `CommonSettings.cache_s` share one answer, and at most `max_concurrency` calls run at a time.
"""

import asyncio
import functools
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, TextContent

from mcp_servers.common.config import CommonSettings
from mcp_servers.common.envelope import ErrorInfo, compact, fail
from mcp_servers.common.shrink import shrink, size
from mcp_servers.common.signals import EFFECTS
from mcp_servers.common.untrusted import clean, sanitise_tree

MAX_SIGNALS = 12
MAX_NOTES = 5
HARD_LIMIT = 24_000  # bytes; beyond it a call fails rather than floods its reader
_ROOM_FOR_NOTES = 700
_PATIENCE = 0.8  # share of the deadline that may go into waiting for a place; what is left must suffice for an answer
_CACHED = 256  # answers kept
_RANK = {"critical": 0, "warning": 1, "info": 2}

log = logging.getLogger("mcp_servers.audit")
Call = Callable[..., Awaitable[CallToolResult]]


@dataclass
class _Flight:
    """One running call and how many wait for it; the last to leave cancels it."""

    task: "asyncio.Task[CallToolResult]"
    waiting: int = 0


@dataclass
class Door:
    """One for a server; `admit` puts a tool behind it. ``backend`` names what the server reads, for `Source`."""

    settings: CommonSettings
    backend: str
    _places: asyncio.Semaphore = field(init=False)
    _cache: "OrderedDict[str, tuple[float, CallToolResult]]" = field(default_factory=OrderedDict, init=False)
    _flights: dict[str, _Flight] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.settings.max_concurrency)

    def admit(self, tool: Tool) -> Tool:
        """Let every call of ``tool`` pass through here."""
        inner: Call = tool.fn

        @functools.wraps(inner)
        async def through(**arguments: Any) -> CallToolResult:
            return await self._enter(tool.name, inner, arguments)

        tool.fn = through
        return tool

    async def _enter(self, name: str, inner: Call, arguments: dict[str, Any]) -> CallToolResult:
        key = f"{name} {json.dumps(arguments, sort_keys=True, default=str)}"
        now = time.monotonic()
        stored = self._cache.get(key)
        if stored and now - stored[0] < self.settings.cache_s:
            self._audit(name, arguments, stored[1], 0.0, cached=True)
            return _marked(stored[1])
        flight = self._flights.get(key)
        if flight is None or flight.task.get_loop() is not asyncio.get_running_loop():
            flight = _Flight(asyncio.create_task(self._run(name, inner, arguments), name=f"tool {name}"))
            self._flights[key] = flight
            flight.task.add_done_callback(functools.partial(self._landed, key, flight))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 and not flight.task.done():
                flight.task.cancel()

    def _landed(self, key: str, flight: _Flight, task: "asyncio.Task[CallToolResult]") -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if task.cancelled() or task.exception() is not None:
            return
        result = task.result()
        if self.settings.cache_s and not result.is_error:
            self._cache[key] = (time.monotonic(), result)
            self._cache.move_to_end(key)
            while len(self._cache) > _CACHED:
                self._cache.popitem(last=False)

    async def _run(self, name: str, inner: Call, arguments: dict[str, Any]) -> CallToolResult:
        began = time.monotonic()
        deadline = self.settings.tool_timeout_s
        try:
            async with asyncio.timeout(deadline):
                if not await self._place(deadline * _PATIENCE):
                    result = fail(_crowded(name, deadline * _PATIENCE))
                else:
                    try:
                        result = await inner(**arguments)
                    finally:
                        self._places.release()
        except TimeoutError:
            result = fail(_late(name, deadline))
        took = time.monotonic() - began
        finished = self._finish(name, result, took)
        self._audit(name, arguments, finished, took)
        return finished

    async def _place(self, patience: float) -> bool:
        """Wait for a place; false when none came free in time."""
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError:
            return False
        return True

    def _finish(self, name: str, result: CallToolResult, took: float) -> CallToolResult:
        payload = result.structured_content
        if not isinstance(payload, dict):
            return result
        payload = self.settings.redactor.tree(sanitise_tree(payload))
        if result.is_error:
            return _result(payload, is_error=True)
        _order(payload)
        payload["source"] = {
            "backend": self.backend,
            "instance": self.settings.instance or self.backend,
            "fetched_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "took_ms": round(took * 1000),
        }
        limit = self.settings.max_result_bytes
        if size(payload) > limit:
            payload, cuts = shrink(payload, limit - _ROOM_FOR_NOTES, drop_keys=False)
            payload = {**payload, "truncated": True}
            payload["notes"] = [*payload.get("notes", [])[: MAX_NOTES - 1], clean("; ".join(cuts), 400)]
            if size(payload) > HARD_LIMIT:
                return fail(
                    ErrorInfo(
                        code="TOO_LARGE",
                        message=f"the answer of {name} has {size(payload):,} bytes after cutting; at most {HARD_LIMIT:,} may leave",
                        hint="narrow the question: one object, a shorter time range or a smaller limit",
                    )
                )
        return _result(payload)

    def _audit(
        self, name: str, arguments: dict[str, Any], result: CallToolResult, took: float, *, cached: bool = False
    ) -> None:
        payload = result.structured_content if isinstance(result.structured_content, dict) else {}
        code = (payload.get("error") or {}).get("code", "UPSTREAM") if result.is_error else "OK"
        line = {
            "tool": name,
            "arguments": self.settings.redactor.tree(sanitise_tree(arguments)),
            "code": code,
            "ms": round(took * 1000),
            "bytes": sum(len(c.text.encode()) for c in result.content if isinstance(c, TextContent)),
            "cached": cached,
        }
        log.info("tool_call %s", compact(line))


def _crowded(name: str, waited: float) -> ErrorInfo:
    return ErrorInfo(
        code="RATE_LIMITED",
        message=f"{name} waited {waited:g} s for its turn: too many calls at once",
        retryable=True,
        retry_after_s=5,
        hint="RCA_MAX_CONCURRENCY raises the number of calls that run together",
    )


def _late(name: str, deadline: float) -> ErrorInfo:
    return ErrorInfo(
        code="TIMEOUT",
        message=f"{name} took longer than {deadline:g} s",
        retryable=True,
        hint="ask for one namespace, one object or a shorter time range; RCA_TOOL_TIMEOUT_S raises the limit",
    )


def _result(payload: dict[str, Any], *, is_error: bool = False) -> CallToolResult:
    return CallToolResult(
        is_error=is_error, content=[TextContent(type="text", text=compact(payload))], structured_content=payload
    )


def _marked(result: CallToolResult) -> CallToolResult:
    payload = dict(result.structured_content or {})
    if isinstance(payload.get("source"), dict):
        payload["source"] = {**payload["source"], "cached": True}
    return _result(payload)


def _rank(signal: dict[str, Any]) -> tuple[int, bool, str, str, str]:
    severity = _RANK.get(signal["severity"], 3)
    return severity, signal["code"] in EFFECTS, signal.get("since") or "9", signal["code"], signal["subject"]


def _order(payload: dict[str, Any]) -> None:
    """Signals once each, the gravest first, causes before effects, then the oldest; signals, notes and summary within bounds."""
    payload["summary"] = clean(payload.get("summary"), 240)
    notes = list(dict.fromkeys(payload.get("notes") or []))
    signals = payload.get("signals") or []
    unique: dict[tuple[str, str, str], dict[str, Any]] = {}
    for signal in signals:
        unique.setdefault((signal["code"], signal["subject"], signal.get("reason", "")), signal)
    ordered = sorted(unique.values(), key=_rank)
    if len(ordered) > MAX_SIGNALS:
        notes.insert(0, f"{len(ordered) - MAX_SIGNALS} more signals of lower rank are left out")
        ordered = ordered[:MAX_SIGNALS]
    if ordered:
        payload["signals"] = ordered
    if notes:
        payload["notes"] = notes[:MAX_NOTES]
