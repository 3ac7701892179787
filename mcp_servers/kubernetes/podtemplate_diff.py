"""What a rollout changed: a pure comparison of two pod templates.

Lines are short and say the container where there are several. The value of an environment variable never appears: where both sides hold a
literal, a keyed fingerprint shows that it changed and whether two revisions agree, and nothing else.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o

Json = dict[str, Any]
Mark = Callable[[str], str]
Part = Literal[
    "image",
    "env",
    "config",
    "resources",
    "probe",
    "command",
    "ports",
    "scheduling",
    "security",
    "restart",
    "metadata",
    "other",
]

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
TELLING_LABELS = ("app.kubernetes.io/version", "helm.sh/chart", "version")
SCHEDULING = (
    "nodeSelector",
    "affinity",
    "tolerations",
    "nodeName",
    "topologySpreadConstraints",
    "priorityClassName",
    "schedulerName",
)
SECURITY = ("securityContext", "serviceAccountName", "hostNetwork", "automountServiceAccountToken", "imagePullSecrets")
OTHER = (
    "terminationGracePeriodSeconds",
    "dnsPolicy",
    "dnsConfig",
    "hostAliases",
    "restartPolicy",
    "activeDeadlineSeconds",
)


@dataclass(frozen=True)
class Difference:
    """One line of a diff and the part of the template that it concerns."""

    part: Part
    line: str


def split_image(image: str) -> tuple[str, str, str]:
    """(repository, tag, digest) of an image reference; empty where absent."""
    rest, _, digest = image.partition("@")
    head, sep, last = rest.rpartition("/")
    repository, _, tag = last.partition(":")
    return f"{head}{sep}{repository}", tag, digest


def short_image(image: str) -> str:
    """The tag, or the digest's first characters: what tells two images of one repository apart."""
    _, tag, digest = split_image(image)
    return tag or (digest.removeprefix("sha256:")[:12] if digest else "latest")


def images(template: Json) -> dict[str, str]:
    """Image by container name, app containers only."""
    return {o.text(c, "name"): o.text(c, "image") for c in o.rows(template, "spec", "containers")}


def differences(old: Json, new: Json, mark: Mark) -> list[Difference]:
    """What differs between two pod templates, most telling first; ``[]`` when only generated fields differ.

    ``mark`` turns a secret-looking literal into a short fingerprint.
    """
    found = [*_containers(old, new, mark), *_pod(old, new), *_annotations(old, new), *_labels(old, new)]
    order = list(Part.__args__)  # type: ignore[attr-defined]
    return sorted(found, key=lambda d: order.index(d.part))


def _containers(old: Json, new: Json, mark: Mark) -> Iterator[Difference]:
    for group in ("initContainers", "containers"):
        before = {o.text(c, "name"): c for c in o.rows(old, "spec", group)}
        after = {o.text(c, "name"): c for c in o.rows(new, "spec", group)}
        word = "init container" if group == "initContainers" else "container"
        for name in before.keys() - after.keys():
            yield Difference("other", f"-{word} {name}")
        for name, item in after.items():
            if name not in before:
                yield Difference("other", f"+{word} {name} ({short_image(o.text(item, 'image'))})")
            else:
                alone = len(after) == 1 and len(before) == 1 and group == "containers"
                yield from _container(before[name], item, "" if alone else f"{name}: ", mark)


def _container(old: Json, new: Json, where: str, mark: Mark) -> Iterator[Difference]:
    was, now = o.text(old, "image"), o.text(new, "image")
    if was != now:
        same = split_image(was)[0] == split_image(now)[0]
        change = f"{short_image(was)} -> {short_image(now)}" if same else f"{was} -> {now}"
        yield Difference("image", f"{where}image {change}")
    yield from _env(old, new, where, mark)
    yield from _env_from(old, new, where)
    yield from _resources(old, new, where)
    for probe in PROBES:
        if (line := _probe(o.branch(old, probe), o.branch(new, probe))) is not None:
            yield Difference("probe", f"{where}{probe.removesuffix('Probe')} probe {line}")
    for key in ("command", "args"):
        if old.get(key) != new.get(key):
            yield Difference("command", f"{where}{key} {_words(old.get(key))} -> {_words(new.get(key))}")
    ports = [
        sorted(f"{p.get('containerPort')}/{p.get('protocol', 'TCP')}" for p in o.rows(c, "ports")) for c in (old, new)
    ]
    if ports[0] != ports[1]:
        yield Difference("ports", f"{where}ports {','.join(ports[0]) or 'none'} -> {','.join(ports[1]) or 'none'}")
    mounts = [{o.text(v, "mountPath"): o.text(v, "name") for v in o.rows(c, "volumeMounts")} for c in (old, new)]
    for path in sorted(mounts[0].keys() | mounts[1].keys()):
        if mounts[0].get(path) != mounts[1].get(path):
            sign = "+" if path not in mounts[0] else "-" if path not in mounts[1] else "~"
            yield Difference("config", f"{where}{sign}mount {path}")
    for key in ("securityContext", "imagePullPolicy", "lifecycle", "workingDir"):
        if old.get(key) != new.get(key):
            yield Difference("security" if key == "securityContext" else "other", f"{where}{key} changed")


