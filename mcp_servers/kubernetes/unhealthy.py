"""What is unhealthy, grouped by what owns it: pure functions over lists of raw objects."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import CATALOGUE, signal
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes import workload_signals as ws
from mcp_servers.kubernetes.claims import claim_signal
from mcp_servers.kubernetes.container_signals import NOT_READY_S
from mcp_servers.kubernetes.control_plane import component_signals, silent_scheduler, uses_default_scheduler
from mcp_servers.kubernetes.namespace_signals import Wiring, wiring_signals
from mcp_servers.kubernetes.node_signals import node_signals
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.pod_rows import PodRow, pod_row
from mcp_servers.kubernetes.pod_signals import pod_signals
from mcp_servers.kubernetes.quantities import parse_time, seconds_since
from mcp_servers.kubernetes.troubles import RANK, events_by_pod, merged
from mcp_servers.kubernetes.workload_state import counts

FAILED_JOB_S = 24 * 3600
LASTING_S = 6 * 3600  # what has been broken for longer is hardly what somebody is woken for now


@dataclass
class Group:
    """One owner with what is wrong about it."""

    owner: str
    kind: str  # pods | workloads | nodes | volumes | jobs | services
    text: str = ""
    signals: list[Signal] = field(default_factory=list)
    pods: list[PodRow] = field(default_factory=list)
    affected: int = 0
    total: int = 0
    since: str = ""

    @property
    def severity(self) -> str:
        return min((s.severity for s in self.signals), key=lambda s: RANK[s], default="info")


def pod_groups(
    pods: Sequence[Json],
    events: Sequence[Json],
    nodes: Sequence[Json] | None,
    known: Mapping[str, Json],
    now: datetime,
) -> list[Group]:
    """Pods in trouble by their workload; one signal for each kind of trouble, with ``count`` of the pods that show it."""
    by_pod = events_by_pod(events)
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
        group.pods.append(pod_row(pod, now))
    for owner, group in groups.items():
        group.total = totals[owner]
        group.signals = merged(group.signals)
        group.since = min((s.since for s in group.signals if s.since), default="")
        worst = group.signals[0]
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
    if not o.restarts(pod):
        return False
    restarted = o.last_restart(pod)
    return restarted is not None and (now - restarted).total_seconds() < 1800


def workload_groups(
    workloads: Sequence[Json], around: ws.Surroundings, known: Mapping[str, Json], now: datetime
) -> list[Group]:
    """Workloads with a critical or warning signal of their own, refused pod creations included."""
    mine: dict[str, list[Json]] = defaultdict(list)
    for pod in around.pods:
        mine[o.workload(pod, known)].append(pod)
    groups = []
    for workload in workloads:
        ref = o.ref_of(workload)
        near = replace(around, pods=mine[ref], services=_beside(workload, around.services))
        found = [s for s in ws.workload_signals(workload, near, now) if s.severity != "info"]
        if not found or _parked(workload):
            continue
        seen = counts(workload)
        found.sort(key=lambda s: (RANK[s.severity], s.code == "deploy.unavailable"))
        since = min((s.since for s in found if s.since), default="")
        missing = max(0, seen.wanted - seen.available)
        groups.append(Group(ref, "workloads", found[0].detail, found, affected=missing, total=seen.wanted, since=since))
    return groups


def _beside(workload: Json, services: Sequence[Json] | None) -> list[Json] | None:
    return None if services is None else [s for s in services if o.namespace(s) == o.namespace(workload)]


def _parked(workload: Json) -> bool:
    """A workload of 0 replicas that never had a revision: a template that somebody keeps, not an outage."""
    wanted = o.number(workload, "spec", "replicas")
    used = o.annotations(workload).get("deployment.kubernetes.io/revision") or o.text(
        workload, "status", "currentRevision"
    )
    return wanted == 0 and not used


def component_groups(pods: Sequence[Json]) -> list[Group]:
    """Parts of the control plane that do not run."""
    return [_of_node(s) for s in component_signals(pods)]


def _of_node(found: Signal) -> Group:
    return Group(found.subject, "nodes", found.detail, [found], since=found.since or "")


def scheduler_groups(
    groups: Sequence[Group],
    pods: Sequence[Json],
    events: Sequence[Json],
    system: Sequence[Json] | None,
    nodes: Sequence[Json],
) -> list[Group]:
    """The scheduler, where ``groups`` hold pods that it is silent about. ``system`` are the control plane's pods, ``None`` when unknown."""
    silent = [s for g in groups for s in g.signals if s.reason == "scheduler_silent"]
    there = {o.ref_of(p): p for p in pods} if silent else {}
    waiting = [s for s in silent if s.subject in there and uses_default_scheduler(there[s.subject])]
    return [_of_node(s) for s in silent_scheduler(waiting, events, system, nodes)]


