"""What an alert is about, from what its sender named.

The trap is the scrape job: with kube-state-metrics or an exporter in between, ``pod``, ``container``, ``service``, ``instance`` and sometimes
``namespace`` tell who was asked, not who is ill. Labels named ``exported_*`` are the subject's own; a pod that belongs to the exporter is
dropped; prose is read only in the forms of well-known rules, and only for what no label says. A wrong pod is worse than none.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.alerts.shapes import is_exporter, is_host, is_name, is_namespace, pod_owner
from bot.alerts.words import field_of

# In order of trust. Dots, dashes and underscores are the same here: k8s.pod.name, k8s_pod_name.
_KEYS: dict[str, tuple[str, ...]] = {
    "namespace": (
        "exported_namespace", "k8s_namespace_name", "kubernetes_namespace_name", "kubernetes_namespace", "kube_namespace",
        "destination_workload_namespace", "destination_service_namespace", "namespace_name", "pod_namespace", "namespace", "ns",
    ),
    "pod": ("exported_pod", "k8s_pod_name", "kubernetes_pod_name", "kube_pod_name", "pod_name", "pod", "podname", "kubernetes_pod"),
    "container": ("exported_container", "k8s_container_name", "kubernetes_container_name", "kube_container_name", "container_name", "container"),
    "node": (
        "exported_node", "k8s_node_name", "kubernetes_node_name", "kubernetes_node", "kube_node", "node_name", "nodename", "node",
    ),
    "cluster": ("k8s_cluster_name", "kubernetes_cluster_name", "kubernetes_cluster", "kube_cluster_name", "cluster_name", "clustername", "cluster", "cluster_id"),
    "service": ("service_name", "exported_service", "destination_service_name", "destination_workload", "kube_service", "servicename", "service", "application", "app_kubernetes_io_name", "app"),
}  # fmt: skip
_WORKLOADS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Deployment", ("deployment", "k8s_deployment_name", "kubernetes_deployment_name", "kube_deployment", "deployment_name", "exported_deployment")),
    ("StatefulSet", ("statefulset", "k8s_statefulset_name", "kubernetes_statefulset_name", "kube_stateful_set", "stateful_set")),
    ("DaemonSet", ("daemonset", "k8s_daemonset_name", "kubernetes_daemonset_name", "kube_daemon_set", "daemon_set")),
    ("CronJob", ("cronjob", "k8s_cronjob_name", "kubernetes_cronjob_name", "kube_cronjob", "owner_cronjob")),
    ("Job", ("job_name", "k8s_job_name", "kubernetes_job_name", "kube_job")),
    ("ReplicaSet", ("replicaset", "k8s_replicaset_name", "kube_replica_set")),
)  # fmt: skip
# Labels that make an alert one about something in a namespace, so that its namespace label is the subject's.
_NAMESPACED = (
    "persistentvolumeclaim", "horizontalpodautoscaler", "hpa", "resourcequota", "poddisruptionbudget", "ingress", "exported_namespace",
    "endpoint_name", "configmap", "secret",
)  # fmt: skip
_KINDS = {
    "pod": "Pod", "po": "Pod", "pods": "Pod", "deployment": "Deployment", "deploy": "Deployment", "deployments": "Deployment",
    "statefulset": "StatefulSet", "sts": "StatefulSet", "daemonset": "DaemonSet", "ds": "DaemonSet", "job": "Job", "cronjob": "CronJob",
    "replicaset": "ReplicaSet", "rs": "ReplicaSet", "node": "Node", "no": "Node", "service": "Service", "svc": "Service",
    "namespace": "Namespace", "ns": "Namespace", "hpa": "HPA", "horizontalpodautoscaler": "HPA", "pvc": "PVC",
    "persistentvolumeclaim": "PVC", "container": "Container",
}  # fmt: skip
_N = r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?"
_Q = r"[`\"'*“]{0,2}"
_KIND_PATH = re.compile(
    rf"\b(?P<kind>[Pp]od|[Dd]eployment|[Ss]tateful[Ss]et|[Dd]aemon[Ss]et|[Cc]ron[Jj]ob|[Jj]ob|[Rr]eplica[Ss]et|HPA|[Ss]ervice|PVC)s?:? {_Q}(?P<ns>[a-z0-9][-a-z0-9]{{0,62}})/(?P<name>{_N})(?![\w/])"
)
_IN_NAMESPACE = re.compile(
    rf"\bin (?:the )?(?:Kubernetes )?[Nn]amespace:? (?P<q>{_Q})(?P<ns>[a-z0-9][-a-z0-9]{{0,62}})(?![\w/])"
)
_NAMESPACE_IS = re.compile(
    r"\bNamespace (?P<q>[`\"'*“]{0,2})(?P<ns>[a-z0-9][-a-z0-9]{0,62})[`\"'*”]{0,2} (?:is|has|uses|was)\b"
)
_NAMESPACE_QUOTED = re.compile(r"\b[Nn]amespace:? [`\"'](?P<ns>[a-z0-9][-a-z0-9]{0,62})[`\"']")
_POD_ALONE = re.compile(rf"\b[Pp]od:? {_Q}(?P<name>{_N})(?![\w/])")
_CLUSTER = re.compile(rf"\b(?:on|in) cluster {_Q}(?P<name>[A-Za-z0-9](?:[-A-Za-z0-9_.]{{0,120}}[A-Za-z0-9])?)")
_NODE_ALONE = re.compile(
    r"(?:^|\s)(?:Kubernetes )?[Nn]ode:? [`\"']?(?P<name>[a-z0-9][-a-z0-9.]{1,250}[a-z0-9])[`\"']?(?=\s|$)"
)
_EMPHASISED = re.compile(
    r"^\s*(?:[•·>-]\s*)?(?P<q>[*`_]{1,2})(?P<first>[a-z0-9][-a-z0-9]{0,62})/(?P<name>(?:[a-z0-9][-a-z0-9.]{0,251})?)(?P=q)(?=\s|$|:)"
)
_STOP = frozenset(
    [
        "is",
        "has",
        "had",
        "have",
        "was",
        "were",
        "are",
        "be",
        "been",
        "and",
        "or",
        "of",
        "the",
        "a",
        "an",
        "in",
        "on",
        "at",
        "to",
        "for",
        "with",
        "by",
        "not",
        "no",
        "any",
        "all",
        "this",
        "that",
        "its",
        "quota",
        "quotas",
        "limit",
        "status",
        "state",
        "name",
        "names",
        "phase",
        "count",
        "total",
        "usage",
        "memory",
        "cpu",
        "level",
        "which",
        "whose",
        "exists",
        "does",
        "did",
        "crash",
        "crashing",
        "crashed",
        "failed",
        "failing",
        "not-ready",
        "ready",
        "restarting",
        "restarted",
        "restarts",
        "pending",
        "running",
        "down",
        "up",
        "exporter",
        "unknown",
        "kind",
        "type",
        "label",
        "labels",
    ]
)
_NODE_RULE = re.compile(r"(?i)node|kubelet|instance|host")
_POD_RULE = re.compile(r"(?i)pod|container|crash|oom")


@dataclass(frozen=True, slots=True)
class Subject:
    """Empty where unknown. ``others`` are names that stood there without a kind, for a cluster to verify."""

    namespace: str = ""
    pod: str = ""
    container: str = ""
    workload: str = ""
    service: str = ""
    node: str = ""
    cluster: str = ""
    others: tuple[str, ...] = ()


def normal(key: str) -> str:
    """A label's name for comparison: ``k8s.pod.name`` and ``k8s_pod_name`` are one, ``Pod Name`` and its translations too."""
    folded = key.strip().lower().replace(".", "_").replace("-", "_").replace("/", "_").replace(" ", "_")
    return (
        folded.removeprefix("resource_").removeprefix("label_")
        if folded.startswith(("resource_", "label_"))
        else folded
    )


