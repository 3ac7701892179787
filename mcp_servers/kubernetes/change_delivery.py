"""Deliveries: what Argo CD, Flux, Helm and Argo Rollouts say that they did.

Their own records have exact times and tell of releases that changed nothing a ReplicaSet would show. What they deliver is told apart from
what they leave alone by the marks that they put on the objects themselves.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from mcp_servers.common.change import Change, ChangeKind, Precision, Relation, change
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.change_scope import Scope
from mcp_servers.kubernetes.quantities import parse_time

Json = dict[str, Any]
_LABELS = {
    "kustomize.toolkit.fluxcd.io/name": "Kustomization",
    "helm.toolkit.fluxcd.io/name": "HelmRelease",
    "argocd.argoproj.io/instance": "Application",
}
_NAMES = {"Application": "Argo CD", "HelmRelease": "Flux", "Kustomization": "Flux", "Helm": "Helm"}


def deliverers(workload: Json) -> list[str]:
    """Who delivers an object, as it is marked: ``Application/shop``, ``Kustomization/apps``, ``HelmRelease/..``, ``Helm/<release>``."""
    labels, notes = o.labels(workload), o.annotations(workload)
    found = [f"{kind}/{labels[key]}" for key, kind in _LABELS.items() if labels.get(key)]
    if tracked := notes.get("argocd.argoproj.io/tracking-id", "").partition(":")[0]:
        found.append(f"Application/{tracked.rpartition('_')[2]}")  # "namespace_name" where apps live in any namespace
    if release := notes.get("meta.helm.sh/release-name"):
        found.append(f"Helm/{release}")
    return sorted({clean(f, 120) for f in found})


def told_by(workload: Json) -> str:
    """ "delivered by Argo CD (shop), chart orders-1.4.2", "" where nothing is marked."""
    words = [f"{_NAMES[d.partition('/')[0]]} ({d.partition('/')[2]})" for d in deliverers(workload)]
    chart = clean(o.labels(workload).get("helm.sh/chart", ""), 80)
    said = [f"delivered by {', '.join(words[:2])}"] if words else []
    return ", ".join([*said, *([f"chart {chart}"] if chart else [])])


def deliveries(parts: dict[str, list[Json]], scope: Scope) -> Iterator[Change]:
    """All that the delivery tools tell for the window. ``parts`` are the objects by kind; "Secret" holds Helm's records (metadata)."""
    for app in parts["Application"]:
        if (
            relation := _near(app, _of_application(app), o.text(app, "spec", "destination", "namespace"), scope)
        ) is not None:
            yield from _application(app, relation, scope)
    for release in parts["HelmRelease"]:
        aimed = o.text(release, "spec", "targetNamespace") or o.namespace(release)
        if (relation := _near(release, frozenset(), aimed, scope)) is not None:
            yield from _helm_release(release, relation, scope)
    for item in parts["Kustomization"]:
        aimed = o.text(item, "spec", "targetNamespace")
        if (relation := _near(item, _of_kustomization(item), aimed, scope)) is not None:
            yield from _kustomization(item, relation, scope)
    yield from _helm_records(parts["Secret"], scope)
    yield from _rollout_states(parts["Rollout"], scope)
    yield from _analyses(parts["AnalysisRun"], scope)


def _near(item: Json, held: frozenset[str], aimed: str, scope: Scope) -> Relation | None:
    """How near a delivery is: ``held`` are refs of what it delivers, ``aimed`` the namespace it delivers to. ``None``: elsewhere."""
    if f"{o.text(item, 'kind')}/{o.name(item)}" in scope.deliverers or held & scope.targets:
        return "self"
    if held & scope.configs:
        return "config_of"
    if held & scope.dependencies:
        return "dependency"
    spaces = {aimed} | {r.split("/")[1] for r in held if r.count("/") == 2}
    return "same_namespace" if not scope.namespace or scope.namespace in spaces else None


def _of_application(app: Json) -> frozenset[str]:
    rows = o.rows(app, "status", "resources")
    return frozenset(o.ref(o.text(r, "kind"), o.text(r, "namespace"), o.text(r, "name")) for r in rows)


