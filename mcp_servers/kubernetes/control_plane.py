"""Whether the parts of the control plane that run as pods do run. Pure."""

from collections.abc import Sequence

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.objects import Json

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

    ``pods`` are those of `NAMESPACE`. Managed clusters show no scheduler there; what is not seen is not judged.
    """
    found: list[Signal] = []
    for (label, value), (reason, called) in _COMPONENTS.items():
        mine = [p for p in pods if o.labels(p).get(label) == value and not o.is_deleting(p)]
        down = [p for p in mine if not o.is_ready(p)]
        if not down or (reason != "kube_proxy" and len(down) < len(mine)):
            continue
        for pod in down[:5] if reason == "kube_proxy" else down[:1]:
            node = o.text(pod, "spec", "nodeName")
            where = f" on node {node}" if node and reason == "kube_proxy" else ""
            found.append(
                signal(
                    "control.component_down",
                    f"Node/{node}" if node and reason == "kube_proxy" else o.ref_of(pod),
                    f"{called} does not run{where}: pod {o.name(pod)} is {o.pod_status(pod)}",
                    reason=reason,
                    since=o.text(o.conditions(pod).get("Ready"), "lastTransitionTime") or None,
                )
            )
    return found
