"""`Database`: every server that is configured, asked side by side, and named when it does not answer.

A server that is away keeps nobody waiting: the others answer without it, the answer says so, and it is tried again on later calls. One
that hangs is left alone for a while, or each call would spend its time on it.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_servers.clickhouse.credentials import TooPowerful
from mcp_servers.clickhouse.merging import merged
from mcp_servers.clickhouse.node import Node, Row, connect
from mcp_servers.clickhouse.settings import Address, ClickHouseSettings
from mcp_servers.clickhouse.statements import Statement
from mcp_servers.common.envelope import ToolFailure

GRACE_S = 3.0  # how long the slower servers may take once one has answered a question
PATIENCE_S = 0.5  # how long a call waits for a server that was away to come back
REST_S = (1.0, 2.0, 5.0, 10.0, 20.0)  # between two tries of a server that was away


@dataclass(frozen=True)
class Missed:
    """A server without whose rows an answer had to do."""

    label: str
    failure: ToolFailure


@dataclass(frozen=True)
class Answered:
    """``rows`` of all servers that answered, merged as the statement says; ``missed`` are the others."""

    rows: list[Row]
    missed: tuple[Missed, ...] = ()


class Member:
    """One configured address: connected, or away and tried again when its rest is over."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.node: Node | None = None
        self.failure: ToolFailure | None = None
        self.twin = ""  # the label of the same server under another address
        self._rest_until = 0.0
        self._tries = 0
        self._trying: asyncio.Task[None] | None = None

    @property
    def label(self) -> str:
        return self.address.label

    @property
    def resting(self) -> bool:
        return time.monotonic() < self._rest_until

    def rest(self, failure: ToolFailure) -> None:
        """It did not answer: leave it alone, longer each time."""
        self.failure = failure
        self._rest_until = time.monotonic() + REST_S[min(self._tries, len(REST_S) - 1)]
        self._tries += 1
        if self.node is not None:
            self.node.forget()

    def well(self) -> None:
        self.failure, self._rest_until, self._tries = None, 0.0, 0

    def attempt(self, settings: ClickHouseSettings) -> "asyncio.Task[None]":
        """The running attempt to connect; begins one where there is none."""
        if self._trying is None or self._trying.done():
            self._trying = asyncio.create_task(self._connect(settings), name=f"connect {self.label}")
        return self._trying

    async def _connect(self, settings: ClickHouseSettings) -> None:
        try:
            self.node = await connect(self.address, settings)
            self.well()
        except ToolFailure as failure:
            self.rest(failure)

    def away(self) -> Missed:
        """Why it is not asked now."""
        failure = self.failure or ToolFailure(
            "TIMEOUT", f"{self.label} has not answered yet; it is being tried", retryable=True
        )
        return Missed(self.label, failure)

    async def close(self) -> None:
        if self._trying is not None and not self._trying.done():
            self._trying.cancel()
            await asyncio.gather(self._trying, return_exceptions=True)
        node, self.node = self.node, None
        if node is not None:
            await node.close()


