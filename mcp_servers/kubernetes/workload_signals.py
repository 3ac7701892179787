"""What is wrong with a workload, from its own status, its ReplicaSets and the controllers' events. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.managed import is_controller, owned, touches
from mcp_servers.kubernetes.quantities import iso, seconds_since
from mcp_servers.kubernetes.refusals import Refusal, read_refusal
from mcp_servers.kubernetes.revisions import owned_by, revision_number
from mcp_servers.kubernetes.service_selection import selector, selects, template_labels
from mcp_servers.kubernetes.workload_state import Counts, counts, is_stuck, rollout_status

Json = dict[str, Any]
STALE_S = 3600  # a refusal that was not repeated for this long is history
CODES = (
    *("deploy.stuck", "deploy.rollout_in_progress", "deploy.unavailable", "deploy.failed_create", "deploy.paused"),
    *(
        "deploy.new_revision_failing",
        "deploy.scaled_to_zero",
        "sts.ordinal_blocked",
        "ds.misscheduled",
        "ds.unavailable",
    ),
    *("job.failed", "cron.missed", "cron.suspended", "quota.exceeded"),
)


@dataclass(frozen=True)
class Surroundings:
    """What belongs to a workload: its pods, its revisions' objects, the events and Services of its namespace (``None``: not read)."""

    pods: Sequence[Json] = ()
    replica_sets: Sequence[Json] = ()
    events: Sequence[Json] = ()
    services: Sequence[Json] | None = None


def workload_signals(workload: Json, around: Surroundings, now: datetime) -> list[Signal]:
    """All signals of one workload, causes and effects alike; its pods' own signals are `pod_signals`' business."""
    kind = o.text(workload, "kind")
    if kind == "CronJob":
        return _cron(workload, around.events)
    if kind == "Job":
        return [*_job(workload), *_refused(workload, around, now)]
    seen, ref = counts(workload), o.ref_of(workload)
    if seen.wanted == 0:
        return [] if kind == "DaemonSet" else [scaled_to_zero(workload, around.services)]
    found = [*_refused(workload, around, now)]
    if kind == "DaemonSet":
        found += _daemons(workload, seen)
    else:
        found += _availability(workload, seen, around)
    if is_stuck(workload):
        condition = o.conditions(workload)["Progressing"]
        found.append(
            signal("deploy.stuck", ref, rollout_status(workload), since=o.text(condition, "lastUpdateTime") or None)
        )
    elif o.branch(workload, "spec").get("paused") is True:
        found.append(signal("deploy.paused", ref, rollout_status(workload)))
    elif seen.behind or 0 <= seen.updated < seen.wanted:
        found.append(signal("deploy.rollout_in_progress", ref, rollout_status(workload)))
    return [*found, *_failing_revision(workload, around)]


def scaled_to_zero(workload: Json, services: Sequence[Json] | None = None) -> Signal:
    """The workload wants no replica; who said so last, where the field's manager tells.

    Where none of the namespace's ``services`` leads to it, nobody calls it: it only warns, since much stands at zero on purpose.
    """
    said = next(
        (t for t in touches(workload) if "f:replicas" in (owned(t, "spec") or {}) and not is_controller(t.manager)),
        None,
    )
    by = f"; {clean(said.manager, 40)} wrote the replicas at or before {iso(said.at)}" if said else ""
    uncalled = services is not None and not any(selects(selector(s), template_labels(workload)) for s in services)
    detail = f"{o.text(workload, 'kind')} {o.name(workload)} wants 0 replicas{by}{'; no Service leads to it' if uncalled else ''}"
    severity = "warning" if uncalled else "critical"
    since = iso(said.at) if said else None
    return signal("deploy.scaled_to_zero", o.ref_of(workload), detail, severity=severity, since=since, value=0)


def _availability(workload: Json, seen: Counts, around: Surroundings) -> list[Signal]:
    ref, kind = o.ref_of(workload), o.text(workload, "kind")
    found = []
    if seen.available < seen.wanted:
        condition = o.conditions(workload).get("Available", {})
        serving = o.text(condition, "status") == "True" or (kind == "StatefulSet" and seen.available > 0)
        since = o.text(condition, "lastTransitionTime") if o.text(condition, "status") == "False" else ""
        found.append(
            signal(
                "deploy.unavailable",
                ref,
                f"{o.name(workload)}: {seen.available} of {seen.wanted} replicas are available",
                severity="warning" if serving else "critical",
                value=seen.available,
                threshold=seen.wanted,
                since=since or None,
            )
        )
    if (
        kind == "StatefulSet"
        and seen.ready < seen.wanted
        and o.text(workload, "spec", "podManagementPolicy") != "Parallel"
    ):
        found += _ordinal(workload, seen, around)
    return found


