"""Changes of the ground that workloads stand on: nodes added, removed, cordoned, upgraded; jobs that started."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from mcp_servers.common.change import Change, ChangeKind, Precision, change
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.change_scope import Scope
from mcp_servers.kubernetes.managed import last_touch
from mcp_servers.kubernetes.quantities import parse_time

Json = dict[str, Any]
CORDON_TAINT = "node.kubernetes.io/unschedulable"
REMOVED = (
    "RemovingNode",
    "DeletingNode",
    "ScaleDown",
    "DisruptionTerminating",
)  # the node controller, clouds, autoscalers
JUST_AFTER = timedelta(minutes=2)


def nodes(found: Sequence[Json], events: Sequence[Json], scope: Scope) -> Iterator[Change]:
    """Nodes that came, were cordoned or upgraded in the window, and those that events say were removed."""
    told = [e for e in events if o.text(e, "involvedObject", "kind") == "Node"]
    usual = Counter(v for n in found if (v := _version(n))).most_common(1)
    there = {o.name(n) for n in found}
    for node in found:
        born = o.created(node)
        if born and scope.holds(born):
            yield _of(node, "node_added", born, "exact", scope, said="joined", source="creationTimestamp")
        elif usual and _version(node) not in ("", usual[0][0]):
            yield from _upgraded(node, usual[0][0], told, scope)
        yield from _cordoned(node, told, scope)
    removed: set[str] = set()
    for event in told:
        name, at = o.text(event, "involvedObject", "name"), o.event_time(event)
        lost = o.text(event, "reason") == "NodeNotReady" and name not in there
        if at and name not in removed and (lost or o.text(event, "reason") in REMOVED):
            removed.add(name)
            gone = {"metadata": {"name": name}}
            if scope.holds(at):
                precision: Precision = "upper_bound" if lost else "exact"
                yield _of(gone, "node_removed", at, precision, scope, said="was removed", source="events")


def _of(
    node: Json,
    kind: ChangeKind,
    at: datetime,
    precision: Precision,
    scope: Scope,
    *,
    said: str,
    source: str,
    actor: str = "",
) -> Change:
    ref = o.ref("Node", "", o.name(node))
    return change(
        kind,
        ref,
        at,
        precision,
        onset=scope.onset,
        relation=scope.relation(ref),
        what=f"node {clean(o.name(node), 80)} {said}",
        actor=clean(actor, 60),
        sources=[source],
    )


def _events_of(node: Json, events: Sequence[Json], reason: str) -> datetime | None:
    mine = (e for e in events if o.text(e, "reason") == reason and o.text(e, "involvedObject", "name") == o.name(node))
    return max((t for e in mine if (t := o.event_time(e))), default=None)


def _cordoned(node: Json, events: Sequence[Json], scope: Scope) -> Iterator[Change]:
    """By the taint's time, else the event, else who wrote the field. A node that was cordoned and let go again shows in the event alone."""
    told = _events_of(node, events, "NodeNotSchedulable")
    cordoned = o.branch(node, "spec").get("unschedulable") is True
    touch = last_touch(node, "spec", "unschedulable")
    taints = [t for t in o.rows(node, "spec", "taints") if o.text(t, "key") == CORDON_TAINT]
    tainted = parse_time(o.text(taints[0], "timeAdded")) if cordoned and taints else None
    at = tainted or told or (touch.at if cordoned and touch else None)
    if at and scope.holds(at):
        source = "taint" if tainted else "events" if told else "managedFields"
        said = "was cordoned" if cordoned else "was cordoned, and is open again"
        precision: Precision = "upper_bound" if source == "managedFields" else "exact"
        yield _of(
            node, "node_cordoned", at, precision, scope, said=said, source=source, actor=touch.manager if touch else ""
        )


def _version(node: Json) -> str:
    return o.text(node, "status", "nodeInfo", "kubeletVersion")


def _upgraded(node: Json, usual: str, events: Sequence[Json], scope: Scope) -> Iterator[Change]:
    """A kubelet of another version than most, since its last start; nothing tells what it ran before."""
    started = _events_of(node, events, "Starting")
    ready = o.conditions(node).get("Ready")
    at = started or parse_time(o.text(ready, "lastTransitionTime"))
    if at and scope.holds(at):
        said = f"runs kubelet {clean(_version(node), 40)} where most run {clean(usual, 40)}; it came up then"
        yield _of(
            node, "node_upgraded", at, "inferred", scope, said=said, source="events" if started else "Ready condition"
        )


def jobs(found: Sequence[Json], scope: Scope) -> Iterator[Change]:
    """Jobs that started in the window: a heavy batch at the onset is a cause of its own.

    Of a CronJob only the newest run up to the onset counts, and the one that was already running then: it also ran on all the good days.
    """
    newest: dict[str, tuple[datetime, Json]] = {}
    for job in found:
        at = parse_time(o.text(job, "status", "startTime"))
        if not at or not scope.holds(at):
            continue
        owner = o.controller(job)
        if owner is None or owner[0] != "CronJob":
            yield _run(job, "job", at, scope)
            continue
        ref = o.ref("CronJob", o.namespace(job), owner[1])
        if at <= scope.onset + JUST_AFTER and (ref not in newest or at > newest[ref][0]):
            newest[ref] = (at, job)
    for _ref, (at, job) in sorted(newest.items()):
        yield _run(job, "cronjob_run", at, scope)


def _run(job: Json, kind: ChangeKind, at: datetime, scope: Scope) -> Change:
    owner = o.controller(job)
    ref = o.ref(*(owner[0], o.namespace(job), owner[1])) if kind == "cronjob_run" and owner else o.ref_of(job)
    ended = parse_time(o.text(job, "status", "completionTime"))
    state = "is running" if not ended else f"took {int((ended - at).total_seconds())} s"
    if any(o.text(c, "status") == "True" for t, c in o.conditions(job).items() if t == "Failed"):
        state = "failed"
    of = f" of CronJob {owner[1]}" if kind == "cronjob_run" and owner else ""
    return change(
        kind,
        ref,
        at,
        "exact",
        onset=scope.onset,
        relation=scope.relation(ref),
        what=f"Job {o.name(job)}{of} started and {state}",
        sources=["startTime"],
    )
