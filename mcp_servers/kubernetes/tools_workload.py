"""`get_workload_status`: one workload with everything that holds it back, its pods' own problems included."""

from typing import Annotated, Any, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Signal, ok
from mcp_servers.common.signals import CATALOGUE
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes import workload_signals as ws
from mcp_servers.kubernetes.addresses import addresses_of
from mcp_servers.kubernetes.autoscaling import (
    AutoscalerOut,
    BudgetOut,
    autoscaler_of,
    autoscaler_signals,
    budget_signals,
    budgets_of,
    read_autoscaler,
    read_budget,
)
from mcp_servers.kubernetes.context import Context
from mcp_servers.kubernetes.kinds import NAME, OPTIONAL_NAMESPACE
from mcp_servers.kubernetes.pod_rows import PodRow, pod_row, trouble_first
from mcp_servers.kubernetes.podtemplate_diff import short_image
from mcp_servers.kubernetes.quantities import iso
from mcp_servers.kubernetes.reading import Reading
from mcp_servers.kubernetes.tools_history import find_workload
from mcp_servers.kubernetes.troubles import Ground, pods_signals
from mcp_servers.kubernetes.workload_state import counts, rollout_status

Json = dict[str, Any]
Kind = Literal["auto", "deployment", "statefulset", "daemonset", "job", "cronjob", "rollout"]
KINDS = {
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "job": "Job",
    "cronjob": "CronJob",
}
ROLLOUT = "Rollout"  # Argo's; with "auto" it is looked for where nothing else has the name
POD_CODES = tuple(code for code in CATALOGUE if code.startswith("k8s.pod."))
SIGNALS = (*ws.CODES, "hpa.at_max", "hpa.no_metrics", "hpa.scaled_recently", "pdb.blocking", *POD_CODES)
NORMAL = {("Available", "True"), ("Progressing", "True"), ("Complete", "True"), ("SuccessCriteriaMet", "True")}
DESCRIPTION = (
    "Any workload, Jobs and Argo's Rollouts included: replicas wanted and available, abnormal conditions, which revision's pods "
    "fail and why, refused pod creations (quota, ServiceAccount, admission), autoscaler, disruption budget, recent events."
)


class ReplicasOut(Lean):
    wanted: int
    updated: int
    ready: int
    available: int


class ConditionOut(Lean):
    type: str
    status: str
    reason: str = ""
    since: str = ""
    message: str = ""


class RevisionPodsOut(Lean):
    """The pods of one revision; ``problem`` is what most of its failing pods show."""

    name: str
    revision: int = 0
    newest: bool = False
    image: str = ""
    pods: int
    ready: int
    failing: int = 0
    problem: str = ""


class EventRow(Lean):
    last: str
    count: int = 1
    type: str
    reason: str
    object: str
    message: str


class WorkloadStatus(Envelope):
    """``workload`` is ``Kind/namespace/name``; ``pods`` hold at most 8, those in trouble first."""

    namespace: str
    workload: str
    status: str
    replicas: ReplicasOut
    strategy: str = ""
    conditions: list[ConditionOut] = Field(default_factory=list)
    revisions: list[RevisionPodsOut] = Field(default_factory=list)
    pods: list[PodRow] = Field(default_factory=list)
    calls: list[str] = Field(default_factory=list)  # Services of its namespace that its settings name
    hpa: AutoscalerOut | None = None
    pdb: list[BudgetOut] = Field(default_factory=list)
    events: list[EventRow] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def get_workload_status(
        name: Annotated[str, Field(pattern=NAME, description="name of the workload")],
        namespace: Annotated[str, Field(pattern=OPTIONAL_NAMESPACE, description="empty: looked for everywhere")] = "",
        kind: Annotated[Kind, Field(description="auto: any kind")] = "auto",
    ) -> Annotated[CallToolResult, WorkloadStatus]:
        reading = Reading(await context.cluster())
        kinds = tuple(KINDS.values()) if kind == "auto" else (ROLLOUT if kind == "rollout" else KINDS[kind],)
        workload = await find_workload(reading, name, namespace, kinds)
        answer = await status_of(workload, reading, context)
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_workload_status, "get_workload_status", DESCRIPTION, SIGNALS)]


