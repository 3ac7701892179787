"""A relay between the tool server and a ClickHouse front: it writes down every request, and it can go away, hang, and come back."""

import asyncio
import socket
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web

_HOP = {"host", "content-length", "transfer-encoding", "connection"}


@dataclass(frozen=True)
class Request:
    """One request as it went over the wire. ``statement`` is what ClickHouse would run: the parameter ``query`` and then the body."""

    method: str
    path: str
    statement: str
    settings: dict[str, str]
    parameters: dict[str, str]
    user: str


@dataclass
class Relay:
    """Listens on a port of its own. ``mode``: "up", "hang" (takes a request and does not answer it) or "drop" (cuts the line)."""

    upstream: str
    mode: str = "up"
    delay_s: float = 0.0
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None
    _client: aiohttp.ClientSession | None = None
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def label(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> "Relay":
        """Listen, on the same port as before where there was one."""
        self._client = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=0.1)
        await self._runner.setup()
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", self.port))
        await web.SockSite(self._runner, sock).start()
        self.port = sock.getsockname()[1]
        return self

    async def stop(self) -> None:
        self._released.set()
        if self._client is not None:
            await self._client.close()
        if self._runner is not None:
            await self._runner.cleanup()
        self._client = self._runner = None
        self._released = asyncio.Event()

    async def __aenter__(self) -> "Relay":
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self._note(request, body)
        if self.mode == "hang":
            await self._released.wait()
        if self.mode != "up" or self._client is None:
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=502)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        url = f"{self.upstream}{request.rel_url}"
        async with self._client.request(request.method, url, data=body, headers=headers) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    def _note(self, request: web.Request, body: bytes) -> None:
        assert not request.headers.get("Content-Encoding"), "a compressed question cannot be checked"
        given = dict(parse_qsl(request.query_string, keep_blank_values=True))
        text = "\n".join(filter(None, [given.pop("query", ""), body.decode()]))
        parameters = {k: given.pop(k) for k in list(given) if k.startswith("param_")}
        self.requests.append(
            Request(request.method, request.path, text, given, parameters, request.headers.get("Authorization", ""))
        )
