"""Every tool against a real API server, as the bot: with the shipped role, with less than it, with more than it.

Needs an empty, disposable cluster whose controllers run: ``RCA_TEST_KUBECONFIG=/path/to/admin.kubeconfig pytest tests/servers/test_k8s_real_cluster.py``.
No kubelet is needed: pods get their state through the status subresource.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kube_fixture import ask
from kube_real import KUBECONFIG, VARIABLE, Admin, bot_kubeconfig, collection, manifests
from mcp import Client

from mcp_servers.kubernetes.server import create_server

Json = dict[str, Any]
pytestmark = [
    pytest.mark.kube,
    pytest.mark.skipif(not KUBECONFIG, reason=f"{VARIABLE} names no kubeconfig of a disposable cluster"),
    pytest.mark.xdist_group("realcluster"),
]
SPACE = f"shop-{secrets.token_hex(3)}"  # each run its own: the cluster outlives it
SENTINEL = "s3ntinel-9f2c7e"
ORDERS = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "orders", "namespace": SPACE}}
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "applications.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "names": {
            "kind": "Application",
            "plural": "applications",
            "singular": "application",
            "listKind": "ApplicationList",
        },
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def orders(image: str) -> Json:
    container = {
        "name": "orders",
        "image": image,
        "ports": [{"containerPort": 8080}],
        "envFrom": [{"configMapRef": {"name": "orders-env"}}],
        "env": [{"name": "API_TOKEN", "value": SENTINEL}],
    }
    template = {"metadata": {"labels": {"app": "orders"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "orders"}}, "template": template}
    return {**ORDERS, "spec": spec}


def core(kind: str, name: str, **more: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": SPACE, **more.pop("meta", {})},
        **more,
    }


async def revision(admin: Admin, wanted: int) -> Json | None:
    for item in await admin.list(f"/apis/apps/v1/namespaces/{SPACE}/replicasets"):
        if item["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision") == str(wanted):
            return item
    return None


async def prepare(folder: Path) -> str:
    """A shop with a rollout that was taken back by the real controller, a crashing pod, a Service, a node and what must stay hidden."""
    copied = {"kubectl.kubernetes.io/last-applied-configuration": f'{{"data":{{"URL":"{SENTINEL}"}}}}'}
    async with Admin(KUBECONFIG) as admin:
        for name in ("rca", SPACE, "argocd"):
            await admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        await admin.apply(*manifests("clusterrole.yaml"))
        await admin.apply(*manifests("rca-bot.yaml"))
        optional = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "rca-bot-changes-optional"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "rca-bot-changes-optional",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "rca-bot", "namespace": "rca"}],
        }
        await admin.apply(optional)
        await admin.apply(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1"}},
            core("ConfigMap", "orders-env", data={"URL": SENTINEL}, meta={"annotations": copied}),
            core("Secret", "orders-db", stringData={"password": SENTINEL}, meta={"annotations": copied}),
            core(
                "Service", "orders", spec={"selector": {"app": "orders"}, "ports": [{"port": 80, "targetPort": 8080}]}
            ),
            orders("registry.example/orders:1"),
        )
        await admin.until("revision 1", lambda: revision(admin, 1))
        for number, tag in ((2, 2), (3, 1)):  # out, and back
            await admin.patch(ORDERS, {"spec": orders(f"registry.example/orders:{tag}")["spec"]})
            await admin.until(f"revision {number}", lambda n=number: revision(admin, n))
        pods = await admin.until("pods", lambda: admin.list(f"/api/v1/namespaces/{SPACE}/pods"))
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}
        status = {"name": "orders", "ready": False, "restartCount": 6, "image": "x", "imageID": "", "state": waiting}
        ready = [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-01T00:00:00Z"}]
        await admin.patch(
            core("Pod", pods[0]["metadata"]["name"]),
            {"status": {"phase": "Running", "containerStatuses": [status], "conditions": ready}},
            "status",
        )
        return await bot_kubeconfig(admin, folder)


async def served(admin: Admin) -> bool:
    try:
        await admin.list("/apis/argoproj.io/v1alpha1/applications")
    except RuntimeError:
        return False
    return True


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bot's kubeconfig for the prepared cluster."""
    yield asyncio.run(prepare(tmp_path_factory.mktemp("real")))
    asyncio.run(clear())


