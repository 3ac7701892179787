"""Whether the parts of the control plane that run as pods do run. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.quantities import parse_time
from mcp_servers.kubernetes.scheduling import is_system

NAMESPACE = "kube-system"
CODES = ("control.component_down",)
# (label, value) as kubeadm and the add-ons set them -> (catalogue reason, its name)
_COMPONENTS = {
    ("component", "kube-scheduler"): ("scheduler", "kube-scheduler"),
    ("component", "kube-controller-manager"): ("other", "kube-controller-manager"),
    ("k8s-app", "kube-proxy"): ("kube_proxy", "kube-proxy"),
    ("k8s-app", "kube-dns"): ("dns", "the cluster's DNS"),
}


def component_signals(pods: Sequence[Json]) -> list[Signal]:
    """One signal for each component whose pods are not ready: kube-proxy by node, the others when none of their pods is ready.

    A proxy and the scheduler are told as their node's: a static pod has no other owner, and that is where somebody must look.
    ``pods`` are those of `NAMESPACE`. Managed clusters show no scheduler there; what is not seen is not judged.
    """
    found: list[Signal] = []
    for (label, value), (reason, called) in _COMPONENTS.items():
        mine = [p for p in pods if o.labels(p).get(label) == value and not o.is_deleting(p)]
        of_node = reason in ("kube_proxy", "scheduler")
        down = [p for p in mine if not o.is_ready(p)]
        if not down or (reason != "kube_proxy" and len(down) < len(mine)):
            continue
        for pod in down[:5] if reason == "kube_proxy" else down[:1]:
            node = o.text(pod, "spec", "nodeName")
            where = f" on node {node}" if node and of_node else ""
            found.append(
                signal(
                    "control.component_down",
                    f"Node/{node}" if node and of_node else o.ref_of(pod),
                    f"{called} does not run{where}: pod {o.name(pod)} is {o.pod_status(pod)}",
                    reason=reason,
                    since=o.text(o.conditions(pod).get("Ready"), "lastTransitionTime") or None,
                )
            )
    return found


DEFAULT_SCHEDULER = "default-scheduler"


def uses_default_scheduler(pod: Json) -> bool:
    return o.text(pod, "spec", "schedulerName") in ("", DEFAULT_SCHEDULER)


def spoke_since(events: Sequence[Json], since: datetime | None) -> bool:
    """Whether the default scheduler said anything after ``since``; false where that moment is unknown."""
    for event in events if since else ():
        who = o.text(event, "source", "component") or o.text(event, "reportingComponent")
        at = o.event_time(event)
        if who == DEFAULT_SCHEDULER and at is not None and since is not None and at > since:
            return True
    return False


def silent_scheduler(
    waiting: Sequence[Signal], events: Sequence[Json], system: Sequence[Json] | None, nodes: Sequence[Json]
) -> Iterator[Signal]:
    """The scheduler itself, when pods wait for it in vain.

    ``waiting`` are the `scheduler_silent` signals of pods that the default scheduler should place, ``system`` the pods of `NAMESPACE`
    (``None``: may not be read). Nothing is said where the scheduler spoke meanwhile, where its pod can be seen (`component_signals` judges
    it), or where no node of the control plane can be seen: a managed one is its provider's matter. The detail tells what was not seen.
    """
    since = min((s.since for s in waiting if s.since), default=None)
    if not waiting or spoke_since(events, parse_time(since)):
        return
    parts = {
        c: [p for p in system or () if o.labels(p).get("component") == c and not o.is_deleting(p)] for c in _STATIC
    }
    if parts[_SCHEDULER]:
        return
    beside = [p for component in _STATIC for p in parts[component]]
    homes = {o.text(p, "spec", "nodeName") for p in beside} - {""}
    where = sorted(homes or {o.name(n) for n in nodes if is_system(n)})
    if not where:
        return
    if beside:
        seen = f"no {_SCHEDULER} pod exists beside {o.name(beside[0])}"
    elif system is None:
        seen = f"its pod could not be looked at: {NAMESPACE} may not be read"
    else:
        seen = f"{NAMESPACE} shows no pod of it, so it can only be looked at on the node"
    count = sum(s.count or 1 for s in waiting)
    others = f" (or {', '.join(where[1:3])})" if len(where) > 1 else ""
    wait = f"{count} pods wait" if count > 1 else "a pod waits"
    told = f"{wait} and the scheduler has not said a word; {seen}; control plane: {where[0]}{others}"
    yield signal("control.component_down", f"Node/{where[0]}", told, reason="scheduler", since=since, count=count)


_SCHEDULER = "kube-scheduler"
_STATIC = (_SCHEDULER, "kube-controller-manager", "kube-apiserver", "etcd")  # as kubeadm labels its static pods
