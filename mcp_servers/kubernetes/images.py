"""Why an image cannot be pulled, from the kubelet's words: those of containerd, dockerd and CRI-O, whose order of nesting differs.

The kinds are asked in order of how specific they are: a registry that cannot be reached also "failed to resolve reference", and a
repository that is refused is often reported as one that "does not exist or may require authorization".
"""

import re
from collections.abc import Sequence
from typing import Any

from mcp_servers.kubernetes.objects import Container, Json, event_time, rows, text

WAITING = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "invalid_name",
        ("invalidimagename", "couldn't parse image", "invalid reference format", "repository name must be lowercase"),
    ),
    ("rate_limited", ("toomanyrequests", "429 too many requests", "pull rate limit", "rate exceeded")),
    (
        "registry_unreachable",
        (
            "no such host",
            "server misbehaving",
            "i/o timeout",
            "connection refused",
            "no route to host",
            "network is unreachable",
            "tls handshake timeout",
            "x509:",
            "context deadline exceeded",
            "client.timeout exceeded",
            "connection reset by peer",
            "temporary failure in name resolution",
            "name or service not known",
            "request canceled while waiting for connection",
            "http: server gave http response to https client",
            "502 bad gateway",
            "503 service unavailable",
            "504 gateway",
            "registryunavailable",
            "registry is unavailable",
            ": eof",
        ),
    ),
    (
        "unauthorized",
        (
            "401 unauthorized",
            "403 forbidden",
            "failed to authorize",
            "authorization failed",
            "authentication required",
            "no basic auth credentials",
            "insufficient_scope",
            "requested access to the resource is denied",
            "pull access denied",
            "unauthorized",
            "permission_denied",
            "permission denied for",
        ),
    ),
    (
        "not_found",
        (
            "manifest unknown",
            "manifest_unknown",
            "name unknown",
            "name_unknown",
            "not found",
            "notfound",
            "does not exist",
            "404",
            "no matching manifest",
            "errimageneverpull",
            "is not present with pull policy of never",
        ),
    ),
)


def classify(message: str) -> str:
    """The catalogue reason of ``k8s.pod.image_pull`` that ``message`` tells of; ``unknown`` when it tells of none."""
    lowered = message.lower()
    for kind, phrases in _KINDS:
        if any(phrase in lowered for phrase in phrases):
            return kind
    return "unknown"


def registry_of(image: str) -> str:
    """The registry's host: the part before the first slash where it looks like one, else Docker Hub."""
    head, slash, _ = image.partition("/")
    return head if slash and ("." in head or ":" in head or head == "localhost") else "docker.io"


def is_official(image: str) -> bool:
    """Whether it is one of Docker Hub's official images (``redis:alpine``), which everybody may pull."""
    path = image.removeprefix("docker.io/").removeprefix("library/")
    return registry_of(image) == "docker.io" and "/" not in path


def judge(pod: Any, container: Container, events: Sequence[Json]) -> tuple[str, str]:
    """(reason, one sentence) for a container whose image does not come. ``events`` are the pod's own."""
    image = text(container.spec, "image")
    told = [text(container.state[1], "message"), container.reason]
    missing = ""
    newest = sorted(events, key=lambda e: str(event_time(e) or ""), reverse=True)
    for event in newest:
        said = text(event, "message")
        if text(event, "reason") == "FailedToRetrieveImagePullSecret" and not missing:
            match = re.search(r"\(([^)]{1,300})\)", said)
            missing = match[1] if match else "named in the pod"
        elif text(event, "reason") in ("Failed", "InspectFailed", "ErrImageNeverPull") and (
            image in said or "image" in said
        ):
            told.append(said)
    kinds = [classify(t) for t in told if t]
    reason = next((k for k in kinds if k != "unknown"), "unknown")
    words = next((t for t, k in zip([t for t in told if t], kinds, strict=True) if k == reason), "")
    shown = f"image {image} of container {container.name}"
    if reason == "unauthorized" and not missing and is_official(image):
        return "not_found", f"{shown} is refused, and official images need no login, so the name or the tag is wrong"
    match reason:
        case "not_found":
            return reason, f"{shown} does not exist in {registry_of(image)}"
        case "unauthorized":
            if missing:
                return reason, f"{registry_of(image)} refuses {shown}, and the pull secret {missing} cannot be read"
            names = ", ".join(text(s, "name") for s in rows(pod, "spec", "imagePullSecrets"))
            with_what = f"with the pull secret {names}" if names else "and the pod has no imagePullSecrets"
            either = "; the repository may also not exist" if "does not exist or may require" in words else ""
            return reason, f"{registry_of(image)} refuses {shown} {with_what}{either}"
        case "registry_unreachable":
            why = "its name does not resolve" if "no such host" in words else "it does not answer"
            return reason, f"{shown} cannot be pulled: the registry {registry_of(image)} is out of reach ({why})"
        case "invalid_name":
            return reason, f"{shown} is not a valid image name"
        case "rate_limited":
            return reason, f"{registry_of(image)} limits pulls: {shown}"
    if missing:
        return "unauthorized", f"{shown} cannot be pulled, and the pull secret {missing} cannot be read"
    return "unknown", f"{shown} cannot be pulled; the events that say why are gone"
