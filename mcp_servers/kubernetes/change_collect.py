"""All the ways to notice a change, put together, and which changes go along with exactly the pods that fail."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mcp_servers.common.change import Change
from mcp_servers.common.envelope import Signal
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.autoscaling import autoscaler_of
from mcp_servers.kubernetes.change_cluster import jobs, nodes
from mcp_servers.kubernetes.change_config import Settings, Writes, certificates, config_maps, feature_flags, specs
from mcp_servers.kubernetes.change_delivery import deliveries
from mcp_servers.kubernetes.change_read import Read
from mcp_servers.kubernetes.change_scope import Scope
from mcp_servers.kubernetes.change_workloads import Workloads, autoscaling, rollouts, scalings
from mcp_servers.kubernetes.podtemplate_diff import config_as_env
from mcp_servers.kubernetes.quantities import parse_time
from mcp_servers.kubernetes.workload_signals import Surroundings, workload_signals

Json = dict[str, Any]
ROLLED = {"rollout", "rollback", "restart", "image", "env", "resources", "probe"}
CORRELATED = 1.3  # factor for a change that hit exactly the pods that fail


def collect(read: Read, scope: Scope, flags: tuple[str, ...] = (), writes: Writes | None = None) -> list[Change]:
    """All changes in the window, the most suspicious first. ``flags`` are globs of ConfigMaps that hold feature flags."""
    parts = read.parts
    past = Workloads(read.workloads, parts["ReplicaSet"], parts["ControllerRevision"], parts["Pod"], parts["Event"])
    scalers = [*parts["HorizontalPodAutoscaler"], *parts["ScaledObject"]]
    autoscaled = frozenset(o.ref_of(w) for w in read.workloads if autoscaler_of(w, scalers))
    mine = [w for w in read.workloads if o.ref_of(w) in scope.targets]
    env_only = frozenset(
        o.ref("ConfigMap", o.namespace(w), n) for w in mine for n in config_as_env(o.branch(w, "spec", "template"))
    )
    settings = Settings(env_only, _started(read.pods_of(scope)), flags, writes or Writes())
    found = [
        *rollouts(past, scope),
        *scalings(past, autoscaled, scope),
        *autoscaling(scalers, scope),
        *config_maps(parts["ConfigMap"], settings, scope),
        *feature_flags(parts["FeatureFlag"], scope),
        *certificates(parts["Certificate"], scope),
        *specs(parts, scope),
        *deliveries(parts, scope),
        *nodes(parts["Node"], parts["Event"], scope),
        *jobs(parts["Job"], scope),
    ]
    return sorted(
        _raised(found, read, scope),
        key=lambda c: (-c.score, -(parse_time(c.at) or scope.start).timestamp(), c.target, c.kind),
    )


def _started(pods: Sequence[Json]) -> datetime | None:
    """The newest start of one of the pods' main containers."""
    moments = (parse_time(o.text(c.state[1], "startedAt")) for p in pods for c in o.main_containers(p))
    return max((m for m in moments if m), default=None)


def _raised(found: list[Change], read: Read, scope: Scope) -> list[Change]:
    """Raise the score of changes that hit only some pods, where only those fail; ``Change.correlated`` says so."""
    failing = dict(failing_revisions(read, scope))
    pods = [p for p in read.pods_of(scope) if not o.is_deleting(p) and not o.is_finished(p)]
    well = [p for p in pods if o.is_ready(p)]
    ill = [p for p in pods if not o.is_ready(p)]

    def why(item: Change) -> str:
        if item.kind in ROLLED:
            told = failing.get(item.target)
            return told.detail if told else ""
        at = parse_time(item.at)
        if not ill or not well or at is None:
            return ""
        if item.relation == "config_of" and all(_since(p, at) for p in ill) and not any(_since(p, at) for p in well):
            return f"all {len(ill)} failing pods started after it, all {len(well)} ready ones before"
        if item.relation == "same_node":
            node = item.target.rpartition("/")[2]
            apart = all(_on(p, node) for p in ill) and not any(_on(p, node) for p in well)
            return f"all {len(ill)} failing pods are on that node, none of the {len(well)} ready ones" if apart else ""
        return ""

    def judged(item: Change) -> Change:
        reason = why(item)
        if not reason:
            return item
        score = min(1.0, round(item.score * CORRELATED, 3))
        return item.model_copy(update={"score": score, "correlated": reason[:200]})

    return [judged(item) for item in found]


def _since(pod: Json, at: datetime) -> bool:
    """Whether the pod, or the newest run of one of its containers, started after ``at``."""
    moments = [o.created(pod), o.last_restart(pod)]
    return any(m is not None and m > at for m in moments)


def _on(pod: Json, node: str) -> bool:
    return o.text(pod, "spec", "nodeName") == node


def failing_revisions(read: Read, scope: Scope) -> list[tuple[str, Signal]]:
    """(workload, its `deploy.new_revision_failing` signal) where the newest rollout lies in the window."""
    found = []
    for workload in read.workloads:
        if o.text(workload, "kind") == "Rollout":  # keeps its pods by another controller's rules
            continue
        space = o.namespace(workload)
        around = Surroundings(
            [p for p in read.parts["Pod"] if o.namespace(p) == space], read.parts["ReplicaSet"], read.parts["Event"]
        )
        told = workload_signals(workload, around, scope.end)
        found += [(o.ref_of(workload), s) for s in told if s.code == "deploy.new_revision_failing"]
    return found
