"""How a server runs by itself: on stdio, or on streamable HTTP with a bearer token and a check of the Host header.

Without a token HTTP is served on a loopback address only: an open port that answers questions about a cluster is a leak.
"""

import asyncio
import hmac
import logging
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mcp_servers.common.config import CommonSettings, ConfigError, Environment, common
from mcp_servers.common.hangup import HangUp
from mcp_servers.common.readiness import Readiness
from mcp_servers.common.redaction import redact
from mcp_servers.common.untrusted import sanitise

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_OPEN = ("/livez", "/readyz")  # they tell yes or no, nothing else

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class BearerGate:
    """ASGI: lets a request with the right ``Authorization: Bearer`` pass; anything else gets 401 without a word about why."""

    def __init__(self, app: App, token: str) -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in _OPEN:
            given = next((v for k, v in scope["headers"] if k.lower() == b"authorization"), b"")
            if not hmac.compare_digest(given, self._wanted):
                await Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _alive(_request: Request) -> Response:
    return JSONResponse({"ready": True})


def http_app(server: MCPServer[Any], settings: CommonSettings) -> App:
    """The server as an ASGI application under ``/mcp``. Raises `ConfigError` when it would be open to strangers."""
    loopback = settings.host in _LOOPBACK
    if not settings.token and not loopback:
        raise ConfigError(
            f"RCA_MCP_HOST={settings.host} is reachable from outside and RCA_MCP_TOKEN is not set; set a token or bind to 127.0.0.1"
        )
    if not loopback and not settings.allowed_hosts:
        raise ConfigError(
            "RCA_MCP_ALLOWED_HOSTS is empty; name the hosts that clients use, for example rca-kubernetes.rca.svc:8811"
        )
    names = ("127.0.0.1", "localhost", "[::1]")
    hosts = [*settings.allowed_hosts, *(f"{n}:*" for n in names)]

    server.custom_route("/livez", methods=["GET"])(_alive)
    server.custom_route("/readyz", methods=["GET"])(Readiness(server).__call__)

    app: App = HangUp(
        server.streamable_http_app(
            stateless_http=True,
            json_response=True,
            max_request_body_size=262_144,
            transport_security=TransportSecuritySettings(
                allowed_hosts=hosts, allowed_origins=[f"http://{n}:*" for n in names]
            ),
            host=settings.host,
        )
    )
    return BearerGate(app, settings.token) if settings.token else app


async def serve(server: MCPServer[Any], settings: CommonSettings) -> None:
    """Run until the client hangs up (stdio) or the process is told to stop (HTTP)."""
    if settings.transport == "stdio":
        await server.run_stdio_async()
        return
    import uvicorn

    # One line for each call is enough (the audit's), and all lines go the way of `main`.
    config = uvicorn.Config(
        http_app(server, settings), host=settings.host, port=settings.port, log_config=None, access_log=False
    )
    await uvicorn.Server(config).serve()


class _SafeLines(logging.Formatter):
    """Log lines without secrets and control characters: an exception may quote what a workload wrote, or a password of ours."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(sanitise(super().format(record)))


def main(create: Callable[[], MCPServer[Any]]) -> int:
    """Run the server that ``create`` makes; 0 when it ended well, 2 when its settings cannot be used."""
    try:
        settings = common(Environment())
        # stdout is the protocol's on stdio, so every log line goes to stderr
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_SafeLines("%(asctime)s %(levelname)s %(name)s %(message)s"))
        logging.basicConfig(handlers=[handler], level=settings.log_level)
        asyncio.run(serve(create(), settings))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return 0
    return 0