async def clear() -> None:
    async with Admin(KUBECONFIG) as admin:
        await admin.call("DELETE", f"/api/v1/namespaces/{SPACE}")


@asynccontextmanager
async def asking(kubeconfig: str, **environ: str) -> AsyncIterator[Client]:
    async with Client(create_server({"KUBECONFIG": kubeconfig, "RCA_CACHE_S": "0", **environ})) as client:
        yield client


CALLS: dict[str, Json] = {
    "find_unhealthy": {"namespace": SPACE},
    "get_deployment_history": {"deployment_name": "orders", "namespace": SPACE},
    "get_events": {"namespace": SPACE, "warnings_only": False},
    "get_node_health": {"node": "worker-1"},
    "get_pod_logs": {"namespace": SPACE, "pod_name": "orders"},
    "get_pod_status": {"namespace": SPACE, "pod_name": "orders"},
    "get_recent_changes": {"namespace": SPACE, "target": "orders"},
    "get_resource_usage": {"namespace": SPACE},
    "get_service_health": {"service_name": "orders", "namespace": SPACE},
    "get_workload_status": {"name": "orders", "namespace": SPACE},
    "resolve_target": {"query": "orders"},
    "health": {},
}
# What a control plane without kubelets and add-ons cannot give; the tools must say so in their own words.
WITHOUT = {"get_resource_usage": "UNSUPPORTED"}


async def test_every_tool_answers_with_the_shipped_role(bot: str) -> None:
    async with asking(bot) as client:
        assert {t.name for t in (await client.list_tools()).tools} == set(CALLS)
        answers = {name: await ask(client, name, **arguments) for name, arguments in CALLS.items()}
    for name, answer in answers.items():
        assert SENTINEL not in str(answer), name
        if name in WITHOUT:
            assert answer["error"]["code"] == WITHOUT[name], answer
        else:
            assert "error" not in answer, answer
            assert [p for p in answer.get("partial", []) if p["code"] == "FORBIDDEN"] == []
    assert "can_write" not in answers["health"]
    assert "k8s.pod.crash_loop" in {s["code"] for s in answers["get_pod_status"]["signals"]}


async def test_the_controllers_own_rollback_is_told_as_one(bot: str) -> None:
    async with asking(bot) as client:
        history = await ask(client, "get_deployment_history", deployment_name="orders", namespace=SPACE)
        changes = await ask(client, "get_recent_changes", namespace=SPACE, target="orders")
    [now, before] = history["revisions"]
    assert (now["revision"], now["is_rollback"], now["images"]["orders"]) == (3, True, "registry.example/orders:1")
    assert (now["replaced"], before["revision"], before["replaced"], before["diff"]) == (2, 2, 1, ["image 1 -> 2"])
    kinds = {c["kind"]: c for c in changes["changes"]}
    assert kinds["image"]["what"].startswith("orders rolled out (revision 1 -> 2): image")
    assert kinds["rollback"]["relation"] == "self"
    assert kinds["config"]["relation"] == "config_of"
    assert "change.rollback_seen" in {s["code"] for s in changes["signals"]}


async def test_what_the_role_lacks_is_named(bot: str) -> None:
    [role] = [
        d
        for d in manifests("clusterrole.yaml")
        if d["metadata"]["name"] == "rca-bot-reader" and d["kind"] == "ClusterRole"
    ]
    without_events = [{**r, "resources": [x for x in r["resources"] if x != "events"]} for r in role["rules"]]
    without_events = [r for r in without_events if r["resources"]]
    async with Admin(KUBECONFIG) as admin:
        try:
            await admin.patch(role, {"rules": without_events})
            await admin.until("the narrower role", lambda: forbidden(bot))
            async with asking(bot) as client:
                answers = {n: await ask(client, n, **CALLS[n]) for n in ("get_events", "get_pod_status", "health")}
            await admin.patch(role, {"rules": []})
            async with asking(bot) as client:
                bare = {n: await ask(client, n, **a) for n, a in CALLS.items() if n != "health"}
        finally:
            await admin.patch(role, {"rules": role["rules"]})
    assert answers["get_events"]["error"]["missing_permission"] == f"list events in namespace {SPACE}"
    assert any("events" in p["message"] for p in answers["get_pod_status"]["partial"])
    assert any("list events in all namespaces" in w for w in answers["health"]["warnings"])
    for name, answer in bare.items():
        if name not in WITHOUT:
            assert answer["error"]["missing_permission"], name


