"""What a recorded cluster can serve: kinds, their plurals and where they live."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Served:
    """``version`` is the current group/version, for recordings that do not say their own. ``addon`` kinds are served only if recorded."""

    kind: str
    version: str
    namespaced: bool = True
    addon: bool = False


KINDS: dict[str, Served] = {
    "pods": Served("Pod", "v1"),
    "services": Served("Service", "v1"),
    "endpoints": Served("Endpoints", "v1"),
    "events": Served("Event", "v1"),
    "configmaps": Served("ConfigMap", "v1"),
    "secrets": Served("Secret", "v1"),
    "serviceaccounts": Served("ServiceAccount", "v1"),
    "persistentvolumeclaims": Served("PersistentVolumeClaim", "v1"),
    "replicationcontrollers": Served("ReplicationController", "v1"),
    "resourcequotas": Served("ResourceQuota", "v1"),
    "limitranges": Served("LimitRange", "v1"),
    "nodes": Served("Node", "v1", False),
    "namespaces": Served("Namespace", "v1", False),
    "persistentvolumes": Served("PersistentVolume", "v1", False),
    "deployments": Served("Deployment", "apps/v1"),
    "replicasets": Served("ReplicaSet", "apps/v1"),
    "statefulsets": Served("StatefulSet", "apps/v1"),
    "daemonsets": Served("DaemonSet", "apps/v1"),
    "controllerrevisions": Served("ControllerRevision", "apps/v1"),
    "jobs": Served("Job", "batch/v1"),
    "cronjobs": Served("CronJob", "batch/v1"),
    "horizontalpodautoscalers": Served("HorizontalPodAutoscaler", "autoscaling/v2"),
    "poddisruptionbudgets": Served("PodDisruptionBudget", "policy/v1"),
    "endpointslices": Served("EndpointSlice", "discovery.k8s.io/v1"),
    "ingresses": Served("Ingress", "networking.k8s.io/v1"),
    "networkpolicies": Served("NetworkPolicy", "networking.k8s.io/v1"),
    "storageclasses": Served("StorageClass", "storage.k8s.io/v1", False),
    "volumeattachments": Served("VolumeAttachment", "storage.k8s.io/v1", False),
    "priorityclasses": Served("PriorityClass", "scheduling.k8s.io/v1", False),
    "applications": Served("Application", "argoproj.io/v1alpha1", addon=True),
    "rollouts": Served("Rollout", "argoproj.io/v1alpha1", addon=True),
    "analysisruns": Served("AnalysisRun", "argoproj.io/v1alpha1", addon=True),
    "helmreleases": Served("HelmRelease", "helm.toolkit.fluxcd.io/v2", addon=True),
    "kustomizations": Served("Kustomization", "kustomize.toolkit.fluxcd.io/v1", addon=True),
    "featureflags": Served("FeatureFlag", "core.openfeature.dev/v1beta1", addon=True),
    "scaledobjects": Served("ScaledObject", "keda.sh/v1alpha1", addon=True),
    "certificates": Served("Certificate", "cert-manager.io/v1", addon=True),
    "httproutes": Served("HTTPRoute", "gateway.networking.k8s.io/v1", addon=True),
    "gateways": Served("Gateway", "gateway.networking.k8s.io/v1", addon=True),
}
PLURAL = {served.kind: plural for plural, served in KINDS.items()}
