"""Changes of workloads: rollouts, roll-backs, restarts, and changes of scale."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_servers.common.change import Change, ChangeKind, change
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.change_delivery import told_by
from mcp_servers.kubernetes.change_scope import Scope
from mcp_servers.kubernetes.managed import last_touch, owned, touches
from mcp_servers.kubernetes.podtemplate_diff import RESTARTED_AT, Mark, short_image
from mcp_servers.kubernetes.quantities import parse_time
from mcp_servers.kubernetes.revisions import Revision, of_controller, of_deployment

Json = dict[str, Any]
_SINGLE: dict[str, ChangeKind] = {
    "image": "image",
    "env": "env",
    "resources": "resources",
    "probe": "probe",
    "restart": "restart",
}
_SCALED = re.compile(r"caled (up|down) replica set (\S+) (?:from (\d+) )?to (\d+)")


@dataclass(frozen=True)
class Workloads:
    """What was read of a namespace's workloads: the objects themselves and what tells their past."""

    items: Sequence[Json]
    replica_sets: Sequence[Json] = ()
    controller_revisions: Sequence[Json] = ()
    pods: Sequence[Json] = ()
    events: Sequence[Json] = ()

    def revisions(self, workload: Json, mark: Mark) -> list[Revision]:
        """Newest first; ``[]`` for kinds that keep none."""
        if o.text(workload, "kind") in ("Deployment", "Rollout"):
            return of_deployment(workload, self.replica_sets, self.pods, self.events, mark)
        return of_controller(workload, self.controller_revisions, self.pods, mark)


def rollouts(read: Workloads, scope: Scope) -> Iterator[Change]:
    """Revisions whose rollout lies in the window. The first revision of a workload is its creation, a rollout too."""
    for workload in read.items:
        found = read.revisions(workload, scope.mark)
        source = "ReplicaSets" if o.text(workload, "kind") in ("Deployment", "Rollout") else "ControllerRevisions"
        ref, told = o.ref_of(workload), told_by(workload)
        for revision in found:
            at = parse_time(revision.rolled_out)
            if not at or not scope.holds(at):
                continue
            past = revision.replaced
            before = next((f for f in found if past and (f.revision == past or past in f.earlier)), None)
            if before is None and not _is_new(workload, scope):
                continue  # the history was cut: its oldest entry is no news
            kind, what = _tell(o.name(workload), revision, before)
            if kind == "restart":
                stamp = o.branch(workload, "spec", "template", "metadata", "annotations").get(RESTARTED_AT)
                at = parse_time(stamp) or at
            yield change(
                kind,
                ref,
                at,
                revision.at_precision,
                onset=scope.onset,
                relation=scope.relation(ref),
                what=what,
                diff=revision.diff,
                actor=revision.actor,
                sources=[source],
                note="; ".join(n for n in (f"change-cause: {revision.cause}" if revision.cause else "", told) if n),
            )


def _is_new(workload: Json, scope: Scope) -> bool:
    return scope.holds(o.created(workload))


def _tell(name: str, revision: Revision, before: Revision | None) -> tuple[ChangeKind, str]:
    """The kind of a rollout and its one line."""
    if before is None:
        return "rollout", f"{name} was created (revision {revision.revision})"
    step = f"revision {revision.replaced} -> {revision.revision}"
    swap = [
        f"{short_image(before.images[c])} -> {short_image(i)}"
        for c, i in revision.images.items()
        if c in before.images and before.images[c] != i
    ]
    told = f"image {', '.join(swap[:2])}" if swap else (revision.diff[0] if revision.diff else "no visible difference")
    more = (
        [line for line in revision.diff if not line.split(": ")[-1].startswith("image ")] if swap else revision.diff[1:]
    )
    told += "".join(f", {line}" for line in more[:1])
    if revision.is_rollback:
        return "rollback", f"{name} rolled back ({step}): {told}"
    if revision.parts == ["restart"]:
        return "restart", f"{name} was restarted ({step})"
    kind = _SINGLE.get(revision.parts[0], "rollout") if len(revision.parts) == 1 else "rollout"
    return kind, f"{name} rolled out ({step}): {told}"


