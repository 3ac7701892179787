"""Builders for the manifests of the recorded applications: short to write, complete enough to look like somebody's real cluster."""

from typing import Any

Json = dict[str, Any]
REGISTRY = "registry.example.com/shop"


def meta(name: str, namespace: str = "", labels: dict[str, str] | None = None) -> Json:
    found: Json = {"name": name}
    if namespace:
        found["namespace"] = namespace
    if labels:
        found["labels"] = labels
    return found


def labels_of(name: str, part_of: str = "", version: str = "") -> dict[str, str]:
    """The usual labels of a workload; empty ones are left out."""
    found = {"app": name, "app.kubernetes.io/name": name}
    if part_of:
        found["app.kubernetes.io/part-of"] = part_of
    if version:
        found["app.kubernetes.io/version"] = version
    return found


def container(
    name: str,
    image: str,
    port: int | None = None,
    *,
    cpu: str = "100m",
    memory: str = "256Mi",
    memory_limit: str = "",
    env: list[Json] | None = None,
    env_from: tuple[str, ...] = (),
    health: str = "/healthz",
    ready_after: int = 3,
    args: list[str] | None = None,
) -> Json:
    spec: Json = {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory_limit or memory}},
    }
    if port:
        spec["ports"] = [{"name": "http" if port != 6379 else "redis", "containerPort": port, "protocol": "TCP"}]
        probe: Json = {"periodSeconds": 10, "timeoutSeconds": 2, "failureThreshold": 3}
        probe |= {"httpGet": {"path": health, "port": "http"}} if health else {"tcpSocket": {"port": port}}
        spec["readinessProbe"] = {**probe, "initialDelaySeconds": ready_after}
        spec["livenessProbe"] = {**probe, "initialDelaySeconds": 15}
    if env:
        spec["env"] = env
    if env_from:
        spec["envFrom"] = [{"configMapRef": {"name": n}} for n in env_from]
    if args:
        spec["args"] = args
    return spec


def value(name: str, text: str) -> Json:
    return {"name": name, "value": text}


def from_config(name: str, config: str, key: str) -> Json:
    return {"name": name, "valueFrom": {"configMapKeyRef": {"name": config, "key": key}}}


def deployment(
    namespace: str,
    name: str,
    spec: Json,
    *,
    replicas: int = 2,
    version: str = "",
    surge: int | str = "25%",
    unavailable: int | str = "25%",
    part_of: str = "shop",
) -> Json:
    labels, pod_labels = labels_of(name, part_of), labels_of(name, part_of, version)
    return {
        "kind": "Deployment",
        "metadata": meta(name, namespace, labels),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
            "template": {
                "metadata": {"labels": pod_labels},
                "spec": {"containers": [spec], "serviceAccountName": "default", "terminationGracePeriodSeconds": 30},
            },
        },
    }


def service(namespace: str, name: str, port: int, target: int | str = "http", headless: bool = False) -> Json:
    spec: Json = {
        "selector": {"app": name},
        "ports": [{"name": "http" if port != 6379 else "redis", "port": port, "targetPort": target, "protocol": "TCP"}],
    }
    if headless:
        spec["clusterIP"] = "None"
    return {"kind": "Service", "metadata": meta(name, namespace, {"app": name}), "spec": spec}


def config_map(namespace: str, name: str, data: dict[str, str]) -> Json:
    return {"kind": "ConfigMap", "metadata": meta(name, namespace), "data": data}


def quota(namespace: str, **hard: str) -> Json:
    return {
        "kind": "ResourceQuota",
        "metadata": meta("namespace-quota", namespace),
        "spec": {"hard": {k.replace("_", "."): v for k, v in hard.items()}},
    }


def autoscaler(namespace: str, name: str, low: int, high: int) -> Json:
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta(name, namespace, {"app": name}),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": low,
            "maxReplicas": high,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
                }
            ],
        },
    }


def budget(namespace: str, name: str, available: int) -> Json:
    spec = {"minAvailable": available, "selector": {"matchLabels": {"app": name}}}
    return {"kind": "PodDisruptionBudget", "metadata": meta(name, namespace, {"app": name}), "spec": spec}


def redis(namespace: str, name: str = "redis") -> list[tuple[str, Json]]:
    """A StatefulSet with one claim, its headless Service and the volume that the claim binds."""
    spec = container(name, "docker.io/library/redis:7.2.5", 6379, cpu="100m", memory="512Mi", health="")
    spec["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "local-ssd",
            "resources": {"requests": {"storage": "10Gi"}},
        },
    }
    volume = {
        "kind": "PersistentVolume",
        "metadata": meta(f"{namespace}-{name}-data"),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "10Gi"},
            "storageClassName": "local-ssd",
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": f"/var/lib/volumes/{namespace}-{name}"},
        },
    }
    labels = labels_of(name)
    workload = {
        "kind": "StatefulSet",
        "metadata": meta(name, namespace, labels),
        "spec": {
            "replicas": 1,
            "serviceName": name,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [spec], "serviceAccountName": "default"},
            },
            "volumeClaimTemplates": [claim],
        },
    }
    return [
        ("persistentvolumes", volume),
        ("services", service(namespace, name, 6379, "redis", headless=True)),
        ("statefulsets", workload),
    ]


def agent(namespace: str, name: str, image: str) -> Json:
    """A DaemonSet on every node."""
    labels = labels_of(name)
    return {
        "kind": "DaemonSet",
        "metadata": meta(name, namespace, labels),
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [container(name, image, cpu="50m", memory="64Mi")],
                    "serviceAccountName": "default",
                },
            },
        },
    }
