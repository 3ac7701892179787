"""The problems of a set of pods, each told once: pods of one workload usually fail alike."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import EFFECTS
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.pod_rows import trouble_first
from mcp_servers.kubernetes.pod_signals import pod_signals

Json = dict[str, Any]
RANK = {"critical": 0, "warning": 1, "info": 2}
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
    """`pod_signals` of the pods, `merged`."""
    told, owners = events_by_pod(around.events), o.index(around.replica_sets)
    configs = None if around.configmaps is None else {o.name(c): c for c in around.configmaps}
    found: list[Signal] = []
    for pod in trouble_first(pods)[:MAX_PODS]:
        events, owner = told[(o.namespace(pod), o.name(pod))], o.workload(pod, owners)
        found += pod_signals(pod, events, around.nodes, around.now, owner=owner, configmaps=configs)
    return merged(found)


def events_by_pod(events: Iterable[Json]) -> dict[tuple[str, str], list[Json]]:
    """Events of pods by (namespace, name); a missing key gives an empty list."""
    found: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for event in events:
        if o.text(event, "involvedObject", "kind") == "Pod":
            found[(o.text(event, "involvedObject", "namespace"), o.text(event, "involvedObject", "name"))].append(event)
    return found


def merged(signals: Iterable[Signal]) -> list[Signal]:
    """Signals of one owner, code and reason as one: the gravest first, ``count`` the number of objects that show it."""
    same: dict[tuple[str, str, str], list[Signal]] = {}
    for found in signals:
        same.setdefault((found.owner or found.subject, found.code, found.reason), []).append(found)
    rows = []
    for alike in same.values():
        subjects = {s.subject for s in alike}
        since = min((s.since for s in alike if s.since), default=None)
        count = len(subjects) if len(subjects) > 1 else alike[0].count
        rows.append(alike[0].model_copy(update={"count": count, "since": since}))
    return sorted(rows, key=lambda s: (RANK[s.severity], s.code in EFFECTS, s.since or "9", s.code))
