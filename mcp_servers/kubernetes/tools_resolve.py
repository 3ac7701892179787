"""`resolve_target`: which namespace, workload, Service, pods and node an alert means, verified in the cluster."""

from typing import Annotated, Any

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ok
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import callgraph
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes import resolve as r
from mcp_servers.kubernetes.context import Context
from mcp_servers.kubernetes.hints import Hints, read_hints
from mcp_servers.kubernetes.kinds import OPTIONAL_NAMESPACE
from mcp_servers.kubernetes.naming import close
from mcp_servers.kubernetes.reading import Reading

Json = dict[str, Any]
MAX_EDGES = 60
DESCRIPTION = (
    "Maps what an alert says to objects that exist: 'namespace=shop pod=checkout-7d9-x8k2p', or bare words whose names were lost. Gives "
    "namespace, workload, service, pods (troubled first), node, container, confidence and why. Ambiguity is said, not guessed."
)


class Alternative(Lean):
    """Another object that the words could mean."""

    workload: str  # "Deployment/checkout"
    namespace: str
    confidence: float
    why: str


class Target(Envelope):
    """Every field is always there; what is not known is empty. ``workload`` is ``Kind/name``; ``pods`` are names."""

    namespace: str
    workload: str
    service: str
    pods: list[str]
    node: str
    container: str
    confidence: float
    why: str
    alternatives: list[Alternative] = Field(default_factory=list)
    calls: list[str] = Field(
        default_factory=list
    )  # Services and workloads that it depends on, as far as settings name them
    called_by: list[str] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def resolve_target(
        query: Annotated[
            str, Field(max_length=4000, description="key=value pairs and bare words, separated by spaces")
        ],
        namespace: Annotated[str, Field(pattern=OPTIONAL_NAMESPACE, description="empty: found out")] = "",
        limit: Annotated[int, Field(ge=1, le=20, description="pods and alternatives")] = 5,
    ) -> Annotated[CallToolResult, Target]:
        hints = read_hints(f"namespace={namespace} {query}" if namespace else query)
        reading = Reading(await context.cluster())
        world = await look(hints, reading)
        answer = target_of(hints, world, limit)
        named = hints.named.get("namespace", "")
        if named and named not in world.namespaces:
            near = close(named, world.namespaces, 3)
            answer.notes.append(
                f"namespace {clean(named, 63)} does not exist" + (f"; close names: {', '.join(near)}" if near else "")
            )
        reading.into(answer)
        return ok(answer)

    return [strict.tool(resolve_target, "resolve_target", DESCRIPTION)]


