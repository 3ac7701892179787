"""The read half of the Kubernetes API over a `Recording`.

Get, list with selectors and pages, pod logs, metadata-only lists, discovery, /version and SelfSubjectAccessReview. Everything that would
write is answered 405 and counted in `RecordedCluster.writes`: a read-only investigator makes none. Secrets and metrics are not served.
"""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.cluster.kinds import KINDS
from sandbox.cluster.recording import Recording
from sandbox.cluster.selectors import BadSelector, fields_match, labels_match

Json = dict[str, Any]
NOT_STARTED = (
    "ContainerCreating",
    "PodInitializing",
    "ErrImagePull",
    "ImagePullBackOff",
    "CreateContainerConfigError",
    "InvalidImageName",
)
READING = ("get", "list", "watch")


class ApiFailure(Exception):
    """An API error to be answered as a ``Status``."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(message)

    def answer(self) -> web.Response:
        body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.code,
        }
        return web.json_response(body, status=self.code)


class RecordedCluster:
    """One recorded cluster on a loopback port. ``await start()`` gives its URL; `stop` ends it. ``requests`` counts what was asked.

    ``latency_s`` is how long each answer takes: a real API server is not next door.
    """

    def __init__(self, folder: Path | str, *, host: str = "127.0.0.1", port: int = 0, latency_s: float = 0.0) -> None:
        self._latency_s = latency_s
        self.recording = Recording(Path(folder))
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.writes: list[str] = []
        self.requests: list[str] = []

    async def start(self) -> str:
        app = web.Application(middlewares=[self._counted])
        app.router.add_post("/apis/authorization.k8s.io/{version}/selfsubjectaccessreviews", self._review)
        app.router.add_get("/version", self._version)
        for path in ("/livez", "/readyz", "/healthz"):
            app.router.add_get(path, self._alive)
        app.router.add_get("/api", self._core)
        app.router.add_get("/apis", self._groups)
        app.router.add_get("/api/{version:v1}", self._resources)
        app.router.add_get("/apis/{group}/{version}", self._resources)
        app.router.add_get("/api/{version:v1}/{rest:.+}", self._read)
        app.router.add_get("/apis/{group}/{version}/{rest:.+}", self._read)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self.url

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> "RecordedCluster":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def kubeconfig(self) -> Json:
        """A kubeconfig that points here; JSON is YAML, so it can be written as it is."""
        context = {"cluster": "recorded", "user": "reader", "namespace": self.recording.namespace}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "recorded",
            "clusters": [{"name": "recorded", "cluster": {"server": self.url}}],
            "users": [{"name": "reader", "user": {"token": "recorded"}}],
            "contexts": [{"name": "recorded", "context": context}],
        }

    # -- answering -----------------------------------------------------------------------------------------------------------

    @web.middleware
    async def _counted(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        review = request.method == "POST" and request.path.endswith("/selfsubjectaccessreviews")
        if request.method != "GET" and not review:
            self.writes.append(f"{request.method} {request.path}")
            return ApiFailure(405, "MethodNotAllowed", "this cluster is a recording and takes no writes").answer()
        try:
            return await handler(request)
        except ApiFailure as failure:
            return failure.answer()
        except BadSelector as error:
            return ApiFailure(400, "BadRequest", str(error)).answer()
        except web.HTTPNotFound:
            return ApiFailure(404, "NotFound", "the server could not find the requested resource").answer()

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _version(self, _request: web.Request) -> web.Response:
        major, minor = self.recording.version.removeprefix("v").split(".")[:2]
        return web.json_response({"major": major, "minor": minor, "gitVersion": self.recording.version})

    async def _core(self, _request: web.Request) -> web.Response:
        return web.json_response({"kind": "APIVersions", "versions": ["v1"]})

    async def _groups(self, _request: web.Request) -> web.Response:
        groups: dict[str, list[str]] = {}
        for version in self.recording.versions():
            if "/" in version:
                groups.setdefault(version.split("/")[0], []).append(version)
        rows = []
        for name, versions in sorted(groups.items()):
            served = [{"groupVersion": v, "version": v.split("/")[1]} for v in sorted(versions)]
            rows.append({"name": name, "versions": served, "preferredVersion": served[0]})
        return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": rows})

    async def _resources(self, request: web.Request) -> web.Response:
        version = self._asked(request)
        plurals = self.recording.versions().get(version)
        if not plurals:
            raise ApiFailure(404, "NotFound", "the server could not find the requested resource")
        rows = [
            {
                "name": p,
                "singularName": "",
                "namespaced": KINDS[p].namespaced,
                "kind": KINDS[p].kind,
                "verbs": ["get", "list"],
            }
            for p in plurals
        ]
        return web.json_response(
            {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": rows}
        )

    async def _review(self, request: web.Request) -> web.Response:
        try:
            asked = json.loads(await request.text() or "{}").get("spec", {}).get("resourceAttributes", {})
        except (ValueError, AttributeError) as error:
            raise ApiFailure(400, "BadRequest", f"the review is not JSON: {error}") from error
        inner = str(asked.get("subresource") or "")
        allowed = asked.get("verb") in READING and asked.get("resource") != "secrets" and inner in ("", "log")
        body = {
            "kind": "SelfSubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": {"resourceAttributes": asked},
        }
        return web.json_response({**body, "status": {"allowed": allowed}}, status=HTTPStatus.CREATED)

    @staticmethod
    def _asked(request: web.Request) -> str:
        group, version = request.match_info.get("group", ""), request.match_info["version"]
        return f"{group}/{version}" if group else version

    async def _read(self, request: web.Request) -> web.Response:
        version, parts = self._asked(request), request.match_info["rest"].strip("/").split("/")
        namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        plural, *rest = parts
        if plural == "secrets":
            raise ApiFailure(403, "Forbidden", "secrets is forbidden: the recording holds none")
        if plural not in self.recording.versions().get(version, []):
            raise ApiFailure(404, "NotFound", "the server could not find the requested resource")
        rows = self.recording.listed(version, plural, namespace)
        if not rest:
            return self._list(request, version, plural, rows)
        one = next((r for r in rows if r["metadata"]["name"] == rest[0]), None)
        if one is None:
            raise ApiFailure(404, "NotFound", f'{plural} "{rest[0]}" not found')
        if rest[1:] == ["log"] and plural == "pods":
            return self._log(request, one)
        if rest[1:]:
            raise ApiFailure(404, "NotFound", "the server could not find the requested resource")
        return web.json_response(one)

    def _list(self, request: web.Request, version: str, plural: str, rows: list[Json]) -> web.Response:
        wanted, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
        rows = [r for r in rows if labels_match(wanted, r["metadata"].get("labels") or {}) and fields_match(fields, r)]
        begin, limit = _page(request)
        end = begin + limit if limit else len(rows)
        meta: Json = {"resourceVersion": "1"}
        if end < len(rows):
            meta |= {
                "continue": base64.urlsafe_b64encode(str(end).encode()).decode(),
                "remainingItemCount": len(rows) - end,
            }
        shown = rows[begin:end]
        if "PartialObjectMetadataList" in request.headers.get("Accept", ""):
            items = [
                {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": r["metadata"]}
                for r in shown
            ]
            return web.json_response(
                {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "items": items}
            )
        bare = [{k: v for k, v in r.items() if k not in ("kind", "apiVersion")} for r in shown]
        return web.json_response(
            {"kind": f"{KINDS[plural].kind}List", "apiVersion": version, "metadata": meta, "items": bare}
        )

    def _log(self, request: web.Request, pod: Json) -> web.Response:
        name, query = pod["metadata"]["name"], request.query
        known = [c["name"] for c in pod["spec"].get("containers", [])]
        container = query.get("container", "")
        if not container and len(known) > 1:
            raise ApiFailure(
                400,
                "BadRequest",
                f"a container name must be specified for pod {name}, choose one of: [{' '.join(known)}]",
            )
        container = container or known[0]
        if container not in known:
            raise ApiFailure(400, "BadRequest", f"container {container} is not valid for pod {name}")
        status: Json = next(
            (s for s in pod.get("status", {}).get("containerStatuses") or [] if s["name"] == container), {}
        )
        waiting = ((status.get("state") or {}).get("waiting") or {}).get("reason", "")
        previous = query.get("previous") == "true"
        if previous and not (status.get("lastState") or {}).get("terminated"):
            raise ApiFailure(
                400, "BadRequest", f'previous terminated container "{container}" in pod "{name}" not found'
            )
        if waiting in NOT_STARTED and not previous:
            raise ApiFailure(
                400, "BadRequest", f'container "{container}" in pod "{name}" is waiting to start: {waiting}'
            )
        lines = self.recording.lines(pod, previous)
        if query.get("tailLines", "").isdigit():
            lines = lines[-int(query["tailLines"]) :] if int(query["tailLines"]) else []
        text = "".join(f"{line}\n" for line in lines).encode()
        if query.get("limitBytes", "").isdigit():
            text = text[: int(query["limitBytes"])]
        return web.Response(body=text, content_type="text/plain")


def _page(request: web.Request) -> tuple[int, int]:
    """(first row, page size or 0). Raises `ApiFailure` 410 for a token that this server did not make."""
    token, limit = request.query.get("continue", ""), request.query.get("limit", "")
    try:
        begin = int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError as error:
        raise ApiFailure(410, "Expired", "the provided continue parameter is too old") from error
    return begin, int(limit) if limit.isdigit() else 0


async def serve(folder: Path | str, port: int = 0) -> None:
    """Serve one recording until cancelled; the caller prints what it likes of it."""
    async with RecordedCluster(folder, port=port):
        await asyncio.Event().wait()