def env_source(entry: Json) -> str:
    """Where an environment variable's value comes from, e.g. ``ConfigMap checkout-settings key PAYMENT_URL``; "" for a literal."""
    origin = o.branch(entry, "valueFrom")
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if source := o.branch(origin, field):
            optional = " (optional)" if source.get("optional") is True else ""
            return f"{kind} {o.text(source, 'name')} key {o.text(source, 'key')}{optional}"
    for field in ("fieldRef", "resourceFieldRef"):
        if source := o.branch(origin, field):
            return f"{o.text(source, 'fieldPath') or o.text(source, 'resource')} of the pod"
    return ""


def _env(old: Json, new: Json, where: str, mark: Mark) -> Iterator[Difference]:
    before = {o.text(e, "name"): e for e in o.rows(old, "env")}
    after = {o.text(e, "name"): e for e in o.rows(new, "env")}

    def shown(entry: Json) -> str:
        return env_source(entry) or f"literal {mark(o.text(entry, 'value'))}"

    for name, item in after.items():
        if name not in before:
            yield Difference("env", f"{where}+env {name} from {shown(item)}")
        elif before[name] != item and shown(before[name]) != shown(item):
            yield Difference("env", f"{where}~env {name} {shown(before[name])} -> {shown(item)}")
    for name, item in before.items():
        if name not in after:
            yield Difference("env", f"{where}-env {name} (was from {shown(item)})")


def _env_from(old: Json, new: Json, where: str) -> Iterator[Difference]:
    def names(container: Json) -> set[str]:
        found = set()
        for entry in o.rows(container, "envFrom"):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if o.branch(entry, field):
                    found.add(f"{kind} {o.text(entry, field, 'name')}")
        return found

    before, after = names(old), names(new)
    for name in sorted(after - before):
        yield Difference("config", f"{where}+envFrom {name}")
    for name in sorted(before - after):
        yield Difference("config", f"{where}-envFrom {name}")


def _resources(old: Json, new: Json, where: str) -> Iterator[Difference]:
    for group in ("limits", "requests"):
        before, after = o.branch(old, "resources", group), o.branch(new, "resources", group)
        for resource in sorted(before.keys() | after.keys()):
            was, now = before.get(resource), after.get(resource)
            if was != now:
                word = f"{resource} {group.removesuffix('s')}"
                yield Difference("resources", f"{where}{word} {was or 'none'} -> {now or 'none'}")


def probe_target(probe: Json) -> str:
    """What a probe asks, e.g. ``HTTP /healthz on port 8080``."""
    if http := o.branch(probe, "httpGet"):
        scheme = o.text(http, "scheme") or "HTTP"
        return f"{scheme} {o.text(http, 'path') or '/'} on port {o.text(http, 'port')}"
    if tcp := o.branch(probe, "tcpSocket"):
        return f"TCP on port {o.text(tcp, 'port')}"
    if grpc := o.branch(probe, "grpc"):
        return f"gRPC on port {o.text(grpc, 'port')}"
    return "a command" if o.branch(probe, "exec") else ""


def _probe(old: Json, new: Json) -> str | None:
    if old == new:
        return None
    if not old:
        return f"added: {probe_target(new)}"
    if not new:
        return "removed"
    if probe_target(old) != probe_target(new):
        return f"{probe_target(old)} -> {probe_target(new)}"
    for key in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold", "successThreshold"):
        if old.get(key) != new.get(key):
            return f"{key} {old.get(key, 'default')} -> {new.get(key, 'default')}"
    return "changed"


def _words(value: Any) -> str:
    return clean(" ".join(map(str, value)), 60) if isinstance(value, list) and value else "none"


