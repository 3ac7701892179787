"""`CapableTools`: the hub for playbooks, with capabilities on top. One call in, one `Evidence` out, whoever answers it.

Who answers is decided at the call, from what the servers offer now: our own tool wherever it runs, else the first adapter whose tool is
there and admitted. Adapters go through the hub like every other call, so nothing here can reach a tool that the policy refuses.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from bot.settings import ServerSettings
from bot.tools.adapters import ADAPTERS
from bot.tools.capabilities import ANY, BY_TOOL, CAPABILITIES, DEFAULT_RANGE, WINDOW, Adapter, Ask, Capability, Json
from bot.tools.evidence import Evidence
from bot.tools.inventory import ToolInfo
from mcp_servers.common.envelope import ErrorCode, ErrorInfo, ToolFailure

MAX_TRIES: Final = 4
"""Calls that one question may cost, the preparing one left out."""
_ELSEWHERE: Final = frozenset({"NOT_FOUND", "UNSUPPORTED", "VALIDATION", "UPSTREAM"})
"""Failures after which another way to ask makes sense. A server that is away or slow is not asked in another way."""


class Door(Protocol):
    """The hub, as far as it is needed here."""

    def inventory(self) -> dict[str, ToolInfo]: ...
    def has_server(self, name: str) -> bool: ...
    def signals_of(self, tool: str) -> frozenset[str] | None: ...
    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        id: str,
        step: str,
        title: str = "",
        timeout: float | None = None,
    ) -> Evidence: ...


@dataclass(frozen=True)
class Way:
    """One way to an answer: the tool to call, and the adapter that it takes (none for a tool of ours)."""

    info: ToolInfo
    adapter: Adapter | None = None


class CapableTools:
    """Implements what the engine asks of its tools, over ``door``. ``servers`` tell which are marked untrusted."""

    def __init__(self, door: Door, servers: tuple[ServerSettings, ...] = ()) -> None:
        self._door = door
        self._order = {s.name: n for n, s in enumerate(servers)}
        self._untrusted = frozenset(s.name for s in servers if s.untrusted)

    def inventory(self) -> dict[str, ToolInfo]:
        return self._door.inventory()

    def known(self, tool: str) -> ToolInfo | None:
        """What is known of a tool now; of ``any.CAPABILITY`` the one that would be asked. ``None`` where nobody offers it."""
        capability = capability_of(tool)
        if capability is None:
            return self._door.inventory().get(tool)
        ways = self.ways(capability)
        if not ways:
            return None
        adapter = ways[0].adapter
        return ways[0].info if adapter is None else _question(capability, of_now=adapter.of_now)

    def has_server(self, name: str) -> bool:
        """Whether a server of this name is configured, or, for ``any.CAPABILITY``, whether any server offers that."""
        capability = capability_of(name)
        if capability is None:
            return self._door.has_server(name)
        return bool(self.ways(capability)) or self._own_is_configured(capability)

    def signals_of(self, tool: str) -> frozenset[str] | None:
        """As the hub's; for a capability what the one that answers it now may judge."""
        capability = capability_of(tool)
        if capability is None:
            return self._door.signals_of(tool)
        ways = self.ways(capability)
        if not ways:
            return self._door.signals_of(capability.own) if capability.own else frozenset()
        way = ways[0]
        return self._door.signals_of(way.info.name) if way.adapter is None else frozenset(way.adapter.judges)

    def instead(self, tool: str) -> str:
        """``any.CAPABILITY`` for a tool of ours whose server is not configured while another one can answer; else ``tool``."""
        capability = BY_TOOL.get(tool)
        if capability is None or self._door.has_server(tool.partition(".")[0]) or not self.ways(capability):
            return tool
        return f"{ANY}.{capability.name}"

    def ways(self, capability: Capability) -> list[Way]:
        """Who can answer, the best first: ours, then adapters in their order, servers in the configuration's."""
        offered = sorted(
            (info for info in self._door.inventory().values() if info.allowed),
            key=lambda info: (self._order.get(info.server, len(self._order)), info.name),
        )
        own = capability.own.partition(".")[2]
        found = [Way(info) for info in offered if own and info.tool == own and _ours(info)]
        found.sort(key=lambda way: way.info.name != capability.own)
        for adapter in ADAPTERS:
            if adapter.capability == capability.name:
                found += [Way(info, adapter) for info in offered if info.tool == adapter.tool and _knows(info, adapter)]
        return found

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
        """As the hub's. For ``any.CAPABILITY`` the evidence names the server and the tool that answered."""
        capability = capability_of(tool)
        if capability is None:
            return await self._door.call(tool, arguments, id=id, step=step, title=title, timeout=timeout)
        ways = self.ways(capability)
        if not ways and self._own_is_configured(capability):  # it is away: its own failure says so best
            return await self._door.call(capability.own, arguments, id=id, step=step, title=title, timeout=timeout)
        facts = {"id": id, "step": step, "title": title}
        last: Evidence | None = None
        try:
            async with asyncio.timeout(timeout):
                for way in ways[:MAX_TRIES]:
                    last = await self._asked(way, capability, arguments, facts, timeout) or last
                    if last is not None and (last.ok or last.error is None or last.error.code not in _ELSEWHERE):
                        return last
        except TimeoutError:
            return _failure(facts, tool, arguments, "TIMEOUT", f"{capability.name}: no answer in {timeout:g} s")
        if last is not None:
            return last
        said = (
            f"no server offers {capability.name}"
            if not ways
            else f"no server can answer {capability.name} for these arguments"
        )
        return _failure(facts, tool, arguments, "UNSUPPORTED", said)

    async def _asked(
        self,
        way: Way,
        capability: Capability,
        arguments: Mapping[str, Any],
        facts: Mapping[str, str],
        timeout: float | None,
    ) -> Evidence | None:
        adapter = way.adapter
        if adapter is None:
            return await self._door.call(way.info.name, _fitting(arguments, way.info), **facts, timeout=timeout)
        ask = Ask(arguments, datetime.now(UTC))
        if adapter.before:
            tool, wanted = adapter.before
            before = await self._door.call(f"{way.info.server}.{tool}", wanted, **facts, timeout=timeout)
            if not before.ok:
                return before
            ask = Ask(arguments, ask.now, before.data)
        try:
            questions = adapter.asks(ask)
        except ToolFailure as failure:
            return _failure(facts, way.info.name, arguments, failure.info.code, failure.info.message)
        last: Evidence | None = None
        for question in questions[:MAX_TRIES]:
            last = await self._door.call(way.info.name, question, **facts, timeout=timeout)
            if last.ok or last.error is None or last.error.code not in _ELSEWHERE:
                break
        return self._read(last, ask, adapter, capability) if last is not None and last.ok else last

    def _read(self, evidence: Evidence, ask: Ask, adapter: Adapter, capability: Capability) -> Evidence:
        """The foreign answer in the capability's shape, with what it could not tell."""
        given = adapter.reads(evidence.data if evidence.data is not None else evidence.text, ask)
        if given is None:
            message = (
                f"{evidence.server}.{evidence.tool}: {capability.name} cannot be read from an answer of this shape"
            )
            error = ErrorInfo(code="UPSTREAM", message=message, hint="rca tools shows what the server offers")
            return evidence.model_copy(
                update={"status": "error", "error": error, "summary": message, "data": None, "text": ""}
            )
        trusted = evidence.server not in self._untrusted
        signals = given.signals if trusted else ()
        told = adapter.judges if trusted and not evidence.truncated else ()
        return evidence.model_copy(
            update={
                "summary": given.summary[:240],
                "data": given.data,
                "text": "\n".join([given.summary, *(f"- {s.subject}: {s.detail}" for s in signals)]),
                "signals": signals,
                "notes": (*given.notes, *evidence.notes, f"answered by {adapter.product} through an adapter")[:8],
                "tainted": given.tainted if trusted else ("*",),
                "unjudged": (*capability.signals, *(f"!{code}" for code in told)) if capability.signals else (),
            }
        )

    def _own_is_configured(self, capability: Capability) -> bool:
        return bool(capability.own) and self._door.has_server(capability.own.partition(".")[0])


