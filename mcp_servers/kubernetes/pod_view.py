"""How a pod is shown: the answer of `get_pod_status` and its rows. Values of environment variables are never among them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from mcp_servers.common.envelope import Envelope, Lean
from mcp_servers.common.templates import template
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes import probes
from mcp_servers.kubernetes.container_signals import exit_text
from mcp_servers.kubernetes.objects import Container, Json
from mcp_servers.kubernetes.pod_rows import PodRow, pod_row
from mcp_servers.kubernetes.quantities import iso
from mcp_servers.kubernetes.scheduling import is_cordoned, taint_text


class PodOut(PodRow):
    """A pod's row with what only its own answer shows."""

    namespace: str
    owner: str = ""
    phase: str
    last_restart: str = ""
    qos: str = ""
    ip: str = ""


class ContainerOut(Lean):
    """``state`` is "running", "waiting:<reason>" or "terminated:<reason>"; ``last_exit`` how the previous run ended."""

    name: str
    kind: Literal["app", "init", "sidecar", "ephemeral"] = "app"
    image: str
    image_digest: str = ""
    ready: bool = False
    state: str
    since: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None
    restarts: int = 0
    last_exit: str = ""
    requests: dict[str, str] = Field(default_factory=dict)
    limits: dict[str, str] = Field(default_factory=dict)
    probes: list[str] = Field(default_factory=list)
    ports: list[str] = Field(default_factory=list)


class ConditionOut(Lean):
    type: str
    status: str
    reason: str = ""
    since: str = ""
    message: str = ""


class EventOut(Lean):
    last: str
    first: str = ""
    count: int = 1
    type: str
    reason: str
    message: str
    object: str
    component: str = ""


class VolumeOut(Lean):
    claim: str
    phase: str
    storage_class: str = ""
    problem: str = ""


class NodeOut(Lean):
    name: str
    ready: bool
    pressure: list[str] = Field(default_factory=list)
    unschedulable: bool = False
    taints: list[str] = Field(default_factory=list)


class PodStatus(Envelope):
    """The answer of `get_pod_status`."""

    pod: PodOut
    containers: list[ContainerOut] = Field(default_factory=list)
    conditions: list[ConditionOut] = Field(default_factory=list)
    events: list[EventOut] = Field(default_factory=list)
    volumes: list[VolumeOut] = Field(default_factory=list)
    node: NodeOut | None = None
    owner_chain: list[str] = Field(default_factory=list)
    previous_log_tail: list[str] = Field(default_factory=list)
    other_pods: list[str] = Field(default_factory=list)


