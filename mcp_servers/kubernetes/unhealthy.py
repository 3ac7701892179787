"""What is unhealthy, grouped by what owns it: pure functions over lists of raw objects."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import CATALOGUE, signal
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.container_signals import NOT_READY_S
from mcp_servers.kubernetes.node_signals import node_signals
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.pod_signals import pod_signals
from mcp_servers.kubernetes.pod_view import PodOut, pod_out
from mcp_servers.kubernetes.quantities import iso, parse_time, seconds_since, span

FAILED_JOB_S = 24 * 3600
_RANK = {"critical": 0, "warning": 1, "info": 2}


@dataclass
class Group:
    """One owner with what is wrong about it."""

    owner: str
    kind: str  # pods | workloads | nodes | volumes | jobs
    text: str = ""
    signals: list[Signal] = field(default_factory=list)
    pods: list[PodOut] = field(default_factory=list)
    affected: int = 0
    total: int = 0
    since: str = ""

    @property
    def severity(self) -> str:
        return min((s.severity for s in self.signals), key=lambda s: _RANK[s], default="info")


def pod_groups(
    pods: Sequence[Json],
    events: Sequence[Json],
    nodes: Sequence[Json] | None,
    known: Mapping[str, Json],
    now: datetime,
) -> list[Group]:
    """Pods in trouble by their workload; one signal for each kind of trouble, with ``count`` of the pods that show it."""
    by_pod: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for event in events:
        if o.text(event, "involvedObject", "kind") == "Pod":
            by_pod[(o.text(event, "involvedObject", "namespace"), o.text(event, "involvedObject", "name"))].append(
                event
            )
    groups: dict[str, Group] = {}
    totals: dict[str, int] = defaultdict(int)
    for pod in pods:
        owner = o.workload(pod, known)
        totals[owner] += 1
        if not _suspicious(pod, now):
            continue
        found = pod_signals(pod, by_pod[(o.namespace(pod), o.name(pod))], nodes, now, owner=owner)
        if not found:
            continue
        group = groups.setdefault(owner, Group(owner, "pods"))
        group.affected += 1
        group.signals += found
        group.pods.append(pod_out(pod, owner, now))
    for owner, group in groups.items():
        group.total = totals[owner]
        group.signals = merged(group.signals)
        group.since = min((s.since for s in group.signals if s.since), default="")
        worst = min(group.signals, key=lambda s: _RANK[s.severity])
        group.text = f"{group.affected} of {group.total} pods: {worst.detail}"
    return list(groups.values())


def _suspicious(pod: Json, now: datetime) -> bool:
    """Whether a pod is worth a closer look: cheap, and true for everything that `pod_signals` could find grave."""
    phase = o.text(pod, "status", "phase")
    if phase == "Succeeded":
        return False
    if phase in ("Failed", "Pending", "Unknown") or o.is_deleting(pod):
        return True
    if not o.is_ready(pod):
        since = o.text(o.conditions(pod).get("Ready"), "lastTransitionTime")
        waited = seconds_since(since, now)
        return waited is None or waited > NOT_READY_S or o.restarts(pod) > 0
    restarted = o.last_restart(pod)
    return restarted is not None and (now - restarted).total_seconds() < 1800


def merged(signals: Iterable[Signal]) -> list[Signal]:
    """Signals of one owner, code and reason as one: the gravest first, ``count`` the number of objects that show it."""
    same: dict[tuple[str, str, str], list[Signal]] = {}
    for found in signals:
        same.setdefault((found.owner or found.subject, found.code, found.reason), []).append(found)
    rows = []
    for alike in same.values():
        subjects = {s.subject for s in alike}
        since = min((s.since for s in alike if s.since), default=None)
        count = len(subjects) if len(subjects) > 1 else alike[0].count
        rows.append(alike[0].model_copy(update={"count": count, "since": since}))
    return sorted(rows, key=lambda s: (_RANK[s.severity], s.since or "9", s.code))


def workload_groups(workloads: Sequence[Json]) -> list[Group]:
    """Deployments, StatefulSets and DaemonSets with fewer replicas than wanted, and those that want none at all."""
    groups = []
    for workload in workloads:
        kind, ref = o.text(workload, "kind"), o.ref_of(workload)
        if kind == "DaemonSet":
            wanted = o.number(workload, "status", "desiredNumberScheduled") or 0
            available = o.number(workload, "status", "numberAvailable") or 0
        else:
            spec = o.number(workload, "spec", "replicas")
            wanted = 1 if spec is None else spec
            available = o.number(workload, "status", "availableReplicas") or 0
            if kind == "StatefulSet" and "availableReplicas" not in o.branch(workload, "status"):
                available = o.number(workload, "status", "readyReplicas") or 0  # servers before 1.22
        since = o.text(o.conditions(workload).get("Available"), "lastTransitionTime")
        if wanted == 0 and kind != "DaemonSet":
            if _was_used(workload):
                found = signal("deploy.scaled_to_zero", ref, f"{kind} {o.name(workload)} wants 0 replicas")
                groups.append(Group(ref, "workloads", found.detail, [found]))
            continue
        if available >= wanted:
            continue
        code = "ds.unavailable" if kind == "DaemonSet" else "deploy.unavailable"
        detail = f"{kind} {o.name(workload)}: {available} of {wanted} replicas are available"
        found = signal(code, ref, detail, value=float(available), threshold=float(wanted), since=since or None)
        groups.append(Group(ref, "workloads", detail, [found], affected=wanted - available, total=wanted, since=since))
    return groups


def _was_used(workload: Json) -> bool:
    """A workload of 0 replicas that once had some: revisions and autoscalers leave traces, parked templates do not."""
    revision = o.annotations(workload).get("deployment.kubernetes.io/revision", "")
    return bool(revision) or bool(o.number(workload, "status", "observedGeneration"))


def node_groups(nodes: Sequence[Json], events: Sequence[Json], now: datetime) -> list[Group]:
    groups = []
    for node in nodes:
        found = node_signals(node, now, events)
        if found:
            groups.append(
                Group(
                    f"Node/{o.name(node)}",
                    "nodes",
                    "; ".join(s.detail for s in found),
                    found,
                    since=found[0].since or "",
                )
            )
    return groups


def volume_groups(claims: Sequence[Json], events: Sequence[Json], now: datetime) -> list[Group]:
    """Claims that are not bound, with the provisioner's words where it said something."""
    groups = []
    for claim in claims:
        phase = o.text(claim, "status", "phase")
        waited = o.age(claim, now) or 0.0
        if phase not in ("Pending", "Lost") or (phase == "Pending" and waited < 60):
            continue
        ref = o.ref_of(claim)
        said = [e for e in events if _about(e, claim) and o.text(e, "type") == "Warning"]
        newest = max(said, key=lambda e: iso(o.event_time(e)), default=None)
        why = o.text(newest, "message") if newest else f"class {o.text(claim, 'spec', 'storageClassName') or 'default'}"
        reason = _claim_reason(why) if phase == "Pending" else ""
        since = o.text(claim, "metadata", "creationTimestamp")
        detail = f"claim {o.name(claim)} is {phase} for {span(waited)}: {why}"
        found = signal(
            "pvc.pending" if phase == "Pending" else "pvc.lost", ref, detail, reason=reason, since=since or None
        )
        groups.append(Group(ref, "volumes", found.detail, [found], since=since))
    return groups


