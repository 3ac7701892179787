"""What this credential may do: what each tool needs, and what a read-only bot should not have.

The API server itself answers (SelfSubjectAccessReview), so aggregated roles, groups and webhook authorizers are all counted.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.kubernetes.client import Cluster
from mcp_servers.kubernetes.kinds import KINDS


@dataclass(frozen=True, order=True)
class Access:
    """One thing that may be allowed. ``resource`` is a plural; without a ``namespace`` it means all of them, or the cluster."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    namespace: str = ""
    namespaced: bool = True

    def __str__(self) -> str:
        what = (
            self.resource
            + (f"/{self.subresource}" if self.subresource else "")
            + (f".{self.group}" if self.group else "")
        )
        return f"{self.verb} {what} {self.where}"

    @property
    def where(self) -> str:
        if not self.namespaced:
            return "in the cluster"
        return f"in namespace {self.namespace}" if self.namespace else "in all namespaces"


_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
_POD = ("Pod", "Event", "Node", "ConfigMap", "PersistentVolumeClaim", "PersistentVolume", "StorageClass")
_WORKLOAD = (
    *_WORKLOADS,
    "ReplicaSet",
    "Pod",
    "Event",
    "Node",
    "ConfigMap",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
)
_RULES = ("Service", "Ingress", "NetworkPolicy", "ResourceQuota", "LimitRange")
# What each tool lists. `get` goes along with `list` in every role; "log" stands for the text of logs.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "find_unhealthy": (*_POD[:3], *_POD[4:], *_WORKLOADS, "ReplicaSet", "Job", "Service", "ResourceQuota", "Ingress"),
    "get_deployment_history": (*_WORKLOADS, "ReplicaSet", "ControllerRevision", "Pod", "Event"),
    "get_events": ("Event",),
    "get_node_health": ("Node", "Pod", "Event", "NodeMetrics"),
    "get_pod_logs": ("Pod", "ReplicaSet", "log"),
    "get_pod_status": (*_POD, "ReplicaSet", "Job", "log"),
    "get_recent_changes": (*_WORKLOAD, "ControllerRevision", "Job", *_RULES),
    "get_resource_usage": ("PodMetrics", "Pod", "ReplicaSet"),
    "get_service_health": (
        *_WORKLOAD,
        "Service",
        "EndpointSlice",
        "Endpoints",
        "Ingress",
        "NetworkPolicy",
        "ResourceQuota",
    ),
    "get_workload_status": (*_WORKLOAD, "Job", "CronJob", "Service"),
    "resolve_target": ("Namespace", "Pod", *_WORKLOADS, "Job", "CronJob", "ReplicaSet", "Service", "Node"),
}
# What a tool also lists where the cluster has the add-on.
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "get_deployment_history": ("Rollout",),
    "get_recent_changes": tuple(kind for kind, row in KINDS.items() if row.custom),
    "get_workload_status": ("Rollout",),
}
# What a read-only bot has no use for, and what a stolen one would be used for.
POWERS = (
    Access("create", "pods", subresource="exec"),
    Access("get", "secrets"),
    Access("list", "secrets"),
    Access("delete", "pods"),
    Access("patch", "deployments", group="apps"),
)
MEND = (
    "give the bot a read-only credential: kubectl create namespace rca && kubectl apply -f deploy/kubernetes/clusterrole.yaml, then use a "
    "kubeconfig with the token that kubectl -n rca create token rca-bot prints. To try the bot with this credential all the same, set "
    "RCA_ALLOW_PRIVILEGED=1"
)
_PATIENCE_S = 4.0  # for all the questions of one round together
_STALE_S = 60.0  # a round that was not answered is tried again after this


def access_of(kind: str, namespace: str = "") -> Access:
    """What reading a kind of `NEEDS` takes."""
    if kind == "log":
        return Access("get", "pods", subresource="log", namespace=namespace)
    row = KINDS[kind]
    return Access(
        "list", row.plural, row.group, namespace=namespace if row.namespaced else "", namespaced=row.namespaced
    )


async def granted(cluster: Cluster, asked: Iterable[Access]) -> dict[Access, bool]:
    """Which of ``asked`` this credential has; all questions at once. Raises `ToolFailure` when they cannot be asked."""
    wanted = list(dict.fromkeys(asked))
    answers = await asyncio.gather(
        *(cluster.can(a.verb, a.resource, a.group, a.namespace, a.subresource) for a in wanted)
    )
    return dict(zip(wanted, answers, strict=True))


@dataclass(frozen=True)
class Privileges:
    """Which of `POWERS` the credential has. ``unknown`` says why they could not be asked, "" when they were."""

    found: tuple[Access, ...] = ()
    unknown: str = ""
    at: float = field(default_factory=time.monotonic)

    @property
    def stale(self) -> bool:
        return bool(self.unknown) and time.monotonic() - self.at > _STALE_S

    def refuse(self) -> None:
        """Raises `ToolFailure` FORBIDDEN when there is any. What could not be asked refuses nothing: every request is a read anyway."""
        if self.found:
            powers = ", ".join(map(str, self.found))
            raise ToolFailure("FORBIDDEN", f"this credential can do more than read: {powers}", hint=MEND)


async def privileges(cluster: Cluster) -> Privileges:
    """One round of questions, side by side and within a few seconds. Never raises `ToolFailure`."""
    space = next(iter(cluster.settings.namespaces), "")
    allowed = ("list", "secrets") if cluster.settings.helm_records else ()
    asked = [
        Access(p.verb, p.resource, p.group, p.subresource, space) for p in POWERS if (p.verb, p.resource) != allowed
    ]
    try:
        async with asyncio.timeout(_PATIENCE_S):
            answers = await granted(cluster, asked)
    except ToolFailure as failure:
        return Privileges(unknown=failure.info.message)
    except TimeoutError:
        return Privileges(unknown=f"the API server did not answer within {_PATIENCE_S:g} s")
    return Privileges(tuple(a for a in asked if answers[a]))
