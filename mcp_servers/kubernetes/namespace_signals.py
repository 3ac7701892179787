"""What is wrong with how a namespace is wired: Services that select nobody or a wrong port, addresses that lead nowhere, Services that are
missing although callers name them, and a quota that explains why one could not be made. Pure; for triage over a whole namespace.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.addresses import Address, address_signals, addresses_of, callers_of
from mcp_servers.kubernetes.quantities import quantity
from mcp_servers.kubernetes.refusals import quota_resource
from mcp_servers.kubernetes.service_ports import port_signals
from mcp_servers.kubernetes.service_selection import selection, selector_signals

Json = dict[str, Any]
CODES = (
    "svc.selector_mismatch",
    "svc.port_mismatch",
    "svc.protocol_mismatch",
    "svc.address_wrong",
    "svc.missing",
    "quota.exceeded",
)


@dataclass(frozen=True)
class Wiring:
    """A namespace's objects, all of each kind. ``workloads`` are Deployments, StatefulSets and DaemonSets.

    ``resolved`` names the Services that are known to have ready endpoints.
    """

    namespace: str
    services: Sequence[Json] = ()
    workloads: Sequence[Json] = ()
    pods: Sequence[Json] = ()
    quotas: Sequence[Json] = ()
    resolved: frozenset[str] = frozenset()


def wiring_signals(wiring: Wiring) -> list[Signal]:
    """All wiring signals of a namespace.

    A Service that nothing could ever fit and that nobody calls is a leftover: its `svc.selector_mismatch` only informs.
    """
    found: list[Signal] = []
    for service in wiring.services:
        chosen = selection(service, wiring.pods, wiring.workloads)
        idle = not callers_of(o.name(service), wiring.namespace, wiring.workloads)
        for mismatch in selector_signals(service, chosen):
            leftover = idle and mismatch.severity == "warning"
            found.append(mismatch.model_copy(update={"severity": "info"}) if leftover else mismatch)
        alive = [p for p in chosen.pods if not o.is_finished(p)]
        found += port_signals(service, alive, resolved=o.name(service) in wiring.resolved)
    found += address_signals(wiring.workloads, wiring.services, wiring.namespace)
    for name, calls in missing_services(wiring).items():
        found += missing_signals(name, calls, wiring)
    return found


def missing_services(wiring: Wiring) -> dict[str, list[Address]]:
    """Names that callers' settings give, that a workload bears, and that no Service has; with those callers."""
    known, names = {o.name(s) for s in wiring.services}, {o.name(w) for w in wiring.workloads}
    found: dict[str, list[Address]] = {}
    for workload in wiring.workloads:
        for address in addresses_of(workload):
            if address.namespace == wiring.namespace and address.host in names - known:
                found.setdefault(address.host, []).append(address)
    return found


def missing_signals(name: str, calls: Sequence[Address], wiring: Wiring) -> list[Signal]:
    """`svc.missing`, and `quota.exceeded` where the namespace's quota of Services is used up: then it could not be made."""
    same = [w for w in wiring.workloads if o.name(w) == name]
    told = [f"{o.text(same[0], 'kind')} {name} exists"] if same else []
    told += [f"{a.variable} of {a.workload.rpartition('/')[2]} names it" for a in calls[:2]]
    subject = o.ref("Service", wiring.namespace, name)
    detail = f"Service {name} does not exist in {wiring.namespace}, but {' and '.join(told)}"
    # A workload without callers may need no Service (a worker); a caller that was given the name does.
    severity = "critical" if calls else "info"
    found = [signal("svc.missing", subject, detail, owner=o.ref_of(same[0]) if same else "", severity=severity)]
    for quota, resource, used, hard in used_up(wiring.quotas):
        if quota_resource(resource) == "services" and calls:
            why = f"quota {quota} allows {hard} of {resource} and {used} exist, so the missing Service {name} cannot be created"
            owner = o.ref("Namespace", "", wiring.namespace)
            found.append(
                signal(
                    "quota.exceeded",
                    o.ref("ResourceQuota", wiring.namespace, quota),
                    why,
                    owner=owner,
                    reason="services",
                )
            )
    return found


def used_up(quotas: Sequence[Json]) -> list[tuple[str, str, str, str]]:
    """(quota, resource, used, hard) of every quota entry that is at its limit. By itself that is no fault: nothing more may be wanted."""
    found = []
    for quota in quotas:
        hard, used = (
            o.branch(quota, "status", "hard") or o.branch(quota, "spec", "hard"),
            o.branch(quota, "status", "used"),
        )
        for resource, limit in sorted(hard.items()):
            most, now = quantity(limit), quantity(used.get(resource))
            if most is not None and now is not None and now >= most:
                found.append((o.name(quota), str(resource), str(used[resource]), str(limit)))
    return found
