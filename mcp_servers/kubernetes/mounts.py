"""Volumes that cannot be mounted or attached, and the pods that wait for them."""

import re
from collections.abc import Iterator

from mcp_servers.common.envelope import Signal
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.pod_case import PodCase
from mcp_servers.kubernetes.quantities import iso, span
from mcp_servers.kubernetes.references import missing_by_lookup, missing_by_message

_VOLUME = re.compile(r"for volume \"([^\"]{1,253})\"")
_CLAIM = re.compile(r"persistentvolumeclaim \"([^\"]{1,253})\" not found")
_CREATING_S = 120


def judge(case: PodCase) -> Iterator[Signal]:
    """``k8s.pod.volume_mount`` and ``k8s.pod.volume_attach`` of a pod whose containers have not been created yet."""
    waiting = [c for c in o.containers(case.obj) if c.reason in ("ContainerCreating", "PodInitializing")]
    if (
        not o.text(case.obj, "spec", "nodeName")
        or not waiting
        or any(c.state[0] == "running" for c in o.main_containers(case.obj))
    ):
        return
    attach = case.told("FailedAttachVolume")
    if attach:
        yield case.signal(
            "k8s.pod.volume_attach",
            f"a volume cannot be attached: {o.text(attach[0], 'message')}",
            since=iso(o.event_first(attach[0])),
        )
    told = case.told("FailedMount", "FailedMapVolume")
    if told:
        # Beside what it cannot mount and why, the kubelet says again and again that it waited in vain: the former is the more telling.
        yield _mount(case, next((e for e in told if missing_by_message(o.text(e, "message"))[0]), told[0]))
        return
    if attach or case.configmaps is None:
        return
    waited = o.age(case.obj, case.now) or 0.0
    gone = [
        m for m in missing_by_lookup(case.obj, case.configmaps) if not m[2].optional and m[2].where.startswith("volume")
    ]
    if gone and waited > _CREATING_S:
        reason, sentence, _ = gone[0]
        known = reason if reason == "configmap_missing" else "unknown"
        yield case.signal("k8s.pod.volume_mount", f"waiting for {span(waited)}: {sentence}", reason=known)


def _mount(case: PodCase, event: o.Json) -> Signal:
    message = o.text(event, "message")
    lowered = message.lower()
    named = _VOLUME.search(message)
    volume = f"volume {named[1]}" if named else "a volume"
    reason, sentence = missing_by_message(message)
    if reason == "key_missing":
        reason = "configmap_missing" if "configmap" in lowered else "secret_missing"
    if not reason and (claim := _CLAIM.search(message)):
        reason, sentence = "claim_missing", f"PersistentVolumeClaim {claim[1]} does not exist"
    if not reason and ("permission denied" in lowered or "access denied" in lowered):
        reason, sentence = "permission_denied", "access is denied"
    if not reason and ("timed out waiting" in lowered or "deadline exceeded" in lowered):
        reason, sentence = "timeout", "the mount does not finish in time"
    return case.signal(
        "k8s.pod.volume_mount",
        f"{volume} cannot be mounted: {sentence or message}",
        reason=reason or "unknown",
        since=iso(o.event_first(event)),
        count=o.event_count(event),
    )
