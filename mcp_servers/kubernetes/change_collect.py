"""Reading a namespace for changes, and putting all the ways to notice one together."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from mcp_servers.common.envelope import Signal, ToolFailure
from mcp_servers.common.timerange import Range
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.autoscaling import autoscaler_of
from mcp_servers.kubernetes.change_cluster import jobs, nodes
from mcp_servers.kubernetes.change_config import config_maps, specs
from mcp_servers.kubernetes.change_model import Change
from mcp_servers.kubernetes.change_scope import Scope
from mcp_servers.kubernetes.change_workloads import Workloads, autoscaling, rollouts, scalings
from mcp_servers.kubernetes.context import Context
from mcp_servers.kubernetes.naming import hint_for
from mcp_servers.kubernetes.podtemplate_diff import config_as_env, config_sources
from mcp_servers.kubernetes.quantities import parse_time
from mcp_servers.kubernetes.reading import Reading
from mcp_servers.kubernetes.service_selection import selector, selects, template_labels
from mcp_servers.kubernetes.workload_signals import Surroundings, workload_signals

Json = dict[str, Any]
ROLLED = {"rollout", "rollback", "restart", "image", "env", "resources", "probe"}
CORRELATED = 1.3  # factor for a rollout whose revision alone fails
LISTS = (
    *(
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "ControllerRevision",
        "Pod",
        "Event",
        "HorizontalPodAutoscaler",
    ),
    *("Service", "Ingress", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodDisruptionBudget", "Job"),
)


class Read:
    """What was read, by kind."""

    def __init__(self, parts: dict[str, list[Json]]) -> None:
        self.parts = parts
        self.workloads = [*parts["Deployment"], *parts["StatefulSet"], *parts["DaemonSet"]]

    @classmethod
    async def of(cls, reading: Reading, space: str) -> "Read":
        asked: list[tuple[str, str, dict[str, Any]]] = [(k, space, {}) for k in LISTS] + [
            ("ConfigMap", space, {"metadata": True}),
            ("Node", "", {}),
        ]
        lists = await reading.all(*asked)
        return cls({kind: items for (kind, *_), items in zip(asked, lists, strict=True)})

    def scope_of(self, target: str, namespace: str, window: Range, onset: datetime, context: Context) -> Scope:
        """The target's workloads, their configuration, Services and nodes. Raises `ToolFailure` NOT_FOUND when there is no such target."""
        mark = context.settings.common.redactor.hashed
        if not target:
            return Scope(window.start, window.end, onset, mark)
        kind, _, name = target.rpartition("/")
        kind = kind.partition("/")[0]
        mine = [w for w in self.workloads if o.name(w) == name and kind in ("", o.text(w, "kind"))]
        services = [s for s in self.parts["Service"] if o.name(s) == name and kind in ("", "Service")]
        for service in services:
            wanted = selector(service)
            mine += [
                w
                for w in self.workloads
                if w not in mine and o.namespace(w) == o.namespace(service) and selects(wanted, template_labels(w))
            ]
        if not mine and not services:
            where = f" in namespace {namespace}" if namespace else ""
            raise ToolFailure(
                "NOT_FOUND",
                f"no workload or Service {target}{where}",
                hint=hint_for(name, [*self.workloads, *self.parts["Service"]]),
            )
        refs = frozenset(o.ref_of(w) for w in mine)
        owners = o.index(self.parts["ReplicaSet"])
        pods = [p for p in self.parts["Pod"] if o.workload(p, owners) in refs]
        configs = {n for w in mine for k, n in config_sources(o.branch(w, "spec", "template")) if k == "ConfigMap"}
        near = {o.name(s) for s in self.parts["Service"] for w in mine if selects(selector(s), template_labels(w))}
        hosts = frozenset(o.text(p, "spec", "nodeName") for p in pods) - {""}
        return Scope(
            window.start,
            window.end,
            onset,
            mark,
            refs,
            frozenset(configs),
            frozenset(near | {o.name(s) for s in services}),
            hosts,
        )


def collect(read: Read, scope: Scope) -> list[Change]:
    """All changes in the window, the most suspicious first."""
    parts = read.parts
    past = Workloads(read.workloads, parts["ReplicaSet"], parts["ControllerRevision"], parts["Pod"], parts["Event"])
    scalers = parts["HorizontalPodAutoscaler"]
    autoscaled = frozenset(o.ref_of(w) for w in read.workloads if autoscaler_of(w, scalers))
    mine = [w for w in read.workloads if o.ref_of(w) in scope.targets]
    env_only = frozenset(n for w in mine for n in config_as_env(o.branch(w, "spec", "template")))
    routed = [
        i
        for k in ("Service", "Ingress", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodDisruptionBudget")
        for i in parts[k]
    ]
    found = [
        *rollouts(past, scope),
        *scalings(past, autoscaled, scope),
        *autoscaling(scalers, scope),
        *config_maps(parts["ConfigMap"], env_only, _starts(mine, read, env_only), scope),
        *specs(routed, scope),
        *nodes(parts["Node"], parts["Event"], scope),
        *jobs(parts["Job"], scope),
    ]
    return sorted(
        _correlated(found, read, scope),
        key=lambda c: (-c.score, -(parse_time(c.at) or scope.start).timestamp(), c.target),
    )


def _starts(mine: list[Json], read: Read, configs: Iterable[str]) -> dict[str, datetime]:
    """The newest start of a target's pod, by ConfigMap name."""
    owners, refs = o.index(read.parts["ReplicaSet"]), {o.ref_of(w) for w in mine}
    started = [
        parse_time(o.text(c.state[1], "startedAt"))
        for p in read.parts["Pod"]
        if o.workload(p, owners) in refs
        for c in o.main_containers(p)
    ]
    newest = max((s for s in started if s), default=None)
    return dict.fromkeys(configs, newest) if newest else {}


def _correlated(found: list[Change], read: Read, scope: Scope) -> list[Change]:
    """Raise the score of rollouts whose revision alone fails while the older one serves."""
    failing = {ref for ref, _ in failing_revisions(read, scope)}

    def judged(item: Change) -> Change:
        if item.target not in failing or item.kind not in ROLLED:
            return item
        score = min(1.0, round(item.score * CORRELATED, 3))
        return item.model_copy(update={"score": score, "note": item.note or "only the new revision fails"})

    return [judged(item) for item in found]


def failing_revisions(read: Read, scope: Scope) -> list[tuple[str, Signal]]:
    """(workload, its `deploy.new_revision_failing` signal) where the newest rollout lies in the window."""
    found = []
    for workload in read.workloads:
        space = o.namespace(workload)
        around = Surroundings(
            [p for p in read.parts["Pod"] if o.namespace(p) == space], read.parts["ReplicaSet"], read.parts["Event"]
        )
        told = workload_signals(workload, around, scope.end)
        found += [(o.ref_of(workload), s) for s in told if s.code == "deploy.new_revision_failing"]
    return found
