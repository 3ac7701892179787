"""Where changes leave traces: delivery tools, flags, certificates, policies, nodes, jobs; and how near each is to the target."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kube_fixture import FakeCluster
from kube_fixture import ask as ask_fake
from kube_fixture import session as fake_session

from mcp_servers.common.redaction import redact
from mcp_servers.kubernetes import tools_changes, tools_history, tools_workload
from mcp_servers.kubernetes.change_config import OFTEN, Writes
from sandbox.cluster import sketch as k
from sandbox.cluster.asking import Answer, ask
from sandbox.cluster.sketch import TAKEN

Json = dict[str, Any]
ARGO, FLUX = "argoproj.io/v1alpha1", "helm.toolkit.fluxcd.io/v2"
ORDERS = k.template(
    "orders",
    "r/orders:1",
    env=[{"name": "LEDGER", "value": "http://ledger:80"}],
    envFrom=[{"configMapRef": {"name": "orders-env"}}],
)
NOTES = {
    "argocd.argoproj.io/tracking-id": "shop-app:apps/Deployment:shop/orders",
    "meta.helm.sh/release-name": "orders",
}
WORKLOAD = k.deployment("orders", ORDERS, annotations=NOTES, labels={"helm.sh/chart": "orders-1.4.2"})


def before(minutes: float) -> str:
    """A time on the clock of today, to which recordings are moved."""
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def changes(folder: Path, *items: Json, environ: dict[str, str] | None = None, **arguments: Any) -> Answer:
    written = k.write(folder, [k.namespace(), WORKLOAD, *items])
    arguments = {"namespace": "shop", "target": "orders", **arguments}
    answer = await ask(written, "get_recent_changes", environ, **arguments)
    assert not answer.failed, answer.text
    assert answer.writes == []
    return answer


def told(answer: Answer) -> dict[tuple[str, str], Json]:
    return {(c["kind"], c["target"]): c for c in answer.data.get("changes", [])}


def application(name: str = "shop-app", space: str = "shop", **status: Any) -> Json:
    history = [
        {"id": 1, "revision": "a" * 40, "deployedAt": k.at(4000)},
        {"id": 2, "revision": "b" * 40, "deployedAt": k.at(9), "initiatedBy": {"username": "dana"}},
    ]
    resources = [{"group": "apps", "kind": "Deployment", "namespace": space, "name": "orders"}]
    status = {
        "history": history,
        "resources": resources,
        "sync": {"status": "Synced"},
        "health": {"status": "Degraded"},
        **status,
    }
    return k.thing("Application", ARGO, name, "argocd", spec={"destination": {"namespace": space}}, status=status)


class TestDeliveries:
    async def test_argo_cd_says_when_who_and_from_which_revision(self, tmp_path: Path) -> None:
        failed = {"phase": "Failed", "finishedAt": k.at(4), "message": "one or more objects failed to apply <!channel>"}
        elsewhere = application("mail-app", "mail", resources=[])
        answer = await changes(tmp_path, application(operationState=failed), elsewhere)
        rows = [c for c in answer.data["changes"] if c["kind"] == "crd_release"]
        assert {c["target"] for c in rows} == {"Application/argocd/shop-app"}
        done = next(c for c in rows if c["what"].endswith("aaaaaaaaaa -> bbbbbbbbbb"))
        assert (done["relation"], done["at_precision"], done["actor"]) == ("self", "exact", "dana")
        assert done["note"] == "now Synced, Degraded"
        assert any("failed to sync" in c["what"] and "failed to apply" in c["note"] for c in rows)
        assert "changes[].note" in answer.data["untrusted"]

    async def test_flux_releases_and_kustomizations(self, tmp_path: Path) -> None:
        rows = [
            {"chartName": "orders", "chartVersion": "1.4.2", "status": "deployed", "lastDeployed": k.at(6)},
            {"chartName": "orders", "chartVersion": "1.4.1", "status": "superseded", "lastDeployed": k.at(9000)},
        ]
        release = k.thing(
            "HelmRelease", FLUX, "orders", "flux-system", spec={"targetNamespace": "shop"}, status={"history": rows}
        )
        status = {
            "lastAppliedRevision": "main@sha1:abc",
            "lastAttemptedRevision": "main@sha1:def",
            "inventory": {"entries": [{"id": "shop_orders_apps_Deployment", "v": "v1"}]},
            "conditions": [
                {
                    "type": "Ready",
                    "status": "False",
                    "reason": "HealthCheckFailed",
                    "message": "timeout",
                    "lastTransitionTime": k.at(5),
                }
            ],
        }
        applied = k.thing("Kustomization", "kustomize.toolkit.fluxcd.io/v1", "apps", "flux-system", status=status)
        found = told(await changes(tmp_path, release, applied))
        chart = found["crd_release", "HelmRelease/flux-system/orders"]
        assert (chart["relation"], chart["what"]) == (
            "same_namespace",
            "Flux released orders: chart orders 1.4.1 -> 1.4.2, deployed",
        )
        kustomization = found["crd_release", "Kustomization/flux-system/apps"]
        assert (kustomization["relation"], kustomization["at_precision"]) == ("self", "upper_bound")
        assert "main@sha1:def failed" in kustomization["what"]
        assert kustomization["note"] == "HealthCheckFailed: timeout"

    async def test_a_rollout_of_argo_rollouts_has_revisions_and_may_be_aborted(self, tmp_path: Path) -> None:
        status = {
            "abort": True,
            "abortedAt": k.at(3),
            "stableRS": "aaaaa1",
            "currentPodHash": "bbbbb2",
            "message": "metric failed",
        }
        pay = [k.template("payments", f"r/payments:{n}") for n in (1, 2)]
        rollout = k.thing("Rollout", ARGO, "payments", spec={"replicas": 2, "template": pay[1]}, status=status)
        sets = []
        for mark, number, template, ago in (("aaaaa1", 1, pay[0], 9000), ("bbbbb2", 2, pay[1], 11)):
            one = k.replica_set("payments", mark, number, template, ago=ago)
            one["metadata"]["annotations"] = {"rollout.argoproj.io/revision": str(number)}
            one["metadata"]["ownerReferences"] = k.owner("Rollout", "payments")
            sets.append(one)
        run = k.thing(
            "AnalysisRun",
            ARGO,
            "payments-2",
            owners=k.owner("Rollout", "payments"),
            status={"phase": "Failed", "completedAt": k.at(4)},
        )
        answer = await changes(tmp_path, rollout, *sets, run, target="payments")
        found = told(answer)
        assert found["image", "Rollout/shop/payments"]["diff"] == ["image 1 -> 2"]
        assert "aborted" in found["rollback", "Rollout/shop/payments"]["what"]
        assert "ended Failed" in found["crd_release", "AnalysisRun/shop/payments-2"]["what"]
        assert "change.rollback_seen" in answer.codes

    async def test_who_delivers_a_workload_stands_beside_its_rollout(self, tmp_path: Path) -> None:
        sets = [
            k.replica_set("orders", "aaaaa1", 1, k.template("orders", "r/orders:0")),
            k.replica_set("orders", "b2", 2, ORDERS, ago=7),
        ]
        found = told(await changes(tmp_path, *sets))
        note = next(c for (_, target), c in found.items() if target == "Deployment/shop/orders")["note"]
        assert note == "delivered by Argo CD (shop-app), Helm (orders), chart orders-1.4.2"


class TestHelmRecords:
    def record(self) -> Json:
        labels = {"owner": "helm", "name": "orders", "version": "12", "status": "failed"}
        meta = {
            "name": "sh.helm.release.v1.orders.v12",
            "namespace": "shop",
            "labels": labels,
            "creationTimestamp": "2026-11-22T06:50:00Z",
        }
        return {"kind": "Secret", "metadata": meta, "type": "helm.sh/release.v1", "data": {"release": "dG9wc2VjcmV0"}}

    async def test_are_not_asked_for_by_default(self, tmp_path: Path) -> None:
        fake = FakeCluster([self.record()])
        async with fake_session(fake, tmp_path, tools_changes) as client:
            answer = await ask_fake(client, "get_recent_changes", namespace="shop")
        assert not [path for _, path in fake.requests if "secrets" in path]
        (hint,) = (spot for spot in answer["blind_spots"] if "RCA_K8S_HELM_SECRETS" in spot)
        assert redact(hint) == hint  # nobody can follow a hint that was taken for a secret

    async def test_give_their_labels_where_an_operator_wants_it(self, tmp_path: Path) -> None:
        fake = FakeCluster([self.record()])
        async with fake_session(fake, tmp_path, tools_changes, RCA_K8S_HELM_SECRETS="1") as client:
            answer = await ask_fake(client, "get_recent_changes", namespace="shop")
        [found] = answer["changes"]
        assert (found["what"], found["at"]) == ("Helm release orders revision 12: failed", "2026-11-22T06:50:00Z")
        assert "dG9wc2VjcmV0" not in str(answer)


class TestNearness:
    async def test_what_decides_about_the_target_is_its_own_and_what_it_calls_a_dependency(
        self, tmp_path: Path
    ) -> None:
        edited = {"touched": [k.touch("kubectl-edit", 5, {"spec": {"x": {}}})]}
        backend = {"rules": [{"backendRefs": [{"name": "orders"}]}]}
        policy = {"podSelector": {"matchLabels": {"app": "orders"}}, "policyTypes": ["Ingress"]}
        ledger = k.template("ledger", "r/ledger:2")
        items = [
            k.service("orders", {"app": "orders"}),
            k.service("ledger", {"app": "ledger"}),
            k.deployment("ledger", ledger),
            k.replica_set("ledger", "aaaaa1", 1, k.template("ledger", "r/ledger:1"), ago=9000),
            k.replica_set("ledger", "bbbbb2", 2, ledger, ago=8),
            k.thing("HTTPRoute", "gateway.networking.k8s.io/v1", "front", spec=backend, **edited),
            k.thing("HTTPRoute", "gateway.networking.k8s.io/v1", "other", spec={}, **edited),
            k.thing("NetworkPolicy", "networking.k8s.io/v1", "deny", spec=policy, **edited),
            k.thing(
                "PodDisruptionBudget",
                "policy/v1",
                "mail",
                spec={"selector": {"matchLabels": {"app": "mail"}}},
                **edited,
            ),
            k.thing("ResourceQuota", "v1", "all", spec={"hard": {}}, **edited),
        ]
        answer = await changes(tmp_path, *items)
        assert {key: c["relation"] for key, c in told(answer).items()} == {
            ("image", "Deployment/shop/ledger"): "dependency",
            ("ingress", "HTTPRoute/shop/front"): "self",
            ("ingress", "HTTPRoute/shop/other"): "same_namespace",
            ("network_policy", "NetworkPolicy/shop/deny"): "self",
            ("pdb", "PodDisruptionBudget/shop/mail"): "same_namespace",
            ("quota", "ResourceQuota/shop/all"): "same_namespace",
        }
        assert {s["subject"] for s in answer.signals("change.before_onset")} == {
            "NetworkPolicy/shop/deny",
            "HTTPRoute/shop/front",
            "Deployment/shop/ledger",
        }

    async def test_the_same_name_in_another_namespace_is_far_away(self, tmp_path: Path) -> None:
        touched = [k.touch("kubectl-edit", 5, {"data": {"URL": {}}})]
        items = [k.thing("ConfigMap", "v1", "orders-env", space, touched=touched) for space in ("shop", "mail")]
        found = told(await changes(tmp_path, *items, scope="cluster"))
        assert {t: c["relation"] for (_, t), c in found.items()} == {
            "ConfigMap/shop/orders-env": "config_of",
            "ConfigMap/mail/orders-env": "cluster",
        }


class TestFlagsAndCertificates:
    async def test_flags_in_configmaps_and_in_flagd(self, tmp_path: Path) -> None:
        fields = {"spec": {"flagSpec": {"flags": {"new-pricing": {}}}}}
        flag = k.thing(
            "FeatureFlag",
            "core.openfeature.dev/v1beta1",
            "shop-flags",
            touched=[k.touch("flag-console", 4, fields)],
            spec={},
        )
        held = k.thing(
            "ConfigMap", "v1", "shop-toggles", touched=[k.touch("kubectl-edit", 3, {"data": {"flags.json": {}}})]
        )
        answer = await changes(tmp_path, flag, held, environ={"RCA_K8S_FLAG_CONFIGMAPS": "shop/*-toggles"})
        found = told(answer)
        assert "new-pricing" in found["feature_flag", "FeatureFlag/shop/shop-flags"]["what"]
        assert found["feature_flag", "ConfigMap/shop/shop-toggles"]["score"] > 0.3

    async def test_a_renewed_certificate_of_the_targets_own_secret(self, tmp_path: Path) -> None:
        spec = {"secretName": "orders-tls"}
        touched = [k.touch("cert-manager-certificates-issuing", 5, {"status": {"revision": {}}}, "status")]
        issued = k.thing(
            "Certificate", "cert-manager.io/v1", "orders", spec=spec, status={"revision": 4}, touched=touched
        )
        pods = k.template("gate", "r/gate:1")
        pods["spec"]["volumes"] = [{"name": "tls", "secret": {"secretName": "orders-tls"}}]
        found = told(await changes(tmp_path, issued, k.deployment("gate", pods), target="gate"))
        assert found["secret_meta", "Certificate/shop/orders"]["relation"] == "config_of"

    def test_a_counter_is_told_from_a_setting_by_how_often_it_is_written(self) -> None:
        writes, item = Writes(most=1), k.thing("ConfigMap", "v1", "visits")
        moments = [TAKEN - timedelta(minutes=ago) for ago in range(50, 0, -5)]
        assert [writes.counter(item, m) for m in moments] == [False] * OFTEN + [True] * (10 - OFTEN)
        writes.counter(k.thing("ConfigMap", "v1", "other"), moments[0])
        assert not writes.counter(item, moments[0])  # forgotten: the memory is bounded


class TestGround:
    async def test_nodes_that_went_were_upgraded_or_cordoned_for_a_while(self, tmp_path: Path) -> None:
        nodes = [k.node(f"worker-0{n}") for n in (1, 2, 3)]
        for item, version in zip(nodes, ("v1.31.0", "v1.31.0", "v1.32.1"), strict=True):
            item["status"]["nodeInfo"] = {"kubeletVersion": version}
        events = [
            k.event("Node", "worker-09", "RemovingNode", "Node worker-09 event: Removing Node", space="default", ago=6),
            k.event("Node", "worker-03", "Starting", "Starting kubelet.", space="default", ago=20),
            k.event(
                "Node", "worker-01", "NodeNotSchedulable", "status is now: NodeNotSchedulable", space="default", ago=9
            ),
            k.event("Node", "worker-08", "NodeNotReady", "status is now: NodeNotReady", space="default", ago=30),
        ]
        for item in events:
            item["involvedObject"].pop("namespace")
        found = told(await changes(tmp_path, *nodes, *events, onset=before(1)))
        assert {(kind, t.rpartition("/")[2], c["at_precision"]) for (kind, t), c in found.items()} == {
            ("node_removed", "worker-09", "exact"),
            ("node_removed", "worker-08", "upper_bound"),
            ("node_upgraded", "worker-03", "inferred"),
            ("node_cordoned", "worker-01", "exact"),
        }

    async def test_of_a_cronjob_only_the_run_at_the_onset_counts(self, tmp_path: Path) -> None:
        runs = []
        for ago in (600, 30, 1):
            one = k.thing(
                "Job", "batch/v1", f"report-{ago}", owners=k.owner("CronJob", "report"), status={"startTime": k.at(ago)}
            )
            runs.append(one)
        runs.append(k.thing("Job", "batch/v1", "backfill", status={"startTime": k.at(12), "completionTime": k.at(11)}))
        found = told(await changes(tmp_path, *runs, onset=before(10)))
        assert (
            found["cronjob_run", "CronJob/shop/report"]["what"]
            == "Job report-30 of CronJob report started and is running"
        )
        assert found["job", "Job/shop/backfill"]["what"] == "Job backfill started and took 60 s"
        assert len(found) == 2

    async def test_keda_limits(self, tmp_path: Path) -> None:
        spec = {"scaleTargetRef": {"name": "orders"}, "maxReplicaCount": 3}
        item = k.thing(
            "ScaledObject",
            "keda.sh/v1alpha1",
            "orders",
            spec=spec,
            touched=[k.touch("kubectl-edit", 5, {"spec": {"maxReplicaCount": {}}})],
        )
        found = told(await changes(tmp_path, item))
        assert (
            found["hpa_limits", "Deployment/shop/orders"]["what"] == "autoscaler of orders changed: now 1 to 3 replicas"
        )


class TestCorrelation:
    async def test_a_setting_that_only_restarted_pods_have_and_only_they_fail(self, tmp_path: Path) -> None:
        config = k.thing("ConfigMap", "v1", "orders-env", touched=[k.touch("kubectl-edit", 10, {"data": {"URL": {}}})])
        sets = [k.replica_set("orders", "aaaaa1", 1, ORDERS, replicas=2, ready=1)]
        old = k.pod("orders-aaaaa1-old11", ORDERS, k.owner("ReplicaSet", "orders-aaaaa1"), ago=500)
        new = k.pod("orders-aaaaa1-new11", ORDERS, k.owner("ReplicaSet", "orders-aaaaa1"), ready=False, ago=8)
        answer = await changes(tmp_path, config, *sets, old, new)
        [signal] = answer.signals("change.correlated")
        assert (signal["subject"], signal["severity"]) == ("ConfigMap/shop/orders-env", "critical")
        row = told(answer)["config", "ConfigMap/shop/orders-env"]
        plain = told(await changes(tmp_path / "b", config, *sets, old))["config", "ConfigMap/shop/orders-env"]
        assert row["score"] == pytest.approx(plain["score"] * 1.3, abs=0.002)


class TestBlindSpots:
    async def test_addons_that_are_not_there_or_not_allowed_are_told_apart(self, tmp_path: Path) -> None:
        fake = FakeCluster(
            versions=(*FakeCluster().versions, ARGO),
            faults={"/applications": (403, "forbidden"), "/events": (403, "no")},
        )
        async with fake_session(fake, tmp_path, tools_changes) as client:
            answer = await ask_fake(client, "get_recent_changes", namespace="shop")
        spots = answer["blind_spots"]
        assert "Application: not readable (list applications.argoproj.io in all namespaces)" in spots
        assert "Event: not readable (list events in namespace shop)" in spots
        assert any(
            s.startswith("not installed here") and "helm.toolkit.fluxcd.io" in s and "argoproj.io" not in s
            for s in spots
        )

    async def test_switched_off_they_are_not_asked_for(self, tmp_path: Path) -> None:
        answer = await changes(tmp_path, application(), environ={"RCA_K8S_CRDS": "off"})
        assert not [r for r in answer.requests if "argoproj" in r or r == "GET /apis"]
        assert any("switched off by RCA_K8S_CRDS" in s for s in answer.data["blind_spots"])


class TestBesideAServicesHealth:
    async def test_the_newest_change_behind_it_its_autoscaler_and_its_budget(self, tmp_path: Path) -> None:
        sets = [
            k.replica_set("orders", "aaaaa1", 1, k.template("orders", "r/orders:0"), ago=5000),
            k.replica_set("orders", "b2", 2, ORDERS, ago=7),
        ]
        scaler = {"scaleTargetRef": {"kind": "Deployment", "name": "orders"}, "minReplicas": 2, "maxReplicas": 6}
        items = [
            *sets,
            k.service("orders", {"app": "orders"}),
            k.thing(
                "HorizontalPodAutoscaler",
                "autoscaling/v2",
                "orders",
                spec=scaler,
                status={"currentReplicas": 2, "desiredReplicas": 2},
            ),
            k.thing(
                "PodDisruptionBudget",
                "policy/v1",
                "orders",
                spec={"selector": {"matchLabels": {"app": "orders"}}},
                status={"disruptionsAllowed": 1},
            ),
        ]
        folder = k.write(tmp_path, [k.namespace(), WORKLOAD, *items])
        answer = await ask(folder, "get_service_health", service_name="orders", namespace="shop")
        assert answer.data["recent_change"]["what"].startswith("orders rolled out (revision 1 -> 2)")
        assert (answer.data["hpa"]["max"], answer.data["pdb"][0]["allowed"]) == (6, 1)


class TestWhatIsNotFound:
    """Where a kind may not be read, not seeing a thing proves nothing."""

    @pytest.mark.parametrize(
        ("tool", "arguments"),
        [
            ("get_recent_changes", {"target": "gone"}),
            ("get_workload_status", {"name": "gone"}),
            ("get_deployment_history", {"deployment_name": "gone"}),
        ],
    )
    async def test_names_the_missing_right_instead(self, tmp_path: Path, tool: str, arguments: Json) -> None:
        fake = FakeCluster(faults={"/statefulsets": (403, "no")})
        async with fake_session(fake, tmp_path, tools_changes, tools_workload, tools_history) as client:
            error = (await ask_fake(client, tool, namespace="shop", **arguments))["error"]
        assert (error["code"], error["missing_permission"]) == ("FORBIDDEN", "list statefulsets.apps in namespace shop")
        assert "gone was not found in what could be read" in error["message"]


class TestRollbacks:
    async def test_a_deployment_that_was_taken_back_shows_the_way_out_and_back(self, tmp_path: Path) -> None:
        one, two = k.template("pay", "r/pay:1"), k.template("pay", "r/pay:2")
        again = {"deployment.kubernetes.io/revision-history": "1"}
        sets = [
            k.replica_set("pay", "aaaaa1", 3, one, ago=20, annotations=again),
            k.replica_set("pay", "bbbbb2", 2, two, ago=15),
        ]
        item = k.deployment("pay", one, ago=20, touched=[k.touch("kubectl-rollout", 5, {"spec": {"template": {}}})])
        answer = await changes(tmp_path, item, *sets, target="pay")
        rows = [c["what"] for c in answer.data["changes"]]
        assert rows == [
            "pay rolled back (revision 2 -> 3): image 2 -> 1",
            "pay rolled out (revision 1 -> 2): image 1 -> 2",
        ]

    async def test_a_statefulset_gives_the_old_revision_a_new_number(self, tmp_path: Path) -> None:
        one, two = k.template("ledger", "r/ledger:1"), k.template("ledger", "r/ledger:2")
        kept = []
        for name, number, template, ago in (("ledger-a", 3, one, 9000), ("ledger-b", 2, two, 30)):
            owners = k.owner("StatefulSet", "ledger")
            kept.append(
                k.thing(
                    "ControllerRevision",
                    "apps/v1",
                    name,
                    ago=ago,
                    owners=owners,
                    revision=number,
                    data={"spec": {"template": template}},
                )
            )
        written = [k.touch("kubectl-rollout", 6, {"spec": {"template": {}}})]
        item = k.thing(
            "StatefulSet", "apps/v1", "ledger", touched=written, spec={"replicas": 1, "template": one}, status={}
        )
        answer = await changes(tmp_path, item, *kept, target="ledger")
        back = told(answer)["rollback", "StatefulSet/shop/ledger"]
        assert (back["what"], back["at_precision"]) == (
            "ledger rolled back (revision 2 -> 3): image 2 -> 1",
            "upper_bound",
        )
        assert back["minutes_before_onset"] == pytest.approx(6, abs=0.5)
