"""`get_node_health` and `get_resource_usage`."""

from pathlib import Path
from typing import Any

import pytest
from kube_fixture import METRICS_API, MODERN, FakeCluster, ago, ask, codes, container, node, pod, replica_set, session

from mcp_servers.kubernetes import tools_nodes, tools_usage

Json = dict[str, Any]
MEASURING = (*MODERN, METRICS_API)


def nodes_of(*, ready: str = "True", **more: Any) -> list[Json]:
    made = [node("worker-1", ready=ready, **more), node("worker-2"), node("worker-3")]
    for each in made:
        each["status"]["nodeInfo"] = {"kubeletVersion": "v1.31.2"}
    return made


async def look(folder: Path, *objects: Json, **asked: Any) -> Json:
    fake = FakeCluster(list(objects), versions=asked.pop("versions", MEASURING))
    async with session(fake, folder, tools_nodes) as client:
        answer = await ask(client, "get_node_health", **asked)
    assert fake.writes() == []
    return answer


class TestNodes:
    async def test_all_well_says_so(self, tmp_path: Path) -> None:
        answer = await look(tmp_path, *nodes_of())
        assert (answer["total"], answer["ready"], "nodes" in answer) == (3, 3, False)
        assert "all 3 nodes are ready" in answer["notes"][0]

    async def test_only_the_abnormal_ones_are_shown(self, tmp_path: Path) -> None:
        answer = await look(tmp_path, *nodes_of(ready="Unknown", condition={"reason": "NodeStatusUnknown"}))
        [row] = answer["nodes"]
        assert (row["name"], row["ready"], row["conditions"][0]["since"]) == ("worker-1", False, ago(300))
        assert codes(answer) == {"node.not_ready": "kubelet_silent"}
        assert answer["summary"].startswith("2 of 3 nodes are ready; node worker-1 is not ready")

    async def test_a_named_node_is_shown_with_what_is_asked_of_it(self, tmp_path: Path) -> None:
        asking = container(resources={"requests": {"cpu": "1", "memory": "4Gi"}})
        gone = pod("old-7d9f8c6b5-x8k2p", containers=[asking], phase="Failed", status={"reason": "Evicted"})
        use = {"kind": "NodeMetrics", "metadata": {"name": "worker-1"}, "usage": {"cpu": "3800m", "memory": "8Gi"}}
        answer = await look(tmp_path, *nodes_of(), pod(containers=[asking]), gone, use, node="worker-1")
        [row] = answer["nodes"]
        assert (row["pods"], row["evicted"]) == (1, 1)
        assert (row["cpu_requested_ratio"], row["mem_requested_ratio"]) == (0.25, 0.25)
        assert (row["cpu_used_ratio"], row["mem_used_ratio"]) == (0.95, 0.5)

    async def test_usage_is_left_out_where_nobody_measures(self, tmp_path: Path) -> None:
        answer = await look(tmp_path, *nodes_of(), node="worker-1", versions=MODERN)
        assert "cpu_used_ratio" not in answer["nodes"][0]
        assert "metrics.k8s.io" in answer["notes"][0]

    async def test_kubelets_apart(self, tmp_path: Path) -> None:
        made = nodes_of()
        made[2]["status"]["nodeInfo"]["kubeletVersion"] = "v1.29.9"
        answer = await look(tmp_path, *made)
        assert any("kubelets of different versions: 2 x v1.31.2, 1 x v1.29.9" in n for n in answer["notes"])

    async def test_an_unknown_node_gets_close_names(self, tmp_path: Path) -> None:
        error = (await look(tmp_path, *nodes_of(), node="worker-9"))["error"]
        assert error["code"] == "NOT_FOUND"
        assert "worker-1" in error["hint"]


LIMITED = container(resources={"requests": {"cpu": "100m"}, "limits": {"cpu": "500m", "memory": "128Mi"}})


def sample(name: str, cpu: str, memory: str) -> Json:
    used = [{"name": "app", "usage": {"cpu": cpu, "memory": memory}}]
    return {"kind": "PodMetrics", "metadata": {"name": name, "namespace": "shop"}, "containers": used}


async def usage(folder: Path, *objects: Json, **asked: Any) -> Json:
    fake = FakeCluster([*objects, replica_set()], versions=asked.pop("versions", MEASURING))
    async with session(fake, folder, tools_usage) as client:
        return await ask(client, "get_resource_usage", **{"namespace": "shop", **asked})


class TestUsage:
    async def test_the_nearest_to_its_limit_comes_first(self, tmp_path: Path) -> None:
        names = ("checkout-7d9f8c6b5-aaaaa", "checkout-7d9f8c6b5-bbbbb")
        samples = [sample(names[0], "10m", "20Mi"), sample(names[1], "490m", "126Mi")]
        answer = await usage(tmp_path, *(pod(n, containers=[LIMITED]) for n in names), *samples)
        first = answer["containers"][0]
        assert (first["pod"], first["cpu_ratio"], first["mem_ratio"], first["cpu_limit_m"]) == (
            names[1],
            0.98,
            0.984,
            500.0,
        )
        assert set(codes(answer)) == {"res.mem_near_limit", "res.cpu_at_limit"}
        assert {s["owner"] for s in answer["signals"]} == {"Deployment/shop/checkout"}

    async def test_a_container_without_a_limit_is_told_once_for_its_workload(self, tmp_path: Path) -> None:
        names = [f"checkout-7d9f8c6b5-{x * 5}" for x in "bcd"]
        answer = await usage(tmp_path, *(pod(n) for n in names), *(sample(n, "10m", "20Mi") for n in names))
        [told] = answer["signals"]
        assert (told["code"], told["count"]) == ("res.no_limits", 3)
        assert "none near its limit" in answer["summary"]

    async def test_a_target_narrows(self, tmp_path: Path) -> None:
        names = ("checkout-7d9f8c6b5-aaaaa", "cart-7d9f8c6b5-bbbbb")
        items = [
            replica_set("cart-7d9f8c6b5", "cart"),
            *(pod(n) for n in names),
            *(sample(n, "1m", "1Mi") for n in names),
        ]
        for target in ("cart", names[1]):
            assert [c["pod"] for c in (await usage(tmp_path, *items, target=target))["containers"]] == [names[1]]
        assert "cart" in (await usage(tmp_path, *items, target="carts"))["error"]["hint"]

    async def test_pods_without_a_sample_are_named(self, tmp_path: Path) -> None:
        answer = await usage(tmp_path, pod())
        assert "no sample of 1 pods" in answer["notes"][0]
        assert answer["summary"] == "0 containers measured in shop"

    @pytest.mark.parametrize("versions", [MODERN])
    async def test_a_cluster_that_measures_nothing(self, tmp_path: Path, versions: tuple[str, ...]) -> None:
        error = (await usage(tmp_path, pod(), versions=versions))["error"]
        assert error["code"] == "UNSUPPORTED"
        assert "metrics-server" in error["hint"]
