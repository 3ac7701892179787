"""Who calls whom, as far as settings say: addresses in the environment name Services, Services select workloads. Pure.

What applications know otherwise (their code, a registry, a mesh) is not seen: an edge that is missing here may exist.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.addresses import addresses_of
from mcp_servers.kubernetes.service_selection import selector, selects, template_labels

Json = dict[str, Any]


def called_from(ref: str, workloads: Sequence[Json], services: Sequence[Json]) -> list[str]:
    """Refs of the Services that the workload ``ref`` calls, of the workloads behind them, and of what those call; the nearest first."""
    by_ref = {o.ref_of(w): w for w in workloads}
    found: dict[str, None] = {}
    waiting = [ref]
    while waiting:
        workload = by_ref.get(waiting.pop(0))
        for called in _calls(workload, by_ref, services) if workload is not None else ():
            if called not in found and called != ref:
                found[called] = None
                waiting.append(called)
    return list(found)


def callers_of_workload(ref: str, workloads: Sequence[Json], services: Sequence[Json]) -> list[str]:
    """Refs of the workloads whose settings name a Service in front of the workload ``ref``."""
    by_ref = {o.ref_of(w): w for w in workloads}
    return [other for other, w in by_ref.items() if other != ref and ref in _calls(w, by_ref, services)]


def _calls(workload: Json, by_ref: dict[str, Json], services: Sequence[Json]) -> Iterator[str]:
    asked = {(a.namespace, a.host) for a in addresses_of(workload)}
    for service in services:
        if (o.namespace(service), o.name(service)) in asked:
            yield o.ref_of(service)
            yield from (
                ref
                for ref, w in by_ref.items()
                if o.namespace(w) == o.namespace(service) and selects(selector(service), template_labels(w))
            )
