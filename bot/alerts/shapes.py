"""What a bare value looks like.

Alertmanager's default Slack title drops label names, so ``shop checkout-7d9f8c6b5-x8k2p 10.42.0.9:8443 warning`` is all there is. A few
shapes are unambiguous; the rest stay bare values that a cluster must verify. Names of exporters get their own test, because the pod that
scraped a metric is never what the alert is about.
"""

import re
from typing import Literal

Shape = Literal["pod", "uid", "address", "url", "severity", "reason", "node", "path", "number", "name", "text"]

# Kubernetes draws suffixes from this alphabet: no vowels, no 0, 1 and 3.
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_POD_STRICT = re.compile(rf"^(?P<owner>[a-z0-9]([-a-z0-9.]{{0,230}}[a-z0-9])?)-[{_SAFE}]{{5,10}}-[{_SAFE}]{{5}}$")
_POD_HEX = re.compile(
    r"^(?P<owner>[a-z0-9]([-a-z0-9.]{0,230}[a-z0-9])?)-(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,10}-(?=[a-z0-9]*[0-9])[a-z0-9]{5}$"
)
_UID = re.compile(r"^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$")
_ADDRESS = re.compile(r"^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]{2,45}\]|[a-z0-9][-a-z0-9.]{0,250}(?=:))(?::\d{1,5})?$")
_NODE = re.compile(
    r"^(?:ip-\d{1,3}(?:-\d{1,3}){3}[-a-z0-9.]*|gke-[-a-z0-9]+|aks-[-a-z0-9]+-vmss[0-9a-z]+|[-a-z0-9]*(?:node|worker|master|control-plane)-?\d+[-a-z0-9.]*)$"
)
_REASONS = frozenset(
    [
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "OOMKilled",
        "Error",
        "Completed",
        "ContainerCannotRun",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "DeadlineExceeded",
        "Evicted",
        "NodeLost",
        "Pending",
        "Unknown",
        "Failed",
        "ContainerCreating",
        "PodInitializing",
        "Terminating",
        "StartError",
        "ContainersNotReady",
        "NotReady",
        "NodeNotReady",
        "BackOff",
        "FailedScheduling",
        "FailedMount",
        "FailedAttachVolume",
        "FailedCreatePodSandBox",
        "Unschedulable",
    ]
)
_PASSING = frozenset(
    ["Completed", "Pending", "Unknown", "ContainerCreating", "PodInitializing", "Terminating", "Failed", "Error"]
)
_SEVERITIES = frozenset({"critical", "warning", "info", "none", "error", "page"})
_LABEL = re.compile(r"^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$")
_NAME = re.compile(r"^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$")
# Nodes may be mixed case on clouds that do not care; hosts too.
_HOST = re.compile(r"^[A-Za-z0-9](?:[-A-Za-z0-9._]{0,251}[A-Za-z0-9])?$")
_NOTHING = frozenset(
    [
        "none",
        "null",
        "nil",
        "na",
        "n-a",
        "unknown",
        "undefined",
        "empty",
        "nan",
        "default-value",
        "not-set",
        "unset",
        "no-value",
        "multiple",
        "various",
        "all",
        "several",
        "true",
        "false",
    ]
)
_EXPORTER = re.compile(
    r"kube-state-metrics|(?:^|[-_])ksm(?:$|[-_])|node-exporter|node_exporter|[-_]exporter(?:$|[-_])|kube-rbac-proxy|cadvisor|metrics-server"
    r"|(?:^|[-_])prometheus(?:$|[-_])|(?:^|[-_])(?:vmagent|kubelet|alloy|grafana-agent|otel-collector|opentelemetry-collector|blackbox)(?:$|[-_])"
)


def is_trouble(text: str) -> bool:
    """Whether ``text`` is a state that Kubernetes gives to what is ill: ``CrashLoopBackOff``, ``OOMKilled``; not those of passage."""
    return text in _REASONS and text not in _PASSING


def is_namespace(text: str) -> bool:
    """Whether ``text`` can be a namespace's name at all and is no placeholder such as ``none``."""
    return bool(_LABEL.match(text)) and text not in _NOTHING


def is_name(text: str) -> bool:
    """Whether ``text`` can be the name of a pod or a workload."""
    return bool(_NAME.match(text)) and text not in _NOTHING


def is_host(text: str) -> bool:
    """Whether ``text`` can be a node's name."""
    return bool(_HOST.match(text)) and text.lower() not in _NOTHING


def pod_owner(text: str) -> str:
    """The Deployment that a pod's name gives away (``checkout`` for ``checkout-7d9f8c6b5-x8k2p``), "" when the shape is not a pod's."""
    match = _POD_STRICT.match(text)
    if match and any(c.isdigit() for c in text[len(match["owner"]) :]):
        return match["owner"]
    match = _POD_HEX.match(text)
    return match["owner"] if match else ""


def is_exporter(text: str) -> bool:
    """Whether ``text`` names something that scrapes or exports metrics: it tells about others, not about itself."""
    return bool(_EXPORTER.search(text.lower()))


def shape_of(value: str) -> Shape:
    """The shape of one bare value. ``name`` is any lower-case name: a namespace, a workload, a cluster; only a cluster can tell."""
    if _UID.match(value):
        return "uid"
    if value in _SEVERITIES:
        return "severity"
    if value in _REASONS:
        return "reason"
    if pod_owner(value):
        return "pod"
    if value.startswith(("http://", "https://")):
        return "url"
    if value.replace(".", "", 1).lstrip("-").isdigit():
        return "number"
    if _ADDRESS.match(value):
        return "address"
    if value.startswith("/"):
        return "path"
    if _NODE.match(value):
        return "node"
    return "name" if _NAME.match(value) else "text"
