"""How a server is reached: in process, as a child over stdio, or over streamable HTTP."""

import asyncio
import importlib
import os
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

import httpx2
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer

from bot.settings import ServerSettings
from bot.tools.failures import one_line

STDERR_LINES: Final = 12
MAX_BODY: Final = 16 * 1024 * 1024
"""Longest HTTP answer of a server, in bytes."""
Target = MCPServer | AbstractAsyncContextManager[Any]
_MODULE = re.compile(r"[a-z][a-z0-9_]{0,40}")


class TargetError(Exception):
    """The configuration of a server cannot be turned into a connection; the message says what to change."""


class _CappedStream(httpx2.AsyncByteStream):
    """The body of one answer, which may not exceed `MAX_BODY`: a server must not be able to fill the bot's memory."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._inner:
            seen += len(chunk)
            if seen > MAX_BODY:
                raise httpx2.DecodingError(f"the answer exceeds {MAX_BODY // 1024 // 1024} MiB")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class _CappedTransport(httpx2.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        # Event streams live as long as the connection and are bounded by the SDK, event by event.
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            response.stream = _CappedStream(cast("httpx2.AsyncByteStream", response.stream))
        return response


class Stderr:
    """The last lines that a child wrote to stderr: the reason when it does not come up, and never the bot's own log."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=STDERR_LINES)

    @property
    def last(self) -> str:
        """The last line, redacted and bounded; "" when nothing was written."""
        line = next((text for text in reversed(self._lines) if text.strip()), "")
        return one_line(line, 200)

    @asynccontextmanager
    async def pipe(self) -> AsyncIterator[Any]:
        """A writable file for the child; what is written to it is read here for as long as the context lasts."""
        read_fd, write_fd = os.pipe()
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=65_536)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_fd, "rb", 0)
        )
        task = asyncio.create_task(self._read(reader), name="stderr of an MCP server")
        try:
            with os.fdopen(write_fd, "wb", 0) as file:
                yield file
        finally:
            task.cancel()
            transport.close()
            with suppress(asyncio.CancelledError):
                await task

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(8_192):
            self._lines.extend(chunk.decode("utf-8", "replace").splitlines()[-STDERR_LINES:])


async def target(settings: ServerSettings, stderr: Stderr, environ: Mapping[str, str]) -> Target:
    """What an MCP ``Client`` can be given for ``settings``; a new one for each connection.

    Raises `TargetError`.
    """
    if settings.transport == "inprocess":
        return await _inprocess(settings)
    if settings.transport == "stdio":
        if not settings.command:
            raise TargetError(f"server {settings.name}: transport stdio needs command")
        return _stdio(settings, stderr, environ)
    if not settings.url.startswith(("http://", "https://")):
        raise TargetError(f"server {settings.name}: transport http needs url, beginning with http:// or https://")
    return _http(settings)


async def _inprocess(settings: ServerSettings) -> MCPServer:
    module = settings.module or settings.name
    if not _MODULE.fullmatch(module):
        raise TargetError(f"server {settings.name}: {module!r} is no module of mcp_servers")
    try:
        # By name only: the bot knows servers by protocol, and a base install may lack some of them. Imports take a while: off the loop.
        room = await asyncio.to_thread(importlib.import_module, f"mcp_servers.{module}")
        if not hasattr(room, "create_server"):
            room = await asyncio.to_thread(importlib.import_module, f"mcp_servers.{module}.server")
    except ModuleNotFoundError as missing:
        raise TargetError(f"server {settings.name}: {missing.name!r} is not installed") from None
    made = room.create_server(dict(settings.env))
    if not isinstance(made, MCPServer):
        raise TargetError(f"server {settings.name}: mcp_servers.{module}.create_server gave no MCPServer")
    return made


@asynccontextmanager
async def _stdio(settings: ServerSettings, stderr: Stderr, environ: Mapping[str, str]) -> AsyncIterator[Any]:
    # A child inherits HOME, PATH and the like only; what else it needs must be named. TLS stores of slim images are named here for all.
    inherited = {name: environ[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "TZ") if name in environ}
    parameters = StdioServerParameters(
        command=settings.command,
        args=list(settings.args),
        env={**inherited, **settings.env},
        encoding_error_handler="replace",
    )
    async with stderr.pipe() as errlog, stdio_client(parameters, errlog=errlog) as streams:
        yield streams


@asynccontextmanager
async def _http(settings: ServerSettings) -> AsyncIterator[Any]:
    headers = {"User-Agent": "rca-bot"}
    token = await _token(settings)
    if token:
        headers["Authorization"] = f"Bearer {token}"
    timeout = httpx2.Timeout(settings.connect_timeout_s, read=settings.timeout_s + 5.0)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout, transport=_CappedTransport()) as client,
        streamable_http_client(settings.url, http_client=client) as streams,
    ):
        yield streams


async def _token(settings: ServerSettings) -> str:
    """The bearer token; a file is read anew for each connection, so that a rotated one is picked up."""
    if settings.token_file:
        try:
            return (await asyncio.to_thread(Path(settings.token_file).read_text, "utf-8")).strip()
        except (OSError, UnicodeDecodeError) as trouble:
            raise TargetError(
                f"server {settings.name}: token_file {settings.token_file} cannot be read ({type(trouble).__name__})"
            ) from None
    return settings.token.get_secret_value() if settings.token else ""