async def status_of(workload: Json, reading: Reading, context: Context) -> WorkloadStatus:
    """The answer for a workload that was found."""
    space, ref, now = o.namespace(workload), o.ref_of(workload), context.clock()
    replica_sets, pods, events, scalers, budgets, nodes, configs = await reading.all(
        *((k, space) for k in ("ReplicaSet", "Pod", "Event", "HorizontalPodAutoscaler", "PodDisruptionBudget")),
        ("Node", ""),
        ("ConfigMap", space, {"metadata": True}),
    )
    ground = Ground(now, events, reading.or_none("Node", nodes), replica_sets, reading.or_none("ConfigMap", configs))
    owners = o.index(replica_sets)
    mine = [p for p in pods if o.workload(p, owners) == ref]
    seen = counts(workload)
    # Whether anything leads to it only matters where it wants no replica.
    aside = Reading(reading.cluster)
    services = await aside.one("Service", space) if seen.wanted == 0 else []
    known = services if seen.wanted == 0 and aside.whole("Service") else None
    around = ws.Surroundings(mine, replica_sets, events, known)
    hpa = autoscaler_of(workload, scalers)
    labels = {str(k): str(v) for k, v in o.branch(workload, "spec", "template", "metadata", "labels").items()}
    taken = budgets_of(labels, space, budgets)
    signals: list[Signal] = [*ws.workload_signals(workload, around, now)]
    signals += pods_signals(mine, ground)
    signals += autoscaler_signals(hpa, ref, now) if hpa else []
    signals += [s for b in taken for s in budget_signals(b, ref)]
    shown = trouble_first(mine)
    answer = WorkloadStatus(
        summary="",
        signals=signals,
        namespace=space,
        workload=ref,
        status=rollout_status(workload),
        replicas=ReplicasOut(wanted=seen.wanted, updated=seen.updated, ready=seen.ready, available=seen.available),
        strategy=o.text(workload, "spec", "strategy", "type") or o.text(workload, "spec", "updateStrategy", "type"),
        conditions=_conditions(workload),
        revisions=[RevisionPodsOut.model_validate(vars(r)) for r in ws.pods_by_revision(workload, around)[:5]],
        pods=[pod_row(p, now) for p in shown[:8]],
        calls=sorted({a.host for a in addresses_of(workload) if a.namespace == space})[:8],
        hpa=read_autoscaler(hpa) if hpa else None,
        pdb=[read_budget(b) for b in taken[:3]],
        events=_events(workload, around),
        untrusted=["events[].message", "conditions[].message"],
    )
    if len(shown) > 8:
        answer.notes.append(f"{len(shown) - 8} more pods are left out")
    if not mine and seen.wanted and "Pod" not in reading.missing:
        answer.notes.append(f"{seen.wanted} replicas are wanted and no pod exists")
    answer.summary = _summary(answer, mine)
    return answer


def _summary(answer: WorkloadStatus, pods: list[Json]) -> str:
    failing = [r for r in answer.revisions if r.failing]
    told = [answer.status]
    if failing:
        told.append(
            f"{failing[0].failing} of {failing[0].pods} pods of {short_image(failing[0].image)} are {failing[0].problem}"
        )
    elif pods and all(o.is_ready(p) or o.is_finished(p) for p in pods):
        told.append("all pods are ready")
    return "; ".join(told)[:240]


def _conditions(workload: Json) -> list[ConditionOut]:
    """The abnormal ones."""
    return [
        ConditionOut(
            type=kind,
            status=o.text(c, "status"),
            reason=o.text(c, "reason"),
            since=o.text(c, "lastTransitionTime"),
            message=clean(o.text(c, "message"), 200),
        )
        for kind, c in o.conditions(workload).items()
        if (kind, o.text(c, "status")) not in NORMAL
    ][:6]


def _events(workload: Json, around: ws.Surroundings) -> list[EventRow]:
    """The newest of the workload's own, its ReplicaSets' and its pods' events; warnings first."""
    names = {o.name(workload), *(o.name(p) for p in around.pods)}
    names |= {o.name(r) for r in around.replica_sets if o.controller(r) == (o.text(workload, "kind"), o.name(workload))}
    mine = [e for e in around.events if o.text(e, "involvedObject", "name") in names]
    mine.sort(key=lambda e: (o.text(e, "type") == "Warning", iso(o.event_time(e))), reverse=True)
    rows = [
        EventRow(
            last=iso(o.event_time(e)),
            count=o.event_count(e),
            type=o.text(e, "type"),
            reason=o.text(e, "reason"),
            object=f"{o.text(e, 'involvedObject', 'kind')}/{o.text(e, 'involvedObject', 'name')}",
            message=clean(o.text(e, "message"), 200),
        )
        for e in mine
    ]
    unique = {(r.reason, r.message): r for r in reversed(rows)}
    return list(reversed(unique.values()))[:8]
