"""Robusta: a headline with status and severity above the title, labels in an attachment.

The headline names who found it (``Prometheus Alert Firing``, ``K8s event detected``); its newer template opens with ``[Firing] title`` and
gives the object as ``Resource: pod/namespace/name``.
"""

import re

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, fill, form
from bot.alerts.markup import undecorate
from bot.alerts.model import Alert

_SEVERITY = r"(?P<severity>critical|high|medium|low|info|debug)"
_CRASH = r"crashing pod (?P<pod>[a-z0-9][-a-z0-9.]{0,251}) in namespace (?P<namespace>[a-z0-9][-a-z0-9]{0,62})\b"
SENDER = Sender(
    "robusta",
    names="robusta",
    links=r"platform\.robusta\.dev/",
    words=r"\bprometheus alert firing\b|\bprometheus resolved\W{1,20}(?:critical|high|medium|low|info|debug)\b|\bk8s event detected\b",
    forms=(
        form(rf"(?:prometheus )?(?:alert )?(?P<status>firing|resolved)\W{{1,20}}{_SEVERITY}$"),
        form(rf"k8s event detected\W{{1,20}}{_SEVERITY}$", status="firing"),
        form(rf"(?:alert )?(?P<status>firing|resolved)\W{{1,20}}{_SEVERITY}\W{{1,20}}(?P<name>.{{2,200}})$"),
        form(rf"{_CRASH}(?:\W{{1,20}}{_SEVERITY})?", status="firing", name="Crashing pod"),
        form(rf"{_SEVERITY}\W{{1,20}}(?P<name>.{{2,200}})$", status="firing"),
    ),
)


_TITLED = re.compile(
    r"(?i)(?:alert firing|prometheus resolved|k8s event detected)\b.{0,40}\n+\W{0,8}(?P<title>[^\n]{2,200})"
)
_CRASHING = form(_CRASH)


def _placed(draft: Draft) -> None:
    """The title below the headline, and ``Source: cluster/namespace/pod/name``; shorter paths do not tell which part is which."""
    if not draft.labels.get("alertname"):
        below = _TITLED.search("\n".join(filter(None, (draft.card.title, draft.card.text)))[:1_000])
        title = undecorate(below["title"]) if below else ""
        crash = _CRASHING.pattern.match(title)
        if crash:
            fill(draft, _CRASHING, crash)
        draft.alertname = "Crashing pod" if crash else title or draft.alertname
    parts = draft.labels.get("source", "").split("/")
    if len(parts) == 4 and parts[2].lower() in ("pod", "deployment", "statefulset", "daemonset", "job"):
        draft.labels.setdefault("namespace", parts[1])
        draft.labels.setdefault("job_name" if parts[2].lower() == "job" else parts[2].lower(), parts[3])


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts, _placed)
