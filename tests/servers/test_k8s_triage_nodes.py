"""`find_unhealthy` on nodes and the control plane: a broken node or scheduler is told as such, and outranks what it does to pods."""

from pathlib import Path
from typing import Any

import pytest
from kube_fixture import FakeCluster, ago, ask, deployment, event, node, pod, replica_set, session, waiting

from mcp_servers.kubernetes import tools_unhealthy

Json = dict[str, Any]
CONTROL = {"node-role.kubernetes.io/control-plane": ""}
SYSTEM = "/namespaces/kube-system/pods"


async def triage(folder: Path, *objects: Json, faults: dict[str, tuple[int, str]] | None = None, **asked: str) -> Json:
    fake = FakeCluster(list(objects), faults=faults or {})
    async with session(fake, folder, tools_unhealthy) as client:
        answer = await ask(client, "find_unhealthy", **{"namespace": "shop", **asked})
    assert fake.writes() == []
    return answer


def unseen(name: str = "checkout-7d9f8c6b5-x8k2p", age: float = 900, **spec: Any) -> Json:
    """A pod that nothing has looked at: no node, no condition, no event."""
    made = pod(name, node="", phase="Pending", age=age, **spec)
    made["status"] = {"phase": "Pending"}
    return made


def static(component: str, on: str = "control-1", **more: Any) -> Json:
    made = pod(f"{component}-{on}", node=on, **more)
    made["metadata"] |= {"namespace": "kube-system", "labels": {"component": component}, "ownerReferences": []}
    return made


def waiting_shop(*more: Json) -> list[Json]:
    return [unseen(), deployment("checkout", 1, 0), replica_set(), node(), *more]


def down(answer: Json) -> list[Json]:
    return [s for s in answer["signals"] if s["code"] == "control.component_down"]


class TestTheScheduler:
    async def test_its_pod_does_not_run(self, tmp_path: Path) -> None:
        sick = static("kube-scheduler", statuses=[waiting("app", "CrashLoopBackOff", restarts=2)])
        answer = await triage(tmp_path, *waiting_shop(node("control-1", labels=CONTROL), sick))
        [told] = down(answer)
        assert (told["subject"], told["reason"]) == ("Node/control-1", "scheduler")
        assert answer["rows"][0]["owner"] == "Node/control-1"

    async def test_its_pod_is_gone_while_its_neighbours_run(self, tmp_path: Path) -> None:
        """A static pod whose manifest was moved away leaves no trace but its absence."""
        around = [node("cp-a"), static("kube-controller-manager", "cp-a"), static("etcd", "cp-a")]
        [told] = down(await triage(tmp_path, *waiting_shop(*around)))
        assert (told["subject"], told["reason"]) == ("Node/cp-a", "scheduler")
        assert "no kube-scheduler pod exists beside kube-controller-manager-cp-a" in told["detail"]

    @pytest.mark.parametrize("labels", [CONTROL, {"kubernetes.io/role": "master"}])
    async def test_nothing_of_it_can_be_seen(self, tmp_path: Path, labels: Json) -> None:
        [told] = down(await triage(tmp_path, *waiting_shop(node("alpha", labels=labels))))
        assert told["subject"] == "Node/alpha"
        assert "kube-system shows no pod of it" in told["detail"]

    async def test_kube_system_may_not_be_read(self, tmp_path: Path) -> None:
        answer = await triage(tmp_path, *waiting_shop(node("control-1", labels=CONTROL)), faults={SYSTEM: (403, "no")})
        assert "kube-system may not be read" in down(answer)[0]["detail"]
        assert "partial" not in answer

    async def test_several_nodes_are_named_and_none_is_hidden(self, tmp_path: Path) -> None:
        masters = [node(f"control-{i}", labels=CONTROL) for i in (1, 2)]
        [told] = down(await triage(tmp_path, *waiting_shop(*masters)))
        assert "control plane: control-1 (or control-2)" in told["detail"]

    async def test_it_runs(self, tmp_path: Path) -> None:
        well = static("kube-scheduler")
        assert down(await triage(tmp_path, *waiting_shop(node("control-1", labels=CONTROL), well))) == []

    async def test_it_spoke_about_others_meanwhile(self, tmp_path: Path) -> None:
        other = pod("cart-7d9f8c6b5-x8k2p")
        placed = event(
            "Scheduled", "assigned", about=other, last=60, type="Normal", source={"component": "default-scheduler"}
        )
        answer = await triage(tmp_path, *waiting_shop(node("control-1", labels=CONTROL), other, placed))
        assert down(answer) == []

    async def test_another_scheduler_is_not_the_control_planes(self, tmp_path: Path) -> None:
        objects = [unseen(schedulerName="volcano"), node("control-1", labels=CONTROL)]
        answer = await triage(tmp_path, *objects)
        assert down(answer) == []
        assert answer["signals"][0]["reason"] == "scheduler_silent"

    async def test_a_managed_control_plane_is_not_guessed_at(self, tmp_path: Path) -> None:
        answer = await triage(tmp_path, *waiting_shop())
        assert down(answer) == []

    async def test_a_pod_that_was_refused_is_not_silence(self, tmp_path: Path) -> None:
        refused = unseen()
        said = event("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu.", about=refused)
        answer = await triage(tmp_path, refused, said, node(), node("control-1", labels=CONTROL))
        assert down(answer) == []

    async def test_who_asks_for_nodes_alone_hears_of_it_too(self, tmp_path: Path) -> None:
        answer = await triage(tmp_path, *waiting_shop(node("control-1", labels=CONTROL)), kind="nodes")
        [told] = down(answer)
        assert (told["subject"], told["reason"]) == ("Node/control-1", "scheduler")