def capability_of(tool: str) -> Capability | None:
    """The capability of ``any.NAME``; ``None`` for every other name."""
    server, _, name = tool.partition(".")
    return (CAPABILITIES.get(name) or Capability(name, "")) if server == ANY and name else None


def questions(inventory: Mapping[str, ToolInfo]) -> dict[str, ToolInfo]:
    """Every capability as if it were a tool ``any.NAME``: what playbooks are checked against. Arguments and signals are our own tool's."""
    found = (_question(capability, inventory.get(capability.own)) for capability in CAPABILITIES.values())
    return {question.name: question for question in found}


def _question(capability: Capability, own: ToolInfo | None = None, *, of_now: bool = False) -> ToolInfo:
    """A capability as a tool: as our own tool takes it, else as every adapter does. One ``of_now`` takes no window."""
    properties: Json = {name: {} for name in capability.takes if not (of_now and name == WINDOW)}
    if WINDOW in properties:
        properties[WINDOW] = {"type": "string", "default": DEFAULT_RANGE}
    return ToolInfo(
        name=f"{ANY}.{capability.name}",
        server=ANY,
        tool=capability.name,
        description=capability.says,
        schema=own.schema if own else {"type": "object", "properties": properties},
        signals=own.signals if own else (),
        read_only=True,
    )


def _ours(info: ToolInfo) -> bool:
    """One of our servers' tools under whatever server's name: only ours say which signals they give, or to whom they speak."""
    return bool(info.signals) or info.server in ("kubernetes", "signoz", "clickhouse", "mongodb")


def _knows(info: ToolInfo, adapter: Adapter) -> bool:
    properties = info.schema.get("properties")
    return set(adapter.needs) <= set(properties if isinstance(properties, dict) else ())


def _fitting(arguments: Mapping[str, Any], info: ToolInfo) -> dict[str, Any]:
    """The arguments that this version of our tool knows; one that it does not know would be refused."""
    properties = info.schema.get("properties")
    return {k: v for k, v in arguments.items() if not isinstance(properties, dict) or k in properties}


def _failure(
    facts: Mapping[str, str], tool: str, arguments: Mapping[str, Any], code: ErrorCode, message: str
) -> Evidence:
    server, _, name = tool.partition(".")
    return Evidence(
        **facts,
        server=server,
        tool=name,
        arguments=dict(arguments),
        status="error",
        error=ErrorInfo(code=code, message=message),
        summary=message,
        at=datetime.now(UTC),
    )
