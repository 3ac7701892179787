"""What an alert is about, from what its sender named.

The trap is the scrape job: with kube-state-metrics or an exporter in between, ``pod``, ``container``, ``service``, ``instance`` and
sometimes ``namespace`` tell who was asked, not who is ill. Labels named ``exported_*`` are the subject's own; a pod that belongs to the
exporter is dropped; prose is read only in the forms of well-known rules, and only for what no label says. A wrong pod is worse than none.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.alerts.sentences import KINDS, read_sentences
from bot.alerts.shapes import is_exporter, is_host, is_name, is_namespace, pod_owner
from bot.alerts.words import field_of

# In order of trust. Dots, dashes and underscores are the same here: k8s.pod.name, k8s_pod_name.
_KEYS: dict[str, tuple[str, ...]] = {
    "namespace": (
        "exported_namespace", "k8s_namespace_name", "kubernetes_namespace_name", "kubernetes_namespace", "kube_namespace",
        "destination_workload_namespace", "destination_service_namespace", "namespace_name",
        "k8s_ns_name", "pod_namespace", "namespace", "ns",
    ),
    "pod": (
        "exported_pod", "k8s_pod_name", "kubernetes_pod_name", "kube_pod_name", "pod_name", "pod", "podname", "kubernetes_pod",
    ),
    "container": (
        "exported_container", "k8s_container_name", "kubernetes_container_name", "kube_container_name", "container_name", "container",
    ),
    "node": (
        "exported_node", "k8s_node_name", "kubernetes_node_name", "kubernetes_node", "kube_node", "node_name", "nodename", "node",
    ),
    "cluster": (
        "k8s_cluster_name", "kubernetes_cluster_name", "kubernetes_cluster", "kube_cluster_name", "cluster_name", "clustername",
        "cluster", "cluster_id",
    ),
    "service": (
        "service_name", "exported_service", "destination_service_name", "destination_workload", "kube_service", "servicename",
        "service", "application", "app_kubernetes_io_name", "app",
    ),
}  # fmt: skip
_WORKLOADS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Deployment", (
        "deployment", "k8s_deployment_name", "kubernetes_deployment_name", "kube_deployment", "deployment_name", "exported_deployment",
    )),
    ("StatefulSet", ("statefulset", "k8s_statefulset_name", "kubernetes_statefulset_name", "kube_stateful_set", "stateful_set")),
    ("DaemonSet", ("daemonset", "k8s_daemonset_name", "kubernetes_daemonset_name", "kube_daemon_set", "daemon_set")),
    ("CronJob", ("cronjob", "k8s_cronjob_name", "kubernetes_cronjob_name", "kube_cronjob", "owner_cronjob")),
    ("Job", ("job_name", "k8s_job_name", "kubernetes_job_name", "kube_job")),
    ("ReplicaSet", ("replicaset", "k8s_replicaset_name", "kube_replica_set")),
)  # fmt: skip
# Labels that make an alert one about something in a namespace, so that its namespace label is the subject's.
_NAMESPACED = (
    "persistentvolumeclaim", "horizontalpodautoscaler", "hpa", "resourcequota", "poddisruptionbudget", "ingress", "exported_namespace",
    "configmap", "secret",
)  # fmt: skip
_CUT = ("…", "...", "… (more)")
_OBJECTS = ("resource", "object", "involved_object")
_OBJECT_KEYS = {
    "pod": "pod", "deployment": "deployment", "statefulset": "statefulset", "daemonset": "daemonset", "job": "job_name",
    "cronjob": "cronjob", "node": "node",
}  # fmt: skip
_NODE_RULE = re.compile(r"(?i)node|kubelet|instance|host")
_OTHER_RULE = re.compile(
    r"(?i)deployment|statefulset|daemonset|replicas|hpa|autoscaler|job|node|persistentvolume|quota|kubelet|target|namespace"
)
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
    for key in _OBJECTS:
        if key in known:
            _object(known, known[key])
    text = "\n".join(prose)[:8_000]
    workload = _workload(known)
    pod, path_namespace = _pod(known, workload, text, name)
    namespace = path_namespace or _namespace(known, workload, pod)
    if _cut_off(known, prose) and (is_exporter(known.get("pod", "")) or _scraped_by(known)):
        # The labels that would tell who is ill from who was asked may be what is missing.
        pod = "" if is_exporter(pod) else pod
        namespace = namespace if pod or workload else ""
    node = _first(known, "node", is_host) or _node_of_instance(known)
    said = read_sentences(prose)
    pod_known = "pod" in known or "exported_pod" in known or "k8s_pod_name" in known
    if not pod and not pod_known and not workload:
        pod = said.pod if not namespace or said.namespace in ("", namespace) else ""
    if not workload and not pod:
        workload = said.workload if not namespace or said.namespace in ("", namespace) else ""
    if not namespace and (not _first(known, "namespace", is_namespace) or said.pod or said.workload):
        namespace = said.namespace
    if not pod and not pod_known and not workload:
        pod, beside = _pod_of_values(values, name)
        namespace = namespace or beside
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


def _cut_off(known: Mapping[str, str], prose: Sequence[str]) -> bool:
    """Whether the text was cut: a value or a line ends in an ellipsis."""
    return any(t.rstrip().endswith(_CUT) for t in (*known.values(), *prose)) or any("… (" in t for t in prose)


def _object(known: dict[str, str], path: str) -> None:
    """``pod/shop/checkout-1`` or ``Deployment/checkout``: what a field gives as the object, for labels that say nothing themselves."""
    kind, *rest = path.strip("`").split("/")
    key = _OBJECT_KEYS.get(kind.lower(), "")
    if key and len(rest) in (1, 2) and all(map(is_name, rest)):
        known.setdefault(key, rest[-1])
        if len(rest) == 2:
            known.setdefault("namespace", rest[0])


def _first(known: Mapping[str, str], what: str, good: Callable[[str], bool]) -> str:
    for key in _KEYS[what]:
        value = known.get(key, "")
        if value and good(value):
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
        kind = KINDS.get(known.get("workload_type", known.get("workload_kind", "")).lower(), "")
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
        owner = workload.rpartition("/")[2]
        if owner and not value.startswith(owner):
            return "", ""  # the pod of somebody else than the workload that the alert is about: the scrape's
        if is_exporter(value) and value not in text and not _stands_alone(value, known, workload, name):
            return "", ""
        return value, ""
    return "", ""


def _stands_alone(pod: str, known: Mapping[str, str], workload: str, name: str) -> bool:
    """Whether an exporter's pod is itself what is ill: another exporter told of it, or a rule about pods has no other subject."""
    asked = _scraped_by(known)
    if asked and not any(one.rpartition("/")[2] in pod for one in asked):
        return True
    if asked or workload or any(k in known for k in _NAMESPACED) or known.get("node"):
        return False
    return bool(_POD_RULE.search(name)) and not _NODE_RULE.search(name)


def _namespace(known: Mapping[str, str], workload: str, pod: str) -> str:
    for key in _KEYS["namespace"]:
        value = known.get(key, "")
        if not is_namespace(value):
            continue
        named = key not in ("namespace", "ns", "pod_namespace")
        if named or pod or workload or any(k in known for k in _NAMESPACED):
            return value
        scraper = _scraped_by(known)
        elsewhere = bool(_first(known, "node", is_host)) or any("node" in s or "blackbox" in s for s in scraper)
        if scraper and elsewhere:
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


def _pod_of_values(values: Sequence[str], name: str) -> tuple[str, str]:
    """(the one bare value that can only be a pod, its namespace in ``shop/checkout-7d9f8c6b5-x8k2p``), unless the rule is about others."""
    if _OTHER_RULE.search(name) and not _POD_RULE.search(name):
        return "", ""
    found: dict[str, str] = {}
    for value in values:
        namespace, _, pod = value.rpartition("/")
        if pod_owner(pod) and not is_exporter(pod) and (not namespace or is_namespace(namespace)):
            found[pod] = found.get(pod) or namespace
    return next(iter(found.items())) if len(found) == 1 else ("", "")
