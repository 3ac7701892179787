"""Reading raw API objects without ever failing on them.

Objects are dicts as the API sent them: fields may be absent, null, or of an older shape. Everything here is pure; ``now`` is an argument.
References are ``Kind/namespace/name`` (``Kind/name`` for cluster-scoped kinds), the grammar of signals.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mcp_servers.kubernetes.quantities import parse_time, seconds_since

Json = dict[str, Any]
ContainerKind = Literal["app", "init", "sidecar", "ephemeral"]

_POD_NAME = re.compile(r"([a-z0-9][-a-z0-9.]{0,240}?)-[b-df-hj-np-tv-z0-9]{6,10}-[b-df-hj-np-tv-z0-9]{5}")
_HASH_SUFFIX = re.compile(r"-[a-z0-9]{5,10}$")


def branch(obj: Any, *keys: str) -> Json:
    """The dict under ``keys``; ``{}`` where any step is absent or of another type."""
    for key in keys:
        obj = obj.get(key) if isinstance(obj, dict) else None
    return obj if isinstance(obj, dict) else {}


def rows(obj: Any, *keys: str) -> list[Json]:
    """The list of dicts under ``keys``; ``[]`` where any step is absent or of another type."""
    for key in keys:
        if not isinstance(obj, dict):
            return []
        obj = obj.get(key)
    return [item for item in obj if isinstance(item, dict)] if isinstance(obj, list) else []


def text(obj: Any, *keys: str) -> str:
    """The string under ``keys``; "" where absent; numbers and switches become their ``str``."""
    for key in keys:  # asked hundreds of thousands of times in one triage of a large cluster
        if not isinstance(obj, dict):
            return ""
        obj = obj.get(key)
    if isinstance(obj, str):
        return obj
    return "" if obj is None or isinstance(obj, dict | list) else str(obj)


def number(obj: Any, *keys: str) -> int | None:
    """The whole number under ``keys``; ``None`` where absent."""
    *path, last = keys
    found = branch(obj, *path).get(last)
    return int(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def name(obj: Any) -> str:
    return text(obj, "metadata", "name")


def namespace(obj: Any) -> str:
    return text(obj, "metadata", "namespace")


def labels(obj: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in branch(obj, "metadata", "labels").items()}


def annotations(obj: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in branch(obj, "metadata", "annotations").items()}


def created(obj: Any) -> datetime | None:
    return parse_time(text(obj, "metadata", "creationTimestamp"))


def age(obj: Any, now: datetime) -> float | None:
    """Seconds since the object was created."""
    return seconds_since(created(obj), now)


def ref(kind: str, space: str, called: str) -> str:
    """``Kind/namespace/name``, or ``Kind/name`` where there is no namespace."""
    return f"{kind}/{space}/{called}" if space else f"{kind}/{called}"


def ref_of(obj: Any) -> str:
    return ref(text(obj, "kind"), namespace(obj), name(obj))


def conditions(obj: Any) -> dict[str, Json]:
    """``status.conditions`` by type."""
    return {text(c, "type"): c for c in rows(obj, "status", "conditions")}


def controller(obj: Any) -> tuple[str, str] | None:
    """(kind, name) of the owner that controls the object, else of its only owner; ``None`` for an object on its own."""
    owners = rows(obj, "metadata", "ownerReferences")
    for owner in owners:
        if owner.get("controller") is True:
            return text(owner, "kind"), text(owner, "name")
    return (text(owners[0], "kind"), text(owners[0], "name")) if len(owners) == 1 else None


def workload(obj: Any, known: Mapping[str, Json] | None = None) -> str:
    """The workload that ``obj`` (a pod, ReplicaSet or Job) belongs to, as ``Deployment/ns/name``; the object itself when nothing owns it.

    ``known`` maps refs (``ReplicaSet/ns/name``, ``Job/ns/name``) to objects where they were read; without it a ReplicaSet's Deployment is
    told from the ReplicaSet's name, which ends in the pod template's hash.
    """
    return owner_chain(obj, known)[-1]


def owner_chain(obj: Any, known: Mapping[str, Json] | None = None) -> list[str]:
    """The refs from ``obj`` up to its workload, ``obj`` first."""
    space = namespace(obj)
    chain = [ref_of(obj) if text(obj, "kind") else ref("Pod", space, name(obj))]
    current: Any = obj
    for _ in range(5):  # longer chains, or cycles, do not exist in sound data
        owner = controller(current)
        if owner is None or not all(owner):
            break
        kind, called = owner
        if kind == "Node":  # static pods: the node is where they live, not what they are
            break
        chain.append(ref(kind, space, called))
        above = (known or {}).get(chain[-1])
        if above is None:
            if kind == "ReplicaSet" and (
                parent := deployment_of_replicaset(called, labels(current).get("pod-template-hash", ""))
            ):
                chain.append(ref("Deployment", space, parent))
            break
        current = above
    return chain


def deployment_of_replicaset(called: str, template_hash: str = "") -> str:
    """The Deployment's name from its ReplicaSet's: ``checkout-7d9f8c6b5`` gives ``checkout``; "" when the name has another shape."""
    if template_hash:
        return called.removesuffix(f"-{template_hash}") if called.endswith(f"-{template_hash}") else ""
    return _HASH_SUFFIX.sub("", called) if _HASH_SUFFIX.search(called) else ""


def deployment_of_pod(called: str) -> str:
    """The Deployment's name from its pod's, where the pod itself is not at hand: ``checkout-7d9f8c6b5-x8k2p`` gives ``checkout``.

    The API server makes both suffixes of letters that form no word and of digits, without vowels; anything else gives "".
    """
    match = _POD_NAME.fullmatch(called)
    return match[1] if match else ""


def index(*lists: Iterable[Json]) -> dict[str, Json]:
    """Objects by their ref, for `workload`."""
    return {ref_of(obj): obj for objects in lists for obj in objects}


# -- containers ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Container:
    """A container's wish (``spec``) and what became of it (``status``, ``{}`` before the kubelet reported)."""

    name: str
    kind: ContainerKind
    spec: Json
    status: Json

    @property
    def state(self) -> tuple[str, Json]:
        """("waiting" | "running" | "terminated" | "", its details)."""
        return _state(branch(self.status, "state"))

    @property
    def last(self) -> Json:
        """How the previous instance ended; ``{}`` when there was none."""
        return branch(self.status, "lastState", "terminated")

    @property
    def ended(self) -> Json:
        """The newest known end: of this instance if it is over, else of the previous one."""
        kind, details = self.state
        return details if kind == "terminated" else self.last

    @property
    def restarts(self) -> int:
        return number(self.status, "restartCount") or 0

    @property
    def ready(self) -> bool:
        return self.status.get("ready") is True

    @property
    def reason(self) -> str:
        """The waiting or terminated reason: ``CrashLoopBackOff``, ``OOMKilled``, ``""`` while running."""
        return text(self.state[1], "reason")


