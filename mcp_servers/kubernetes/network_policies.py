"""Does a NetworkPolicy keep all traffic from the pods? Only what follows from the policies themselves is said."""

from collections.abc import Sequence
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.workload_state import matches

Json = dict[str, Any]


def _isolates(policy: Json) -> bool:
    kinds = o.branch(policy, "spec").get("policyTypes")
    return "Ingress" in kinds if isinstance(kinds, list) else True  # the default


def _takes(policy: Json, labels: dict[str, str]) -> bool:
    """Whether the policy isolates pods with these labels. Without a ``podSelector`` (it is required) nothing can be said."""
    selector = o.branch(policy, "spec").get("podSelector")
    return isinstance(selector, dict) and _isolates(policy) and matches(selector, labels)


def _admits_port(rule: Json, numbers: set[int], names: set[str]) -> bool:
    ports = o.rows(rule, "ports")
    if not ports:
        return True
    for port in ports:
        value = port.get("port")
        if value is None or (isinstance(value, str) and value in names):
            return True
        first = o.number(port, "port")
        last = o.number(port, "endPort") or first
        if first is not None and last is not None and any(first <= n <= last for n in numbers):
            return True
    return False


def policy_signals(
    pods: Sequence[Json], policies: Sequence[Json], numbers: set[int], names: set[str], service: str
) -> list[Signal]:
    """`net.policy_blocks` for ``service`` when pods are isolated and no policy admits traffic to their served ports from anywhere.

    ``numbers`` and ``names`` are the ports that the Service targets. Policies add up: one that admits is enough.
    """
    if not pods:
        return []
    labels = o.labels(pods[0])
    taking = [p for p in policies if _takes(p, labels)]
    rules = [r for p in taking for r in o.rows(p, "spec", "ingress")]
    if not taking or any(_admits_port(r, numbers, names) for r in rules):
        return []
    which = ", ".join(o.name(p) for p in taking[:3])
    why = (
        "admits no ingress at all" if not rules else f"admits no ingress to port {', '.join(map(str, sorted(numbers)))}"
    )
    subject = o.ref_of(taking[0])
    return [signal("net.policy_blocks", subject, f"NetworkPolicy {which} selects the pods and {why}", owner=service)]