def find(labels: Mapping[str, str], prose: Sequence[str] = (), name: str = "", values: Sequence[str] = ()) -> Subject:
    """The `Subject` of one alert: its labels first, then well-known sentences in ``prose``, then values of unmistakable shape."""
    known = {normal(k): v.strip() for k, v in labels.items() if v and len(v) <= 300}
    for key, value in labels.items():
        field = field_of(key)
        if field in ("namespace", "pod", "container", "node", "cluster", "service", "deployment"):
            known.setdefault(field, value.strip())
    text = "\n".join(prose)[:8_000]
    workload = _workload(known)
    pod, path_namespace = _pod(known, workload, text, name)
    namespace = path_namespace or _namespace(known, workload, pod)
    node = _first(known, "node", is_host) or _node_of_instance(known)
    said = _prose(text, prose)
    pod_known = "pod" in known or "exported_pod" in known or "k8s_pod_name" in known
    if not pod and not pod_known and not workload:
        pod = said.pod if not namespace or said.namespace in ("", namespace) else ""
    if not workload and not pod:
        workload = said.workload if not namespace or said.namespace in ("", namespace) else ""
    if not namespace and (not _first(known, "namespace", is_namespace) or said.pod or said.workload):
        namespace = said.namespace
    if not pod and not pod_known and not workload:
        pod = _pod_of_values(values, name)
    return Subject(
        namespace=namespace,
        pod=pod,
        container=_first(known, "container", lambda v: is_name(v) and not is_exporter(v)),
        workload=workload,
        service=_first(known, "service", lambda v: bool(v) and len(v) <= 200 and "\n" not in v and not is_exporter(v)),
        node=node or (said.node if not pod else ""),
        cluster=_first(known, "cluster", is_host) or said.cluster,
        others=said.others,
    )


