"""What may be read, and where it lives.

The table is the whole vocabulary of paths: a kind that is not in it cannot be requested. Secrets are not in it; `HELM_RECORDS` is the one
way to them, for the labels of Helm's own records and where an operator allowed it.
``versions`` are tried in order against what the server offers, so that old clusters (1.20) answer through their older API groups.
"""

import re
from dataclasses import dataclass

from mcp_servers.common.envelope import ToolFailure


@dataclass(frozen=True)
class Kind:
    """``metadata_only`` kinds are read through PartialObjectMetadata: their content never leaves the API server."""

    plural: str
    versions: tuple[str, ...]
    namespaced: bool = True
    metadata_only: bool = False
    optional: bool = False  # an add-on's API (metrics, custom resources) that may be absent
    custom: bool = False  # of those, a custom resource: looked for unless RCA_K8S_CRDS is off

    @property
    def group(self) -> str:
        return self.versions[0].rpartition("/")[0]


KINDS: dict[str, Kind] = {
    "Pod": Kind("pods", ("v1",)),
    "Service": Kind("services", ("v1",)),
    "Endpoints": Kind("endpoints", ("v1",)),
    "Event": Kind("events", ("v1",)),
    "Node": Kind("nodes", ("v1",), namespaced=False),
    "Namespace": Kind("namespaces", ("v1",), namespaced=False),
    "ConfigMap": Kind("configmaps", ("v1",), metadata_only=True),
    "ServiceAccount": Kind("serviceaccounts", ("v1",), metadata_only=True),
    "PersistentVolume": Kind("persistentvolumes", ("v1",), namespaced=False),
    "PersistentVolumeClaim": Kind("persistentvolumeclaims", ("v1",)),
    "ReplicationController": Kind("replicationcontrollers", ("v1",)),
    "ResourceQuota": Kind("resourcequotas", ("v1",)),
    "LimitRange": Kind("limitranges", ("v1",)),
    "Deployment": Kind("deployments", ("apps/v1",)),
    "ReplicaSet": Kind("replicasets", ("apps/v1",)),
    "StatefulSet": Kind("statefulsets", ("apps/v1",)),
    "DaemonSet": Kind("daemonsets", ("apps/v1",)),
    "ControllerRevision": Kind("controllerrevisions", ("apps/v1",)),
    "Job": Kind("jobs", ("batch/v1",)),
    "CronJob": Kind("cronjobs", ("batch/v1", "batch/v1beta1")),
    "HorizontalPodAutoscaler": Kind(
        "horizontalpodautoscalers", ("autoscaling/v2", "autoscaling/v2beta2", "autoscaling/v1")
    ),
    "PodDisruptionBudget": Kind("poddisruptionbudgets", ("policy/v1", "policy/v1beta1")),
    "EndpointSlice": Kind("endpointslices", ("discovery.k8s.io/v1", "discovery.k8s.io/v1beta1")),
    "Ingress": Kind("ingresses", ("networking.k8s.io/v1", "networking.k8s.io/v1beta1", "extensions/v1beta1")),
    "NetworkPolicy": Kind("networkpolicies", ("networking.k8s.io/v1",)),
    "StorageClass": Kind("storageclasses", ("storage.k8s.io/v1",), namespaced=False),
    "VolumeAttachment": Kind("volumeattachments", ("storage.k8s.io/v1",), namespaced=False),
    "PriorityClass": Kind("priorityclasses", ("scheduling.k8s.io/v1",), namespaced=False),
    "PodMetrics": Kind("pods", ("metrics.k8s.io/v1beta1",), optional=True),
    "NodeMetrics": Kind("nodes", ("metrics.k8s.io/v1beta1",), namespaced=False, optional=True),
    **{
        kind: Kind(plural, versions, optional=True, custom=True)
        for kind, plural, versions in (
            ("Rollout", "rollouts", ("argoproj.io/v1alpha1",)),
            ("AnalysisRun", "analysisruns", ("argoproj.io/v1alpha1",)),
            ("Application", "applications", ("argoproj.io/v1alpha1",)),
            ("HelmRelease", "helmreleases", ("helm.toolkit.fluxcd.io/v2", "helm.toolkit.fluxcd.io/v2beta2")),
            (
                "Kustomization",
                "kustomizations",
                ("kustomize.toolkit.fluxcd.io/v1", "kustomize.toolkit.fluxcd.io/v1beta2"),
            ),
            ("FeatureFlag", "featureflags", ("core.openfeature.dev/v1beta1", "core.openfeature.dev/v1alpha1")),
            ("ScaledObject", "scaledobjects", ("keda.sh/v1alpha1",)),
            ("Certificate", "certificates", ("cert-manager.io/v1",)),
            ("HTTPRoute", "httproutes", ("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1")),
            ("Gateway", "gateways", ("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1")),
        )
    },
}

HELM_RECORDS = Kind("secrets", ("v1",), metadata_only=True)
"""Helm keeps one Secret a revision; its labels tell release, status and time. Only `Cluster.helm_records` lists them, as metadata."""

NAMESPACE = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
NAME = r"^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$"
OPTIONAL_NAMESPACE = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"
_NAMESPACE, _NAME = re.compile(NAMESPACE), re.compile(NAME)


def kind_of(name: str) -> Kind:
    """The table's row. Raises `ToolFailure` FORBIDDEN for Secrets and UNSUPPORTED for what the table does not know."""
    if name.lower() in ("secret", "secrets"):
        raise ToolFailure("FORBIDDEN", "Secrets are never read", hint="their names appear in pod specs and events")
    row = KINDS.get(name)
    if row is None:
        raise ToolFailure(
            "UNSUPPORTED", f"kind {name!r} is not readable here", hint=f"known: {', '.join(sorted(KINDS))}"
        )
    return row


def path(version: str, row: Kind, namespace: str = "", name: str = "", log: bool = False) -> str:
    """The request path of a list (no ``name``), an object, or a pod's log. Nothing else can be built. Raises `ToolFailure` VALIDATION."""
    if namespace and not _NAMESPACE.fullmatch(namespace):
        raise ToolFailure("VALIDATION", f"{namespace[:80]!r} is not a namespace name")
    if name and not _NAME.fullmatch(name):
        raise ToolFailure("VALIDATION", f"{name[:80]!r} is not an object name")
    if name and row.namespaced and not namespace:
        raise ToolFailure("VALIDATION", f"reading one of {row.plural} needs its namespace")
    parts = [f"/apis/{version}" if "/" in version else f"/api/{version}"]
    if namespace and row.namespaced:
        parts.append(f"namespaces/{namespace}")
    parts.append(row.plural)
    if name:
        parts.append(name)
    if log:
        parts.append("log")
    return "/".join(parts)
