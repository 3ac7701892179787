"""Reading several things for one answer: what one part cannot read is said, and the rest stands."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mcp_servers.clickhouse.client import Database
from mcp_servers.clickhouse.merging import Row
from mcp_servers.clickhouse.statements import Statement
from mcp_servers.common.envelope import Envelope, Partial, ToolFailure
from mcp_servers.common.untrusted import clean

DATABASE = r"^[A-Za-z_][A-Za-z0-9_$-]{0,127}$"
OPTIONAL_DATABASE = r"^([A-Za-z_][A-Za-z0-9_$-]{0,127})?$"
TABLE = r"^[A-Za-z_][A-Za-z0-9_$-]{0,127}\.[A-Za-z_.][A-Za-z0-9_.$-]{0,191}$"


class Reading:
    """One tool call's reads. ``missing`` holds the names of statements that could not be answered at all."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.partial: list[Partial] = []
        self.notes: list[str] = []
        self.missing: set[str] = set()
        self._missed: dict[str, ToolFailure] = {}
        self._missed_in: dict[str, list[str]] = {}

    async def must(
        self, statement: Statement, parameters: Mapping[str, Any] | None = None, **choices: str
    ) -> list[Row]:
        """The rows without which there is no answer. Raises `ToolFailure` when no server has them."""
        answered = await self.database.ask(statement, parameters, **choices)
        for missed in answered.missed:
            self._missed.setdefault(missed.label, missed.failure)
            self._missed_in.setdefault(missed.label, []).append(statement.name)
        return answered.rows

    async def one(self, statement: Statement, parameters: Mapping[str, Any] | None = None, **choices: str) -> list[Row]:
        """The rows of a part that the answer can do without; ``[]`` and a word about it when they cannot be read."""
        try:
            return await self.must(statement, parameters, **choices)
        except ToolFailure as failure:
            self.missing.add(statement.name)
            message = failure.info.message
            if failure.info.code == "UNSUPPORTED":
                self.notes.append(message)
            else:
                self.partial.append(Partial(part=statement.name, code=failure.info.code, message=message[:300]))
            return []

    async def all(self, *asked: tuple[Statement, Mapping[str, Any]]) -> list[list[Row]]:
        """Like `one` for several statements, asked side by side; the rows come in the order of the statements."""
        return list(await asyncio.gather(*(self.one(statement, parameters) for statement, parameters in asked)))

    @property
    def missed(self) -> bool:
        """Whether a server was left out of anything so far."""
        return bool(self._missed)

    def share(self, limit: int) -> int:
        """How many rows each server is asked for, so that the first ``limit`` of all of them together are right but for the rarest case."""
        return max(100, limit) if self.database.several else limit

    def into(self, answer: Envelope) -> None:
        """Put notes and partial failures into the answer, and name every server that did not answer."""
        notes = [*answer.notes, *dict.fromkeys(self.notes)]
        lost = [member.label for member in self.database.members if member.label in self._missed]
        if lost:
            notes.insert(
                0, f"{len(lost)} of {len(self.database.members)} servers are not in all of this: {', '.join(lost)}"
            )
        answer.notes = notes
        answer.partial = [*answer.partial, *self.partial]
        for label in lost:
            failure = self._missed[label].info
            parts = ", ".join(dict.fromkeys(self._missed_in[label]))
            message = f"{failure.message[:240]} (missing in: {parts})"[:400]
            answer.partial.append(Partial(part=f"node {label}", code=failure.code, message=message))


def iso(seconds: object) -> str:
    """Epoch seconds as ISO 8601 UTC; "" for nothing, 0 and what cannot be a time."""
    if not isinstance(seconds, int | float) or not 0 < seconds < 2**33:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def whole(value: object) -> int:
    """A count, 0 for nothing."""
    return int(value) if isinstance(value, int | float) and abs(value) < 1e20 else 0


def real(value: object, digits: int = 3) -> float:
    """A measure with ``digits`` decimals, 0 for nothing and for what is no number."""
    return round(float(value), digits) if isinstance(value, int | float) and abs(value) < 1e20 else 0.0


def hosts_of(row: Row) -> list[str]:
    """The servers that a merged row is of, where it is of more than one."""
    hosts = [clean(host, 100) for host in row.get("hosts") or ()]
    return hosts if len(hosts) > 1 else []


def size_of(count: float) -> str:
    """Bytes in words: 1.5 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def number_of(count: float) -> str:
    """A count in words: 12,345 or 3.4 million."""
    if abs(count) >= 1e9:
        return f"{count / 1e9:.1f} billion"
    return f"{count / 1e6:.1f} million" if abs(count) >= 1e6 else f"{count:,.0f}"


def span_of(seconds: float) -> str:
    """A duration in words: 45 s, 12 min, 3.5 h, 2.1 d."""
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} d"
