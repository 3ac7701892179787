"""`get_service_health`: from the Service to its pods and back, wherever the chain breaks."""

from datetime import datetime
from typing import Annotated, Any

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.change import Change
from mcp_servers.common.envelope import Envelope, Lean, Signal, ToolFailure, ok
from mcp_servers.common.signals import CATALOGUE, signal
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes import workload_signals as ws
from mcp_servers.kubernetes.addresses import address_signals, callers_of
from mcp_servers.kubernetes.autoscaling import (
    AutoscalerOut,
    BudgetOut,
    autoscaler_of,
    autoscaler_signals,
    budget_signals,
    budgets_of,
    read_autoscaler,
    read_budget,
)
from mcp_servers.kubernetes.change_workloads import Workloads
from mcp_servers.kubernetes.context import Context
from mcp_servers.kubernetes.kinds import NAME, OPTIONAL_NAMESPACE
from mcp_servers.kubernetes.namespace_signals import Wiring, missing_signals
from mcp_servers.kubernetes.naming import hint_for
from mcp_servers.kubernetes.network_policies import edge_signals, policy_signals
from mcp_servers.kubernetes.pod_rows import PodRow, pod_row, trouble_first
from mcp_servers.kubernetes.reading import Reading
from mcp_servers.kubernetes.service_change import newest_change
from mcp_servers.kubernetes.service_endpoints import Endpoints, endpoints_of
from mcp_servers.kubernetes.service_ports import port_signals, served, target_of
from mcp_servers.kubernetes.service_selection import Selection, selection, selector, selector_signals, template_labels
from mcp_servers.kubernetes.troubles import Ground, pods_signals
from mcp_servers.kubernetes.workload_state import rollout_status

Json = dict[str, Any]
SERVICE_CODES = (
    "svc.address_wrong",
    "svc.externalname",
    "svc.missing",
    "svc.no_endpoints",
    "svc.partial_endpoints",
    "svc.port_mismatch",
    "svc.protocol_mismatch",
    "svc.selector_mismatch",
    "svc.single_replica",
    "svc.zone_skew",
    "net.policy_blocks",
)
POD_CODES = tuple(code for code in CATALOGUE if code.startswith("k8s.pod."))
SIGNALS = (*SERVICE_CODES, *ws.CODES, "hpa.at_max", "hpa.no_metrics", "hpa.scaled_recently", "pdb.blocking", *POD_CODES)
DESCRIPTION = (
    "A Service and what stands behind it: selector, ports, ready and unready endpoints, pods, owning workload, autoscaler, NetworkPolicy, "
    "callers. Says where the chain breaks: nothing selected, wrong port or protocol, no ready endpoint, scaled to zero, Service missing."
)


class PortOut(Lean):
    name: str = ""
    port: int
    target: str
    protocol: str = "TCP"


class ServiceOut(Lean):
    name: str
    type: str
    cluster_ip: str = ""
    external_name: str = ""
    selector: dict[str, str] = Field(default_factory=dict)
    ports: list[PortOut] = Field(default_factory=list)


class EndpointsOut(Lean):
    ready: int
    not_ready: int
    serving: int
    terminating: int = 0
    zones: dict[str, int] = Field(default_factory=dict)


class ServiceHealth(Envelope):
    """``service`` is absent where it does not exist; ``workloads`` are those that the Service selects, as ``Kind/namespace/name``."""

    namespace: str
    service: ServiceOut | None = None
    endpoints: EndpointsOut | None = None
    pods: list[PodRow] = Field(default_factory=list)
    workloads: list[str] = Field(default_factory=list)
    workload_status: list[str] = Field(default_factory=list)
    ingress: list[str] = Field(default_factory=list)
    hpa: AutoscalerOut | None = None
    pdb: list[BudgetOut] = Field(default_factory=list)
    recent_change: Change | None = None  # the newest of the last 24 h
    callers: list[str] = Field(default_factory=list)  # "Deployment/shop/frontend (CHECKOUT_ADDR)"


def tools(context: Context) -> list[Tool]:
    async def get_service_health(
        service_name: Annotated[str, Field(pattern=NAME, description="name of the Service")],
        namespace: Annotated[str, Field(pattern=OPTIONAL_NAMESPACE, description="empty: looked for everywhere")] = "",
    ) -> Annotated[CallToolResult, ServiceHealth]:
        reading = Reading(await context.cluster())
        services = (await reading.cluster.list("Service", namespace)).items
        named = [s for s in services if o.name(s) == service_name]
        if len(named) > 1:
            spaces = ", ".join(sorted(o.namespace(s) for s in named)[:8])
            raise ToolFailure(
                "VALIDATION", f"several Services are called {service_name}: in {spaces}", hint="give the namespace"
            )
        if named:
            space = o.namespace(named[0])
            around = await Around.read(reading, space, [s for s in services if o.namespace(s) == space])
            answer = await health_of(named[0], around, reading, context)
        else:
            answer = await missing(service_name, namespace, services, reading)
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_service_health, "get_service_health", DESCRIPTION, SIGNALS)]


