"""The hub: the only door to MCP servers, from a playbook's step and from the analyst alike.

A call passes, in this order: known tool, admitted by the policy, pinned definition, argument check, the shared flight and its short
cache, the breaker, a place among the server's concurrent calls, the deadline. Its answer is cleaned and leaves as `Evidence`; so does
each failure.
"""

import asyncio
import difflib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import structlog
from mcp.server.mcpserver import MCPServer

from bot.settings import ServerSettings
from bot.tools.answers import Answer, read
from bot.tools.cache import SingleFlightCache, canonical
from bot.tools.evidence import Evidence
from bot.tools.failures import TRANSPORT_ERRORS, ConnectionLost, from_exception, one_line, timed_out
from bot.tools.inventory import ServerHealth, ToolInfo
from bot.tools.server import RECHECK_S, Busy, NotAllowed, NotConnected, Server
from mcp_servers.common.envelope import ErrorInfo
from mcp_servers.common.redaction import redact_tree

log = structlog.get_logger(__name__)

MAX_ARGUMENT_BYTES: Final = 16_384
MAX_TIMEOUT_S: Final = 900.0
GRACE_S: Final = 0.25
"""The flight's own deadline fires first, because it knows what happened; this is how much later the caller's does."""
SICK: Final = frozenset({"UNAVAILABLE", "TIMEOUT"})
"""Failures that tell of a sick backend and count for the breaker."""


@dataclass(frozen=True)
class CallRecord:
    """One call for the metrics: times in seconds, sizes in bytes. ``status`` is ``ok`` or the error's code in lower case."""

    server: str
    tool: str
    status: str
    seconds: float
    size: int
    cached: bool


