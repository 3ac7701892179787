"""`get_pod_status`: everything about one pod that tells why it does not do its work, in one call."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Ref, Signal, ok
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.claims import claim_signal
from mcp_servers.kubernetes.client import Cluster, Listing
from mcp_servers.kubernetes.container_signals import CREATE_ERRORS
from mcp_servers.kubernetes.context import Context
from mcp_servers.kubernetes.finding_pods import Found, find_pod
from mcp_servers.kubernetes.kinds import NAME, NAMESPACE
from mcp_servers.kubernetes.node_signals import node_signals
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.pod_signals import CODES, pod_signals
from mcp_servers.kubernetes.pod_view import (
    PodStatus,
    abnormal_conditions,
    container_rows,
    event_rows,
    node_out,
    pod_out,
    volume_rows,
)
from mcp_servers.kubernetes.quantities import span
from mcp_servers.kubernetes.reading import Reading
from mcp_servers.kubernetes.references import missing_by_lookup

DESCRIPTION = (
    "One pod: status as kubectl shows it, each container's state, exit and probes, abnormal conditions, events, node, unbound volumes, "
    "last lines of the crashed run. `pod_name` may be a prefix or a pod that is gone. Signals say why it fails."
)
SIGNALS = (
    *CODES,
    "node.not_ready",
    "node.memory_pressure",
    "node.disk_pressure",
    "node.pid_pressure",
    "pvc.pending",
    "pvc.lost",
)
_TAIL = 15


def tools(context: Context) -> list[Tool]:
    async def get_pod_status(
        namespace: Annotated[str, Field(pattern=NAMESPACE)],
        pod_name: Annotated[str, Field(pattern=NAME, description="a pod's name or the beginning of it")],
        events_limit: Annotated[int, Field(ge=0, le=30)] = 10,
    ) -> Annotated[CallToolResult, PodStatus]:
        cluster = await context.cluster()
        found = await find_pod(cluster, namespace, pod_name)
        return ok(await status_of(found, cluster, context, events_limit))

    return [strict.tool(get_pod_status, "get_pod_status", DESCRIPTION, SIGNALS)]


async def status_of(found: Found, cluster: Cluster, context: Context, events_limit: int) -> PodStatus:
    """The answer for a pod that was found."""
    pod, reading, now = found.pod, Reading(cluster), context.clock()
    space, called = o.namespace(pod), o.name(pod)
    about = f"involvedObject.kind=Pod,involvedObject.name={called}"
    (events, claims), (nodes, replica_set, maps), logs = await asyncio.gather(
        asyncio.gather(
            reading.of("events", cluster.list("Event", space, fields=about), Listing([])),
            _claim_signals(cluster, pod, context, reading),
        ),
        asyncio.gather(
            reading.of("node", _nodes(cluster, pod), None),
            reading.of("owner", _owner(cluster, pod), None),
            reading.of("configmaps", _configmaps(cluster, pod), None),
        ),
        _crash_logs(cluster, pod, reading),
    )
    known = o.index([replica_set] if replica_set else [])
    chain = o.owner_chain(pod, known)
    signals = pod_signals(
        pod,
        events.items,
        nodes,
        now,
        owner=chain[-1],
        configmaps=maps,
        logs=logs,
    )
    mine = [n for n in nodes or [] if o.name(n) == o.text(pod, "spec", "nodeName")]
    signals += [s for n in mine for s in node_signals(n, now) if s.code != "node.cordoned"]
    signals += [s.model_copy(update={"owner": chain[-1]}) for s in claims.signals]
    answer = PodStatus(
        summary="",
        signals=signals,
        pod=pod_out(pod, chain[-1], now),
        containers=container_rows(pod),
        conditions=abnormal_conditions(pod),
        events=event_rows(events.items, events_limit),
        volumes=volume_rows(pod, claims.claims),
        node=node_out(mine[0]) if mine else None,
        owner_chain=[c.replace(f"/{space}/", "/") for c in chain[1:]],
        previous_log_tail=[clean(line, 240) for text in logs.values() for line in text.splitlines() if line.strip()][
            -_TAIL:
        ],
        other_pods=list(found.others),
        refs=[Ref(id=f"k8s:Pod/{space}/{called}")],
        untrusted=["events[].message", "containers[].message", "conditions[].message", "previous_log_tail[]"],
    )
    if found.note:
        answer.notes.append(found.note)
    answer.notes += _soft_gaps(pod, maps)
    if not events.items and "events" not in reading.missing:
        answer.notes.append("no events about this pod: the cluster keeps them for about one hour")
    if not signals:
        answer.notes.append(_healthy(answer))
    reading.into(answer)
    answer.summary = _summary(answer, signals)
    return answer


async def _nodes(cluster: Cluster, pod: Json) -> list[Json] | None:
    """The pod's node; all nodes when it waits for one, or when its node is not there any more."""
    where = o.text(pod, "spec", "nodeName")
    if where:
        node = await cluster.find("Node", where)
        if node is not None:
            return [node]
    elif o.text(pod, "status", "phase") != "Pending":
        return None
    return (await cluster.list("Node", max_pages=4)).items