async def look(hints: Hints, reading: Reading) -> r.World:
    """Read the namespaces that the hints name, or all that may be read where they name none."""
    named = await reading.one("Namespace", "")
    existing = frozenset(o.name(n) for n in named)
    given = hints.named.get("namespace", "")
    if "Namespace" in reading.missing and given:
        existing = frozenset({given})  # namespaces may not be listed: the one that was named is believed and tried
    spaces = r.likely_namespaces(hints, existing)[:4] or [""]
    kinds = ("Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet", "Service")
    lists = await reading.all(("Node", ""), *((k, s) for s in spaces for k in kinds))
    if len([k for k in kinds if k in reading.missing]) == len(kinds):
        reading.deny("it", *kinds)
    by_kind: dict[str, list[Json]] = {k: [] for k in kinds}
    for (kind, _), items in zip([(k, s) for s in spaces for k in kinds], lists[1:], strict=True):
        by_kind[kind] += items
    workloads = [w for k in ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job") for w in by_kind[k]]
    seen = existing | {o.namespace(p) for p in by_kind["Pod"]}
    return r.World(frozenset(seen), by_kind["Pod"], workloads, by_kind["ReplicaSet"], by_kind["Service"], lists[0])


def target_of(hints: Hints, world: r.World, limit: int) -> Target:
    """The answer, from what was read."""
    found = [c for c in r.candidates(hints, world) if c.strength >= r.ENOUGH]
    spaces = r.likely_namespaces(hints, world.namespaces)
    nodes = r.nodes_named(hints, world)
    served = r.services_named(hints, world)
    answer = Target(
        summary="",
        namespace=spaces[0] if len(spaces) == 1 else "",
        workload="",
        service="",
        pods=[],
        node=nodes[0] if len(nodes) == 1 else "",
        container="",
        confidence=0.0,
        why="",
    )
    tied = [c for c in found if found[0].strength - c.strength <= r.SAME_STRENGTH]
    if found and len(tied) == 1:
        _fill(answer, found[0], hints, world, limit)
        answer.alternatives = [_alternative(c) for c in found[1 : limit + 1]]
    elif tied:
        shared = {c.ref.split("/")[1] for c in tied}
        answer.namespace = shared.pop() if len(shared) == 1 else answer.namespace
        answer.alternatives = [_alternative(c) for c in tied[:limit]]
        answer.confidence = 0.4 if answer.namespace else 0.2
        answer.why = f"{len(tied)} objects fit equally: {', '.join(a.workload + ' in ' + a.namespace for a in answer.alternatives[:4])}"
    elif len(served) == 1:
        answer.namespace, answer.service = o.namespace(served[0]), o.name(served[0])
        answer.confidence = 0.7
        answer.why = f"Service {answer.service} exists and selects no workload"
    elif answer.node:
        answer.confidence, answer.why = (
            0.9 if hints.named.get("node") else 0.75,
            f"node {answer.node} exists and no workload is named",
        )
    elif answer.namespace:
        answer.confidence, answer.why = 0.5, f"only the namespace {answer.namespace} is known"
    else:
        answer.why = _nothing(hints, world)
    where = (
        f"{answer.workload or answer.service or answer.node or 'no workload'} in {answer.namespace}"
        if answer.namespace
        else answer.workload or answer.node
    )
    answer.summary = f"{where}: {answer.why}"[:240] if where else answer.why[:240]
    return answer


def _fill(answer: Target, best: r.Candidate, hints: Hints, world: r.World, limit: int) -> None:
    kind, space, name = best.ref.split("/")
    pods = r.pods_of(best.ref, world, best.pods, limit)
    answer.namespace, answer.workload = space, f"{kind}/{name}"
    answer.pods = [o.name(p) for p in pods]
    answer.service = r.service_of(best.ref, hints, world)
    answer.node = answer.node or (o.text(pods[0], "spec", "nodeName") if pods else "")
    answer.container = r.container_of(pods, hints)
    answer.calls = callgraph.called_from(best.ref, world.workloads, world.services)[:MAX_EDGES]
    answer.called_by = callgraph.callers_of_workload(best.ref, world.workloads, world.services)[:MAX_EDGES]
    answer.confidence, answer.why = best.strength, best.why
    gone = [lead.why for lead in best.leads if " is gone" in lead.why]
    if gone:
        answer.notes.append(gone[0])
    if not pods:
        answer.notes.append(f"{answer.workload} has no pod now")


def _alternative(candidate: r.Candidate) -> Alternative:
    kind, space, name = candidate.ref.split("/")
    return Alternative(workload=f"{kind}/{name}", namespace=space, confidence=candidate.strength, why=candidate.why)


def _nothing(hints: Hints, world: r.World) -> str:
    words = [*hints.named.values(), *hints.words]
    if not words and not hints.pairs:
        return "the query names nothing that a cluster could know"
    known = {o.name(w) for w in world.workloads} | {o.name(s) for s in world.services}
    near = [n for w in words[:5] for n in close(w, known, 2)]
    shown = ", ".join(clean(w, 60) for w in words[:4])
    return f"nothing in the cluster is called {shown}" + (
        f"; close names: {', '.join(dict.fromkeys(near))}" if near else ""
    )
