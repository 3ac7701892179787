"""A disposable, real cluster for tests: an administrator who applies manifests, and the bot's own credential.

``RCA_TEST_KUBECONFIG`` names an administrator's kubeconfig. What the tests make there, they leave there: the cluster must be an empty one.
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import yaml

from mcp_servers.kubernetes.wire import client_library

Json = dict[str, Any]
VARIABLE = "RCA_TEST_KUBECONFIG"
MANIFESTS = Path(__file__).parents[2] / "deploy/kubernetes"
KUBECONFIG = os.environ.get(VARIABLE, "")
_WHERE = {  # how the kinds that tests make are reached; the rest of the path follows from the object
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "CustomResourceDefinition": "customresourcedefinitions",
    "Namespace": "namespaces",
    "Node": "nodes",
    "NetworkPolicy": "networkpolicies",
}
_CLUSTER = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace", "Node"}


class Admin:
    """Writes to the cluster as its administrator. Use as ``async with``."""

    def __init__(self, kubeconfig: str) -> None:
        self._file = kubeconfig

    async def __aenter__(self) -> "Admin":
        client, config = client_library()
        configuration = client.Configuration()
        await config.load_kube_config(config_file=self._file, client_configuration=configuration, persist_config=False)
        self._api = client.ApiClient(configuration)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._api.close()

    async def call(self, method: str, path: str, body: Json | None = None, kind: str = "application/json") -> Json:
        """The answer as JSON. Raises `RuntimeError` with the server's words when it refuses."""
        verb, url, headers, payload, post = await self._api.param_serialize(
            method,
            path,
            header_params={"Accept": "application/json", "Content-Type": kind},
            body=body,
            auth_settings=["BearerToken"],
        )
        answer = await self._api.rest_client.request(verb, url, headers=headers, body=payload, post_params=post)
        data = json.loads(await answer.response.read())
        if answer.response.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.response.status} {data.get('message')}")
        return dict(data)

    async def apply(self, *items: Json) -> None:
        """Create each object; one that exists is replaced in its spec, rules and data."""
        for item in items:
            try:
                await self.call("POST", collection(item), item)
            except RuntimeError as error:
                if "already exists" not in str(error):
                    raise
                kept = {k: v for k, v in item.items() if k not in ("status",)}
                await self.patch(item, kept)

    async def patch(self, item: Json, change: Json, sub: str = "") -> Json:
        where = f"{collection(item)}/{item['metadata']['name']}" + (f"/{sub}" if sub else "")
        return await self.call("PATCH", where, change, "application/merge-patch+json")

    async def list(self, path: str) -> list[Json]:
        return list((await self.call("GET", path))["items"])

    async def until(self, what: str, ask: Callable[[], Awaitable[Any]], seconds: float = 30) -> Any:
        """The first true answer of ``ask``: controllers work at their own pace."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := await ask():
                return found
            await asyncio.sleep(0.1)
        raise TimeoutError(what)


def collection(item: Json) -> str:
    """The path under which objects of this kind live."""
    version, kind, meta = item["apiVersion"], item["kind"], item["metadata"]
    plural = _WHERE.get(kind, f"{kind.lower()}s")
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{base}/{plural}" if kind in _CLUSTER else f"{base}/namespaces/{meta['namespace']}/{plural}"


def manifests(name: str) -> list[Json]:
    return [d for d in yaml.safe_load_all((MANIFESTS / name).read_text()) if d]


async def bot_kubeconfig(admin: Admin, folder: Path, namespace: str = "rca", account: str = "rca-bot") -> str:
    """A kubeconfig with a token of the bot's ServiceAccount, as ``kubectl create token`` makes it."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    issued = await admin.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", request)
    config = yaml.safe_load(Path(KUBECONFIG).read_text())
    cluster = config["clusters"][0]
    context = {"name": "bot", "context": {"cluster": cluster["name"], "user": "bot"}}
    user = {"name": "bot", "user": {"token": issued["status"]["token"]}}
    file = folder / "bot.kubeconfig"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "bot",
                "clusters": [cluster],
                "users": [user],
                "contexts": [context],
            }
        )
    )
    return str(file)
