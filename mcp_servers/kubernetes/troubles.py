"""The problems of a set of pods, each told once: pods of one workload usually fail alike."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.pod_rows import trouble_first
from mcp_servers.kubernetes.pod_signals import pod_signals

Json = dict[str, Any]
MAX_PODS = 40  # pods that are looked into; those in trouble come first


@dataclass(frozen=True)
class Ground:
    """What `pod_signals` wants to know beside the pods. ``None`` for what could not be read."""

    now: datetime
    events: Sequence[Json] = ()
    nodes: Sequence[Json] | None = None
    replica_sets: Sequence[Json] = ()
    configmaps: Sequence[Json] | None = None


def pods_signals(pods: Sequence[Json], around: Ground) -> list[Signal]:
    """`pod_signals` of the pods, one signal for each (workload, code, reason): the first pod's, with ``count`` of how many show it."""
    grouped: dict[tuple[str, str, str], list[Signal]] = defaultdict(list)
    by_pod: dict[str, list[Json]] = defaultdict(list)
    for event in around.events:
        if o.text(event, "involvedObject", "kind") == "Pod":
            by_pod[o.text(event, "involvedObject", "name")].append(event)
    owners = o.index(around.replica_sets)
    configs = None if around.configmaps is None else {o.name(c): c for c in around.configmaps}
    for pod in trouble_first(pods)[:MAX_PODS]:
        owner = o.workload(pod, owners)
        for found in pod_signals(pod, by_pod[o.name(pod)], around.nodes, around.now, owner=owner, configmaps=configs):
            grouped[(owner, found.code, found.reason)].append(found)
    merged = []
    for same in grouped.values():
        since = min((s.since for s in same if s.since), default=None)
        more = {"since": since, **({"count": len(same)} if len(same) > 1 else {})}
        merged.append(same[0].model_copy(update=more))
    return merged
