"""ClickHouse's errors as `ToolFailure`s, for the person who must act."""

import re

import aiohttp
from clickhouse_connect.driver.exceptions import Error

from mcp_servers.clickhouse.texts import said
from mcp_servers.common.envelope import ErrorCode, ToolFailure

_GRANT = re.compile(r"(?:have|has) (?:the )?grants? ([A-Z][A-Za-z ,()_*.`\"\d]{2,160}?)(?:\. |\s*\(|\.?\Z)")
_CODES: dict[int, ErrorCode] = {
    **dict.fromkeys((159, 160, 209), "TIMEOUT"),
    **dict.fromkeys((158, 396, 307, 241, 321), "TOO_LARGE"),
    **dict.fromkeys((164, 452, 115, 62, 36), "VALIDATION"),
    497: "FORBIDDEN",
    **dict.fromkeys((516, 194, 192, 193), "UNAUTHORIZED"),
    **dict.fromkeys((202, 201, 203), "RATE_LIMITED"),
    **dict.fromkeys((210, 279, 999), "UNAVAILABLE"),
    **dict.fromkeys((60, 81), "NOT_FOUND"),
}
_HINTS: dict[str, str] = {
    "TIMEOUT": "ask for a shorter time range; RCA_CH_TIMEOUT_S and the profile's max_execution_time set the limit",
    "TOO_LARGE": "ask for a shorter time range, one database or a smaller limit",
    "UNAUTHORIZED": "check RCA_CH_USER and RCA_CH_PASSWORD or RCA_CH_PASSWORD_FILE, and from which addresses the user may connect",
    "RATE_LIMITED": "the server runs as many queries as it, or this user, may; try again shortly",
    "UNAVAILABLE": "check RCA_CH_URL, and that the HTTP port answers from here (GET /ping)",
}
HANDSHAKE = (
    "the profile's max_result_rows or max_result_bytes is smaller than what the client reads when it connects (about "
    "2,000 rows of system.settings); "
    "set max_result_rows = 2000 or more in the profile"
)


def failure(error: Exception, what: str, label: str, *, connecting: bool = False) -> ToolFailure:
    """``error`` of reading ``what`` on node ``label``."""
    number = getattr(error, "code", None)
    if isinstance(error, TimeoutError):
        return ToolFailure("TIMEOUT", f"{what} on {label} took too long", retryable=True, hint=_HINTS["TIMEOUT"])
    if number is None:
        # no code: the answer did not come from ClickHouse, or none came
        why = type(error.__cause__ or error).__name__
        if isinstance(error, Error | aiohttp.ClientError | OSError):
            said_it = _plain(str(error))
            return ToolFailure(
                "UNAVAILABLE",
                f"{label} does not answer as ClickHouse does ({why}{': ' + said_it if said_it else ''})",
                retryable=True,
                retry_after_s=10,
                hint=_HINTS["UNAVAILABLE"],
            )
        return ToolFailure("UPSTREAM", f"{what} on {label} failed ({why})")
    text = str(error)
    message = said(text.split("server response:", 1)[-1], number, 260)
    code = _CODES.get(number, "UPSTREAM")
    if connecting and number in (396, 307):
        return ToolFailure("TOO_LARGE", f"cannot connect to {label}: {message}", hint=HANDSHAKE, backend_status=number)
    if code == "UNAUTHORIZED":
        message = "the user or password is not accepted"
    grant = _GRANT.search(text) if code == "FORBIDDEN" else None
    return ToolFailure(
        code,
        f"{what} on {label}: {message} (ClickHouse error {number})",
        retryable=code in ("RATE_LIMITED", "UNAVAILABLE", "TIMEOUT"),
        retry_after_s=5 if code == "RATE_LIMITED" else None,
        hint=f"GRANT {grant[1].strip()} TO the bot's role" if grant else _HINTS.get(code, ""),
        missing_permission=grant[1].strip() if grant else "",
        backend_status=number,
    )


def _plain(text: str) -> str:
    """What may be repeated of a transport's error: no HTML, no address with a password."""
    text = re.sub(r"(?s)<[^>]*>|https?://\S+", " ", text)
    return said(text, 210, 120)
