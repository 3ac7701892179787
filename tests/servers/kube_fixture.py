"""The read half of a Kubernetes API over a list of objects, for tests: real HTTP, every request recorded, faults on demand.

Not a mock of our code: the real client talks to it. It understands get, list with selectors and continue tokens, logs,
PartialObjectMetadata, discovery and SelfSubjectAccessReview, and answers everything else 405.
"""

import json
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from mcp import Client

from mcp_servers.common.server import build
from mcp_servers.kubernetes.context import Context
from mcp_servers.kubernetes.kinds import KINDS
from mcp_servers.kubernetes.server import create_server
from mcp_servers.kubernetes.settings import load

Json = dict[str, Any]
NOW = datetime(2026, 11, 22, 7, 0, 0, tzinfo=UTC)
PLURALS = {row.plural: kind for kind, row in KINDS.items() if not row.optional or row.custom} | {"secrets": "Secret"}
METRICS_API = "metrics.k8s.io/v1beta1"  # served where a test adds it to ``versions``
METRICS = {"pods": "PodMetrics", "nodes": "NodeMetrics"}
MODERN = tuple(dict.fromkeys(row.versions[0] for row in KINDS.values() if not row.optional))


def ago(seconds: float) -> str:
    """A time before `NOW` as the API writes it."""
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire."""

    method: str
    path: str
    query: dict[str, str]
    accept: str


@dataclass
class FakeCluster:
    """``logs`` maps "ns/pod/container" (the crashed run: with "/previous" behind) to text; ``faults`` a path's end to (status, message)."""

    objects: list[Json] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    versions: tuple[str, ...] = MODERN
    absent: frozenset[str] = frozenset()  # resources that a served version lacks
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)
    powers: frozenset[str] = (
        frozenset()
    )  # what reviews allow beside get and list of everything but Secrets: "create pods/exec"
    denied: frozenset[str] = frozenset()  # what they refuse of that: "list events"
    date: str = ""  # the Date of every answer, where it is not the present
    expire_once: bool = False
    requests: list[tuple[str, str]] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    reviews: list[str] = field(default_factory=list)
    url: str = ""

    def writes(self) -> list[tuple[str, str]]:
        """Requests that are neither a GET nor the question what one may do."""
        review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return [r for r in self.requests if r[0] != "GET" and not (r[0] == "POST" and r[1].endswith(review))]

    def kubeconfig(self, folder: Path) -> str:
        file = folder / "kubeconfig.json"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "t",
            "clusters": [{"name": "t", "cluster": {"server": f"{self.url}/base"}}],
            "users": [{"name": "t", "user": {"token": "reader-token"}}],
            "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}],
        }
        file.write_text(json.dumps(config))
        return str(file)

    async def handle(self, request: web.Request) -> web.Response:
        answer = await self._answer(request)
        if self.date:
            answer.headers["Date"] = self.date
        return answer

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.path))
        path = request.path.removeprefix("/base")
        self.seen.append(Request(request.method, path, dict(request.query), request.headers.get("Accept", "")))
        self.tokens.append(request.headers.get("Authorization", ""))
        for end, (status, message) in self.faults.items():
            if path.endswith(end):
                return _status(status, message)
        if request.method == "POST" and path.endswith("/selfsubjectaccessreviews"):
            wish = (await request.json())["spec"]["resourceAttributes"]
            inner = f"/{wish['subresource']}" if wish.get("subresource") else ""
            what = f"{wish['verb']} {wish['resource']}{inner}"
            reading = wish["verb"] in ("get", "list") and wish["resource"] != "secrets" and inner in ("", "/log")
            allowed = (reading and what not in self.denied) or what in self.powers
            self.reviews.append(what)
            return web.json_response({"kind": "SelfSubjectAccessReview", "status": {"allowed": allowed}}, status=201)
        if request.method != "GET":
            return _status(405, "read-only")
        if path == "/version":
            return web.json_response({"gitVersion": "v1.31.0"})
        return self._read(path, request)

    def _read(self, path: str, request: web.Request) -> web.Response:
        match = re.fullmatch(r"/(?:api/(v1)|apis/([\w.]+/\w+))(?:/(.*))?", path)
        if not match or (match[1] or match[2]) not in self.versions:
            return web.Response(status=404, text="404 page not found")
        version, rest = match[1] or match[2], [p for p in (match[3] or "").split("/") if p]
        if not rest:
            names = [
                {"name": r.plural} for r in KINDS.values() if version in r.versions and r.plural not in self.absent
            ]
            return web.json_response({"kind": "APIResourceList", "resources": names})
        space = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            space, rest = rest[1], rest[2:]
        kind = (METRICS if version == METRICS_API else PLURALS).get(rest[0])
        if kind is None:
            return _status(404, "the server could not find the requested resource")
        rows = [o for o in self.objects if o["kind"] == kind and (not space or o["metadata"].get("namespace") == space)]
        if len(rest) == 1:
            return self._list(kind, rows, request)
        one = next((o for o in rows if o["metadata"]["name"] == rest[1]), None)
        if one is None:
            return _status(404, f'{rest[0]} "{rest[1]}" not found')
        return self._log(one, request) if rest[2:] == ["log"] else web.json_response(one)

    def _list(self, kind: str, rows: list[Json], request: web.Request) -> web.Response:
        query = request.query
        for term in filter(None, query.get("fieldSelector", "").split(",")):
            key, wants, want = re.split(r"(!?=)", term, maxsplit=1)
            rows = [o for o in rows if (str(_dig(o, key)) == want) == (wants == "=")]
        for term in filter(None, query.get("labelSelector", "").split(",")):
            key, _, want = term.partition("=")
            rows = [o for o in rows if (o["metadata"].get("labels") or {}).get(key) == want]
        start = int(query.get("continue") or 0)
        if start and self.expire_once:
            self.expire_once = False
            return _status(410, "The provided continue parameter is too old")
        stop = start + int(query.get("limit") or 500)
        head = {"resourceVersion": "1", **({"continue": str(stop)} if stop < len(rows) else {})}
        items: list[Json] = rows[start:stop]
        if "PartialObjectMetadataList" in request.headers.get("Accept", ""):
            items, kind = [{"metadata": o["metadata"]} for o in items], "PartialObjectMetadata"
        else:  # as the real server does: items of a list do not name their kind
            items = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in items]
        return web.json_response({"kind": f"{kind}List", "metadata": head, "items": items})

    def _log(self, pod: Json, request: web.Request) -> web.Response:
        names = [c["name"] for c in pod["spec"]["containers"]]
        called = request.query.get("container") or names[0]
        key = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}/{called}"
        if request.query.get("previous") == "true":
            if f"{key}/previous" not in self.logs:
                return _status(400, f'previous terminated container "{called}" in pod "x" not found')
            key = f"{key}/previous"
        elif key not in self.logs:
            return _status(400, f'container "{called}" in pod "x" is waiting to start: ContainerCreating')
        lines = self.logs[key].splitlines()[-int(request.query.get("tailLines") or 10**6) :]
        return web.Response(
            text="".join(f"{line}\n" for line in lines)[: int(request.query.get("limitBytes") or 10**9)]
        )


