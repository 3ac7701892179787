"""Argo CD and Flux: a failed sync or an unhealthy application is an alert; a success is a notice (see `bot.alerts.gate`)."""

import re

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

_FLUX = (  # how Flux signs: kind/name.namespace
    r"(?:kustomization|helmrelease|helmchart|helmrepository|gitrepository|ocirepository|bucket)/[a-z0-9][-a-z0-9.]{0,250}\.[a-z0-9][-a-z0-9]{0,62}"
)
_APP = r"application\W{1,3}(?P<application>[\w.\-]{1,120})\W{0,3}"
SENDER = Sender(
    "gitops",
    names=rf"argo ?cd|flux(?:cd)?|(?:kustomize|helm|source|notification|image-reflector|image-automation)-controller|{_FLUX}$",
    words=r"\bsync operation of application\b|\bapplication \S{1,120} (?:has degraded|sync is 'unknown')",
    forms=(
        form(rf"{_APP}(?:has|is) degraded", status="firing", name="ApplicationDegraded"),
        form(rf"(?:the )?sync operation of {_APP}has failed", status="firing", name="ApplicationSyncFailed"),
        form(rf"{_APP}sync is\W{{1,3}}unknown", status="firing", name="ApplicationSyncUnknown"),
        form(rf"(?:failed to sync|sync failed for) {_APP}", status="firing", name="ApplicationSyncFailed"),
        form(r"health check failed", status="firing", name="HealthCheckFailed"),
        form(
            r"(?:reconciliation|helm (?:install|upgrade|test)|kustomize build|install|upgrade|dry-run) failed\b",
            status="firing",
            name="ReconciliationFailed",
        ),
    ),
)
_SIGNED = re.compile(rf"(?i){_FLUX}$")
_OBJECT = re.compile(
    r"\b(?P<kind>Deployment|StatefulSet|DaemonSet)/(?P<namespace>[a-z0-9][-a-z0-9]{0,62})/(?P<name>[a-z0-9][-a-z0-9.]{0,251})\b"
)


def _waited_for(draft: Draft) -> None:
    """Flux says which object it waited for, as ``Kind/namespace/name``: where it is only one, it is what is ill.

    What kind of trouble it is stands in free text; the colour alone tells an error from a notice.
    """
    if not draft.alertname and draft.card.color == "danger" and _SIGNED.match(draft.card.author):
        draft.alertname, draft.status = "ReconciliationFailed", "firing"
    said = "\n".join([draft.heading.text, *draft.prose, draft.summary, draft.description])[:4_000]
    found = {m.groups() for m in _OBJECT.finditer(said)}
    if len(found) == 1:
        kind, namespace, name = found.pop()
        draft.labels.setdefault("namespace", namespace)
        draft.labels.setdefault(kind.lower(), name)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts, _waited_for)
