"""The HTTP side: tokens, keys and their roles, the reading paths, errors that can be switched on, and a record of what was asked."""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

Json = dict[str, Any]
PROJECT = "0123456789abcdef01234567"
ACCEPT = "application/vnd.atlas.2025-03-12+json"
SECRETS = {"mdb_sa_reader": "reader-secret", "mdb_sa_owner": "owner-secret", "mdb_sa_weak": "weak-secret"}
KEYS = {"oldpublic": "old-private"}
ROLES = {"mdb_sa_reader": ["GROUP_READ_ONLY", "GROUP_OBSERVABILITY_VIEWER"], "mdb_sa_owner": ["GROUP_OWNER"]}
UNITS = {"CONNECTIONS": "SCALAR", "TICKETS_AVAILABLE_READS": "SCALAR", "TICKETS_AVAILABLE_WRITES": "SCALAR",
         "GLOBAL_LOCK_CURRENT_QUEUE_TOTAL": "SCALAR", "CACHE_FILL_RATIO": "PERCENT", "DIRTY_FILL_RATIO": "PERCENT",
         "SYSTEM_NORMALIZED_CPU_USER": "PERCENT", "QUERY_TARGETING_SCANNED_OBJECTS_PER_RETURNED": "SCALAR",
         "OP_EXECUTION_TIME_READS": "MILLISECONDS", "OP_EXECUTION_TIME_WRITES": "MILLISECONDS",
         "OP_EXECUTION_TIME_COMMANDS": "MILLISECONDS",
         "OPLOG_MASTER_TIME": "SECONDS", "OPLOG_SLAVE_LAG_MASTER_TIME": "SECONDS", "EXTRA_INFO_PAGE_FAULTS": "SCALAR_PER_SECOND",
         "ASSERT_REGULAR": "SCALAR_PER_SECOND", "OPCOUNTER_QUERY": "SCALAR_PER_SECOND", "OPCOUNTER_CMD": "SCALAR_PER_SECOND",
         "DISK_PARTITION_IOPS_TOTAL": "SCALAR_PER_SECOND", "DISK_PARTITION_SPACE_PERCENT_FREE": "PERCENT"}  # fmt: skip
HOSTS = ("orders-shard-00-00.x1y2z.mongodb.net:27017", "orders-shard-00-01.x1y2z.mongodb.net:27017")
_WHO = web.RequestKey("who", str)
_STEP = {"PT1M": 60, "PT5M": 300, "PT1H": 3_600}


def calm() -> dict[str, list[float]]:
    """The values of each metric over the window, in order; fewer are stretched. Tests change them."""
    return {name: [1.0] for name in UNITS} | {
        "CONNECTIONS": [40.0], "TICKETS_AVAILABLE_READS": [120.0], "TICKETS_AVAILABLE_WRITES": [120.0], "CACHE_FILL_RATIO": [60.0],
        "DIRTY_FILL_RATIO": [2.0], "OPLOG_MASTER_TIME": [172_800.0], "OPLOG_SLAVE_LAG_MASTER_TIME": [0.0],
        "GLOBAL_LOCK_CURRENT_QUEUE_TOTAL": [0.0], "DISK_PARTITION_SPACE_PERCENT_FREE": [55.0], "OPCOUNTER_QUERY": [100.0],
    }  # fmt: skip


