"""What is wrong with one pod: typed signals from its object, its events and what surrounds it. Pure.

`pod_signals` asks in the order of a pod's life: scheduled, volumes mounted, sandbox, image, container created, started, healthy, gone.
Each question lives in its own function; none of them looks at prose that a workload wrote, except for the last lines of a crashed run.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.kubernetes import mounts, scheduling
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.container_signals import NOT_READY_S, container_signals, memory_limit, probe_signals
from mcp_servers.kubernetes.crashes import killed_for_memory
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.pod_case import PodCase, own_events
from mcp_servers.kubernetes.quantities import iso, parse_time, seconds_since, span

PENDING_S = 60  # a pod that nobody scheduled for longer has been forgotten
STUCK_TERMINATING_S = 120
HISTORY_S = 6 * 3600  # how long a pod that ended still tells of the present
CODES = (
    "k8s.pod.crash_loop",
    "k8s.pod.oom_killed",
    "k8s.pod.image_pull",
    "k8s.pod.config_error",
    "k8s.pod.probe_liveness",
    "k8s.pod.probe_readiness",
    "k8s.pod.probe_startup",
    "k8s.pod.unschedulable",
    "k8s.pod.evicted",
    "k8s.pod.preempted",
    "k8s.pod.init_stuck",
    "k8s.pod.volume_mount",
    "k8s.pod.volume_attach",
    "k8s.pod.stuck_terminating",
    "k8s.pod.deadline_exceeded",
    "k8s.pod.node_lost",
    "k8s.pod.restart_recent",
    "k8s.pod.not_ready",
    "k8s.pod.sandbox_failed",
)


def pod_signals(
    pod: Any,
    events: Sequence[Json],
    nodes: Sequence[Json] | None,
    now: datetime,
    *,
    owner: str = "",
    configmaps: Mapping[str, Json] | None = None,
    logs: Mapping[str, str] | None = None,
) -> list[Signal]:
    """Everything that is wrong with ``pod``, the gravest first.

    ``events`` may hold other objects' events too; ``nodes`` are all nodes of the cluster (``None`` when they could not be read); ``owner``
    is the workload's ref where it is known better than from the pod's own references; ``configmaps`` the namespace's ConfigMaps by name
    (metadata only); ``logs`` the last lines of crashed runs by container.
    """
    case = PodCase(pod, own_events(pod, events), nodes, now, owner or o.workload(pod), configmaps, logs or {})
    if _long_over(case):
        return []
    found = [*_ended(case), *_deleting(case)]
    if o.text(pod, "status", "phase") not in ("Succeeded", "Failed"):
        found += [
            *_placed(case),
            *mounts.judge(case),
            *_sandbox(case),
            *container_signals(case),
            *probe_signals(case),
            *_lost(case),
        ]
    if not any(s.severity == "critical" for s in found):
        found += _not_ready(case, found)
    rank = {"critical": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda s: (rank[s.severity], s.since or "9", s.code))


def _long_over(case: PodCase) -> bool:
    """A failed pod that ended hours ago and was never cleared away: its owner has long replaced it, and it tells nothing of the present.

    A Job does not replace its pods: what failed there stays the Job's story. Where nothing tells when the pod ended (events are gone after
    about an hour, too), a pod that was made lately still counts.
    """
    if o.text(case.obj, "status", "phase") != "Failed" or (o.controller(case.obj) or ("", ""))[0] == "Job":
        return False
    if any(_fresh(o.event_time(e), case.now) for e in case.events):
        return False
    ends = [parse_time(o.text(c.state[1], "finishedAt")) for c in o.containers(case.obj)]
    ends += [parse_time(o.text(o.conditions(case.obj).get(kind), "lastTransitionTime")) for kind in _END_CONDITIONS]
    known = [end for end in ends if end and end.year > 2000]
    moment = max(known, default=None) or o.created(case.obj)
    return moment is not None and not _fresh(moment, case.now)


_END_CONDITIONS = ("DisruptionTarget", "Ready")


def _fresh(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and (now - moment).total_seconds() < HISTORY_S


def _ended(case: PodCase) -> Iterator[Signal]:
    """Pods that the cluster ended: evicted, preempted, past their deadline."""
    reason, message = o.text(case.obj, "status", "reason"), o.text(case.obj, "status", "message")
    lowered = message.lower()
    if reason == "Evicted":
        kinds = (
            ("memory", "memory"),
            ("ephemeral-storage", "disk"),
            ("disk", "disk"),
            ("inodes", "disk"),
            ("pid", "pid"),
        )
        kind = next((k for words, k in kinds if words in lowered), "unknown")
        yield case.signal("k8s.pod.evicted", f"evicted: {message or 'the node gave no reason'}", reason=kind)
    elif reason in ("Preempting", "Preempted") or case.told("Preempted"):
        yield case.signal("k8s.pod.preempted", "the pod made room for one of higher priority")
    elif reason == "DeadlineExceeded":
        limit = o.number(case.obj, "spec", "activeDeadlineSeconds")
        yield case.signal(
            "k8s.pod.deadline_exceeded", f"the pod ran longer than its deadline{f' of {limit} s' if limit else ''}"
        )


def _deleting(case: PodCase) -> Iterator[Signal]:
    since = o.text(case.obj, "metadata", "deletionTimestamp")
    waited = seconds_since(since, case.now)  # deletionTimestamp already includes the grace period
    if waited is not None and waited > STUCK_TERMINATING_S:
        finalizers = case.obj["metadata"].get("finalizers")
        why = f"; finalizers: {', '.join(map(str, finalizers))}" if finalizers else ""
        yield case.signal("k8s.pod.stuck_terminating", f"should have been gone for {span(waited)}{why}", since=since)


def _placed(case: PodCase) -> Iterator[Signal]:
    """Pods without a node: refused by the scheduler, or never looked at."""
    pod = case.obj
    if o.text(pod, "spec", "nodeName") or o.is_deleting(pod):
        return
    condition = scheduling.scheduled_condition(pod)
    if o.text(condition, "reason") == "SchedulingGated":
        return
    said = [e for e in case.told("FailedScheduling") if "skip schedule deleting" not in o.text(e, "message")]
    message = o.text(condition, "message") or (o.text(said[0], "message") if said else "")
    created = o.text(pod, "metadata", "creationTimestamp")
    if not message and not said and o.text(condition, "status") != "False":
        waited = o.age(pod, case.now)
        if waited is None or waited > PENDING_S:
            who = o.text(pod, "spec", "schedulerName") or "default-scheduler"
            lasting = f" for {span(waited)}" if waited is not None else ""
            yield case.signal(
                "k8s.pod.unschedulable",
                f"pending{lasting}, and {who} has not said a word about the pod: no event, no condition",
                reason="scheduler_silent",
                since=created or None,
            )
        return
    for verdict in scheduling.explain(pod, message, case.nodes):
        since = o.text(condition, "lastTransitionTime") or iso(o.event_first(said[0]) if said else None) or created
        yield case.signal("k8s.pod.unschedulable", verdict.detail, reason=verdict.reason, since=since or None)


def _sandbox(case: PodCase) -> Iterator[Signal]:
    if any(c.state[0] == "running" or c.restarts for c in o.containers(case.obj)):
        return
    told = case.told("FailedCreatePodSandBox", "NetworkNotReady")
    if not told:
        return
    message = o.text(told[0], "message")
    since = iso(o.event_first(told[0]))
    if killed_for_memory(message):
        limits = ", ".join(f"{c.name} {memory_limit(c)}" for c in o.main_containers(case.obj) if memory_limit(c))
        yield case.signal(
            "k8s.pod.oom_killed",
            f"killed for memory while it was set up; memory limit: {limits or 'none'}",
            since=since,
        )
        return
    lowered = message.lower()
    runtime = ("containerd.sock", "crio.sock", "docker.sock", "cri-dockerd", "connection error: desc", "runtimeservice")
    network = ("cni", "network", "plugin type", "failed to set up sandbox", "ip address", "ipam")
    reason = (
        "runtime"
        if any(w in lowered for w in runtime)
        else "network"
        if any(w in lowered for w in network)
        else "unknown"
    )
    where = o.text(case.obj, "spec", "nodeName")
    what = {"runtime": "the container runtime does not answer", "network": "the pod's network cannot be set up"}
    yield case.signal(
        "k8s.pod.sandbox_failed",
        f"{what.get(reason, 'the pod sandbox cannot be created')}{f' on node {where}' if where else ''}: {message}",
        reason=reason,
        since=since,
    )


def _lost(case: PodCase) -> Iterator[Signal]:
    """Pods on a node that is gone or silent."""
    where = o.text(case.obj, "spec", "nodeName")
    if not where or not case.nodes:
        return
    node = next((n for n in case.nodes if o.name(n) == where), None)
    ready = o.conditions(node).get("Ready", {}) if node else {}
    if node is None:
        yield case.signal("k8s.pod.node_lost", f"node {where} does not exist any more")
    elif o.text(ready, "status") in ("Unknown", "False"):
        quiet = (
            "does not report" if o.text(ready, "status") == "Unknown" else f"is not ready ({o.text(ready, 'reason')})"
        )
        yield case.signal(
            "k8s.pod.node_lost", f"node {where} {quiet}", since=o.text(ready, "lastTransitionTime") or None
        )


def _not_ready(case: PodCase, found: Sequence[Signal]) -> list[Signal]:
    """The plain fact, where nothing graver explains it."""
    pod = case.obj
    if (
        o.is_ready(pod)
        or o.is_finished(pod)
        or o.is_deleting(pod)
        or any(s.code.startswith("k8s.pod.probe") for s in found)
    ):
        return []
    if o.text(pod, "status", "phase") == "Failed":
        return (
            []
            if found
            else [
                case.signal(
                    "k8s.pod.not_ready", f"the pod failed: {o.text(pod, 'status', 'message') or o.pod_status(pod)}"
                )
            ]
        )
    ready = o.conditions(pod).get("Ready", {})
    since = o.text(ready, "lastTransitionTime") or o.text(pod, "metadata", "creationTimestamp")
    waited = seconds_since(since, case.now)
    if waited is None or waited < NOT_READY_S:
        return []
    have, want = o.ready_counts(pod)
    return [
        case.signal(
            "k8s.pod.not_ready",
            f"{o.pod_status(pod)}, {have} of {want} containers ready for {span(waited)}",
            since=since,
        )
    ]
