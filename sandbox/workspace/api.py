"""The door of the Web API: token, fault, rate limit, scope, method, answer; and every call written down."""

import asyncio
import time

from aiohttp import web

from sandbox.workspace import methods
from sandbox.workspace.args import Args, read_args
from sandbox.workspace.errors import SlackError
from sandbox.workspace.faults import Fault, refuse
from sandbox.workspace.methods.registry import METHODS, Json, Method
from sandbox.workspace.sockets import check_app_token
from sandbox.workspace.wire import Call
from sandbox.workspace.world import World

assert methods.__all__  # importing the package is what fills the table


class WebApi:
    """``/api/{method}`` for one world. ``revoked`` tokens answer token_revoked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.revoked: set[str] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        started, at = time.perf_counter(), time.time()
        args = Args({})
        fault: Fault | None = None
        error = ""
        response: web.StreamResponse
        try:
            args, token = await read_args(request)
            method = self._method(name, token)
            fault = self._world.faults.take(name)
            if fault is not None:
                await asyncio.sleep(fault.delay_s)
                if fault.drop and not fault.after:
                    return self._drop(request, name)
                refuse(fault)
            self._admit(method, token, args)
            body = {"ok": True, **method.handler(self._world, args)}
            if fault is not None and fault.drop:
                return self._drop(request, name)
            response = web.json_response(body)
        except SlackError as refusal:
            error = refusal.code
            response = _refusal(refusal, fault)
        scopes = ",".join(sorted(self._world.scopes))
        response.headers.update({"x-oauth-scopes": scopes, "x-slack-req-id": self._world.clock.id("req", 16).lower()})
        ms = (time.perf_counter() - started) * 1000
        self._world.wire.called(Call(name, args.values, at, ms, error))
        return response

    def _method(self, name: str, token: str) -> Method:
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method", req_method=name)
        if name == "apps.connections.open":
            check_app_token(token)
        elif name != "api.test":
            if not token:
                raise SlackError("not_authed")
            if token.startswith("xapp-"):
                raise SlackError("not_allowed_token_type")
            if not token.startswith("xoxb-"):
                raise SlackError("invalid_auth")
        if token in self.revoked:
            raise SlackError("token_revoked")
        return method

    def _admit(self, method: Method, token: str, args: Args) -> None:
        if method.scopes and not self._world.scopes.intersection(method.scopes):
            provided = ",".join(sorted(self._world.scopes))
            raise SlackError("missing_scope", needed=method.scopes[0], provided=provided)
        channel = args.get("channel")
        wait = self._world.limits.wait(token, method.name, channel if isinstance(channel, str) else "")
        if wait:
            raise SlackError("ratelimited", retry_after=wait)

    def _drop(self, request: web.Request, name: str) -> web.StreamResponse:
        """Break the connection without an answer."""
        if request.transport is not None:
            request.transport.abort()
        self._world.feed.activity(f"→ {name} connection broken")
        return web.Response(status=500)


def _refusal(refusal: SlackError, fault: Fault | None) -> web.Response:
    body: Json = refusal.body()
    if refusal.retry_after is not None:
        return web.json_response(body, status=429, headers={"Retry-After": str(refusal.retry_after)})
    return web.json_response(body, status=fault.status if fault is not None and fault.status else 200)