def _status(status: int, message: str) -> web.Response:
    reason = {403: "Forbidden", 404: "NotFound", 410: "Expired"}.get(status, "")
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": status,
    }
    return web.json_response(body, status=status)


def _dig(obj: Any, path: str) -> Any:
    for key in path.split("."):
        obj = obj.get(key) if isinstance(obj, dict) else None
    return "" if obj is None else obj


@asynccontextmanager
async def serving(cluster: FakeCluster) -> AsyncIterator[FakeCluster]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", cluster.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    cluster.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield cluster
    finally:
        await runner.cleanup()


@asynccontextmanager
async def session(cluster: FakeCluster, folder: Path, *modules: Any, **environ: str) -> AsyncIterator[Client]:
    """A real MCP session with the real server, which reads ``cluster`` over HTTP.

    With ``modules`` only their tools are offered, behind the same door: building all of them takes most of a small test's time.
    """
    async with serving(cluster):
        variables = {"KUBECONFIG": cluster.kubeconfig(folder), **environ}
        if modules:
            settings = load(variables)
            context = Context(settings, lambda: NOW)
            found = [tool for module in modules for tool in module.tools(context)]
            server = build("rca-kubernetes", "", found, settings.common, context.lifespan)
        else:
            server = create_server(variables, clock=lambda: NOW)
        async with Client(server) as client:
            yield client


async def ask(client: Client, tool: str, **arguments: Any) -> Json:
    """The structured answer; a failed call gives its ``{"error": ...}``."""
    result = await client.call_tool(tool, arguments)
    assert result.structured_content is not None, result.content
    text = "".join(getattr(c, "text", "") for c in result.content)
    assert json.loads(text) == result.structured_content
    return result.structured_content


def codes(answer: Json) -> dict[str, str]:
    """Signal code -> reason."""
    return {s["code"]: s.get("reason", "") for s in answer.get("signals", [])}


def detail(answer: Json, code: str) -> str:
    return next(s["detail"] for s in answer["signals"] if s["code"] == code)


# -- small objects ---------------------------------------------------------------------------------------------------------------


def container(name: str = "app", image: str = "shop/checkout:2.15", **spec: Any) -> Json:
    return {"name": name, "image": image, "ports": [{"containerPort": 8080}], **spec}


