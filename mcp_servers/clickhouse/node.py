"""`Node`: one ClickHouse server, asked within bounds that hold on both ends.

What leaves is a `Statement` or one of the few constants of `credentials`; `_admit` refuses any text that is no SELECT, SHOW GRANTS or
EXPLAIN ESTIMATE, whoever wrote it. Grants are the boundary; this is the belt.
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

from mcp_servers.clickhouse import credentials as c
from mcp_servers.clickhouse.failures import failure
from mcp_servers.clickhouse.settings import Address, ClickHouseSettings
from mcp_servers.clickhouse.statements import Statement
from mcp_servers.clickhouse.texts import words
from mcp_servers.common.envelope import ToolFailure

Row = dict[str, Any]
LOGS = frozenset({"query_log", "part_log"})  # the tables that grow without end; the others live in memory
PARALLEL = 5  # statements that run on one server at a time, whatever the tools ask
_FORGET_S = 300.0  # how long the columns of system tables are believed
_LOOK_AGAIN_S = 20.0  # logs come into being at their first flush: how long an absent table is believed to be absent

COLUMNS = (
    "SELECT table, groupArray(name) AS names FROM system.columns WHERE database = 'system' AND table IN "
    "{tables:Array(String)} GROUP BY table LIMIT 100"
)
_READ = re.compile(r"(?is)\A\s*(?:SELECT\s|WITH\s|SHOW\s+GRANTS(?:\s+FINAL)?\s*\Z|EXPLAIN\s+ESTIMATE\s+SELECT\s)")
_TABLES = words(
    "asynchronous_metrics clusters columns detached_parts disks distribution_queue errors "
    "merge_tree_settings merges metrics mutations part_log parts processes query_log replicas "
    "replication_queue server_settings tables warnings"
)


@dataclass
class Node:
    """One connection. ``sent`` are the settings that go with every statement; ``unbounded`` the essential ones that nothing sets."""

    address: Address
    client: AsyncClient
    timeout_s: float
    host: str = ""  # as the server calls itself
    version: str = ""
    uuid: str = ""  # of the server; "" where it does not tell
    sent: dict[str, Any] = field(default_factory=dict)
    unbounded: list[str] = field(default_factory=list)
    excess: list[str] = field(default_factory=list)  # what the credential may do beyond reading
    roles: list[str] = field(default_factory=list)
    _columns: dict[str, frozenset[str]] = field(default_factory=dict)
    _columns_at: float = -_FORGET_S
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def label(self) -> str:
        return self.address.label

    async def ask(self, statement: Statement, parameters: Mapping[str, Any], cluster: str, **choices: str) -> list[Row]:
        """The rows of one statement. Raises `ToolFailure`."""
        known = await self.columns(statement.table)
        if not known:
            raise absent_table(statement.table)
        if statement.table in LOGS and self.unbounded:
            raise unbounded(self.unbounded, f"system.{statement.table}", self.label)
        return await self.rows(statement.sql(known, cluster, **choices), parameters, statement.name)

    async def raw(self, sql: str, what: str, **more: Any) -> list[Row]:
        """The rows of a text that the guard let through. Raises `ToolFailure`; FORBIDDEN where nothing would bound it."""
        if self.unbounded:
            raise unbounded(self.unbounded, what, self.label)
        return await self.rows(sql, {}, what, **more)

    async def rows(self, sql: str, parameters: Mapping[str, Any], what: str, **more: Any) -> list[Row]:
        """Run one text, with ``more`` settings where the profile takes any. Raises `ToolFailure`."""
        _admit(sql)
        try:
            async with asyncio.timeout(self.timeout_s + 2):
                wished = {**more, "log_comment": f"rca:{what}"}
                settings = {name: wished.get(name, value) for name, value in self.sent.items()}
                result = await self.client.query(sql, parameters=dict(parameters), settings=settings)
        except (Error, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise failure(error, what, self.label) from error
        names = list(result.column_names)
        return [dict(zip(names, row, strict=True)) for row in result.result_rows[: c.MAX_ROWS]]

    async def columns(self, table: str) -> frozenset[str]:
        """The columns of ``system.<table>`` that this user may see; empty when there is no such table. Raises `ToolFailure`."""
        async with self._looking:
            age = time.monotonic() - self._columns_at
            if age > _FORGET_S or (age > _LOOK_AGAIN_S and table not in self._columns):
                found = await self.rows(COLUMNS, {"tables": _TABLES}, "system.columns")
                self._columns = {row["table"]: frozenset(row["names"]) for row in found}
                self._columns_at = time.monotonic()
            return self._columns.get(table, frozenset())

    def forget(self) -> None:
        """The server was away and may have come back as another version."""
        self._columns_at = -_FORGET_S

    async def close(self) -> None:
        await self.client.close()


async def connect(address: Address, settings: ClickHouseSettings) -> Node:
    """Connect, and look at what the credential may do. Raises `ToolFailure`."""
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
                connector_limit=PARALLEL,
                connector_limit_per_host=PARALLEL,
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
    rows = await node.rows(c.SETTINGS, {"names": c.wanted()}, "system.settings")
    node.sent, node.unbounded = c.bounds({row["name"]: row for row in rows}, settings.timeout_s)
    who = (await _either(node, c.WHO, c.WHO_OLD))[0]
    node.host, node.version = str(who["host"]), str(who["version"])
    uuid = str(who.get("id", ""))
    node.uuid = uuid if uuid.strip("0-") else ""
    grants = [str(next(iter(row.values()), "")) for row in await _either(node, c.GRANTS, c.GRANTS_OLD)]
    node.excess = c.excess(grants, cluster=bool(settings.cluster))
    node.roles = c.roles(grants)


async def _either(node: Node, new: str, old: str) -> list[Row]:
    """``new``, or ``old`` where the server does not know that yet."""
    try:
        return await node.rows(new, {}, "connecting")
    except ToolFailure as error:
        if error.info.code not in ("VALIDATION", "UPSTREAM", "NOT_FOUND"):
            raise
    return await node.rows(old, {}, "connecting")


def absent_table(table: str) -> ToolFailure:
    """``system.<table>`` cannot be seen: the server does not keep it, or the user may not know of it. One cannot tell which."""
    why = {
        "query_log": (
            "query logging is off (<query_log> in the server's configuration, log_queries = 1), nothing was "
            "logged yet, or it was cleared"
        ),
        "part_log": "part logging is off (<part_log> in the server's configuration)",
        "asynchronous_metrics": "this build of ClickHouse does not collect them",
    }.get(table, "this version of ClickHouse does not have it")
    return ToolFailure(
        "UNSUPPORTED",
        f"system.{table} does not exist here or may not be seen: {why}",
        hint=f"where it does exist: GRANT SHOW COLUMNS, SELECT ON system.{table} TO the bot's role",
    )


def unbounded(missing: list[str], what: str, label: str) -> ToolFailure:
    """A log without an end is not read without a bound."""
    return ToolFailure(
        "FORBIDDEN",
        (
            f"{what} on {label} is not read: the user's profile is readonly = 1 and sets no {', '.join(missing)}, so "
            "nothing would stop the server"
        ),
        missing_permission=f"{', '.join(missing)} in the user's profile",
        hint="set them in the profile, as deploy/clickhouse/rca_bot.sql does, or give the user readonly = 2, so that they can go along",
    )


def _admit(sql: str) -> None:
    if not _READ.match(sql):
        raise ToolFailure("VALIDATION", "only statements that read are sent")
