"""One line for a pod, as every answer shows it, and the pods that matter first."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from mcp_servers.common.envelope import Lean
from mcp_servers.kubernetes import objects as o

Json = dict[str, Any]


class PodRow(Lean):
    """``status`` is kubectl's STATUS column, ``ready`` like "1/2", ``age_s`` in seconds."""

    name: str
    status: str
    ready: str
    restarts: int = 0
    age_s: int
    node: str = ""
    image: str = ""
    deleting: bool = False


def pod_row(pod: Json, now: datetime) -> PodRow:
    ready, wanted = o.ready_counts(pod)
    image = next((o.text(c.spec, "image") for c in o.main_containers(pod)), "")
    return PodRow(
        name=o.name(pod),
        status=o.pod_status(pod),
        ready=f"{ready}/{wanted}",
        restarts=o.restarts(pod),
        age_s=int(max(0.0, o.age(pod, now) or 0.0)),
        node=o.text(pod, "spec", "nodeName"),
        image=image,
        deleting=o.is_deleting(pod),
    )


def trouble_first(pods: Iterable[Json]) -> list[Json]:
    """Unready pods first, then those that restarted most, then the newest; leaving pods last."""

    def rank(pod: Json) -> tuple[bool, bool, int, float]:
        born = o.created(pod)
        return (
            o.is_deleting(pod),
            o.is_ready(pod) or o.is_finished(pod),
            -o.restarts(pod),
            -(born.timestamp() if born else 0.0),
        )

    return sorted(pods, key=rank)