def _state(state: Json) -> tuple[str, Json]:
    for kind in ("waiting", "terminated", "running"):
        if isinstance(state.get(kind), dict):
            return kind, state[kind]
    return "", {}


def containers(pod: Any) -> list[Container]:
    """All containers of a pod: init containers and sidecars first, in the order they start."""
    found: list[Container] = []
    groups: tuple[tuple[str, str, ContainerKind], ...] = (
        ("initContainers", "initContainerStatuses", "init"),
        ("containers", "containerStatuses", "app"),
        ("ephemeralContainers", "ephemeralContainerStatuses", "ephemeral"),
    )
    for wish, report, kind in groups:
        reports = {text(s, "name"): s for s in rows(pod, "status", report)}
        for spec in rows(pod, "spec", wish):
            # A native sidecar is an init container that is meant to keep running.
            actual: ContainerKind = "sidecar" if kind == "init" and spec.get("restartPolicy") == "Always" else kind
            found.append(Container(text(spec, "name"), actual, spec, reports.get(text(spec, "name"), {})))
    return found


def main_containers(pod: Any) -> list[Container]:
    return [c for c in containers(pod) if c.kind in ("app", "sidecar")]


def restarts(pod: Any) -> int:
    return sum(c.restarts for c in containers(pod))


def ready_counts(pod: Any) -> tuple[int, int]:
    """(ready, wanted) over app containers and sidecars, as kubectl counts them."""
    counted = main_containers(pod)
    return sum(c.ready for c in counted), len(counted)


def last_restart(pod: Any) -> datetime | None:
    """When the newest restart happened: the end of the newest previous instance."""
    ends = [parse_time(text(c.last, "finishedAt")) for c in containers(pod)]
    return max((e for e in ends if e), default=None)


def is_ready(pod: Any) -> bool:
    return text(conditions(pod).get("Ready"), "status") == "True"


