"""The numbers of a workload, whatever its kind: how many replicas are wanted, updated, ready, available."""

from dataclasses import dataclass
from typing import Any

from mcp_servers.kubernetes import objects as o

Json = dict[str, Any]


@dataclass(frozen=True)
class Counts:
    """``behind`` is true while the controller has not yet seen the newest specification."""

    wanted: int
    updated: int
    ready: int
    available: int
    existing: int
    behind: bool = False

    def __str__(self) -> str:
        return f"{self.available} of {self.wanted} available, {self.updated} updated"


def counts(workload: Json) -> Counts:
    """The counts as the controller reports them; what it does not report is 0."""

    def reported(key: str) -> int:
        return o.number(workload, "status", key) or 0

    behind = (
        (o.number(workload, "metadata", "generation") or 0)
        > (o.number(workload, "status", "observedGeneration") or 0)
        > 0
    )
    kind = o.text(workload, "kind")
    if kind == "DaemonSet":
        return Counts(
            reported("desiredNumberScheduled"),
            reported("updatedNumberScheduled"),
            reported("numberReady"),
            reported("numberAvailable"),
            reported("currentNumberScheduled"),
            behind,
        )
    if kind == "Job":
        wanted = o.number(workload, "spec", "completions") or o.number(workload, "spec", "parallelism") or 1
        return Counts(
            wanted, wanted, reported("ready") or reported("active"), reported("succeeded"), reported("active")
        )
    declared = o.number(workload, "spec", "replicas")
    available = o.number(workload, "status", "availableReplicas")
    if available is None:  # old servers report none for StatefulSets, and none where it is zero
        available = reported("readyReplicas") if kind == "StatefulSet" else 0
    return Counts(
        1 if declared is None else declared,
        reported("updatedReplicas"),
        reported("readyReplicas"),
        available,
        reported("replicas"),
        behind,
    )


def rollout_status(workload: Json) -> str:
    """One line about the newest rollout, as ``kubectl rollout status`` would judge it."""
    name, seen = o.name(workload), counts(workload)
    kind = o.text(workload, "kind")
    if kind == "Job":
        return f"{name}: {seen.available} of {seen.wanted} completions"
    if seen.wanted == 0:
        return f"{name} runs nowhere: no node is selected" if kind == "DaemonSet" else f"{name} is scaled to zero"
    if o.branch(workload, "spec").get("paused") is True:
        return f"the rollout of {name} is paused: {seen}"
    if is_stuck(workload):
        return f"the rollout of {name} is stuck: {seen}, deadline exceeded"
    if seen.behind or seen.updated < seen.wanted or seen.available < seen.wanted:
        return f"{name}: {seen}"
    return f"{name} is fully rolled out: {seen.available} of {seen.wanted} available"


def is_stuck(workload: Json) -> bool:
    return o.text(o.conditions(workload).get("Progressing"), "reason") == "ProgressDeadlineExceeded"


def matches(selector: Json, labels: dict[str, str]) -> bool:
    """Whether a LabelSelector (``matchLabels`` and ``matchExpressions``) selects these labels. An empty selector selects everything."""
    for key, value in o.branch(selector, "matchLabels").items():
        if labels.get(key) != str(value):
            return False
    for term in o.rows(selector, "matchExpressions"):
        key, operator = o.text(term, "key"), o.text(term, "operator")
        values = [str(v) for v in term.get("values") or []] if isinstance(term.get("values") or [], list) else []
        held = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }.get(operator, False)
        if not held:
            return False
    return True
