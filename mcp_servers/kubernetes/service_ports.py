"""Does a Service send its traffic to a port that its pods serve? Pure comparison of declarations.

A number that no container declares may still be served: the declaration is documentation. So a mismatch counts as sure only where something
else of the pod (a probe, a PORT setting) points to the declared port.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.kubernetes import objects as o

Json = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """One declared container port."""

    number: int
    name: str
    protocol: str
    container: str


def served(pod: Json) -> list[Served]:
    return [
        Served(o.number(p, "containerPort") or 0, o.text(p, "name"), o.text(p, "protocol") or "TCP", c.name)
        for c in o.main_containers(pod)
        for p in o.rows(c.spec, "ports")
    ]


def target_of(port: Json) -> tuple[int, str]:
    """(number, name) of a Service port's target; the port itself where none is given. One of the two is empty."""
    target = port.get("targetPort")
    if isinstance(target, str) and not target.isdigit():
        return 0, target
    number = int(target) if target else o.number(port, "port") or 0
    return number, ""


def _pointed_at(pod: Json) -> set[str]:
    """Ports (numbers or names, as text) that probes and a PORT setting of the pod point to."""
    found: set[str] = set()
    for container in o.main_containers(pod):
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            for way in ("httpGet", "tcpSocket", "grpc"):
                found.add(o.text(container.spec, probe, way, "port"))
        found |= {o.text(e, "value") for e in o.rows(container.spec, "env") if o.text(e, "name").endswith("PORT")}
    return found - {""}


def _kind(port: Json, pod: Json) -> Literal["ok", "unknown", "port", "protocol"]:
    declared = served(pod)
    if not declared:
        return "unknown"
    number, name = target_of(port)
    protocol = o.text(port, "protocol") or "TCP"
    here = [s for s in declared if (name and s.name == name) or (number and s.number == number)]
    if not here:
        return "port"
    return "ok" if any(s.protocol == protocol for s in here) else "protocol"


def port_signals(service: Json, pods: Sequence[Json], *, resolved: bool = False) -> list[Signal]:
    """Mismatches between a Service's target ports and what its selected pods declare.

    ``resolved``: the cluster lists ready endpoints for the Service. It does so only where a named port was found, so a name is then
    no cause, whatever the pods declare; a number is taken as it is and proves nothing.
    """
    return list(_port_signals(service, pods, resolved=resolved))


def _port_signals(service: Json, pods: Sequence[Json], *, resolved: bool) -> Iterator[Signal]:
    if not pods:
        return
    subject, owner = o.ref_of(service), ""
    for port in o.rows(service, "spec", "ports"):
        kinds = {_kind(port, pod) for pod in pods}
        number, name = target_of(port)
        wanted = name or str(number)
        sample = pods[0]
        declared = ", ".join(
            sorted({f"{s.number}/{s.protocol}" + (f" ({s.name})" if s.name else "") for s in served(sample)})
        )
        at = o.number(port, "port")
        if kinds == {"protocol"}:
            protocol = o.text(port, "protocol") or "TCP"
            detail = f"Service {o.name(service)} sends port {at} as {protocol} to {wanted}, its pods serve {declared}"
            yield signal("svc.protocol_mismatch", subject, detail, owner=owner)
        elif kinds == {"port"}:
            hints = _pointed_at(sample)
            numbers = {str(s.number) for s in served(sample)} | {s.name for s in served(sample) if s.name}
            # A name that no container declares resolves to nothing; a number is only suspicious until something confirms it.
            sure = (bool(name) and not resolved) or (bool(number) and bool(hints & numbers) and wanted not in hints)
            detail = f"Service {o.name(service)} sends port {at} to targetPort {wanted}, its pods declare {declared}"
            yield signal(
                "svc.port_mismatch",
                subject,
                detail,
                owner=owner,
                severity="critical" if sure else "info",
                value=float(number) or None,
            )
