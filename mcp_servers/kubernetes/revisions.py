"""The revisions of a workload: what each one ran, when it was rolled out, what it changed.

Deployments keep revisions as ReplicaSets, StatefulSets and DaemonSets as ControllerRevisions. A roll-back re-uses the old ReplicaSet, so
the time of its creation is not the time of the roll-back: `Revision.at_precision` says how sure the time is.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from mcp_servers.common.change import Precision
from mcp_servers.common.envelope import Lean
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.managed import last_touch
from mcp_servers.kubernetes.podtemplate_diff import Difference, Mark, differences, images, lines
from mcp_servers.kubernetes.quantities import iso, parse_time

Json = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
ARGO_REVISION, ARGO_HISTORY = "rollout.argoproj.io/revision", "rollout.argoproj.io/revision-history"
CHANGE_CAUSE = "kubernetes.io/change-cause"


class Revision(Lean):
    """One revision, newest first in lists. ``diff`` compares with the revision that ran before it, at most 12 lines."""

    revision: int
    current: bool = False
    rolled_out: str
    at_precision: Precision
    images: dict[str, str] = Field(default_factory=dict)
    replicas: str = ""  # "1 wanted, 0 ready"
    cause: str = ""
    actor: str = ""
    is_rollback: bool = False
    replaced: int = 0  # the number of the revision that ran before; 0 where that is not kept
    earlier: list[int] = Field(default_factory=list)  # numbers that it had before roll-backs made it current again
    diff: list[str] = Field(default_factory=list)
    parts: list[str] = Field(
        default_factory=list
    )  # which parts of the template changed: image, env, config, resources, probe, ...
    name: str = ""  # the ReplicaSet or ControllerRevision


def revision_number(replica_set: Json) -> int:
    notes = o.annotations(replica_set)
    value = notes.get(REVISION) or notes.get(ARGO_REVISION, "")
    return int(value) if value.isdigit() and len(value) < 10 else 0


def owned_by(owner: Json, candidates: Sequence[Json]) -> list[Json]:
    """The candidates whose ownerReferences name ``owner``'s uid (its kind and name where a uid is missing)."""
    uid, kind, name = o.text(owner, "metadata", "uid"), o.text(owner, "kind"), o.name(owner)
    found = []
    for candidate in candidates:
        for reference in o.rows(candidate, "metadata", "ownerReferences"):
            same = o.text(reference, "uid") == uid if uid and o.text(reference, "uid") else False
            unnamed = not (uid and o.text(reference, "uid"))
            if same or (unnamed and o.text(reference, "kind") == kind and o.text(reference, "name") == name):
                found.append(candidate)
                break
    return found


def _history(replica_set: Json) -> list[int]:
    """Earlier numbers of a ReplicaSet that roll-backs re-used."""
    notes = o.annotations(replica_set)
    parts = (notes.get(REVISION_HISTORY) or notes.get(ARGO_HISTORY, "")).split(",")
    return [int(p) for p in parts if p.strip().isdigit() and len(p) < 10]


def _scaled_up(replica_set: Json, events: Sequence[Json]) -> datetime | None:
    """The newest event that tells of this ReplicaSet being scaled up."""
    name = o.name(replica_set)
    times = [
        o.event_first(e)
        for e in events
        if o.text(e, "reason") == "ScalingReplicaSet" and f"caled up replica set {name} " in o.text(e, "message") + " "
    ]
    return max((t for t in times if t), default=None)


def _time(
    deployment: Json, replica_set: Json, pods: Sequence[Json], events: Sequence[Json], current: bool
) -> tuple[datetime | None, Precision]:
    born = o.created(replica_set)
    if not _history(replica_set):
        return born, "exact"
    if not current:  # it ran again some time ago; nothing tells when
        return born, "inferred"
    if scaled := _scaled_up(replica_set, events):
        return scaled, "exact"
    name = o.name(replica_set)
    starts = [o.created(p) for p in pods if o.controller(p) == ("ReplicaSet", name)]
    bounds: list[tuple[datetime, Precision]] = []
    if first := min((s for s in starts if s), default=None):
        bounds.append((first, "upper_bound"))
    if touch := last_touch(deployment, "spec", "template"):
        bounds.append((touch.at, "upper_bound"))
    if not bounds and (told := parse_time(o.text(o.conditions(deployment).get("Progressing"), "lastUpdateTime"))):
        bounds.append((told, "upper_bound"))
    return min(bounds, default=(born, "inferred"), key=lambda b: b[0])


