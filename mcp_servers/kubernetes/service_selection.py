"""Whom a Service selects, and why nobody: a label that differs, a workload at zero, or nothing of the kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import signal
from mcp_servers.kubernetes import objects as o

Json = dict[str, Any]


def selector(service: Json) -> dict[str, str]:
    return {str(k): str(v) for k, v in o.branch(service, "spec", "selector").items()}


def selects(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return bool(wanted) and all(labels.get(k) == v for k, v in wanted.items())


def template_labels(workload: Json) -> dict[str, str]:
    return {str(k): str(v) for k, v in o.branch(workload, "spec", "template", "metadata", "labels").items()}


def differing(wanted: Mapping[str, str], labels: Mapping[str, str]) -> list[str]:
    """The selector's keys that the labels do not satisfy."""
    return [k for k, v in wanted.items() if labels.get(k) != v]


@dataclass(frozen=True)
class Selection:
    """``workloads`` are those whose pod template the Service selects, running or not; ``near`` those that one label keeps apart."""

    pods: list[Json] = field(default_factory=list)
    workloads: list[Json] = field(default_factory=list)
    near: list[Json] = field(default_factory=list)


def selection(service: Json, pods: Sequence[Json], workloads: Sequence[Json]) -> Selection:
    wanted = selector(service)
    if not wanted:
        return Selection()
    mine = [p for p in pods if selects(wanted, o.labels(p))]
    fitting = [w for w in workloads if selects(wanted, template_labels(w))]
    near: list[Json] = []
    if not mine and not fitting:
        name = o.name(service)
        same = [w for w in workloads if o.name(w) == name]
        one_off = [w for w in workloads if len(wanted) > 1 and len(differing(wanted, template_labels(w))) == 1]
        alike = [w for w in workloads if o.name(w) in wanted.values() or name in template_labels(w).values()]
        near = same or one_off or alike
    return Selection(mine, fitting, near[:3])


def selector_signals(service: Json, chosen: Selection) -> list[Signal]:
    """`svc.selector_mismatch` where no pod and no workload fits the selector; it names the key that differs."""
    wanted, subject = selector(service), o.ref_of(service)
    if not wanted or chosen.pods or chosen.workloads:
        return []
    shown = ",".join(f"{k}={v}" for k, v in sorted(wanted.items()))
    if not chosen.near:
        detail = f"no pod and no workload of {o.namespace(service)} has the labels that Service {o.name(service)} selects: {shown}"
        return [signal("svc.selector_mismatch", subject, detail, severity="warning")]
    other = chosen.near[0]
    labels = template_labels(other)
    keys = differing(wanted, labels)
    apart = ", ".join(f"{k} is {labels.get(k, 'not set')!r} there, {wanted[k]!r} in the selector" for k in keys[:2])
    detail = f"Service {o.name(service)} selects no pod: {o.text(other, 'kind')} {o.name(other)} differs in {apart}"
    return [signal("svc.selector_mismatch", subject, detail)]
