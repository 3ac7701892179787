"""What an alert's words look like, before any cluster is asked.

Alertmanager's default Slack title keeps the values of labels and drops their names, so a word's shape is all there is: severities, scrape
jobs, addresses of exporters, rule owners and reasons are set aside, the rest is offered to the cluster.
"""

import re
from collections.abc import Container
from dataclasses import dataclass, field

MAX_TOKENS = 40
KEYS = ("namespace", "pod", "workload", "service", "container", "node")
_SEVERITY = {
    "critical",
    "warning",
    "info",
    "none",
    "error",
    "high",
    "low",
    "medium",
    "major",
    "minor",
    "page",
    "ticket",
}
_EXPORTER = re.compile(
    r"(?:.{0,60}-)?(?:kube-state-metrics|node-exporter|blackbox-exporter|cadvisor|kubelet|pushgateway|prometheus|alertmanager|"
    r"otel-collector|metrics-server|apiserver|kube-apiserver)(?:-k8s)?(?:-[0-9a-f]{6,10}-[0-9a-z]{5}|-[0-9a-z]{5}|-[0-9]{1,3})?"
)
_UID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_IP = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9a-fA-F:]{2,39}\])(?::([0-9]{1,5}))?")
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_HOST = re.compile(r"([a-z0-9][-a-z0-9]{0,62})\.([a-z0-9][-a-z0-9]{0,62})\.svc(?:\.[a-z0-9.-]{1,100})?(?::[0-9]{1,5})?")
_ENDPOINT = re.compile(r"([a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?):[0-9]{1,5}")
_URL = re.compile(
    r"[a-z][a-z0-9+.-]{1,15}://([^\s/?#@]{1,253})(?:[/?#]\S*)?"
)  # with user information it is nobody's business
_IMAGE = re.compile(
    r"(?:[a-z0-9][-a-z0-9._]{0,100}(?::[0-9]{1,5})?/)?(?:[a-z0-9][-a-z0-9._]{0,100}/){0,6}[a-z0-9][-a-z0-9._]{0,100}"
    r"(?P<version>:[A-Za-z0-9_][-.A-Za-z0-9_]{0,127})?(?P<digest>@sha256:[0-9a-f]{64})?"
)
_POD_OF_DEPLOYMENT = re.compile(r"(.{1,220}?)-([a-z0-9]{4,10})-([bcdfghjklmnpqrstvwxz2456789]{5})")
_POD_OF_SET = re.compile(r"(.{1,240}?)-([0-9]{1,4})")
_POD_OF_DAEMONS = re.compile(r"(.{1,240}?)-([bcdfghjklmnpqrstvwxz2456789]{5})")


@dataclass(frozen=True)
class Hints:
    """``named`` holds ``key=value`` words; ``words`` bare names in their order; ``pairs`` what was written as ``a/b``.

    ``hosts`` are the names of ``host:port`` and of URLs, e.g. ``cart`` or ``cart.shop``; ``images`` container images as they are pulled.
    """

    named: dict[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    exporters: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    uids: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def is_exporter(name: str) -> bool:
    """Whether the name is that of a scrape job rather than of something an alert is about."""
    return bool(_EXPORTER.fullmatch(name))


def read_hints(query: str) -> Hints:
    """The words of a query, sorted by shape. Unknown keys count as bare values; nothing is an error."""
    named: dict[str, str] = {}
    found: dict[str, list[str]] = {
        k: [] for k in ("words", "exporters", "uids", "addresses", "hosts", "images", "ignored")
    }
    pairs: list[tuple[str, str]] = []
    for token in query.split()[:MAX_TOKENS]:
        key, sep, value = token.partition("=")
        if sep and key in KEYS and not (key == "service" and _is_address(value)):
            if value:
                named.setdefault(key, value[:253])
            continue
        word = (value if sep and "://" not in key else token).strip("\"'(),;")[:253]
        if url := _URL.fullmatch(word):
            word = url[1]
        if host := _HOST.fullmatch(word):
            pairs.append((host[2], host[1]))
        elif address := _IP.fullmatch(word):
            found["addresses"].append(address[1].strip("[]").lower())
        elif endpoint := _ENDPOINT.fullmatch(word):
            found["hosts"].append(endpoint[1])
        elif _UID.fullmatch(word):
            found["uids"].append(word)
        elif word.lower() in _SEVERITY or not word:
            found["ignored"].append(word)
        elif _is_image(word):
            found["images"].append(word)
        elif word.count("/") == 1:
            first, _, second = word.partition("/")
            pairs.append((first, second))
        elif not _NAME.fullmatch(word):
            found["ignored"].append(word)
        elif is_exporter(word):
            found["exporters"].append(word)
        else:
            found["words"].append(word)
    unique = {k: tuple(dict.fromkeys(v)) for k, v in found.items()}
    return Hints(
        named,
        unique["words"],
        unique["exporters"],
        tuple(dict.fromkeys(pairs)),
        unique["uids"],
        unique["addresses"],
        unique["hosts"],
        unique["images"],
        unique["ignored"],
    )


def _is_image(word: str) -> bool:
    """Whether a word is written as images are: with a tag or digest, or with a path of several parts."""
    match = _IMAGE.fullmatch(word)
    return bool(match and (match["version"] or match["digest"] or word.count("/") >= 2))


def _is_address(value: str) -> bool:
    """Whether a Service was named by where it is reached."""
    return any(shape.fullmatch(value) for shape in (_HOST, _IP, _ENDPOINT, _URL))


def dotted(name: str, namespaces: Container[str]) -> tuple[str, str] | None:
    """(namespace, name) of ``cart.shop`` where the second part is a namespace that exists."""
    head, _, tail = name.partition(".")
    return (tail, head) if head and tail in namespaces else None


def workload_names_of(pod: str) -> list[str]:
    """What a pod of that name could belong to, the longest first: ``checkout-7d9f8c6b5-x8k2p`` gives ``checkout-7d9f8c6b5`` (a DaemonSet's
    pod would look like that) and ``checkout``."""
    matched = (shape.fullmatch(pod) for shape in (_POD_OF_DEPLOYMENT, _POD_OF_SET, _POD_OF_DAEMONS))
    return sorted({m[1] for m in matched if m}, key=len, reverse=True)
