"""Why a probe fails: it asks the wrong port, speaks the wrong protocol, is too impatient, or the endpoint itself is ill.

What the kubelet reports (an Unhealthy event) is weighed against the pod's own wish: the port a probe asks for, the ports its containers
declare, the protocol, and how long the process was given.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mcp_servers.kubernetes.objects import (
    Container,
    Json,
    branch,
    event_count,
    event_time,
    main_containers,
    number,
    rows,
    text,
)
from mcp_servers.kubernetes.quantities import parse_time, seconds_since

ProbeKind = Literal["liveness", "readiness", "startup"]

_FAILED = re.compile(r"^(Liveness|Readiness|Startup) probe (?:failed|errored)", re.IGNORECASE)
_STATUS = re.compile(r"statuscode: (\d{3})")
_PROTOCOL = (
    "malformed http response",
    "malformed http status code",
    "malformed http version",
    "server gave http response to https client",
    "http: server gave http response",
    "first record does not look like a tls handshake",
    "tls: unrecognized name",
    "error reading server preface",
    "http2: frame too large",
    "received unexpected content-type",
    "unexpected http status code received from server",
    "unknown service grpc.health.v1.health",
    "unimplemented",
    "client sent an http request to an https server",
)
_REFUSED = ("connection refused", "failed to connect service", "no route to host", "connection reset by peer")
_LATE = (
    "context deadline exceeded",
    "client.timeout exceeded",
    "i/o timeout",
    "did not complete within",
    "timed out",
    "timeout",
)


_FRESH_S = 300
_MESH_PORTS = frozenset({15020, 15021, 4191})


@dataclass(frozen=True)
class Target:
    """What a probe asks for. ``port`` is ``None`` for exec probes and for port names that the container does not declare."""

    how: str  # "HTTP GET /healthz", "HTTPS GET /", "TCP", "gRPC", "exec"
    port: int | None
    port_name: str = ""

    def __str__(self) -> str:
        if self.how == "exec":
            return "exec"
        return f"{self.how} on port {self.port if self.port is not None else repr(self.port_name)}"


@dataclass(frozen=True)
class Verdict:
    """``reason`` is one of the catalogue's probe reasons."""

    kind: ProbeKind
    reason: str
    detail: str
    count: int = 0
    since: datetime | None = None


def probe_of(container: Container, kind: ProbeKind) -> Json:
    return branch(container.spec, f"{kind}Probe")


def target(container: Container, probe: Json) -> Target:
    """What ``probe`` of ``container`` asks for, its port name resolved."""
    for field, protocol in (("httpGet", ""), ("tcpSocket", "TCP"), ("grpc", "gRPC")):
        action = branch(probe, field)
        if not action:
            continue
        how = protocol or f"{(text(action, 'scheme') or 'HTTP').upper()} GET {text(action, 'path') or '/'}"
        raw = action.get("port")
        if isinstance(raw, int):
            return Target(how, raw)
        called = str(raw or "")
        if called.isdigit():
            return Target(how, int(called))
        return Target(how, next((p for n, p in ports(container) if n == called), None), called)
    return Target("exec", None)


def ports(container: Container) -> list[tuple[str, int]]:
    """(name, number) of the ports that the container declares."""
    return [
        (text(p, "name"), n) for p in rows(container.spec, "ports") if (n := number(p, "containerPort")) is not None
    ]


def describe(container: Container) -> list[str]:
    """One line a probe: what it asks and how patient it is."""
    shown = []
    for kind in ("startup", "liveness", "readiness"):
        probe = branch(container.spec, f"{kind}Probe")
        if probe:
            shown.append(f"{kind}: {target(container, probe)}, {_patience(probe)}")
    return shown


def _patience(probe: Json) -> str:
    delay, period = number(probe, "initialDelaySeconds") or 0, number(probe, "periodSeconds") or 10
    limit, wait = number(probe, "failureThreshold") or 3, number(probe, "timeoutSeconds") or 1
    return f"first after {delay} s, every {period} s, {wait} s each, {limit} failures"


def failures(pod: Any, container: Container, kind: ProbeKind, events: Sequence[Json]) -> list[Json]:
    """The Unhealthy events of one probe, newest first.

    An event names its container in ``fieldPath``; where it does not and the pod has several, the probe's port in the message decides.
    """
    asked = target(container, probe_of(container, kind)).port
    several = len(main_containers(pod)) > 1
    found = []
    for event in events:
        message = text(event, "message")
        match = _FAILED.match(message)
        if text(event, "reason") != "Unhealthy" or not match or match[1].lower() != kind:
            continue
        field = text(event, "involvedObject", "fieldPath")
        if field and f"{{{container.name}}}" not in field:
            continue
        if not field and several and not (asked is not None and re.search(rf":{asked}\b", message)):
            continue
        found.append(event)
    return sorted(found, key=lambda e: str(event_time(e) or ""), reverse=True)


