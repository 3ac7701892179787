"""Failures as answers: what failed, on what, why, and what to do. Every way in which a call can go wrong ends in an `ErrorInfo`."""

import re
from typing import Any, Final

import anyio
import httpx2
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, TextContent
from pydantic import ValidationError

from mcp_servers.common.envelope import ErrorInfo
from mcp_servers.common.redaction import redact

REQUEST_TIMEOUT: Final = -32001
CONNECTION_CLOSED: Final = -32000
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602

MAX_MESSAGE: Final = 300
"""Longest error message that is passed on, in characters."""

TRANSPORT_ERRORS: Final = (
    MCPError,
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    httpx2.HTTPError,
    anyio.ClosedResourceError,
    anyio.BrokenResourceError,
    anyio.EndOfStream,
    ExceptionGroup,
)
"""What a session may raise into a call: the protocol's errors, the transport's, and the SDK's complaints about malformed answers."""


class ConnectionLost(Exception):
    """The connection ended under a call; the call itself may be repeated on a new one."""


def leaf(error: BaseException) -> BaseException:
    """The first real error inside nested exception groups, which is what a transport's task group hides."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


def one_line(text: str, limit: int = MAX_MESSAGE) -> str:
    """Foreign text as one redacted, bounded line."""
    flat = re.sub(r"\s+", " ", redact(text[:8_000])).strip()
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def is_lost(error: BaseException) -> bool:
    """Whether ``error`` means that the connection is gone (and not that the server refused or was slow)."""
    error = leaf(error)
    if isinstance(error, MCPError):
        return error.code == CONNECTION_CLOSED or (error.code == INVALID_REQUEST and "session" in error.message.lower())
    if isinstance(error, httpx2.TimeoutException):
        return False
    return isinstance(
        error,
        anyio.ClosedResourceError
        | anyio.BrokenResourceError
        | anyio.EndOfStream
        | ConnectionError
        | httpx2.TransportError,
    )


def why_not_connected(error: BaseException, server: str) -> str:
    """One line for a person: why a connection could not be made."""
    error = leaf(error)
    if isinstance(error, FileNotFoundError):
        return f"the command {error.filename!r} was not found; check command of server {server}"
    if isinstance(error, PermissionError):
        return f"no permission to start {error.filename!r}; check command of server {server}"
    if isinstance(error, TimeoutError):
        return "no answer to the handshake in time; is it an MCP server?"
    if isinstance(error, httpx2.HTTPStatusError):
        status = error.response.status_code
        if status in (401, 403):
            return f"HTTP {status}; check the token of server {server}"
        if status == 421:
            return f"HTTP 421: the server does not accept this host name; check its allowed hosts and url of server {server}"
        return f"HTTP {status}"
    if isinstance(error, httpx2.ConnectError | ConnectionError):
        what = one_line(str(error), 120)
        return f"connection refused or host not found ({what}); is it running, and is the url of server {server} right?"
    if isinstance(error, MCPError) and error.code == CONNECTION_CLOSED:
        return "it closed the connection during the handshake"
    text = one_line(str(error), 200) or "no message"
    return f"{type(error).__name__}: {text}"


def from_exception(error: BaseException, *, tool: str, timeout_s: float) -> ErrorInfo:
    """A raised failure of a call as an answer."""
    error = leaf(error)
    if isinstance(error, TimeoutError) or (isinstance(error, MCPError) and error.code == REQUEST_TIMEOUT):
        return timed_out(tool, timeout_s)
    if is_lost(error) or isinstance(error, ConnectionLost):
        return ErrorInfo(
            code="UNAVAILABLE",
            message=f"{tool}: the connection to the server was lost during the call",
            retryable=True,
            hint="the server is being reconnected; run the check again",
        )
    if isinstance(error, MCPError):
        if error.code in (METHOD_NOT_FOUND, INVALID_PARAMS):
            return ErrorInfo(code="VALIDATION", message=f"{tool}: {one_line(error.message)}")
        return ErrorInfo(code="UPSTREAM", message=f"{tool}: {one_line(error.message)}")
    return ErrorInfo(
        code="UPSTREAM",
        message=f"{tool}: the server's answer could not be used ({type(error).__name__}: {one_line(str(error), 200)})",
        hint="the answer does not follow the protocol",
    )


def timed_out(tool: str, timeout_s: float) -> ErrorInfo:
    return ErrorInfo(
        code="TIMEOUT",
        message=f"{tool}: no answer in {timeout_s:g} s",
        retryable=True,
        hint="ask for less (a shorter time range, one namespace), or raise the step's timeout",
    )


def from_result(result: CallToolResult, *, tool: str) -> ErrorInfo:
    """An ``is_error`` answer as `ErrorInfo`: ours as it is, a foreign one by its text."""
    payload = result.structured_content
    if isinstance(payload, dict) and isinstance(payload.get("error"), dict):
        info = _ours(payload["error"])
        if info is not None:
            return info
    text = " ".join(part.text for part in result.content if isinstance(part, TextContent))
    line = one_line(text) or "the server reported an error without a message"
    if "validation error" in text[:200]:
        return ErrorInfo(code="VALIDATION", message=f"{tool}: {line}")
    if text.startswith("Unknown tool"):
        return ErrorInfo(code="NOT_FOUND", message=f"{tool}: {line}")
    return ErrorInfo(code="UPSTREAM", message=f"{tool}: {line}")


def _ours(error: dict[str, Any]) -> ErrorInfo | None:
    try:
        info = ErrorInfo.model_validate(error)
    except ValidationError:
        return None
    return info.model_copy(
        update={
            "message": one_line(info.message),
            "hint": one_line(info.hint),
            "missing_permission": one_line(info.missing_permission, 160),
        }
    )
