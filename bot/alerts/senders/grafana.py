"""Grafana: unified alerting (lists of ``label = value`` below ``**Firing**``) and the legacy alerts (``[Alerting] name``).

The title may lack the name altogether (``[FIRING:1]  (val1)``); the list of labels is what counts. Legacy attachments carry the measured
series as fields, which are values and no labels.
"""

import re

from bot.alerts.build import build
from bot.alerts.drafts import Draft, is_rule
from bot.alerts.flatten import Message
from bot.alerts.model import Alert
from bot.alerts.senders import general
from bot.alerts.words import field_of

_MINE = re.compile(
    r"(?i)\bgrafana_folder\b|alerting/silence/new\?|/alerting/(?:list|grafana|groups)|^Grafana(?:\s+v[\d.]*)?\s*$|\bgrafana_state_reason\b",
    re.MULTILINE,
)
_LEGACY = frozenset({"alerting", "ok", "no data", "paused", "pending"})


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that Grafana sent; ``None`` for all others."""
    named = "grafana" in message.username.lower() or any(c.footer.lower().startswith("grafana") for c in message.cards)
    marked = any(d.heading.bracket == "alerting" for d in drafts)
    if not (named or marked or _MINE.search(f"{message.text[:20_000]}\n{message.addresses}")):
        return None
    said = [d for d in drafts if d.heading.strong or d.heading.bracket in _LEGACY or _named(d) or general.evidence(d)]
    return build(map(corrected, said), "grafana") if said else None  # a panel that somebody shared


def _named(draft: Draft) -> bool:
    """Whether it names a rule: by a label, or by a title in the colour that only firing alerts have."""
    return bool(draft.alertname) or (is_rule(draft.heading.name) and draft.card.color.lower() == "#d63232")


def corrected(draft: Draft) -> Draft:
    """``draft`` with a legacy alert's series moved out of the labels."""
    if draft.heading.bracket in _LEGACY:
        for title, value in draft.card.fields:
            key = next(
                (
                    k
                    for k in (title, re.sub(r"[^\w.\-/]+", "_", title.lower()).strip("_"))
                    if draft.labels.get(k) == value
                ),
                "",
            )
            if key and not field_of(title):
                draft.annotations.setdefault(title[:100], draft.labels.pop(key))
    return draft
