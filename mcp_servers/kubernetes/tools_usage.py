"""`get_resource_usage`: what containers use now, against what they asked for and may have."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Page, Signal, ToolFailure, ok
from mcp_servers.common.signals import signal
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.context import Context
from mcp_servers.kubernetes.kinds import NAMESPACE
from mcp_servers.kubernetes.naming import close
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.quantities import quantity, show_bytes, show_cpu
from mcp_servers.kubernetes.reading import Reading
from mcp_servers.kubernetes.troubles import merged

OPTIONAL_NAME = r"^([a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?)?$"
MEM_NEAR = 0.9
CPU_AT = 0.95
SIGNALS = ("res.mem_near_limit", "res.cpu_at_limit", "res.no_limits")
DESCRIPTION = (
    "CPU and memory that containers of a namespace use at this moment, next to their requests and limits, nearest to the limit first. "
    "`target` narrows to a workload or a pod. One sample, no history; needs metrics-server."
)


class Usage(Lean):
    """One container. CPU in millicores, memory in bytes; ratios are of the limit, absent where there is none."""

    pod: str
    container: str
    cpu_m: float
    cpu_request_m: float | None = None
    cpu_limit_m: float | None = None
    cpu_ratio: float | None = None
    mem_bytes: int
    mem_request_bytes: int | None = None
    mem_limit_bytes: int | None = None
    mem_ratio: float | None = None

    @property
    def nearness(self) -> float:
        return max(self.cpu_ratio or 0.0, self.mem_ratio or 0.0)


class ResourceUsage(Envelope):
    """The answer of `get_resource_usage`."""

    namespace: str
    containers: list[Usage] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def get_resource_usage(
        namespace: Annotated[str, Field(pattern=NAMESPACE)],
        target: Annotated[str, Field(pattern=OPTIONAL_NAME, description="a workload or pod; empty: all")] = "",
        limit: Annotated[int, Field(ge=1, le=40)] = 10,
    ) -> Annotated[CallToolResult, ResourceUsage]:
        reading = Reading(await context.cluster())
        metrics = await _metrics(reading, namespace)
        pods, replica_sets = await reading.all(("Pod", namespace), ("ReplicaSet", namespace))
        answer = answer_of(metrics, pods, replica_sets, space=namespace, target=target, limit=limit)
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_resource_usage, "get_resource_usage", DESCRIPTION, SIGNALS)]


async def _metrics(reading: Reading, namespace: str) -> list[Json]:
    try:
        return (await reading.cluster.list("PodMetrics", namespace)).items
    except ToolFailure as failure:
        if failure.info.code not in ("UNSUPPORTED", "NOT_FOUND") and failure.info.backend_status != 503:
            raise
        raise ToolFailure(
            "UNSUPPORTED",
            "the cluster measures no usage: metrics.k8s.io is not served",
            hint="install metrics-server, or ask the telemetry backend for container memory and CPU",
            backend_status=failure.info.backend_status,
        ) from failure


def answer_of(
    metrics: Sequence[Json], pods: Sequence[Json], replica_sets: Sequence[Json], *, space: str, target: str, limit: int
) -> ResourceUsage:
    """The answer, from what was read. Raises `ToolFailure` NOT_FOUND when no pod fits ``target``."""
    owners = o.index(replica_sets)
    owner = {o.name(p): o.workload(p, owners) for p in pods}
    mine = {o.name(p): p for p in pods if not target or target in (o.name(p), owner[o.name(p)].rpartition("/")[2])}
    if target and not mine:
        near = close(target, {*owner, *(w.rpartition("/")[2] for w in owner.values())})
        hint = f"close names: {', '.join(near)}" if near else f"{len(pods)} pods are there, none of that workload"
        raise ToolFailure("NOT_FOUND", f"no pod of {target} in namespace {space}", hint=hint)
    measured = {o.name(m): m for m in metrics}
    rows = [u for n, p in mine.items() if n in measured for u in _usages(p, measured[n])]
    rows.sort(key=lambda u: (-u.nearness, -u.mem_bytes, u.pod, u.container))
    signals = merged(s for u in rows for s in _signals(u, space, owner[u.pod]))
    answer = ResourceUsage(
        summary=_summary(rows, signals, space),
        signals=signals,
        namespace=space,
        containers=rows[:limit],
        page=Page(returned=limit, total=len(rows)) if len(rows) > limit else None,
        truncated=len(rows) > limit,
    )
    unmeasured = [
        n for n, p in mine.items() if n not in measured and o.text(p, "status", "phase") in ("Running", "Pending")
    ]
    if unmeasured:
        answer.notes.append(
            f"no sample of {len(unmeasured)} pods (not running, or younger than a minute): {', '.join(sorted(unmeasured)[:3])}"
        )
    if not rows and not unmeasured:
        answer.notes.append(f"namespace {space} has no running pod{' of ' + target if target else ''}")
    return answer


def _usages(pod: Json, metrics: Json) -> Iterator[Usage]:
    used = {o.text(c, "name"): o.branch(c, "usage") for c in o.rows(metrics, "containers")}
    for container in o.containers(pod):
        if container.name not in used:
            continue
        cpu, memory = (quantity(used[container.name].get(r)) or 0.0 for r in ("cpu", "memory"))
        asked, most = (o.branch(container.spec, "resources", part) for part in ("requests", "limits"))
        cpu_limit, mem_limit = quantity(most.get("cpu")), quantity(most.get("memory"))
        yield Usage(
            pod=o.name(pod),
            container=container.name,
            cpu_m=round(cpu * 1000, 1),
            cpu_request_m=_milli(quantity(asked.get("cpu"))),
            cpu_limit_m=_milli(cpu_limit),
            cpu_ratio=round(cpu / cpu_limit, 3) if cpu_limit else None,
            mem_bytes=int(memory),
            mem_request_bytes=_whole(quantity(asked.get("memory"))),
            mem_limit_bytes=_whole(mem_limit),
            mem_ratio=round(memory / mem_limit, 3) if mem_limit else None,
        )


def _signals(used: Usage, space: str, owner: str) -> Iterator[Signal]:
    subject = o.ref("Pod", space, used.pod)
    of = "" if owner == subject else owner
    if used.mem_ratio is not None and used.mem_ratio >= MEM_NEAR:
        detail = f"container {used.container} uses {show_bytes(used.mem_bytes)} of its memory limit {show_bytes(used.mem_limit_bytes)}"
        yield signal("res.mem_near_limit", subject, detail, owner=of, value=used.mem_ratio, threshold=MEM_NEAR)
    if used.cpu_ratio is not None and used.cpu_ratio >= CPU_AT and used.cpu_limit_m is not None:
        detail = f"container {used.container} uses {show_cpu(used.cpu_m / 1000)} of its CPU limit {show_cpu(used.cpu_limit_m / 1000)}"
        yield signal("res.cpu_at_limit", subject, detail, owner=of, value=used.cpu_ratio, threshold=CPU_AT)
    if used.mem_limit_bytes is None:
        yield signal("res.no_limits", subject, f"container {used.container} has no memory limit", owner=of)


def _summary(rows: Sequence[Usage], signals: Sequence[Signal], space: str) -> str:
    if not rows:
        return f"0 containers measured in {space}"
    grave = [s for s in signals if s.severity != "info"]
    top = grave[0].detail if grave else f"none near its limit, the nearest at {rows[0].nearness:.0%}"
    return f"{len(rows)} containers measured in {space}; {top}"[:240]


def _milli(cores: float | None) -> float | None:
    return None if cores is None else round(cores * 1000, 1)


def _whole(size: float | None) -> int | None:
    return None if size is None else int(size)
