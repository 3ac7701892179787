"""What a credential may do, and how its statements are bounded, as the server itself says when a connection is made.

Grants are the boundary; the bounds of a statement come from the user's profile where that is fixed (``readonly = 1``) and go along with
each statement where it lets them be set. A credential that may write is refused, unless the operator accepts it.
"""

import re
from collections.abc import Mapping
from typing import Any

from mcp_servers.clickhouse.texts import words
from mcp_servers.common.envelope import ToolFailure

MAX_ROWS = 2_000
MAX_RESULT_BYTES = 8 * 1024 * 1024

# The bounds of one statement, sent where the user's profile lets them be set; elsewhere the profile's own hold.
BOUNDS: Mapping[str, Any] = {
    "max_rows_to_read": 2_000_000_000,
    "max_bytes_to_read": 20_000_000_000,
    "read_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
    "max_result_rows": MAX_ROWS,
    "max_result_bytes": MAX_RESULT_BYTES,
    "result_overflow_mode": "throw",
    "max_memory_usage": 2_000_000_000,
    "max_threads": 4,
    "priority": 10,
    "cancel_http_readonly_queries_on_client_close": 1,
}
# Without these the server reads on after its reader has gone; a log without them may be read for hours.
ESSENTIAL = ("max_execution_time", "max_rows_to_read", "max_bytes_to_read")

SETTINGS = "SELECT name, value, readonly FROM system.settings WHERE name IN {names:Array(String)} LIMIT 100"
WHO = "SELECT hostName() AS host, version() AS version, toString(serverUUID()) AS id LIMIT 1"
WHO_OLD = "SELECT hostName() AS host, version() AS version LIMIT 1"  # serverUUID() came with 21.9
GRANTS = "SHOW GRANTS FINAL"  # with the rights of roles, since 24.8
GRANTS_OLD = "SHOW GRANTS"

_STRONG = re.compile(
    r"(?i)\b(ALL|INSERT|ALTER|DROP|CREATE|TRUNCATE|OPTIMIZE|SYSTEM|KILL|BACKUP|RESTORE|SOURCES|READ|WRITE|FILE|URL|REMOTE|S3|HDFS|AZURE"
    r"|MYSQL|POSTGRES|ODBC|JDBC|MONGO|REDIS|SQLITE|HIVE|KAFKA|NATS|RABBITMQ|IMPERSONATE|SET DEFINER|MOVE "
    r"PARTITION|UNDROP|ROLE ADMIN|ACCESS MANAGEMENT"
    r"|displaySecretsInShowAndSelect|NAMED COLLECTION|EXECUTE|CLUSTER)\b"
)
_GRANT = re.compile(r"(?i)\AGRANT\s+(.+?)\s+ON\s+(.+?)\s+TO\s")
_ROLE = re.compile(r"(?i)\AGRANT\s+((?:(?!\sON\s).)+?)\s+TO\s")
_OPTION = re.compile(r"(?i)\sWITH\s+(?:GRANT|ADMIN)\s+OPTION")
_HARMLESS = frozenset({"CREATE TEMPORARY TABLE"})


class TooPowerful(ToolFailure):
    """The credential may do more than read, and the operator has not accepted that."""

    def __init__(self, user: str, label: str, rights: list[str]) -> None:
        super().__init__(
            "FORBIDDEN",
            f"the user {user} on {label} may do more than read ({', '.join(rights[:6])}); it is not used",
            hint="create the read-only user of deploy/clickhouse/rca_bot.sql and give that one in RCA_CH_USER; or accept the risk with "
            "RCA_ALLOW_PRIVILEGED=1",
        )


def excess(grants: list[str], cluster: bool = False) -> list[str]:
    """What lines of SHOW GRANTS allow beyond reading. CREATE TEMPORARY TABLE alone is harmless; SELECT on columns is taken for SELECT.

    ``cluster``: clusterAllReplicas() is what the operator asked for, and it needs REMOTE (READ ON REMOTE since 25.7).
    """
    found: list[str] = []
    for line in grants:
        match = _GRANT.match(line.strip())
        if not match:
            continue
        source = match[2].strip("`").upper()
        for each in re.sub(r"\([^()]*\)", "", match[1]).split(","):
            right = each.strip().upper()
            if not _STRONG.search(right) or right in _HARMLESS:
                continue
            if cluster and (right in ("REMOTE", "CLUSTER") or (right == "READ" and source == "REMOTE")):
                continue
            found.append(f"{right} ON {source}" if right in ("READ", "WRITE") else right)
        if _OPTION.search(line):
            found.append("GRANT OPTION")
    return list(dict.fromkeys(found))


def roles(grants: list[str]) -> list[str]:
    """The roles among lines of SHOW GRANTS."""
    found = [match[1] for line in grants if (match := _ROLE.match(line.strip()))]
    return [name.strip().strip("`") for names in found for name in names.split(",")]


def bounds(state: Mapping[str, Mapping[str, Any]], timeout_s: float) -> tuple[dict[str, Any], list[str]]:
    """The settings that go with every statement, and which of `ESSENTIAL` hold neither by them nor by the profile.

    ``state``: rows of system.settings by name, as this user sees them. A profile with ``readonly = 1`` takes no setting at all.
    """
    mode = str(state.get("readonly", {}).get("value", "0"))
    sent: dict[str, Any] = {}
    if mode != "1":
        asked = {**BOUNDS, "max_execution_time": int(timeout_s), "log_comment": "rca"}
        sent = {name: value for name, value in asked.items() if name in state and not state[name]["readonly"]}
        if mode == "0":
            sent["readonly"] = 1
    missing = [
        name for name in ESSENTIAL if name not in sent and str(state.get(name, {}).get("value", "0")) in ("", "0")
    ]
    return sent, missing


def wanted() -> list[str]:
    """The settings to look up for `bounds`."""
    return [*BOUNDS, *words("max_execution_time log_comment readonly")]
