"""Reading what may be missing: numbers out of foreign documents, and parts of an answer whose failure must not cost the rest."""

from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from bson.timestamp import Timestamp

from mcp_servers.common.envelope import Envelope, ErrorInfo, Partial, ToolFailure

T = TypeVar("T")
_SHOWN = 6


class Reading:
    """Collects the parts that failed while one answer is put together."""

    def __init__(self) -> None:
        self.missing: dict[str, ErrorInfo] = {}

    async def of(self, part: str, read: Awaitable[T], default: T) -> T:
        """What ``read`` gives, or ``default`` with the failure kept under ``part``."""
        try:
            return await read
        except ToolFailure as failure:
            self.missing.setdefault(part, failure.info)
            return default

    def into(self, answer: Envelope) -> None:
        """Put what is missing into ``answer``; nothing is cut silently."""
        parts = list(self.missing.items())
        answer.partial += [Partial(part=p, code=e.code, message=e.message) for p, e in parts[:_SHOWN]]
        if len(parts) > _SHOWN:
            answer.notes.append(f"{len(parts) - _SHOWN} more parts could not be read")


def number(document: Any, *path: str) -> float | None:
    """The number at ``path``, or ``None`` where there is none."""
    for name in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(name)
    if isinstance(document, bool) or not isinstance(document, int | float):
        return None
    return float(document) if document == document else None  # noqa: PLR0124 - NaN is no number


def whole(document: Any, *path: str) -> int | None:
    value = number(document, *path)
    return None if value is None else int(value)


def rate(first: Any, second: Any, seconds: float, *path: str) -> float | None:
    """How fast the counter at ``path`` rises, per second; ``None`` when it is not there or went back (a restart)."""
    before, after = number(first, *path), number(second, *path)
    if before is None or after is None or after < before or seconds <= 0:
        return None
    return round((after - before) / seconds, 3)


def ratio(part: float | None, of: float | None) -> float | None:
    return None if part is None or not of or of <= 0 else round(part / of, 4)


def moment(value: Any) -> datetime | None:
    """A BSON date or timestamp as aware UTC."""
    if isinstance(value, Timestamp):
        return datetime.fromtimestamp(value.time, UTC)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return None


def iso(value: datetime | None) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value else ""
