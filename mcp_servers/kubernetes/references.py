"""ConfigMaps, Secrets and keys that a pod refers to, and which of them are missing.

The kubelet says what is missing in the waiting message; where that message is gone, the references themselves are checked: a ConfigMap's
existence and the names of its keys come from metadata alone, Secrets are never looked at.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_servers.kubernetes.objects import Json, branch, data_keys, namespace, rows, text

_MISSING = re.compile(r"\b(configmap|secret)s? \"([^\"]{1,253})\" not found", re.IGNORECASE)
_KEY = re.compile(r"couldn't find key ([^\s]{1,253}) in (ConfigMap|Secret) ([^\s/]{1,63})/([^\s,;]{1,253})")
_KEY_VOLUME = re.compile(r"(configmap|secret) references non-existent (?:config|secret) key: ([^\s,;]{1,253})")


@dataclass(frozen=True)
class Reference:
    """One reference of a pod. ``key`` is "" when the whole object is meant; ``where`` says which field holds it."""

    kind: str
    name: str
    key: str
    optional: bool
    where: str


def references(pod: Any) -> list[Reference]:
    """Every ConfigMap and Secret that the pod's containers and volumes refer to."""
    found: list[Reference] = []
    for container in [*rows(pod, "spec", "initContainers"), *rows(pod, "spec", "containers")]:
        for env in rows(container, "env"):
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                source = branch(env, "valueFrom", field)
                if source:
                    where = f"env {text(env, 'name')} of container {text(container, 'name')}"
                    found.append(_reference(kind, source, text(source, "key"), where))
        for source in rows(container, "envFrom"):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                inner = branch(source, field)
                if inner:
                    found.append(_reference(kind, inner, "", f"envFrom of container {text(container, 'name')}"))
    for volume in rows(pod, "spec", "volumes"):
        found += _of_volume(volume)
    return found


def _of_volume(volume: Json) -> list[Reference]:
    where = f"volume {text(volume, 'name')}"
    parts = [volume, *rows(volume, "projected", "sources")]
    found: list[Reference] = []
    for part in parts:
        if inner := branch(part, "configMap"):
            keys = [text(i, "key") for i in rows(inner, "items")] or [""]
            found += [_reference("ConfigMap", inner, key, where) for key in keys]
        if inner := branch(part, "secret"):
            called = text(inner, "secretName") or text(inner, "name")
            keys = [text(i, "key") for i in rows(inner, "items")] or [""]
            found += [_reference("Secret", {**inner, "name": called}, key, where) for key in keys]
    return [r for r in found if r.name]


def _reference(kind: str, source: Json, key: str, where: str) -> Reference:
    return Reference(kind, text(source, "name"), key, source.get("optional") is True, where)


def missing_by_message(message: str) -> tuple[str, str]:
    """(catalogue reason, one sentence) from the kubelet's words; ("", "") when they tell of no missing reference."""
    if match := _KEY.search(message):
        return "key_missing", f"{match[2]} {match[3]}/{match[4]} has no key {match[1]}"
    if match := _MISSING.search(message):
        kind = "ConfigMap" if match[1].lower() == "configmap" else "Secret"
        return f"{kind.lower()}_missing", f"{kind} {match[2]} does not exist"
    if match := _KEY_VOLUME.search(message):
        kind = "ConfigMap" if match[1] == "configmap" else "Secret"
        return "key_missing", f"a {kind} volume names the key {match[2]}, which does not exist"
    return "", ""


def missing_by_lookup(pod: Any, configmaps: Mapping[str, Json]) -> list[tuple[str, str, Reference]]:
    """References to ConfigMaps or keys that are not there: (reason, one sentence, the reference).

    ``configmaps`` are the namespace's ConfigMaps (metadata) by name. A key counts as absent only where the API server recorded which keys
    exist. Optional references are told apart in the sentence: they do not keep a container from starting, but the setting is absent.
    """
    found: list[tuple[str, str, Reference]] = []
    space = namespace(pod)
    for reference in references(pod):
        if reference.kind != "ConfigMap":
            continue
        there = configmaps.get(reference.name)
        softly = " (optional, so the container starts without it)" if reference.optional else ""
        if there is None:
            sentence = f"ConfigMap {space}/{reference.name} does not exist; {reference.where} refers to it{softly}"
            found.append(("configmap_missing", sentence, reference))
            continue
        keys = data_keys(there)
        if reference.key and keys is not None and reference.key not in keys:
            sentence = (
                f"ConfigMap {space}/{reference.name} has no key {reference.key}; {reference.where} refers to it{softly}"
            )
            found.append(("key_missing", sentence, reference))
    return found
