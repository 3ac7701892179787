"""The same trouble keeps its fingerprint; another one gets another."""

from bot.alerts.fingerprint import fingerprint, stem
from bot.alerts.parse import parse

BASE = {
    "alertname": "HighMemory",
    "cluster": "eu-2",
    "namespace": "ledger",
    "pod": "billing-6f7d8c9b5-k4x7z",
    "uid": "1",
    "instance": "10.0.0.1:80",
    "severity": "warning",
}


def of(**labels: str) -> str:
    return fingerprint("alertmanager", "HighMemory", {**BASE, **labels})


def test_a_new_pod_another_instance_and_a_higher_severity_are_the_same_trouble() -> None:
    assert of() == of(pod="billing-7c8d9f6b4-m2x8q", uid="2", instance="10.0.0.2:80", severity="critical")


def test_labels_are_compared_without_their_order_and_spelling_of_dots() -> None:
    assert fingerprint("s", "A", {"a": "1", "k8s.pod.name": "x-0"}) == fingerprint(
        "s", "A", {"k8s_pod_name": "x-1", "a": "1"}
    )


def test_other_workloads_namespaces_clusters_rules_and_senders_differ() -> None:
    others = {
        of(),
        of(pod="cart-6f7d8c9b5-k4x7z"),
        of(namespace="retail"),
        of(cluster="us-1"),
        fingerprint("grafana", "HighMemory", BASE),
        fingerprint("alertmanager", "LowMemory", BASE),
    }
    assert len(others) == 6


def test_stems() -> None:
    assert [stem(n) for n in ("billing-6f7d8c9b5-k4x7z", "db-0", "billing")] == ["billing", "db", "billing"]


def test_firing_and_resolved_of_one_alert_agree() -> None:
    title = "KubePodCrashLooping ledger (eu-2 billing 10.1.2.3:80 billing-6f7d8c9b5-k4x7z warning)"
    firing, resolved = (
        parse({"bot_id": "B1", "attachments": [{"title": f"[{m}] {title}"}]}).alerts[0]
        for m in ("FIRING:1", "RESOLVED")
    )
    assert firing.fingerprint == resolved.fingerprint
    assert len(firing.fingerprint) == 16
