"""From the words of an alert to the objects of a cluster: a word counts only when the cluster knows it. Pure.

Each way a word can point to a workload has a weight; several words that point to the same workload strengthen each other. Two workloads of
equal strength are an ambiguity, which is said and not guessed away.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.hints import Hints, dotted, is_exporter, workload_names_of
from mcp_servers.kubernetes.pod_rows import trouble_first
from mcp_servers.kubernetes.podtemplate_diff import split_image
from mcp_servers.kubernetes.service_selection import selector, selects, template_labels

Json = dict[str, Any]
SAME_STRENGTH = 0.04
ENOUGH = 0.3
_LEAST_ALIKE = 5  # letters; shorter words are like too much
NAME_LABELS = ("app.kubernetes.io/name", "app", "k8s-app", "app.kubernetes.io/instance", "app.kubernetes.io/component")


@dataclass(frozen=True)
class World:
    """What was read of the cluster. ``namespaces`` are the existing ones, as far as they may be listed."""

    namespaces: frozenset[str]
    pods: Sequence[Json] = ()
    workloads: Sequence[Json] = ()
    replica_sets: Sequence[Json] = ()
    services: Sequence[Json] = ()
    nodes: Sequence[Json] = ()


@dataclass(frozen=True)
class Lead:
    """One word that points to one object. ``strength`` 0..1."""

    ref: str
    strength: float
    why: str
    pod: str = ""


@dataclass
class Candidate:
    ref: str
    leads: list[Lead] = field(default_factory=list)

    @property
    def strength(self) -> float:
        """Independent leads add up; an exporter's own workload never gains from being named often."""
        missed = 1.0
        for why in {lead.why: lead for lead in self.leads}.values():
            missed *= 1 - why.strength
        return round(min(0.99, 1 - missed), 3)

    @property
    def pods(self) -> list[str]:
        return list(dict.fromkeys(lead.pod for lead in self.leads if lead.pod))

    @property
    def why(self) -> str:
        best = sorted(self.leads, key=lambda lead: -lead.strength)
        return " and ".join(dict.fromkeys(lead.why for lead in best[:2]))


def likely_namespaces(hints: Hints, existing: frozenset[str]) -> list[str]:
    """The namespaces that the hints name and the cluster has; the named one alone if it exists."""
    if hints.named.get("namespace") in existing:
        return [hints.named["namespace"]]
    words = [w for w in hints.words if w in existing]
    pairs = [*hints.pairs, *(d for name in (*hints.hosts, *hints.words) if (d := dotted(name, existing)))]
    return words or list(dict.fromkeys(a for a, _ in pairs if a in existing))


def candidates(hints: Hints, world: World) -> list[Candidate]:
    """The workloads (and pods on their own) that the hints point to, the strongest first."""
    found: dict[str, Candidate] = {}
    for lead in _leads(hints, world):
        found.setdefault(lead.ref, Candidate(lead.ref)).leads.append(lead)
    return sorted(found.values(), key=lambda c: (-c.strength, c.ref))


def _leads(hints: Hints, world: World) -> Iterator[Lead]:
    finder = _Finder(world)
    yield from finder.named(hints.named)
    for uid in hints.uids:
        yield from finder.uid(uid)
    for word in hints.words:
        yield from finder.word(word)
    for first, second in hints.pairs:
        yield from finder.pair(first, second)
    for word in hints.exporters:
        yield from finder.pods(word, 0.35)
        yield from finder.workloads(word, 0.3)
    for address in hints.addresses:
        yield from finder.address(address)
    for host in hints.hosts:
        yield from finder.host(host)
    for image in hints.images:
        yield from finder.image(image)


