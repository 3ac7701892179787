"""The closed catalogue of signals: code -> severity and the closed set of reasons.

A server may emit only what stands here; the playbook linter refuses findings on anything else. Reasons refine a code where one
sentence of knowledge separates two root causes (an image that does not exist from one whose registry does not resolve).
"""

from dataclasses import dataclass

from mcp_servers.common.envelope import Severity, Signal


@dataclass(frozen=True)
class Entry:
    severity: Severity
    says: str
    reasons: tuple[str, ...] = ()


CATALOGUE: dict[str, Entry] = {
    # pods
    "k8s.pod.crash_loop": Entry(
        "critical",
        "a container keeps restarting",
        ("app_exit", "command_invalid", "killed", "completed", "port_conflict", "permission_denied", "unknown"),
    ),
    "k8s.pod.oom_killed": Entry("critical", "a container was killed at its memory limit"),
    "k8s.pod.image_pull": Entry(
        "critical",
        "an image cannot be pulled",
        ("not_found", "unauthorized", "registry_unreachable", "invalid_name", "rate_limited", "unknown"),
    ),
    "k8s.pod.config_error": Entry(
        "critical",
        "a container cannot be created",
        ("configmap_missing", "secret_missing", "key_missing", "security_context", "command_invalid", "unknown"),
    ),
    "k8s.pod.probe_liveness": Entry(
        "warning", "the liveness probe fails", ("wrong_port", "wrong_protocol", "timing", "failing", "unknown")
    ),
    "k8s.pod.probe_readiness": Entry(
        "warning", "the readiness probe fails", ("wrong_port", "wrong_protocol", "timing", "failing", "unknown")
    ),
    "k8s.pod.probe_startup": Entry(
        "warning", "the startup probe fails", ("wrong_port", "wrong_protocol", "timing", "failing", "unknown")
    ),
    "k8s.pod.unschedulable": Entry(
        "critical",
        "no node takes the pod",
        (
            "insufficient_cpu",
            "insufficient_memory",
            "insufficient_other",
            "node_selector",
            "node_affinity",
            "pod_affinity",
            "pod_anti_affinity",
            "taint",
            "node_not_ready",
            "cordoned",
            "host_port",
            "volume_unbound",
            "volume_node_affinity",
            "volume_other",
            "scheduler_silent",
            "unknown",
        ),
    ),
    "k8s.pod.evicted": Entry("warning", "the pod was evicted", ("memory", "disk", "pid", "unknown")),
    "k8s.pod.preempted": Entry("warning", "the pod was preempted"),
    "k8s.pod.init_stuck": Entry("warning", "an init container does not finish"),
    "k8s.pod.volume_mount": Entry(
        "critical",
        "a volume cannot be mounted",
        ("configmap_missing", "secret_missing", "claim_missing", "permission_denied", "timeout", "unknown"),
    ),
    "k8s.pod.volume_attach": Entry("critical", "a volume cannot be attached"),
    "k8s.pod.stuck_terminating": Entry("warning", "the pod does not go away"),
    "k8s.pod.deadline_exceeded": Entry("warning", "the pod exceeded its deadline"),
    "k8s.pod.node_lost": Entry("critical", "the pod's node is gone"),
    "k8s.pod.restart_recent": Entry("warning", "a container restarted recently"),
    "k8s.pod.not_ready": Entry("warning", "the pod is not ready"),
    "k8s.pod.sandbox_failed": Entry(
        "critical", "the pod's sandbox cannot be created", ("network", "runtime", "unknown")
    ),
    # workloads
    "deploy.stuck": Entry("critical", "the rollout exceeded its deadline"),
    "deploy.rollout_in_progress": Entry("info", "a rollout is running"),
    "deploy.unavailable": Entry("critical", "fewer replicas are available than wanted"),
    "deploy.failed_create": Entry(
        "critical",
        "pods cannot be created",
        ("quota", "service_account_missing", "admission", "limit_range", "unknown"),
    ),
    "deploy.paused": Entry("info", "the rollout is paused"),
    "deploy.new_revision_failing": Entry("critical", "only the new revision's pods fail"),
    "deploy.scaled_to_zero": Entry("critical", "the workload wants no replica"),
    "sts.ordinal_blocked": Entry("warning", "a StatefulSet waits for one ordinal"),
    "ds.misscheduled": Entry("info", "daemon pods run where they should not"),
    "ds.unavailable": Entry("critical", "daemon pods are missing on nodes"),
    "job.failed": Entry("warning", "a Job failed"),
    "cron.missed": Entry("warning", "a CronJob missed its schedule"),
    "hpa.at_max": Entry("warning", "the autoscaler is at its maximum"),
    "hpa.no_metrics": Entry("warning", "the autoscaler gets no metrics"),
    "hpa.scaled_recently": Entry("info", "the autoscaler scaled recently"),
    "pdb.blocking": Entry("warning", "a disruption budget allows nothing"),
    "quota.exceeded": Entry(
        "critical", "the namespace's quota is used up", ("cpu", "memory", "pods", "services", "storage", "other")
    ),
    # services and networking
    "svc.no_endpoints": Entry("critical", "the Service has no ready endpoint"),
    "svc.partial_endpoints": Entry("warning", "some endpoints are not ready"),
    "svc.selector_mismatch": Entry("critical", "the Service selects no pod"),
    "svc.port_mismatch": Entry("critical", "the Service's targetPort is not what its pods serve"),
    "svc.protocol_mismatch": Entry("critical", "the Service's protocol is not the container's"),
    "svc.address_wrong": Entry(
        "critical", "a workload is configured with the address of a Service or port that does not exist"
    ),
    "svc.missing": Entry("critical", "a Service that others call does not exist"),
    "svc.single_replica": Entry("info", "one replica only"),
    "svc.zone_skew": Entry("info", "endpoints crowd in one zone"),
    "svc.externalname": Entry("info", "the Service is a DNS alias"),
    "net.policy_blocks": Entry("warning", "a NetworkPolicy admits no traffic to the pods"),
    # storage
    "pvc.pending": Entry(
        "critical",
        "a claim is not bound",
        ("capacity", "access_mode", "storage_class", "selector", "already_bound", "provisioning_failed", "unknown"),
    ),
    "pvc.lost": Entry("critical", "a claim lost its volume"),
    # nodes and control plane
    "node.not_ready": Entry("critical", "a node is not ready", ("kubelet_silent", "runtime", "network", "unknown")),
    "node.memory_pressure": Entry("warning", "a node is short of memory"),
    "node.disk_pressure": Entry("warning", "a node is short of disk"),
    "node.pid_pressure": Entry("warning", "a node is short of process ids"),
    "node.network_unavailable": Entry("critical", "a node's network is down"),
    "node.cordoned": Entry("info", "a node takes no new pods"),
    "control.component_down": Entry(
        "critical", "a part of the control plane does not run", ("scheduler", "kube_proxy", "dns", "other")
    ),
    # resources
    "res.mem_near_limit": Entry("warning", "memory is near the limit"),
    "res.cpu_at_limit": Entry("warning", "CPU is at the limit"),
    "res.no_limits": Entry("info", "the container has no limits"),
    # changes
    "change.before_onset": Entry(
        "warning", "something changed shortly before the onset", ("rollout", "config", "scale", "other")
    ),
    "change.correlated": Entry("critical", "only what changed fails"),
    "change.rollback_seen": Entry("info", "somebody rolled back"),
    "change.none_found": Entry("info", "nothing changed in what could be seen"),
    # logs
    "log.error_spike": Entry("warning", "errors rose"),
    "log.new_pattern": Entry("warning", "a new kind of line appeared"),
    "log.silence": Entry("warning", "the log went silent"),
    "log.oom_text": Entry("critical", "the log tells of memory exhaustion"),
    "log.conn_refused": Entry(
        "warning", "the log tells of refused connections", ("refused", "dns", "timeout", "reset")
    ),
    "log.timeout_text": Entry("warning", "the log tells of time-outs"),
    "log.auth_failed": Entry("warning", "the log tells of refused credentials"),
    "log.config_missing": Entry("warning", "the log tells of a missing setting or file"),
    "log.app_exception": Entry("warning", "the log holds an exception or a fatal line"),
    "log.disk_full": Entry("warning", "the log tells of a full disk"),
    "log.permission_denied": Entry("warning", "the log tells of a denied file access"),
    "log.port_in_use": Entry("warning", "the log tells that an address is already in use"),
}


# What other trouble brings along. Where an answer has no room for all its signals, causes go before these.
EFFECTS = frozenset(
    {"deploy.unavailable", "ds.unavailable", "k8s.pod.not_ready", "k8s.pod.restart_recent", "k8s.pod.node_lost"}
)


def signal(code: str, subject: str, detail: str = "", **more: object) -> Signal:
    """A `Signal` with the catalogue's severity.

    Raises `ValueError` on a code or reason that the catalogue does not know: a typo is a defect of the server, not of the cluster.
    """
    entry = CATALOGUE.get(code)
    if entry is None:
        raise ValueError(f"signal {code!r} is not in the catalogue")
    reason = more.get("reason", "")
    if reason and reason not in entry.reasons:
        raise ValueError(f"signal {code!r} has no reason {reason!r}; known: {', '.join(entry.reasons) or 'none'}")
    fields = {"severity": entry.severity, **more}
    return Signal.model_validate({"code": code, "subject": subject, "detail": detail[:240], **fields})
