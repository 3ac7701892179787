"""What triage tells first: the gravest, nodes, what is new, what affects most."""

from datetime import UTC, datetime

from mcp_servers.common.signals import signal
from mcp_servers.kubernetes.unhealthy import Group, ranked

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def group(name: str, *, since: str = "", affected: int = 1, kind: str = "pods", severity: str = "critical") -> Group:
    found = signal("k8s.pod.crash_loop", f"Pod/shop/{name}-1", "crashes", severity=severity)
    return Group(f"Deployment/shop/{name}", kind, "crashes", [found], affected=affected, since=since)


def test_what_has_been_broken_for_days_comes_after_what_is_new() -> None:
    old = group("archive", since="2026-11-19T03:00:00Z", affected=40)
    new = group("checkout", since="2026-11-22T02:50:00Z")
    unknown = group("orders", affected=2)
    mild = group("web", severity="warning", since="2026-11-22T02:50:00Z")
    node = group("worker-1", kind="nodes")
    order = [g.owner.rpartition("/")[2] for g in ranked([old, mild, new, unknown, node], NOW)]
    assert order == ["worker-1", "orders", "checkout", "archive", "web"]
