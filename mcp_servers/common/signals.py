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
    "cron.suspended": Entry("info", "a CronJob is suspended"),
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
        "critical",
        "a workload is configured with the address of a Service or port that does not exist",
        ("host", "port", "database_port"),
    ),
    "svc.missing": Entry("critical", "a Service that others call does not exist"),
    "svc.route_broken": Entry(
        "critical", "an Ingress leads to a Service or a port that does not exist", ("service", "port")
    ),
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
    "res.disk_near_full": Entry("warning", "a disk or volume is nearly full"),
    "res.no_limits": Entry("info", "the container has no limits"),
    "res.changed": Entry(
        "warning",
        "a service uses far more of a resource than before",
        ("cpu", "memory", "throttling", "restarts", "disk", "network_errors", "threads", "connections", "gc"),
    ),
    # changes
    "change.before_onset": Entry(
        "warning", "something changed shortly before the onset", ("rollout", "config", "scale", "other")
    ),
    "change.correlated": Entry("critical", "only what changed fails"),
    "change.rollback_seen": Entry("info", "somebody rolled back"),
    "change.none_found": Entry("info", "nothing changed in what could be seen"),
    # telemetry: services, their dependencies, traces, exceptions
    "svc.error_rate_up": Entry("critical", "the share of failed requests rose", ("own", "inherited")),
    "svc.latency_up": Entry("warning", "requests take longer"),
    "svc.traffic_drop": Entry("warning", "fewer requests arrive"),
    "svc.traffic_spike": Entry("warning", "more requests arrive"),
    "svc.no_data": Entry("warning", "a service that sent telemetry sends none"),
    "svc.new_version": Entry("warning", "a version appeared that was not there before"),
    "svc.self_time_up": Entry("warning", "the service itself, not what it calls, takes longer", ("most", "less")),
    "svc.io_slow": Entry("warning", "calls from and to one service lose time on the way: its network or its CPU"),
    # what alerts of the same group say in figures; "most": of all that they name, this one changed most
    "alert.latency_up": Entry(
        "warning", "an alert says that a service answers slower than usual", ("most", "less", "busy")
    ),
    "alert.errors_up": Entry("warning", "an alert says that requests of a service fail", ("most", "less")),
    "alert.flapping": Entry("info", "an alert goes on and off: its threshold is near to what is usual"),
    "alert.nodata": Entry("warning", "an alert fires because its data is missing, not because of a value"),
    "alert.traffic_drop": Entry("warning", "an alert says that a service gets fewer requests than usual"),
    "alert.cpu_up": Entry("warning", "an alert says that a service uses more CPU than usual", ("most", "less")),
    "alert.memory_up": Entry("warning", "an alert says that a service uses more memory than usual", ("most", "less")),
    "alert.network_bad": Entry("warning", "an alert says that packets are lost or sent again", ("most", "less")),
    "dep.error_rate_up": Entry("critical", "calls from one service to another fail more often"),
    "dep.latency_up": Entry("warning", "calls from one service to another take longer", ("callee", "network")),
    "dep.new_edge": Entry("info", "a service calls one that it did not call before"),
    "dep.gone": Entry("warning", "a service no longer calls one that it called before"),
    "trace.error_origin": Entry("warning", "the deepest failing span of a trace"),
    "trace.slow_span": Entry("warning", "one span takes most of a trace's time"),
    "trace.n_plus_one": Entry("info", "one operation repeats many times under one parent"),
    "trace.missing_spans": Entry("info", "a trace has spans whose parent is not there"),
    "trace.path_changed": Entry("warning", "an operation no longer does what it did before", ("skipped", "added")),
    "trace.broken_off": Entry(
        "warning", "requests no longer take a step that was certain before", ("most", "less", "callee")
    ),
    "metric.step_change": Entry("warning", "a metric stepped to another level", ("up", "down")),
    "metric.spike": Entry("warning", "a metric went far out and came back", ("spike", "dip")),
    "metric.gone": Entry("warning", "a metric that was reported is no longer"),
    "metric.saturated": Entry("critical", "a share of capacity is nearly used up"),
    "exc.new": Entry("warning", "an exception appeared that was not there before"),
    "exc.spike": Entry("warning", "an exception became more frequent"),
    # logs
    "log.error_spike": Entry("warning", "errors rose", ("most", "less")),
    "log.new_pattern": Entry("warning", "a new kind of line appeared"),
    "log.silence": Entry("warning", "the log went silent"),
    "log.oom_text": Entry("critical", "the log tells of memory exhaustion"),
    "log.conn_refused": Entry(
        "warning", "the log tells of refused connections", ("refused", "database", "dns", "timeout", "reset")
    ),
    "log.timeout_text": Entry("warning", "the log tells of time-outs"),
    "log.auth_failed": Entry("warning", "the log tells of refused credentials"),
    "log.config_missing": Entry("warning", "the log tells of a missing setting or file"),
    "log.app_exception": Entry("warning", "the log holds an exception or a fatal line"),
    "log.disk_full": Entry("warning", "the log tells of a full disk", ("volume",)),
    "log.certificate": Entry(
        "warning", "the log tells of a certificate that is expired or not trusted", ("expired", "untrusted")
    ),
    "log.too_many_connections": Entry("warning", "the log tells that a database has no connection left"),
    "log.read_only": Entry("warning", "the log tells that a database takes no writes"),
    "log.api_forbidden": Entry("warning", "the log tells that the cluster's API refuses what the workload asks for"),
    "log.permission_denied": Entry("warning", "the log tells of a denied file access"),
    "log.route_failing": Entry(
        "warning", "the access log tells that one route always fails and others do not", ("not_found", "server_error")
    ),
    "log.port_in_use": Entry("warning", "the log tells that an address is already in use"),
    # ClickHouse
    "ch.restarted": Entry("warning", "the server started a short while ago"),
    "ch.memory_high": Entry("warning", "the server's memory is nearly used up"),
    "ch.disk_full": Entry("critical", "a disk is nearly full or broken", ("space", "broken", "refused")),
    "ch.too_many_parts": Entry("critical", "a table has so many parts that inserts are slowed or refused"),
    "ch.readonly_replica": Entry("critical", "a replica takes no writes"),
    "ch.repl_lag": Entry("warning", "a replica lags behind", ("delay", "queue", "replicas_missing", "stuck")),
    "ch.keeper_down": Entry("critical", "the server has no session with Keeper"),
    "ch.inserts_delayed": Entry("warning", "inserts are being slowed"),
    "ch.inserts_rejected": Entry("critical", "inserts were refused"),
    "ch.merge_backlog": Entry("warning", "all merge threads are busy"),
    "ch.overloaded": Entry("warning", "the server has more work than it can do", ("cpu", "query_slots")),
    "ch.slow_query_regressed": Entry("warning", "a query got slower than before"),
    "ch.new_heavy_query": Entry("warning", "a query that was not there before takes much of the time"),
    "ch.full_scan": Entry("info", "a query reads far more rows than it returns"),
    "ch.memory_hog": Entry("warning", "a query takes much memory"),
    "ch.memory_limit": Entry("critical", "queries fail at a memory limit"),
    "ch.query_timeout": Entry("warning", "queries fail at their time limit", ("ran_out", "estimated")),
    "ch.too_many_queries": Entry("critical", "queries are refused because too many run"),
    "ch.keeper": Entry("critical", "queries fail because Keeper does not answer or lost the session"),
    "ch.network": Entry("warning", "queries fail on the network between servers", ("socket", "all_replicas")),
    "ch.schema_mismatch": Entry("warning", "queries name what does not exist", ("table", "column")),
    "ch.auth": Entry("warning", "queries are refused for want of rights", ("password", "grant")),
    "ch.long_query": Entry("warning", "a query has been running for long"),
    "ch.mutation_stuck": Entry("warning", "a mutation does not end", ("failing", "slow")),
    "ch.merge_slow": Entry("info", "a merge takes long"),
    "ch.detached_broken": Entry("info", "parts were detached as broken"),
    "ch.dist_backlog": Entry("warning", "rows wait to be sent to other shards", ("blocked", "waiting", "broken")),
    # MongoDB
    "mongo.conn_saturated": Entry("critical", "a member is close to its connection limit"),
    "mongo.conn_storm": Entry("critical", "connections are opened far faster than usual"),
    "mongo.conn_leak": Entry("warning", "connections grow while the work does not"),
    "mongo.conn_rejected": Entry("critical", "a member rejects connections"),
    "mongo.one_client_dominates": Entry("info", "one client holds most connections"),
    "mongo.collscan": Entry("warning", "slow operations read whole collections"),
    "mongo.scan_ratio": Entry("warning", "slow operations read far more documents than they return"),
    "mongo.in_memory_sort": Entry("info", "slow operations sort in memory"),
    "mongo.slow_spike": Entry("warning", "slow operations rose"),
    "mongo.lock_wait": Entry("warning", "operations wait for locks"),
    "mongo.plan_change": Entry("warning", "the same query changed its plan"),
    "mongo.no_primary": Entry("critical", "the replica set has no primary"),
    "mongo.election": Entry(
        "warning", "the replica set elected a primary recently", ("timeout", "step_up", "priority", "other")
    ),
    "mongo.member_down": Entry(
        "critical", "a member is down or not usable", ("unreachable", "recovering", "startup", "rollback", "removed")
    ),
    "mongo.repl_lag": Entry("warning", "a secondary is behind"),
    "mongo.oplog_short": Entry("info", "the oplog covers a short time"),
    "mongo.tickets_exhausted": Entry("critical", "the storage engine has no free tickets", ("read", "write")),
    "mongo.queue": Entry("warning", "operations queue inside the server"),
    "mongo.cache_pressure": Entry("warning", "the storage cache is full", ("used", "dirty")),
    "mongo.app_eviction": Entry("warning", "operations have to evict cache pages themselves"),
    "mongo.disk_full": Entry("critical", "the data volume is nearly full"),
    "mongo.restart": Entry("warning", "a member restarted recently"),
    "mongo.flow_control": Entry("warning", "writes are throttled because secondaries lag"),
    "mongo.long_op": Entry("warning", "an operation runs for long"),
    "mongo.open_txn": Entry("warning", "a transaction is open and idle"),
    "mongo.index_build": Entry("info", "an index is being built"),
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
