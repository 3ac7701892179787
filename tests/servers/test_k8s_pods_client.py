"""`Cluster`: what it may ask, what it gives back, and what it says when a cluster refuses."""

from pathlib import Path
from typing import Any

import pytest
from kube_fixture import FakeCluster, configmap, container, pod, serving

from mcp_servers.common.config import ConfigError
from mcp_servers.common.envelope import ToolFailure
from mcp_servers.kubernetes.client import Cluster
from mcp_servers.kubernetes.kinds import KINDS, kind_of, path
from mcp_servers.kubernetes.settings import load


async def opened(fake: FakeCluster, folder: Path, **environ: str) -> Cluster:
    return await Cluster.open(load({"KUBECONFIG": fake.kubeconfig(folder), "RCA_K8S_TIMEOUT_S": "5", **environ}))


async def failure_of(awaitable: Any) -> ToolFailure:
    with pytest.raises(ToolFailure) as caught:
        await awaitable
    return caught.value


async def test_a_base_path_and_a_token_in_the_kubeconfig_are_used(tmp_path: Path) -> None:
    async with serving(FakeCluster([pod()])) as fake:
        cluster = await opened(fake, tmp_path)
        found = await cluster.get("Pod", "checkout-7d9f8c6b5-x8k2p", "shop")
        await cluster.close()
    assert found["metadata"]["name"] == "checkout-7d9f8c6b5-x8k2p"
    assert fake.requests == [("GET", "/base/api/v1/namespaces/shop/pods/checkout-7d9f8c6b5-x8k2p")]
    assert fake.tokens == ["Bearer reader-token"] or fake.tokens == ["reader-token"]


async def test_pages_are_followed_and_items_name_their_kind(tmp_path: Path) -> None:
    async with serving(FakeCluster([pod(f"checkout-7d9f8c6b5-{i:05d}") for i in range(7)])) as fake:
        cluster = await opened(fake, tmp_path)
        listing = await cluster.list("Pod", "shop", limit=3)
        short = await cluster.list("Pod", "shop", limit=3, max_pages=2)
        await cluster.close()
    assert len(listing.items) == 7
    assert listing.complete
    assert {o["kind"] for o in listing.items} == {"Pod"}
    assert (len(short.items), short.complete, short.note) == (6, False, "only the first 6 pods were read")


async def test_an_expired_continue_token_restarts_the_list_once(tmp_path: Path) -> None:
    fake = FakeCluster([pod(f"checkout-7d9f8c6b5-{i:05d}") for i in range(5)], expire_once=True)
    async with serving(fake):
        cluster = await opened(fake, tmp_path)
        listing = await cluster.list("Pod", "shop", limit=2)
        await cluster.close()
    assert [o["metadata"]["name"][-1] for o in listing.items] == list("01234")
    assert listing.complete


async def test_a_refused_list_names_the_permission_and_the_way_out(tmp_path: Path) -> None:
    async with serving(FakeCluster(faults={"/api/v1/pods": (403, "pods is forbidden")})) as fake:
        cluster = await opened(fake, tmp_path)
        failure = await failure_of(cluster.list("Pod"))
        await cluster.close()
    assert failure.info.code == "FORBIDDEN"
    assert failure.info.missing_permission == "list pods in all namespaces"
    assert "RCA_K8S_NAMESPACES" in failure.info.hint


async def test_with_a_scope_only_its_namespaces_are_asked(tmp_path: Path) -> None:
    fake = FakeCluster([pod()], faults={"/namespaces/cart/pods": (403, "no")})
    async with serving(fake):
        cluster = await opened(fake, tmp_path, RCA_K8S_NAMESPACES="shop,cart")
        listing = await cluster.list("Pod")
        outside = await failure_of(cluster.get("Pod", "x", "payments"))
        await cluster.close()
    assert len(listing.items) == 1
    assert not listing.complete
    assert "cart: not allowed to list pods in namespace cart" in listing.note
    assert outside.info.code == "FORBIDDEN"
    assert not any("payments" in p or p.endswith("/api/v1/pods") for _, p in fake.requests)


async def test_a_denied_namespace_is_left_out_of_wide_lists(tmp_path: Path) -> None:
    other = pod("vault-7d9f8c6b5-x8k2p")
    other["metadata"]["namespace"] = "vault"
    async with serving(FakeCluster([pod(), other])) as fake:
        cluster = await opened(fake, tmp_path, RCA_K8S_DENY_NAMESPACES="vault")
        listing = await cluster.list("Pod")
        failure = await failure_of(cluster.list("Pod", "vault"))
        await cluster.close()
    assert [o["metadata"]["namespace"] for o in listing.items] == ["shop"]
    assert failure.info.code == "FORBIDDEN"


async def test_secrets_cannot_be_asked_for(tmp_path: Path) -> None:
    async with serving(FakeCluster()) as fake:
        cluster = await opened(fake, tmp_path)
        for call in (cluster.get("Secret", "db", "shop"), cluster.list("Secret"), cluster.list_metadata("secrets")):
            assert (await failure_of(call)).info.code == "FORBIDDEN"
        await cluster.close()
    assert fake.requests == []
    assert not any("secret" in row.plural for row in KINDS.values())


@pytest.mark.parametrize("name", ["../secrets/db", "a/b", "x?watch=1", "x#", "UPPER", "a b", "%2e%2e", "-x", "x" * 254])
def test_no_other_path_can_be_built(name: str) -> None:
    with pytest.raises(ToolFailure, match="VALIDATION"):
        path("v1", kind_of("Pod"), "shop", name)
    with pytest.raises(ToolFailure, match="VALIDATION"):
        path("v1", kind_of("Pod"), name)


