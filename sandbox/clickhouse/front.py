"""ClickHouse's HTTP interface over the embedded engine: statements by URL or body, any format, parameters, settings, compressed bodies,
errors.
"""

import asyncio
import base64
import gzip
import json
import re
import time
import uuid
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import lz4.frame  # type: ignore[import-untyped]
from aiohttp import web
from backports import zstd

from sandbox.clickhouse.engine import Engine, EngineError, Reply
from sandbox.clickhouse.query_log import Asked, QueryLog
from sandbox.clickhouse.users import USERS, User, UserTable, words

MAX_BODY: Final = 512 * 1024 * 1024
_STATUS = {516: 403, 194: 401, 497: 403, 159: 408, 62: 400, 48: 501, **dict.fromkeys((60, 81, 47, 46, 115), 404)}
_TRANSPORT = frozenset(
    words(
        "query database default_format query_id wait_end_of_query buffer_size session_id session_timeout "
        "session_check compress decompress enable_http_compression client_protocol_version quota_key role user "
        "password send_progress_in_http_headers http_headers_progress_interval_ms stacktrace "
        "http_response_buffer_size"
    )
)
_FORMAT = re.compile(r"(?is)\bFORMAT\s+([A-Za-z]\w*)\s*;?\s*\Z")
_GRANTS = re.compile(r"(?is)\s*SHOW\s+GRANTS\s*(?:FINAL\s*)?(?:FORMAT\s+(\w+)\s*)?;?\s*\Z")
_FLUSH = re.compile(r"(?i)\s*SYSTEM\s+FLUSH\s+LOGS")
_DATA = re.compile(rb"(?is)\A\s*INSERT\s")
_USER = re.compile(r"(?i)\bcurrentUser\(\)|\buser\(\)")


class Front:
    """The HTTP side of one engine. ``query_log`` keeps ``system.query_log``, which the embedded build lacks."""

    def __init__(self, engine: Engine, users: Iterable[User] = USERS, *, query_log: bool = True) -> None:
        self.engine = engine
        self.users = UserTable(users)
        self.log = QueryLog(engine) if query_log else None
        self._runner: web.AppRunner | None = None
        self._flusher: asyncio.Task[None] | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; gives the URL. Raises `OSError` for a port in use."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_get("/ping", _ping)
        app.router.add_route("*", "/", self._root)
        # Bodies are unpacked here: the server framework knows some of the encodings only.
        self._runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        if self.log is not None:
            self._flusher = asyncio.create_task(self._flush_now_and_then(self.log))
        return f"http://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _flush_now_and_then(self, log: QueryLog) -> None:
        while True:
            await asyncio.sleep(7.5)
            await asyncio.to_thread(log.flush)

    async def _root(self, request: web.Request) -> web.Response:
        query = request.query
        if request.method == "GET" and "query" not in query:
            return web.Response(text="Ok.\n")
        name, password = _credentials(request)
        user = self.users.login(name, password)
        query_id = query.get("query_id") or str(uuid.uuid4())
        if user is None:
            said = f"{name}: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)"
            return self._refused(EngineError(said, 516), query_id)
        try:
            body = await asyncio.to_thread(_unpacked, await request.read(), request.headers.get("Content-Encoding", ""))
            fields = dict(query)
            if request.content_type == "multipart/form-data":
                form = await request.post()
                fields |= {k: v for k, v in form.items() if isinstance(v, str)}
                body = b""
            return await self._answer(request, user, fields, body, query_id)
        except EngineError as error:
            return self._refused(error, query_id)

    async def _answer(
        self, request: web.Request, user: User, fields: Mapping[str, str], body: bytes, query_id: str
    ) -> web.Response:
        head = fields.get("query", "").encode()
        whole = head + (b"\n" if head and body else b"") + body
        statement: str | bytes = whole if _DATA.match(whole) else whole.decode("utf-8", "replace")
        text = (
            statement[:4096].decode("utf-8", "replace").split("\n", 1)[0] if isinstance(statement, bytes) else statement
        )
        output = fields.get("default_format") or request.headers.get("X-ClickHouse-Format") or "TabSeparated"
        settings = {k: v for k, v in fields.items() if k not in _TRANSPORT and not k.startswith("param_")}
        params = {k.removeprefix("param_"): v for k, v in fields.items() if k.startswith("param_")}
        profile = dict(user.profile)
        if request.method == "GET":
            profile.setdefault("readonly", "2")  # as on a server
        asked = Asked(
            text,
            user.name,
            query_id,
            fields.get("database", "default"),
            request.headers.get("User-Agent", "")[:200],
            settings.get("log_comment", ""),
            tuple(params.items()),
        )
        began = time.time()
        try:
            refusal = user.refusal(text)
            if refusal:
                raise EngineError(refusal, 497)
            grants = _GRANTS.match(text)
            if grants:
                reply, output = await asyncio.to_thread(self._show_grants, user, grants[1] or output)
            else:
                if not user.admin and not isinstance(statement, bytes):
                    statement = _USER.sub(f"'{user.name}'", statement)
                if self.log is not None and _FLUSH.match(text):
                    await asyncio.to_thread(self.log.flush)
                    return self._given(Reply(b""), output, query_id)
                reply = await asyncio.to_thread(
                    self.engine.run,
                    statement,
                    output,
                    profile=profile,
                    settings=settings,
                    params=params,
                    database=fields.get("database", ""),
                )
        except EngineError as error:
            if self.log is not None:
                self.log.note(asked, began, None, error)
            raise
        if self.log is not None:
            self.log.note(asked, began, reply)
        stated = None if isinstance(statement, bytes) else _FORMAT.search(statement)
        return self._given(reply, stated[1] if stated else output, query_id)

    def _show_grants(self, user: User, output: str) -> tuple[Reply, str]:
        lines = ", ".join("'" + line.replace("\\", "\\\\").replace("'", "\\'") + "'" for line in user.grant_lines())
        return self.engine.run(f"SELECT arrayJoin([{lines}]) AS GRANTS", output), output

    def _given(self, reply: Reply, output: str, query_id: str) -> web.Response:
        summary = {
            "read_rows": reply.read_rows,
            "read_bytes": reply.read_bytes,
            "written_rows": 0,
            "written_bytes": 0,
            "total_rows_to_read": 0,
            "result_rows": reply.result_rows,
            "result_bytes": len(reply.body),
            "elapsed_ns": int(reply.elapsed_s * 1e9),
        }
        return web.Response(
            body=reply.body,
            content_type="application/json" if output.upper().startswith("JSON") else "application/octet-stream",
            headers={
                **_headers(query_id),
                "X-ClickHouse-Format": output,
                "X-ClickHouse-Summary": json.dumps({k: str(v) for k, v in summary.items()}),
            },
        )

    def _refused(self, error: EngineError, query_id: str) -> web.Response:
        return web.Response(
            status=_STATUS.get(error.code, 500),
            text=f"{error} (version {self.engine.version} (official build))\n",
            headers={**_headers(query_id), "X-ClickHouse-Exception-Code": str(error.code)},
        )


