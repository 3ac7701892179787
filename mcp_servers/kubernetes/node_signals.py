"""What is wrong with a node, from its conditions."""

from collections.abc import Sequence
from datetime import datetime

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.quantities import seconds_since, span
from mcp_servers.kubernetes.scheduling import is_cordoned, is_system

CODES = (
    "node.not_ready",
    "node.memory_pressure",
    "node.disk_pressure",
    "node.pid_pressure",
    "node.network_unavailable",
    "node.cordoned",
)
_PRESSURES = {
    "MemoryPressure": ("node.memory_pressure", "memory"),
    "DiskPressure": ("node.disk_pressure", "disk"),
    "PIDPressure": ("node.pid_pressure", "process ids"),
}


def node_signals(node: Json, now: datetime, events: Sequence[Json] = ()) -> list[Signal]:
    """Signals of one node. ``events`` may hold other objects' events too."""
    subject, conditions = f"Node/{o.name(node)}", o.conditions(node)
    found: list[Signal] = []
    ready = conditions.get("Ready", {})
    if ready and o.text(ready, "status") != "True":
        since = o.text(ready, "lastTransitionTime")
        reason, why = _not_ready(node, ready, events)
        lasting = span(seconds_since(since, now))
        found.append(
            signal(
                "node.not_ready",
                subject,
                clean(f"node {o.name(node)} is not ready{f' for {lasting}' if lasting else ''}: {why}", 240),
                reason=reason,
                since=since or None,
            )
        )
    for kind, (code, what) in _PRESSURES.items():
        condition = conditions.get(kind, {})
        if o.text(condition, "status") == "True":
            detail = f"node {o.name(node)} is short of {what}: {o.text(condition, 'message')}"
            found.append(
                signal(code, subject, clean(detail, 240), since=o.text(condition, "lastTransitionTime") or None)
            )
    network = conditions.get("NetworkUnavailable", {})
    if o.text(network, "status") == "True":
        detail = f"the network of node {o.name(node)} is not set up: {o.text(network, 'message')}"
        since = o.text(network, "lastTransitionTime")
        found.append(signal("node.network_unavailable", subject, clean(detail, 240), since=since or None))
    if is_cordoned(node) and not is_system(node):  # control-plane nodes are closed on purpose
        taint = next(
            (t for t in o.rows(node, "spec", "taints") if o.text(t, "key") == "node.kubernetes.io/unschedulable"), {}
        )
        since = o.text(taint, "timeAdded")
        found.append(
            signal("node.cordoned", subject, f"node {o.name(node)} is cordoned: it takes no new pods", since=since)
        )
    return found


def _not_ready(node: Json, ready: Json, events: Sequence[Json]) -> tuple[str, str]:
    """(catalogue reason, why). A kubelet that is silent leaves ``Unknown``; one that speaks says what it misses."""
    message = o.text(ready, "message")
    lowered = message.lower()
    if o.text(ready, "status") == "Unknown":
        runtime = [e for e in events if _about(e, node) and _runtime(o.text(e, "message").lower())]
        if runtime:
            return "runtime", f"the container runtime does not answer: {o.text(runtime[-1], 'message')}"
        return "kubelet_silent", f"its kubelet has not reported since {o.text(ready, 'lastHeartbeatTime') or 'then'}"
    if _runtime(lowered):
        return "runtime", message
    if any(words in lowered for words in ("cni", "network plugin", "networkready=false", "network not ready")):
        return "network", message
    return "unknown", message or o.text(ready, "reason")


def _about(event: Json, node: Json) -> bool:
    return o.text(event, "involvedObject", "kind") == "Node" and o.text(event, "involvedObject", "name") == o.name(node)


def _runtime(lowered: str) -> bool:
    words = (
        "container runtime is down",
        "containerd.sock",
        "crio.sock",
        "docker.sock",
        "pleg is not healthy",
        "runtime not ready",
        "container runtime status check may not have completed",
    )
    return any(w in lowered for w in words)
