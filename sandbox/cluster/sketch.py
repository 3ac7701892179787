"""Small hand-made clusters for tests: objects as an API server would show them, written as a recording.

Everything takes plain values and gives plain dicts, so that a test says only what it is about. ``ago`` is in minutes before the recording.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Json = dict[str, Any]
TAKEN = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


def at(ago: float) -> str:
    """``ago`` minutes before the recording, as the API writes times."""
    return (TAKEN - dt.timedelta(minutes=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def uid(*parts: str) -> str:
    mark = hashlib.sha256("/".join(parts).encode()).hexdigest()
    return f"{mark[:8]}-{mark[8:12]}-{mark[12:16]}-{mark[16:20]}-{mark[20:32]}"


def touch(manager: str, ago: float, fields: Json, sub: str = "") -> Json:
    """A managedFields entry; ``fields`` without the ``f:``."""

    def owned(tree: Json) -> Json:
        return {f"f:{k}": owned(v) for k, v in tree.items()}

    entry = {
        "manager": manager,
        "operation": "Update",
        "time": at(ago),
        "fieldsType": "FieldsV1",
        "fieldsV1": owned(fields),
    }
    return {**entry, **({"subresource": sub} if sub else {})}


def thing(kind: str, version: str, name: str, space: str = "shop", *, ago: float = 10_000, **more: Any) -> Json:
    """Any object. ``labels``, ``annotations``, ``owners`` and ``touched`` go to its metadata, the rest beside it."""
    meta: Json = {"name": name, "uid": uid(kind, space, name), "creationTimestamp": at(ago), "resourceVersion": "1"}
    if space:
        meta["namespace"] = space
    for key, field in (
        ("labels", "labels"),
        ("annotations", "annotations"),
        ("owners", "ownerReferences"),
        ("touched", "managedFields"),
    ):
        if key in more:
            meta[field] = more.pop(key)
    return {"apiVersion": version, "kind": kind, "metadata": meta, **more}


def owner(kind: str, name: str, space: str = "shop") -> list[Json]:
    return [{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid(kind, space, name), "controller": True}]


def template(name: str, image: str, *, port: int | None = 8080, labels: Json | None = None, **container: Any) -> Json:
    """A pod template with one container."""
    spec = {"name": name, "image": image, **container}
    if port:
        spec.setdefault("ports", [{"name": "http", "containerPort": port, "protocol": "TCP"}])
    return {"metadata": {"labels": labels or {"app": name}}, "spec": {"containers": [spec]}}


def deployment(
    name: str,
    pod_template: Json,
    *,
    replicas: int = 2,
    available: int | None = None,
    updated: int | None = None,
    **more: Any,
) -> Json:
    """A Deployment with its counts; ``conditions`` and ``spec`` go where they belong."""
    here = replicas if available is None else available
    status = {
        "observedGeneration": 1,
        "replicas": more.pop("existing", replicas),
        "updatedReplicas": replicas if updated is None else updated,
        "readyReplicas": here,
        "availableReplicas": here,
        "conditions": more.pop("conditions", []),
    }
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": pod_template["metadata"]["labels"]},
        "template": pod_template,
        **more.pop("spec", {}),
    }
    return thing("Deployment", "apps/v1", name, more.pop("space", "shop"), spec=spec, status=status, **more)


def replica_set(
    of: str,
    mark: str,
    revision: int,
    pod_template: Json,
    *,
    replicas: int = 0,
    ready: int = 0,
    ago: float = 1000,
    **more: Any,
) -> Json:
    notes = {"deployment.kubernetes.io/revision": str(revision), **more.pop("annotations", {})}
    space = more.pop("space", "shop")
    status = {"replicas": replicas, "readyReplicas": ready, "conditions": more.pop("conditions", [])}
    return thing(
        "ReplicaSet",
        "apps/v1",
        f"{of}-{mark}",
        space,
        ago=ago,
        annotations=notes,
        owners=owner("Deployment", of, space),
        spec={"replicas": replicas, "template": pod_template},
        status=status,
        **more,
    )


def pod(
    name: str,
    pod_template: Json,
    owners: list[Json],
    *,
    ready: bool = True,
    waiting: str = "",
    ago: float = 900,
    **more: Any,
) -> Json:
    """A pod that runs, or waits for ``waiting``."""
    space, container = more.pop("space", "shop"), pod_template["spec"]["containers"][0]
    state: Json = (
        {"waiting": {"reason": waiting, "message": more.pop("message", "")}}
        if waiting
        else {"running": {"startedAt": at(ago)}}
    )
    is_ready = ready and not waiting
    status = {
        "phase": "Pending" if waiting else "Running",
        "podIP": more.pop("ip", "10.42.0.20"),
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(ago)},
            {"type": "Ready", "status": str(is_ready), "lastTransitionTime": at(ago)},
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "ready": is_ready,
                "restartCount": more.pop("restarts", 0),
                "image": container["image"],
                "state": state,
                "lastState": {},
            }
        ],
    }
    spec = {**pod_template["spec"], "nodeName": more.pop("node", "worker-01")}
    labels = {**pod_template["metadata"]["labels"], **more.pop("labels", {})}
    return thing("Pod", "v1", name, space, ago=ago, labels=labels, owners=owners, spec=spec, status=status, **more)


def service(
    name: str, selector: Json, *, port: int = 80, target: int | str = 8080, protocol: str = "TCP", **more: Any
) -> Json:
    spec = {
        "type": "ClusterIP",
        "clusterIP": "10.96.0.10",
        "selector": selector,
        "ports": [{"port": port, "targetPort": target, "protocol": protocol}],
        **more.pop("spec", {}),
    }
    return thing("Service", "v1", name, more.pop("space", "shop"), spec=spec, **more)


def endpoint_slice(of: str, ready: Iterable[str] = (), waiting: Iterable[str] = (), space: str = "shop") -> Json:
    """Addresses by pod name; ready ones leave ``conditions.ready`` out, which means ready."""
    rows: list[Json] = [
        {"addresses": ["10.42.0.20"], "conditions": {}, "targetRef": {"kind": "Pod", "name": n}} for n in ready
    ]
    rows += [
        {"addresses": ["10.42.0.21"], "conditions": {"ready": False}, "targetRef": {"kind": "Pod", "name": n}}
        for n in waiting
    ]
    labels = {"kubernetes.io/service-name": of}
    return thing(
        "EndpointSlice",
        "discovery.k8s.io/v1",
        f"{of}-abcde",
        space,
        labels=labels,
        addressType="IPv4",
        endpoints=rows,
        ports=[],
    )


def event(
    kind: str,
    name: str,
    reason: str,
    message: str,
    *,
    ago: float = 5,
    warning: bool = True,
    space: str = "shop",
    count: int = 1,
) -> Json:
    return thing(
        "Event",
        "v1",
        f"{name}.{uid(name, reason, message)[:12]}",
        space,
        ago=ago,
        involvedObject={"kind": kind, "name": name, "namespace": space},
        reason=reason,
        message=message,
        type="Warning" if warning else "Normal",
        count=count,
        firstTimestamp=at(ago),
        lastTimestamp=at(ago),
        eventTime=None,
    )


def namespace(name: str = "shop") -> Json:
    return thing("Namespace", "v1", name, "", status={"phase": "Active"})


def node(name: str = "worker-01", **more: Any) -> Json:
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": "10.0.1.11"}],
    }
    return thing("Node", "v1", name, "", spec=more.pop("spec", {}), status=status, **more)


def write(folder: Path, items: Iterable[Json], logs: Json | None = None) -> Path:
    """Write a recording; `sandbox.cluster.server.RecordedCluster` serves the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)}))
    (folder / "logs.json").write_text(json.dumps(logs or {}))
    (folder / "case.json").write_text(
        json.dumps({"collected_at": TAKEN.strftime("%Y-%m-%dT%H:%M:%SZ"), "namespace": "shop"})
    )
    return folder
