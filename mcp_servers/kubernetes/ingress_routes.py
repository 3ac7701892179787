"""Where Ingresses lead: backends whose Service, or whose port of it, does not exist. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o

Json = dict[str, Any]
CODES = ("svc.route_broken",)


def backends(ingress: Json) -> Iterator[tuple[str, str, int, str]]:
    """(route, Service, port's number or 0, port's name) of every backend; both API shapes. ``route`` is host and path."""
    rules = [
        (o.text(r, "host") or "*", p) for r in o.rows(ingress, "spec", "rules") for p in o.rows(r, "http", "paths")
    ]
    fallback = o.branch(ingress, "spec", "defaultBackend") or o.branch(ingress, "spec", "backend")
    found = [(f"{host}{o.text(path, 'path') or '/'}", o.branch(path, "backend")) for host, path in rules]
    for route, backend in [*found, *([("any other route", fallback)] if fallback else [])]:
        name = o.text(backend, "service", "name") or o.text(backend, "serviceName")
        if not name:
            continue  # a resource instead of a Service
        number = o.number(backend, "service", "port", "number")
        old = backend.get("servicePort")
        called = o.text(backend, "service", "port", "name") or (old if isinstance(old, str) else "")
        yield route, name, number or (old if isinstance(old, int) else 0), called


def route_signals(ingresses: Sequence[Json], services: Sequence[Json]) -> list[Signal]:
    """`svc.route_broken` for each Ingress of a namespace, with its first broken route. ``services`` are all of that namespace."""
    known = {o.name(s): s for s in services}
    found = []
    for ingress in ingresses:
        for route, name, number, called in backends(ingress):
            service = known.get(name)
            ports = o.rows(service, "spec", "ports") if service else []
            if service is None:
                reason, why = "service", f"to Service {name}, which does not exist"
            elif o.text(service, "spec", "type") == "ExternalName" or not ports:
                continue
            elif number and number not in [o.number(p, "port") for p in ports]:
                reason, why = "port", f"to port {number} of Service {name}, which has no such port"
            elif called and called not in [o.text(p, "name") for p in ports]:
                reason, why = "port", f"to a port {called!r} of Service {name}, which has no port of that name"
            else:
                continue
            detail = clean(f"Ingress {o.name(ingress)} sends {route} {why}", 240)
            found.append(signal("svc.route_broken", o.ref_of(ingress), detail, reason=reason))
            break
    return found
