"""What log lines tell by themselves: the ``log.*`` signals of one container's text.

Anyone who can make an application log a line can write such text, so these signals name what the log says, never what is so.
"""

import re
from dataclasses import dataclass
from typing import Any

import re2

from mcp_servers.common.untrusted import clean

_SETTING = "environment variable|env var|setting|config(?:uration)?(?: key| value)?|property"
_ADDRESS = r"(?P<where>(?:\[[0-9a-fA-F:]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?):\d{2,5}|/[\w./-]{1,200}\.sock)"


@dataclass(frozen=True)
class Kind:
    """A kind of line. ``says`` completes "the log tells of ..."."""

    code: str
    reason: str
    phrases: Any  # RE2: lines come from outside, and there are many of them
    says: str


def _any(*phrases: str) -> Any:
    return re2.compile(f"(?i){'|'.join(phrases)}")


# First match wins for one line; the order goes from specific to general.
KINDS: tuple[Kind, ...] = (
    Kind(
        "log.port_in_use",
        "",
        _any("address already in use", "EADDRINUSE", r"port \d{2,5} (?:is|was) already in use", "only one usage of each socket address"),
        "an address already in use",
    ),
    Kind(
        "log.oom_text",
        "",
        _any(
            r"java\.lang\.OutOfMemoryError", "out of memory", "cannot allocate memory", "JavaScript heap out of memory",
            r"\bMemoryError\b", "std::bad_alloc", "Killed process", "oom-kill",
        ),
        "exhausted memory",
    ),
    Kind("log.disk_full", "", _any("no space left on device", "ENOSPC", "disk quota exceeded", "disk is full"), "a full disk"),
    Kind(
        "log.certificate",
        "expired",
        _any("certificate (?:has |is )?expired", "CERT_HAS_EXPIRED", "certificate_expired", "CertificateExpiredException"),
        "an expired certificate",
    ),
    Kind(
        "log.certificate",
        "untrusted",
        _any(
            "certificate signed by unknown authority", "unable to get (?:local )?issuer certificate", "self[- ]signed certificate",
            "certificate verify failed", "PKIX path (?:building|validation) failed",
        ),
        "a certificate that is not trusted",
    ),
    Kind(
        "log.too_many_connections",
        "",
        _any(
            "too many connections", "too many clients already", "remaining connection slots are reserved", "max_user_connections",
            "ORA-00018", "ORA-12519", "connection refused because too many open connections", "max number of clients reached",
        ),
        "a database without a free connection",
    ),
    Kind(
        "log.read_only",
        "",
        _any(
            "in a read-only transaction", "--(?:super-)?read-only option", "READONLY You can't write against a read only",
            "database is (?:in )?read[- ]only", "NotWritablePrimary", "not master and slaveOk", "read_only_allow_delete",
            "attempt to write a readonly database", "TABLE_IS_READ_ONLY",
        ),
        "a database that takes no writes",
    ),
    Kind(
        "log.api_forbidden",
        "",
        _any(r"is forbidden: User .{3,200} cannot (?:get|list|watch|create|update|patch|delete)"),
        "a request that the cluster's API refuses",
    ),
    Kind(
        "log.auth_failed",
        "",
        _any(
            "access denied for user", "password authentication failed", "authentication failed", "auth(?:entication)? error",
            "invalid (?:password|credentials|username)", "login failed", "WRONGPASS", "NOAUTH", "SASL authentication", "not authorized on",
            "unauthorized: ", "28000", "28P01", r"\b1045\b.{0,40}denied", "bad credentials", "invalid api key",
        ),
        "refused credentials",
    ),
    Kind(
        "log.conn_refused",
        "dns",
        _any(
            "no such host", "UnknownHostException", "getaddrinfo", "name or service not known", "temporary failure in name resolution",
            "ENOTFOUND", "EAI_AGAIN", "could not resolve host", "nodename nor servname", "server misbehaving", "NXDOMAIN",
        ),
        "a name that does not resolve",
    ),
    Kind(
        "log.conn_refused",
        "refused",
        _any("connection refused", "ECONNREFUSED", "actively refused", "connect failed: 111", r"errno[: ]+111\b"),
        "a refused connection",
    ),
    Kind(
        "log.conn_refused",
        "timeout",
        _any(
            "connect(?:ion)? timed out", "connection timeout", "ETIMEDOUT", "dial tcp.{0,120}i/o timeout", "no route to host",
            "EHOSTUNREACH", "connect timeout",
        ),
        "a connection that nobody answers",
    ),
    Kind(
        "log.conn_refused",
        "reset",
        _any("connection reset", "ECONNRESET", "broken pipe", "connection aborted", "unexpected EOF", "server closed the connection"),
        "a connection that broke off",
    ),
    Kind(
        "log.config_missing",
        "",
        _any(
            rf"(?:{_SETTING})\b.{{0,80}}\b(?:not set|missing|required|undefined|not found|not defined)",
            rf"(?:missing|required|undefined)\b.{{0,40}}\b(?:{_SETTING})\b",
            "could not resolve placeholder", r"KeyError: '[A-Z][A-Z0-9_]{2,}'", "no such file or directory", "FileNotFoundException",
            "FileNotFoundError", "ENOENT",
        ),
        "a missing setting or file",
    ),
    Kind(
        "log.permission_denied",
        "",
        _any("permission denied", "EACCES", "EPERM", "operation not permitted", "AccessDeniedException", "read-only file system", "EROFS"),
        "denied access to a file",
    ),
    Kind(
        "log.timeout_text",
        "",
        _any("deadline exceeded", "timed out", "timeout", "ETIMEDOUT", "SocketTimeoutException"),
        "time-outs",
    ),
    Kind(
        "log.app_exception",
        "",
        _any(
            r"\bpanic:", r"\bfatal\b", r"unhandled (?:exception|rejection|error)", r"uncaught", "Traceback \\(most recent call last\\)",
            r"\b[\w.$]*(?:Exception|Error)\b(?::| in thread| at )", "segmentation fault", "Exception in thread", "Application run failed",
            "failed to start", "stack trace",
        ),
        "an exception or a fatal line",
    ),
)  # fmt: skip
_WHERE = re2.compile(_ADDRESS)
_HOSTNAME = re2.compile(
    r"(?:lookup|host(?:name)?|UnknownHostException:|getaddrinfo(?:\s+(?:ENOTFOUND|EAI_AGAIN))?|ENOTFOUND|EAI_AGAIN"
    r"|resolve(?: host)?:?)\s+[\"']?"
    r"(?P<where>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?)"
)
_PATH = re2.compile(r"(?:^|[\s'\":=(\[])(?P<where>/[\w.@+-]+(?:/[\w.@+-]+)*)")
_EXCEPTION = re2.compile(r"\b(?P<where>[A-Za-z_][\w.$]{0,100}(?:Exception|Error))\b")
_THINGS: dict[str, tuple[Any, ...]] = {
    "log.config_missing": (
        re2.compile(r"\b(?P<where>[A-Z][A-Z0-9]*_[A-Z0-9_]{1,60})\b"),
        re2.compile(r"placeholder '(?P<where>[\w.-]{1,80})'"),
        _PATH,
    ),
    "log.permission_denied": (_PATH,),
    "log.disk_full": (_PATH,),
    "log.port_in_use": (
        re2.compile(r"(?i)\bport:? (?P<where>\d{2,5})\b"),
        re2.compile(r":(?P<where>\d{2,5})\b(?:[^:]|$)"),
    ),
    "log.app_exception": (_EXCEPTION,),
    "log.oom_text": (_EXCEPTION,),
}
_REFUSED = _any("connection refused", "ECONNREFUSED", "actively refused")
_DRIVER = re2.compile(
    r"com\.mysql|org\.mariadb|org\.postgresql|oracle\.jdbc|com\.microsoft\.sqlserver|com\.mongodb|psycopg|asyncpg|pymysql|mysqlclient|MySQLdb"
    r"|mysql\.connector|pymongo|node_modules/(?:mysql2?|pg|mongodb|tedious)/|go-sql-driver|jackc/pgx|lib/pq|mongo-driver|SqlClient|Npgsql|MySqlConnector"
    r"|Communications link failure|HikariPool"
)
_BENIGN = _any(r"\b0 errors?\b", r"\bno errors?\b", r"errors?[=:] ?0\b", "without errors?")


