"""What every tool call passes on its way in and out: cache, single flight, circuit, places, deadline; then redaction, size, audit.

Tools stay free of all that: they read and judge. An incident fans out into many identical calls, and the observer must not add to it,
so identical calls within `CommonSettings.cache_s` share one answer, at most `max_concurrency` calls run at a time, and a backend that did
not answer several times in a row is left alone for a while.
"""

import asyncio
import functools
import json
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, TextContent

from mcp_servers.common import audit
from mcp_servers.common.breaker import FAILURES, Breaker
from mcp_servers.common.config import CommonSettings
from mcp_servers.common.envelope import SHRINK_KEY, ErrorInfo, compact, fail
from mcp_servers.common.fitting import fit, order
from mcp_servers.common.shrink import size
from mcp_servers.common.strict import AUDIENCE_KEY
from mcp_servers.common.untrusted import sanitise_tree

HARD_LIMIT = 24_000  # bytes; beyond it a call fails rather than floods its reader
_PATIENCE = 0.8  # share of the deadline that may go into waiting for a place; what is left must suffice for an answer
_CACHED = 256  # answers kept
_CALLER = "caller_context"  # the argument in which the SDK hands over who asks; no tool has one of that name
_SICK = frozenset({"UNAVAILABLE", "TIMEOUT"})

log = logging.getLogger("mcp_servers.door")
Call = Callable[..., Awaitable[CallToolResult]]


@dataclass
class _Flight:
    """One running call and how many wait for it; the last to leave cancels it."""

    task: "asyncio.Task[CallToolResult]"
    waiting: int = 0


@dataclass(frozen=True)
class _Asked:
    """One call: which tool, with what, and by whom."""

    tool: str
    inner: Call
    arguments: dict[str, Any]
    caller: str
    for_operators: bool