def _ordinal(workload: Json, seen: Counts, around: Surroundings) -> list[Signal]:
    mine = {o.name(p): p for p in around.pods if o.controller(p) == ("StatefulSet", o.name(workload))}
    for ordinal in range(min(seen.wanted, 200)):
        name = f"{o.name(workload)}-{ordinal}"
        pod = mine.get(name)
        if pod is None or not o.is_ready(pod):
            if ordinal == seen.wanted - 1:
                return []  # the last one: nothing waits behind it
            state = f"is {o.pod_status(pod)}" if pod else "does not exist"
            detail = f"{name} {state}; ordinals {ordinal + 1} to {seen.wanted - 1} wait for it"
            subject = o.ref("Pod", o.namespace(workload), name)
            return [signal("sts.ordinal_blocked", subject, detail, owner=o.ref_of(workload))]
    return []


def _daemons(workload: Json, seen: Counts) -> list[Signal]:
    ref, found = o.ref_of(workload), []
    if seen.available < seen.wanted:
        severity = "critical" if seen.available == 0 else "warning"
        detail = f"{o.name(workload)} runs on {seen.available} of {seen.wanted} nodes"
        found.append(
            signal("ds.unavailable", ref, detail, severity=severity, value=seen.available, threshold=seen.wanted)
        )
    if wrong := o.number(workload, "status", "numberMisscheduled"):
        found.append(
            signal(
                "ds.misscheduled",
                ref,
                f"{wrong} pods of {o.name(workload)} run on nodes that should not have one",
                value=wrong,
            )
        )
    return found


def _job(job: Json) -> list[Signal]:
    condition = o.conditions(job).get("Failed", {})
    if o.text(condition, "status") != "True":
        return []
    says = clean(o.text(condition, "message") or o.text(condition, "reason"), 160)
    return [
        signal(
            "job.failed",
            o.ref_of(job),
            f"Job {o.name(job)} failed: {says}",
            since=o.text(condition, "lastTransitionTime") or None,
        )
    ]


def _cron(cron: Json, events: Sequence[Json]) -> list[Signal]:
    if o.branch(cron, "spec").get("suspend") is True:
        ran = o.text(cron, "status", "lastScheduleTime")
        detail = f"CronJob {o.name(cron)} is suspended{f'; it last started at {ran}' if ran else ''}"
        said = next((t for t in touches(cron) if "f:suspend" in (owned(t, "spec") or {})), None)
        # Said of a CronJob that was asked for, never in triage: most that is suspended is so on purpose.
        since = iso(said.at) if said else None
        return [signal("cron.suspended", o.ref_of(cron), detail, severity="warning", since=since)]
    missed = ("MissSchedule", "MissingSchedule", "FailedNeedsStart", "TooManyMissedTimes", "JobAlreadyActive")
    for event in events:
        same = o.text(event, "involvedObject", "kind") == "CronJob" and o.text(
            event, "involvedObject", "name"
        ) == o.name(cron)
        if same and o.text(event, "reason") in missed:
            at = o.event_time(event)
            detail = f"CronJob {o.name(cron)} missed its schedule: {clean(o.text(event, 'message'), 140)}"
            return [signal("cron.missed", o.ref_of(cron), detail, since=iso(at) or None)]
    return []


# -- refusals --------------------------------------------------------------------------------------------------------------------


def refusal_of(workload: Json, around: Surroundings, now: datetime) -> tuple[Refusal, str] | None:
    """(the refusal, since) that keeps the workload's pods from being created, if one does now."""
    controllers = [
        workload,
        *(r for r in owned_by(workload, around.replica_sets) if (o.number(r, "spec", "replicas") or 0) > 0),
    ]
    for item in controllers:
        condition = o.conditions(item).get("ReplicaFailure", {})
        if o.text(condition, "status") == "True" and (refusal := read_refusal(o.text(condition, "message"))):
            return refusal, o.text(condition, "lastTransitionTime")
    names = {(o.text(i, "kind") or "ReplicaSet", o.name(i)) for i in controllers}
    mine = [
        e
        for e in around.events
        if o.text(e, "reason") == "FailedCreate"
        and (o.text(e, "involvedObject", "kind"), o.text(e, "involvedObject", "name")) in names
        and (seconds_since(o.event_time(e), now) or 0) < STALE_S
    ]
    newest = max(mine, key=lambda e: iso(o.event_time(e)), default=None)
    if newest is not None and (refusal := read_refusal(o.text(newest, "message"))):
        first = min(iso(o.event_first(e)) for e in mine)
        return refusal, first
    return None


