"""`Change`: something that was different before the symptom. One shape for all servers: rollouts, settings, scale, nodes, databases.

The score is arithmetic, so that two people who look at the same incident see the same order: the weight of the kind, times how near the
changed object is to the target, times how shortly before the onset it happened.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from mcp_servers.common.envelope import Lean, ToolFailure

Precision = Literal["exact", "upper_bound", "inferred"]
WorkloadKind = Literal[
    "rollout",
    "rollback",
    "restart",
    "image",
    "env",
    "resources",
    "probe",
    "scale",
    "autoscale",
    "hpa_limits",
    "config",
    "secret_meta",
    "feature_flag",
    "service_selector",
    "ingress",
    "network_policy",
    "quota",
    "pdb",
    "node_added",
    "node_removed",
    "node_cordoned",
    "node_upgraded",
    "cronjob_run",
    "job",
    "crd_release",
]
DatabaseKind = Literal["db_ddl", "db_config", "alert_rule"]
ChangeKind = WorkloadKind | DatabaseKind
Relation = Literal["self", "dependency", "config_of", "same_node", "same_namespace", "cluster"]

WEIGHT: dict[ChangeKind, float] = {
    "rollout": 1.0,
    "rollback": 1.0,
    "image": 1.0,
    "feature_flag": 1.0,
    "crd_release": 0.9,
    "config": 0.9,
    "env": 0.9,
    "service_selector": 0.9,
    "network_policy": 0.9,
    "resources": 0.8,
    "probe": 0.8,
    "hpa_limits": 0.8,
    "db_ddl": 0.8,
    "db_config": 0.8,
    "ingress": 0.8,
    "quota": 0.8,
    "scale": 0.7,
    "secret_meta": 0.7,
    "node_removed": 0.7,
    "restart": 0.6,
    "node_added": 0.6,
    "node_cordoned": 0.6,
    "node_upgraded": 0.6,
    "pdb": 0.5,
    "autoscale": 0.4,
    "cronjob_run": 0.4,
    "job": 0.4,
    "alert_rule": 0.1,
}
NEARNESS: dict[Relation, float] = {
    "self": 1.0,
    "config_of": 1.0,
    "dependency": 0.7,
    "same_node": 0.6,
    "same_namespace": 0.45,
    "cluster": 0.25,
}
DECAY_MIN = 45.0  # minutes after which a change counts a third
SLACK_MIN = 2.0  # clocks and scrape intervals: a change may seem to follow the onset by this much
AFTER_ONSET = 0.15  # later than that it is a reaction, not a cause
UNSURE_TIME = 0.85
SUSPECT = 0.5  # from this score on a change is worth a signal


class Change(Lean):
    """``minutes_before_onset`` is negative for changes after the onset. ``score`` is 0..1; ``diff`` has at most 6 lines."""

    at: str
    at_precision: Precision
    kind: ChangeKind
    target: str  # "Deployment/shop/checkout", "mongo/orders"
    what: str  # one line, at most 160 characters
    diff: list[str] = Field(default_factory=list)
    actor: str = ""
    relation: Relation
    minutes_before_onset: float | None = None
    score: float
    sources: list[str]
    note: str = ""
    correlated: str = ""  # why this very change fits the pods that fail; "" where nothing tells


def onset_of(told: str, otherwise: datetime) -> datetime:
    """When the symptom began, as a caller says it; ``otherwise`` where nothing is said. Raises `ToolFailure` VALIDATION."""
    if not told:
        return otherwise
    try:
        at = datetime.fromisoformat(told)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ToolFailure(
            "VALIDATION", f"onset {told[:40]!r} is not a time", hint="for example 2026-11-22T07:00:00Z"
        ) from error


def score(kind: ChangeKind, relation: Relation, minutes_before: float, precision: Precision) -> float:
    """How much a change deserves suspicion, 0..1. ``minutes_before`` is the onset minus the change."""
    closeness = math.exp(-max(0.0, minutes_before) / DECAY_MIN)
    if minutes_before < -SLACK_MIN:
        closeness = AFTER_ONSET
    sure = 1.0 if precision == "exact" else UNSURE_TIME
    return round(WEIGHT[kind] * NEARNESS[relation] * closeness * sure, 3)


def change(
    kind: ChangeKind,
    target: str,
    at: datetime,
    precision: Precision,
    *,
    onset: datetime,
    relation: Relation,
    what: str,
    sources: Iterable[str],
    diff: Iterable[str] = (),
    actor: str = "",
    note: str = "",
) -> Change:
    """A scored `Change`; a scale or restart after the onset is marked as a reaction."""
    minutes = (onset - at).total_seconds() / 60
    if minutes < -SLACK_MIN and kind in ("autoscale", "restart", "scale"):
        note = f"reaction: it followed the onset; {note}" if note else "reaction: it followed the onset"
    return Change(
        at=at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        at_precision=precision,
        kind=kind,
        target=target,
        what=what[:160],
        diff=list(diff)[:6],
        actor=actor[:60],
        relation=relation,
        minutes_before_onset=round(minutes, 1),
        score=score(kind, relation, minutes, precision),
        sources=sorted(set(sources)),
        note=note,
    )
