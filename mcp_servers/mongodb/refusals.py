"""pymongo's exceptions as typed failures. The server's own text is never passed on: it quotes commands, hosts and sometimes literals."""

from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from mcp_servers.common.envelope import ToolFailure

_GRANT = "the role clusterMonitor on admin covers every tool of this server"
_UNSUPPORTED = frozenset({20, 59, 76, 123, 303, 40324, 8000})  # 8000 is Atlas' own "not in this tier"
_RETRY = frozenset({91, 189, 211, 10107, 11600, 11602, 13435, 13436})


def failure_of(error: PyMongoError, command: str, database: str, label: str) -> ToolFailure:
    """The failure of ``command`` on member ``label``, with what to do about it."""
    if isinstance(error, ServerSelectionTimeoutError | AutoReconnect) and not isinstance(error, NetworkTimeout):
        return _away(error, label)
    if isinstance(error, NetworkTimeout | ExecutionTimeout) or getattr(error, "code", None) == 50:
        return ToolFailure(
            "TIMEOUT",
            f"{command} on {label} did not answer in time",
            retryable=True,
            hint="the member is loaded or unreachable; ask for a shorter window or raise RCA_MONGO_TIMEOUT_S",
        )
    if isinstance(error, OperationFailure):
        return _refused(error, command, database, label)
    if isinstance(error, ConfigurationError):
        return ToolFailure(
            "UNAVAILABLE", f"the connection to {label} cannot be set up", hint="check the options of RCA_MONGO_URI"
        )
    return ToolFailure("UPSTREAM", f"{command} on {label} failed: {type(error).__name__}")


def _away(error: PyMongoError, label: str) -> ToolFailure:
    text = str(error).lower()
    why = next(
        (
            said
            for word, said in (
                ("certificate", "its TLS certificate is not accepted"),
                ("ssl", "the TLS handshake fails"),
                ("refused", "it refuses connections"),
                ("name or service", "its name does not resolve"),
                ("nodename", "its name does not resolve"),
                ("getaddrinfo", "its name does not resolve"),
                ("timed out", "it does not answer"),
                ("timeout", "it does not answer"),
            )
            if word in text
        ),
        "the connection fails",
    )
    return ToolFailure(
        "UNAVAILABLE",
        f"{label} cannot be reached: {why}",
        retryable=True,
        hint="check RCA_MONGO_URI, the network policy and that the member runs",
    )


def _refused(error: OperationFailure, command: str, database: str, label: str) -> ToolFailure:
    code, text = error.code or 0, str(error).lower()
    if "not allowed" in text and "atlas" in text:
        return ToolFailure("UNSUPPORTED", f"{command} is not offered by this Atlas tier", backend_status=code)
    if code == 18 or "authentication failed" in text:
        return ToolFailure(
            "UNAUTHORIZED",
            f"{label} refuses the user or password",
            hint="check the user, password and authSource of RCA_MONGO_URI",
            backend_status=code,
        )
    if code == 13 or "not authorized" in text or "requires authentication" in text:
        return ToolFailure(
            "FORBIDDEN",
            f"{command} on database {database} is not permitted on {label}",
            missing_permission=f"{command} on {database}",
            hint=_GRANT,
            backend_status=code,
        )
    if code in _UNSUPPORTED:
        return ToolFailure("UNSUPPORTED", f"{label} does not know {command}", backend_status=code)
    if code == 26:
        return ToolFailure("NOT_FOUND", f"the collection that {command} asks for does not exist on {label}")
    if code in _RETRY:
        return ToolFailure("UNAVAILABLE", f"{label} is changing its role or shutting down", retryable=True)
    return ToolFailure("UPSTREAM", f"{command} on {label} failed with code {code}", backend_status=code)
