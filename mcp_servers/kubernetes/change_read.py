"""Reading what changes leave their traces in, and finding what of it belongs to the target."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.common.timerange import Range
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.addresses import addresses_of
from mcp_servers.kubernetes.change_delivery import deliverers
from mcp_servers.kubernetes.change_scope import Scope
from mcp_servers.kubernetes.naming import hint_for
from mcp_servers.kubernetes.podtemplate_diff import Mark, config_sources
from mcp_servers.kubernetes.reading import Reading
from mcp_servers.kubernetes.service_selection import selector, selects, template_labels
from mcp_servers.kubernetes.workload_state import matches

Json = dict[str, Any]
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Rollout")
LISTS = (
    *("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ControllerRevision", "Pod", "Event"),
    *("HorizontalPodAutoscaler", "Service", "Ingress", "NetworkPolicy", "ResourceQuota", "LimitRange"),
    *("PodDisruptionBudget", "Job"),
)
CUSTOM = ("Rollout", "AnalysisRun", "FeatureFlag", "ScaledObject", "Certificate", "HTTPRoute", "Gateway")
DELIVERY = ("Application", "HelmRelease", "Kustomization")  # live where the tool lives, not beside what they deliver
NODE_EVENTS = "default"  # the namespace in which events of nodes are kept
HELM = "Secret"


class Read:
    """What was read, by kind. ``lost`` are kinds that the cluster has but does not show, ``absent`` those that it does not have."""

    def __init__(self, parts: dict[str, list[Json]], lost: dict[str, str], absent: list[str], reading: Reading) -> None:
        self.parts, self.lost, self.absent = parts, lost, absent
        self._reading = reading
        self.workloads = [w for kind in WORKLOADS for w in parts[kind]]
        self.owners = o.index(parts["ReplicaSet"], parts["Job"])

    @classmethod
    async def of(cls, reading: Reading, space: str) -> "Read":
        """Everything in one namespace (all with ""), side by side. Add-ons that are not there are no fault: they are in ``absent``."""
        aside = Reading(reading.cluster)
        asked: list[tuple[str, str, dict[str, Any]]] = [(k, space, {}) for k in LISTS]
        asked += [("ConfigMap", space, {"metadata": True}), ("Node", "", {})]
        extra = [(k, space) for k in CUSTOM] + [(k, "") for k in DELIVERY]
        lists, more, told, records = await asyncio.gather(
            reading.all(*asked), aside.all(*extra), cls._node_events(reading, space), cls._records(reading, space)
        )
        kinds = [a[0] for a in asked] + [e[0] for e in extra]
        parts = dict(zip(kinds, [*lists, *more], strict=True))
        parts["Event"] += told
        parts[HELM] = records
        refused = {p.part for p in aside.partial}
        lost = {k: why for k, why in aside.missing.items() if k in refused}
        absent = [k for k in (*CUSTOM, *DELIVERY) if k in aside.missing and k not in refused]
        return cls(parts, lost, absent, reading)

    @staticmethod
    async def _node_events(reading: Reading, space: str) -> list[Json]:
        """Events of nodes, where the namespace's own list does not hold them; not seeing them is told with the nodes' blind spots."""
        if not space or space == NODE_EVENTS:
            return []
        return await Reading(reading.cluster).one("Event", NODE_EVENTS, fields="involvedObject.kind=Node", max_pages=2)

    @staticmethod
    async def _records(reading: Reading, space: str) -> list[Json]:
        if not reading.cluster.settings.helm_records:
            return []
        listing = await reading.of("Helm's records", reading.cluster.helm_records(space), None)
        return listing.items if listing else []

    def pods_of(self, scope: Scope) -> list[Json]:
        return [p for p in self.parts["Pod"] if o.workload(p, self.owners) in scope.targets]

    def scope_of(self, target: str, namespace: str, window: Range, onset: datetime, mark: Mark) -> Scope:
        """The target and all that is near it. Raises `ToolFailure` NOT_FOUND when there is no such target."""
        if not target:
            return Scope(window.start, window.end, onset, mark, namespace)
        mine, services = self._named(target, namespace)
        space = o.namespace((mine or services)[0])
        hosts = {a.host for w in mine for a in addresses_of(w) if a.namespace == space}
        called = [s for s in self.parts["Service"] if o.namespace(s) == space and o.name(s) in hosts]
        refs = {o.ref_of(w) for w in mine}
        behind = {o.ref_of(w) for s in called for w in self.workloads if _selected(s, w)} - refs
        fronts = [s for s in self.parts["Service"] if any(_selected(s, w) for w in mine)]
        pods = [p for p in self.parts["Pod"] if o.workload(p, self.owners) in refs]
        return Scope(
            window.start,
            window.end,
            onset,
            mark,
            space,
            targets=frozenset(refs),
            own=frozenset(self._deciding(mine, [*services, *fronts], space)),
            dependencies=frozenset(behind | {o.ref_of(s) for s in called}),
            configs=frozenset(self._configs(mine)),
            deliverers=frozenset(d for w in mine for d in deliverers(w)),
            nodes=frozenset(o.text(p, "spec", "nodeName") for p in pods) - {""},
        )

    def _named(self, target: str, namespace: str) -> tuple[list[Json], list[Json]]:
        kind, _, name = target.rpartition("/")
        kind = kind.partition("/")[0]
        mine = [w for w in self.workloads if o.name(w) == name and kind in ("", o.text(w, "kind"))]
        services = [s for s in self.parts["Service"] if o.name(s) == name and kind in ("", "Service")]
        if namespace:  # the whole cluster may have been read
            mine = [w for w in mine if o.namespace(w) == namespace]
            services = [s for s in services if o.namespace(s) == namespace]
        mine += [w for w in self.workloads if w not in mine and any(_selected(s, w) for s in services)]
        if mine or services:
            return mine, services
        self._reading.deny(target, *WORKLOADS, "Service")
        where = f" in namespace {namespace}" if namespace else ""
        hint = hint_for(name, [*self.workloads, *self.parts["Service"]])
        raise ToolFailure("NOT_FOUND", f"no workload or Service {target}{where}", hint=hint)

    def _configs(self, mine: list[Json]) -> Iterator[str]:
        for workload in mine:
            template = o.branch(workload, "spec", "template")
            space = o.namespace(workload)
            yield from (o.ref(kind, space, name) for kind, name in config_sources(template))
            if any(key.startswith("openfeature.dev/") for key in o.annotations(template)):
                yield from (o.ref_of(f) for f in self.parts["FeatureFlag"] if o.namespace(f) == space)

    def _deciding(self, mine: list[Json], services: list[Json], space: str) -> Iterator[str]:
        """Refs of what decides about the targets: their Services, the routes to those, the policies and budgets that select them."""
        yield from map(o.ref_of, services)
        names = {o.name(s) for s in services}
        labels = [template_labels(w) for w in mine]
        for kind in ("Ingress", "HTTPRoute"):
            yield from (o.ref_of(i) for i in self.parts[kind] if o.namespace(i) == space and names & set(_backends(i)))
        for kind, key in (("NetworkPolicy", "podSelector"), ("PodDisruptionBudget", "selector")):
            for item in self.parts[kind]:
                wanted = o.branch(item, "spec").get(key)
                if o.namespace(item) == space and isinstance(wanted, dict) and any(matches(wanted, x) for x in labels):
                    yield o.ref_of(item)


def _selected(service: Json, workload: Json) -> bool:
    same = o.namespace(service) == o.namespace(workload)
    return same and selects(selector(service), template_labels(workload))


def _backends(route: Json) -> Iterator[str]:
    """Names of the Services that an Ingress or HTTPRoute leads to."""
    for backend in (o.branch(route, "spec", "defaultBackend"), o.branch(route, "spec", "backend")):
        yield o.text(backend, "service", "name") or o.text(backend, "serviceName")
    for rule in o.rows(route, "spec", "rules"):
        for path in o.rows(rule, "http", "paths"):
            yield o.text(path, "backend", "service", "name") or o.text(path, "backend", "serviceName")
        yield from (o.text(b, "name") for b in o.rows(rule, "backendRefs"))