def scalings(read: Workloads, autoscaled: frozenset[str], scope: Scope) -> Iterator[Change]:
    """Changes of ``spec.replicas`` by somebody else than an autoscaler, and what events tell of scaling outside of rollouts."""
    for workload in read.items:
        ref, name = o.ref_of(workload), o.name(workload)
        wanted = o.number(workload, "spec", "replicas")
        if wanted is None or ref in autoscaled:
            continue
        for touch in touches(workload):
            tree = owned(touch, "spec")
            by_hand = touch.subresource == "scale" or (tree is not None and set(tree) == {"f:replicas"})
            if tree is None or "f:replicas" not in tree or not by_hand or not scope.holds(touch.at):
                continue
            yield change(
                "scale",
                ref,
                touch.at,
                "upper_bound",
                onset=scope.onset,
                relation=scope.relation(ref),
                what=f"{name} was scaled to {wanted}",
                actor=clean(touch.manager, 60),
                sources=["managedFields"],
            )
            break
        else:
            yield from _scaled_by_event(workload, read.events, scope)


def _scaled_by_event(workload: Json, events: Sequence[Json], scope: Scope) -> Iterator[Change]:
    """A ScalingReplicaSet event alone in its minute: one without its counterpart that a rollout would have caused."""
    mine = []
    for event in events:
        same = o.text(event, "involvedObject", "kind") == o.text(workload, "kind") and o.text(
            event, "involvedObject", "name"
        ) == o.name(workload)
        if same and o.text(event, "reason") == "ScalingReplicaSet" and (m := _SCALED.search(o.text(event, "message"))):
            at = o.event_time(event)
            if at:
                mine.append((at, m))
    sets = {m[2] for _, m in mine}
    born = o.created(workload)
    for at, match in mine:
        if not scope.holds(at) or len(sets) > 1 or (born and abs((at - born).total_seconds()) < 60):
            continue
        if match[1] == "up" and not match[3]:
            # Old servers do not say "from": the first scale-up of a revision looks the same, and a revision is told elsewhere.
            touch = last_touch(workload, "spec", "template")
            if touch and abs((at - touch.at).total_seconds()) < 120:
                continue
        span = f"from {match[3]} to {match[4]}" if match[3] else f"to {match[4]}"
        yield change(
            "scale",
            o.ref_of(workload),
            at,
            "exact",
            onset=scope.onset,
            relation=scope.relation(o.ref_of(workload)),
            what=f"{o.name(workload)} was scaled {match[1]} {span}",
            sources=["events"],
        )


def autoscaling(autoscalers: Sequence[Json], scope: Scope) -> Iterator[Change]:
    """What autoscalers did, and changes of their limits by people."""
    for hpa in autoscalers:
        space = o.namespace(hpa)
        kind, name = (
            o.text(hpa, "spec", "scaleTargetRef", "kind") or "Deployment",
            o.text(hpa, "spec", "scaleTargetRef", "name"),
        )
        target = o.ref(kind, space, name)
        scaled = parse_time(o.text(hpa, "status", "lastScaleTime"))
        if scaled and scope.holds(scaled):
            now = o.number(hpa, "status", "desiredReplicas")
            yield change(
                "autoscale",
                target,
                scaled,
                "exact",
                onset=scope.onset,
                relation=scope.relation(target),
                what=f"the autoscaler scaled {name} to {now}",
                actor="hpa",
                sources=["HorizontalPodAutoscaler"],
            )
        touch = last_touch(hpa, "spec")
        made = o.controller(hpa)
        if made and made[0] == "ScaledObject":
            continue  # KEDA writes these limits; the ScaledObject tells who set them
        if touch and scope.holds(touch.at):
            low = o.number(hpa, "spec", "minReplicas") or o.number(hpa, "spec", "minReplicaCount") or 1
            high = o.number(hpa, "spec", "maxReplicas") or o.number(hpa, "spec", "maxReplicaCount")
            new = scope.holds(o.created(hpa))
            yield change(
                "hpa_limits",
                target,
                touch.at,
                "upper_bound",
                onset=scope.onset,
                relation=scope.relation(target),
                what=f"autoscaler of {name} {'created' if new else 'changed'}: now {low} to {high} replicas",
                actor=clean(touch.manager, 60),
                sources=["managedFields"],
            )
