"""`get_node_health`: the machines. Conditions with their ages, what is asked of them against what they have, evictions, versions."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Page, ToolFailure, ok
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.context import Context
from mcp_servers.kubernetes.naming import close
from mcp_servers.kubernetes.node_signals import CODES, node_signals
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.quantities import quantity
from mcp_servers.kubernetes.reading import Reading
from mcp_servers.kubernetes.scheduling import is_cordoned, is_system, requested, taint_text

OPTIONAL_NODE = r"^([a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?)?$"
DESCRIPTION = (
    "Nodes: readiness and pressure with since when, cordon, taints, requested and used against allocatable CPU and memory, evicted pods, "
    "kubelet version, age, zone. Without a name only the abnormal ones; an empty list means that all are well."
)
NEW_S = 3600  # a node younger than this is worth a word
_WATCHED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


class NodeCondition(Lean):
    """An abnormal condition."""

    type: str
    status: str
    since: str = ""
    reason: str = ""
    message: str = ""


class NodeHealth(Lean):
    """Ratios are of what the node can give to pods. ``requested`` sums the requests of its unfinished pods; ``used`` is measured."""

    name: str
    ready: bool
    system: bool = False  # part of the control plane
    conditions: list[NodeCondition] = Field(default_factory=list)
    unschedulable: bool = False
    taints: list[str] = Field(default_factory=list)
    kubelet: str = ""
    zone: str = ""
    age_s: int = 0
    pods: int = 0
    evicted: int = 0
    cpu_requested_ratio: float | None = None
    mem_requested_ratio: float | None = None
    cpu_used_ratio: float | None = None
    mem_used_ratio: float | None = None


class Nodes(Envelope):
    """The answer of `get_node_health`; ``kubelets`` counts the nodes of each kubelet version."""

    total: int
    ready: int
    kubelets: dict[str, int] = Field(default_factory=dict)
    nodes: list[NodeHealth] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def get_node_health(
        node: Annotated[str, Field(pattern=OPTIONAL_NODE, description="empty: the abnormal ones")] = "",
        limit: Annotated[int, Field(ge=1, le=40)] = 10,
    ) -> Annotated[CallToolResult, Nodes]:
        reading = Reading(await context.cluster())
        nodes = (await reading.cluster.list("Node")).items
        pods, events, metrics = await asyncio.gather(
            reading.one("Pod", "", fields=f"spec.nodeName={node}" if node else ""),
            reading.one("Event", "", fields="involvedObject.kind=Node"),
            reading.one("NodeMetrics", ""),
        )
        if node and not any(o.name(n) == node for n in nodes):
            near = close(node, (o.name(n) for n in nodes))
            raise ToolFailure("NOT_FOUND", f"no node {node}", hint=f"close names: {', '.join(near)}" if near else "")
        used = {o.name(m): m for m in metrics}
        answer = answer_of(nodes, _by_node(pods), events, used, now=context.clock(), named=node, limit=limit)
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_node_health, "get_node_health", DESCRIPTION, CODES)]


def answer_of(
    nodes: Sequence[Json],
    pods: Mapping[str, Sequence[Json]],
    events: Sequence[Json],
    metrics: Mapping[str, Json],
    *,
    now: datetime,
    named: str,
    limit: int,
) -> Nodes:
    """The answer, from what was read. ``pods`` and ``metrics`` are by node."""
    rows = [_row(n, pods.get(o.name(n), ()), metrics.get(o.name(n)), now) for n in nodes]
    found = {o.name(n): node_signals(n, now, events) for n in nodes if named in ("", o.name(n))}
    shown = [r for r in rows if r.name == named or (not named and (found[r.name] or r.evicted or r.age_s < NEW_S))]
    shown.sort(key=lambda r: (r.ready, not r.conditions, -r.evicted, r.name))
    ready = sum(r.ready for r in rows)
    answer = Nodes(
        summary=f"{ready} of {len(rows)} nodes are ready",
        total=len(rows),
        ready=ready,
        kubelets=dict(Counter(r.kubelet for r in rows if r.kubelet)),
        nodes=shown[:limit],
        signals=[s for signals in found.values() for s in signals],
        page=Page(returned=limit, total=len(shown)) if len(shown) > limit else None,
        truncated=len(shown) > limit,
        untrusted=["nodes[].conditions[].message"],
    )
    if answer.signals:
        answer.summary = f"{answer.summary}; {answer.signals[0].detail}"[:240]
    if not rows:
        answer.notes.append("the cluster has no node that this credential may see")
    elif not shown:
        answer.notes.append(f"all {len(rows)} nodes are ready, without pressure, and none is new")
    if len({_minor(v) for v in answer.kubelets}) > 1:
        answer.notes.append(
            f"kubelets of different versions: {', '.join(f'{n} x {v}' for v, n in answer.kubelets.items())}"
        )
    return answer


def _row(node: Json, pods: Sequence[Json], metrics: Json | None, now: datetime) -> NodeHealth:
    alive = [p for p in pods if o.text(p, "status", "phase") not in ("Succeeded", "Failed")]
    conditions = o.conditions(node)
    row = NodeHealth(
        name=o.name(node),
        ready=o.text(conditions.get("Ready"), "status") == "True",
        system=is_system(node),
        conditions=[
            NodeCondition(
                type=kind,
                status=o.text(conditions[kind], "status"),
                since=o.text(conditions[kind], "lastTransitionTime"),
                reason=o.text(conditions[kind], "reason"),
                message=clean(o.text(conditions[kind], "message"), 200),
            )
            for kind in _WATCHED
            if kind in conditions and (o.text(conditions[kind], "status") == "True") != (kind == "Ready")
        ],
        unschedulable=is_cordoned(node),
        taints=[taint_text(t) for t in o.rows(node, "spec", "taints")][:5],
        kubelet=o.text(node, "status", "nodeInfo", "kubeletVersion"),
        zone=o.labels(node).get("topology.kubernetes.io/zone", ""),
        age_s=int(max(0.0, o.age(node, now) or 0.0)),
        pods=len(alive),
        evicted=sum(o.text(p, "status", "reason") == "Evicted" for p in pods),
    )
    room = o.branch(node, "status", "allocatable")
    for resource, short in (("cpu", "cpu"), ("memory", "mem")):
        most = quantity(room.get(resource))
        if not most:
            continue
        setattr(row, f"{short}_requested_ratio", round(sum(requested(p, resource) for p in alive) / most, 3))
        used = quantity(o.branch(metrics, "usage").get(resource)) if metrics else None
        if used is not None:
            setattr(row, f"{short}_used_ratio", round(used / most, 3))
    return row


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _by_node(pods: Sequence[Json]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for pod in pods:
        found.setdefault(o.text(pod, "spec", "nodeName"), []).append(pod)
    return found
