"""What an alert is about, and whether trouble elsewhere can be behind it.

A cluster of some size always has something that is broken: a forgotten job, a pod that nobody misses. That it is broken is certain; that it
is behind this alert is another question, which decides between "confirmed" and "beside it". An object can be behind an alert when it is
what the alert names, when that depends on it as far as settings say, or, where no such setting is known, when it broke as the alert began.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from bot.alerts.model import Alert
from bot.tools.evidence import Evidence

Standing = Literal["own", "behind", "apart", "unknown"]
"""Of an object to what the alert names: it itself or around it; something it depends on; nothing it depends on; nobody knows."""

Timing = Literal["near", "long before", "after", "unknown"]
"""When trouble began: with the alert; long before it; when the alert already fired; nobody knows."""

APPLICATIONS: Final = frozenset(
    {"Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Service"}
)
"""Objects that can be apart from each other. Nodes, namespaces and volumes are around many."""
TARGET: Final = "target"  # the step that resolves what the alert names, in every playbook
RESOLVER: Final = "resolve_target"
CALL_GRAPH: Final = "get_service_dependencies"
BEFORE: Final = timedelta(hours=1)
AFTER: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Reach:
    """What the alert names (``targets``: "Deployment/shop/checkout"), and what that ``calls``, directly or not.

    ``onset`` is when the alert began. ``own_symptom``: it tells of a state of the named object itself (killed, not scheduled), which
    another object's trouble is no explanation of while that object looks well.
    """

    targets: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    onset: datetime | None = None
    own_symptom: bool = False

    @classmethod
    def of(
        cls, alert: Alert, evidence: Iterable[Evidence], *, own_symptom: bool = False, seen: datetime | None = None
    ) -> "Reach":
        """From an alert's labels and from what a resolver verified. One that tells no time began about when it was ``seen``."""
        found: set[str] = set()
        calls: set[str] = set()
        space = alert.namespace
        found |= _workload(space, alert.workload)
        if space and alert.pod:
            found.add(f"Pod/{space}/{alert.pod}")
        if alert.node:
            found.add(f"Node/{alert.node}")
        for answer in evidence:
            if not answer.ok or not isinstance(answer.data, Mapping):
                continue
            data = answer.data
            if answer.tool == CALL_GRAPH:
                calls |= {f"service/{name}" for name in _texts(data, "reached")}
            elif answer.tool == RESOLVER and answer.step == TARGET:
                found |= _resolved(data)
                calls |= set(_texts(data, "calls"))
            elif (
                answer.tool == RESOLVER and "." in answer.id
            ):  # one of several on the way: what it calls in vain, by its own words
                calls |= _resolved(data)
        return cls(frozenset(found), frozenset(calls), alert.starts_at or seen, own_symptom)

    def standing(self, subject: str) -> Standing:
        """Of an object ("Kind/namespace/name") to what the alert names."""
        kind, _, name = subject.rpartition("/")
        if not self.targets or subject in self.targets:
            return "own"
        if subject.startswith("Node/") and all(target.startswith("Node/") for target in self.targets):
            return "apart"  # another machine than the one that the alert names
        if kind.partition("/")[0] not in APPLICATIONS:
            return "own"
        named = {target.rpartition("/")[2] for target in self.targets}
        if name in named or any(pod.startswith(f"{name}-") for pod in named):
            return "own"  # its Service, the owner of its pod
        if subject in self.calls or f"service/{name}" in self.calls:
            return "behind"
        settings = any(not ref.startswith("service/") for ref in self.calls)  # traces lack what nobody instruments
        return "apart" if settings else "unknown"

    def timing(self, since: Iterable[str]) -> Timing:
        """When the trouble of an object began, held against the alert; ``since`` (ISO 8601) are the beginnings of all that was found on it.

        Something new on an object counts, whatever else has been wrong with it for long.
        """
        moments = [m for text in since if (m := _moment(text)) is not None]
        if self.onset is None or not moments:
            return "unknown"
        onset = _aware(self.onset)
        if any(onset - BEFORE <= m <= onset + AFTER for m in moments):
            return "near"
        return "long before" if min(moments) < onset - BEFORE else "after"


def _moment(text: str) -> datetime | None:
    try:
        return _aware(datetime.fromisoformat(text))
    except ValueError:
        return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _resolved(data: Mapping[str, Any]) -> set[str]:
    return _workload(str(data.get("namespace") or ""), str(data.get("workload") or ""))


def _workload(namespace: str, workload: str) -> set[str]:
    kind, _, name = workload.partition("/")
    return {f"{kind}/{namespace}/{name}"} if namespace and name else set()


def _texts(data: Mapping[str, Any], key: str) -> list[str]:
    found = data.get(key)
    return [str(text) for text in found] if isinstance(found, list) else []