def _of_kustomization(item: Json) -> frozenset[str]:
    """Flux writes ``namespace_name_group_Kind``."""
    found = set()
    for entry in o.rows(item, "status", "inventory", "entries"):
        parts = o.text(entry, "id").split("_")
        if len(parts) == 4:
            found.add(o.ref(parts[3], parts[0], parts[1]))
    return frozenset(found)


def _release(
    item: Json,
    at: datetime | None,
    what: str,
    scope: Scope,
    relation: Relation,
    *,
    source: str,
    precision: Precision = "exact",
    kind: ChangeKind = "crd_release",
    actor: str = "",
    note: str = "",
) -> Iterator[Change]:
    if at is not None and scope.holds(at):
        yield change(
            kind,
            o.ref_of(item),
            at,
            precision,
            onset=scope.onset,
            relation=relation,
            what=clean(what, 160),
            actor=clean(actor, 60),
            sources=[source],
            note=clean(note, 200),
        )


def _revision(entry: Json) -> str:
    """A commit, shortened, or a chart's version; of several sources the first."""
    several = entry.get("revisions")
    value = o.text(entry, "revision") or (str(several[0]) if isinstance(several, list) and several else "")
    return value[:10] if len(value) == 40 and value.isalnum() else value[:60]


def _who(entry: Json) -> str:
    by = o.branch(entry, "initiatedBy")
    return o.text(by, "username") or ("argocd (automated)" if by.get("automated") is True else "")


def _application(app: Json, relation: Relation, scope: Scope) -> Iterator[Change]:
    history = sorted(o.rows(app, "status", "history"), key=lambda h: o.number(h, "id") or 0)
    state = [o.text(app, "status", key, "status") for key in ("sync", "health")]
    now = f"now {state[0] or 'unknown'}, {state[1] or 'unknown'}"
    for index, entry in enumerate(history):
        before = _revision(history[index - 1]) if index else ""
        step = f"{before} -> {_revision(entry)}" if before and before != _revision(entry) else _revision(entry)
        newest = index == len(history) - 1
        what = f"Argo CD deployed {o.name(app)} at {step or 'an unnamed revision'}"
        at = parse_time(o.text(entry, "deployedAt"))
        note = now if newest else ""
        yield from _release(app, at, what, scope, relation, source="Argo CD history", actor=_who(entry), note=note)
    operation = o.branch(app, "status", "operationState")
    phase = o.text(operation, "phase")
    if phase in ("Failed", "Error", "Running"):
        at = parse_time(o.text(operation, "finishedAt")) or parse_time(o.text(operation, "startedAt"))
        verb = {"Running": "is syncing"}.get(phase, "failed to sync")
        who = _who(o.branch(operation, "operation"))
        what = f"Argo CD {verb} {o.name(app)} ({_revision(o.branch(operation, 'syncResult')) or 'revision not told'})"
        said = o.text(operation, "message")
        yield from _release(app, at, what, scope, relation, source="Argo CD operation", actor=who, note=said)


def _helm_release(release: Json, relation: Relation, scope: Scope) -> Iterator[Change]:
    history = o.rows(release, "status", "history")  # the newest first
    for index, entry in enumerate(history):
        older = history[index + 1] if index + 1 < len(history) else {}
        version, before = o.text(entry, "chartVersion"), o.text(older, "chartVersion")
        step = f"{before} -> {version}" if before and before != version else version
        what = f"Flux released {o.name(release)}: chart {o.text(entry, 'chartName')} {step}, {o.text(entry, 'status') or 'state unknown'}"
        at = parse_time(o.text(entry, "lastDeployed"))
        note = _trouble(release) if index == 0 else ""
        yield from _release(release, at, what, scope, relation, source="HelmRelease history", actor="flux", note=note)
    if not history:
        revision = o.text(release, "status", "lastAppliedRevision")
        yield from _by_condition(release, f"Flux released {o.name(release)} {revision}", scope, relation)


