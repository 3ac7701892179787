"""What a change could have escaped through. "Nothing changed" is evidence only to somebody who knows where was looked."""

from collections.abc import Iterator

from mcp_servers.common.timerange import Range
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.change_read import CUSTOM, DELIVERY, Read
from mcp_servers.kubernetes.kinds import KINDS
from mcp_servers.kubernetes.quantities import iso
from mcp_servers.kubernetes.reading import Reading
from mcp_servers.kubernetes.settings import KubernetesSettings

MOST = 14


def blind_spots(reading: Reading, read: Read, window: Range, settings: KubernetesSettings) -> list[str]:
    """One line a blind spot, what is missing by permission first. Never empty."""
    found = list(_spots(reading, read, window, settings))
    if len(found) > MOST:
        found = [*found[:MOST], f"and {len(found) - MOST} more"]
    return found


def _spots(reading: Reading, read: Read, window: Range, settings: KubernetesSettings) -> Iterator[str]:
    lost = {**reading.missing, **read.lost}
    yield from (f"{kind}: not readable ({why})" for kind, why in sorted(lost.items()))
    yield from (f"{kind}: only the first part of a long list was read" for kind in sorted(reading.cut))
    if not settings.custom_resources:
        yield "custom resources (Argo CD, Flux, Argo Rollouts, flagd, KEDA, cert-manager, Gateway API): switched off by RCA_K8S_CRDS"
    elif read.absent:
        groups = dict.fromkeys(KINDS[kind].group for kind in (*DELIVERY, *CUSTOM) if kind in read.absent)
        yield f"not installed here, so not looked at: {', '.join(groups)}"
    oldest = min((t for e in read.parts["Event"] if (t := o.event_first(e))), default=None)
    if oldest is None or oldest > window.start:
        yield f"events before {iso(oldest)} are gone" if oldest else "no events are kept"
    yield "deleted objects, unless an event still tells of them"
    if settings.helm_records:
        yield "Secrets are never read: of Helm's only the labels are"
    else:
        yield "Secrets are never read; Helm's own records neither (with RCA_K8S_HELM_SECRETS set to 1 their labels are)"
    if not settings.flag_configmaps and "FeatureFlag" in (*read.absent, *read.lost):
        yield "feature flags: no ConfigMap is named as one (RCA_K8S_FLAG_CONFIGMAPS) and flagd's objects are not readable"
    else:
        yield "feature flags that are kept outside the cluster"
    yield "databases and everything else outside the cluster"
    yield "ConfigMaps: when and which keys a manager owns, not what changed in them"
    if settings.namespaces:
        yield f"only the namespaces {', '.join(settings.namespaces[:5])} are read: what lives elsewhere is not seen"
    if any(o.number(w, "spec", "revisionHistoryLimit") == 0 for w in read.workloads):
        yield "workloads with revisionHistoryLimit 0 keep no past"
