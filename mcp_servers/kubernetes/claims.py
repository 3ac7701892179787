"""Why a PersistentVolumeClaim is not bound: the claim's wish against the volumes and classes that exist. Pure."""

from collections.abc import Sequence
from datetime import datetime

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.quantities import iso, quantity, show_bytes, span

CODES = ("pvc.pending", "pvc.lost")
PATIENCE_S = 60  # binding and provisioning take a moment
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_STATIC = "kubernetes.io/no-provisioner"
# Which mismatch names the cause where a volume misses in several ways: the first is the hardest to change.
_ORDER = ("storage_class", "selector", "access_mode", "capacity", "already_bound")


def claim_signal(
    claim: Json,
    volumes: Sequence[Json] | None,
    classes: Sequence[Json] | None,
    events: Sequence[Json],
    now: datetime,
    *,
    owner: str = "",
) -> Signal | None:
    """The signal of a claim that is Pending for longer than `PATIENCE_S` or Lost; ``None`` for any other.

    ``volumes`` and ``classes`` are the cluster's, ``None`` where they could not be read; ``events`` may hold other objects' events too.
    """
    phase, waited = o.text(claim, "status", "phase"), o.age(claim, now)
    if phase not in ("Pending", "Lost") or (phase == "Pending" and waited is not None and waited < PATIENCE_S):
        return None
    since = o.text(claim, "metadata", "creationTimestamp") or None
    if phase == "Lost":
        wanted = o.text(claim, "spec", "volumeName")
        detail = f"claim {o.name(claim)} lost its volume {wanted}"
        return signal("pvc.lost", o.ref_of(claim), clean(detail, 240), owner=owner, since=since)
    reason, why = judge(claim, volumes, classes, [e for e in events if _about(e, claim)])
    lasting = f" for {span(waited)}" if waited is not None else ""
    detail = f"claim {o.name(claim)} is Pending{lasting}: {why}"
    return signal("pvc.pending", o.ref_of(claim), clean(detail, 240), owner=owner, reason=reason, since=since)


def judge(
    claim: Json, volumes: Sequence[Json] | None, classes: Sequence[Json] | None, events: Sequence[Json]
) -> tuple[str, str]:
    """(catalogue reason of ``pvc.pending``, why). ``events`` are the claim's own."""
    called = _class_name(claim, classes)
    chosen = next((c for c in classes or [] if o.name(c) == called), None)
    said = sorted((e for e in events if o.text(e, "type") == "Warning"), key=lambda e: iso(o.event_time(e)))
    told = o.text(said[-1], "message") if said else ""
    if called and classes is not None and chosen is None and not _static_volume(called, volumes):
        there = ", ".join(o.name(c) for c in classes[:4]) or "none"
        return "storage_class", f"its StorageClass {called} does not exist (there is: {there})"
    provisioner = o.text(chosen, "provisioner") if chosen else ""
    if chosen and provisioner != _STATIC and (provisioner or told):
        if told:
            return "provisioning_failed", f"{provisioner or called} cannot provision it: {told}"
        if o.text(chosen, "volumeBindingMode") == "WaitForFirstConsumer":
            return "unknown", f"class {called} waits until a pod that uses the claim is scheduled"
        return "unknown", f"{provisioner} has not provisioned it yet and has not said why"
    if volumes is None:
        return "unknown", told or "the volumes could not be read"
    return _by_volumes(claim, called, volumes)


def _class_name(claim: Json, classes: Sequence[Json] | None) -> str:
    """The class that is asked for; an absent one means the default class, an empty one means none."""
    if claim.get("spec", {}).get("storageClassName") is not None:
        return o.text(claim, "spec", "storageClassName")
    return next((o.name(c) for c in classes or [] if o.annotations(c).get(_DEFAULT_CLASS) == "true"), "")


def _static_volume(called: str, volumes: Sequence[Json] | None) -> bool:
    """Volumes made by hand may carry a class name that no StorageClass object has."""
    return any(o.text(v, "spec", "storageClassName") == called for v in volumes or [])


def _by_volumes(claim: Json, called: str, volumes: Sequence[Json]) -> tuple[str, str]:
    wanted = o.text(claim, "spec", "volumeName")
    considered = [v for v in volumes if o.name(v) == wanted] if wanted else list(volumes)
    if not considered:
        what = (
            f"volume {wanted} does not exist" if wanted else "there is no PersistentVolume and nothing provisions one"
        )
        return "unknown", what
    misses = [(v, _misses(claim, called, v)) for v in considered]
    volume, closest = min(misses, key=lambda m: (len(m[1]), [_ORDER.index(r) for r, _ in m[1]], o.name(m[0])))
    if not closest:
        return "unknown", f"volume {o.name(volume)} would fit and is not bound to it yet"
    reason, why = closest[0]
    more = "" if len(considered) == 1 else f"; the closest of {len(considered)} volumes"
    return reason, f"{why}{more}"


def _misses(claim: Json, called: str, volume: Json) -> list[tuple[str, str]]:
    """In what ways the volume does not suit the claim, in `_ORDER`."""
    found: list[tuple[str, str]] = []
    name = o.name(volume)
    theirs = o.text(volume, "spec", "storageClassName")
    if theirs != called:
        found.append(
            ("storage_class", f"volume {name} has class {theirs or 'none'}, the claim asks for {called or 'none'}")
        )
    selector = {str(k): str(v) for k, v in o.branch(claim, "spec", "selector", "matchLabels").items()}
    lacking = {k: v for k, v in selector.items() if o.labels(volume).get(k) != v}
    if lacking:
        shown = ", ".join(f"{k}={v}" for k, v in sorted(lacking.items()))
        found.append(("selector", f"volume {name} does not have the selected label {shown}"))
    modes = _words(o.branch(claim, "spec").get("accessModes"))
    offered = _words(o.branch(volume, "spec").get("accessModes"))
    if not set(modes) <= set(offered):
        found.append(
            ("access_mode", f"the claim asks for {', '.join(modes)}, volume {name} offers {', '.join(offered)}")
        )
    asked = quantity(o.branch(claim, "spec", "resources", "requests").get("storage"))
    holds = quantity(o.branch(volume, "spec", "capacity").get("storage"))
    if asked is not None and holds is not None and holds < asked:
        found.append(("capacity", f"the claim asks for {show_bytes(asked)}, volume {name} holds {show_bytes(holds)}"))
    holder = o.branch(volume, "spec", "claimRef")
    if holder and (holder.get("name"), holder.get("namespace")) != (o.name(claim), o.namespace(claim)):
        whose = f"{o.text(holder, 'namespace')}/{o.text(holder, 'name')}"
        found.append(("already_bound", f"volume {name} belongs to claim {whose}"))
    return found


def _words(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else []


def _about(event: Json, claim: Json) -> bool:
    about = o.branch(event, "involvedObject")
    named = (about.get("kind"), about.get("name"), about.get("namespace"))
    return named == ("PersistentVolumeClaim", o.name(claim), o.namespace(claim))