def _kustomization(item: Json, relation: Relation, scope: Scope) -> Iterator[Change]:
    tried, applied = (o.text(item, "status", f"last{k}Revision") for k in ("Attempted", "Applied"))
    failed = f"; {clean(tried, 60)} failed" if tried and tried != applied else ""
    history = o.rows(item, "status", "history")
    for entry in history:
        revision = o.text(entry, "metadata", "revision") or o.text(entry, "digest")
        what = f"Flux applied {o.name(item)} at {revision[:60]} ({o.text(entry, 'lastReconciledStatus') or 'state unknown'})"
        at = parse_time(o.text(entry, "firstReconciled"))
        yield from _release(
            item, at, what, scope, relation, source="Kustomization history", actor="flux", note=_trouble(item)
        )
    if not history:
        yield from _by_condition(item, f"Flux applied {o.name(item)} at {applied[:60]}{failed}", scope, relation)


def _by_condition(item: Json, what: str, scope: Scope, relation: Relation) -> Iterator[Change]:
    """From the Ready condition, which also moves when a controller stumbles: the time is a bound, not the moment."""
    at = parse_time(o.text(o.conditions(item).get("Ready"), "lastTransitionTime"))
    yield from _release(
        item,
        at,
        what,
        scope,
        relation,
        source="Ready condition",
        precision="upper_bound",
        actor="flux",
        note=_trouble(item),
    )


def _trouble(item: Json) -> str:
    ready = o.conditions(item).get("Ready", {})
    return f"{o.text(ready, 'reason')}: {o.text(ready, 'message')}" if o.text(ready, "status") == "False" else ""


def _helm_records(records: Sequence[Json], scope: Scope) -> Iterator[Change]:
    for record in records:
        labels = o.labels(record)
        release, status = clean(labels.get("name", ""), 80), clean(labels.get("status", ""), 40)
        stamp = labels.get("modifiedAt", "")
        modified = datetime.fromtimestamp(int(stamp), UTC) if stamp.isdigit() and len(stamp) <= 10 else None
        # Once superseded, the record is modified by its successor: its own moment is its creation.
        at = o.created(record) if status == "superseded" or modified is None else modified
        ref = o.ref("HelmRelease", o.namespace(record), release)
        relation: Relation = "self" if f"Helm/{release}" in scope.deliverers else scope.relation(ref)
        named = {"kind": "HelmRelease", "metadata": {"name": release, "namespace": o.namespace(record)}}
        what = f"Helm release {release} revision {clean(labels.get('version', '?'), 20)}: {status or 'state unknown'}"
        yield from _release(named, at, what, scope, relation, source="Helm's labels", actor="helm")


def _rollout_states(rollouts: Sequence[Json], scope: Scope) -> Iterator[Change]:
    """What Argo Rollouts says of a rollout beside its revisions: aborted, or paused on the way."""
    for item in rollouts:
        relation, said = scope.relation(o.ref_of(item)), o.text(item, "status", "message")
        stable, new = (clean(o.text(item, "status", k), 20) for k in ("stableRS", "currentPodHash"))
        step = f" ({stable} stays, {new} is taken back)" if stable and new and stable != new else ""
        if o.branch(item, "status").get("abort") is True:
            at = parse_time(o.text(item, "status", "abortedAt"))
            what = f"Argo Rollouts aborted the rollout of {o.name(item)}{step}"
            yield from _release(item, at, what, scope, relation, source="Rollout status", kind="rollback", note=said)
        for pause in o.rows(item, "status", "pauseConditions"):
            at = parse_time(o.text(pause, "startTime"))
            what = f"the rollout of {o.name(item)} paused: {o.text(pause, 'reason')}"
            yield from _release(item, at, what, scope, relation, source="Rollout status", kind="rollout", note=said)


def _analyses(runs: Sequence[Json], scope: Scope) -> Iterator[Change]:
    for run in runs:
        phase = o.text(run, "status", "phase")
        if phase not in ("Failed", "Error", "Inconclusive"):
            continue
        owner = o.controller(run) or ("", "")
        ref = o.ref(owner[0], o.namespace(run), owner[1])
        at = parse_time(o.text(run, "status", "completedAt")) or parse_time(o.text(run, "status", "startedAt"))
        what = f"analysis {o.name(run)} of {owner[0] or 'no rollout'} {owner[1]} ended {phase}"
        said = o.text(run, "status", "message")
        yield from _release(run, at, what, scope, scope.relation(ref), source="AnalysisRun status", note=said)