def _headers(query_id: str) -> dict[str, str]:
    safe = re.sub(r"[^\x20-\x7e]", "", query_id)[:200]
    return {
        "X-ClickHouse-Query-Id": safe,
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Server-Display-Name": "embedded",
    }


async def _ping(_request: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


def _credentials(request: web.Request) -> tuple[str, str]:
    if "X-ClickHouse-User" in request.headers:
        return request.headers["X-ClickHouse-User"], request.headers.get("X-ClickHouse-Key", "")
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return name, password
    return request.query.get("user", "default"), request.query.get("password", "")


def _unlz4(body: bytes) -> bytes:
    """Every frame of ``body``: the client compresses block by block."""
    parts: list[bytes] = []
    while body:
        reader = lz4.frame.LZ4FrameDecompressor()
        parts.append(reader.decompress(body))
        if not reader.eof:
            raise EOFError("the last frame is cut")
        body = reader.unused_data or b""
    return b"".join(parts)


def _unpacked(body: bytes, encoding: str) -> bytes:
    """``body`` without its Content-Encoding. Raises `EngineError` for one that is unknown or broken."""
    ways: dict[str, Any] = {
        "": bytes,
        "identity": bytes,
        "gzip": gzip.decompress,
        "deflate": zlib.decompress,
        "lz4": _unlz4,
        "zstd": zstd.decompress,
    }
    way = ways.get(encoding.lower())
    if way is None:
        raise EngineError(f"Unknown compression method: {encoding[:40]}. (NOT_IMPLEMENTED)", 48)
    try:
        return bytes(way(body))
    except (OSError, EOFError, zlib.error, RuntimeError, zstd.ZstdError) as error:
        raise EngineError(f"Cannot decompress the body: {error}. (CANNOT_DECOMPRESS)", 271) from error