_WATCHED = ("PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
_DISTURBING = ("DisruptionTarget", "PodResizePending", "PodResizeInProgress")


def pod_out(pod: Json, owner: str, now: datetime) -> PodOut:
    return PodOut(
        **pod_row(pod, now).model_dump(),
        namespace=o.namespace(pod),
        owner=owner if not owner.startswith("Pod/") else "",
        phase=o.text(pod, "status", "phase") or "Unknown",
        last_restart=iso(o.last_restart(pod)),
        qos=o.text(pod, "status", "qosClass"),
        ip=o.text(pod, "status", "podIP"),
    )


def container_rows(pod: Json) -> list[ContainerOut]:
    """Troubled containers first; init containers that did their work are left out."""
    shown = [c for c in o.containers(pod) if not _done(c)]
    return [_container(c) for c in sorted(shown, key=lambda c: (c.ready, c.kind != "app"))]


def _done(container: Container) -> bool:
    kind, details = container.state
    return container.kind == "init" and kind == "terminated" and o.number(details, "exitCode") == 0


def _container(container: Container) -> ContainerOut:
    kind, details = container.state
    code = o.number(details, "exitCode")
    state = kind or "not reported"
    if container.reason:
        state = f"{kind}:{container.reason}"
    return ContainerOut(
        name=container.name,
        kind=container.kind,
        image=o.text(container.spec, "image"),
        image_digest=o.text(container.status, "imageID").rpartition("@")[2][:80],
        ready=container.ready,
        state=state,
        since=o.text(details, "startedAt") or o.text(details, "finishedAt"),
        message=clean(o.text(details, "message"), 300),
        exit_code=code,
        signal=o.number(details, "signal"),
        restarts=container.restarts,
        last_exit=_last_exit(container),
        requests=_resources(container, "requests"),
        limits=_resources(container, "limits"),
        probes=probes.describe(container),
        ports=[f"{n}{' ' + called if called else ''}" for called, n in probes.ports(container)],
    )


def _last_exit(container: Container) -> str:
    if not container.last:
        return ""
    told = exit_text(
        Container(container.name, container.kind, container.spec, {"state": {"terminated": container.last}})
    )
    at = o.text(container.last, "finishedAt")
    return f"{told} at {at}" if at else told


def _resources(container: Container, which: str) -> dict[str, str]:
    return {str(k): str(v) for k, v in o.branch(container.spec, "resources", which).items()}


def abnormal_conditions(pod: Json) -> list[ConditionOut]:
    """Conditions that should be true and are not, and those that announce a disturbance."""
    finished = o.is_finished(pod)
    rows = []
    for kind, condition in o.conditions(pod).items():
        status = o.text(condition, "status")
        wanted = kind in _WATCHED and status != "True" and not finished
        if wanted or (kind in _DISTURBING and status == "True"):
            rows.append(
                ConditionOut(
                    type=kind,
                    status=status,
                    reason=o.text(condition, "reason"),
                    since=o.text(condition, "lastTransitionTime"),
                    message=clean(o.text(condition, "message"), 300),
                )
            )
    return rows


def event_rows(events: Sequence[Json], limit: int) -> list[EventOut]:
    """Events of one reason and template as one, warnings first, then the newest."""
    grouped: dict[tuple[str, str, str], list[Json]] = {}
    for event in events:
        about = f"{o.text(event, 'involvedObject', 'kind')}/{o.text(event, 'involvedObject', 'name')}"
        key = (about, o.text(event, "reason"), template(o.text(event, "message")))
        grouped.setdefault(key, []).append(event)
    rows = [event_row(same) for same in grouped.values()]
    rows.sort(key=lambda r: r.last, reverse=True)
    rows.sort(key=lambda r: r.type != "Warning")
    return rows[:limit]


def event_row(same: Sequence[Json], about: str = "") -> EventOut:
    """One row for events that say the same; its message is the newest's."""
    newest: Any = max(same, key=lambda e: iso(o.event_time(e)))
    space = o.text(newest, "involvedObject", "namespace")
    named = o.ref(o.text(newest, "involvedObject", "kind"), space, o.text(newest, "involvedObject", "name"))
    firsts = [t for e in same if (t := o.event_first(e))]
    return EventOut(
        last=iso(o.event_time(newest)),
        first=iso(min(firsts)) if firsts else "",
        count=sum(o.event_count(e) for e in same),
        type=o.text(newest, "type") or "Normal",
        reason=o.text(newest, "reason"),
        message=clean(o.text(newest, "message"), 400),
        object=about or named,
        component=o.text(newest, "source", "component") or o.text(newest, "reportingComponent"),
    )


def volume_rows(pod: Json, claims: Sequence[Json]) -> list[VolumeOut]:
    """Claims of the pod that are missing or not bound."""
    there = {o.name(c): c for c in claims}
    rows = []
    for volume in o.rows(pod, "spec", "volumes"):
        called = o.text(volume, "persistentVolumeClaim", "claimName")
        if not called:
            continue
        claim = there.get(called)
        if claim is None:
            rows.append(VolumeOut(claim=called, phase="Missing", problem="the claim was not found"))
        elif o.text(claim, "status", "phase") != "Bound":
            rows.append(
                VolumeOut(
                    claim=called,
                    phase=o.text(claim, "status", "phase") or "Unknown",
                    storage_class=o.text(claim, "spec", "storageClassName"),
                    problem=f"asks for {o.text(claim, 'spec', 'resources', 'requests', 'storage') or 'storage'}",
                )
            )
    return rows


def node_out(node: Json) -> NodeOut:
    conditions = o.conditions(node)
    pressure = [k for k, c in conditions.items() if k.endswith("Pressure") and o.text(c, "status") == "True"]
    return NodeOut(
        name=o.name(node),
        ready=o.text(conditions.get("Ready"), "status") == "True",
        pressure=pressure,
        unschedulable=is_cordoned(node),
        taints=[taint_text(t) for t in o.rows(node, "spec", "taints")][:5],
    )
