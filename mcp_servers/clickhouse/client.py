"""`Database`: every node that is configured, asked side by side, within bounds that hold on both ends.

What leaves is a `Statement` or one of the few constants here; `_admit` refuses any text that is no SELECT, SHOW GRANTS or EXPLAIN ESTIMATE, whoever
wrote it. Grants are the boundary; this is the belt. A credential that may write is not used at all.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import clickhouse_connect
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import Error

from mcp_servers.clickhouse.failures import failure
from mcp_servers.clickhouse.settings import Address, ClickHouseSettings
from mcp_servers.clickhouse.statements import Statement
from mcp_servers.clickhouse.texts import words
from mcp_servers.common.envelope import ToolFailure

Row = dict[str, Any]
MAX_ROWS = 2_000
MAX_CELLS_TEXT = 8 * 1024 * 1024
_FORGET_S = 300.0  # how long the columns of system tables are believed

# The bounds of one statement, sent where the user's profile lets them be set; elsewhere the profile's own hold.
BOUNDS = {
    "max_rows_to_read": 2_000_000_000,
    "max_bytes_to_read": 20_000_000_000,
    "read_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
    "max_result_rows": MAX_ROWS,
    "max_result_bytes": MAX_CELLS_TEXT,
    "result_overflow_mode": "throw",
    "max_memory_usage": 2_000_000_000,
    "max_threads": 4,
    "priority": 10,
    "cancel_http_readonly_queries_on_client_close": 1,
}
_SETTINGS = "SELECT name, value, readonly FROM system.settings WHERE name IN {names:Array(String)} LIMIT 100"
_COLUMNS = "SELECT table, groupArray(name) AS names FROM system.columns WHERE database = 'system' AND table IN {tables:Array(String)} GROUP BY table LIMIT 100"
_READ = re.compile(r"(?is)\A\s*(?:SELECT\s|WITH\s|SHOW\s+GRANTS(?:\s+FINAL)?\s*\Z|EXPLAIN\s+ESTIMATE\s+SELECT\s)")
_TABLES = words(
    "asynchronous_metrics clusters columns databases detached_parts disks distribution_queue errors "
    "merge_tree_settings merges metrics mutations part_log parts processes query_log replicas "
    "replication_queue server_settings tables warnings"
)
_STRONG = re.compile(
    r"(?i)\b(ALL|INSERT|ALTER|DROP|CREATE|TRUNCATE|OPTIMIZE|SYSTEM|KILL|BACKUP|RESTORE|SOURCES|READ|WRITE|FILE|URL|REMOTE|S3|HDFS|AZURE|MYSQL"
    r"|POSTGRES|ODBC|JDBC|MONGO|REDIS|SQLITE|HIVE|KAFKA|NATS|RABBITMQ|IMPERSONATE|SET DEFINER|MOVE PARTITION|UNDROP|ROLE ADMIN|ACCESS MANAGEMENT"
    r"|displaySecretsInShowAndSelect|NAMED COLLECTION)\b"
)
_GRANTS = re.compile(r"(?i)\AGRANT\s+(.+?)\s+ON\s+(.+?)\s+TO\s")
_OPTION = re.compile(r"(?i)\sWITH\s+(?:GRANT|ADMIN)\s+OPTION")


def excess(grants: list[str]) -> list[str]:
    """What lines of SHOW GRANTS allow beyond reading. CREATE TEMPORARY TABLE alone is harmless; SELECT on columns is taken for SELECT."""
    found: list[str] = []
    for line in grants:
        match = _GRANTS.match(line.strip())
        if not match:
            continue
        rights = re.sub(r"\([^()]*\)", "", match[1])
        found += [
            right.strip().upper()
            for right in rights.split(",")
            if _STRONG.search(right) and right.strip().upper() != "CREATE TEMPORARY TABLE"
        ]
        if _OPTION.search(line):
            found.append("GRANT OPTION")
    return list(dict.fromkeys(found))


@dataclass
class Node:
    """One server. ``bounds`` are the settings that go with every statement; ``warnings`` say which could not be set and are not set either."""

    address: Address
    client: AsyncClient
    timeout_s: float
    bounds: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    grants: list[str] = field(default_factory=list)
    _columns: dict[str, frozenset[str]] = field(default_factory=dict)
    _columns_at: float = -_FORGET_S

    async def rows(self, sql: str, parameters: Mapping[str, Any], what: str) -> list[Row]:
        """Run one statement. Raises `ToolFailure`."""
        _admit(sql)
        try:
            async with asyncio.timeout(self.timeout_s + 2):
                settings = {**self.bounds, "log_comment": f"rca:{what}"} if "max_execution_time" in self.bounds else {}
                result = await self.client.query(sql, parameters=dict(parameters), settings=settings)
        except (Error, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise failure(error, what, self.address.label) from error
        names = list(result.column_names)
        return [dict(zip(names, row, strict=True)) for row in result.result_rows[:MAX_ROWS]]

    async def columns(self, table: str) -> frozenset[str]:
        """The columns of ``system.<table>`` that this user may see; empty when there is no such table. Raises `ToolFailure`."""
        if time.monotonic() - self._columns_at > _FORGET_S:
            found = await self.rows(_COLUMNS, {"tables": _TABLES}, "system.columns")
            self._columns = {row["table"]: frozenset(row["names"]) for row in found}
            self._columns_at = time.monotonic()
        return self._columns.get(table, frozenset())

    async def close(self) -> None:
        await self.client.close()


class Database:
    """All nodes. Make it with `open`; safe to use from many tasks of one event loop."""

    def __init__(self, nodes: list[Node], settings: ClickHouseSettings, absent: list[ToolFailure]) -> None:
        self.nodes = nodes
        self.settings = settings
        self.absent = absent  # nodes that did not answer when the connection was made

    @classmethod
    async def open(cls, settings: ClickHouseSettings) -> "Database":
        """Connect and look at the credential. Raises `ToolFailure` UNAVAILABLE, UNAUTHORIZED, or FORBIDDEN when it may write."""
        if not settings.addresses:
            raise ToolFailure(
                "UNAVAILABLE",
                "no ClickHouse server is configured",
                hint="set RCA_CH_URL, for example https://clickhouse.example:8443",
            )
        nodes: list[Node] = []
        absent: list[ToolFailure] = []
        for outcome in await asyncio.gather(
            *(_connect(a, settings) for a in settings.addresses), return_exceptions=True
        ):
            if isinstance(outcome, Node):
                nodes.append(outcome)
            elif isinstance(outcome, ToolFailure) and outcome.info.code != "FORBIDDEN":
                absent.append(outcome)
            else:
                await asyncio.gather(*(node.close() for node in nodes))
                raise outcome
        if not nodes:
            raise absent[0]
        return cls(nodes, settings, absent)

    async def close(self) -> None:
        await asyncio.gather(*(node.close() for node in self.nodes))

    async def ask(self, statement: Statement, parameters: Mapping[str, Any] | None = None, **choices: str) -> list[Row]:
        """The rows of ``statement`` from every node. Raises `ToolFailure`; a node that fails while another answers is left out."""
        outcomes = await asyncio.gather(
            *(self._one(node, statement, parameters or {}, choices) for node in self.nodes), return_exceptions=True
        )
        rows: list[Row] = []
        failed: list[ToolFailure] = []
        for outcome in outcomes:
            if isinstance(outcome, ToolFailure):
                failed.append(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                rows += outcome
        if failed and len(failed) == len(outcomes):
            raise failed[0]
        return rows

    async def raw(self, sql: str, what: str) -> list[Row]:
        """A statement that the guard let through, on the first node. Raises `ToolFailure`."""
        return await self.nodes[0].rows(sql, {}, what)

    async def _one(
        self, node: Node, statement: Statement, parameters: Mapping[str, Any], choices: Mapping[str, str]
    ) -> list[Row]:
        known = await node.columns(statement.table)
        if not known:
            raise absent_table(statement.table)
        return await node.rows(statement.sql(known, self.settings.cluster, **choices), parameters, statement.name)


def absent_table(table: str) -> ToolFailure:
    """``system.<table>`` cannot be seen: the server does not keep it, or the user may not know of it. One cannot tell which."""
    why = {
        "query_log": "query logging is off (<query_log> in the server's configuration, log_queries = 1), nothing was logged yet, or it was cleared",
        "part_log": "part logging is off (<part_log> in the server's configuration)",
        "asynchronous_metrics": "this build of ClickHouse does not collect them",
    }.get(table, "this version of ClickHouse does not have it")
    return ToolFailure(
        "UNSUPPORTED",
        f"system.{table} does not exist here or may not be seen: {why}",
        hint=f"where it does exist: GRANT SHOW COLUMNS, SELECT ON system.{table} TO the bot's role",
    )


async def _connect(address: Address, settings: ClickHouseSettings) -> Node:
    more: dict[str, Any] = {"ca_cert": settings.ca_file} if settings.ca_file else {}
    try:
        async with asyncio.timeout(settings.timeout_s):
            client = await clickhouse_connect.get_async_client(
                host=address.host,
                port=address.port,
                interface="https" if address.secure else "http",
                username=settings.user,
                password=settings.password,
                autogenerate_session_id=False,
                connect_timeout=min(10, int(settings.timeout_s) or 1),
                send_receive_timeout=settings.timeout_s + 2,
                query_retries=1,
                connector_limit=10,
                connector_limit_per_host=10,
                client_name="rca-mcp-clickhouse",
                compress="lz4",
                **more,
            )
    except (Error, aiohttp.ClientError, OSError, TimeoutError) as error:
        raise failure(error, "connecting", address.label, connecting=True) from error
    node = Node(address, client, settings.timeout_s)
    try:
        await _look(node, settings)
    except BaseException:
        await client.close()
        raise
    return node


async def _look(node: Node, settings: ClickHouseSettings) -> None:
    """Which bounds may be set, and what the credential may do. Raises `ToolFailure` FORBIDDEN when that is too much."""
    wanted = {**BOUNDS, "max_execution_time": int(settings.timeout_s), "log_comment": ""}
    rows = await node.rows(_SETTINGS, {"names": [*wanted, "readonly"]}, "system.settings")
    state = {row["name"]: row for row in rows}
    locked = str(state.get("readonly", {}).get("value", "0")) == "1"
    if not locked:
        node.bounds = {name: value for name, value in wanted.items() if name in state and not state[name]["readonly"]}
        node.bounds.pop("log_comment", None)
        if str(state.get("readonly", {}).get("value", "0")) == "0":
            node.bounds["readonly"] = 1
    for name in ("max_execution_time", "max_rows_to_read", "max_memory_usage"):
        if name not in node.bounds and str(state.get(name, {}).get("value", "0")) == "0":
            node.warnings.append(
                f"the user's profile is readonly = 1 and sets no {name}: nothing but this server's own clock bounds a statement"
            )
    node.grants = await _grants(node)
    too_much = excess(node.grants)
    if too_much and not settings.allow_privileged:
        raise ToolFailure(
            "FORBIDDEN",
            f"the user {settings.user} on {node.address.label} may do more than read ({', '.join(too_much[:6])}); it is not used",
            hint="give the bot a user with SELECT and SHOW only and a profile with readonly = 1, or set RCA_ALLOW_PRIVILEGED=1 to accept the risk",
        )
    if too_much:
        node.warnings.append(f"the credential can do more than read: {', '.join(too_much[:6])}")


async def _grants(node: Node) -> list[str]:
    try:
        rows = await node.rows("SHOW GRANTS FINAL", {}, "SHOW GRANTS")  # with the rights of roles, since 24.8
    except ToolFailure as error:
        if error.info.code not in ("VALIDATION", "UPSTREAM"):
            raise
        rows = await node.rows("SHOW GRANTS", {}, "SHOW GRANTS")
    return [str(next(iter(row.values()), "")) for row in rows]


def _admit(sql: str) -> None:
    if not _READ.match(sql):
        raise ToolFailure("VALIDATION", "only statements that read are sent")
