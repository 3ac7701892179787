"""Who is ill, and who was only asked."""

import pytest

from bot.alerts.shapes import pod_owner, shape_of
from bot.alerts.subject import Subject, find

KSM = "mon-kube-state-metrics-6f7d8c9b5-k4x7z"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"namespace": "ledger", "pod": "billing-0"}, Subject(namespace="ledger", pod="billing-0")),
        ({"k8s.namespace.name": "ledger", "k8s.pod.name": "billing-0"}, Subject(namespace="ledger", pod="billing-0")),
        ({"pod": "ledger/billing-0"}, Subject(namespace="ledger", pod="billing-0")),
        (
            {
                "namespace": "monitoring",
                "exported_namespace": "ledger",
                "pod": KSM,
                "exported_pod": "billing-0",
                "job": "kube-state-metrics",
            },
            Subject(namespace="ledger", pod="billing-0"),
        ),
        (
            {"namespace": "ledger", "deployment": "billing", "pod": KSM},
            Subject(namespace="ledger", workload="Deployment/billing"),
        ),
        (
            {"namespace": "data", "job_name": "backup-1", "job": "kube-state-metrics"},
            Subject(namespace="data", workload="Job/backup-1"),
        ),
        ({"namespace": "search", "job": "indexer"}, Subject(namespace="search")),
        (
            {"k8s.deployment.name": "billing", "service.name": "billing", "service.namespace": "retail"},
            Subject(workload="Deployment/billing", service="billing"),
        ),
        ({"workload": "billing", "workload_type": "deployment"}, Subject(workload="Deployment/billing")),
        (
            {"namespace": "ledger", "container": "kube-rbac-proxy-main", "service": "mon-kube-state-metrics"},
            Subject(namespace="ledger"),
        ),
        (
            {"namespace": "ledger", "pod": "db-exporter-6f7d8c9b5-k4x7z", "job": "kube-state-metrics"},
            Subject(namespace="ledger", pod="db-exporter-6f7d8c9b5-k4x7z"),
        ),
        ({"pod": "db-exporter-6f7d8c9b5-k4x7z", "job": "db-exporter"}, Subject()),
    ],
)
def test_named_labels(labels: dict[str, str], expected: Subject) -> None:
    assert find(labels) == expected


def test_a_node_alert_does_not_take_the_exporters_place() -> None:
    labels = {
        "namespace": "monitoring",
        "pod": KSM,
        "container": "kube-state-metrics",
        "job": "kube-state-metrics",
        "node": "worker-3",
    }
    assert find(labels, name="KubeNodeNotReady") == Subject(node="worker-3")
    labels = {
        "namespace": "monitoring",
        "pod": "node-exporter-k4x7z",
        "job": "node-exporter",
        "instance": "worker-3.example:9100",
    }
    assert find(labels, name="NodeDiskFull") == Subject(node="worker-3.example")


def test_an_address_is_no_name_of_a_node() -> None:
    assert find({"job": "node-exporter", "instance": "10.0.0.1:9100"}).node == ""


def test_an_exporter_may_be_ill_itself() -> None:
    labels = {"namespace": "monitoring", "pod": KSM, "job": "kube-state-metrics", "instance": "10.0.0.1:8443"}
    assert (
        find(labels, [f"Pod monitoring/{KSM} (kube-state-metrics) is in waiting state"], "KubePodCrashLooping").pod
        == KSM
    )


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Pod ledger/billing-0 (billing) is in waiting state", Subject(namespace="ledger", pod="billing-0")),
        ("Deployment ledger/billing has 2/3 replicas", Subject(namespace="ledger", workload="Deployment/billing")),
        ("StatefulSet `data/db` has not matched", Subject(namespace="data", workload="StatefulSet/db")),
        ("Namespace ledger is using 95% of its quota", Subject(namespace="ledger")),
        ('Redis in namespace "ledger" has many clients', Subject(namespace="ledger")),
        (
            "pod billing-6f7d8c9b5-k4x7z in namespace ledger restarts",
            Subject(namespace="ledger", pod="billing-6f7d8c9b5-k4x7z"),
        ),
        ("*pod/billing-1* restarts", Subject(pod="billing-1")),
        ("errors on cluster eu-2.", Subject(cluster="eu-2")),
        ("Deployment 2/3 replicas are ready", Subject()),
        ("the namespace quota is used up and the pod status is bad", Subject()),
        ("Pod ledger/a-0 and Pod retail/b-0 fail", Subject(others=("a-0", "b-0"))),
    ],
)
def test_sentences_of_well_known_rules(sentence: str, expected: Subject) -> None:
    assert find({}, [sentence]) == expected


def test_labels_win_over_sentences() -> None:
    found = find({"namespace": "ledger", "pod": "billing-0"}, ["Pod kube-system/etcd-0 is evil"])
    assert (found.namespace, found.pod) == ("ledger", "billing-0")


def test_a_sentence_about_another_namespace_adds_no_pod() -> None:
    assert find({"namespace": "ledger"}, ["Pod kube-system/etcd-0 is evil"]).pod == ""


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("billing-6f7d8c9b5-k4x7z", "pod"),
        ("5f0c2a7e-41c9-4c1b-9a53-8d2b6f0e7a11", "uid"),
        ("10.1.2.3:8080", "address"),
        ("critical", "severity"),
        ("CrashLoopBackOff", "reason"),
        ("ip-10-0-12-44.eu-west-1.compute.internal", "node"),
        ("/metrics", "path"),
        ("https://x.example", "url"),
        ("12.5", "number"),
        ("ledger", "name"),
        ("monitoring/k8s", "text"),
    ],
)
def test_shapes(value: str, shape: str) -> None:
    assert shape_of(value) == shape


@pytest.mark.parametrize(
    "name", ["billing", "db-0", "release-20240101-alpha", "kube-prometheus-stack", "ip-10-0-12-44", "a-b-c"]
)
def test_names_that_only_look_a_little_like_pods(name: str) -> None:
    assert pod_owner(name) == ""