@dataclass
class Door:
    """One for a server; `admit` puts a tool behind it. ``backend`` names what the server reads, for `Source`."""

    settings: CommonSettings
    backend: str
    breaker: Breaker = field(default_factory=Breaker)
    _places: asyncio.Semaphore = field(init=False)
    _cache: "OrderedDict[str, tuple[float, CallToolResult]]" = field(default_factory=OrderedDict, init=False)
    _flights: dict[str, _Flight] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.settings.max_concurrency)

    def admit(self, tool: Tool) -> Tool:
        """Let every call of ``tool`` pass through here.

        What is for operators is asked even while the circuit is open: whether the backend is back is just what they want to know.
        """
        inner: Call = tool.fn
        for_operators = (tool.meta or {}).get(AUDIENCE_KEY) == "operator"

        @functools.wraps(inner)
        async def through(**arguments: Any) -> CallToolResult:
            caller = audit.caller_of(arguments.pop(_CALLER, None))
            return await self._enter(_Asked(tool.name, inner, arguments, caller, for_operators))

        tool.fn = through
        tool.context_kwarg = _CALLER
        return tool

    async def _enter(self, asked: _Asked) -> CallToolResult:
        key = f"{asked.tool} {json.dumps(asked.arguments, sort_keys=True, default=str)}"
        now = time.monotonic()
        stored = self._cache.get(key)
        if stored and now - stored[0] < self.settings.cache_s:
            self._audit(asked, stored[1], 0.0, cached=True)
            return _marked(stored[1])
        flight = self._flights.get(key)
        if flight is None or flight.task.get_loop() is not asyncio.get_running_loop():
            flight = _Flight(asyncio.create_task(self._run(asked), name=f"tool {asked.tool}"))
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

    async def _run(self, asked: _Asked) -> CallToolResult:
        began = time.monotonic()
        cost = audit.begin()
        if not asked.for_operators and not self.breaker.admits():
            finished = self._finish(asked.tool, fail(self._resting(asked.tool)), 0.0)
            self._audit(asked, finished, 0.0)
            return finished
        try:
            result = await self._within_deadline(asked)
        except asyncio.CancelledError:
            self.breaker.abandoned()
            self._audit(asked, None, time.monotonic() - began, rows=cost.rows)
            raise
        took = time.monotonic() - began
        finished = self._finish(asked.tool, result, took)
        self._audit(asked, finished, took, rows=cost.rows)
        return finished

    async def _within_deadline(self, asked: _Asked) -> CallToolResult:
        """The tool's answer, and what it says of the backend noted in the circuit breaker."""
        deadline = self.settings.tool_timeout_s
        try:
            async with asyncio.timeout(deadline):
                if not await self._place(deadline * _PATIENCE):
                    self.breaker.abandoned()
                    return fail(_crowded(asked.tool, deadline * _PATIENCE))
                try:
                    result = await asked.inner(**asked.arguments)
                finally:
                    self._places.release()
        except TimeoutError:
            result = fail(_late(asked.tool, deadline))
        except Exception:
            # A defect of the tool. The caller gets a number to look it up by, and nothing of what the exception holds.
            error_id = secrets.token_hex(4)
            log.exception("tool %s failed, error %s", asked.tool, error_id)
            self.breaker.abandoned()
            return fail(_broken(asked.tool, error_id))
        self._judge(result, of_backend=not asked.for_operators)
        return result

    def _judge(self, result: CallToolResult, *, of_backend: bool) -> None:
        payload = result.structured_content if isinstance(result.structured_content, dict) else {}
        if not of_backend:
            if payload.get("reachable") is True:
                self.breaker.succeeded()
            return
        error = payload.get("error") if result.is_error else None
        code = str(error.get("code", "")) if isinstance(error, dict) else ""
        if code in _SICK and isinstance(error, dict):
            self.breaker.failed(str(error.get("message", "")))
        elif code == "VALIDATION":
            self.breaker.abandoned()  # refused before the backend was asked: it says nothing of it
        else:
            self.breaker.succeeded()

    def _resting(self, tool: str) -> ErrorInfo:
        left = max(1, round(self.breaker.left_s))
        return ErrorInfo(
            code="UNAVAILABLE",
            message=f"{tool} was not asked: {FAILURES} calls in a row found {self.backend} away, the last one so: {self.breaker.last}",
            retryable=True,
            retry_after_s=left,
            hint=f"it is asked again in {left} s, and at once by the health tool",
        )

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
        order(payload)
        payload["source"] = {
            "backend": self.backend,
            "instance": self.settings.instance or self.backend,
            "fetched_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "took_ms": round(took * 1000),
        }
        first = tuple((result.meta or {}).get(SHRINK_KEY) or ())
        payload = fit(payload, self.settings.max_result_bytes, first)
        if size(payload) > HARD_LIMIT:
            return fail(_too_large(name, size(payload)))
        return _result(payload)

    def _audit(
        self,
        asked: _Asked,
        result: CallToolResult | None,
        took: float,
        *,
        cached: bool = False,
        rows: int | None = None,
    ) -> None:
        audit.write(
            self.settings.redactor,
            tool=asked.tool,
            caller=asked.caller,
            arguments=asked.arguments,
            code="CANCELLED" if result is None else audit.code_of(result),
            ms=took * 1000,
            size=0 if result is None else audit.bytes_of(result),
            rows=rows,
            cached=cached,
        )


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


def _broken(name: str, error_id: str) -> ErrorInfo:
    return ErrorInfo(
        code="UPSTREAM",
        message=f"{name} met something that it cannot read (error {error_id})",
        hint=f"this is a defect of the server; its log says more at {error_id}",
    )


def _too_large(name: str, found: int) -> ErrorInfo:
    return ErrorInfo(
        code="TOO_LARGE",
        message=f"the answer of {name} has {found:,} bytes after cutting; at most {HARD_LIMIT:,} may leave",
        hint="narrow the question: one object, a shorter time range or a smaller limit",
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
