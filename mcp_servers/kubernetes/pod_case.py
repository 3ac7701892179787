"""`PodCase`: one pod and what is known around it, as every judgement of `pod_signals` takes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.quantities import iso


@dataclass(frozen=True)
class PodCase:
    """One pod and what is known around it. ``events`` are its own; ``None`` means "not read" and is not the same as empty."""

    obj: Json
    events: Sequence[Json]
    nodes: Sequence[Json] | None
    now: datetime
    owner: str
    configmaps: Mapping[str, Json] | None = None
    logs: Mapping[str, str] = field(default_factory=dict)

    @property
    def ref(self) -> str:
        return o.ref("Pod", o.namespace(self.obj), o.name(self.obj))

    def signal(self, code: str, detail: str, **more: Any) -> Signal:
        owner = "" if self.owner == self.ref else self.owner
        return signal(code, self.ref, clean(detail, 240), owner=owner, **more)

    def told(self, *reasons: str) -> list[Json]:
        """The events of these reasons, newest first."""
        found = [e for e in self.events if o.text(e, "reason") in reasons]
        return sorted(found, key=lambda e: iso(o.event_time(e)), reverse=True)


def own_events(pod: Any, events: Sequence[Json]) -> list[Json]:
    """Those of ``events`` that speak of this very pod: a StatefulSet's earlier pod of the same name has another uid."""
    called, space, uid = o.name(pod), o.namespace(pod), o.text(pod, "metadata", "uid")
    found = []
    for event in events:
        about = o.branch(event, "involvedObject") or o.branch(event, "regarding")
        if about.get("kind", "Pod") != "Pod" or about.get("name") != called or about.get("namespace", space) != space:
            continue
        if uid and about.get("uid") and about["uid"] != uid:
            continue
        found.append(event)
    return found