class AtlasStandIn:
    """Use as an async context manager; gives the URL.

    ``hosts``: what drivers connect to, the primary first; Atlas' own names for them differ. ``asked``: (method, path, query) of each
    request; ``faults``: part of a path -> (status, body, headers).
    """

    def __init__(self, *, life_s: int = 3_600, hosts: Sequence[str] = HOSTS) -> None:
        self.life_s = life_s
        self.hosts = list(hosts)
        self.metrics = calm()
        self.events: list[Json] = []
        self.alerts: list[Json] = []
        self.slow: list[str] = []
        self.advice: Json = {"suggestedIndexes": [], "shapes": []}
        self.faults: dict[str, tuple[int, Json | bytes, dict[str, str]]] = {}
        self.once: set[str] = set()
        self.asked: list[tuple[str, str, list[tuple[str, str]]]] = []
        self.accepted: list[str] = []
        self.slow_token_s = 0.0
        self._tokens: dict[str, str] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> str:
        app = web.Application(middlewares=[self._door])
        base, p = "/api/atlas/v2/groups/{g}", "/processes/{p}"
        app.router.add_post("/api/oauth/token", self._token)
        for path, handler in (
            (base, self._project),
            (f"{base}/processes", self._processes),
            (f"{base}{p}/measurements", self._measurements),
            (f"{base}{p}/disks", self._disks),
            (f"{base}{p}/disks/{{d}}/measurements", self._measurements),
            (f"{base}{p}/performanceAdvisor/slowQueryLogs", self._slow),
            (f"{base}/clusters/{{c}}", self._cluster),
            (f"{base}/clusters/{{c}}/performanceAdvisor/suggestedIndexes", self._indexes),
            (f"{base}/alerts", self._alerts),
            (f"{base}/events", self._events),
            (f"{base}/serviceAccounts/{{a}}", self._account),
            (f"{base}/apiKeys", self._keys),
        ):
            app.router.add_get(path, handler)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _door(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.asked.append((request.method, request.path, list(request.query.items())))
        for part, (status, body, headers) in list(self.faults.items()):
            if part in request.path:
                if part in self.once:
                    self.faults.pop(part)
                raw = body if isinstance(body, bytes) else None
                return (
                    web.Response(status=status, body=raw, headers=headers)
                    if raw is not None
                    else web.json_response(body, status=status, headers=headers)
                )
        if request.path == "/api/oauth/token":
            return await handler(request)
        who = self._who(request)
        if who is None:
            challenge = f'Digest realm="MMS Public API", domain="", nonce="{secrets.token_hex(8)}", algorithm=MD5, qop="auth", stale=false'
            return problem(
                401, "UNAUTHORIZED", "You are not authorized for this resource.", {"WWW-Authenticate": challenge}
            )
        if request.headers.get("Accept") != ACCEPT:
            return problem(406, "INVALID_VERSION_DATE", "a version must be pinned")
        request[_WHO] = who
        self.accepted.append(who)
        return await handler(request)

    def _who(self, request: web.Request) -> str | None:
        kind, _, rest = request.headers.get("Authorization", "").partition(" ")
        if kind == "Bearer":
            return self._tokens.get(rest)
        if kind != "Digest":
            return None
        told = {k.strip(): v.strip('" ') for k, _, v in (x.partition("=") for x in rest.split(","))}
        name = told.get("username", "")
        one = _md5(f"{name}:{told.get('realm')}:{KEYS.get(name)}")
        two = _md5(f"{request.method}:{told.get('uri')}")
        right = _md5(f"{one}:{told.get('nonce')}:{told.get('nc')}:{told.get('cnonce')}:{told.get('qop')}:{two}")
        return name if name in KEYS and secrets.compare_digest(right, told.get("response", "")) else None

    async def _token(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.slow_token_s)
        raw = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        name, _, secret = raw.partition(":")
        if SECRETS.get(name) != secret or (await request.post()).get("grant_type") != "client_credentials":
            return web.json_response({"error": "invalid_client"}, status=401)
        token = secrets.token_urlsafe(24)
        self._tokens[token] = name
        return web.json_response({"access_token": token, "expires_in": self.life_s, "token_type": "Bearer"})

    async def _project(self, _request: web.Request) -> web.Response:
        return web.json_response({"id": PROJECT, "name": "shop"})

    async def _processes(self, request: web.Request) -> web.Response:
        if request.match_info["g"] != PROJECT:
            return problem(404, "GROUP_NOT_FOUND", "no such project")
        rows = []
        for n, (alias, _, port) in enumerate(h.rpartition(":") for h in self.hosts):
            host, kind = f"atlas-abc-shard-00-0{n}.x1y2z.mongodb.net", "REPLICA_SECONDARY" if n else "REPLICA_PRIMARY"
            rows.append({"id": f"{host}:{port}", "hostname": host, "port": int(port), "userAlias": alias, "typeName": kind,
                         "replicaSetName": "atlas-abc-shard-0", "version": "8.0.4", "groupId": PROJECT})  # fmt: skip
        return web.json_response({"results": rows, "totalCount": len(rows)})

    async def _measurements(self, request: web.Request) -> web.Response:
        names = request.query.getall("m", [])
        disk = "d" in request.match_info
        if any(n not in UNITS or n.startswith("DISK_") != disk for n in names):
            return problem(400, "INVALID_METRIC_NAME", "an invalid metric name was given")
        step = _STEP[request.query["granularity"]]
        now = datetime.now(UTC)
        start = (
            datetime.fromisoformat(request.query["start"]) if "start" in request.query else now - timedelta(minutes=5)
        )
        end = datetime.fromisoformat(request.query["end"]) if "end" in request.query else now
        count = max(2, int((end - start).total_seconds() // step))
        rows = []
        for name in names:
            values = self.metrics[name]
            points: list[Json] = [
                {
                    "timestamp": (start + timedelta(seconds=(i + 1) * step)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "value": values[i * len(values) // count],
                }
                for i in range(count)
            ]
            if UNITS[name].endswith("PER_SECOND"):
                points[0]["value"] = None
            rows.append({"name": name, "units": UNITS[name], "dataPoints": points})
        return web.json_response(
            {"processId": request.match_info["p"], "granularity": request.query["granularity"], "measurements": rows}
        )

    async def _disks(self, _request: web.Request) -> web.Response:
        return web.json_response({"results": [{"partitionName": "data"}], "totalCount": 1})

    async def _slow(self, request: web.Request) -> web.Response:
        if request[_WHO] == "mdb_sa_weak":
            return problem(403, "USER_UNAUTHORIZED", "The current user is not authorized to perform this action.")
        rows = (
            [{"line": line, "namespace": "shop.orders"} for line in self.slow]
            if "-00-00" in request.match_info["p"]
            else []
        )
        return web.json_response({"slowQueries": rows[: int(request.query.get("nLogs", 20_000))]})

    async def _cluster(self, request: web.Request) -> web.Response:
        if request.match_info["c"] != "orders":
            return problem(404, "CLUSTER_NOT_FOUND", "no such cluster")
        region = {"electableSpecs": {"instanceSize": "M30", "diskSizeGB": 40.0, "nodeCount": 3}, "providerName": "AWS"}
        return web.json_response({"name": "orders", "stateName": "IDLE", "paused": False, "mongoDBVersion": "8.0.4",
                                  "replicationSpecs": [{"regionConfigs": [region]}]})  # fmt: skip

    async def _indexes(self, _request: web.Request) -> web.Response:
        return web.json_response(self.advice)

    async def _alerts(self, request: web.Request) -> web.Response:
        rows = [a for a in self.alerts if a["status"] == request.query.get("status", a["status"])]
        return web.json_response({"results": rows, "totalCount": len(rows)})

    async def _events(self, request: web.Request) -> web.Response:
        size, page = int(request.query["itemsPerPage"]), int(request.query.get("pageNum", 1))
        rows = self.events[(page - 1) * size : page * size]
        return web.json_response({"results": rows, "totalCount": len(self.events)})

    async def _account(self, request: web.Request) -> web.Response:
        if "GROUP_OWNER" not in ROLES.get(request[_WHO], []):
            return problem(403, "USER_UNAUTHORIZED", "only project owners may do this")
        return web.json_response({"clientId": request[_WHO], "roles": ROLES[request[_WHO]]})

    async def _keys(self, _request: web.Request) -> web.Response:
        return problem(403, "USER_UNAUTHORIZED", "only project owners may do this")


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error in Atlas' shape."""
    body = {"error": status, "errorCode": code, "detail": detail, "reason": "", "parameters": []}
    return web.json_response(body, status=status, headers=headers)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
