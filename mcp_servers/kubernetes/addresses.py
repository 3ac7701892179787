"""Addresses of cluster Services in the environment of workloads: who calls whom, and who was given a wrong address.

Only literal values of the strict shape ``host:port`` (or a URL of one, without user information) are looked at, and pairs of settings that
give the two apart (``LEDGER_HOST``, ``LEDGER_PORT``); only their host and port are ever shown. A host counts as a cluster Service when it
has no dot, or the Service suffix; anything else lies outside.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
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
_HOST = re.compile(rf"(?P<host>{_LABEL})(?:\.(?P<space>{_LABEL})(?:\.svc(?:\.[a-z0-9.-]{{1,60}})?)?)?")
_HALF = re.compile(
    r"(?P<prefix>[A-Za-z][A-Za-z0-9_.]{1,80})[_.](?:HOST|HOSTNAME|ADDR|ADDRESS|SERVER|host|hostname|addr|address|server)"
)
# What a workload itself listens on or is called, rather than whom it calls.
_OWN = re.compile(
    r"(?i)(?:^|[_.])(?:listen|bind|server|http|https|grpc|app|metrics|admin|health|management|pod|node|my|self|virtual|public|external)$"
)
_DATABASE = re.compile(
    r"(?i)(?:^|[_.])(?:db|database|mysql|mariadb|postgres(?:ql)?|pg|sql|mongo(?:db)?|redis|datasource|jdbc|clickhouse|oracle)(?:[_.]|$)"
)
_DATABASE_PORTS = frozenset({1433, 1521, 3306, 5432, 6379, 8123, 9000, 27017})


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
        yield from _pairs(container, ref, space)


def _pairs(container: Json, ref: str, space: str) -> Iterator[Address]:
    """Addresses whose host and port stand in two settings of the same prefix."""
    literal = {o.text(e, "name"): o.text(e, "value")[:300] for e in o.rows(container, "env") if o.text(e, "value")}
    for name, value in literal.items():
        half, host = _HALF.fullmatch(name), _HOST.fullmatch(value)
        if not half or not host or host["host"] in _LOCAL or _OWN.search(half["prefix"]):
            continue
        joint = name[len(half["prefix"])]
        port = literal.get(f"{half['prefix']}{joint}PORT") or literal.get(f"{half['prefix']}{joint}port") or ""
        if port.isdigit() and 0 < int(port) < 65_536:
            yield Address(ref, name, host["host"], host["space"] or space, int(port))


def callers_of(service: str, namespace: str, workloads: Sequence[Json]) -> list[Address]:
    return [a for w in workloads for a in addresses_of(w) if a.host == service and a.namespace == namespace]


def address_signals(workloads: Sequence[Json], services: Sequence[Json], namespace: str) -> list[Signal]:
    """`svc.address_wrong` for addresses of ``namespace`` whose Service does not exist there, or does not offer that port.

    ``services`` must be all Services of the namespace. An unknown host is a critical matter where its name is close to a Service's; else it
    only warns: the node's search domains may know it. Hosts that are workloads without a Service are `namespace_signals`' business.
    """
    known = {o.name(s): s for s in services if o.namespace(s) == namespace}
    names = {o.name(w) for w in workloads}
    found = []
    for workload in workloads:
        aliases = {
            str(n)
            for a in o.rows(workload, "spec", "template", "spec", "hostAliases")
            for n in a.get("hostnames") or []
        }
        for address in addresses_of(workload):
            if address.namespace != namespace or address.host in aliases:
                continue
            called = known.get(address.host)
            if called is not None:
                found += _wrong_port(address, called)
            elif address.host not in names:
                near = [n for n in close(address.host, known, 3) if _alike(n, address.host)]
                detail = f"{_setting(address)} names host {address.host}, which no Service of {namespace} has"
                detail += f"; the nearest is {near[0]}" if near else ""
                severity = "critical" if near else "warning"
                found.append(signal("svc.address_wrong", address.workload, detail, reason="host", severity=severity))
    return found


def _setting(address: Address) -> str:
    return f"{address.variable} of {address.workload.rpartition('/')[2]}"


def _wrong_port(address: Address, service: Json) -> list[Signal]:
    ports = sorted({n for p in o.rows(service, "spec", "ports") if (n := o.number(p, "port"))})
    headless = o.text(service, "spec", "clusterIP") == "None"  # reaches any port of the pods directly
    if not ports or address.port in ports or headless or o.text(service, "spec", "type") == "ExternalName":
        return []
    offered = ", ".join(map(str, ports))
    detail = f"{_setting(address)} asks {address.host} on port {address.port}; Service {address.host} offers {offered}"
    database = _DATABASE_PORTS.intersection(ports) and _DATABASE.search(address.variable)
    reason = "database_port" if database else "port"
    return [signal("svc.address_wrong", address.workload, detail, reason=reason, value=float(address.port))]


def foreign_signals(
    workloads: Sequence[Json], services: Sequence[Json], abroad: Mapping[str, Sequence[Json]]
) -> list[Signal]:
    """`svc.address_wrong` for addresses in other namespaces: no Service of that name is there, and one is in the caller's own namespace.

    ``services`` are those of the workloads' namespace, ``abroad`` all Services of other namespaces, by namespace. Without the namesake at
    home nothing is said, and where that namespace shows no Service at all it only warns: what cannot be seen from here may still exist.
    """
    found, names = [], {o.name(s) for s in services}
    for workload in workloads:
        for address in addresses_of(workload):
            there = abroad.get(address.namespace)
            if there is None or address.host not in names or any(o.name(s) == address.host for s in there):
                continue
            home = o.namespace(workload)
            detail = f"{_setting(address)} names {address.host} in namespace {address.namespace}, which has no such Service; {home} has"
            severity = "critical" if there else "warning"
            found.append(signal("svc.address_wrong", address.workload, detail, reason="host", severity=severity))
    return found


def _alike(known: str, given: str) -> bool:
    """The same name but for separators, one slip of the pen, or a part more: ``orders-service``, ``ordersservices``, ``orders-old``."""
    if given.startswith(f"{known}-") or given.endswith(f"-{known}") or known.startswith(f"{given}-"):
        return True
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
