"""What a pod's own status says, for servers that hand out objects or ``kubectl``'s columns and judge nothing themselves.

Only words of the kubelet and the scheduler that mean one thing: their reasons, not their prose. Whatever needs more than the one object
(events, the revision before, quotas, the node) stays with our own server, and is named as not told (`JUDGES` against the capability).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bot.tools.capabilities import Json, dig
from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean

JUDGES: Final = (
    "k8s.pod.crash_loop",
    "k8s.pod.oom_killed",
    "k8s.pod.image_pull",
    "k8s.pod.config_error",
    "k8s.pod.unschedulable",
    "k8s.pod.evicted",
    "k8s.pod.not_ready",
)
_WAITING: Final = {
    "CrashLoopBackOff": ("k8s.pod.crash_loop", "unknown"),
    "ErrImagePull": ("k8s.pod.image_pull", "unknown"),
    "ImagePullBackOff": ("k8s.pod.image_pull", "unknown"),
    "InvalidImageName": ("k8s.pod.image_pull", "invalid_name"),
    "CreateContainerConfigError": ("k8s.pod.config_error", "unknown"),
    "CreateContainerError": ("k8s.pod.config_error", "unknown"),
    "RunContainerError": ("k8s.pod.config_error", "command_invalid"),
}
_COLUMN: Final = {**_WAITING, "OOMKilled": ("k8s.pod.oom_killed", ""), "Evicted": ("k8s.pod.evicted", "unknown")}
_ENDED: Final = ("Succeeded", "Completed")


def is_pod(value: Any) -> bool:
    """Whether this is a Pod object with its status."""
    if not isinstance(value, Mapping) or not isinstance(value.get("status"), Mapping):
        return False
    return isinstance(dig(value, "metadata", "name"), str) and value.get("kind", "Pod") == "Pod"


def row(pod: Json) -> Json:
    """The pod as `get_pod_status` and `find_unhealthy` show one; ``status`` is kubectl's STATUS column."""
    statuses = _statuses(pod)
    ready = sum(bool(s.get("ready")) for s in statuses)
    return {
        "name": _text(pod, "metadata", "name"),
        "namespace": _text(pod, "metadata", "namespace"),
        "phase": _text(pod, "status", "phase"),
        "status": _column(pod, statuses),
        "ready": f"{ready}/{len(statuses)}",
        "restarts": sum(_number(s.get("restartCount")) for s in statuses),
        "node": _text(pod, "spec", "nodeName"),
        "owner": owner(pod),
    }


def containers(pod: Json) -> list[Json]:
    """The containers' states, without any environment."""
    return [
        {
            "name": clean(str(s.get("name") or ""), 80),
            "ready": bool(s.get("ready")),
            "restarts": _number(s.get("restartCount")),
            "state": _state(s.get("state")),
            "last_exit": _state(s.get("lastState")),
            "message": clean(str(dig(s, "state", "waiting", "message") or ""), 240),
        }
        for s in _statuses(pod)
    ]


def owner(pod: Json) -> str:
    """``Kind/namespace/name`` of the workload; a ReplicaSet of a Deployment is taken for the Deployment."""
    reference = dig(pod, "metadata", "ownerReferences", 0)
    kind, name, space = _text(reference, "kind"), _text(reference, "name"), _text(pod, "metadata", "namespace")
    if not kind or not name:
        return ""
    revision = _text(pod, "metadata", "labels", "pod-template-hash")
    if kind == "ReplicaSet" and revision and name.endswith(f"-{revision}"):
        kind, name = "Deployment", name.removesuffix(f"-{revision}")
    return f"{kind}/{space}/{name}"


