"""Changes of the ground that workloads stand on: nodes added, removed, cordoned; jobs that started."""

from collections.abc import Iterator, Sequence
from typing import Any

from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.change_model import Change, change
from mcp_servers.kubernetes.change_scope import Scope
from mcp_servers.kubernetes.managed import last_touch
from mcp_servers.kubernetes.quantities import parse_time

Json = dict[str, Any]
CORDON_TAINT = "node.kubernetes.io/unschedulable"


def nodes(found: Sequence[Json], events: Sequence[Json], scope: Scope) -> Iterator[Change]:
    """Nodes that came or were cordoned in the window, and those that events say were removed."""
    for node in found:
        ref, born = o.ref("Node", "", o.name(node)), o.created(node)
        if born and scope.holds(born):
            yield change(
                "node_added",
                ref,
                born,
                "exact",
                onset=scope.onset,
                relation=scope.relation(ref),
                what=f"node {o.name(node)} joined",
                sources=["creationTimestamp"],
            )
        if o.branch(node, "spec").get("unschedulable") is not True:
            continue
        taints = [t for t in o.rows(node, "spec", "taints") if o.text(t, "key") == CORDON_TAINT]
        at = parse_time(o.text(taints[0], "timeAdded")) if taints else None
        touch = last_touch(node, "spec", "unschedulable")
        moment = at or (touch.at if touch else None)
        if moment and scope.holds(moment):
            yield change(
                "node_cordoned",
                ref,
                moment,
                "exact" if at else "upper_bound",
                onset=scope.onset,
                relation=scope.relation(ref),
                what=f"node {o.name(node)} was cordoned",
                actor=touch.manager if touch else "",
                sources=["taint" if at else "managedFields"],
            )
    for event in events:
        at = o.event_time(event)
        if o.text(event, "reason") == "RemovingNode" and at and scope.holds(at):
            name = o.text(event, "involvedObject", "name")
            ref = o.ref("Node", "", name)
            yield change(
                "node_removed",
                ref,
                at,
                "exact",
                onset=scope.onset,
                relation=scope.relation(ref),
                what=f"node {name} was removed",
                sources=["events"],
            )


def jobs(found: Sequence[Json], scope: Scope) -> Iterator[Change]:
    """Jobs that started in the window: a heavy batch at the onset is a cause of its own."""
    for job in found:
        at = parse_time(o.text(job, "status", "startTime"))
        if at and scope.holds(at):
            ref = o.ref_of(job)
            yield change(
                "job",
                ref,
                at,
                "exact",
                onset=scope.onset,
                relation=scope.relation(ref),
                what=f"Job {o.name(job)} started",
                sources=["startTime"],
            )
