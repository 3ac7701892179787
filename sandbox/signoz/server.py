"""The HTTP side: keys and their roles, the paths, the errors that can be switched on, and a record of what was asked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox.clickhouse.engine import Engine, EngineError
from sandbox.signoz import lists
from sandbox.signoz.builder import Builder, Refused
from sandbox.signoz.rules import evaluate, keep, rules

Json = dict[str, Any]
VERSION = "v0.125.0"
KEYS = {"viewer-key": ["signoz-viewer"], "admin-key": ["signoz-admin"], "editor-key": ["signoz-editor"], "bare-key": []}
FAULTS = ("html", "rows_null", "nan", "too_many", "slow", "forbidden", "missing", "not_json", "away", "bad_filter")


class SigNoz:
    """Use `start` and `stop`. ``faults``: kind -> [part of a path, how often still]; ``asked``: (method, path, body) of every request."""

    def __init__(self, engine: Engine) -> None:
        self.builder = Builder(engine)
        self.changes = evaluate(self.builder)
        keep(engine, self.changes)
        self.faults: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, str, Json]] = []
        self._runner: web.AppRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; gives the URL. Raises `OSError` for a port in use."""
        app = web.Application(middlewares=[self._door])
        for method, path, handler in (
            ("GET", "/api/v1/version", self._version),
            ("GET", "/api/v1/health", self._alive),
            ("GET", "/api/v1/service_accounts/me", self._me),
            ("POST", "/api/v5/query_range", self._query),
            ("POST", "/api/v1/listErrors", self._errors),
            ("GET", "/api/v1/errorFromGroupID", self._error),
            ("GET", "/api/v1/alerts", self._alerts),
            ("GET", "/api/v2/rules/{id}", self._rule),
            ("GET", "/api/v1/rules/{id}", self._rule),
            ("GET", "/api/v2/rules/{id}/history/timeline", self._history),
            ("GET", "/api/v2/metrics", self._metrics),
            ("GET", "/api/v2/metrics/metadata", self._metadata),
            ("GET", "/api/v1/fields/keys", self._keys),
            ("GET", "/api/v1/fields/values", self._values),
            ("POST", "/sandbox", self._control),
        ):
            app.router.add_route(method, path, handler)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return f"http://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _door(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path == "/sandbox":
            return await handler(request)
        body = await request.json() if request.can_read_body else dict(request.query)
        self.asked.append((request.method, request.path, body))
        roles = KEYS.get(request.headers.get("SIGNOZ-API-KEY", ""))
        fault = await self._faulty(request.path)
        if fault is not None:
            return fault
        open_to_all = request.path in ("/api/v1/version", "/api/v1/health")
        if roles is None and not open_to_all:
            return refusal(401, "unauthenticated", "unauthenticated", "the api key is unknown or expired")
        if not roles and not open_to_all and not request.path.endswith("/me"):
            return refusal(403, "forbidden", "authz_forbidden", "only viewers, editors and admins may do this")
        try:
            return await handler(request)
        except web.HTTPException as missing:
            return web.Response(status=missing.status, text="404 page not found\n")
        except Refused as refused:
            return refusal(400, "invalid-input", "invalid_input", str(refused), refused.suggestions)
        except EngineError as error:
            return refusal(500, "internal", "internal", f"clickhouse: {error}")

    def _fires(self, kind: str, path: str) -> bool:
        fault = self.faults.get(kind)
        if fault is None or fault[0] not in path or fault[1] == 0:
            return False
        fault[1] -= 1
        return True

    async def _faulty(self, path: str) -> web.Response | None:
        if self._fires("slow", path):
            await asyncio.sleep(5)
        if self._fires("html", path):
            return web.Response(text="<!doctype html><html><title>SigNoz</title></html>", content_type="text/html")
        if self._fires("too_many", path):
            return web.Response(
                status=429, headers={"Retry-After": "0"}, text='{"status":"error","error":{"code":"too_many_requests"}}'
            )
        if self._fires("forbidden", path):
            return refusal(403, "forbidden", "authz_forbidden", "viewers may not do this")
        if self._fires("missing", path):
            return web.Response(status=404, text="404 page not found\n")
        if self._fires("not_json", path):
            return web.Response(text="upstream said no")
        if self._fires("away", path):
            return web.Response(status=503, text="no healthy upstream")
        if self._fires("bad_filter", path):
            text = "error in line 1: mismatched input password=hunter2"
            return refusal(400, "invalid-input", "invalid_input", text, ["use `severity_text`"])
        return None

    async def _control(self, request: web.Request) -> web.Response:
        """``{"faults": {kind: [path part, times]}, "hidden": [keys]}`` sets them; the answer lists what was asked since the last time."""
        told = await request.json()
        if "faults" in told:
            unknown = set(told["faults"]) - set(FAULTS)
            if unknown:
                return web.json_response({"error": f"unknown faults {sorted(unknown)}"}, status=400)
            self.faults = {k: list(v) for k, v in told["faults"].items()}
        self.builder.hidden = set(told.get("hidden", []))
        asked, self.asked = self.asked, []
        return web.json_response({"asked": asked})

    async def _version(self, _request: web.Request) -> web.Response:
        return web.json_response({"version": VERSION, "ee": "Y", "setupCompleted": True})

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _me(self, request: web.Request) -> web.Response:
        roles = KEYS[request.headers["SIGNOZ-API-KEY"]]
        given = [{"id": "1", "roleId": r, "role": {"name": r, "type": "managed"}} for r in roles]
        return good(
            {
                "id": "1",
                "name": "rca-bot",
                "email": "rca-bot@example.com",
                "status": "active",
                "serviceAccountRoles": given or None,
            }
        )

    async def _query(self, request: web.Request) -> web.Response:
        body = await request.json()
        told = await asyncio.to_thread(self.builder.answer, body)
        for result in told["data"]["results"]:
            if self._fires("rows_null", request.path):
                result |= {k: None for k in ("rows", "data", "aggregations") if k in result}
            if self._fires("nan", request.path):
                result["data"] = [
                    [("NaN" if isinstance(c, int | float) else c) for c in row] for row in result.get("data") or []
                ]
        return good(told)

    async def _errors(self, request: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(lists.list_errors, self.builder, await request.json()))

    async def _error(self, request: web.Request) -> web.Response:
        query = request.query
        found = await asyncio.to_thread(lists.error_of_group, self.builder, query["groupID"], query["timestamp"])
        return web.json_response(found) if found else refusal(404, "not-found", "not_found", "no such event")

    async def _alerts(self, _request: web.Request) -> web.Response:
        return good(lists.alerts(self.changes))

    async def _rule(self, request: web.Request) -> web.Response:
        found = rules().get(request.match_info["id"])
        return good(found) if found else refusal(404, "not-found", "rule_not_found", "rule does not exist")

    async def _history(self, request: web.Request) -> web.Response:
        return good(lists.timeline(self.changes, request.match_info["id"], request.query))

    async def _metrics(self, request: web.Request) -> web.Response:
        query = request.query
        found = await asyncio.to_thread(
            lists.metrics, self.builder, query.get("searchText", ""), int(query.get("limit", 100))
        )
        return good({"metrics": found})

    async def _metadata(self, request: web.Request) -> web.Response:
        found = await asyncio.to_thread(lists.metrics, self.builder, "", 1, request.query["metricName"])
        return good(found[0]) if found else refusal(404, "not-found", "metric_not_found", "metric not found")

    async def _keys(self, request: web.Request) -> web.Response:
        query = request.query
        found = await asyncio.to_thread(
            lists.field_keys, self.builder, query["signal"], query.get("searchText", ""), int(query.get("limit", 50))
        )
        return good(found)

    async def _values(self, request: web.Request) -> web.Response:
        query = request.query
        found = await asyncio.to_thread(
            lists.label_values, self.builder, query["name"], query.get("searchText", ""), int(query.get("limit", 50))
        )
        return good(found)


def good(data: Any) -> web.Response:
    return web.json_response({"status": "success", "data": data})


def refusal(status: int, kind: str, code: str, message: str, suggestions: list[str] | None = None) -> web.Response:
    error: Json = {"type": kind, "code": code, "message": message, "url": "", "errors": []}
    if suggestions:
        error["errors"] = [{"message": message, "suggestions": suggestions}]
    return web.json_response({"status": "error", "error": error}, status=status)
