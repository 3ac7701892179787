"""Pods in good order, without the parts that triage has no use for.

A triage of a large cluster holds thousands of pods at once, nearly all of them healthy. What tells that a pod is well stays, and so does
what Services, quotas and the scheduler are judged by; what only explains trouble (mounts, environment, tolerations) goes, page by page,
before the next page is read.
"""

from typing import Any

from mcp_servers.kubernetes import objects as o

Json = dict[str, Any]
_META = ("managedFields", "annotations", "resourceVersion", "generateName")
_SPEC = (
    "volumes",
    "tolerations",
    "securityContext",
    "dnsPolicy",
    "enableServiceLinks",
    "terminationGracePeriodSeconds",
)
_CONTAINER = (
    *("volumeMounts", "envFrom", "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy"),
    *("securityContext", "lifecycle", "command", "args"),
)


def in_order(pod: Json) -> bool:
    """Whether the pod is ready, has never restarted and is not on its way out."""
    if o.text(pod, "status", "phase") != "Running" or o.is_deleting(pod) or not o.is_ready(pod):
        return False
    statuses = o.rows(pod, "status", "containerStatuses")
    return bool(statuses) and all(s.get("restartCount") == 0 and s.get("ready") is True for s in statuses)


def slim(pod: Json) -> Json:
    """``pod``, lighter where it is `in_order`; changes it in place."""
    if not in_order(pod):
        return pod
    _drop(o.branch(pod, "metadata"), _META)
    _drop(o.branch(pod, "spec"), _SPEC)
    for container in o.rows(pod, "spec", "containers"):
        _drop(container, _CONTAINER)
        if "env" in container:  # ports are told by such variables, see `service_ports`
            container["env"] = [e for e in o.rows(container, "env") if str(e.get("name")).endswith("PORT")]
    return pod


def _drop(tree: Json, keys: tuple[str, ...]) -> None:
    for key in keys:
        tree.pop(key, None)