class _Finder:
    """The ways a word can point to a workload of one `World`. ``spaces`` narrows a search to namespaces."""

    def __init__(self, world: World) -> None:
        self.world = world
        owners = o.index(world.replica_sets)
        self.owner = {id(p): o.workload(p, owners) for p in world.pods}

    def named(self, named: dict[str, str]) -> Iterator[Lead]:
        """What ``key=value`` words say."""
        if pod := named.get("pod"):
            yield from self.pods(pod, 0.3 if is_exporter(pod) else 0.98)
        if workload := named.get("workload"):
            kind, _, name = workload.rpartition("/")
            yield from self.workloads(name, 0.95, kind.rpartition("/")[2])
        if service := named.get("service"):
            strength = 0.2 if is_exporter(service) else 0.9
            yield from self.services(service, strength)
            yield from self.workloads(service, strength - 0.05)
            yield from _telemetry(service, self.world, strength - 0.05)
            yield from self.alike(service, strength - 0.3)
        if container := named.get("container"):
            for pod_ in self.world.pods:
                if any(c.name == container for c in o.containers(pod_)):
                    yield Lead(self.owner[id(pod_)], 0.45, f"it has a container {container}")

    def uid(self, uid: str) -> Iterator[Lead]:
        for pod in self.world.pods:
            if o.text(pod, "metadata", "uid") == uid:
                yield Lead(self.owner[id(pod)], 0.97, f"the uid is that of pod {o.name(pod)}", o.name(pod))

    def word(self, word: str) -> Iterator[Lead]:
        """A bare word may be anything."""
        if there := dotted(word, self.world.namespaces):
            yield from self.services(there[1], 0.8, frozenset({there[0]}))
        yield from self.pods(word, 0.95)
        yield from self.workloads(word, 0.8)
        yield from self.services(word, 0.7)
        yield from _telemetry(word, self.world, 0.6)

    def pair(self, first: str, second: str) -> Iterator[Lead]:
        """``namespace/name`` or ``Kind/name``."""
        if first not in self.world.namespaces:
            yield from self.workloads(second, 0.85, first)
            return
        here = frozenset({first})
        yield from self.pods(second, 0.96, here)
        yield from self.workloads(second, 0.85, "", here)
        yield from self.services(second, 0.8, here)

    def host(self, host: str) -> Iterator[Lead]:
        """The host of ``host:port``: a Service's name as its callers write it, before anything else."""
        if there := dotted(host, self.world.namespaces):
            yield from self.services(there[1], 0.8, frozenset({there[0]}))
            return
        weak = is_exporter(host)
        yield from self.services(host, 0.25 if weak else 0.75)
        yield from self.workloads(host, 0.2 if weak else 0.5)
        yield from self.pods(host, 0.3 if weak else 0.6)

    def address(self, address: str) -> Iterator[Lead]:
        for service in self.world.services:
            if address in service_addresses(service):
                name = o.name(service)
                strength = 0.25 if is_exporter(name) else 0.75
                why = f"{address} is the address of Service {name}"
                for workload in self._selected(service):
                    yield Lead(o.ref_of(workload), strength, why)
        for pod in self.world.pods:
            if address in _pod_addresses(pod) and o.branch(pod, "spec").get("hostNetwork") is not True:
                strength = 0.25 if is_exporter(o.name(pod)) else 0.5
                yield Lead(self.owner[id(pod)], strength, f"{address} is the address of pod {o.name(pod)}", o.name(pod))

    def image(self, image: str) -> Iterator[Lead]:
        """Who runs an image, as written or without the registry; another tag of it counts less."""
        wanted, tag, digest = split_image(image)
        for workload in self.world.workloads:
            for container in o.rows(workload, "spec", "template", "spec", "containers"):
                repository, has_tag, has_digest = split_image(o.text(container, "image"))
                if repository != wanted and not repository.endswith(f"/{wanted}"):
                    continue
                same = (not tag or tag == has_tag) and (not digest or digest == has_digest)
                told = "runs the image" if same else f"runs another version of the image ({has_tag or 'by digest'})"
                yield Lead(
                    o.ref_of(workload), 0.8 if same else 0.55, f"its container {o.text(container, 'name')} {told}"
                )

    def pods(self, name: str, strength: float, spaces: frozenset[str] | None = None) -> Iterator[Lead]:
        """The pod itself, or the workload that a pod of that name belonged to."""
        alive = [p for p in self.world.pods if o.name(p) == name and (spaces is None or o.namespace(p) in spaces)]
        for pod in alive:
            yield Lead(self.owner[id(pod)], strength, f"pod {name} exists", name)
        for called in workload_names_of(name) if not alive else []:
            gone = [
                w for w in self.world.workloads if o.name(w) == called and (spaces is None or o.namespace(w) in spaces)
            ]
            for workload in gone:
                yield Lead(
                    o.ref_of(workload), strength - 0.12, f"pod {name} is gone; its name is that of a pod of {called}"
                )
            if gone:
                return

    def workloads(
        self, name: str, strength: float, kind: str = "", spaces: frozenset[str] | None = None
    ) -> Iterator[Lead]:
        for workload in self.world.workloads:
            if spaces is not None and o.namespace(workload) not in spaces:
                continue
            if o.name(workload) == name and kind.lower() in ("", o.text(workload, "kind").lower()):
                yield Lead(o.ref_of(workload), strength, f"{o.text(workload, 'kind')} {name} exists")

    def services(self, name: str, strength: float, spaces: frozenset[str] | None = None) -> Iterator[Lead]:
        for service in self.world.services:
            if o.name(service) != name or (spaces is not None and o.namespace(service) not in spaces):
                continue
            for workload in self._selected(service):
                yield Lead(o.ref_of(workload), strength, f"Service {name} selects it")

    def alike(self, name: str, strength: float) -> Iterator[Lead]:
        """A Service that is written otherwise: routes and telemetry drop separators and prefixes (``orderservice``).

        Only where no Service bears the name itself and exactly one is alike.
        """
        wanted = _plain(name)
        if len(wanted) < _LEAST_ALIKE or any(o.name(s) == name for s in self.world.services):
            return
        fitting = [
            s for s in self.world.services if _plain(o.name(s)).endswith(wanted) or _plain(o.name(s)).startswith(wanted)
        ]
        if len({o.name(s) for s in fitting}) == 1:
            for workload in self._selected(fitting[0]):
                yield Lead(
                    o.ref_of(workload), strength, f"Service {o.name(fitting[0])} is the only one named like {name}"
                )

    def _selected(self, service: Json) -> Iterator[Json]:
        for workload in self.world.workloads:
            same = o.namespace(workload) == o.namespace(service)
            if same and selects(selector(service), template_labels(workload)):
                yield workload


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def service_addresses(service: Json) -> set[str]:
    """Where a Service is reached: cluster, external and load balancer addresses."""
    found = {o.text(service, "spec", "clusterIP")}
    found |= {str(a) for key in ("clusterIPs", "externalIPs") for a in service.get("spec", {}).get(key) or []}
    found |= {o.text(i, "ip") for i in o.rows(service, "status", "loadBalancer", "ingress")}
    return found - {"", "None"}