def of_deployment(
    deployment: Json, replica_sets: Sequence[Json], pods: Sequence[Json], events: Sequence[Json], mark: Mark
) -> list[Revision]:
    """All revisions that the cluster still keeps, newest first. ``replica_sets`` may hold others' too."""
    kept = sorted(owned_by(deployment, replica_sets), key=revision_number, reverse=True)
    newest = revision_number(kept[0]) if kept else 0
    found = []
    for replica_set in kept:
        current = revision_number(replica_set) == newest
        at, precision = _time(deployment, replica_set, pods, events, current)
        replaced, before = _before(revision_number(replica_set), kept)
        diff = _compare(before, replica_set, mark)
        touch = last_touch(deployment, "spec", "template") if current else None
        template = o.branch(replica_set, "spec", "template")
        wanted, ready = (
            o.number(replica_set, "spec", "replicas") or 0,
            o.number(replica_set, "status", "readyReplicas") or 0,
        )
        found.append(
            Revision(
                revision=revision_number(replica_set),
                current=current,
                rolled_out=iso(at),
                at_precision=precision,
                images=images(template),
                replicas=f"{wanted} wanted, {ready} ready" if wanted or ready else "none",
                cause=clean(o.annotations(replica_set).get(CHANGE_CAUSE, ""), 120),
                actor=clean(touch.manager, 60) if touch else "",
                is_rollback=bool(_history(replica_set)) and current,
                replaced=replaced,
                earlier=_history(replica_set),
                diff=lines(diff),
                parts=_parts(diff),
                name=o.name(replica_set),
            )
        )
    return found


def _before(number: int, kept: Sequence[Json]) -> tuple[int, Json | None]:
    """The revision that ran before ``number``: (its number then, its ReplicaSet). A re-used ReplicaSet counts by all its numbers."""
    numbered = {n: r for r in kept for n in (*_history(r), revision_number(r)) if n < number}
    replaced = max(numbered, default=0)
    return replaced, numbered.get(replaced)


def _compare(before: Json | None, after: Json, mark: Mark) -> list[Difference]:
    if before is None:
        return []
    return differences(o.branch(before, "spec", "template"), o.branch(after, "spec", "template"), mark)


def _parts(diff: Sequence[Difference]) -> list[str]:
    return list(dict.fromkeys(d.part for d in diff if d.part != "metadata"))


def of_controller(owner: Json, revisions: Sequence[Json], pods: Sequence[Json], mark: Mark) -> list[Revision]:
    """The revisions of a StatefulSet or DaemonSet, newest first, from its ControllerRevisions."""
    kept = sorted(owned_by(owner, revisions), key=lambda r: o.number(r, "revision") or 0, reverse=True)
    found = []
    for index, revision in enumerate(kept):
        template = o.branch(revision, "data", "spec", "template")
        older = kept[index + 1] if index + 1 < len(kept) else None
        before = o.branch(older, "data", "spec", "template") if older else {}
        diff = differences(before, template, mark) if before else []
        label = o.labels(revision).get("controller-revision-hash") or o.name(revision)
        mine = [p for p in pods if o.labels(p).get("controller-revision-hash") in (label, o.name(revision))]
        ready = sum(o.is_ready(p) for p in mine)
        touch = last_touch(owner, "spec", "template") if index == 0 else None
        at = o.created(revision)
        precision: Precision = "exact"
        # A roll-back gives the old ControllerRevision the next number: it is then older than the one that it replaces.
        born = o.created(older) if older and index == 0 else None
        again = bool(at and born and at < born)
        if again:
            bounds = [t for t in (touch.at if touch else None, *map(o.created, mine)) if t and born and t >= born]
            at, precision = (min(bounds), "upper_bound") if bounds else (born, "inferred")
        found.append(
            Revision(
                revision=o.number(revision, "revision") or 0,
                current=index == 0,
                rolled_out=iso(at),
                at_precision=precision,
                images=images(template),
                replicas=f"{len(mine)} running, {ready} ready" if mine else "none",
                cause=clean(o.annotations(revision).get(CHANGE_CAUSE, ""), 120),
                actor=clean(touch.manager, 60) if touch else "",
                is_rollback=again,
                replaced=(o.number(older, "revision") or 0) if older else 0,
                diff=lines(diff),
                parts=_parts(diff),
                name=o.name(revision),
            )
        )
    return found
