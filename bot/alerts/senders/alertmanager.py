"""Alertmanager, whatever the template: the default title (label values without names), the community's ``*Details:*`` and own ones.

All of them keep a status mark somewhere, at least in the notification's fallback (``[FIRING:2]``), or the link to Alertmanager.
"""

import re

from bot.alerts.build import build
from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.model import Alert
from bot.alerts.senders import general

_LINK = re.compile(r"/#/alerts\?|/#/silences/new")
_NAMES = frozenset(
    {"alertmanager", "prometheus", "prom", "vmalert", "prometheus alertmanager", "thanos", "mimir", "cortex"}
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that Alertmanager sent; ``None`` for all others."""
    marked = any(d.heading.bracket in ("firing", "resolved") for d in drafts)
    counted = any(d.heading.firing is not None or d.heading.resolved is not None for d in drafts)
    linked = bool(_LINK.search(message.addresses))
    if not (
        marked
        or counted
        or (linked and any(d.keyed or d.heading.strong for d in drafts))
        or (message.username.lower() in _NAMES and any(general.evidence(d) for d in drafts))
    ):
        return None
    return build(drafts, "alertmanager")
