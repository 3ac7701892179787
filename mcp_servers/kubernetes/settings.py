"""Settings of the Kubernetes server, from the environment.

``RCA_K8S_KUBECONFIG`` (else ``KUBECONFIG``), ``RCA_K8S_CONTEXT``, ``RCA_K8S_NAMESPACES`` (empty: all), ``RCA_K8S_DENY_NAMESPACES``,
``RCA_K8S_TIMEOUT_S``, ``RCA_K8S_MAX_PODS``, ``RCA_K8S_LOGS``, ``RCA_K8S_CRDS`` (``auto`` or ``off``), ``RCA_K8S_HELM_SECRETS``,
``RCA_K8S_FLAG_CONFIGMAPS``, ``RCA_ALLOW_PRIVILEGED``. The rest is common to all servers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mcp_servers.common.config import CommonSettings, ConfigError, Environment, common


@dataclass(frozen=True)
class KubernetesSettings:
    """``namespaces``: the only ones that are read, empty for all. ``timeout_s`` bounds one request to the API server.

    ``custom_resources``: look for Argo CD, Flux and other add-ons' objects where the cluster serves them. ``helm_records``: read the labels
    of Helm's release Secrets (never their data). ``flag_configmaps``: globs over ``name`` or ``namespace/name`` of ConfigMaps that hold
    feature flags. ``allow_privileged``: serve with a credential that may also write.
    """

    common: CommonSettings
    kubeconfig: str = ""
    context: str = ""
    in_cluster: bool = False
    namespaces: tuple[str, ...] = ()
    deny_namespaces: frozenset[str] = frozenset()
    timeout_s: float = 10.0
    max_pods: int = 5000
    logs: bool = True
    custom_resources: bool = True
    helm_records: bool = False
    flag_configmaps: tuple[str, ...] = ()
    allow_privileged: bool = False

    @property
    def configured(self) -> bool:
        """Whether somebody named a cluster: only then is anything prepared for it."""
        return bool(self.kubeconfig) or self.in_cluster

    @property
    def instance(self) -> str:
        return self.common.instance or "kubernetes"


def load(environ: Mapping[str, str] | None = None) -> KubernetesSettings:
    """Read the settings. Raises `ConfigError` with the variable and a mend; an unknown ``RCA_K8S_*`` name is an error."""
    env = Environment(environ)
    kubeconfig = env.text("RCA_K8S_KUBECONFIG") or env.text("KUBECONFIG")
    crds = env.text("RCA_K8S_CRDS", "auto").lower()
    if crds not in ("auto", "off"):
        raise ConfigError(f"RCA_K8S_CRDS is {crds[:40]!r}; it must be auto (look where they are served) or off")
    settings = KubernetesSettings(
        common=common(env),
        kubeconfig=kubeconfig,
        context=env.text("RCA_K8S_CONTEXT"),
        in_cluster=not kubeconfig and bool(env.text("KUBERNETES_SERVICE_HOST")),
        namespaces=env.items("RCA_K8S_NAMESPACES"),
        deny_namespaces=frozenset(env.items("RCA_K8S_DENY_NAMESPACES")),
        timeout_s=env.number("RCA_K8S_TIMEOUT_S", 10, 1, 60),
        max_pods=int(env.number("RCA_K8S_MAX_PODS", 5000, 100, 100_000)),
        logs=env.flag("RCA_K8S_LOGS", True),
        custom_resources=crds == "auto",
        helm_records=env.flag("RCA_K8S_HELM_SECRETS", False),
        flag_configmaps=env.items("RCA_K8S_FLAG_CONFIGMAPS"),
        allow_privileged=env.flag("RCA_ALLOW_PRIVILEGED", False),
    )
    env.refuse_unknown("RCA_K8S_")
    return settings
