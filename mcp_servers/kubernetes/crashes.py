"""Why a container's run ended, from its exit, its pod and its last lines."""

from typing import Any

import re2

from mcp_servers.kubernetes.logtext import Told, tell
from mcp_servers.kubernetes.objects import Container, containers, main_containers, number, rows, text
from mcp_servers.kubernetes.probes import ports

_MEMORY = ("oom-killed", "oomkilled", "memory limit too low", "out of memory: killed", "signal: killed: out of memory")
_LINES = 120
_LISTENS = re2.compile(
    r"(?i)(?:listen|bind|serve|status|admin|metrics|health[a-z]*|probe)[-_.]?(?:addr(?:ess)?|port)?[\"']?\s*[:=]\s*"
    r"[\"']?(?:[0-9a-z.*\[\]]*:)?(?P<port>[1-9][0-9]{1,4})\b"
)


def killed_for_memory(message: str) -> bool:
    """Whether the runtime's own message says that memory ended the process."""
    lowered = message.lower()
    return any(words in lowered for words in _MEMORY)


def shared_port(pod: Any, container: Container) -> tuple[int, str] | None:
    """(port, other container) where another container of the pod declares, or is set to listen on, a port that this one wants too."""
    mine = {n for _, n in ports(container)}
    for other in containers(pod):
        if other.name == container.name or other.kind == "init":
            continue
        for port in sorted({n for _, n in ports(other)} | _listening(other)):
            if port in mine:
                return port, other.name
    return None


def _listening(container: Container) -> set[int]:
    """Ports that a container's arguments and environment tell it to listen on. A port that it only sends to is not among them."""
    spec = container.spec
    words = [str(w) for key in ("command", "args") for w in spec.get(key) or []]
    words += [f"{text(e, 'name')}={text(e, 'value')}" for e in rows(spec, "env")]
    return {int(match.group("port")) for word in words for match in _LISTENS.finditer(word[:4_000])}


def crash_reason(pod: Any, container: Container, log: str | None, *, by_probe: bool) -> tuple[str, str]:
    """(catalogue reason of ``k8s.pod.crash_loop``, a clause that begins with "; " or is empty).

    ``log`` holds the crashed run's last lines, ``None`` where they were not read: an exit of the application's own then stays
    ``unknown``, because only its log could tell a conflict or a denied access from it. ``by_probe``: the kubelet ended the container
    for its liveness probe. The log's words are not repeated: a stranger can write them.
    """
    last = container.ended
    code, why = number(last, "exitCode"), text(last, "reason")
    if by_probe:
        return "killed", "; ended by its liveness probe"
    if code in (126, 127) or why in ("StartError", "ContainerCannotRun"):
        return "command_invalid", "; its command cannot be run"
    if code == 0:
        return "completed", "; it ends by itself although it should keep running"
    told = _told(log or "")
    if "log.port_in_use" in told:
        other = shared_port(pod, container)
        rival = f"; container {other[1]} declares port {other[0]} too" if other else _neighbours(pod, container)
        return "port_conflict", f"; its log says that an address is already in use{rival}"
    if code in (137, 143):
        return "killed", "; something ended it from outside"
    if code is not None and not told and (other := shared_port(pod, container)):
        return "port_conflict", f"; container {other[1]} of its pod listens on its port {other[0]}"
    if "log.permission_denied" in told:
        where = told["log.permission_denied"].where
        return "permission_denied", f"; its log tells of denied access{' to ' + where if where else ''}"
    if code is None or log is None:
        return "unknown", ""
    return "app_exit", ""


def _neighbours(pod: Any, container: Container) -> str:
    others = [c.name for c in main_containers(pod) if c.name != container.name]
    return f"; it shares the pod's network with {', '.join(others[:3])}" if others else ""


def _told(log: str) -> dict[str, Told]:
    """What the last lines speak of, by signal code."""
    found: dict[str, Told] = {}
    for line in log.splitlines()[-_LINES:]:
        told = tell(line)
        if told:
            found.setdefault(told.code, told)
    return found
