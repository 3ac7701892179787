"""Why no node takes a pod: the scheduler's message, checked against the nodes as they are.

The message counts nodes by the first filter that refused each. Filters run in a fixed order (cordon, taint, selector and affinity,
ports, resources, volumes, pod affinity), so a node that fails a late one was fit so far: the latest refusal names the shortest way out.
Where nodes are known, they decide between what the message merges ("node affinity/selector") and what it cannot see (the only fitting
node is cordoned).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mcp_servers.kubernetes.objects import Json, branch, conditions, labels, name, rows, text
from mcp_servers.kubernetes.quantities import quantity, show_bytes, show_cpu

_COUNTED = re.compile(r"(?:(\d{1,6}) )?(.{3,300})")
_TAINT = re.compile(r"\{([^{}:]{1,200}): ?([^{}]{0,200})\}")
_HEAD = re.compile(r"^\d{1,6}/\d{1,6} nodes are available: ?")
_INSUFFICIENT = re.compile(r"Insufficient ([\w./-]{1,100})")
_SYSTEM_TAINTS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_SYSTEM_ROLES = ("master", "control-plane")
_SYSTEM_NAME = re.compile(r"(?:^|[-.])(?:master|control-?plane)(?:[-.]?\d{0,3})?(?:[-.]|$)")
_DOWN_TAINTS = (
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/out-of-service",
    "node.cloudprovider.kubernetes.io/shutdown",
)
_CORDON_TAINT = "node.kubernetes.io/unschedulable"
# The order in which the scheduler's filters run; a later one wins.
_ORDER = (
    "cordoned",
    "taint",
    "node_affinity",
    "host_port",
    "insufficient_other",
    "insufficient_memory",
    "insufficient_cpu",
    "volume_other",
    "volume_node_affinity",
    "volume_unbound",
    "pod_affinity",
    "pod_anti_affinity",
)
_PHRASES = (
    ("were unschedulable", "cordoned"),
    ("taint", "taint"),
    ("were not ready", "taint"),
    ("volume node affinity conflict", "volume_node_affinity"),
    ("node affinity", "node_affinity"),
    ("match node selector", "node_affinity"),
    ("didn't match pod affinity rules", "pod_affinity"),
    ("anti-affinity", "pod_anti_affinity"),
    ("affinity/anti-affinity", "pod_anti_affinity"),
    ("topology spread", "pod_anti_affinity"),
    ("free ports", "host_port"),
    ("Insufficient cpu", "insufficient_cpu"),
    ("Insufficient memory", "insufficient_memory"),
    ("Insufficient ", "insufficient_other"),
    ("Too many pods", "insufficient_other"),
    ("unbound immediate PersistentVolumeClaims", "volume_unbound"),
    ("find available persistent volumes", "volume_unbound"),
    ("persistentvolumeclaim", "volume_unbound"),
    ("volume", "volume_other"),
)


@dataclass(frozen=True)
class Refusal:
    """One clause of the scheduler's message: how many nodes, why (a catalogue reason), in its own words."""

    nodes: int
    reason: str
    words: str


@dataclass(frozen=True)
class Verdict:
    """``reason`` is one of the catalogue's for ``k8s.pod.unschedulable``; ``detail`` one sentence."""

    reason: str
    detail: str


def refusals(message: str) -> list[Refusal]:
    """The clauses of a FailedScheduling message, ``0/4 nodes are available: 1 node(s) were unschedulable, 3 Insufficient cpu.``"""
    body = _HEAD.sub("", message.strip()[:2000]).split("preemption:")[0].strip().rstrip(".")
    found = []
    for clause in re.split(r"[,.] (?=\d|pod has|persistentvolumeclaim)", body):
        match = _COUNTED.fullmatch(clause.strip().rstrip("."))
        if not match:
            continue
        reason = next((r for phrase, r in _PHRASES if phrase in match[2]), "")
        if reason:
            found.append(Refusal(int(match[1] or 0), reason, match[2]))
    return found


def explain(pod: Any, message: str, nodes: Sequence[Json] | None) -> list[Verdict]:
    """Why the pod stays unscheduled, most telling first; several only where CPU and memory are both short.

    ``message`` is the PodScheduled condition's or the FailedScheduling event's; ``nodes`` the cluster's nodes, ``None`` when unknown.
    """
    said = refusals(message)
    if nodes and (verdict := _by_nodes(pod, nodes)):
        return [verdict]
    late = sorted(said, key=lambda r: (_ORDER.index(r.reason), r.nodes), reverse=True)
    if not late:
        return [
            Verdict("unknown", f"the scheduler says: {message[:160]}" if message else "the scheduler gave no reason")
        ]
    top = late[0].reason
    resources = [r for r in late if r.reason.startswith("insufficient")]
    if top.startswith("insufficient"):
        return [Verdict(r.reason, _resource_detail(pod, r, nodes)) for r in resources]
    if top == "node_affinity":
        return [_placement(pod, nodes)]
    if top == "pod_anti_affinity" and not _has_anti_affinity(pod) and "topology spread" in late[0].words:
        return [Verdict("pod_anti_affinity", f"topology spread constraints leave no node ({late[0].nodes} refused)")]
    return [Verdict(top, _DETAILS[top].format(n=late[0].nodes, words=late[0].words))]