async def test_configmaps_come_without_data_and_without_copies_in_annotations(tmp_path: Path) -> None:
    copies = {
        "kubectl.kubernetes.io/last-applied-configuration": '{"data":{"PASSWORD":"hunter2"}}',
        "objectset.rio.cattle.io/applied": "H4sIAhunter2",
        "team": "shop",
    }
    async with serving(FakeCluster([configmap("settings", "PAYMENT_URL", annotations=copies)])) as fake:
        cluster = await opened(fake, tmp_path)
        one = await cluster.get("ConfigMap", "settings", "shop")
        listed = (await cluster.list("ConfigMap", "shop")).items[0]
        gone = await cluster.find("ConfigMap", "absent", "shop")
        await cluster.close()
    assert one == listed
    assert set(one) == {"kind", "metadata"}
    assert one["metadata"]["annotations"] == {"team": "shop"}
    assert "hunter2" not in str(one)
    assert gone is None


async def test_an_old_cluster_is_read_through_its_older_apis(tmp_path: Path) -> None:
    old = ("v1", "apps/v1", "batch/v1", "batch/v1beta1", "autoscaling/v1", "policy/v1beta1", "discovery.k8s.io/v1beta1")
    async with serving(FakeCluster(versions=old)) as fake:
        cluster = await opened(fake, tmp_path)
        budget = await cluster.version("PodDisruptionBudget")
        scaler = await cluster.version("HorizontalPodAutoscaler")
        slices = await cluster.version("EndpointSlice")
        note = await cluster.fallback_note("PodDisruptionBudget")
        none = await failure_of(cluster.list("Rollout"))
        modern = await cluster.fallback_note("Deployment")
        await cluster.close()
    assert (budget, scaler, slices) == ("policy/v1beta1", "autoscaling/v1", "discovery.k8s.io/v1beta1")
    assert note == "poddisruptionbudgets read through policy/v1beta1 because the cluster lacks policy/v1"
    assert none.info.code == "UNSUPPORTED"
    assert modern == ""


async def test_what_one_may_do_is_asked_without_doing_it(tmp_path: Path) -> None:
    async with serving(FakeCluster()) as fake:
        cluster = await opened(fake, tmp_path)
        answers = [
            await cluster.can("list", "pods"),
            await cluster.can("get", "secrets"),
            await cluster.can("delete", "pods"),
        ]
        await cluster.close()
    assert answers == [True, False, False]
    assert fake.writes() == []


async def test_a_missing_object_a_server_error_and_a_login_page_differ(tmp_path: Path) -> None:
    faults = {"/nodes": (500, "etcd is away"), "/services": (401, "Unauthorized")}
    async with serving(FakeCluster(faults=faults)) as fake:
        cluster = await opened(fake, tmp_path)
        absent = await failure_of(cluster.get("Pod", "nope", "shop"))
        broken = await failure_of(cluster.list("Node"))
        stranger = await failure_of(cluster.list("Service"))
        await cluster.close()
    assert (absent.info.code, absent.info.message) == ("NOT_FOUND", "Pod shop/nope does not exist")
    assert broken.info.code == "UNAVAILABLE"
    assert broken.info.retryable
    assert len([r for r in fake.requests if r[1].endswith("/nodes")]) == 3  # tried again, then given up
    assert stranger.info.code == "UNAUTHORIZED"
    assert "renew" in stranger.info.hint


async def test_nobody_there_is_unavailable_with_what_to_check(tmp_path: Path) -> None:
    fake = FakeCluster(url="http://127.0.0.1:9")
    cluster = await opened(fake, tmp_path)
    failure = await failure_of(cluster.list("Pod"))
    await cluster.close()
    assert failure.info.code == "UNAVAILABLE"
    assert "127.0.0.1:9" in failure.info.message
    assert failure.info.hint


async def test_an_oversized_body_is_refused_while_it_streams(tmp_path: Path) -> None:
    fat = pod(containers=[container(env=[{"name": "X", "value": "y" * 200_000}])])
    async with serving(FakeCluster([fat])) as fake:
        cluster = await opened(fake, tmp_path, RCA_MAX_UPSTREAM_BYTES="65536")
        failure = await failure_of(cluster.list("Pod", "shop"))
        await cluster.close()
    assert failure.info.code == "TOO_LARGE"


async def test_logs_are_cut_at_their_limit_and_absent_runs_are_not_found(tmp_path: Path) -> None:
    fake = FakeCluster([pod()], logs={"shop/checkout-7d9f8c6b5-x8k2p/app": "one\ntwo\nthree"})
    async with serving(fake):
        cluster = await opened(fake, tmp_path)
        tail = await cluster.logs("shop", "checkout-7d9f8c6b5-x8k2p", "app", tail_lines=2)
        few = await cluster.logs("shop", "checkout-7d9f8c6b5-x8k2p", "app", limit_bytes=5)
        absent = await failure_of(cluster.logs("shop", "checkout-7d9f8c6b5-x8k2p", "app", previous=True))
        await cluster.close()
    assert (tail, few) == ("two\nthree\n", "one\nt")
    assert absent.info.code == "NOT_FOUND"


async def test_a_missing_kubeconfig_says_what_to_set(tmp_path: Path) -> None:
    failure = await failure_of(Cluster.open(load({"KUBECONFIG": str(tmp_path / "none")})))
    assert failure.info.code == "UNAVAILABLE"
    assert "KUBECONFIG" in failure.info.hint or "kubectl" in failure.info.hint


def test_a_misspelt_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="RCA_K8S_DENY_NAMESPACES is"):
        load({"RCA_K8S_DENY_NAMESPACE": "vault"})