def _first(known: Mapping[str, str], what: str, good: object) -> str:
    check = good
    for key in _KEYS[what]:
        value = known.get(key, "")
        if value and callable(check) and check(value):
            return value
    return ""


def _workload(known: Mapping[str, str]) -> str:
    for kind, keys in _WORKLOADS:
        for key in keys:
            value = known.get(key, "")
            if is_name(value) and not (kind == "Deployment" and "/" in value):
                return f"{kind}/{value}"
    value = known.get("workload", "")
    if is_name(value):
        kind = _KINDS.get(known.get("workload_type", known.get("workload_kind", "")).lower(), "")
        return f"{kind}/{value}" if kind else value
    return ""


def _scraped_by(known: Mapping[str, str]) -> tuple[str, ...]:
    """Names of who was asked for the metric, where that was an exporter."""
    return tuple(
        v for k in ("job", "service", "container", "endpoint", "app") if (v := known.get(k, "")) and is_exporter(v)
    )


def _pod(known: Mapping[str, str], workload: str, text: str, name: str) -> tuple[str, str]:
    """(the pod that the labels name, its namespace where the label says ``namespace/pod``)."""
    for key in _KEYS["pod"]:
        value = known.get(key, "")
        namespace, slash, tail = value.partition("/")
        if slash and is_namespace(namespace) and is_name(tail):
            return tail, namespace
        if not is_name(value):
            continue
        if key in ("exported_pod", "k8s_pod_name"):
            return value, ""
        kind, _, owner = workload.rpartition("/")
        if owner and not value.startswith(owner):
            return "", ""  # the pod of somebody else than the workload that the alert is about: the scrape's
        if is_exporter(value) and not _is_subject(value, known, workload, text, name, kind):
            return "", ""
        return value, ""
    return "", ""


def _is_subject(pod: str, known: Mapping[str, str], workload: str, text: str, name: str, kind: str) -> bool:
    """Whether an exporter's pod is itself what is ill: a sentence names it, or a rule about pods has no other subject."""
    if pod in text:
        return True
    if workload or kind or any(k in known for k in _NAMESPACED) or known.get("node"):
        return False
    return bool(_POD_RULE.search(name)) and not _NODE_RULE.search(name) and "instance" not in known


