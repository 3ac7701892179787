"""`get_recent_changes`: what changed, how suspicious it is, and what could not be seen."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_servers.common.change import AFTER_ONSET, NEARNESS, WEIGHT, score
from sandbox.cluster import sketch as k
from sandbox.cluster.asking import Answer, ask

ONE, TWO = k.template("cart", "r/cart:1"), k.template("cart", "r/cart:2")


def rolled_out(ago: float = 12) -> list[k.Json]:
    return [
        k.namespace(),
        k.node(),
        k.deployment("cart", TWO),
        k.replica_set("cart", "aaaaa1", 1, ONE, ago=9000),
        k.replica_set("cart", "bbbbb2", 2, TWO, replicas=2, ready=2, ago=ago),
    ]


async def changes(tmp_path: Path, items: list[k.Json], **arguments: object) -> Answer:
    return await ask(k.write(tmp_path, items), "get_recent_changes", namespace="shop", **arguments)  # type: ignore[arg-type]


class TestTheScore:
    def test_halves_of_the_arithmetic(self) -> None:
        assert score("rollout", "self", 0, "exact") == 1.0
        assert score("rollout", "self", 45, "exact") == pytest.approx(0.368, abs=0.001)
        assert score("config", "config_of", 0, "upper_bound") == pytest.approx(0.765)
        assert score("rollout", "self", -1, "exact") == 1.0  # clocks differ
        assert score("rollout", "self", -10, "exact") == AFTER_ONSET

    @given(st.sampled_from(sorted(WEIGHT)), st.sampled_from(sorted(NEARNESS)), st.floats(-1e6, 1e6), st.floats(0, 1e5))
    def test_stays_between_0_and_1_and_falls_with_distance(
        self, kind: str, relation: str, minutes: float, more: float
    ) -> None:
        near = score(kind, relation, minutes, "exact")  # type: ignore[arg-type]
        assert 0 <= near <= 1
        if minutes >= 0:
            assert score(kind, relation, minutes + more, "exact") <= near  # type: ignore[arg-type]


class TestRollouts:
    async def test_a_rollout_shortly_before_the_onset_is_the_first_suspect(self, tmp_path: Path) -> None:
        answer = await changes(tmp_path, rolled_out(), target="cart", session=True)
        [first] = answer.data["changes"]
        assert (first["kind"], first["target"], first["relation"], first["diff"]) == (
            "image",
            "Deployment/shop/cart",
            "self",
            ["image 1 -> 2"],
        )
        [signal] = answer.signals("change.before_onset")
        assert (signal["subject"], signal["reason"]) == ("Deployment/shop/cart", "rollout")
        assert "12 min before the onset" in signal["detail"]

    async def test_after_the_onset_it_is_a_reaction_and_no_suspect(self, tmp_path: Path) -> None:
        answer = await changes(tmp_path, rolled_out(), target="cart", onset=k.at(10_000_000 / 60))
        assert answer.data["changes"][0]["minutes_before_onset"] < 0
        assert answer.signals("change.before_onset") == []

    async def test_only_the_new_revision_failing_is_correlated(self, tmp_path: Path) -> None:
        items = rolled_out()
        items += [
            k.pod("cart-aaaaa1-x8k2p", ONE, k.owner("ReplicaSet", "cart-aaaaa1")),
            k.pod(
                "cart-bbbbb2-zzzzz",
                TWO,
                k.owner("ReplicaSet", "cart-bbbbb2"),
                waiting="CrashLoopBackOff",
                restarts=3,
                ago=12,
            ),
        ]
        answer = await changes(tmp_path, items, target="cart")
        assert answer.signals("change.correlated")[0]["subject"] == "Deployment/shop/cart"

    async def test_the_oldest_kept_revision_of_an_old_workload_is_no_change(self, tmp_path: Path) -> None:
        items = [k.deployment("cart", ONE, ago=90_000), k.replica_set("cart", "aaaaa1", 7, ONE, replicas=2, ago=20)]
        answer = await changes(tmp_path, items)
        assert answer.data.get("changes", []) == []

    async def test_other_workloads_of_the_namespace_count_less(self, tmp_path: Path) -> None:
        items = [*rolled_out(), k.deployment("frontend", k.template("frontend", "r/f:1"))]
        answer = await changes(tmp_path, items, target="frontend")
        assert answer.data["changes"][0]["relation"] == "same_namespace"
        assert answer.signals("change.before_onset") == []
        only_it = await changes(tmp_path / "b", items, target="frontend", scope="target")
        assert only_it.data.get("changes", []) == []


class TestConfiguration:
    def config(self, name: str = "cart-settings", ago: float = 8, manager: str = "kubectl-edit") -> k.Json:
        touched = [k.touch("helm", 9000, {"data": {"OTHER": {}}}), k.touch(manager, ago, {"data": {"REDIS_URL": {}}})]
        notes = {"kubectl.kubernetes.io/last-applied-configuration": "REDIS_URL: topsecret"}
        return k.thing("ConfigMap", "v1", name, touched=touched, annotations=notes, data={"REDIS_URL": "topsecret"})

    def using(self) -> k.Json:
        return k.deployment(
            "cart", k.template("cart", "r/cart:1", envFrom=[{"configMapRef": {"name": "cart-settings"}}])
        )

    async def test_a_linked_configmap_is_the_targets_own_by_metadata_alone(self, tmp_path: Path) -> None:
        answer = await changes(tmp_path, [self.using(), self.config()], target="cart")
        [found] = answer.data["changes"]
        assert (found["kind"], found["relation"], found["actor"], found["at_precision"]) == (
            "config",
            "config_of",
            "kubectl-edit",
            "upper_bound",
        )
        assert "REDIS_URL" in found["what"]
        assert "topsecret" not in answer.text
        assert any(line.startswith("GET /api/v1/namespaces/shop/configmaps") for line in answer.requests)

    async def test_an_environment_is_read_at_the_start_only(self, tmp_path: Path) -> None:
        pod = k.pod(
            "cart-aaaaa1-x8k2p", self.using()["spec"]["template"], k.owner("ReplicaSet", "cart-aaaaa1"), ago=500
        )
        items = [self.using(), k.replica_set("cart", "aaaaa1", 1, ONE, replicas=1), pod, self.config()]
        answer = await changes(tmp_path, items, target="cart")
        assert "not in effect" in answer.data["changes"][0]["note"]

    @pytest.mark.parametrize("noise", ["kube-root-ca.crt", "cart-leader-election"])
    async def test_what_the_cluster_writes_all_the_time_is_left_out(self, tmp_path: Path, noise: str) -> None:
        items = [self.using(), self.config(noise), self.config("other", manager="kube-controller-manager")]
        answer = await changes(tmp_path, items, target="cart")
        assert answer.data.get("changes", []) == []

    async def test_a_selector_edited_on_a_service(self, tmp_path: Path) -> None:
        touched = [k.touch("kubectl-edit", 6, {"spec": {"selector": {}}})]
        items = [k.deployment("cart", ONE), k.service("cart", {"app": "cart"}, touched=touched)]
        answer = await changes(tmp_path, items, target="cart")
        assert [(c["kind"], c["relation"]) for c in answer.data["changes"]] == [("service_selector", "self")]


class TestScaleAndGround:
    async def test_scaled_by_hand(self, tmp_path: Path) -> None:
        item = k.deployment(
            "cart", ONE, replicas=1, touched=[k.touch("kubectl-scale", 9, {"spec": {"replicas": {}}}, "scale")]
        )
        answer = await changes(tmp_path, [item], target="cart")
        assert [(c["kind"], c["actor"]) for c in answer.data["changes"]] == [("scale", "kubectl-scale")]

    async def test_nodes_cordoned_and_joined(self, tmp_path: Path) -> None:
        taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": k.at(5)}
        items = [k.node("worker-09", ago=20), k.node("worker-01", spec={"unschedulable": True, "taints": [taint]})]
        answer = await changes(tmp_path, items)
        assert {(c["kind"], c["target"]) for c in answer.data["changes"]} == {
            ("node_added", "Node/worker-09"),
            ("node_cordoned", "Node/worker-01"),
        }


class TestHonesty:
    async def test_nothing_found_names_what_was_not_seen(self, tmp_path: Path) -> None:
        answer = await changes(tmp_path, [k.deployment("cart", ONE)], target="cart")
        assert answer.codes == {"change.none_found"}
        assert any("Secrets" in spot for spot in answer.data["blind_spots"])

    async def test_a_target_that_does_not_exist(self, tmp_path: Path) -> None:
        answer = await changes(tmp_path, rolled_out(), target="crat")
        assert answer.data["error"]["code"] == "NOT_FOUND"
        assert "shop/cart" in answer.data["error"]["hint"]

    async def test_a_time_that_is_none(self, tmp_path: Path) -> None:
        answer = await changes(tmp_path, rolled_out(), onset="yesterday")
        assert answer.data["error"]["code"] == "VALIDATION"
