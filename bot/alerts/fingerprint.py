"""The same alert again, or another one?

A fingerprint survives what changes while the trouble stays the same: a new pod of the same workload, another instance, a rising value, a
higher severity. It differs between senders, rules, clusters, namespaces and workloads.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from bot.alerts.shapes import pod_owner, shape_of
from bot.alerts.subject import normal

VOLATILE = frozenset(
    [
        "uid",
        "pod_uid",
        "k8s_pod_uid",
        "instance",
        "endpoint",
        "host_ip",
        "pod_ip",
        "ip",
        "hostip",
        "container_id",
        "container_image",
        "image",
        "image_id",
        "image_spec",
        "id",
        "replica",
        "prometheus",
        "prometheus_replica",
        "receive",
        "receiver",
        "severity",
        "level",
        "priority",
        "value",
        "threshold",
        "threshold_value",
        "current_value",
        "reason",
        "exported_instance",
        "service_instance_id",
        "k8s_pod_ip",
        "k8s_pod_start_time",
        "start_time",
        "time",
        "timestamp",
        "version",
        "build",
        "revision",
        "pod_template_hash",
        "controller_revision_hash",
        "alertname",
        "nodata",
        "testalert",
        "ref_id",
        "threshold_name",
        "http_url",
        "trace_id",
        "span_id",
    ]
)
_ORDINAL = re.compile(r"-\d{1,4}$")


def stem(name: str) -> str:
    """A pod's name without what changes when it is replaced: ``checkout`` for ``checkout-7d9f8c6b5-x8k2p``, ``db`` for ``db-0``."""
    return pod_owner(name) or _ORDINAL.sub("", name)


def fingerprint(
    source: str, name: str, labels: Mapping[str, str], values: Sequence[str] = (), extra: Sequence[str] = ()
) -> str:
    """16 hexadecimal digits. ``extra`` are names that were found in prose (namespace, workload, ...)."""
    known = {normal(k): v for k, v in labels.items() if v}
    has_owner = any(k in known for k in ("pod", "k8s_pod_name", "exported_pod", "deployment", "k8s_deployment_name"))
    kept: list[tuple[str, str]] = []
    for key, value in sorted(known.items()):
        if key in VOLATILE or (has_owner and key in ("node", "k8s_node_name", "host_name", "nodename")):
            continue
        kept.append((key, stem(value) if "pod" in key else value))
    bare = [stem(v) for v in values if shape_of(v) not in ("uid", "address", "severity", "reason", "url", "number")]
    text = json.dumps([source, name.strip().lower(), kept, bare, list(extra)], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