def judge(pod: Any, container: Container, kind: ProbeKind, events: Sequence[Json], now: datetime) -> Verdict | None:
    """Why that probe fails; ``None`` when the container has no such probe."""
    probe = probe_of(container, kind)
    if not probe:
        return None
    told = failures(pod, container, kind, events)
    asked = target(container, probe)
    reason, why = _Doubt(pod, container, kind, probe, asked, text(told[0], "message") if told else "", now).settle()
    count = sum(event_count(e) for e in told)
    times = f", {count} times" if count > 1 else ""
    sentence = f"the {kind} probe of container {container.name} ({asked}) fails{times}: {why}"
    since = min((t for e in told if (t := parse_time(text(e, "firstTimestamp")) or event_time(e))), default=None)
    return Verdict(kind, reason, sentence, count, since)


@dataclass(frozen=True)
class _Doubt:
    """Everything that bears on why one probe fails."""

    pod: Any
    container: Container
    kind: ProbeKind
    probe: Json
    asked: Target
    message: str
    now: datetime

    def settle(self) -> tuple[str, str]:
        """(catalogue reason, why in half a sentence)."""
        asked, lowered = self.asked, self.message.lower()
        own = [p for _, p in ports(self.container)]
        served = f"the container declares {', '.join(map(str, own))}" if own else "the container declares no port"
        wait = number(self.probe, "timeoutSeconds") or 1
        unanswered, late = _tells(lowered, _REFUSED), _tells(lowered, _LATE)
        if asked.port is None and asked.how != "exec":
            return "wrong_port", f"no port is called {asked.port_name!r}; {served}"
        if _tells(lowered, _PROTOCOL):
            return "wrong_protocol", f"something else than {asked.how.split(' ')[0]} answers on that port"
        if self._stranger() and (unanswered or late or not lowered):
            return "wrong_port", f"nothing answers there; {served}"
        if status := _STATUS.search(lowered):
            if self._stranger() and status[1] == "404":
                return "wrong_port", f"HTTP 404 from another server; {served}"
            return "failing", f"it answers HTTP {status[1]}"
        if self.kind != "readiness" and (short := _impatient(self.container, self.probe, unanswered, self.now)):
            return "timing", short
        if unanswered:
            return "failing", "the connection is refused: nothing listens on that port yet or any more"
        if late:
            return "timing" if self.kind != "readiness" and wait <= 1 else "failing", f"no answer within {wait} s"
        if lowered:
            return "failing", "the check itself reports a failure"
        return "unknown", "the events that say why are gone"

    def _stranger(self) -> bool:
        """Whether the probe asks a port that no container declares though some are declared.

        A service mesh rewrites probes to its agent, which asks the application: such a port is no stranger.
        """
        if self.asked.port is None or "/app-health/" in self.asked.how or self.asked.port in _MESH_PORTS:
            return False
        declared = {p for c in main_containers(self.pod) for _, p in ports(c)}
        return bool(ports(self.container)) and self.asked.port not in declared


def _tells(lowered: str, phrases: tuple[str, ...]) -> bool:
    return any(words in lowered for words in phrases)


def _impatient(container: Container, probe: Json, unanswered: bool, now: datetime) -> str:
    """A sentence when the process was killed before it could have started; "" when that is not so.

    Without a startup probe the kubelet gives a process ``initialDelay + period * failures`` seconds. When every life ended about then and
    the port was not open yet, the probe is too early rather than the process ill.
    """
    if branch(container.spec, "startupProbe"):
        return ""
    delay, period = number(probe, "initialDelaySeconds") or 0, number(probe, "periodSeconds") or 10
    limit, wait = number(probe, "failureThreshold") or 3, number(probe, "timeoutSeconds") or 1
    given = delay + period * limit
    began, ended = parse_time(text(container.last, "startedAt")), parse_time(text(container.last, "finishedAt"))
    lived = (ended - began).total_seconds() if began and ended else None
    grace = 35  # the usual grace period, and the round of a probe
    killed = number(container.last, "exitCode") in (137, 143)
    if killed and lived is not None and lived <= given + grace and (unanswered or delay == 0):
        return f"each start is killed after about {lived:.0f} s; the probe allows {given} s and then ends it"
    if given <= 10 and container.restarts and (seconds_since(text(container.state[1], "startedAt"), now) or 0) < 120:
        return f"it gives the process {given} s to start ({limit} failures, {period} s apart, {wait} s each)"
    return ""


def killed_by_liveness(pod: Any, container: Container, events: Sequence[Json]) -> bool:
    """Whether the kubelet ended this container because its liveness (or startup) probe failed, as its Killing event says.

    Events last about an hour and are merged, so failures together with an end from outside count too.
    """
    if not probe_of(container, "liveness") and not probe_of(container, "startup"):
        return False
    for event in events:
        said = text(event, "message")
        if (
            text(event, "reason") == "Killing"
            and container.name in said
            and ("failed liveness probe" in said or "failed startup probe" in said)
        ):
            return True
    ended_outside = text(container.last, "reason") != "OOMKilled" and number(container.last, "exitCode") in (
        2,
        137,
        143,
    )
    return container.restarts > 0 and ended_outside and bool(failures(pod, container, "liveness", events))


def threatens(pod: Any, container: Container, events: Sequence[Json], now: datetime) -> bool:
    """Whether the liveness probe fails right now, though it has not ended the container yet."""
    told = failures(pod, container, "liveness", events)
    newest = event_time(told[0]) if told else None
    if newest is None or container.state[0] != "running":
        return False
    return (now - newest).total_seconds() < _FRESH_S and sum(event_count(e) for e in told) >= 2