def config_sources(template: Json) -> set[tuple[str, str]]:
    """The ConfigMaps and Secrets that a template refers to, as (kind, name): env, envFrom, volumes, projections."""
    found: set[tuple[str, str]] = set()
    for group in ("initContainers", "containers"):
        for container in o.rows(template, "spec", group):
            for entry in o.rows(container, "env"):
                for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                    found.add((kind, o.text(entry, "valueFrom", field, "name")))
            for entry in o.rows(container, "envFrom"):
                found.add(("ConfigMap", o.text(entry, "configMapRef", "name")))
                found.add(("Secret", o.text(entry, "secretRef", "name")))
    for volume in o.rows(template, "spec", "volumes"):
        found.add(("ConfigMap", o.text(volume, "configMap", "name")))
        found.add(("Secret", o.text(volume, "secret", "secretName")))
        for source in o.rows(volume, "projected", "sources"):
            found.add(("ConfigMap", o.text(source, "configMap", "name")))
            found.add(("Secret", o.text(source, "secret", "name")))
    return {pair for pair in found if pair[1]}


def config_as_env(template: Json) -> set[str]:
    """The ConfigMaps that reach the containers as environment: a change takes effect with the next start only."""
    found: set[str] = set()
    for group in ("initContainers", "containers"):
        for container in o.rows(template, "spec", group):
            found |= {o.text(e, "valueFrom", "configMapKeyRef", "name") for e in o.rows(container, "env")}
            found |= {o.text(e, "configMapRef", "name") for e in o.rows(container, "envFrom")}
    return found - {""}


def _pod(old: Json, new: Json) -> Iterator[Difference]:
    before, after = o.branch(old, "spec"), o.branch(new, "spec")
    gone, come = config_sources(old) - config_sources(new), config_sources(new) - config_sources(old)
    for kind, name in sorted(come):
        if any(o.text(v, "name") and name in json.dumps(v) for v in o.rows(new, "spec", "volumes")):
            yield Difference("config", f"+volume from {kind} {name}")
    for kind, name in sorted(gone):
        if any(o.text(v, "name") and name in json.dumps(v) for v in o.rows(old, "spec", "volumes")):
            yield Difference("config", f"-volume from {kind} {name}")
    claims = [
        {o.text(v, "persistentVolumeClaim", "claimName") for v in o.rows(t, "spec", "volumes")} - {""}
        for t in (old, new)
    ]
    for claim in sorted(claims[1] - claims[0]):
        yield Difference("config", f"+volume from claim {claim}")
    for claim in sorted(claims[0] - claims[1]):
        yield Difference("config", f"-volume from claim {claim}")
    groups: tuple[tuple[Part, tuple[str, ...]], ...] = (
        ("scheduling", SCHEDULING),
        ("security", SECURITY),
        ("other", OTHER),
    )
    for part, keys in groups:
        for key in keys:
            was, now = before.get(key), after.get(key)
            if was != now and (was or now):
                yield Difference(part, f"{key} {_value(was)} -> {_value(now)}")


def _value(value: Any) -> str:
    if value is None or value in ({}, []):
        return "none"
    shown = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    return clean(shown, 60)


def _annotations(old: Json, new: Json) -> Iterator[Difference]:
    before, after = o.annotations(old), o.annotations(new)
    if before.get(RESTARTED_AT) != after.get(RESTARTED_AT) and RESTARTED_AT in after:
        yield Difference("restart", f"restarted at {clean(after[RESTARTED_AT], 40)}")
    for key in sorted(before.keys() | after.keys()):
        if "checksum" in key and before.get(key) != after.get(key):
            yield Difference("config", f"annotation {key} changed: the content of its configuration did")


def _labels(old: Json, new: Json) -> Iterator[Difference]:
    before, after = o.labels(old), o.labels(new)
    for key in TELLING_LABELS:
        if before.get(key) != after.get(key):
            yield Difference("metadata", f"label {key} {before.get(key) or 'none'} -> {after.get(key) or 'none'}")


def lines(found: list[Difference], limit: int = 12) -> list[str]:
    """The diff's text; labels only where nothing else changed (they follow the image)."""
    telling = [d for d in found if d.part != "metadata"] or found
    shown = [d.line[:160] for d in telling[:limit]]
    if len(telling) > limit:
        shown[-1] = f"and {len(telling) - limit + 1} more"
    return shown


def same_template(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two templates are equal but for what the controllers write."""

    def bare(template: Mapping[str, Any]) -> Json:
        copy: Json = json.loads(json.dumps(template))
        meta = copy.get("metadata") or {}
        meta.pop("creationTimestamp", None)
        if isinstance(meta.get("labels"), dict):
            meta["labels"].pop("pod-template-hash", None)
        copy.pop("$patch", None)
        copy["metadata"] = meta
        return copy

    return bare(old) == bare(new)