_DETAILS = {
    "cordoned": "{n} nodes are cordoned and no other node is left",
    "taint": "{n} nodes have a taint that the pod does not tolerate: {words}",
    "host_port": "the host port is taken on {n} nodes",
    "pod_affinity": "{n} nodes run no pod that the required pod affinity asks for",
    "pod_anti_affinity": "the required pod anti-affinity rules out {n} nodes that could take the pod otherwise",
    "volume_unbound": "a PersistentVolumeClaim of the pod is not bound: {words}",
    "volume_node_affinity": "the pod's volume lives where {n} nodes do not: {words}",
    "volume_other": "a volume rules out {n} nodes: {words}",
}


def _by_nodes(pod: Any, nodes: Sequence[Json]) -> Verdict | None:
    """What the nodes themselves tell about placement; ``None`` where placement is not the obstacle."""
    placed = [n for n in nodes if selected(pod, n) and affine(pod, n)]
    workers = [n for n in placed if not is_system(n)]
    if not workers and any(not is_system(n) for n in nodes):
        return _placement(pod, nodes)
    workers = workers or placed
    if not workers:
        return _placement(pod, nodes)
    open_nodes = [n for n in workers if not is_cordoned(n)]
    if not open_nodes:
        names = ", ".join(name(n) for n in workers[:4])
        wanted = f" with {_wanted(pod)}" if _wanted(pod) else ""
        if len(workers) == 1:
            return Verdict("cordoned", f"the only node{wanted} that could take the pod is cordoned: {names}")
        return Verdict("cordoned", f"all nodes{wanted} that could take the pod are cordoned: {names}")
    tainted = [(n, untolerated(pod, n)) for n in open_nodes]
    if all(taints for _, taints in tainted):
        down = [n for n, taints in tainted if any(text(t, "key") in _DOWN_TAINTS for t in taints)]
        if len(down) == len(open_nodes):
            names = ", ".join(name(n) for n in down[:4])
            return Verdict("node_not_ready", f"the nodes that could take the pod are not ready: {names}")
        rest = [(n, taints) for n, taints in tainted if n not in down]
        shown = "; ".join(sorted({taint_text(t) for _, taints in rest for t in taints}))[:120]
        names = ", ".join(name(n) for n, _ in rest[:3])
        return Verdict("taint", f"the pod does not tolerate the taint {shown} of {names}")
    return None


def _placement(pod: Any, nodes: Sequence[Json] | None) -> Verdict:
    selector = branch(pod, "spec", "nodeSelector")
    by_selector = [n for n in nodes or () if selected(pod, n)]
    count = "none of the nodes has" if nodes else "no node has"
    if selector and (not nodes or not by_selector):
        wanted = ", ".join(f"{k}={v}" for k, v in sorted(selector.items()))
        return Verdict(
            "node_selector", f"the nodeSelector asks for {wanted}, and {count} it{_nearest(selector, nodes)}"
        )
    if _affinity_terms(pod):
        return Verdict(
            "node_affinity", f"the required node affinity asks for {_affinity_text(pod)}, and no node satisfies it"
        )
    return Verdict(
        "node_selector" if selector else "node_affinity", "no node matches the pod's node selector or affinity"
    )


def _nearest(selector: Json, nodes: Sequence[Json] | None) -> str:
    """What the nodes have instead under the selector's keys."""
    for key in sorted(selector):
        there = sorted({labels(n)[key] for n in nodes or () if key in labels(n)})
        if there and selector[key] not in there:
            return f" (there is {key}={', '.join(there[:3])})"
    return ""


def _resource_detail(pod: Any, refusal: Refusal, nodes: Sequence[Json] | None) -> str:
    match = _INSUFFICIENT.search(refusal.words)
    resource = match[1] if match else "pods"
    if resource not in ("cpu", "memory"):
        return f"{refusal.nodes} nodes have no room: {refusal.words}"
    show = show_cpu if resource == "cpu" else show_bytes
    asked = requested(pod, resource)
    largest = max((quantity(branch(n, "status", "allocatable").get(resource)) or 0.0 for n in nodes or ()), default=0.0)
    have = f"; the largest node has {show(largest)} allocatable" if largest else ""
    word = "CPU" if resource == "cpu" else "memory"
    return f"the pod requests {show(asked)} of {word} and {refusal.nodes} nodes have too little left{have}"