# What a node that is not ready does to its pods, whatever else is said of them.
_NODE_EFFECTS = ("k8s.pod.node_lost", "k8s.pod.stuck_terminating", "k8s.pod.not_ready")


def _comes_with_node(found: Signal) -> bool:
    return found.code in _NODE_EFFECTS or (found.code == "k8s.pod.sandbox_failed" and found.reason == "runtime")


def without_lost_nodes(groups: Sequence[Group], lost: Mapping[str, Group]) -> list[Group]:
    """Pods that only suffer from their node are told with it: one row for the node, not one for each workload on it.

    ``lost`` holds the groups of nodes that are not ready.
    """
    kept = []
    for group in groups:
        down = {f"Node/{p.node}" for p in group.pods} & set(lost)
        rest = [s for s in group.signals if not (down and _comes_with_node(s))]
        if len(rest) < len(group.signals):
            for node in down:
                lost[node].affected += 1
        if rest or len(rest) == len(group.signals):
            group.signals = rest
            kept.append(group)
    for group in lost.values():
        if group.affected:
            group.text += f"; {group.affected} workloads have pods on it"
    return kept


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


def volume_groups(
    claims: Sequence[Json],
    volumes: Sequence[Json] | None,
    classes: Sequence[Json] | None,
    events: Sequence[Json],
    now: datetime,
) -> list[Group]:
    """Claims that are not bound, and why."""
    groups = []
    for claim in claims:
        found = claim_signal(claim, volumes, classes, events, now)
        if found:
            groups.append(Group(found.subject, "volumes", found.detail, [found], since=found.since or ""))
    return groups


def wiring_groups(wiring: Wiring, more: Sequence[Signal] = ()) -> list[Group]:
    """What is wrong with how a namespace is wired, by Service or by the workload that was given a wrong address. What only informs is left
    out: triage is about trouble. ``more`` are signals about the same namespace that `wiring_signals` does not look for.
    """
    groups: dict[str, Group] = {}
    for found in [*wiring_signals(wiring), *more]:
        if found.severity != "info":
            group = groups.setdefault(found.subject, Group(found.subject, "services", found.detail))
            group.signals.append(found)
    return list(groups.values())


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


def joined(told: list[Group], found: list[Group]) -> list[Group]:
    """What was found about an owner that has a row already goes into that row: a workload's missing replicas to its pods' trouble."""
    by_owner = {g.owner: g for g in told}
    rest = []
    for group in found:
        known = by_owner.get(group.owner)
        if known is None:
            rest.append(group)
        else:
            known.signals = [*known.signals, *group.signals]
    return [*told, *rest]


def ranked(groups: Iterable[Group], now: datetime) -> list[Group]:
    """The gravest first; nodes before what runs on them; what has been so for long after what is new; then what affects most."""
    return sorted(groups, key=lambda g: (RANK[g.severity], g.kind != "nodes", _lasts(g, now), -g.affected, g.owner))


def _lasts(group: Group, now: datetime) -> bool:
    return bool(group.since) and (seconds_since(group.since, now) or 0) > LASTING_S


POD_CODES = tuple(code for code in CATALOGUE if code.startswith("k8s.pod."))