def _claim_reason(why: str) -> str:
    lowered = why.lower()
    if "storageclass" in lowered and "not found" in lowered:
        return "storage_class"
    return "provisioning_failed" if "provision" in lowered else "unknown"


def _about(event: Json, obj: Json) -> bool:
    about = o.branch(event, "involvedObject")
    return (
        about.get("kind") == o.text(obj, "kind")
        and about.get("name") == o.name(obj)
        and about.get("namespace") == o.namespace(obj)
    )


def job_groups(jobs: Sequence[Json], now: datetime) -> list[Group]:
    """Jobs that failed within a day."""
    groups = []
    for job in jobs:
        failed = o.conditions(job).get("Failed", {})
        if o.text(failed, "status") != "True":
            continue
        since = o.text(failed, "lastTransitionTime")
        moment = parse_time(since)
        if moment and (now - moment).total_seconds() > FAILED_JOB_S:
            continue
        detail = f"Job {o.name(job)} failed: {o.text(failed, 'message') or o.text(failed, 'reason')}"
        owner = o.workload(job)
        ref = o.ref_of(job)
        found = signal("job.failed", ref, detail, owner=owner if owner != ref else "", since=since or None)
        groups.append(Group(owner, "jobs", detail, [found], since=since))
    return groups


def ranked(groups: Iterable[Group]) -> list[Group]:
    """The gravest first, then what affects most, then the newest."""
    return sorted(groups, key=lambda g: (_RANK[g.severity], -g.affected, g.owner))


POD_CODES = tuple(code for code in CATALOGUE if code.startswith("k8s.pod."))