def requested(pod: Any, resource: str) -> float:
    """What the scheduler counts: the sum over app containers, or the largest init container where that is more; plus overhead."""

    def ask(container: Json) -> float:
        return quantity(branch(container, "resources", "requests").get(resource)) or 0.0

    apps = sum(ask(c) for c in rows(pod, "spec", "containers"))
    inits = rows(pod, "spec", "initContainers")
    sidecars = sum(ask(c) for c in inits if c.get("restartPolicy") == "Always")
    largest_init = max((ask(c) for c in inits if c.get("restartPolicy") != "Always"), default=0.0)
    overhead = quantity(branch(pod, "spec", "overhead").get(resource)) or 0.0
    return max(apps + sidecars, largest_init + sidecars) + overhead


# -- nodes -----------------------------------------------------------------------------------------------------------------------


def is_cordoned(node: Json) -> bool:
    return node.get("spec", {}).get("unschedulable") is True


def is_system(node: Json) -> bool:
    """Whether the node belongs to the control plane, by its role label, its taint or its name: such nodes are closed on purpose."""
    taints = {text(t, "key") for t in rows(node, "spec", "taints")}
    role = labels(node).get("kubernetes.io/role", "")  # as older installers write it
    marked = role in _SYSTEM_ROLES or any(k in labels(node) or k in taints for k in _SYSTEM_TAINTS)
    return marked or bool(_SYSTEM_NAME.search(name(node)))


def node_labels(node: Json) -> dict[str, str]:
    """The node's labels, with the host name that every kubelet sets."""
    return {"kubernetes.io/hostname": name(node), **labels(node)}


def selected(pod: Any, node: Json) -> bool:
    """Whether the node has every label of the pod's nodeSelector."""
    have = node_labels(node)
    return all(have.get(k) == v for k, v in branch(pod, "spec", "nodeSelector").items())


def _affinity_terms(pod: Any) -> list[Json]:
    return rows(
        pod, "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"
    )


def affine(pod: Any, node: Json) -> bool:
    """Whether the node satisfies one term of the required node affinity (or there is none)."""
    terms = _affinity_terms(pod)
    return not terms or any(_term(term, node) for term in terms)


def _term(term: Json, node: Json) -> bool:
    expressions, fields = rows(term, "matchExpressions"), rows(term, "matchFields")
    if not expressions and not fields:
        return False  # an empty term selects nothing
    have = node_labels(node)
    return all(_holds(e, have) for e in expressions) and all(_holds(f, {"metadata.name": name(node)}) for f in fields)


def _holds(expression: Json, have: dict[str, str]) -> bool:
    key, operator = text(expression, "key"), text(expression, "operator")
    values = [str(v) for v in expression.get("values") or []]
    value = have.get(key)
    match operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            if value is None or not value.lstrip("-").isdigit() or not values or not values[0].lstrip("-").isdigit():
                return False
            return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])
    return False


def untolerated(pod: Any, node: Json) -> list[Json]:
    """The node's NoSchedule and NoExecute taints that the pod does not tolerate; a cordon's own taint is left to `is_cordoned`."""
    tolerations = rows(pod, "spec", "tolerations")
    return [
        taint
        for taint in rows(node, "spec", "taints")
        if text(taint, "effect") in ("NoSchedule", "NoExecute")
        and text(taint, "key") != _CORDON_TAINT
        and not any(_tolerates(t, taint) for t in tolerations)
    ]


def _tolerates(toleration: Json, taint: Json) -> bool:
    if text(toleration, "effect") not in ("", text(taint, "effect")):
        return False
    key, operator = text(toleration, "key"), text(toleration, "operator") or "Equal"
    if operator == "Exists":
        return key in ("", text(taint, "key"))
    return key == text(taint, "key") and text(toleration, "value") == text(taint, "value")


def taint_text(taint: Json) -> str:
    value = text(taint, "value")
    return f"{text(taint, 'key')}{'=' + value if value else ''}:{text(taint, 'effect')}"


def _affinity_text(pod: Any) -> str:
    shown = []
    for term in _affinity_terms(pod)[:2]:
        for e in [*rows(term, "matchExpressions"), *rows(term, "matchFields")][:3]:
            values = [str(v) for v in e.get("values") or []]
            shown.append(f"{text(e, 'key')} {text(e, 'operator')} {', '.join(values[:3])}".strip())
    return " and ".join(shown)[:140]


def _wanted(pod: Any) -> str:
    selector = branch(pod, "spec", "nodeSelector")
    if selector:
        return ", ".join(f"{k}={v}" for k, v in sorted(selector.items()))[:80]
    return _affinity_text(pod)[:80]


def _has_anti_affinity(pod: Any) -> bool:
    return bool(rows(pod, "spec", "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"))


def scheduled_condition(pod: Any) -> Json:
    return conditions(pod).get("PodScheduled", {})


def taint_of(words: str) -> str:
    """``{critical: true}`` in the scheduler's words as ``critical=true``; "" when there is none."""
    match = _TAINT.search(words)
    return f"{match[1]}{'=' + match[2] if match[2] else ''}" if match else ""