def _pod_addresses(pod: Json) -> set[str]:
    return {o.text(pod, "status", "podIP"), *(o.text(a, "ip") for a in o.rows(pod, "status", "podIPs"))} - {""}


def services_named(hints: Hints, world: World) -> list[Json]:
    """Services that the hints name by name, host name or address, whether or not anything stands behind them."""
    spaces = likely_namespaces(hints, world.namespaces)
    names = {hints.named.get("service", ""), *hints.words, *hints.hosts} - {""}
    pairs = {*hints.pairs, *(d for name in names if (d := dotted(name, world.namespaces)))}
    found = []
    for service in world.services:
        here = not spaces or o.namespace(service) in spaces
        called = (o.name(service) in names and here) or (o.namespace(service), o.name(service)) in pairs
        if called or service_addresses(service) & set(hints.addresses):
            found.append(service)
    return found


def _telemetry(name: str, world: World, strength: float) -> Iterator[Lead]:
    """By the name that a workload's telemetry carries, or its usual labels."""
    for workload in world.workloads:
        template = o.branch(workload, "spec", "template")
        labels = template_labels(workload)
        carried = {o.annotations(template).get("resource.opentelemetry.io/service.name", "")}
        for container in o.rows(template, "spec", "containers"):
            carried |= {
                o.text(e, "value") for e in o.rows(container, "env") if o.text(e, "name") == "OTEL_SERVICE_NAME"
            }
        if name in carried:
            yield Lead(o.ref_of(workload), strength + 0.1, f"its telemetry carries the name {name}")
        elif o.name(workload) != name and any(labels.get(k) == name for k in NAME_LABELS):
            yield Lead(o.ref_of(workload), strength, f"it is labelled {name}")


def nodes_named(hints: Hints, world: World) -> list[str]:
    """Nodes that the hints name: by name, host name label or internal address."""
    wanted = {hints.named.get("node", ""), *hints.words, *hints.addresses, *hints.hosts} - {""}
    found = []
    for node in world.nodes:
        aliases = {o.name(node), o.labels(node).get("kubernetes.io/hostname", "")}
        aliases |= {o.text(a, "address") for a in o.rows(node, "status", "addresses")}
        if wanted & aliases:
            found.append(o.name(node))
    return found


def pods_of(ref: str, world: World, first: Sequence[str], limit: int) -> list[Json]:
    """The workload's pods: the named ones, then those in trouble, then the newest."""
    owners = o.index(world.replica_sets)
    mine = trouble_first(p for p in world.pods if o.workload(p, owners) == ref)
    return sorted(mine, key=lambda p: o.name(p) not in first)[:limit]


def service_of(ref: str, hints: Hints, world: World) -> str:
    """The Service in front of a workload: the named one, the one of the same name, else the first."""
    workload = next((w for w in world.workloads if o.ref_of(w) == ref), None)
    if workload is None:
        return ""
    space = o.namespace(workload)
    fitting = [
        o.name(s) for s in world.services if o.namespace(s) == space and selects(selector(s), template_labels(workload))
    ]
    wanted = {o.name(s) for s in services_named(hints, world) if o.namespace(s) == space}
    return min(fitting, key=lambda n: (n not in wanted, n != o.name(workload), n), default="")


def container_of(pods: Sequence[Json], hints: Hints) -> str:
    """The container that is meant: the named one if the pod has it, else the only one, else the one that is not ready."""
    if not pods:
        return ""
    known = o.main_containers(pods[0])
    names = [c.name for c in o.containers(pods[0])]
    if hints.named.get("container") in names:
        return hints.named["container"]
    told = [w for w in hints.words if w in names]
    if told:
        return told[0]
    if len(known) == 1:
        return known[0].name
    unready = [c.name for c in known if not c.ready]
    return unready[0] if len(unready) == 1 else ""