@dataclass(frozen=True)
class Told:
    """What a line tells: the signal's code and reason, a clause, and the thing it names ("" where none).

    ``where`` is an address, a setting's or an exception's name, a path or a port: one word of a narrow alphabet, never prose, because a
    stranger may have written the line.
    """

    code: str
    reason: str
    says: str
    where: str = ""


def tell(line: str) -> Told | None:
    """The kind of trouble that one line speaks of; ``None`` where it speaks of none. Looks at 1,000 characters."""
    line = line[:1000]
    if _BENIGN.search(line):
        return None
    for kind in KINDS:
        if kind.phrases.search(line):
            return Told(kind.code, kind.reason, kind.says, thing(line, kind))
    return None


def refused_by_database(text: str) -> bool:
    """Whether a refused connection in a log is one to a database: its stack trace, which follows, names a driver."""
    match = _REFUSED.search(text)
    for _ in range(20):
        if match is None:
            return False
        if _DRIVER.search(text[max(0, match.start() - 600) : match.end() + 2_500]):
            return True
        match = _REFUSED.search(text, match.end() + 2_500)
    return False


def thing(line: str, kind: Kind) -> str:
    """The address, name, path or port that a line of this kind speaks of; "" where it names none."""
    if kind.code in ("log.conn_refused", "log.timeout_text"):
        return address(line, kind.reason)
    for pattern in _THINGS.get(kind.code, ()):
        if match := pattern.search(line):
            return str(clean(match.group("where"), 120))
    return ""


def address(line: str, reason: str = "") -> str:
    """``host:port`` (or a socket's path) that the line names; a bare host name where a lookup failed; "" where there is none.

    In ``dial tcp 10.0.0.1:41234->10.0.0.9:5432`` the part behind the arrow is the peer.
    """
    line = line.partition("->")[2] or line
    if reason == "dns" and (match := _HOSTNAME.search(line)):
        return clean(match.group("where"), 120)
    for match in _WHERE.finditer(line):
        where: str = match.group("where")
        if where.startswith("/") or not _is_source(where):
            return clean(where, 120)
    return ""


_SOURCES = (
    ".go",
    ".java",
    ".py",
    ".js",
    ".ts",
    ".rb",
    ".rs",
    ".cs",
    ".kt",
    ".scala",
    ".php",
    ".c",
    ".cc",
    ".cpp",
    ".mjs",
    ".cjs",
    ".h",
)


def _is_source(where: str) -> bool:
    """``main.go:42`` and ``App.java:17`` are places in code, ``07:01`` and ``2026-11-22T07:01`` are times: none is an address."""
    host = where.rpartition(":")[0].lower()
    return host.endswith(_SOURCES) or re.fullmatch(r"\d+|[\dt:-]{5,20}", host) is not None
