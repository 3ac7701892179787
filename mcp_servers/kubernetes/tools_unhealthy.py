"""`find_unhealthy`: triage of a namespace or the whole cluster, grouped by owner."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Page, ok
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import claims, control_plane, ingress_routes, namespace_signals, unhealthy
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes import workload_signals as ws
from mcp_servers.kubernetes.addresses import addresses_of, foreign_signals
from mcp_servers.kubernetes.client import Cluster, Listing
from mcp_servers.kubernetes.context import Context
from mcp_servers.kubernetes.ingress_routes import route_signals
from mcp_servers.kubernetes.kinds import OPTIONAL_NAMESPACE
from mcp_servers.kubernetes.namespace_signals import Wiring, wiring_signals
from mcp_servers.kubernetes.node_signals import CODES as NODE_CODES
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.reading import Reading
from mcp_servers.kubernetes.service_endpoints import endpoints_of
from mcp_servers.kubernetes.slim import slim
from mcp_servers.kubernetes.troubles import merged
from mcp_servers.kubernetes.unhealthy import Group

Topic = Literal["pods", "workloads", "nodes", "volumes", "jobs", "services"]
What = Literal["all", "pods", "workloads", "nodes", "volumes", "jobs", "services"]
SIGNALS = (
    *unhealthy.POD_CODES,
    *NODE_CODES,
    *ws.CODES,
    *claims.CODES,
    *control_plane.CODES,
    *namespace_signals.CODES,
    *ingress_routes.CODES,
)
DESCRIPTION = (
    "What is unhealthy in a namespace (or everywhere): pods in trouble by workload, workloads short of replicas, nodes, unbound volumes, "
    "failed Jobs, Services and addresses that lead nowhere. One row an owner, the gravest first. "
    "An empty answer means that everything that was read is healthy."
)


class Row(Lean):
    """One owner. ``pods`` are the worst examples, ``affected`` of ``total`` counts pods or replicas."""

    owner: str
    kind: Topic
    severity: Literal["critical", "warning", "info"]
    problem: str
    affected: int = 0
    total: int = 0
    since: str = ""
    pods: list[str] = Field(default_factory=list)


class Unhealthy(Envelope):
    """The answer of `find_unhealthy`. ``checked`` counts what was looked at, by kind."""

    scope: str
    checked: dict[str, int] = Field(default_factory=dict)
    rows: list[Row] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def find_unhealthy(
        namespace: Annotated[str, Field(pattern=OPTIONAL_NAMESPACE)] = "",
        kind: What = "all",
        limit: Annotated[int, Field(ge=1, le=40)] = 15,
    ) -> Annotated[CallToolResult, Unhealthy]:
        return ok(await _Triage(await context.cluster(), context, namespace).answer(kind, limit))

    return [strict.tool(find_unhealthy, "find_unhealthy", DESCRIPTION, SIGNALS)]


# What each question reads. Nodes and events serve several of them.
_NEEDS = {
    "pods": ("Pod", "ReplicaSet", "Event", "Node"),
    "workloads": ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Event"),
    "nodes": ("Node", "Event"),
    "volumes": ("PersistentVolumeClaim", "Event"),
    "jobs": ("Job",),
    "services": ("Service", "Pod", "Deployment", "StatefulSet", "DaemonSet", "ResourceQuota"),
}
MOST_ABROAD = 3  # other namespaces whose Services are looked up in one triage
MOST_SUSPECTS = 5  # Services whose endpoints are looked up in one triage
_WIRED = ("Service", "Pod", "Deployment", "StatefulSet", "DaemonSet")


class _Triage:
    """One look over a scope."""

    def __init__(self, cluster: Cluster, context: Context, namespace: str) -> None:
        self.cluster, self.context, self.namespace = cluster, context, namespace
        self.reading, self.notes, self.checked = Reading(cluster), list[str](), dict[str, int]()

    async def answer(self, kind: What, limit: int) -> Unhealthy:
        now = self.context.clock()
        asked = tuple(_NEEDS) if kind == "all" else (kind,)
        kinds = list(dict.fromkeys(k for a in asked for k in _NEEDS[a]))
        # The first list must work, the others are parts: what cannot be read is said, and the rest stands.
        reads = (self._list(k, required=k == kinds[0]) for k in kinds)
        lists = dict(zip(kinds, await asyncio.gather(*reads), strict=True))
        self.checked = {
            k: self.checked[k] for k in kinds if k in self.checked
        }  # the order asked for, not that of the answers
        known = o.index(lists.get("ReplicaSet", []))
        events = lists.get("Event", [])
        workloads: list[Json] = [w for k in ("Deployment", "StatefulSet", "DaemonSet") for w in lists.get(k, [])]
        nodes: list[Group] = []
        system: list[Json] | None = None
        if "nodes" in asked:
            system, told = await asyncio.gather(self._system_pods(), self._node_events(lists["Node"]))
            nodes = unhealthy.node_groups(lists["Node"], [*events, *told], now)
            nodes += unhealthy.component_groups(system or [])
        if asked == ("nodes",) and self.reading.whole("Event", "Node"):
            waiting = await Reading(self.cluster).one("Pod", self.namespace, fields="status.phase=Pending", max_pages=2)
            placed = unhealthy.pod_groups(waiting, events, lists["Node"], known, now)
            nodes += unhealthy.scheduler_groups(placed, waiting, events, system, lists["Node"])
        groups: list[Group] = []
        if "pods" in asked:
            there = self.reading.or_none("Node", lists["Node"])
            pods = unhealthy.pod_groups(lists["Pod"], events, there, known, now)
            groups += unhealthy.without_lost_nodes(
                pods, {g.owner: g for g in nodes if any(s.code == "node.not_ready" for s in g.signals)}
            )
            if "nodes" in asked and self.reading.whole("Event", "Node"):
                nodes += unhealthy.scheduler_groups(groups, lists["Pod"], events, system, lists["Node"])
        if "workloads" in asked:
            services = lists["Service"] if "Service" in lists and self.reading.whole("Service") else None
            around = ws.Surroundings(lists["Pod"], lists["ReplicaSet"], events, services)
            groups = unhealthy.joined(groups, unhealthy.workload_groups(workloads, around, known, now))
        if "volumes" in asked:
            volumes, classes = await self._storage(lists["PersistentVolumeClaim"])
            groups += unhealthy.volume_groups(lists["PersistentVolumeClaim"], volumes, classes, events, now)
        if "jobs" in asked:
            groups += unhealthy.job_groups(lists["Job"], now)
        if "services" in asked:
            groups = unhealthy.joined(groups, await self._wiring(lists, workloads))
        return self._put(unhealthy.ranked([*groups, *nodes], now), limit)

    async def _wiring(self, lists: Mapping[str, Sequence[Json]], workloads: Sequence[Json]) -> list[Group]:
        """How each namespace is wired. Silent where something was not read to its end: absence would prove nothing."""
        if not self.reading.whole(*_WIRED):
            return []
        parts = {k: _by_namespace(lists[k]) for k in ("Service", "Pod", "ResourceQuota")}
        mine = _by_namespace(workloads)
        aside = Reading(
            self.cluster
        )  # Ingresses and other namespaces are beside the question: what cannot be read of them is left out
        routes = _by_namespace(await aside.one("Ingress", self.namespace, max_pages=2))
        found: list[Group] = []
        for space in sorted(mine.keys() | parts["Service"].keys()):
            services, pods, quotas = (parts[k].get(space, []) for k in ("Service", "Pod", "ResourceQuota"))
            wiring = Wiring(space, services, mine.get(space, []), pods, quotas)
            wiring = replace(wiring, resolved=await self._resolved(wiring))
            abroad = await self._abroad(wiring, parts["Service"])
            more = [
                *route_signals(routes.get(space, []), services),
                *foreign_signals(wiring.workloads, services, abroad),
            ]
            found += unhealthy.wiring_groups(wiring, more)
        return found

    async def _abroad(self, wiring: Wiring, services: Mapping[str, Sequence[Json]]) -> dict[str, Sequence[Json]]:
        """All Services of the other namespaces where workloads look for a namesake of a Service; only what was read whole."""
        names = {o.name(s) for s in wiring.services}
        named = {a.namespace for w in wiring.workloads for a in addresses_of(w) if a.host in names} - {wiring.namespace}
        if not self.namespace:
            return {space: services.get(space, []) for space in named}
        found: dict[str, Sequence[Json]] = {}
        for space in sorted(named)[:MOST_ABROAD]:
            aside = Reading(self.cluster)
            there = await aside.one("Service", space, max_pages=2)
            if aside.whole("Service"):
                found[space] = there
        return found

    async def _resolved(self, wiring: Wiring) -> frozenset[str]:
        """Of the Services whose port looks wrong, those for which the cluster has ready endpoints all the same."""
        wrong = {
            s.subject for s in wiring_signals(wiring) if s.code == "svc.port_mismatch" and s.severity == "critical"
        }
        suspects = [s for s in wiring.services if o.ref_of(s) in wrong][:MOST_SUSPECTS]
        aside = Reading(self.cluster)  # what cannot be read leaves the suspicion as it is
        seen = await asyncio.gather(*(endpoints_of(s, aside) for s in suspects))
        return frozenset(o.name(s) for s, behind in zip(suspects, seen, strict=True) if behind.ready)

    async def _system_pods(self) -> list[Json] | None:
        """The control plane's pods; ``None`` where they may not be seen, which is no part of the question."""
        aside = Reading(self.cluster)
        return aside.or_none("Pod", await aside.one("Pod", control_plane.NAMESPACE, max_pages=4))

    async def _node_events(self, nodes: Sequence[Json]) -> list[Json]:
        """Events of nodes live in the namespace "default"; they are asked for where a node is not ready and its reason may stand there."""
        if not self.namespace or all(o.text(o.conditions(n).get("Ready"), "status") == "True" for n in nodes):
            return []
        return await Reading(self.cluster).one("Event", "default", fields="involvedObject.kind=Node", max_pages=2)

    async def _storage(self, found: Sequence[Json]) -> tuple[list[Json] | None, list[Json] | None]:
        """Volumes and classes, where some claim is not bound."""
        if all(o.text(c, "status", "phase") == "Bound" for c in found):
            return None, None
        kinds = ("PersistentVolume", "StorageClass")
        volumes, classes = await self.reading.all(*((k, "") for k in kinds))
        return self.reading.or_none(kinds[0], volumes), self.reading.or_none(kinds[1], classes)

    async def _list(self, kind: str, *, required: bool) -> list[Json]:
        namespace = "" if kind == "Node" else self.namespace
        reading = self._reading(kind, namespace)
        listing = await reading if required else await self.reading.of(kind, reading, Listing([]))
        if not listing.complete:
            self.reading.cut.add(kind)
            self.notes.append(listing.note)
        if kind not in ("ReplicaSet", "Event", "ResourceQuota"):
            self.checked[kind] = len(listing.items)
        return listing.items

    async def _reading(self, kind: str, namespace: str) -> Listing:
        if kind != "Pod":
            return await self.cluster.list(kind, namespace)
        most = self.context.settings.max_pods
        listing = await self.cluster.list("Pod", namespace, max_pages=max(1, most // 500), keep=slim)
        if listing.complete:
            return listing
        # Too many to read: those that do not run are what triage is after; running ones in trouble show in warning events.
        fields = "status.phase!=Running,status.phase!=Succeeded"
        stopped = await self.cluster.list("Pod", namespace, fields=fields, keep=slim)
        there = {o.ref_of(p) for p in listing.items}
        extra = [p for p in stopped.items if o.ref_of(p) not in there]
        note = f"more than {most} pods: of the rest only those that do not run were read"
        return Listing([*listing.items, *extra], False, note)

    def _put(self, groups: Sequence[Group], limit: int) -> Unhealthy:
        scope = f"namespace {self.namespace}" if self.namespace else "all namespaces that may be read"
        rows = [_row(g) for g in groups[:limit]]
        answer = Unhealthy(
            summary=self._summary(groups, scope),
            signals=merged(s for g in groups for s in g.signals),
            notes=self.notes,
            scope=scope,
            checked=self.checked,
            rows=rows,
            page=Page(returned=len(rows), total=len(groups)) if len(groups) > limit else None,
            truncated=len(groups) > limit,
        )
        if not groups:
            answer.notes.append(self._why_empty(scope))
        self.reading.into(answer)
        return answer

    def _counted(self) -> str:
        return ", ".join(f"{n} {k}s" for k, n in self.checked.items())

    def _why_empty(self, scope: str) -> str:
        if not any(self.checked.values()):
            return f"{scope} holds none of what was looked for: does it exist, and is it the right one?"
        missing = f"; could not read {', '.join(self.reading.missing)}" if self.reading.missing else ""
        return f"everything that was read in {scope} is healthy: {self._counted()}{missing}"

    def _summary(self, groups: Sequence[Group], scope: str) -> str:
        if not groups:
            return f"0 problems in {scope}: {self._counted() or 'nothing there'}"
        critical = sum(g.severity == "critical" for g in groups)
        return f"{len(groups)} problems ({critical} critical) in {scope}; worst: {_short(groups[0])}"


def _short(group: Group) -> str:
    return clean(f"{group.owner}: {group.text}", 160)


def _by_namespace(items: Sequence[Json]) -> dict[str, list[Json]]:
    spaces: dict[str, list[Json]] = defaultdict(list)
    for item in items:
        spaces[o.namespace(item)].append(item)
    return spaces


def _row(group: Group) -> Row:
    return Row.model_validate(
        {
            "owner": group.owner,
            "kind": group.kind,
            "severity": group.severity,
            "problem": clean(group.text, 300),
            "affected": group.affected,
            "total": group.total,
            "since": group.since,
            "pods": [f"{p.name} ({p.status}, {p.restarts} restarts)" for p in group.pods[:4]],
        }
    )
