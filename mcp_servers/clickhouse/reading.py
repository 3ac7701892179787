"""Reading several things for one answer: what one part cannot read is said, and the rest stands."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mcp_servers.clickhouse.client import Database, Row
from mcp_servers.clickhouse.statements import Statement
from mcp_servers.common.envelope import Envelope, Partial, ToolFailure

DATABASE = r"^[A-Za-z_][A-Za-z0-9_$-]{0,127}$"
OPTIONAL_DATABASE = r"^([A-Za-z_][A-Za-z0-9_$-]{0,127})?$"
TABLE = r"^[A-Za-z_][A-Za-z0-9_$-]{0,127}\.[A-Za-z_.][A-Za-z0-9_.$-]{0,191}$"


class Reading:
    """One tool call's reads. ``missing`` holds the names of statements that could not be answered."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.partial: list[Partial] = []
        self.notes: list[str] = []
        self.missing: set[str] = set()

    async def all(self, *asked: tuple[Statement, Mapping[str, Any]]) -> list[list[Row]]:
        """The rows of several statements, asked side by side; ``[]`` for what could not be read."""
        return list(await asyncio.gather(*(self.one(statement, parameters) for statement, parameters in asked)))

    async def one(self, statement: Statement, parameters: Mapping[str, Any] | None = None, **choices: str) -> list[Row]:
        try:
            return await self.database.ask(statement, parameters, **choices)
        except ToolFailure as failure:
            self.missing.add(statement.name)
            message = failure.info.message
            if failure.info.code == "UNSUPPORTED":
                self.notes.append(message)
            else:
                self.partial.append(Partial(part=statement.name, code=failure.info.code, message=message[:300]))
            return []

    def into(self, answer: Envelope) -> None:
        """Put notes and partial failures into the answer, and which nodes did not answer at all."""
        answer.notes = [*answer.notes, *dict.fromkeys(self.notes)]
        answer.partial = [*answer.partial, *self.partial]
        for failure in self.database.absent:
            answer.partial.append(Partial(part="node", code=failure.info.code, message=failure.info.message[:300]))


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