class TestNodesThatAreNotReady:
    def lost(self, **ready: str) -> list[Json]:
        """A node and a workload of one pod on it, with what the node does to it."""
        sick = pod("checkout-7d9f8c6b5-x8k2p")
        sick["status"]["conditions"][0]["status"] = "False"
        leaving = pod("checkout-7d9f8c6b5-bbbbb")
        leaving["status"]["conditions"][0]["status"] = "False"
        leaving["metadata"]["deletionTimestamp"] = ago(1200)
        condition = {"message": "Kubelet stopped posting node status.", "status": "Unknown", **ready}
        return [sick, leaving, deployment("checkout", 1, 0), replica_set(), node(condition=condition)]

    @pytest.mark.parametrize(
        ("condition", "reason"),
        [
            ({}, "kubelet_silent"),
            ({"status": "False", "message": "[container runtime is down, PLEG is not healthy]"}, "runtime"),
            ({"status": "False", "message": "PLEG is not healthy: pleg was last seen active 5m ago"}, "runtime"),
            (
                {"status": "False", "message": "container runtime network not ready: cni plugin not initialized"},
                "network",
            ),
        ],
    )
    async def test_the_node_comes_first_and_carries_its_reason(
        self, tmp_path: Path, condition: dict[str, str], reason: str
    ) -> None:
        answer = await triage(tmp_path, *self.lost(**condition))
        first = answer["signals"][0]
        assert (first["code"], first["subject"], first["reason"]) == ("node.not_ready", "Node/worker-1", reason)
        assert {s["code"] for s in answer["signals"]} == {"node.not_ready", "deploy.unavailable"}
        assert answer["rows"][0]["owner"] == "Node/worker-1"

    async def test_what_its_events_say_in_another_namespace_counts(self, tmp_path: Path) -> None:
        objects = self.lost()
        about = {"kind": "Node", "metadata": {"name": "worker-1", "namespace": "default"}}
        objects.append(
            event("ContainerRuntimeNotReady", "rpc error: dial unix /run/containerd/containerd.sock", about=about)
        )
        answer = await triage(tmp_path, *objects)
        assert answer["signals"][0]["reason"] == "runtime"

    async def test_other_trouble_of_its_pods_stays(self, tmp_path: Path) -> None:
        objects = self.lost()
        objects[0] = pod("checkout-7d9f8c6b5-x8k2p", statuses=[waiting("app", "ImagePullBackOff")], phase="Pending")
        answer = await triage(tmp_path, *objects)
        assert "k8s.pod.image_pull" in {s["code"] for s in answer["signals"]}
