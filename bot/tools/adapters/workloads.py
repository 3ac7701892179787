"""What a Deployment, StatefulSet or DaemonSet says of itself: its counts and its conditions, for servers that only hand out objects."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bot.tools.capabilities import Given, Json, dig
from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean

JUDGES: Final = (
    "deploy.unavailable",
    "deploy.scaled_to_zero",
    "deploy.stuck",
    "deploy.failed_create",
    "deploy.paused",
    "ds.unavailable",
)
_KINDS: Final = ("Deployment", "StatefulSet", "DaemonSet")


def given(data: Mapping[str, Any]) -> Given | None:
    """The answer of `get_workload_status`, as far as the object itself tells it; ``None`` for another kind of object."""
    kind, name = str(data.get("kind") or ""), _text(data, "metadata", "name")
    if kind not in _KINDS or not name:
        return None
    space = _text(data, "metadata", "namespace")
    wanted, available = _counts(kind, data)
    shown: Json = {
        "namespace": space,
        "workload": f"{kind}/{space}/{name}",
        "status": f"{available} of {wanted} available",
        "replicas": {"wanted": wanted, "available": available},
        "conditions": [
            {
                "type": _text(c, "type"),
                "status": _text(c, "status"),
                "reason": _text(c, "reason"),
                "message": _text(c, "message"),
            }
            for c in _conditions(data)
        ],
    }
    summary = f"{kind} {space}/{name}: {available} of {wanted} replicas are available"
    return Given(
        summary, shown, tuple(_signals(kind, data, f"{kind}/{space}/{name}")), tainted=("conditions[].message",)
    )


def _signals(kind: str, data: Mapping[str, Any], subject: str) -> Iterator[Signal]:
    wanted, available = _counts(kind, data)
    if kind == "DaemonSet":
        if available < wanted:
            yield signal("ds.unavailable", subject, f"{available} of {wanted} daemon pods are available")
        return
    if wanted == 0:
        yield signal("deploy.scaled_to_zero", subject, "no replica is wanted")
        return
    if available < wanted:
        yield signal("deploy.unavailable", subject, f"{available} of {wanted} replicas are available")
    if dig(data, "spec", "paused") is True:
        yield signal("deploy.paused", subject, "the rollout is paused")
    for condition in _conditions(data):
        kind_, status, reason = _text(condition, "type"), _text(condition, "status"), _text(condition, "reason")
        if kind_ == "Progressing" and status == "False" and reason == "ProgressDeadlineExceeded":
            yield signal("deploy.stuck", subject, "the rollout exceeded its deadline")
        elif kind_ == "ReplicaFailure" and status == "True":
            quota = "exceeded quota" in _text(condition, "message")
            yield signal(
                "deploy.failed_create", subject, "pods cannot be created", reason="quota" if quota else "unknown"
            )


def _counts(kind: str, data: Mapping[str, Any]) -> tuple[int, int]:
    if kind == "DaemonSet":
        return _number(dig(data, "status", "desiredNumberScheduled")), _number(dig(data, "status", "numberAvailable"))
    wanted = dig(data, "spec", "replicas")
    return (1 if wanted is None else _number(wanted)), _number(dig(data, "status", "availableReplicas"))


def _conditions(data: Mapping[str, Any]) -> list[Json]:
    found = dig(data, "status", "conditions")
    return [c for c in found if isinstance(c, dict)] if isinstance(found, list) else []


def _text(value: Any, *path: str) -> str:
    found = dig(value, *path)
    return clean(found, 300) if isinstance(found, str) else ""


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
