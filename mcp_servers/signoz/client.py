"""The store: fixed, parameterised statements over ClickHouse's HTTP interface, and nothing else.

A statement is a `Query`, which only module constants make; values travel as typed parameters, never in the text. The first contact
finds out what the user may do: with one that could write the tools refuse to work, one that may set limits gets ``readonly=1`` and the
limits with every statement, one whose profile is fixed gets them from there.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from mcp_servers.common.envelope import ErrorCode, ToolFailure
from mcp_servers.signoz.settings import SigNozSettings

Row = dict[str, Any]
Value = str | int | float
MAX_ROWS: Final = 2000
_LIMITS = {
    "max_rows_to_read": "200000000",
    "max_bytes_to_read": "20000000000",
    "max_result_rows": str(MAX_ROWS),
    "result_overflow_mode": "throw",
    "max_memory_usage": "2000000000",
    "max_threads": "4",
    "cancel_http_readonly_queries_on_client_close": "1",
}
# Checked against what stands before " ON " in each grant.
_PRIVILEGED = re.compile(
    r"(?i)\b(ALL|INSERT|ALTER|DROP|CREATE|TRUNCATE|OPTIMIZE|SYSTEM|KILL|BACKUP|READ|WRITE|SOURCES|URL|S3|FILE|REMOTE|HDFS|MYSQL|POSTGRES)\b"
)
_ERRORS: dict[int, ErrorCode] = {
    516: "UNAUTHORIZED",
    194: "UNAUTHORIZED",
    192: "UNAUTHORIZED",
    497: "FORBIDDEN",
    164: "FORBIDDEN",
    159: "TIMEOUT",
    160: "TIMEOUT",
    202: "RATE_LIMITED",
    158: "TOO_LARGE",
    307: "TOO_LARGE",
    396: "TOO_LARGE",
    241: "TOO_LARGE",
    60: "UNSUPPORTED",
    81: "UNSUPPORTED",
    47: "UNSUPPORTED",
}
_HINTS: dict[ErrorCode, str] = {
    "UNAUTHORIZED": "check RCA_SIGNOZ_CLICKHOUSE_USER and RCA_SIGNOZ_CLICKHOUSE_PASSWORD",
    "FORBIDDEN": "grant SELECT on signoz_logs.*, signoz_traces.* and signoz_metrics.*",
    "TIMEOUT": "ask for a shorter time range or one service",
    "TOO_LARGE": "ask for a shorter time range or one service",
    "UNSUPPORTED": "this store lacks a table or column of SigNoz's schema (logs v2, traces v3, metrics v4)",
}
_GRANT = re.compile(r"have the grant ((?:SELECT|SHOW)[\w (),.`*$]{0,200})")
_NAMED = re.compile(r"\(([A-Z][A-Z_]{3,60})\)")


@dataclass(frozen=True)
class Query:
    """A statement that reads. ``name`` is what errors call it. Raises `ValueError` for a text that does not begin with SELECT or WITH."""

    name: str
    text: str

    def __post_init__(self) -> None:
        if not re.match(r"\s*(SELECT|WITH)\s", self.text) or ";" in self.text:
            raise ValueError(f"{self.name} is not one reading statement")


_ALLOWED = Query(
    "settings",
    "SELECT name, toString(value) AS value, readonly FROM system.settings WHERE name IN ('readonly', 'max_result_rows')",
)
_PING = Query("version", "SELECT version() AS version, currentUser() AS user, toUnixTimestamp(now()) AS now")


class Store:
    """One connection pool to one ClickHouse. Use `open`.

    ``excess``: grants beyond reading; ``refusal``: what tools answer because of them, unless that is allowed. ``warnings`` are for whoever
    keeps the user.
    """

    def __init__(self, settings: SigNozSettings, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session
        self._settable = False
        self.warnings: list[str] = []
        self.excess: tuple[str, ...] = ()
        self.refusal: ToolFailure | None = None

    @classmethod
    async def open(cls, settings: SigNozSettings) -> "Store":
        """Raises `ToolFailure`: UNAVAILABLE or UNAUTHORIZED. A user that could do more than read is told in `refusal`."""
        session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=settings.timeout_s + 2, connect=min(5.0, settings.timeout_s)),
            connector=aiohttp.TCPConnector(limit=10),
            headers={"X-ClickHouse-User": settings.user, "X-ClickHouse-Key": settings.password},
        )
        store = cls(settings, session)
        try:
            await store._inspect()
        except BaseException:
            await session.close()
            raise
        return store

    @property
    def where(self) -> str:
        """Its address, without credentials."""
        return self._settings.url

    async def close(self) -> None:
        await self._session.close()

    async def _inspect(self) -> None:
        grants = await self._grants()
        told = [line.split(" ON ")[0].removeprefix("GRANT ") for line in grants.decode("utf-8", "replace").splitlines()]
        found = sorted({m[0].upper() for line in told for m in _PRIVILEGED.finditer(line)})
        if found:
            said = f"ClickHouse user {self._settings.user} may do more than read ({', '.join(found)[:120]})"
            self.excess = tuple(found)
            if not self._settings.allow_privileged:
                self.refusal = ToolFailure(
                    "FORBIDDEN",
                    f"{said}; the server does not work with such a user",
                    hint="use a user with SELECT on signoz_* only, or set RCA_ALLOW_PRIVILEGED=1",
                )
        rows = {row["name"]: row for row in await self.rows(_ALLOWED, {})}
        self._settable = str(rows.get("readonly", {}).get("value", "1")) != "1"
        if not self._settable and str(rows.get("max_result_rows", {}).get("value", "0")) == "0":
            self.warnings.append("the user is readonly=1 without max_result_rows: bounds in its profile are advisable")

    async def _grants(self) -> bytes:
        """With those of the user's roles, where the server's version can tell."""
        try:
            return await self._send("grants", "SHOW GRANTS FINAL FORMAT TabSeparatedRaw", {}, {})
        except ToolFailure as failure:
            if failure.info.code != "UPSTREAM":
                raise
            return await self._send("grants", "SHOW GRANTS FORMAT TabSeparatedRaw", {}, {})

    async def version(self) -> Row:
        """``version``, ``user``, ``now`` (epoch seconds) of the store."""
        return (await self.rows(_PING, {}))[0]

    async def rows(self, query: Query, values: dict[str, Value]) -> list[Row]:
        """The rows of one statement. Raises `ToolFailure`."""
        settings = (
            {"readonly": "1", "max_execution_time": f"{self._settings.timeout_s:g}", **_LIMITS}
            if self._settable
            else {}
        )
        body = await self._send(query.name, f"{query.text}\nFORMAT JSONEachRow", values, settings)
        return await asyncio.to_thread(_parsed, body)

    async def _send(self, name: str, text: str, values: dict[str, Value], settings: dict[str, str]) -> bytes:
        params = settings | {f"param_{key}": _escaped(value) for key, value in values.items()}
        cap = self._settings.common.max_upstream_bytes
        try:
            async with self._session.post(
                self._settings.url, params=params, data=text.encode(), allow_redirects=False
            ) as answer:
                body = bytearray()
                async for chunk in answer.content.iter_chunked(65_536):
                    body += chunk
                    if len(body) > cap:
                        raise ToolFailure(
                            "TOO_LARGE", f"{name}: the store answered more than {cap:,} bytes", hint=_HINTS["TOO_LARGE"]
                        )
                if answer.status != 200 or "X-ClickHouse-Exception-Code" in answer.headers:
                    raise _failure(
                        name, answer.status, answer.headers.get("X-ClickHouse-Exception-Code", ""), bytes(body[:4000])
                    )
                return bytes(body)
        except TimeoutError as error:
            raise ToolFailure(
                "TIMEOUT",
                f"{name}: no answer in {self._settings.timeout_s:g} s",
                retryable=True,
                hint=_HINTS["TIMEOUT"],
            ) from error
        except aiohttp.ClientError as error:
            raise ToolFailure(
                "UNAVAILABLE",
                f"{name}: ClickHouse at {self._settings.url} cannot be reached ({type(error).__name__})",
                retryable=True,
                hint="check RCA_SIGNOZ_CLICKHOUSE_URL and that the store is up",
            ) from error


def _parsed(body: bytes) -> list[Row]:
    try:
        return [json.loads(line) for line in body.splitlines() if line.strip()]
    except ValueError as error:
        raise ToolFailure(
            "UPSTREAM", "the store's answer is not JSON", hint="is RCA_SIGNOZ_CLICKHOUSE_URL a ClickHouse HTTP port?"
        ) from error


def _escaped(value: Value) -> str:
    text = str(value)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r").replace("\0", "")


def _failure(name: str, status: int, code: str, body: bytes) -> ToolFailure:
    """ClickHouse's own words may hold the statement and its values, so only the name of the error gets through."""
    number = int(code) if code.isdigit() else 0
    said = body.decode("utf-8", "replace")
    kind: ErrorCode = _ERRORS.get(number, "UNAVAILABLE" if status in (502, 503, 504) else "UPSTREAM")
    named = _NAMED.findall(said)
    grant = _GRANT.search(said)
    return ToolFailure(
        kind,
        f"{name}: the store refused with {named[-1] if named else f'HTTP {status}'}"
        + (f" (code {number})" if number else ""),
        retryable=kind in ("UNAVAILABLE", "RATE_LIMITED", "TIMEOUT"),
        hint=_HINTS.get(kind, ""),
        missing_permission=grant[1].strip() if grant and kind == "FORBIDDEN" else "",
        backend_status=status,
    )