class Around:
    """What was read of a Service's namespace."""

    def __init__(self, services: list[Json], parts: list[list[Json]]) -> None:
        self.services = services
        self.pods, self.replica_sets, deployments, stateful, daemons, self.events, *rest = parts
        self.scalers, self.budgets, self.policies, self.ingresses, self.nodes, self.configs = rest
        self.workloads = [*deployments, *stateful, *daemons]
        self.missing: frozenset[str] = frozenset()

    def ground(self, now: datetime) -> Ground:
        """What the pods' own checks want to know."""
        nodes = None if "Node" in self.missing else self.nodes
        configs = None if "ConfigMap" in self.missing else self.configs
        return Ground(now, self.events, nodes, self.replica_sets, configs)

    @classmethod
    async def read(cls, reading: Reading, space: str, services: list[Json]) -> "Around":
        kinds = (
            *("Pod", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Event", "HorizontalPodAutoscaler"),
            *("PodDisruptionBudget", "NetworkPolicy", "Ingress"),
        )
        around = cls(
            services,
            await reading.all(*((k, space) for k in kinds), ("Node", ""), ("ConfigMap", space, {"metadata": True})),
        )
        around.missing = frozenset(reading.missing)
        return around


async def health_of(service: Json, around: Around, reading: Reading, context: Context) -> ServiceHealth:
    ref, space, name, now = o.ref_of(service), o.namespace(service), o.name(service), context.clock()
    answer = ServiceHealth(summary="", namespace=space, service=_service(service))
    answer.ingress = _ingress(name, around.ingresses)
    answer.callers = [f"{a.workload} ({a.variable})" for a in callers_of(name, space, around.workloads)][:8]
    if o.text(service, "spec", "type") == "ExternalName":
        target = o.text(service, "spec", "externalName")
        answer.signals = [
            signal("svc.externalname", ref, f"Service {name} is an alias of {target}; nothing of it runs here")
        ]
        answer.summary = f"{name} is an alias of {target}: no pods, no endpoints"
        return answer
    seen = await endpoints_of(service, reading)
    chosen = selection(service, around.pods, around.workloads)
    alive = [p for p in chosen.pods if not o.is_finished(p)]
    answer.endpoints = EndpointsOut(
        ready=seen.ready, not_ready=seen.not_ready, serving=seen.serving, terminating=seen.terminating, zones=seen.zones
    )
    answer.pods = [pod_row(p, now) for p in trouble_first(alive)[:8]]
    answer.workloads = [o.ref_of(w) for w in chosen.workloads][:5]
    answer.workload_status = [rollout_status(w) for w in chosen.workloads][:5]
    signals: list[Signal] = [*selector_signals(service, chosen), *port_signals(service, alive, resolved=seen.ready > 0)]
    signals += _endpoint_signals(service, seen, alive)
    signals += _policy_signals(service, alive, around)
    signals += address_signals(around.workloads, around.services, space)
    signals += _behind(chosen, around, context, answer)
    past = Workloads(chosen.workloads, around.replica_sets, (), around.pods, around.events)
    answer.recent_change = newest_change(past, around.configs, context.settings.common.redactor.hashed, now)
    if not selector(service):
        answer.notes.append("the Service has no selector: somebody else keeps its endpoints")
    elif not alive and chosen.workloads:
        answer.notes.append(f"no pod exists: {answer.workload_status[0]}")
    if not seen.known:
        answer.notes.append("no endpoints object exists: the endpoint controller has not acted, or it may not be read")
    answer.signals = signals
    answer.summary = _summary(answer, seen, alive)
    return answer


def _behind(chosen: Selection, around: Around, context: Context, answer: ServiceHealth) -> list[Signal]:
    """Signals of the workloads and pods behind the Service; their autoscaler and budgets go into ``answer``."""
    now, owners = context.clock(), o.index(around.replica_sets)
    found = pods_signals(chosen.pods, around.ground(now))
    for workload in chosen.workloads:
        ref = o.ref_of(workload)
        mine = [p for p in around.pods if o.workload(p, owners) == ref]
        found += ws.workload_signals(workload, ws.Surroundings(mine, around.replica_sets, around.events), now)
        if hpa := autoscaler_of(workload, around.scalers):
            found += autoscaler_signals(hpa, ref, now)
            answer.hpa = answer.hpa or read_autoscaler(hpa)
        for budget in budgets_of(template_labels(workload), o.namespace(workload), around.budgets):
            found += budget_signals(budget, ref)
            answer.pdb = [*answer.pdb, read_budget(budget)][:3]
    return found


def _endpoint_signals(service: Json, seen: Endpoints, alive: list[Json]) -> list[Signal]:
    ref, name = o.ref_of(service), o.name(service)
    owner = next((o.workload(p) for p in alive), "")
    found = []
    if seen.ready == 0 and (seen.known or alive):
        ready_pods = sum(o.is_ready(p) for p in alive)
        why = f"none of {len(alive)} pods is ready" if alive else "it selects no pod"
        if alive and ready_pods:
            why = f"{ready_pods} of {len(alive)} pods are ready and yet not listed"
        if not selector(service):
            why = "nobody has put an address in"
        found.append(
            signal("svc.no_endpoints", ref, f"Service {name} has no ready endpoint: {why}", owner=owner, value=0)
        )
    elif seen.not_ready:
        total = seen.ready + seen.not_ready
        detail = f"{seen.ready} of {total} endpoints of Service {name} are ready"
        found.append(signal("svc.partial_endpoints", ref, detail, owner=owner, value=seen.ready, threshold=total))
    if seen.ready == 1 and not seen.not_ready:
        found.append(signal("svc.single_replica", ref, f"Service {name} stands on one endpoint", owner=owner, value=1))
    if seen.ready >= 3 and len(seen.zones) == 1 and sum(seen.zones.values()) == seen.ready:
        found.append(
            signal(
                "svc.zone_skew",
                ref,
                f"all {seen.ready} endpoints of {name} are in zone {next(iter(seen.zones))}",
                owner=owner,
            )
        )
    return found


def _policy_signals(service: Json, alive: list[Json], around: Around) -> list[Signal]:
    numbers: set[int] = set()
    names: set[str] = set()
    for port in o.rows(service, "spec", "ports"):
        number, name = target_of(port)
        names |= {name} - {""}
        numbers |= {number} - {0}
        numbers |= {s.number for p in alive[:1] for s in served(p) if name and s.name == name}
    if not around.policies or not alive:
        return []
    if told := policy_signals(alive, around.policies, numbers, names, o.ref_of(service)):
        return told
    calling = {a.workload for a in callers_of(o.name(service), o.namespace(service), around.workloads)}
    callers = [w for w in around.workloads if o.ref_of(w) in calling]
    return [s for w in callers for s in edge_signals(w, alive, around.policies, numbers, names)]


def _service(service: Json) -> ServiceOut:
    ports = []
    for port in o.rows(service, "spec", "ports")[:10]:
        number, name = target_of(port)
        ports.append(
            PortOut(
                name=o.text(port, "name"),
                port=o.number(port, "port") or 0,
                target=name or str(number),
                protocol=o.text(port, "protocol") or "TCP",
            )
        )
    return ServiceOut(
        name=o.name(service),
        type=o.text(service, "spec", "type") or "ClusterIP",
        cluster_ip=o.text(service, "spec", "clusterIP"),
        external_name=o.text(service, "spec", "externalName"),
        selector=selector(service),
        ports=ports,
    )


def _ingress(name: str, ingresses: list[Json]) -> list[str]:
    """Host and path of the rules that lead to the Service; both API shapes of a backend."""
    found = []
    for item in ingresses:
        for rule in o.rows(item, "spec", "rules"):
            for path in o.rows(rule, "http", "paths"):
                backend = o.text(path, "backend", "service", "name") or o.text(path, "backend", "serviceName")
                if backend == name:
                    found.append(
                        f"{o.text(rule, 'host') or '*'}{o.text(path, 'path') or '/'} (Ingress {o.name(item)})"[:120]
                    )
    return found[:5]


def _summary(answer: ServiceHealth, seen: Endpoints, alive: list[Json]) -> str:
    name = answer.service.name if answer.service else ""
    ready = sum(o.is_ready(p) for p in alive)
    grave = [s for s in answer.signals if s.severity == "critical"]
    told = f"{name}: {seen.ready} ready endpoints, {seen.not_ready} not ready; {ready} of {len(alive)} pods ready"
    return f"{told}; {grave[0].detail}"[:240] if grave else told


async def missing(name: str, namespace: str, services: list[Json], reading: Reading) -> ServiceHealth:
    """There is no such Service. An answer where a workload of that name or a caller shows that there should be one, else NOT_FOUND."""
    kinds = ("Deployment", "StatefulSet", "DaemonSet")
    workloads = [w for part in await reading.all(*((k, namespace) for k in kinds)) for w in part]
    same = [w for w in workloads if o.name(w) == name]
    spaces = [namespace] if namespace else sorted({o.namespace(w) for w in same} or {o.namespace(w) for w in workloads})
    calls = [a for space in spaces for a in callers_of(name, space, workloads)]
    where = f"in namespace {namespace}" if namespace else "in any namespace that may be read"
    if not same and not calls:
        reading.deny(f"Service {name}", "Service", *kinds)
        raise ToolFailure("NOT_FOUND", f"no Service {name} {where}", hint=hint_for(name, services))
    space = namespace or (o.namespace(same[0]) if same else calls[0].namespace)
    here = [w for w in workloads if o.namespace(w) == space]
    quotas = await reading.one("ResourceQuota", space)
    signals = missing_signals(
        name, calls, Wiring(space, [s for s in services if o.namespace(s) == space], here, (), quotas)
    )
    answer = ServiceHealth(
        summary=signals[0].detail, signals=signals, namespace=space, workloads=[o.ref_of(w) for w in same][:5]
    )
    answer.workload_status = [rollout_status(w) for w in same][:5]
    answer.callers = [f"{a.workload} ({a.variable})" for a in calls][:8]
    answer.notes.append(f"no Service {name} {where}; {hint_for(name, services)}")
    return answer
