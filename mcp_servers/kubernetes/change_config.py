"""Changes of settings: ConfigMaps (metadata only), Services, Ingresses, NetworkPolicies, quotas, budgets."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.change_model import Change, ChangeKind, change
from mcp_servers.kubernetes.change_scope import Scope
from mcp_servers.kubernetes.managed import last_touch, leaf_names, owned

Json = dict[str, Any]
_NOISE = re.compile(
    r"kube-root-ca\.crt|openshift-service-ca\.crt|.*-leader(-election)?|.*-lock|extension-apiserver-authentication|.*-status"
)
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_SPEC_KINDS: dict[str, tuple[ChangeKind, str]] = {
    "Service": ("service_selector", "Service"),
    "Ingress": ("ingress", "Ingress"),
    "NetworkPolicy": ("network_policy", "NetworkPolicy"),
    "ResourceQuota": ("quota", "ResourceQuota"),
    "LimitRange": ("quota", "LimitRange"),
    "PodDisruptionBudget": ("pdb", "PodDisruptionBudget"),
}


def config_maps(
    found: Sequence[Json], env_only: frozenset[str], starts: dict[str, datetime], scope: Scope
) -> Iterator[Change]:
    """ConfigMaps whose data was written in the window.

    ``env_only`` are those that reach the target's containers as environment; ``starts`` is the newest start of a target's pod by ConfigMap
    name: an environment is read at the start, so a later change is not in effect.
    """
    for item in found:
        name = o.name(item)
        if _NOISE.fullmatch(name) or _LEADER in o.annotations(item):
            continue
        touch = last_touch(item, "data") or last_touch(item, "binaryData")
        if touch is None or not scope.holds(touch.at):
            continue
        keys = leaf_names(owned(touch, "data") or owned(touch, "binaryData") or {})
        ref = o.ref("ConfigMap", o.namespace(item), name)
        new = scope.holds(o.created(item))
        told = ", ".join(clean(k, 60) for k in keys)
        note = ""
        if name in env_only and (started := starts.get(name)) and started < touch.at:
            note = "not in effect for environment variables: no pod of the target started after it"
        yield change(
            "config",
            ref,
            touch.at,
            "exact" if new else "upper_bound",
            onset=scope.onset,
            relation=scope.relation(ref),
            what=f"ConfigMap {name} {'was created' if new else 'changed'}"
            + (f"; {touch.manager} wrote {told}" if told else ""),
            actor=clean(touch.manager, 60),
            sources=["managedFields"],
            note=note,
        )


def specs(found: Sequence[Json], scope: Scope) -> Iterator[Change]:
    """Creations and changes of objects whose ``spec`` decides where traffic goes and what may run."""
    for item in found:
        kind, word = _SPEC_KINDS[o.text(item, "kind")]
        ref, born = o.ref_of(item), o.created(item)
        if scope.holds(born) and born:
            yield change(
                kind,
                ref,
                born,
                "exact",
                onset=scope.onset,
                relation=scope.relation(ref),
                what=f"{word} {o.name(item)} was created",
                sources=["creationTimestamp"],
                actor=_actor(item),
            )
            continue
        touch = last_touch(item, "spec")
        if touch and scope.holds(touch.at):
            names = ", ".join(leaf_names(owned(touch, "spec") or {}, 4))
            yield change(
                kind,
                ref,
                touch.at,
                "upper_bound",
                onset=scope.onset,
                relation=scope.relation(ref),
                what=f"{word} {o.name(item)} changed" + (f" (its manager owns {names})" if names else ""),
                actor=clean(touch.manager, 60),
                sources=["managedFields"],
            )


def _actor(item: Json) -> str:
    touch = last_touch(item, "spec")
    return clean(touch.manager, 60) if touch else ""