def _namespace(known: Mapping[str, str], workload: str, pod: str) -> str:
    for key in _KEYS["namespace"]:
        value = known.get(key, "")
        if not is_namespace(value):
            continue
        named = key not in ("namespace", "ns", "pod_namespace")
        if named or pod or workload or any(k in known for k in _NAMESPACED):
            return value
        scraper = _scraped_by(known)
        about_node = bool(_first(known, "node", is_host)) or any("node" in s for s in scraper)
        if scraper and about_node:
            return ""  # where the exporter lives, not what is ill
        own = known.get("pod", "")
        if own and is_exporter(own) and not scraper:
            return ""
        return value
    return ""


def _node_of_instance(known: Mapping[str, str]) -> str:
    """The host of a node exporter's ``instance``, where it is a name; an address is no name of a node."""
    if not any("node" in s.lower() for s in _scraped_by(known)):
        return ""
    host = known.get("instance", "").rsplit(":", 1)[0]
    return host if is_host(host) and not re.match(r"^[\d.]+$", host) and any(c.isalpha() for c in host) else ""


def _prose(text: str, lines: Sequence[str]) -> Subject:
    """What well-known sentences say; a sentence that names several different pods names none."""
    pods: dict[str, str] = {}
    workloads: dict[str, str] = {}
    spaces: dict[str, None] = {}
    others: dict[str, None] = {}
    for match in _KIND_PATH.finditer(text):
        kind, namespace, found = _KINDS[match["kind"].lower()], match["ns"], match["name"].rstrip(".")
        if not is_namespace(namespace):
            continue
        spaces[namespace] = None
        if kind == "Pod":
            pods[found] = namespace
        elif kind in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet"):
            workloads[f"{kind}/{found}"] = namespace
    for line in lines:
        for single in line.split("\n"):
            _emphasised(single, pods, workloads, spaces, others)
    for pattern in (_IN_NAMESPACE, _NAMESPACE_IS, _NAMESPACE_QUOTED):
        for match in pattern.finditer(text):
            if match["ns"] not in _STOP and is_namespace(match["ns"]):
                spaces[match["ns"]] = None
    if not pods:
        for match in _POD_ALONE.finditer(text):
            if pod_owner(match["name"]) or re.search(r"-\d{1,3}$", match["name"]):
                pods[match["name"]] = ""
    node = next(
        (m["name"] for m in _NODE_ALONE.finditer(text) if m["name"] not in _STOP and re.search(r"[\d.-]", m["name"])),
        "",
    )
    cluster = _CLUSTER.search(text)
    return Subject(
        namespace=next(iter(spaces)) if len(spaces) == 1 else "",
        pod=next(iter(pods)) if len(pods) == 1 and len(spaces) <= 1 else "",
        workload=next(iter(workloads)) if len(workloads) == 1 and len(spaces) <= 1 else "",
        node=node,
        cluster=cluster["name"] if cluster else "",
        others=tuple([*others, *(p for p in pods if len(pods) > 1)]),
    )


def _emphasised(
    line: str, pods: dict[str, str], workloads: dict[str, str], spaces: dict[str, None], others: dict[str, None]
) -> None:
    """A line that opens with ``*shop/checkout-7d9f8c6b5-x8k2p*`` or ``*pod/checkout-1*``."""
    match = _EMPHASISED.match(line)
    if not match:
        return
    first, found = match["first"], match["name"].rstrip(".")
    kind = _KINDS.get(first)
    if kind:
        if kind == "Pod" and is_name(found):
            pods[found] = ""
        elif kind in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob") and is_name(found):
            workloads[f"{kind}/{found}"] = ""
    elif is_namespace(first):
        spaces[first] = None
        if pod_owner(found):
            pods[found] = first
        elif found:
            others[found] = None


def _pod_of_values(values: Sequence[str], name: str) -> str:
    """The one bare value that can only be a pod, unless the rule is about something else than pods."""
    if re.search(
        r"(?i)deployment|statefulset|daemonset|replicas|hpa|autoscaler|job|node|persistentvolume|quota|kubelet|target|namespace",
        name,
    ) and not _POD_RULE.search(name):
        return ""
    found = {v for v in values if pod_owner(v) and not is_exporter(v)}
    return found.pop() if len(found) == 1 else ""
