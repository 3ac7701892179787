"""A small admin client for recording: create, patch, list. The product's own client cannot write, by construction, so this one is apart."""

import ssl
from pathlib import Path
from typing import Any

import aiohttp
import yaml

Json = dict[str, Any]

GROUPS = {
    "deployments": "apps/v1",
    "replicasets": "apps/v1",
    "statefulsets": "apps/v1",
    "daemonsets": "apps/v1",
    "controllerrevisions": "apps/v1",
    "jobs": "batch/v1",
    "ingresses": "networking.k8s.io/v1",
    "networkpolicies": "networking.k8s.io/v1",
    "endpointslices": "discovery.k8s.io/v1beta1",
    "horizontalpodautoscalers": "autoscaling/v2beta2",
    "poddisruptionbudgets": "policy/v1beta1",
    "storageclasses": "storage.k8s.io/v1",
    "clusterroles": "rbac.authorization.k8s.io/v1",
    "clusterrolebindings": "rbac.authorization.k8s.io/v1",
}
CLUSTER_SCOPED = {"nodes", "namespaces", "persistentvolumes", "storageclasses", "clusterroles", "clusterrolebindings"}


class ApiError(RuntimeError):
    """The API server refused; carries its status code and message."""

    def __init__(self, status: int, method: str, path: str, message: str) -> None:
        self.status = status
        super().__init__(f"{method} {path}: {status} {message}")


class Api:
    """An admin's view of one API server, from a kubeconfig with a token."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server: str = cluster["server"].rstrip("/")
        self._token: str = user["token"]
        self._tls = ssl.create_default_context()
        if cluster.get("insecure-skip-tls-verify"):
            self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Api":
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._token}"})
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    @staticmethod
    def path(plural: str, namespace: str = "", name: str = "", sub: str = "") -> str:
        group = GROUPS.get(plural, "v1")
        parts = ["api" if group == "v1" else "apis", group]
        if namespace and plural not in CLUSTER_SCOPED:
            parts += ["namespaces", namespace]
        return "/" + "/".join(p for p in (*parts, plural, name, sub) if p)

    async def call(
        self, method: str, path: str, body: Json | None = None, *, kind: str = "", query: dict[str, str] | None = None
    ) -> Json:
        assert self._session is not None
        headers = {"Content-Type": kind or "application/json"}
        async with self._session.request(
            method, self.server + path, json=body, headers=headers, params=query or {}, ssl=self._tls
        ) as answer:
            data: Json = await answer.json(content_type=None)
            if answer.status >= 400:
                raise ApiError(answer.status, method, path, str(data.get("message", data))[:300])
            return data

    async def create(self, plural: str, obj: Json, by: str = "helm") -> Json:
        namespace = obj["metadata"].get("namespace", "")
        obj = {"apiVersion": GROUPS.get(plural, "v1"), **obj}
        return await self.call("POST", self.path(plural, namespace), obj, query={"fieldManager": by})

    async def patch(
        self, plural: str, namespace: str, name: str, patch: Json, *, sub: str = "", by: str = "helm", merge: str = ""
    ) -> Json:
        kind = f"application/{merge or 'strategic-merge-patch'}+json"
        return await self.call(
            "PATCH", self.path(plural, namespace, name, sub), patch, kind=kind, query={"fieldManager": by}
        )

    async def list(self, plural: str, namespace: str = "") -> list[Json]:
        listing = await self.call("GET", self.path(plural, namespace))
        kind = str(listing["kind"]).removesuffix("List")
        return [{"apiVersion": listing["apiVersion"], "kind": kind, **item} for item in listing.get("items") or []]

    async def version(self) -> Json:
        return await self.call("GET", "/version")
