"""Where a list goes on. Opaque to whoever holds it: the position, the window as it was for the first page, a mark of the arguments.

The window is frozen, so that pages of "the last 15 minutes" do not shift while somebody reads them. A cursor is worth nothing with other
arguments. It is data from outside when it comes back: everything in it is checked again, and it opens no window that ``time_range`` would
not.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.common.timerange import Range

MAX_CURSOR: Final = 600
"""Longest cursor that is read, in characters."""
MAX_OFFSET: Final = 100_000
MAX_TOKEN: Final = 200
_LAST_MS = 2**43
_HINT = "leave the cursor out to begin again; it goes with the same arguments as the page that it came with"


@dataclass(frozen=True)
class Position:
    """Where the next page begins: after ``offset`` rows, or at the backend's own ``token`` ("" for none), in ``window`` if there is one."""

    offset: int = 0
    token: str = ""
    window: Range | None = None


def encode(position: Position, tool: str, arguments: Mapping[str, Any]) -> str:
    """The cursor for ``Page.next``. ``arguments`` are the call's, without the cursor itself and without ``limit``."""
    body: dict[str, Any] = {"o": position.token or position.offset, "h": _mark(tool, arguments)}
    if position.window is not None:
        body["w"] = [_ms(position.window.start), _ms(position.window.end)]
    packed = json.dumps(body, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode(
    cursor: str,
    tool: str,
    arguments: Mapping[str, Any],
    *,
    now: datetime,
    max_length: timedelta = timedelta(days=7),
) -> Position:
    """What `encode` was given. Raises `ToolFailure` VALIDATION for a cursor of another call, or one that no call gave out."""
    try:
        body = _unpacked(cursor)
        at, mark, window = body["o"], body["h"], body.get("w")
        position = Position(
            offset=_within(at, MAX_OFFSET) if not isinstance(at, str) else 0,
            token=_token(at) if isinstance(at, str) else "",
            window=None if window is None else _window(window, now, max_length),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError, OSError) as error:
        raise ToolFailure("VALIDATION", "cursor is not one that this tool gave out", hint=_HINT) from error
    if mark != _mark(tool, arguments):
        raise ToolFailure("VALIDATION", "cursor belongs to a call with other arguments", hint=_HINT)
    return position


def _unpacked(cursor: str) -> Any:
    if len(cursor) > MAX_CURSOR:
        raise ValueError(len(cursor))
    return json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))


def _mark(tool: str, arguments: Mapping[str, Any]) -> str:
    canonical = json.dumps([tool, dict(arguments)], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _within(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(value)
    return value


def _token(value: str) -> str:
    if not 0 < len(value) <= MAX_TOKEN or not value.isprintable():
        raise ValueError(len(value))
    return value


def _window(value: Any, now: datetime, max_length: timedelta) -> Range:
    first, last = value
    start = datetime.fromtimestamp(_within(first, _LAST_MS) / 1000, UTC)
    end = datetime.fromtimestamp(_within(last, _LAST_MS) / 1000, UTC)
    if not start < end <= now + timedelta(seconds=1) or end - start > max_length + timedelta(seconds=1):
        raise ValueError(value)
    return Range(start, end)
