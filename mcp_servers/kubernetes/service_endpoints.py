"""What a Service really sends traffic to: EndpointSlices (all served versions), Endpoints where there are none."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.reading import Reading
from mcp_servers.kubernetes.service_selection import selector

Json = dict[str, Any]
ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")


@dataclass(frozen=True)
class Endpoints:
    """Addresses by state. ``known`` is false when neither slices nor Endpoints could be read or exist."""

    ready: int = 0
    not_ready: int = 0
    serving: int = 0
    terminating: int = 0
    zones: dict[str, int] = field(default_factory=dict)
    pods: frozenset[str] = frozenset()  # names of the pods behind ready addresses
    known: bool = True


def from_slices(slices: Sequence[Json]) -> Endpoints:
    """``conditions.ready`` that is absent means ready: the API says so."""
    ready, not_ready, serving, terminating = 0, 0, 0, 0
    zones: Counter[str] = Counter()
    names: set[str] = set()
    for item in slices:
        for endpoint in o.rows(item, "endpoints"):
            conditions = o.branch(endpoint, "conditions")
            is_ready = conditions.get("ready") is not False
            ready, not_ready = ready + is_ready, not_ready + (not is_ready)
            serving += conditions.get("serving", is_ready) is True
            terminating += conditions.get("terminating") is True
            if is_ready:
                zone = o.text(endpoint, "zone") or next(
                    (z for k in ZONES if (z := o.text(endpoint, "topology", k))), ""
                )
                zones.update([zone] if zone else [])
                names.add(o.text(endpoint, "targetRef", "name"))
    return Endpoints(ready, not_ready, serving, terminating, dict(sorted(zones.items())), frozenset(names - {""}))


def from_endpoints(item: Json | None) -> Endpoints:
    if item is None:
        return Endpoints(known=False)
    addresses = [a for s in o.rows(item, "subsets") for a in o.rows(s, "addresses")]
    waiting = [a for s in o.rows(item, "subsets") for a in o.rows(s, "notReadyAddresses")]
    names = frozenset(o.text(a, "targetRef", "name") for a in addresses) - {""}
    return Endpoints(len(addresses), len(waiting), len(addresses), 0, {}, names)


async def endpoints_of(service: Json, reading: Reading) -> Endpoints:
    """From slices; from Endpoints where there are no slices (old or unserved API, selector-less Services)."""
    space, name = o.namespace(service), o.name(service)
    slices = await reading.one("EndpointSlice", space, labels=f"kubernetes.io/service-name={name}")
    if slices:
        return from_slices(slices)
    try:
        kept = await reading.cluster.find("Endpoints", name, space)
        if kept is None and "EndpointSlice" not in reading.missing and selector(service):
            return Endpoints()  # slices were read and there are none
        return from_endpoints(kept)
    except ToolFailure as failure:
        reading.notes.append(f"endpoints of {name} could not be read: {failure.info.message}")
        return Endpoints(known=False)