async def _owner(cluster: Cluster, pod: Json) -> Json | None:
    owner = o.controller(pod)
    if owner is None or owner[0] not in ("ReplicaSet", "Job"):
        return None
    return await cluster.find(owner[0], owner[1], o.namespace(pod))


def _claim_names(pod: Json) -> list[str]:
    names = [o.text(v, "persistentVolumeClaim", "claimName") for v in o.rows(pod, "spec", "volumes")]
    return [n for n in names if n]


@dataclass(frozen=True)
class _Claims:
    claims: list[Json] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)


async def _claim_signals(cluster: Cluster, pod: Json, context: Context, reading: Reading) -> _Claims:
    """The pod's claims; volumes, classes and events are read only where one of them is not bound."""
    space = o.namespace(pod)
    reads = (cluster.find("PersistentVolumeClaim", n, space) for n in _claim_names(pod)[:10])
    found = await asyncio.gather(*(reading.of("volumes", r, None) for r in reads))
    claims = [claim for claim in found if claim is not None]
    loose = [c for c in claims if o.text(c, "status", "phase") != "Bound"]
    if not loose:
        return _Claims(claims)
    volumes, classes, events = await asyncio.gather(
        reading.of("persistentvolumes", cluster.list("PersistentVolume"), None),
        reading.of("storageclasses", cluster.list("StorageClass"), None),
        reading.of(
            "claim events", cluster.list("Event", space, fields="involvedObject.kind=PersistentVolumeClaim"), None
        ),
    )
    told = [claim_signal(c, _items(volumes), _items(classes), _items(events) or [], context.clock()) for c in loose]
    return _Claims(claims, [s for s in told if s])


def _items(listing: Listing | None) -> list[Json] | None:
    return None if listing is None else listing.items


async def _configmaps(cluster: Cluster, pod: Json) -> dict[str, Json] | None:
    """The namespace's ConfigMaps by name (metadata only), when a container does not come up or keeps failing; else ``None``."""
    troubled = any(
        (c.reason in CREATE_ERRORS) or c.restarts or c.reason == "ContainerCreating" for c in o.containers(pod)
    )
    if not troubled:
        return None
    listing = await cluster.list_metadata("ConfigMap", o.namespace(pod), max_pages=4)
    return {o.name(c): c for c in listing.items} if listing.complete else None


async def _crash_logs(cluster: Cluster, pod: Json, reading: Reading) -> dict[str, str]:
    """The last lines of each container's crashed run. A container that is down right now has them in its current log."""
    if not cluster.settings.logs:
        return {}
    crashed = [c for c in o.containers(pod) if c.kind != "ephemeral" and (o.number(c.ended, "exitCode") or 0) != 0]

    async def one(container: o.Container, previous: bool) -> str | None:
        read = cluster.logs(
            o.namespace(pod), o.name(pod), container.name, previous=previous, tail_lines=60, limit_bytes=32_768
        )
        return await reading.of("logs", read, None)

    async def tail(container: o.Container) -> str | None:
        """Of a container that is down right now both runs are crashed ones."""
        down = container.state[0] == "terminated"
        runs = [True] * (container.restarts > 0) + [False] * down
        read = [t for t in await asyncio.gather(*(one(container, previous) for previous in runs)) if t is not None]
        return "\n".join(read) if read else None

    texts = await asyncio.gather(*(tail(c) for c in crashed[:3]))
    return {c.name: text for c, text in zip(crashed, texts, strict=False) if text is not None}


def _soft_gaps(pod: Json, maps: dict[str, Json] | None) -> list[str]:
    """Optional references to nothing: the container starts, and its setting is absent."""
    if maps is None:
        return []
    return [clean(sentence, 240) for _, sentence, reference in missing_by_lookup(pod, maps) if reference.optional][:2]


def _healthy(answer: PodStatus) -> str:
    if answer.pod.status == "Completed":
        return "the pod has finished its work"
    if answer.conditions or answer.pod.status not in ("Running", "Terminating"):
        return f"the pod is {answer.pod.status} for {span(answer.pod.age_s)}: too young to be judged, ask again in a minute"
    return f"nothing is wrong with this pod now: {answer.pod.ready} containers ready, {answer.pod.restarts} restarts"


def _summary(answer: PodStatus, signals: list[Signal]) -> str:
    pod = answer.pod
    head = f"{pod.ready} ready, {pod.restarts} restarts: pod {pod.namespace}/{pod.name} is {pod.status}"
    return f"{head}; {signals[0].detail}" if signals else head