class Hub:
    """All servers of the configuration behind one `call`."""

    def __init__(
        self,
        servers: Sequence[ServerSettings],
        *,
        ready: Mapping[str, MCPServer] | None = None,
        environ: Mapping[str, str] | None = None,
        on_call: Callable[[CallRecord], None] | None = None,
        recheck_s: float = RECHECK_S,
    ) -> None:
        """``ready`` gives in-process servers made elsewhere, by name. ``on_call`` hears of every call, for metrics; it must not raise.

        Raises `ValueError` on two servers of one name and `bot.patterns.PatternError` on a pattern that cannot be used.
        """
        self._servers: dict[str, Server] = {}
        self._flights: dict[str, SingleFlightCache[Answer]] = {}
        self._on_call = on_call
        for settings in servers:
            if settings.name in self._servers:
                raise ValueError(f"two servers are called {settings.name!r}; names must differ")
            self._servers[settings.name] = Server(
                settings, ready=(ready or {}).get(settings.name), environ=environ, recheck_s=recheck_s
            )
            self._flights[settings.name] = SingleFlightCache(settings.cache_s, keep=lambda answer: answer.ok)

    async def start(self) -> None:
        """Begin to connect to all servers; returns at once and does not fail when one is away."""
        for server in self._servers.values():
            server.start()

    async def stop(self) -> None:
        """Leave all servers; no task and no child process remains."""
        await asyncio.gather(*(server.stop() for server in self._servers.values()))
        for flights in self._flights.values():
            flights.clear()

    async def wait_ready(self, timeout: float) -> bool:
        """Wait until each server is up or has failed once, at most ``timeout`` seconds; whether all are up."""
        waits = [asyncio.create_task(server.settled()) for server in self._servers.values()]
        if waits:
            _, late = await asyncio.wait(waits, timeout=timeout)
            for task in late:
                task.cancel()
        return all(health.ok for health in self.health())

    async def recheck(self, server: str) -> None:
        """Read one server's tool list anew, now."""
        await self._servers[server].recheck()

    def health(self) -> list[ServerHealth]:
        """Each server's state, in the order of the configuration."""
        return [server.health() for server in self._servers.values()]

    def inventory(self) -> dict[str, ToolInfo]:
        """Every tool that the servers last listed, the refused ones included, by full name."""
        infos = [offered.info for server in self._servers.values() for offered in server.offered.values()]
        return {info.name: info for info in sorted(infos, key=lambda info: info.name)}

    def has_server(self, name: str) -> bool:
        """Whether a server of this name is configured, up or down."""
        return name in self._servers

    def signals_of(self, tool: str) -> frozenset[str] | None:
        """The signal codes that ``server.tool`` says it may emit; ``None`` when nothing is known of the tool or it declares none."""
        server_name, _, tool_name = tool.partition(".")
        server = self._servers.get(server_name)
        offered = server.offered.get(tool_name) if server is not None else None
        return frozenset(offered.info.signals) or None if offered is not None else None

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        id: str,
        step: str,
        title: str = "",
        timeout: float | None = None,
    ) -> Evidence:
        """Call ``server.tool`` and give its answer, or why there is none, as `Evidence` with the given ``id``.

        ``timeout`` in seconds covers everything, waiting included; ``None`` means the server's own. Raises nothing but
        ``CancelledError``; a cancelled call is cancelled on the server too, unless another caller waits for the same answer.
        """
        at = datetime.now(UTC)
        began = time.perf_counter()
        server_name, _, tool_name = tool.partition(".")
        server = self._servers.get(server_name)
        limit = min(timeout if timeout is not None else (server.settings.timeout_s if server else 1.0), MAX_TIMEOUT_S)
        given = _plain_json(arguments)
        shared = False
        if server is None:
            answer = Answer(error=self._unknown_server(server_name))
        elif given is None:
            answer = Answer(error=_not_json(tool))
        else:
            answer, shared = await self._answer(server, tool_name, given, limit)
        seconds = time.perf_counter() - began
        status: Literal["ok", "error"] = "ok" if answer.ok else "error"
        evidence = Evidence(
            id=id,
            step=step,
            title=title,
            server=server_name,
            tool=tool_name,
            arguments=redact_tree(given) if given is not None else {},
            status=status,
            error=answer.error,
            summary=answer.summary,
            data=answer.data,
            text=answer.text,
            signals=answer.signals,
            notes=answer.notes,
            window=answer.window,
            link=answer.link,
            tainted=answer.tainted,
            truncated=answer.truncated,
            cached=shared and answer.ok,
            at=at,
            duration_ms=round(seconds * 1000, 1),
        )
        self._audit(evidence, answer, seconds)
        return evidence

    async def _answer(self, server: Server, tool: str, arguments: dict[str, Any], limit: float) -> tuple[Answer, bool]:
        name = f"{server.settings.name}.{tool}"
        try:
            async with asyncio.timeout(limit + GRACE_S):
                if not server.offered:
                    if server.breaker.left_s:
                        return self._resting(server, name), False
                    await server.connected(min(limit, server.settings.connect_timeout_s))
                refused = self._refusal(server, tool, arguments)
                if refused is not None:
                    return Answer(error=refused), False
                return await self._flights[server.settings.name].get(
                    f"{tool} {canonical(arguments)}", lambda: self._fetch(server, tool, arguments, limit)
                )
        except TimeoutError:
            return Answer(error=timed_out(name, limit)), False
        except NotConnected as trouble:
            server.breaker.failed(str(trouble), reached=False)
            return Answer(error=_not_connected(server, str(trouble))), False

    def _refusal(self, server: Server, tool: str, arguments: dict[str, Any]) -> ErrorInfo | None:
        name = f"{server.settings.name}.{tool}"
        offered = server.offered.get(tool)
        if offered is None:
            close = difflib.get_close_matches(tool, [t for t, o in server.offered.items() if o.info.allowed], n=3)
            hint = f"close names: {', '.join(close)}" if close else "`rca doctor` lists the tools of each server"
            return ErrorInfo(
                code="NOT_FOUND", message=f"{name}: server {server.settings.name} offers no such tool", hint=hint
            )
        if not offered.info.allowed:
            return ErrorInfo(code="FORBIDDEN", message=f"{name}: not called: {offered.info.reason}")
        problem = offered.check.problem(arguments)
        if problem:
            return ErrorInfo(code="VALIDATION", message=f"{name}: {one_line(problem)}")
        return None

    async def _fetch(self, server: Server, tool: str, arguments: dict[str, Any], limit: float) -> Answer:
        name = f"{server.settings.name}.{tool}"
        breaker = server.breaker
        if not breaker.admits():
            return self._resting(server, name)
        try:
            result = await server.request(tool, arguments, limit)
        except asyncio.CancelledError:
            breaker.abandoned()
            raise
        except NotConnected as trouble:
            breaker.failed(str(trouble), reached=False)
            return Answer(error=_not_connected(server, str(trouble)))
        except NotAllowed as trouble:
            answer = Answer(error=ErrorInfo(code="FORBIDDEN", message=f"{name}: not called: {trouble}"))
        except Busy:
            breaker.abandoned()
            return Answer(
                error=ErrorInfo(
                    code="RATE_LIMITED",
                    message=f"{name}: no free place in {limit:g} s; server {server.settings.name} takes "
                    f"{server.settings.max_concurrency} calls at a time",
                    retryable=True,
                )
            )
        except (ConnectionLost, *TRANSPORT_ERRORS) as error:
            answer = Answer(error=from_exception(error, tool=name, timeout_s=limit))
        else:
            offered = server.offered.get(tool)
            if offered is None or not offered.info.allowed:
                # It changed while it answered; what a poisoned tool said is not evidence.
                reason = offered.info.reason if offered else "it is no longer offered"
                answer = Answer(error=ErrorInfo(code="FORBIDDEN", message=f"{name}: answer discarded: {reason}"))
            else:
                answer = read(result, settings=server.settings, info=offered.info)
        if answer.error is not None and answer.error.code in SICK:
            breaker.failed(answer.error.message)
        else:
            breaker.succeeded()
        return answer

    def _resting(self, server: Server, name: str) -> Answer:
        return Answer(
            error=ErrorInfo(
                code="UNAVAILABLE",
                message=f"{name}: not called: server {server.settings.name} failed several times in a row",
                retryable=True,
                retry_after_s=round(server.breaker.left_s, 1) or None,
                hint=f"last failure: {server.breaker.last}",
            )
        )

    def _unknown_server(self, name: str) -> ErrorInfo:
        close = difflib.get_close_matches(name, list(self._servers), n=2)
        known = ", ".join(self._servers) or "none"
        hint = f"did you mean {' or '.join(close)}?" if close else f"configured servers: {known}"
        return ErrorInfo(code="NOT_FOUND", message=f"no server is called {name[:60]!r}", hint=hint)

    def _audit(self, evidence: Evidence, answer: Answer, seconds: float) -> None:
        outcome = "ok" if evidence.error is None else evidence.error.code.lower()
        log.info(
            "tool_call",
            evidence=evidence.id,
            step=evidence.step,
            server=evidence.server,
            tool=evidence.tool,
            arguments=evidence.arguments,
            status=outcome,
            ms=evidence.duration_ms,
            bytes=answer.size,
            cached=evidence.cached,
        )
        if self._on_call is not None:
            self._on_call(
                CallRecord(evidence.server, evidence.tool, outcome, seconds, answer.size, cached=evidence.cached)
            )


def _plain_json(arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments as they will go over the wire (times as text); ``None`` when they are no JSON or exceed `MAX_ARGUMENT_BYTES`."""
    try:
        text = canonical(arguments)
    except (TypeError, ValueError, RecursionError):
        return None
    if len(text) > MAX_ARGUMENT_BYTES:
        return None
    plain: dict[str, Any] = json.loads(text)
    return plain


def _not_json(tool: str) -> ErrorInfo:
    return ErrorInfo(
        code="VALIDATION", message=f"{tool}: the arguments are no plain JSON or exceed {MAX_ARGUMENT_BYTES} bytes"
    )


def _not_connected(server: Server, why: str) -> ErrorInfo:
    return ErrorInfo(
        code="UNAVAILABLE",
        message=f"server {server.settings.name} is not connected: {one_line(why)}",
        retryable=True,
        hint="`rca doctor` checks each server; calls go through again as soon as it answers",
    )
