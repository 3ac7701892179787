"""The pod that is meant: by its name, or by a prefix of it, because pods die while one thinks about them."""

from dataclasses import dataclass

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.client import Cluster
from mcp_servers.kubernetes.kinds import kind_of
from mcp_servers.kubernetes.naming import close
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.pod_rows import trouble_first


@dataclass(frozen=True)
class Found:
    """``others`` are further pods that the name fits; ``note`` says how the pod was chosen, "" for an exact name."""

    pod: Json
    others: tuple[str, ...] = ()
    note: str = ""


async def find_pod(cluster: Cluster, namespace: str, called: str) -> Found:
    """The pod ``called`` so, else the one in most trouble of those whose name starts so, or that belong to a workload of that name.

    Raises `ToolFailure` NOT_FOUND with close names.
    """
    kind_of("Pod")
    exact = await cluster.find("Pod", called, namespace)
    if exact is not None:
        return Found(exact)
    pods = (await cluster.list("Pod", namespace)).items
    fitting = [p for p in pods if o.name(p).startswith(f"{called}-") or o.workload(p).rpartition("/")[2] == called]
    fitting = fitting or [p for p in pods if o.name(p).startswith(called)]
    why = f"no pod is called {called}"
    if not fitting:
        fitting = _successors(called, pods)
        why = f"pod {called} is gone"
    if not fitting:
        near = close(called, (o.name(p) for p in pods))
        raise ToolFailure(
            "NOT_FOUND",
            f"no pod {called} in namespace {namespace}",
            hint=f"close names: {', '.join(near)}" if near else f"{len(pods)} pods are there, none with a similar name",
        )
    ranked = trouble_first(fitting)
    chosen, others = ranked[0], tuple(o.name(p) for p in ranked[1:6])
    note = f"{why}; {o.name(chosen)} is shown, the one in most trouble of {len(ranked)} that fit"
    return Found(chosen, others, note)


def _successors(called: str, pods: list[Json]) -> list[Json]:
    """Pods of the workload that a vanished pod belonged to: ``checkout-7d9f8c6b5-x8k2p`` names its ReplicaSet and its Deployment."""
    replica_set = called.rpartition("-")[0]
    if not replica_set:
        return []
    same_revision = [p for p in pods if o.name(p).startswith(f"{replica_set}-")]
    deployment = o.deployment_of_replicaset(replica_set)
    return same_revision or [p for p in pods if deployment and o.workload(p).rpartition("/")[2] == deployment]
