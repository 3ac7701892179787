"""Autoscalers and disruption budgets of a workload, in every API version that clusters still serve."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from mcp_servers.common.envelope import Lean, Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.quantities import seconds_since, span
from mcp_servers.kubernetes.workload_state import matches

Json = dict[str, Any]
RECENT_S = 1800


class AutoscalerOut(Lean):
    """``metrics`` are lines such as "cpu 31% of 70%"."""

    name: str
    min: int
    max: int
    current: int
    desired: int
    last_scale: str = ""
    metrics: list[str] = Field(default_factory=list)
    problem: str = ""


class BudgetOut(Lean):
    """A PodDisruptionBudget: how many pods may be taken away right now."""

    name: str
    allowed: int
    healthy: int
    desired: int
    expected: int


def autoscaler_of(workload: Json, found: Sequence[Json]) -> Json | None:
    """The HorizontalPodAutoscaler that targets the workload."""
    for item in found:
        target = o.branch(item, "spec", "scaleTargetRef")
        same = o.text(target, "kind") == o.text(workload, "kind") and o.text(target, "name") == o.name(workload)
        if same and o.namespace(item) == o.namespace(workload):
            return item
    return None


def _conditions(hpa: Json) -> dict[str, Json]:
    """By type; autoscaling/v1 keeps them as JSON in an annotation."""
    found = o.conditions(hpa)
    if found:
        return found
    try:
        rows = json.loads(o.annotations(hpa).get("autoscaling.alpha.kubernetes.io/conditions", "[]"))
    except ValueError:
        return {}
    return {o.text(r, "type"): r for r in rows if isinstance(r, dict)} if isinstance(rows, list) else {}


def _metrics(hpa: Json) -> list[str]:
    current = {o.text(m, "resource", "name"): m for m in o.rows(hpa, "status", "currentMetrics")}
    lines = []
    for wish in o.rows(hpa, "spec", "metrics"):
        kind = o.text(wish, "type")
        if kind == "Resource":
            name = o.text(wish, "resource", "name")
            goal = o.number(wish, "resource", "target", "averageUtilization")
            seen = o.number(current.get(name), "resource", "current", "averageUtilization")
            if goal is not None:
                lines.append(f"{name} {'unknown' if seen is None else f'{seen}%'} of {goal}%")
        else:
            field = kind[:1].lower() + kind[1:]
            lines.append(f"{kind} {clean(o.text(wish, field, 'metric', 'name'), 60)}".strip())
    target = o.number(hpa, "spec", "targetCPUUtilizationPercentage")
    if target is not None:
        seen = o.number(hpa, "status", "currentCPUUtilizationPercentage")
        lines.append(f"cpu {'unknown' if seen is None else f'{seen}%'} of {target}%")
    return lines[:5]


def read_autoscaler(hpa: Json) -> AutoscalerOut:
    active = _conditions(hpa).get("ScalingActive", {})
    return AutoscalerOut(
        name=o.name(hpa),
        min=o.number(hpa, "spec", "minReplicas") or 1,
        max=o.number(hpa, "spec", "maxReplicas") or 0,
        current=o.number(hpa, "status", "currentReplicas") or 0,
        desired=o.number(hpa, "status", "desiredReplicas") or 0,
        last_scale=o.text(hpa, "status", "lastScaleTime"),
        metrics=_metrics(hpa),
        problem=clean(o.text(active, "message"), 160) if o.text(active, "status") == "False" else "",
    )


def autoscaler_signals(hpa: Json, workload: str, now: datetime) -> list[Signal]:
    seen, subject = read_autoscaler(hpa), o.ref("HorizontalPodAutoscaler", o.namespace(hpa), o.name(hpa))
    found = []
    conditions = _conditions(hpa)
    limited = conditions.get("ScalingLimited", {})
    wants_more = o.text(limited, "status") == "True" and o.text(limited, "reason") == "TooManyReplicas"
    if seen.max and seen.max > seen.min and seen.desired >= seen.max and (wants_more or not limited):
        detail = f"autoscaler {seen.name} is at its maximum of {seen.max} replicas" + (
            f" ({seen.metrics[0]})" if seen.metrics else ""
        )
        found.append(signal("hpa.at_max", subject, detail, owner=workload, value=seen.desired, threshold=seen.max))
    active = conditions.get("ScalingActive", {})
    if o.text(active, "status") == "False" and o.text(active, "reason") != "ScalingDisabled":
        detail = f"autoscaler {seen.name} cannot compute a scale: {seen.problem or o.text(active, 'reason')}"
        found.append(
            signal(
                "hpa.no_metrics", subject, detail, owner=workload, since=o.text(active, "lastTransitionTime") or None
            )
        )
    ago = seconds_since(seen.last_scale, now)
    if ago is not None and 0 <= ago <= RECENT_S:
        detail = f"autoscaler {seen.name} scaled to {seen.desired} replicas {span(ago)} ago"
        found.append(signal("hpa.scaled_recently", subject, detail, owner=workload, since=seen.last_scale))
    return found


def budgets_of(labels: dict[str, str], namespace: str, found: Sequence[Json]) -> list[Json]:
    """The budgets whose selector takes pods with these labels. An empty selector takes all since policy/v1, none before."""
    return [
        b
        for b in found
        if o.namespace(b) == namespace
        and o.branch(b, "spec", "selector")
        and matches(o.branch(b, "spec", "selector"), labels)
    ]


def read_budget(budget: Json) -> BudgetOut:
    def reported(key: str) -> int:
        return o.number(budget, "status", key) or 0

    return BudgetOut(
        name=o.name(budget),
        allowed=reported("disruptionsAllowed"),
        healthy=reported("currentHealthy"),
        desired=reported("desiredHealthy"),
        expected=reported("expectedPods"),
    )


def budget_signals(budget: Json, workload: str) -> list[Signal]:
    """A budget that allows no eviction. Where pods are unhealthy that is a consequence, so it only informs."""
    seen, subject = read_budget(budget), o.ref("PodDisruptionBudget", o.namespace(budget), o.name(budget))
    if seen.allowed > 0 or seen.expected == 0:
        return []
    detail = f"budget {seen.name} allows no eviction: {seen.healthy} healthy, {seen.desired} must stay"
    hurt = seen.healthy < seen.expected
    return [signal("pdb.blocking", subject, detail, owner=workload, severity="info" if hurt else "warning")]