def _refused(workload: Json, around: Surroundings, now: datetime) -> list[Signal]:
    seen = counts(workload)
    alive = [p for p in around.pods if not o.is_deleting(p) and o.ref_of(workload) == o.workload(p)]
    if seen.wanted <= min(seen.existing, len(alive) or seen.existing):
        return []  # all pods exist: whatever was refused once is no trouble now
    told = refusal_of(workload, around, now)
    if told is None:
        return []
    refusal, since = told
    ref, space = o.ref_of(workload), o.namespace(workload)
    found = [
        signal(
            "deploy.failed_create",
            ref,
            f"{o.name(workload)}: {refusal.detail}",
            reason=refusal.reason,
            since=since or None,
        )
    ]
    if refusal.resource:
        subject = o.ref("ResourceQuota", space, refusal.quota)
        owner = o.ref("Namespace", "", space)
        found.append(
            signal("quota.exceeded", subject, refusal.detail, owner=owner, reason=refusal.resource, since=since or None)
        )
    return found


# -- revisions -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RevisionPods:
    """The pods of one revision."""

    name: str
    revision: int
    newest: bool
    image: str
    pods: int
    ready: int
    failing: int
    problem: str = ""


def pods_by_revision(workload: Json, around: Surroundings) -> list[RevisionPods]:
    """Revisions that have pods (or want some), newest first; ``problem`` is the most frequent status of those that are not ready."""
    found = []
    if o.text(workload, "kind") in ("Deployment", "Rollout"):
        kept = sorted(owned_by(workload, around.replica_sets), key=revision_number, reverse=True)
        groups = [
            (o.name(r), revision_number(r), [p for p in around.pods if o.controller(p) == ("ReplicaSet", o.name(r))], r)
            for r in kept
        ]
        groups = [g for g in groups if g[2] or (o.number(g[3], "spec", "replicas") or 0) > 0 or g[3] is kept[0]]
    else:
        newest = o.text(workload, "status", "updateRevision")
        mine = [p for p in around.pods if o.controller(p) == (o.text(workload, "kind"), o.name(workload))]
        labels = sorted({o.labels(p).get("controller-revision-hash", "") for p in mine}, key=lambda h: h != newest)
        groups = [
            (h or o.name(workload), 0, [p for p in mine if o.labels(p).get("controller-revision-hash", "") == h], {})
            for h in labels
        ]
    for index, (name, revision, pods, _) in enumerate(groups):
        alive = [p for p in pods if not o.is_deleting(p)]
        bad = [o.pod_status(p) for p in alive if not o.is_ready(p) and not o.is_finished(p)]
        image = next((o.text(c.spec, "image") for p in pods for c in o.main_containers(p)), "")
        found.append(
            RevisionPods(
                name,
                revision,
                index == 0,
                image,
                len(alive),
                sum(o.is_ready(p) for p in alive),
                len(bad),
                max(sorted(set(bad)), key=bad.count) if bad else "",
            )
        )
    return found


_STARTING = re.compile(r"Running|Pending|ContainerCreating|PodInitializing|Init:\d+/\d+|Terminating")


def _failing_revision(workload: Json, around: Surroundings) -> list[Signal]:
    """The newest revision has no ready pod and at least one that fails, while an older one serves."""
    groups = pods_by_revision(workload, around)
    if len(groups) < 2:
        return []
    new, old = groups[0], groups[1:]
    serving = sum(g.ready for g in old)
    fails = (
        new.pods > 0
        and new.ready == 0
        and new.failing == new.pods
        and (is_stuck(workload) or not _STARTING.fullmatch(new.problem))
    )
    if not fails or serving == 0 or any(g.failing for g in old):
        return []
    which = f"revision {new.revision}" if new.revision else f"revision {new.name}"
    detail = f"only {which} of {o.name(workload)} fails ({new.failing} of {new.pods} pods: {new.problem})"
    detail += f"; the older one serves with {serving} ready"
    since = min((iso(o.created(p)) for p in around.pods if o.controller(p) == ("ReplicaSet", new.name)), default="")
    return [signal("deploy.new_revision_failing", o.ref_of(workload), detail, since=since or None, count=new.failing)]
