"""What an event means by itself: its reason, and where the reason is too coarse its message.

Objects tell more than events (`pod_signals`), but events are what is left when a pod is gone, and all there is about nodes and volumes.
"""

from collections.abc import Sequence
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import images
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.crashes import killed_for_memory
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.quantities import iso
from mcp_servers.kubernetes.references import missing_by_message
from mcp_servers.kubernetes.scheduling import explain

CODES = (
    "k8s.pod.unschedulable",
    "k8s.pod.crash_loop",
    "k8s.pod.image_pull",
    "k8s.pod.config_error",
    "k8s.pod.volume_mount",
    "k8s.pod.volume_attach",
    "k8s.pod.evicted",
    "k8s.pod.preempted",
    "k8s.pod.oom_killed",
    "k8s.pod.sandbox_failed",
    "deploy.failed_create",
    "hpa.no_metrics",
    "node.not_ready",
    "node.memory_pressure",
    "node.disk_pressure",
    "pvc.pending",
)
_SIMPLE = {
    "FailedAttachVolume": ("k8s.pod.volume_attach", ""),
    "Preempted": ("k8s.pod.preempted", ""),
    "OOMKilling": ("k8s.pod.oom_killed", ""),
    "SystemOOM": ("node.memory_pressure", ""),
    "NodeNotReady": ("node.not_ready", "unknown"),
    "NodeHasInsufficientMemory": ("node.memory_pressure", ""),
    "NodeHasDiskPressure": ("node.disk_pressure", ""),
    "FreeDiskSpaceFailed": ("node.disk_pressure", ""),
    "ImageGCFailed": ("node.disk_pressure", ""),
    "ContainerGCFailed": ("node.not_ready", "runtime"),
    "FailedGetResourceMetric": ("hpa.no_metrics", ""),
    "FailedComputeMetricsReplicas": ("hpa.no_metrics", ""),
    "ProvisioningFailed": ("pvc.pending", "provisioning_failed"),
    "NetworkNotReady": ("k8s.pod.sandbox_failed", "network"),
    "InvalidImageName": ("k8s.pod.image_pull", "invalid_name"),
    "ErrImageNeverPull": ("k8s.pod.image_pull", "not_found"),
}


def event_signal(same: Sequence[Json]) -> Signal | None:
    """The signal of events that say the same (one group); ``None`` where the event only tells a story."""
    newest: Any = max(same, key=lambda e: iso(o.event_time(e)))
    reason, message = o.text(newest, "reason"), o.text(newest, "message")
    meaning = _meaning(reason, message)
    if meaning is None or (o.text(newest, "type") == "Normal" and reason not in ("Preempted", "NodeNotReady")):
        return None
    code, refined, detail = meaning
    kind, called = o.text(newest, "involvedObject", "kind"), o.text(newest, "involvedObject", "name")
    space = o.text(newest, "involvedObject", "namespace")
    subject = o.ref(kind, "" if kind == "Node" else space, called)
    deployment = (
        o.deployment_of_pod(called)
        if kind == "Pod"
        else o.deployment_of_replicaset(called)
        if kind == "ReplicaSet"
        else ""
    )
    firsts = [t for e in same if (t := o.event_first(e))]
    return signal(
        code,
        subject,
        clean(detail or message, 240),
        owner=o.ref("Deployment", space, deployment) if deployment else "",
        reason=refined,
        since=iso(min(firsts)) if firsts else None,
        count=sum(o.event_count(e) for e in same),
    )


def _meaning(reason: str, message: str) -> tuple[str, str, str] | None:
    """(code, catalogue reason, sentence or "" for the message itself)."""
    lowered = message.lower()
    if reason in _SIMPLE:
        code, refined = _SIMPLE[reason]
        if reason == "ProvisioningFailed" and "storageclass" in lowered and "not found" in lowered:
            refined = "storage_class"
        return code, refined, ""
    if reason == "FailedScheduling":
        if "skip schedule deleting" in message:
            return None
        verdict = explain({}, message, None)[0]
        return "k8s.pod.unschedulable", verdict.reason, message
    if reason == "BackOff":
        if "pulling image" in lowered:
            return "k8s.pod.image_pull", images.classify(message), ""
        return "k8s.pod.crash_loop", "unknown", ""
    if reason in ("Failed", "InspectFailed"):
        return _failed(message)
    if reason == "FailedMount":
        missing, sentence = missing_by_message(message)
        known = missing if missing in ("configmap_missing", "secret_missing") else ""
        fallback = (
            "permission_denied"
            if "permission denied" in lowered
            else "timeout"
            if "timed out" in lowered
            else "unknown"
        )
        return "k8s.pod.volume_mount", known or fallback, sentence
    if reason == "Evicted":
        kinds = (("memory", "memory"), ("ephemeral-storage", "disk"), ("disk", "disk"), ("pid", "pid"))
        return "k8s.pod.evicted", next((k for w, k in kinds if w in lowered), "unknown"), ""
    if reason == "FailedCreatePodSandBox":
        if killed_for_memory(message):
            return "k8s.pod.oom_killed", "", "killed for memory while it was set up"
        runtime = any(w in lowered for w in ("containerd.sock", "crio.sock", "docker.sock"))
        network = any(w in lowered for w in ("cni", "network", "ipam"))
        return "k8s.pod.sandbox_failed", "runtime" if runtime else "network" if network else "unknown", ""
    if reason == "FailedCreate":
        kinds = (
            ("exceeded quota", "quota"),
            ("service account", "service_account_missing"),
            ("limit", "limit_range"),
            ("admission", "admission"),
        )
        return "deploy.failed_create", next((k for w, k in kinds if w in lowered), "unknown"), ""
    return None


def _failed(message: str) -> tuple[str, str, str] | None:
    """``Failed`` is the kubelet's word for images and for containers alike."""
    lowered = message.lower()
    if "failed to pull image" in lowered or "failed to inspect image" in lowered:
        return "k8s.pod.image_pull", images.classify(message), ""
    if message in ("Error: ErrImagePull", "Error: ImagePullBackOff"):
        return None  # the message beside it says why
    if killed_for_memory(message):
        return "k8s.pod.oom_killed", "", "killed for memory while it started"
    missing, sentence = missing_by_message(message)
    if missing:
        return "k8s.pod.config_error", missing, sentence
    if any(
        w in lowered
        for w in ("executable file not found", "exec format error", "no such file or directory", "permission denied")
    ):
        return "k8s.pod.config_error", "command_invalid", ""
    if "runasnonroot" in lowered or "run as root" in lowered:
        return "k8s.pod.config_error", "security_context", ""
    return "k8s.pod.config_error", "unknown", ""
