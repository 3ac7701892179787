"""Changes of settings: ConfigMaps (metadata only), feature flags, certificates, Services, routes, policies, quotas, budgets."""

import re
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from mcp_servers.common.change import Change, ChangeKind, change
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.change_scope import Scope
from mcp_servers.kubernetes.managed import last_touch, leaf_names, owned, touches

Json = dict[str, Any]
_NOISE = re.compile(
    r"kube-root-ca\.crt|openshift-service-ca\.crt|.*-leader(-election)?|.*-lock|extension-apiserver-authentication|.*-status"
)
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_SPEC_KINDS: dict[str, ChangeKind] = {
    "Service": "service_selector",
    "Ingress": "ingress",
    "HTTPRoute": "ingress",
    "Gateway": "ingress",
    "NetworkPolicy": "network_policy",
    "ResourceQuota": "quota",
    "LimitRange": "quota",
    "PodDisruptionBudget": "pdb",
}
SPEC_KINDS = tuple(_SPEC_KINDS)
OFTEN = 6  # writes an hour above which a ConfigMap is a counter and no setting
_HOUR = timedelta(hours=1)


class Writes:
    """The newest writes to each ConfigMap as they were seen over many questions.

    The API server tells the last write only. What was written more than `OFTEN` times within an hour, as seen by this process, holds a
    program's state. Bounded: the ConfigMaps seen last, a handful of times each.
    """

    def __init__(self, most: int = 5_000) -> None:
        self._seen: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._most = most

    def counter(self, item: Json, at: datetime) -> bool:
        """Take note of a write at ``at``; whether it is one of too many."""
        uid = o.text(item, "metadata", "uid") or o.ref_of(item)
        times = self._seen.setdefault(uid, deque(maxlen=OFTEN + 1))
        self._seen.move_to_end(uid)
        if at not in times:
            times.append(at)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return len(times) > OFTEN and max(times) - min(times) <= _HOUR


@dataclass(frozen=True)
class Settings:
    """How ConfigMaps are judged: ``env_only`` are refs of those that reach the target's containers as environment, which is read at the
    start; ``started`` is the newest start of one of its pods. ``flags`` are globs over the names of ConfigMaps that hold feature flags.
    """

    env_only: frozenset[str] = frozenset()
    started: datetime | None = None
    flags: tuple[str, ...] = ()
    writes: Writes = field(default_factory=Writes)

    def is_flags(self, item: Json) -> bool:
        names = (o.name(item), f"{o.namespace(item)}/{o.name(item)}")
        return any(fnmatchcase(name, glob) for glob in self.flags for name in names)


def config_maps(found: Sequence[Json], settings: Settings, scope: Scope) -> Iterator[Change]:
    """ConfigMaps whose data was written in the window."""
    for item in found:
        name, ref = o.name(item), o.ref_of(item)
        if _NOISE.fullmatch(name) or _LEADER in o.annotations(item):
            continue
        touch = last_touch(item, "data") or last_touch(item, "binaryData")
        if touch is None or settings.writes.counter(item, touch.at) or not scope.holds(touch.at):
            continue
        keys = leaf_names(owned(touch, "data") or owned(touch, "binaryData") or {})
        new = scope.holds(o.created(item))
        told = ", ".join(clean(k, 60) for k in keys)
        note = ""
        if ref in settings.env_only and settings.started and settings.started < touch.at:
            note = "not in effect for environment variables until a restart: no pod of the target started after it"
        word = "feature flags in ConfigMap" if settings.is_flags(item) else "ConfigMap"
        yield change(
            "feature_flag" if settings.is_flags(item) else "config",
            ref,
            touch.at,
            "exact" if new else "upper_bound",
            onset=scope.onset,
            relation=scope.relation(ref),
            what=f"{word} {name} {'created' if new else 'changed'}"
            + (f"; {clean(touch.manager, 60)} wrote {told}" if told else ""),
            actor=clean(touch.manager, 60),
            sources=["managedFields"],
            note=note,
        )


def feature_flags(found: Sequence[Json], scope: Scope) -> Iterator[Change]:
    """flagd's FeatureFlag objects whose specification was written in the window, with the names of the flags that the writer owns."""
    for item in found:
        touch = last_touch(item, "spec")
        if touch and scope.holds(touch.at):
            flags = owned(touch, "spec", "flagSpec", "flags") or owned(touch, "spec", "featureFlagSpec") or {}
            names = ", ".join(clean(n, 60) for n in leaf_names(flags, 4))
            new = scope.holds(o.created(item))
            yield change(
                "feature_flag",
                o.ref_of(item),
                touch.at,
                "exact" if new else "upper_bound",
                onset=scope.onset,
                relation=scope.relation(o.ref_of(item)),
                what=f"FeatureFlag {o.name(item)} {'created' if new else 'changed'}" + (f" ({names})" if names else ""),
                actor=clean(touch.manager, 60),
                sources=["managedFields"],
            )


def certificates(found: Sequence[Json], scope: Scope) -> Iterator[Change]:
    """Certificates that cert-manager issued anew in the window: their Secret was rewritten. The Secret itself is not looked at."""
    for item in found:
        number = o.number(item, "status", "revision")
        written = [t for t in touches(item) if "f:revision" in (owned(t, "status") or {})]
        if number is None or not written or not scope.holds(written[0].at):
            continue
        secret = o.text(item, "spec", "secretName")
        yield change(
            "secret_meta",
            o.ref_of(item),
            written[0].at,
            "upper_bound",
            onset=scope.onset,
            relation=scope.relation(o.ref("Secret", o.namespace(item), secret)),
            what=f"certificate {o.name(item)} was issued (revision {number}) into Secret {clean(secret, 80)}",
            actor=clean(written[0].manager, 60),
            sources=["Certificate status"],
        )


def specs(parts: Mapping[str, Sequence[Json]], scope: Scope) -> Iterator[Change]:
    """Creations and changes of objects whose ``spec`` decides where traffic goes and what may run."""
    for word, kind in _SPEC_KINDS.items():
        for item in parts[word]:
            ref, born = o.ref_of(item), o.created(item)
            touch = last_touch(item, "spec")
            actor = clean(touch.manager, 60) if touch else ""
            if born and scope.holds(born):
                at, said, sure, source = born, "was created", True, "creationTimestamp"
            elif touch and scope.holds(touch.at):
                names = ", ".join(clean(n, 60) for n in leaf_names(owned(touch, "spec") or {}, 4))
                said = "changed" + (f" (its manager owns {names})" if names else "")
                at, sure, source = touch.at, False, "managedFields"
            else:
                continue
            yield change(
                kind,
                ref,
                at,
                "exact" if sure else "upper_bound",
                onset=scope.onset,
                relation=scope.relation(ref),
                what=f"{word} {o.name(item)} {said}",
                actor=actor,
                sources=[source],
            )