def is_finished(pod: Any) -> bool:
    """Succeeded, or a Job's pod that is done: not something to keep ready."""
    return text(pod, "status", "phase") == "Succeeded"


def is_deleting(pod: Any) -> bool:
    return bool(text(pod, "metadata", "deletionTimestamp"))


def _ended(details: Json) -> str:
    signal = number(details, "signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{number(details, 'exitCode')}"


def pod_status(pod: Any) -> str:
    """The STATUS column of ``kubectl get pods``, computed the same way."""
    phase = text(pod, "status", "phase") or "Unknown"
    shown = text(pod, "status", "reason") or phase
    if any(text(g, "reason") == "SchedulingGated" for g in rows(pod, "status", "conditions")):
        shown = "SchedulingGated"
    initialising = False
    inits = [
        c for c in containers(pod) if c.kind in ("init", "sidecar") and c.spec in rows(pod, "spec", "initContainers")
    ]
    for i, container in enumerate(inits):
        kind, details = container.state
        if kind == "terminated" and (number(details, "exitCode") or 0) == 0:
            continue
        if container.kind == "sidecar" and container.status.get("started") is True:
            continue
        initialising = True
        reason = text(details, "reason")
        if kind == "terminated":
            shown = f"Init:{reason or _ended(details)}"
        elif kind == "waiting" and reason and reason != "PodInitializing":
            shown = f"Init:{reason}"
        else:
            shown = f"Init:{i}/{len(inits)}"
        break
    if not initialising:
        running = False
        for container in reversed([c for c in containers(pod) if c.kind == "app"]):
            kind, details = container.state
            reason = text(details, "reason")
            if kind == "waiting" and reason:
                shown = reason
            elif kind == "terminated":
                shown = reason or _ended(details)
            elif kind == "running" and container.ready:
                running = True
        if shown == "Completed" and running:
            shown = "Running" if is_ready(pod) else "NotReady"
    if is_deleting(pod):
        return "Unknown" if text(pod, "status", "reason") == "NodeLost" else "Terminating"
    return shown


# -- metadata of objects whose content is not read -------------------------------------------------------------------------------


def data_keys(obj: Any) -> set[str] | None:
    """The keys of a ConfigMap, told from ``managedFields`` alone; ``None`` when the API server recorded none.

    Field ownership lists ``f:data: {f:KEY: {}}``: names, never values.
    """
    managers = rows(obj, "metadata", "managedFields")
    if not managers:
        return None
    keys: set[str] = set()
    for manager in managers:
        for part in ("f:data", "f:binaryData"):
            keys |= {k[2:] for k in branch(manager, "fieldsV1", part) if k.startswith("f:")}
    return keys


def event_time(event: Any) -> datetime | None:
    """When the event was last seen. Kubelet events carry ``lastTimestamp``, newer ones ``series`` or ``eventTime``."""
    for value in (
        text(event, "lastTimestamp"),
        text(event, "series", "lastObservedTime"),
        text(event, "eventTime"),
        text(event, "firstTimestamp"),
        text(event, "metadata", "creationTimestamp"),
    ):
        if moment := parse_time(value):
            return moment
    return None


def event_first(event: Any) -> datetime | None:
    return parse_time(text(event, "firstTimestamp")) or parse_time(text(event, "eventTime")) or event_time(event)


def event_count(event: Any) -> int:
    return max(number(event, "count") or 1, number(event, "series", "count") or 1)


# -- exits -----------------------------------------------------------------------------------------------------------------------

_EXITS = {
    0: "ended normally",
    1: "application error",
    2: "misuse or application error",
    126: "command cannot be executed (no permission or wrong format)",
    127: "command not found",
    128: "the container could not start",
    130: "interrupted (SIGINT)",
    132: "illegal instruction (SIGILL)",
    134: "aborted (SIGABRT)",
    135: "bus error (SIGBUS)",
    136: "arithmetic error (SIGFPE)",
    137: "killed (SIGKILL)",
    139: "segmentation fault (SIGSEGV)",
    141: "broken pipe (SIGPIPE)",
    143: "terminated (SIGTERM)",
    255: "exit status out of range or a failed runtime",
}


def exit_meaning(code: int | None) -> str:
    """What an exit code says by itself: 137 is a kill, whose cause only the reason or events can tell."""
    if code is None:
        return ""
    if code in _EXITS:
        return _EXITS[code]
    return f"ended by signal {code - 128}" if 128 < code < 160 else "application error"