class Database:
    """All servers. Make it with `open`; safe to use from many tasks of one event loop."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self.settings = settings
        self.members = [Member(address) for address in settings.addresses]

    @classmethod
    async def open(cls, settings: ClickHouseSettings) -> "Database":
        """Connect and look at the credential. Raises `ToolFailure` UNAVAILABLE or UNAUTHORIZED when no server can be used."""
        if not settings.addresses:
            raise ToolFailure(
                "UNAVAILABLE",
                "no ClickHouse server is configured",
                hint="set RCA_CH_URL, for example https://clickhouse.example:8443",
            )
        database = cls(settings)
        try:
            pending: set[asyncio.Task[None]] = {member.attempt(settings) for member in database.members}
            while pending:
                done, pending = await asyncio.wait(
                    pending, timeout=GRACE_S if database.nodes else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
                if not done:
                    break
        except BaseException:
            await database.close()
            raise
        if not database.nodes:
            failure = database.members[0].away().failure
            await database.close()
            raise failure
        database._find_twins()
        return database

    @property
    def nodes(self) -> list[Node]:
        """The servers with a connection, in the order in which they are configured; each once."""
        return [m.node for m in self.members if m.node is not None and not m.twin]

    @property
    def several(self) -> bool:
        """Whether answers are made of more than one server's."""
        return len(self.members) > 1

    async def close(self) -> None:
        await asyncio.gather(*(member.close() for member in self.members))

    @property
    def refusal(self) -> ToolFailure | None:
        """Why the credential is not used: on one of the servers it may do more than read, and the operator has not accepted that."""
        if self.settings.allow_privileged:
            return None
        return next((TooPowerful(self.settings.user, n.label, n.excess) for n in self.nodes if n.excess), None)

    async def ask(self, statement: Statement, parameters: Mapping[str, Any] | None = None, **choices: str) -> Answered:
        """Ask every server. One that does not answer while another does is in ``missed``.

        Raises `ToolFailure` when none answers, and FORBIDDEN for a credential that may write.
        """
        await self._bring_back()
        if self.refusal:
            raise self.refusal
        return await self._ask(statement, parameters or {}, choices)

    async def probe(
        self, statement: Statement, parameters: Mapping[str, Any] | None = None, **choices: str
    ) -> Answered:
        """Like `ask`, whatever the credential may do: for the one tool that tells the operator about it."""
        await self._bring_back()
        return await self._ask(statement, parameters or {}, choices)

    async def _ask(self, statement: Statement, parameters: Mapping[str, Any], choices: Mapping[str, str]) -> Answered:
        ready = self._ready()
        outcomes = await self._race(
            [
                (member, node.ask(statement, parameters, self.settings.cluster, **choices))
                for member in ready
                if (node := member.node) is not None
            ]
        )
        rows: list[Row] = []
        answered = 0
        missed: list[Missed] = []
        for member in self.members:
            outcome = outcomes.get(member.label)
            if isinstance(outcome, list):
                answered += 1
                rows += self._labelled(member, outcome)
            elif not member.twin:
                missed.append(Missed(member.label, outcome) if outcome is not None else member.away())
        if not answered:
            raise next((m.failure for m in missed if m.label in outcomes), missed[0].failure)
        return Answered(merged(rows, statement.merge) if statement.merge else rows, tuple(missed))

    async def raw(self, sql: str, what: str, **more: Any) -> list[Row]:
        """A statement that the guard let through, on the first server that answers. Raises `ToolFailure`."""
        await self._bring_back()
        if self.refusal:
            raise self.refusal
        ready = self._ready()
        for member in ready:
            if member.node is None:
                continue
            try:
                return await member.node.raw(sql, what, **more)
            except ToolFailure as failure:
                if member is ready[-1] or not is_away(failure):
                    raise
                member.rest(failure)
        raise self.members[0].away().failure

    def _ready(self) -> list[Member]:
        """Who is asked now. When all of them rest, all are: an answer is worth the wait."""
        connected = [m for m in self.members if m.node is not None and not m.twin]
        return [m for m in connected if not m.resting] or connected

    async def _bring_back(self) -> None:
        """Try again what was away and has rested. A call waits for that a moment only; what takes longer serves a later one."""
        due = {m.attempt(self.settings) for m in self.members if m.node is None and not m.resting}
        if due:
            await asyncio.wait(due, timeout=PATIENCE_S)
            for task in due:
                if task.done():
                    task.result()
            self._find_twins()

    def _find_twins(self) -> None:
        """Two addresses of one server would count everything twice: the second is not asked."""
        seen: dict[str, str] = {}
        for member in self.members:
            if member.node is not None and member.node.uuid:
                first = seen.setdefault(member.node.uuid, member.label)
                member.twin = "" if first == member.label else first

    def _labelled(self, member: Member, rows: list[Row]) -> list[Row]:
        """``rows`` with a host that tells this server from the others, where two of them go by one name."""
        node = member.node
        if node is None or sum(other.host == node.host for other in self.nodes) < 2:
            return rows
        return [{**row, "host": member.label} if "host" in row else row for row in rows]

    async def _race(self, asked: list[tuple[Member, Any]]) -> dict[str, list[Row] | ToolFailure]:
        """Every server's rows or failure. Once one has answered, the others have a little longer, and then the answer goes without them."""
        began = time.monotonic()
        tasks = {asyncio.create_task(question): member for member, question in asked}
        outcomes: dict[str, list[Row] | ToolFailure] = {}
        until: float | None = None
        pending = set(tasks)
        try:
            while pending:
                left = None if until is None else max(0.0, until - time.monotonic())
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    outcomes[tasks[task].label] = self._outcome(tasks[task], task)
                if any(isinstance(outcome, list) for outcome in outcomes.values()):
                    now = time.monotonic()
                    until = until or now + max(GRACE_S, 3 * (now - began))
                    if now >= until:
                        break
            for task in pending:
                outcomes[tasks[task].label] = self._late(tasks[task], time.monotonic() - began)
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        return outcomes

    def _outcome(self, member: Member, task: "asyncio.Task[list[Row]]") -> list[Row] | ToolFailure:
        try:
            rows = task.result()
        except ToolFailure as failure:
            if is_away(failure) and self.several:
                member.rest(failure)
            return failure
        member.well()
        return rows

    def _late(self, member: Member, waited: float) -> ToolFailure:
        failure = ToolFailure(
            "TIMEOUT",
            f"{member.label} had not answered after {waited:.1f} s, when others had; the answer is without it",
            retryable=True,
        )
        member.rest(failure)
        return failure


def is_away(failure: ToolFailure) -> bool:
    """Nothing came back from the server itself."""
    return failure.info.code in ("UNAVAILABLE", "TIMEOUT") and failure.info.backend_status is None
