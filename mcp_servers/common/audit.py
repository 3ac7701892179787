"""One line for each tool call: when, who asked what, what came of it and what it cost. Arguments are redacted before they are written."""

import contextvars
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mcp.types import CallToolResult, TextContent

from mcp_servers.common.envelope import compact
from mcp_servers.common.redaction import Redactor
from mcp_servers.common.untrusted import clean, sanitise_tree

log = logging.getLogger("mcp_servers.audit")


@dataclass
class Cost:
    """What one call has cost its backend so far. ``rows`` stays ``None`` while no backend told how many it scanned."""

    rows: int | None = None


_current: contextvars.ContextVar[Cost | None] = contextvars.ContextVar("mcp_servers_cost", default=None)


def begin() -> Cost:
    """The account of the call that the current task runs; the tasks that it starts pay into the same one."""
    cost = Cost()
    _current.set(cost)
    return cost


def scanned(rows: int) -> None:
    """Clients call this with the number of rows (documents, objects) that the backend says it has read for a request."""
    cost = _current.get()
    if cost is not None:
        cost.rows = (cost.rows or 0) + max(0, rows)


def caller_of(context: Any) -> str:
    """The name that the client gave when it connected, "" when it gave none. It is the client's own word: for reading, not for trust."""
    try:
        told = context.session.client_params.client_info
    except (AttributeError, ValueError):  # called from inside, without a session
        return ""
    return clean(f"{told.name} {told.version}", 80)


def write(
    redactor: Redactor,
    *,
    tool: str,
    caller: str,
    arguments: dict[str, Any],
    code: str,
    ms: float,
    size: int,
    rows: int | None = None,
    cached: bool = False,
) -> None:
    """Write the line. ``code`` is OK, CANCELLED or an error's; ``ms`` the time in the server, ``size`` the answer's bytes."""
    line: dict[str, Any] = {
        "ts": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "caller": caller,
        "tool": tool,
        "arguments": redactor.tree(sanitise_tree(arguments)),
        "code": code,
        "ms": round(ms),
        "bytes": size,
        "cached": cached,
    }
    if rows is not None:
        line["rows"] = rows
    log.info("tool_call %s", compact(line))


def code_of(result: CallToolResult) -> str:
    """OK, or the error's code."""
    if not result.is_error:
        return "OK"
    payload = result.structured_content if isinstance(result.structured_content, dict) else {}
    return str((payload.get("error") or {}).get("code", "UPSTREAM"))


def bytes_of(result: CallToolResult) -> int:
    """Bytes of the answer as text."""
    return sum(len(c.text.encode("utf-8", "replace")) for c in result.content if isinstance(c, TextContent))
