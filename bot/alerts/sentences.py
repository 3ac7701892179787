"""Names in the sentences of well-known rules: ``Pod shop/checkout-7d9f8c6b5-x8k2p is crash looping``, ``in namespace "shop"``.

Only forms that say the kind of what they name are read. A text that names several pods, or several namespaces, names none: which of them is
ill it does not say.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.alerts.shapes import is_name, is_namespace, pod_owner
from bot.alerts.words import listed

KINDS = {
    "pod": "Pod", "po": "Pod", "pods": "Pod", "deployment": "Deployment", "deploy": "Deployment", "deployments": "Deployment",
    "statefulset": "StatefulSet", "sts": "StatefulSet", "daemonset": "DaemonSet", "ds": "DaemonSet", "job": "Job", "cronjob": "CronJob",
    "replicaset": "ReplicaSet", "rs": "ReplicaSet", "node": "Node", "no": "Node", "service": "Service", "svc": "Service",
    "namespace": "Namespace", "ns": "Namespace", "hpa": "HPA", "horizontalpodautoscaler": "HPA", "pvc": "PVC",
    "persistentvolumeclaim": "PVC", "container": "Container",
}  # fmt: skip
_OWNERS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet"})
_NAME = r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?"
_SPACE = r"[a-z0-9][-a-z0-9]{0,62}"
_END = r"(?![\w/…-]|\.\.)"  # where a name is over; a name that was cut off is none
_QUOTE = r"[`\"'*“]{0,2}"
_KIND = (
    r"[Pp]od|[Dd]eployment|[Ss]tateful[Ss]et|[Dd]aemon[Ss]et|[Cc]ron[Jj]ob|[Jj]ob|[Rr]eplica[Ss]et|HPA|[Ss]ervice|PVC"
)
_PATH = re.compile(rf"\b(?P<kind>{_KIND})s?:? {_QUOTE}(?P<ns>{_SPACE})/(?P<name>{_NAME}){_END}")
_SPACES = (
    re.compile(rf"\bin (?:the )?(?:Kubernetes )?[Nn]amespace:? {_QUOTE}(?P<ns>{_SPACE}){_END}"),
    re.compile(rf"\([Nn]amespace:? {_QUOTE}(?P<ns>{_SPACE})[`\"'*” ]{{0,3}}[),]"),
    re.compile(rf"\bNamespace {_QUOTE}(?P<ns>{_SPACE})[`\"'*”]{{0,2}} (?:is|has|uses|was)\b"),
    re.compile(rf"\b[Nn]amespace:? [`\"'](?P<ns>{_SPACE})[`\"']"),
)
_POD = re.compile(rf"\b[Pp]od:? {_QUOTE}(?P<name>{_NAME}){_END}")
_CLUSTER = re.compile(rf"\b(?:on|in) cluster {_QUOTE}(?P<name>[A-Za-z0-9](?:[-A-Za-z0-9_.]{{0,120}}[A-Za-z0-9])?)")
_NODE = re.compile(
    r"(?:^|\s)(?:Kubernetes )?[Nn]ode:? [`\"']?(?P<name>[a-z0-9][-a-z0-9.]{1,250}[a-z0-9])[`\"']?(?=\s|$)"
)
_EMPHASISED = re.compile(
    rf"^\s*(?:[•·>-]\s*)?(?P<q>[*_`]{{1,2}})(?P<first>{_SPACE})/(?P<name>(?:[a-z0-9][-a-z0-9.]{{0,251}})?)(?P=q)(?=\s|$|:)"
)
_STOP = listed(
    """is has had have was were are be been and or of the a an in on at to for with by not no any all this that its quota quotas limit
    status state name names phase count total usage memory cpu level which whose exists does did crash crashing crashed failed failing
    not-ready ready restarting restarted restarts pending running down up exporter unknown kind type label labels and-or"""
)


@dataclass(slots=True)
class Said:
    """What the sentences say; "" for what they do not say or say of several. ``others`` are names whose kind or choice is open."""

    namespace: str = ""
    pod: str = ""
    workload: str = ""
    node: str = ""
    cluster: str = ""
    others: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    pods: dict[str, None] = field(default_factory=dict)
    workloads: dict[str, None] = field(default_factory=dict)
    spaces: dict[str, None] = field(default_factory=dict)
    others: dict[str, None] = field(default_factory=dict)

    def add(self, kind: str, name: str) -> None:
        name = name.rstrip(".")
        if not is_name(name):
            return
        if kind == "Pod":
            self.pods[name] = None
        elif kind in _OWNERS:
            self.workloads[f"{kind}/{name}"] = None


def read_sentences(texts: Sequence[str]) -> Said:
    """What ``texts`` (each of one or more lines) say about where the trouble is."""
    text = "\n".join(texts)[:8_000]
    found = _Found()
    for match in _PATH.finditer(text):
        # "Deployment 2/3 replicas" and "Service up/down" are no paths.
        if is_namespace(match["ns"]) and match["ns"] not in _STOP and not match["ns"].isdigit():
            found.spaces[match["ns"]] = None
            found.add(KINDS[match["kind"].lower()], match["name"])
    for line in text.split("\n"):
        _emphasised(line, found)
    for pattern in _SPACES:
        for match in pattern.finditer(text):
            if match["ns"] not in _STOP and is_namespace(match["ns"]):
                found.spaces[match["ns"]] = None
    if not found.pods:
        for match in _POD.finditer(text):
            if pod_owner(match["name"]) or re.search(r"[a-z].*-\d{1,3}$", match["name"]):
                found.add("Pod", match["name"])
    node = next(
        (m["name"] for m in _NODE.finditer(text) if m["name"] not in _STOP and re.search(r"[\d.-]", m["name"])), ""
    )
    cluster = _CLUSTER.search(text)
    one_place = len(found.spaces) <= 1
    return Said(
        namespace=next(iter(found.spaces)) if len(found.spaces) == 1 else "",
        pod=next(iter(found.pods)) if len(found.pods) == 1 and one_place else "",
        workload=next(iter(found.workloads)) if len(found.workloads) == 1 and one_place else "",
        node=node,
        cluster=cluster["name"] if cluster else "",
        others=(*found.others, *(p for p in found.pods if len(found.pods) > 1)),
    )


def _emphasised(line: str, found: _Found) -> None:
    """A line that opens with ``*shop/checkout-7d9f8c6b5-x8k2p*`` or ``*pod/checkout-1*``."""
    match = _EMPHASISED.match(line)
    if not match:
        return
    first, name = match["first"], match["name"].rstrip(".")
    kind = KINDS.get(first)
    if kind:
        found.add(kind, name)
    elif is_namespace(first):
        found.spaces[first] = None
        if pod_owner(name):
            found.pods[name] = None
        elif name:
            found.others[name] = None
