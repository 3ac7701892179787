"""`get_deployment_history`: revisions, their times, and what a rollout changed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_servers.kubernetes.podtemplate_diff import (
    config_sources,
    differences,
    lines,
    same_template,
    short_image,
    split_image,
)
from sandbox.cluster import sketch as k
from sandbox.cluster.asking import ask

ONE, TWO = k.template("checkout", "r/checkout:1"), k.template("checkout", "r/checkout:2")


def mark(value: str) -> str:
    return f"#{len(value)}"


def diff(old: k.Json, new: k.Json) -> list[str]:
    return lines(differences(old, new, mark))


class TestTheDiffOfTwoTemplates:
    @pytest.mark.parametrize(
        ("before", "after", "line"),
        [
            ({"image": "r/a:1"}, {"image": "r/a:2"}, "image 1 -> 2"),
            ({"image": "r/a:1"}, {"image": "s/a:1"}, "image r/a:1 -> s/a:1"),
            ({"resources": {"limits": {"memory": "1Gi"}}}, {"resources": {"limits": {"memory": "256Mi"}}}, "memory limit 1Gi -> 256Mi"),
            ({}, {"resources": {"requests": {"cpu": 2}}}, "cpu request none -> 2"),
            ({}, {"readinessProbe": {"httpGet": {"path": "/x", "port": 1}}}, "readiness probe added: HTTP /x on port 1"),
            ({"livenessProbe": {"tcpSocket": {"port": 1}}}, {}, "liveness probe removed"),
            (
                {"livenessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 10}},
                {"livenessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 1}},
                "liveness probe periodSeconds 10 -> 1",
            ),
            ({"args": ["--a"]}, {"args": ["--b"]}, "args --a -> --b"),
            ({}, {"envFrom": [{"configMapRef": {"name": "c"}}]}, "+envFrom ConfigMap c"),
            (
                {},
                {"env": [{"name": "URL", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "u"}}}]},
                "+env URL from ConfigMap c key u",
            ),
            ({"env": [{"name": "OLD", "value": "x"}]}, {}, "-env OLD (was from literal #1)"),
            ({"ports": [{"containerPort": 80}]}, {"ports": [{"containerPort": 81}]}, "ports 80/TCP -> 81/TCP"),
        ],
    )  # fmt: skip
    def test_says_each_change_in_one_line(self, before: k.Json, after: k.Json, line: str) -> None:
        old, new = (
            k.template("a", x.get("image", "r/a:1"), port=None, **{n: v for n, v in x.items() if n != "image"})
            for x in (before, after)
        )
        assert diff(old, new) == [line]

    def test_a_literal_never_shows_its_value_but_that_it_changed(self) -> None:
        old, new = (
            k.template("a", "r/a:1", env=[{"name": "DB", "value": v}]) for v in ("hunter2-secret", "hunter22-secret")
        )
        assert diff(old, new) == ["~env DB literal #14 -> literal #15"]

    def test_names_the_container_where_there_are_several(self) -> None:
        old, new = k.template("a", "r/a:1"), k.template("a", "r/a:2")
        for t in (old, new):
            t["spec"]["containers"].append({"name": "proxy", "image": "r/proxy:1"})
        assert diff(old, new) == ["a: image 1 -> 2"]

    def test_a_restart_is_told_from_a_rollout(self) -> None:
        new = k.template("a", "r/a:1")
        new["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "2026-11-22T11:00:00Z"}
        assert [d.part for d in differences(k.template("a", "r/a:1"), new, mark)] == ["restart"]

    def test_generated_labels_are_no_difference(self) -> None:
        old, new = k.template("a", "r/a:1"), k.template("a", "r/a:1")
        new["metadata"] |= {"creationTimestamp": None, "labels": {"app": "a", "pod-template-hash": "77"}}
        assert diff(old, new) == []
        assert same_template(old, new)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=6),
            lambda i: (
                st.lists(i, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "metadata",
                            "spec",
                            "containers",
                            "name",
                            "image",
                            "env",
                            "value",
                            "ports",
                            "volumes",
                            "annotations",
                        ]
                    ),
                    i,
                    max_size=4,
                )
            ),
            max_leaves=15,
        )
    )
    def test_no_template_breaks_it_and_equal_ones_differ_in_nothing(self, junk: object) -> None:
        template = junk if isinstance(junk, dict) else {"spec": junk}
        assert differences(template, template, mark) == []
        differences(template, ONE, mark)
        config_sources(template)

    @pytest.mark.parametrize(
        ("image", "parts", "short"),
        [
            ("nginx", ("nginx", "", ""), "latest"),
            ("r.example.com:5000/a/b:1.2", ("r.example.com:5000/a/b", "1.2", ""), "1.2"),
            ("a@sha256:0123456789abcdef", ("a", "", "sha256:0123456789abcdef"), "0123456789ab"),
        ],
    )
    def test_image_references(self, image: str, parts: tuple[str, str, str], short: str) -> None:
        assert split_image(image) == parts
        assert short_image(image) == short


class TestHistory:
    async def test_newest_first_with_time_actor_and_diff(self, tmp_path: Path) -> None:
        touched = [
            k.touch("argocd-controller", 12, {"spec": {"template": {"spec": {}}}}),
            k.touch("kube-controller-manager", 1, {"status": {}}),
        ]
        items = [
            k.deployment("checkout", TWO, touched=touched),
            k.replica_set("checkout", "aaaaa1", 1, ONE, ago=600),
            k.replica_set("checkout", "bbbbb2", 2, TWO, replicas=2, ready=2, ago=12),
            k.replica_set("other", "ccccc3", 9, TWO),
        ]
        answer = await ask(k.write(tmp_path, items), "get_deployment_history", session=True, deployment_name="checkout")
        new, old = answer.data["revisions"]
        assert (new["revision"], new["current"], new["actor"], new["at_precision"]) == (
            2,
            True,
            "argocd-controller",
            "exact",
        )
        assert new["diff"] == ["image 1 -> 2"]
        assert (old["revision"], old.get("diff", [])) == (1, [])
        assert "12 min ago" in answer.data["summary"]

    async def test_a_roll_back_is_not_as_old_as_its_replica_set(self, tmp_path: Path) -> None:
        items = [
            k.deployment("checkout", ONE),
            k.replica_set(
                "checkout",
                "aaaaa1",
                3,
                ONE,
                replicas=2,
                ago=600,
                annotations={"deployment.kubernetes.io/revision-history": "1"},
            ),
            k.replica_set("checkout", "bbbbb2", 2, TWO, ago=60),
            k.pod("checkout-aaaaa1-x8k2p", ONE, k.owner("ReplicaSet", "checkout-aaaaa1"), ago=7),
        ]
        answer = await ask(k.write(tmp_path, items), "get_deployment_history", deployment_name="checkout")
        newest = answer.data["revisions"][0]
        assert (newest["is_rollback"], newest["at_precision"]) == (True, "upper_bound")
        assert "7 min ago" in answer.data["summary"]
        assert newest["diff"] == ["image 2 -> 1"]
        assert answer.codes == {"change.rollback_seen"}

    async def test_a_statefulset_keeps_controller_revisions(self, tmp_path: Path) -> None:
        items: list[k.Json] = [
            k.thing("StatefulSet", "apps/v1", "db", spec={"replicas": 1, "template": TWO}, status={})
        ]
        for number, template in ((1, ONE), (2, TWO)):
            data = {"spec": {"template": {"$patch": "replace", **template}}}
            more = {"owners": k.owner("StatefulSet", "db"), "data": data, "revision": number}
            items.append(k.thing("ControllerRevision", "apps/v1", f"db-{number}", ago=100 - number, **more))
        answer = await ask(k.write(tmp_path, items), "get_deployment_history", deployment_name="db")
        assert [(r["revision"], r.get("diff", [])) for r in answer.data["revisions"]] == [
            (2, ["image 1 -> 2"]),
            (1, []),
        ]

    async def test_no_past_says_why(self, tmp_path: Path) -> None:
        item = k.deployment("checkout", ONE, spec={"revisionHistoryLimit": 0})
        answer = await ask(k.write(tmp_path, [item]), "get_deployment_history", deployment_name="checkout")
        assert "revisionHistoryLimit is 0: the cluster keeps no past" in answer.data["notes"]

    async def test_no_planted_secret_leaves(self, tmp_path: Path) -> None:
        plain = "S3cr3tPassw0rdValue"
        old, new = (
            k.template(
                "a",
                "r/a:1",
                env=[{"name": "DB_PASSWORD", "value": v}, {"name": "PLAIN", "value": v}],
                args=[f"--password={v}"],
            )
            for v in (plain, plain + "2")
        )
        notes = {"kubectl.kubernetes.io/last-applied-configuration": plain}
        items = [
            k.deployment("a", new, annotations=notes),
            k.replica_set("a", "aaaaa1", 1, old),
            k.replica_set("a", "bbbbb2", 2, new, replicas=2),
        ]
        folder = k.write(tmp_path, items)
        for tool, arguments in (
            ("get_deployment_history", {"deployment_name": "a"}),
            ("get_workload_status", {"name": "a"}),
            ("get_recent_changes", {"namespace": "shop", "time_range": "7d"}),
            ("resolve_target", {"query": "shop a"}),
        ):
            answer = await ask(folder, tool, **arguments)
            assert not answer.failed
            assert plain not in answer.text
