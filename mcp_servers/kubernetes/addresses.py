"""Addresses of cluster Services in the environment of workloads: who calls whom, and who was given a wrong address.

Only literal values of the strict shape ``host:port`` (or a URL of one, without user information) are looked at, and only their host and
port are ever shown. A host counts as a cluster Service when it has no dot, or the Service suffix; anything else lies outside.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.naming import close

Json = dict[str, Any]
_LABEL = r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
_ADDRESS = re.compile(
    rf"(?:[a-z][a-z0-9+.-]{{0,15}}://)?(?P<host>{_LABEL})(?:\.(?P<space>{_LABEL})(?:\.svc(?:\.[a-z0-9.-]{{1,60}})?)?)?:(?P<port>[0-9]{{1,5}})(?:/[^\s@]{{0,200}})?"
)
_LOCAL = {"localhost", "host", "kubernetes"}


@dataclass(frozen=True)
class Address:
    """One setting of one workload that names a cluster Service."""

    workload: str
    variable: str
    host: str
    namespace: str
    port: int


def addresses_of(workload: Json) -> Iterator[Address]:
    """The cluster addresses among a workload's literal environment values."""
    space, ref = o.namespace(workload), o.ref_of(workload)
    for container in o.rows(workload, "spec", "template", "spec", "containers"):
        for entry in o.rows(container, "env"):
            match = _ADDRESS.fullmatch(o.text(entry, "value")[:300])
            if match and match["host"] not in _LOCAL and 0 < int(match["port"]) < 65_536:
                yield Address(ref, o.text(entry, "name"), match["host"], match["space"] or space, int(match["port"]))


def callers_of(service: str, namespace: str, workloads: Sequence[Json]) -> list[Address]:
    return [a for w in workloads for a in addresses_of(w) if a.host == service and a.namespace == namespace]


def address_signals(workloads: Sequence[Json], services: Sequence[Json], namespace: str) -> list[Signal]:
    """`svc.address_wrong` for addresses of ``namespace`` whose Service does not exist there, or does not offer that port.

    ``services`` must be all Services of the namespace. An unknown host is judged only where its name is close to a Service's: a bare name
    may also be an entry of the pod's hosts file or of a search domain.
    """
    known = {o.name(s): s for s in services if o.namespace(s) == namespace}
    found = []
    for workload in workloads:
        for address in addresses_of(workload):
            if address.namespace != namespace:
                continue
            called, who = known.get(address.host), o.name(workload)
            setting = f"{address.variable} of {who}"
            if called is None:
                near = close(address.host, known, 1)
                if near and _alike(near[0], address.host):
                    detail = f"{setting} names host {address.host}, which no Service of {namespace} has; the nearest is {near[0]}"
                    found.append(signal("svc.address_wrong", address.workload, detail))
                continue
            ports = {o.number(p, "port") for p in o.rows(called, "spec", "ports")} - {None}
            headless = o.text(called, "spec", "clusterIP") == "None"  # reaches any port of the pod directly
            if (
                ports
                and address.port not in ports
                and not headless
                and o.text(called, "spec", "type") != "ExternalName"
            ):
                offered = ", ".join(str(p) for p in sorted(p for p in ports if p is not None))
                detail = (
                    f"{setting} asks {address.host} on port {address.port}; Service {address.host} offers {offered}"
                )
                found.append(signal("svc.address_wrong", address.workload, detail, value=float(address.port)))
    return found


def _alike(known: str, given: str) -> bool:
    """The same name but for separators or one slip of the pen: ``cart-service`` and ``cartservice``."""
    plain = [re.sub(r"[^a-z0-9]", "", n) for n in (known, given)]
    return plain[0] == plain[1] or (abs(len(plain[0]) - len(plain[1])) <= 1 and _distance_one(*plain))


def _distance_one(a: str, b: str) -> bool:
    """Whether one inserted, removed or changed character turns ``a`` into ``b``."""
    if len(a) > len(b):
        a, b = b, a
    for i, pair in enumerate(zip(a, b, strict=False)):
        if pair[0] != pair[1]:
            return a[i + 1 :] == b[i + 1 :] if len(a) == len(b) else a[i:] == b[i + 1 :]
    return len(b) - len(a) <= 1
