"""The three incidents: what stands before, what happens, what the logs say, which alert fires. All of it invented here."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.incidents import manifests as m
from sandbox.incidents.kubelet import Behaviour
from sandbox.incidents.manifests import REGISTRY, Json
from sandbox.incidents.timeline import iso

Objects = list[tuple[str, Json]]


@dataclass(frozen=True)
class Phase:
    """``ago`` before the collection (None: now, in real time) this is created or patched; then the cluster gets ``settle_s`` seconds."""

    ago: dt.timedelta | None
    create: Objects = field(default_factory=list)
    patches: list[tuple[str, str, Json, str]] = field(default_factory=list)  # plural, name, patch, by whom
    settle_s: float = 8.0


@dataclass(frozen=True)
class Scenario:
    name: str
    namespace: str
    alertname: str
    severity: str
    phases: list[Phase]
    behaviour: Callable[[Json], Behaviour]
    logs: Callable[[list[Json], dt.datetime], dict[str, Json]]
    values: Callable[[list[Json]], list[str]]  # the alert's label values after group labels, ordered by label name


def image_of(pod: Json) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def app_of(pod: Json) -> str:
    return str(pod["metadata"].get("labels", {}).get("app", ""))


def _json_log(at: dt.datetime, level: str, message: str, **more: object) -> str:
    return json.dumps({"ts": iso(at), "level": level, "msg": message, **more})


def _access(app: str, until: dt.datetime, paths: list[str], every_s: int = 9, count: int = 40) -> list[str]:
    """Plain request lines, oldest first."""
    lines = []
    for i in range(count, 0, -1):
        at = until - dt.timedelta(seconds=i * every_s)
        path = paths[i % len(paths)]
        lines.append(_json_log(at, "info", "request", method="GET", path=path, status=200, ms=4 + (i * 7) % 23))
    return lines


def storefront(namespace: str, checkout_version: str = "2.14.0") -> Objects:
    """Eight workloads of a shop, installed together."""

    def deploy(name: str, version: str, port: int, replicas: int, **more: object) -> Json:
        spec = m.container(name, f"{REGISTRY}/{name}:{version}", port, **more)  # type: ignore[arg-type]
        return m.deployment(namespace, name, spec, replicas=replicas, version=version)

    checkout = m.container(
        "checkout",
        f"{REGISTRY}/checkout:{checkout_version}",
        8443,
        cpu="200m",
        memory="384Mi",
        env=[
            m.value("GRPC_PORT", "8443"),
            m.value("CART_ADDR", "cart:8080"),
            m.from_config("LOG_LEVEL", "checkout-settings", "LOG_LEVEL"),
            m.from_config("CURRENCY", "checkout-settings", "CURRENCY"),
        ],
    )
    return [
        ("resourcequotas", m.quota(namespace, requests_cpu="8", requests_memory="16Gi", pods="60", services="20")),
        ("configmaps", m.config_map(namespace, "checkout-settings", {"LOG_LEVEL": "info", "CURRENCY": "EUR"})),
        ("configmaps", m.config_map(namespace, "frontend-settings", {"THEME": "winter", "FEATURE_BANNER": "off"})),
        (
            "configmaps",
            m.config_map(namespace, "catalog-settings", {"INDEX_URL": "http://search:9200", "PAGE_SIZE": "48"}),
        ),
        (
            "deployments",
            m.deployment(namespace, "checkout", checkout, replicas=3, version=checkout_version, surge=0, unavailable=1),
        ),
        ("services", m.service(namespace, "checkout", 8443)),
        ("deployments", deploy("cart", "1.31.2", 8080, 2, env=[m.value("REDIS_ADDR", "redis:6379")])),
        ("services", m.service(namespace, "cart", 8080)),
        ("deployments", deploy("payments", "4.7.0", 8080, 2, memory="512Mi")),
        ("services", m.service(namespace, "payments", 8080)),
        ("deployments", deploy("catalog", "5.2.1", 8080, 2, env_from=("catalog-settings",))),
        ("services", m.service(namespace, "catalog", 8080)),
        ("deployments", deploy("frontend", "9.3.4", 8080, 2, cpu="250m", env_from=("frontend-settings",))),
        ("services", m.service(namespace, "frontend", 80)),
        ("deployments", deploy("recommendations", "0.18.0", 8080, 1)),
        ("services", m.service(namespace, "recommendations", 8080)),
        ("deployments", deploy("email", "1.4.0", 8080, 1)),
        ("services", m.service(namespace, "email", 8080)),
        *m.redis(namespace),
        ("horizontalpodautoscalers", m.autoscaler(namespace, "frontend", 2, 8)),
        ("poddisruptionbudgets", m.budget(namespace, "checkout", 2)),
        (
            "ingresses",
            {
                "kind": "Ingress",
                "metadata": m.meta("shop", namespace),
                "spec": {
                    "rules": [
                        {
                            "host": "shop.example.com",
                            "http": {
                                "paths": [
                                    {
                                        "path": "/",
                                        "pathType": "Prefix",
                                        "backend": {"service": {"name": "frontend", "port": {"number": 80}}},
                                    }
                                ]
                            },
                        }
                    ]
                },
            },
        ),
    ]


def _template(*changes: Json) -> Json:
    return {"spec": {"template": {"spec": {"containers": list(changes)}}}}


def _labelled(patch: Json, version: str) -> Json:
    patch["spec"]["template"]["metadata"] = {"labels": {"app.kubernetes.io/version": version}}
    return patch


MISSING = "couldn't find key PAYMENT_URL in ConfigMap shop/checkout-settings"


def _checkout_config() -> Scenario:
    """A rollout brings an env from a ConfigMap key that nobody added: the kubelet cannot create the container, the old revision serves."""
    namespace = "shop"
    fault = _labelled(
        _template(
            {
                "name": "checkout",
                "image": f"{REGISTRY}/checkout:2.15.0",
                "env": [m.from_config("PAYMENT_URL", "checkout-settings", "PAYMENT_URL")],
            }
        ),
        "2.15.0",
    )
    earlier = _labelled(_template({"name": "checkout", "image": f"{REGISTRY}/checkout:2.14.0"}), "2.14.0")
    catalog = _labelled(_template({"name": "catalog", "image": f"{REGISTRY}/catalog:5.3.0"}), "5.3.0")

    def behaviour(pod: Json) -> Behaviour:
        return Behaviour(config_error=MISSING) if image_of(pod).endswith("checkout:2.15.0") else Behaviour()

    def logs(pods: list[Json], at: dt.datetime) -> dict[str, Json]:
        found: dict[str, Json] = {
            "cart": {"current": _access("cart", at, ["/cart/items", "/cart/total", "/healthz"])},
            "payments": {"current": _access("payments", at, ["/charge/quote", "/healthz"])},
            "catalog": {"current": _access("catalog", at, ["/products", "/products/search", "/healthz"])},
            "frontend": {"current": _access("frontend", at, ["/", "/product/1482", "/cart", "/checkout"], every_s=3)},
            "recommendations": {"current": _access("recommendations", at, ["/for/anonymous", "/healthz"])},
            "email": {"current": [_json_log(at - dt.timedelta(minutes=4), "info", "order confirmation sent", ms=211)]},
            "redis": {"current": []},
        }
        for pod in pods:
            if app_of(pod) == "checkout" and image_of(pod).endswith("2.14.0"):
                found[pod["metadata"]["name"]] = {"current": _access("checkout", at, ["/checkout/quote", "/healthz"])}
        return found

    return Scenario(
        name="checkout-config",
        namespace=namespace,
        alertname="KubeContainerWaiting",
        severity="warning",
        phases=[
            Phase(dt.timedelta(days=34, hours=3), storefront(namespace, "2.13.2"), settle_s=14),
            Phase(
                dt.timedelta(days=6, hours=2),
                patches=[("deployments", "checkout", earlier, "argocd-controller")],
                settle_s=14,
            ),
            Phase(
                dt.timedelta(hours=5, minutes=20),
                patches=[
                    ("configmaps", "frontend-settings", {"data": {"FEATURE_BANNER": "on"}}, "argocd-controller"),
                    ("deployments", "catalog", catalog, "argocd-controller"),
                ],
                settle_s=14,
            ),
            Phase(None, patches=[("deployments", "checkout", fault, "argocd-controller")]),
        ],
        behaviour=behaviour,
        logs=logs,
        values=lambda pods: [
            "prod-eu",
            "checkout",
            "https-main",
            "10.42.0.9:8443",
            "kube-state-metrics",
            *(p["metadata"]["name"] for p in pods if image_of(p).endswith("checkout:2.15.0")),
            "monitoring/k8s",
            "CreateContainerConfigError",
            "kube-state-metrics",
            "warning",
            *(p["metadata"]["uid"] for p in pods if image_of(p).endswith("checkout:2.15.0")),
        ],
    )


def media(namespace: str) -> Objects:
    """Five workloads of a media pipeline."""

    def deploy(name: str, version: str, port: int | None, replicas: int, **more: object) -> Json:
        spec = m.container(name, f"registry.example.com/media/{name}:{version}", port, **more)  # type: ignore[arg-type]
        return m.deployment(
            namespace, name, spec, replicas=replicas, version=version, surge=0, unavailable=1, part_of="media"
        )

    return [
        ("resourcequotas", m.quota(namespace, requests_cpu="12", requests_memory="24Gi", pods="40")),
        ("configmaps", m.config_map(namespace, "transcoder-settings", {"PRESET": "h264-1080p", "WORKERS": "4"})),
        (
            "deployments",
            deploy(
                "transcoder",
                "3.8.0",
                9000,
                3,
                cpu="500m",
                memory="1Gi",
                env_from=("transcoder-settings",),
                ready_after=30,
            ),
        ),
        ("deployments", deploy("uploader", "2.2.1", 8080, 2)),
        ("services", m.service(namespace, "uploader", 8080)),
        ("deployments", deploy("library", "1.12.0", 8080, 2)),
        ("services", m.service(namespace, "library", 8080)),
        ("deployments", deploy("thumbnails", "0.9.3", 8080, 2)),
        ("services", m.service(namespace, "thumbnails", 8080)),
        *m.redis(namespace, "queue"),
        ("horizontalpodautoscalers", m.autoscaler(namespace, "uploader", 2, 6)),
    ]


def _lowered(pod: Json) -> bool:
    container = pod["spec"]["containers"][0]
    return app_of(pod) == "transcoder" and container["resources"]["limits"]["memory"] == "256Mi"


def _oom() -> Scenario:
    """Somebody right-sizes a worker from 1Gi to 256Mi: the first job of the new revision reaches the limit."""
    namespace = "media"
    lowered = {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}}
    patch = _template({"name": "transcoder", "resources": lowered})

    def behaviour(pod: Json) -> Behaviour:
        return Behaviour(exit_code=137, exit_reason="OOMKilled", runs_s=22) if _lowered(pod) else Behaviour()

    def logs(pods: list[Json], at: dt.datetime) -> dict[str, Json]:
        found: dict[str, Json] = {
            "uploader": {"current": _access("uploader", at, ["/upload/status", "/healthz"])},
            "library": {"current": _access("library", at, ["/videos", "/videos/311", "/healthz"])},
            "thumbnails": {"current": _access("thumbnails", at, ["/thumb/311/640", "/healthz"])},
            "queue": {"current": []},
        }
        for pod in pods:
            if app_of(pod) != "transcoder":
                continue
            ended = pod["status"]["containerStatuses"][0].get("lastState", {}).get("terminated")
            began = dt.datetime.fromisoformat(ended["startedAt"]) if ended else at - dt.timedelta(seconds=900)
            lines = [
                _json_log(began, "info", "transcoder starting", preset="h264-1080p", workers=4),
                _json_log(began + dt.timedelta(seconds=2), "info", "connected to queue", address="queue:6379"),
                _json_log(began + dt.timedelta(seconds=3), "info", "job accepted", job="v-20931", duration_s=1840),
                _json_log(began + dt.timedelta(seconds=14), "info", "decoding", job="v-20931", frames_buffered=512),
            ]
            if not _lowered(pod):
                lines.append(
                    _json_log(began + dt.timedelta(seconds=600), "info", "job done", job="v-20931", peak_mib=811)
                )
            found[pod["metadata"]["name"]] = {"current": lines, "previous": lines}
        return found

    return Scenario(
        name="oom",
        namespace=namespace,
        alertname="KubePodCrashLooping",
        severity="warning",
        phases=[
            Phase(dt.timedelta(days=58, hours=7), media(namespace), settle_s=14),
            Phase(None, patches=[("deployments", "transcoder", patch, "kubectl-edit")]),
        ],
        behaviour=behaviour,
        logs=logs,
        values=lambda pods: [
            "prod-eu",
            "transcoder",
            "https-main",
            "10.42.0.9:8443",
            "kube-state-metrics",
            *(p["metadata"]["name"] for p in pods if _lowered(p)),
            "monitoring/k8s",
            "CrashLoopBackOff",
            "kube-state-metrics",
            "warning",
            *(p["metadata"]["uid"] for p in pods if _lowered(p)),
        ],
    )


def _healthy() -> Scenario:
    """An alert fires on a shop in which nothing is wrong that the cluster could show."""
    namespace = "store"

    def logs(pods: list[Json], at: dt.datetime) -> dict[str, Json]:
        del pods
        return {
            name: {"current": _access(name, at, ["/", "/healthz"])}
            for name in ("checkout", "cart", "payments", "catalog", "frontend", "recommendations", "email", "redis")
        }

    return Scenario(
        name="healthy",
        namespace=namespace,
        alertname="HighRequestLatency",
        severity="warning",
        phases=[Phase(dt.timedelta(days=12, hours=5), storefront(namespace), settle_s=14)],
        behaviour=lambda pod: Behaviour(),
        logs=logs,
        values=lambda pods: ["prod-eu", "frontend", "warning"],
    )


SCENARIOS = {s.name: s for s in (_checkout_config(), _oom(), _healthy())}