async def forbidden(bot: str) -> bool:
    async with asking(bot) as client:
        return "error" in await ask(client, "get_events", namespace=SPACE)


async def test_a_credential_that_may_write_is_refused(bot: str) -> None:
    async with asking(KUBECONFIG) as client:
        for name, arguments in CALLS.items():
            answer = await ask(client, name, **arguments)
            if name == "health":
                assert answer["refused"]["code"] == "FORBIDDEN"
                assert "create pods/exec in all namespaces" in answer["can_write"]
            else:
                assert answer["error"]["code"] == "FORBIDDEN", name
                assert "can do more than read" in answer["error"]["message"]


async def test_a_custom_resource_is_found_by_discovery(bot: str) -> None:
    """Not on servers before 1.22: 1.20 built by a Go of later than its time dies of a map in an unstructured object."""
    async with Admin(KUBECONFIG) as admin:
        version = await admin.call("GET", "/version")
        if (int(version["major"]), int(version["minor"].rstrip("+"))) < (1, 22):
            pytest.skip(f"custom resources need a server of 1.22 or later, not {version['gitVersion']}")
        await admin.apply(CRD)
        await admin.until("the new kind", lambda: served(admin))
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        resources = [{"group": "apps", "kind": "Deployment", "namespace": SPACE, "name": "orders"}]
        application = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "shop-app", "namespace": "argocd"},
            "spec": {"destination": {"namespace": SPACE}},
            "status": {"history": [{"id": 1, "revision": "f" * 40, "deployedAt": now}], "resources": resources},
        }
        await admin.apply(application)
    async with asking(bot) as client:
        changes = await ask(client, "get_recent_changes", namespace=SPACE, target="orders")
    [found] = [c for c in changes["changes"] if c["kind"] == "crd_release"]
    assert (found["target"], found["relation"]) == ("Application/argocd/shop-app", "self")


async def test_helms_records_give_their_labels_and_nothing_else(bot: str) -> None:
    """Listing Secrets is a power: refused, unless an operator wants Helm's records; then the API server sends metadata alone."""
    labels = {"owner": "helm", "name": "orders", "version": "4", "status": "deployed"}
    record = core(
        "Secret",
        "sh.helm.release.v1.orders.v4",
        meta={"labels": labels},
        type="helm.sh/release.v1",
        stringData={"release": SENTINEL},
    )
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "rca-test-helm"}}
    role = {**rbac, "kind": "ClusterRole", "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]}
    binding = {
        **rbac,
        "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "rca-test-helm"},
        "subjects": [{"kind": "ServiceAccount", "name": "rca-bot", "namespace": "rca"}],
    }
    async with Admin(KUBECONFIG) as admin:
        await admin.apply(record, role, binding)
        try:
            await admin.until("the right to list Secrets", lambda: refused(bot))
            async with asking(bot, RCA_K8S_HELM_SECRETS="1") as client:
                answer = await ask(client, "get_recent_changes", namespace=SPACE)
        finally:
            await admin.call("DELETE", f"{collection(binding)}/rca-test-helm")
    told = [c["what"] for c in answer["changes"] if "Helm" in c["what"]]
    assert told == ["Helm release orders revision 4: deployed"]
    assert SENTINEL not in str(answer)


async def refused(bot: str) -> bool:
    async with asking(bot) as client:
        error = (await ask(client, "get_events", namespace=SPACE)).get("error", {})
    return "list secrets" in error.get("message", "")


async def test_pages_are_followed_and_nothing_is_left_out(bot: str) -> None:
    from mcp_servers.kubernetes.client import Cluster
    from mcp_servers.kubernetes.settings import load

    cluster = await Cluster.open(load({"KUBECONFIG": bot}))
    try:
        whole = await cluster.list("ReplicaSet")
        paged = await cluster.list("ReplicaSet", limit=1)
        metadata = await cluster.list("ConfigMap", SPACE)
    finally:
        await cluster.close()
    assert [i["metadata"]["uid"] for i in paged.items] == [i["metadata"]["uid"] for i in whole.items]
    assert all(set(i) == {"kind", "metadata"} for i in metadata.items)
    assert SENTINEL not in str(metadata.items)