def signals(pod: Json) -> Iterator[Signal]:
    """What its status says, at most one signal a container and reason."""
    about = {
        "subject": f"Pod/{_text(pod, 'metadata', 'namespace')}/{_text(pod, 'metadata', 'name')}",
        "owner": owner(pod),
    }
    if dig(pod, "status", "reason") == "Evicted":
        yield _made("k8s.pod.evicted", "the pod was evicted from its node", about, reason="unknown")
    waiting = False
    for status in _statuses(pod):
        name = clean(str(status.get("name") or ""), 80)
        restarts = _number(status.get("restartCount"))
        why = str(dig(status, "state", "waiting", "reason") or "")
        killed = "OOMKilled" in (
            dig(status, "state", "terminated", "reason"),
            dig(status, "lastState", "terminated", "reason"),
        )
        if killed:
            since = dig(status, "lastState", "terminated", "finishedAt") or dig(
                status, "state", "terminated", "finishedAt"
            )
            more = {"since": since} if isinstance(since, str) else {}
            yield _made(
                "k8s.pod.oom_killed",
                f"container {name} was killed at its memory limit, {restarts} restarts",
                about,
                **more,
            )
        if why in _WAITING:
            waiting = True
            code, reason = _WAITING[why]
            if reason == "unknown" and code == "k8s.pod.image_pull":
                reason = _pull_reason(str(dig(status, "state", "waiting", "message") or ""))
            yield _made(code, f"container {name}: {why}, {restarts} restarts", about, reason=reason, count=restarts)
    for condition in dig(pod, "status", "conditions") or []:
        if not isinstance(condition, Mapping) or condition.get("status") != "False":
            continue
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            yield _made("k8s.pod.unschedulable", "the scheduler finds no node for the pod", about)
        elif condition.get("type") == "Ready" and dig(pod, "status", "phase") == "Running" and not waiting:
            yield _made("k8s.pod.not_ready", "the pod runs and is not ready", about)


def column_signals(line: Json) -> Iterator[Signal]:
    """The same from one line of ``kubectl get pods``, whose columns are all there is."""
    name, space = str(line.get("name") or ""), str(line.get("namespace") or "")
    status = str(line.get("status") or "").removeprefix("Init:")
    if not name:
        return
    about = {"subject": f"Pod/{space}/{name}", "owner": ""}
    restarts = str(line.get("restarts") or "").partition(" ")[0]
    if status in _COLUMN:
        code, reason = _COLUMN[status]
        yield _made(
            code, f"the pod is {status}, {restarts or '0'} restarts", about, **({"reason": reason} if reason else {})
        )
        return
    ready, slash, wanted = str(line.get("ready") or "").partition("/")
    if status == "Running" and slash and ready.isdigit() and wanted.isdigit() and int(ready) < int(wanted):
        yield _made("k8s.pod.not_ready", f"{ready} of {wanted} containers are ready", about)


def _made(code: str, detail: str, about: Mapping[str, str], **more: Any) -> Signal:
    return signal(code, clean(about["subject"], 300), detail, owner=clean(about["owner"], 300), **more)


def _pull_reason(message: str) -> str:
    """The registry's answer, in the few forms that all runtimes pass on."""
    lower = message.lower()
    for words, reason in (
        (("not found", "manifest unknown"), "not_found"),
        (
            ("unauthorized", "authentication required", "access denied", "403 forbidden", "pull access denied"),
            "unauthorized",
        ),
        (("toomanyrequests", "429"), "rate_limited"),
        (("no such host", "i/o timeout", "connection refused"), "registry_unreachable"),
    ):
        if any(word in lower for word in words):
            return reason
    return "unknown"


def _statuses(pod: Json) -> list[Json]:
    found = dig(pod, "status", "containerStatuses")
    return [s for s in found if isinstance(s, dict)] if isinstance(found, list) else []


def _column(pod: Json, statuses: list[Json]) -> str:
    for status in statuses:
        for state in ("waiting", "terminated"):
            if reason := dig(status, "state", state, "reason"):
                return clean(str(reason), 60)
    return _text(pod, "status", "reason") or _text(pod, "status", "phase")


def _state(state: Any) -> str:
    for kind in ("waiting", "terminated", "running"):
        inner = dig(state, kind)
        if isinstance(inner, Mapping):
            reason = clean(str(inner.get("reason") or ""), 60)
            return f"{kind}:{reason}" if reason else kind
    return ""


def _text(value: Any, *path: str) -> str:
    found = dig(value, *path)
    return clean(found, 300) if isinstance(found, str) else ""


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