def running(
    name: str = "app", *, ready: bool = True, restarts: int = 0, since: float = 3600, last: Json | None = None
) -> Json:
    status: Json = {
        "name": name,
        "ready": ready,
        "restartCount": restarts,
        "state": {"running": {"startedAt": ago(since)}},
    }
    return {**status, "started": True, **({"lastState": {"terminated": last}} if last else {})}


def waiting(name: str, reason: str, message: str = "", *, restarts: int = 0, last: Json | None = None) -> Json:
    status: Json = {"name": name, "ready": False, "restartCount": restarts, "started": False}
    status["state"] = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    return {**status, **({"lastState": {"terminated": last}} if last else {})}


def ended(code: int, reason: str = "Error", *, after: float = 30, finished: float = 60, **more: Any) -> Json:
    """How a run ended: ``finished`` seconds ago, ``after`` seconds from its start."""
    return {"exitCode": code, "reason": reason, "startedAt": ago(finished + after), "finishedAt": ago(finished), **more}


def pod(
    name: str = "checkout-7d9f8c6b5-x8k2p",
    *,
    statuses: Iterable[Json] | None = None,
    containers: Iterable[Json] | None = None,
    node: str = "worker-1",
    phase: str = "Running",
    age: float = 3600,
    status: Json | None = None,
    **spec: Any,
) -> Json:
    """A pod of Deployment checkout in namespace shop; ready when all its statuses are."""
    statuses = [running()] if statuses is None else list(statuses)
    ready = "True" if statuses and all(s["ready"] for s in statuses) else "False"
    replica_set = name.rpartition("-")[0]
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-{name}",
            "creationTimestamp": ago(age),
            "labels": {"app": "checkout", "pod-template-hash": replica_set.rpartition("-")[2]},
            "ownerReferences": [{"kind": "ReplicaSet", "name": replica_set, "controller": True}],
        },
        "spec": {"containers": list(containers or [container()]), **({"nodeName": node} if node else {}), **spec},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": ago(min(age, 600))}],
            "containerStatuses": statuses,
            **(status or {}),
        },
    }


def event(
    reason: str, message: str, *, about: Json, last: float = 30, first: float = 300, count: int = 5, **more: Any
) -> Json:
    meta = about["metadata"]
    named = {
        "kind": about["kind"],
        "name": meta["name"],
        "namespace": meta.get("namespace", ""),
        "uid": meta.get("uid", ""),
    }
    return {
        "kind": "Event",
        "metadata": {
            "name": f"{meta['name']}.{abs(hash((reason, message))):x}",
            "namespace": meta.get("namespace", "default"),
        },
        "involvedObject": {**named, **more.pop("involved", {})},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "firstTimestamp": ago(first),
        "lastTimestamp": ago(last),
        "eventTime": None,
        "count": count,
        "source": {"component": "kubelet"},
        **more,
    }


def node(
    name: str = "worker-1", *, ready: str = "True", cordoned: bool = False, labels: Json | None = None, **more: Any
) -> Json:
    spec: Json = {"taints": more.pop("taints", [])}
    if cordoned:
        spec["unschedulable"] = True
        spec["taints"] = [*spec["taints"], {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
    condition = {
        "type": "Ready",
        "status": ready,
        "lastTransitionTime": ago(300),
        "reason": "x",
        **more.pop("condition", {}),
    }
    return {
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, **(labels or {})},
            "creationTimestamp": ago(10**6),
        },
        "spec": spec,
        "status": {"conditions": [condition], "allocatable": {"cpu": "4", "memory": "16Gi"}},
    }


def replica_set(name: str = "checkout-7d9f8c6b5", deployment: str = "checkout") -> Json:
    owner = {"kind": "Deployment", "name": deployment, "controller": True}
    return {
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": "shop", "ownerReferences": [owner]},
        "spec": {},
        "status": {},
    }


def deployment(name: str = "checkout", wanted: int = 1, available: int = 1) -> Json:
    return {
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "generation": 2,
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {
            "replicas": wanted,
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container()]}},
        },
        "status": {
            "observedGeneration": 2,
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": available,
            "availableReplicas": available,
            "conditions": [
                {"type": "Available", "status": "True" if available else "False", "lastTransitionTime": ago(600)}
            ],
        },
    }


def configmap(name: str, *keys: str, annotations: Json | None = None) -> Json:
    fields = {"f:data": {".": {}, **{f"f:{key}": {} for key in keys}}}
    manager = {"manager": "kubectl", "operation": "Update", "time": ago(900), "fieldsV1": fields}
    meta = {"name": name, "namespace": "shop", "managedFields": [manager], "annotations": annotations or {}}
    return {"kind": "ConfigMap", "metadata": meta, "data": dict.fromkeys(keys, "value")}
