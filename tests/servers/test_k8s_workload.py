"""`get_workload_status` and the judgements below it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_servers.kubernetes.refusals import quota_resource, read_refusal
from mcp_servers.kubernetes.workload_state import counts, matches, rollout_status
from sandbox.cluster import sketch as k
from sandbox.cluster.asking import ask

OLD, NEW = k.template("checkout", "r/checkout:1"), k.template("checkout", "r/checkout:2")
RS_OLD, RS_NEW = k.owner("ReplicaSet", "checkout-aaaaa1"), k.owner("ReplicaSet", "checkout-bbbbb2")
STUCK = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": k.at(2)}
SERVING = {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}


def failing_rollout() -> list[k.Json]:
    return [
        k.namespace(),
        k.node(),
        k.deployment("checkout", NEW, replicas=3, available=2, updated=1, conditions=[STUCK, SERVING]),
        k.replica_set("checkout", "aaaaa1", 1, OLD, replicas=2, ready=2),
        k.replica_set("checkout", "bbbbb2", 2, NEW, replicas=1, ago=12),
        k.pod("checkout-aaaaa1-x8k2p", OLD, RS_OLD),
        k.pod("checkout-aaaaa1-x8k2q", OLD, RS_OLD),
        k.pod(
            "checkout-bbbbb2-zzzzz",
            NEW,
            RS_NEW,
            waiting="ImagePullBackOff",
            ago=12,
            message='Back-off pulling image "r/checkout:2"',
        ),
    ]


class TestARolloutWhoseNewRevisionFails:
    async def test_names_the_revision_the_pods_and_the_cause_in_one_call(self, tmp_path: Path) -> None:
        folder = k.write(tmp_path, failing_rollout())
        answer = await ask(folder, "get_workload_status", session=True, name="checkout", namespace="shop")
        assert {"deploy.new_revision_failing", "deploy.stuck", "k8s.pod.image_pull"} <= answer.codes
        [failing] = answer.signals("deploy.new_revision_failing")
        assert failing["subject"] == "Deployment/shop/checkout"
        assert "revision 2" in failing["detail"]
        assert "2 ready" in failing["detail"]
        [pull] = answer.signals("k8s.pod.image_pull")
        assert pull["owner"] == "Deployment/shop/checkout"
        assert [(r["revision"], r["ready"], r["failing"]) for r in answer.data["revisions"]] == [(2, 0, 1), (1, 2, 0)]
        assert answer.data["pods"][0]["name"] == "checkout-bbbbb2-zzzzz"
        assert answer.writes == []

    async def test_partial_service_is_a_warning_and_none_is_critical(self, tmp_path: Path) -> None:
        partly = await ask(k.write(tmp_path / "a", failing_rollout()), "get_workload_status", name="checkout")
        assert partly.signals("deploy.unavailable")[0]["severity"] == "warning"
        down = k.deployment(
            "checkout", NEW, replicas=3, available=0, conditions=[{"type": "Available", "status": "False"}]
        )
        wholly = await ask(k.write(tmp_path / "b", [down]), "get_workload_status", name="checkout")
        assert wholly.signals("deploy.unavailable")[0]["severity"] == "critical"
        assert "3 replicas are wanted and no pod exists" in wholly.data["notes"]

    async def test_both_revisions_failing_is_not_the_new_ones_fault(self, tmp_path: Path) -> None:
        items = failing_rollout()
        items[-2] = k.pod("checkout-aaaaa1-x8k2q", OLD, RS_OLD, waiting="CrashLoopBackOff", restarts=9)
        answer = await ask(k.write(tmp_path, items), "get_workload_status", name="checkout")
        assert "deploy.new_revision_failing" not in answer.codes


REFUSED = 'Error creating: pods "checkout-bbbbb2-" is forbidden: '


class TestPodsThatAreRefused:
    @pytest.mark.parametrize(
        ("message", "reason", "resource"),
        [
            (
                "exceeded quota: team, requested: requests.cpu=200m, used: requests.cpu=4, limited: requests.cpu=4",
                "quota",
                "cpu",
            ),
            (
                "exceeded quota: team, requested: limits.memory=1Gi, used: limits.memory=8Gi, limited: limits.memory=8Gi",
                "quota",
                "memory",
            ),
            ("exceeded quota: team, requested: pods=1, used: pods=10, limited: pods=10", "quota", "pods"),
            ("failed quota: team: must specify limits.cpu", "quota", ""),
            (
                'error looking up service account shop/ghost: serviceaccount "ghost" not found',
                "service_account_missing",
                "",
            ),
            ("maximum memory usage per Container is 1Gi, but limit is 2Gi", "limit_range", ""),
            ('admission webhook "policy.example.com" denied the request: no latest tags', "admission", ""),
            ('violates PodSecurity "restricted:latest": runAsNonRoot != true', "admission", ""),
            ("something nobody has seen yet", "unknown", ""),
        ],
    )
    def test_the_wording_tells_the_reason(self, message: str, reason: str, resource: str) -> None:
        refusal = read_refusal(REFUSED + message)
        assert refusal is not None
        assert (refusal.reason, refusal.resource) == (reason, resource)

    async def test_a_used_up_quota_is_the_namespaces_matter(self, tmp_path: Path) -> None:
        text = (
            REFUSED
            + "exceeded quota: team, requested: requests.cpu=200m, used: requests.cpu=4, limited: requests.cpu=4"
        )
        items = [
            k.deployment("checkout", NEW, replicas=2, available=0, existing=0),
            k.replica_set("checkout", "bbbbb2", 1, NEW, replicas=2),
            k.event("ReplicaSet", "checkout-bbbbb2", "FailedCreate", text),
        ]
        answer = await ask(k.write(tmp_path, items), "get_workload_status", name="checkout")
        [quota] = answer.signals("quota.exceeded")
        assert (quota["subject"], quota["owner"], quota["reason"]) == (
            "ResourceQuota/shop/team",
            "Namespace/shop",
            "cpu",
        )
        assert "4 of 4" in quota["detail"]
        assert answer.signals("deploy.failed_create")[0]["reason"] == "quota"

    async def test_a_refusal_of_the_past_is_no_trouble_once_the_pods_exist(self, tmp_path: Path) -> None:
        items = [
            k.deployment("checkout", NEW, replicas=1),
            k.replica_set("checkout", "bbbbb2", 1, NEW, replicas=1, ready=1),
            k.pod("checkout-bbbbb2-zzzzz", NEW, RS_NEW),
            k.event(
                "ReplicaSet",
                "checkout-bbbbb2",
                "FailedCreate",
                REFUSED + "exceeded quota: t, requested: pods=1, used: pods=1, limited: pods=1",
            ),
        ]
        answer = await ask(k.write(tmp_path, items), "get_workload_status", name="checkout")
        assert answer.codes == set()

    @given(st.text(max_size=300))
    def test_no_text_breaks_the_reader(self, text: str) -> None:
        refusal = read_refusal(text)
        assert refusal is None or refusal.reason in (
            "quota",
            "service_account_missing",
            "admission",
            "limit_range",
            "unknown",
        )

    def test_quota_families(self) -> None:
        names = (
            "requests.cpu",
            "limits.memory",
            "count/services",
            "requests.storage",
            "persistentvolumeclaims",
            "count/pods",
            "count/jobs.batch",
        )
        assert [quota_resource(n) for n in names] == [
            "cpu",
            "memory",
            "services",
            "storage",
            "storage",
            "pods",
            "other",
        ]


class TestWorkloadsAtZeroAndOtherKinds:
    async def test_the_services_that_its_settings_name(self, tmp_path: Path) -> None:
        env = {
            "LEDGER_ADDR": "ledger:80",
            "DB_HOST": "orders-db",
            "DB_PORT": "5432",
            "ABROAD": "mail.tools:25",
            "OUTSIDE": "a.example.com:443",
        }
        shape = k.template("cart", "r/cart:1", env=[{"name": name, "value": value} for name, value in env.items()])
        answer = await ask(
            k.write(tmp_path, [k.deployment("cart", shape)]), "get_workload_status", name="cart", kind="deployment"
        )
        assert answer.data["calls"] == ["ledger", "orders-db"]

    async def test_scaled_to_zero_says_who_wrote_it(self, tmp_path: Path) -> None:
        item = k.deployment("cart", NEW, replicas=0, touched=[k.touch("kubectl-scale", 30, {"spec": {"replicas": {}}})])
        answer = await ask(k.write(tmp_path, [item]), "get_workload_status", name="cart", kind="deployment")
        [zero] = answer.signals("deploy.scaled_to_zero")
        assert "kubectl-scale" in zero["detail"]
        assert "deploy.unavailable" not in answer.codes

    async def test_a_statefulset_waits_for_its_first_unready_ordinal(self, tmp_path: Path) -> None:
        items = [
            k.thing(
                "StatefulSet",
                "apps/v1",
                "db",
                spec={"replicas": 3, "template": NEW},
                status={"readyReplicas": 1, "replicas": 2, "updatedReplicas": 3},
            ),
            k.pod("db-0", NEW, k.owner("StatefulSet", "db")),
            k.pod("db-1", NEW, k.owner("StatefulSet", "db"), waiting="CrashLoopBackOff", restarts=4),
        ]
        answer = await ask(k.write(tmp_path, items), "get_workload_status", name="db")
        [blocked] = answer.signals("sts.ordinal_blocked")
        assert blocked["subject"] == "Pod/shop/db-1"
        assert blocked["owner"] == "StatefulSet/shop/db"

    async def test_daemons_missing_on_nodes(self, tmp_path: Path) -> None:
        status = {
            "desiredNumberScheduled": 3,
            "numberAvailable": 1,
            "numberReady": 1,
            "updatedNumberScheduled": 3,
            "numberMisscheduled": 1,
        }
        items = [k.thing("DaemonSet", "apps/v1", "agent", spec={"template": NEW}, status=status)]
        answer = await ask(k.write(tmp_path, items), "get_workload_status", name="agent")
        assert {"ds.unavailable", "ds.misscheduled"} <= answer.codes

    async def test_a_failed_job(self, tmp_path: Path) -> None:
        condition = {
            "type": "Failed",
            "status": "True",
            "reason": "BackoffLimitExceeded",
            "message": "Job has reached the specified backoff limit",
        }
        items = [k.thing("Job", "batch/v1", "report", spec={"completions": 1}, status={"conditions": [condition]})]
        answer = await ask(k.write(tmp_path, items), "get_workload_status", name="report")
        assert "backoff limit" in answer.signals("job.failed")[0]["detail"]

    async def test_an_autoscaler_at_its_maximum(self, tmp_path: Path) -> None:
        target = {"kind": "Deployment", "name": "cart"}
        limited = {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}
        hpa = k.thing(
            "HorizontalPodAutoscaler",
            "autoscaling/v2",
            "cart",
            spec={"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 4, "metrics": []},
            status={"currentReplicas": 4, "desiredReplicas": 4, "conditions": [limited]},
        )
        items = [k.deployment("cart", NEW, replicas=4), hpa]
        answer = await ask(k.write(tmp_path, items), "get_workload_status", name="cart")
        [signal] = answer.signals("hpa.at_max")
        assert (signal["value"], signal["owner"]) == (4, "Deployment/shop/cart")
        assert answer.data["hpa"]["max"] == 4


class TestWhatIsNotThere:
    async def test_a_wrong_name_is_answered_with_close_ones(self, tmp_path: Path) -> None:
        answer = await ask(
            k.write(tmp_path, failing_rollout()), "get_workload_status", name="chekout", namespace="shop"
        )
        assert answer.failed
        assert answer.data["error"]["code"] == "NOT_FOUND"
        assert "shop/checkout" in answer.data["error"]["hint"]

    async def test_one_name_in_two_namespaces_must_be_chosen_from(self, tmp_path: Path) -> None:
        items = [k.deployment("cart", NEW), k.deployment("cart", NEW, space="store")]
        answer = await ask(k.write(tmp_path, items), "get_workload_status", name="cart")
        assert answer.data["error"]["code"] == "VALIDATION"
        assert "shop" in answer.data["error"]["message"]
        assert "store" in answer.data["error"]["message"]

    async def test_an_unknown_argument_is_refused(self, tmp_path: Path) -> None:
        answer = await ask(k.write(tmp_path, []), "get_workload_status", name="cart", cluster="prod")
        assert answer.failed


class TestArithmetic:
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda i: (
                st.lists(i, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["spec", "status", "metadata", "replicas", "conditions", "type", "paused"]),
                    i,
                    max_size=4,
                )
            ),
            max_leaves=12,
        )
    )
    def test_counting_and_judging_survive_any_object(self, junk: object) -> None:
        item = junk if isinstance(junk, dict) else {"status": junk}
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            assert counts({**item, "kind": kind}).wanted is not None
            assert isinstance(rollout_status({**item, "kind": kind}), str)

    def test_label_selectors(self) -> None:
        labels = {"app": "cart", "tier": "web"}
        assert matches({"matchLabels": {"app": "cart"}}, labels)
        assert not matches({"matchLabels": {"app": "cart", "tier": "db"}}, labels)
        assert matches({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web", "api"]}]}, labels)
        assert not matches({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, labels)
        assert not matches({"matchExpressions": [{"key": "tier", "operator": "Novel"}]}, labels)
