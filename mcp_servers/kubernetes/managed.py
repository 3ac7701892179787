"""Who changed which part of an object, and when, from ``managedFields`` metadata alone.

A manager has one time per operation and subresource, which moves with every field that it changes: for a given field it is an upper bound.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.quantities import parse_time

Json = dict[str, Any]

CONTROLLERS = (
    *("kube-controller-manager", "kubelet", "kube-scheduler", "cluster-autoscaler", "kube-apiserver", "kube-proxy"),
    *("cloud-controller-manager", "endpoint-controller", "karpenter"),
)
_CONTROLLER = re.compile(r"vpa-.*|.*-autoscaler|.*leader-election.*")


@dataclass(frozen=True)
class Touch:
    """One manager's newest write. ``fields`` is the ``fieldsV1`` tree of what it owns."""

    manager: str
    at: datetime
    fields: Json
    subresource: str = ""


def is_controller(manager: str) -> bool:
    """Whether the manager is a part of the cluster that writes on its own all the time."""
    return manager in CONTROLLERS or bool(_CONTROLLER.fullmatch(manager))


def touches(obj: Any) -> list[Touch]:
    """All managers' writes, newest first; entries without a readable time are left out."""
    found = []
    for entry in o.rows(obj, "metadata", "managedFields"):
        at = parse_time(o.text(entry, "time"))
        if at:
            found.append(Touch(o.text(entry, "manager"), at, o.branch(entry, "fieldsV1"), o.text(entry, "subresource")))
    return sorted(found, key=lambda t: t.at, reverse=True)


def owned(touch: Touch, *path: str) -> Json | None:
    """The subtree that the manager owns below ``path`` (``"spec", "template"``); ``None`` when it owns nothing there."""
    current: Any = touch.fields
    for step in path:
        current = current.get(f"f:{step}") if isinstance(current, dict) else None
    return current if isinstance(current, dict) else None


def last_touch(obj: Any, *path: str, people_only: bool = True) -> Touch | None:
    """The newest write to something below ``path``, by default by anyone but the cluster's own controllers."""
    for touch in touches(obj):
        if touch.subresource == "status" or (people_only and is_controller(touch.manager)):
            continue
        if owned(touch, *path) is not None:
            return touch
    return None


def leaf_names(tree: Json, limit: int = 8) -> list[str]:
    """Readable names of the fields at the top of an ownership tree: ``f:PAYMENT_URL`` gives ``PAYMENT_URL``."""

    def top(nodes: Iterable[str]) -> Iterator[str]:
        for node in nodes:
            if node.startswith("f:"):
                yield node[2:]

    return sorted(top(tree))[:limit]
