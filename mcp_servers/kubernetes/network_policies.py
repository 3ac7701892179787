"""Does a NetworkPolicy keep traffic from the pods, all of it or that of a known caller? Only what follows from the policies is said."""

from collections.abc import Sequence
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.service_selection import template_labels
from mcp_servers.kubernetes.workload_state import matches

Json = dict[str, Any]


def _isolates(policy: Json, way: str) -> bool:
    spec = o.branch(policy, "spec")
    kinds = spec.get("policyTypes")
    return way in kinds if isinstance(kinds, list) else way == "Ingress" or "egress" in spec  # the default


def _takes(policy: Json, labels: dict[str, str], way: str = "Ingress") -> bool:
    """Whether the policy isolates pods with these labels. Without a ``podSelector`` (it is required) nothing can be said."""
    selector = o.branch(policy, "spec").get("podSelector")
    return isinstance(selector, dict) and _isolates(policy, way) and matches(selector, labels)


def _may_admit(rule: Json, peers: str, labels: dict[str, str]) -> bool:
    """Whether a rule's peers (``from`` or ``to``) may mean pods of the same namespace with these labels; blocks of addresses may."""
    wanted = o.rows(rule, peers)
    if not wanted:
        return True
    for peer in wanted:
        selector = peer.get("podSelector")
        if "ipBlock" in peer or ("namespaceSelector" in peer and not isinstance(selector, dict)):
            return True
        if isinstance(selector, dict) and matches(selector, labels):
            return True
    return False


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


def edge_signals(
    caller: Json, pods: Sequence[Json], policies: Sequence[Json], numbers: set[int], names: set[str]
) -> list[Signal]:
    """`net.policy_blocks` for one ``caller`` (a workload of the same namespace) of ``pods``: what leaves it, or what reaches them.

    Only where a policy isolates one side in that direction and no rule of any such policy may admit the other side at the served ports.
    """
    if not pods:
        return []
    sides = {"Egress": template_labels(caller), "Ingress": o.labels(pods[0])}
    for way, rules, peers in (("Egress", "egress", "to"), ("Ingress", "ingress", "from")):
        mine, other = sides[way], sides["Ingress" if way == "Egress" else "Egress"]
        taking = [p for p in policies if _takes(p, mine, way)]
        told = [r for p in taking for r in o.rows(p, "spec", rules)]
        if taking and not any(_admits_port(r, numbers, names) and _may_admit(r, peers, other) for r in told):
            which = ", ".join(o.name(p) for p in taking[:3])
            what = "lets no traffic out of" if way == "Egress" else "admits no traffic from"
            detail = f"NetworkPolicy {which} {what} {o.name(caller)} to port {', '.join(map(str, sorted(numbers)))} of {o.name(pods[0])}"
            subject = o.ref_of(taking[0])
            return [signal("net.policy_blocks", subject, clean(detail, 240), owner=o.ref_of(caller))]
    return []


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
