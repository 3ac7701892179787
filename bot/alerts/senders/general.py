"""Everybody else: templates that teams wrote themselves, and monitoring systems without a module of their own.

Conservative: a message is an alert only where it says so, by a mark, by an alert's name, or by a severity beside a name. What only might be
an alert is left alone, because an investigation nobody asked for is noise in an incident.
"""

from bot.alerts.build import build
from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.model import Alert
from bot.alerts.words import level_of, listed

# Status words that also open or end sentences about other things: no evidence on their own.
_WEAK = listed("open opened closed ok up normal active activated cleared inactive healthy error info active restored")
_TAILS = listed("down unhealthy failing critical firing alerting triggered")


def parse(_message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that says it is one; ``None`` for all others."""
    return build((draft for draft in drafts if evidence(draft)), "general") or None


def evidence(draft: Draft) -> str:
    """Why ``draft`` is an alert, in a few words; "" when nothing says so."""
    level = level_of(draft.severity_word) if draft.severity_word else None
    if draft.alertname:
        return "it names a rule"
    if draft.heading.strong:
        return "it opens with an alert's mark"
    if level and draft.named and (draft.labels or draft.status):
        return "it gives a name and a severity"
    if level and draft.status:
        return "it gives a status and a severity"
    if (
        "severity" in draft.labels
        and level
        and (draft.heading.text or draft.summary or draft.description or len(draft.labels) > 1)
    ):
        return "it gives a severity beside other fields"
    if draft.status and draft.named:
        return "it gives a name and a status"
    if draft.heading.lead and draft.heading.status and draft.heading.lead not in _WEAK:
        return "it opens with a status"
    if draft.heading.tail in _TAILS:
        return "it ends with a status"
    if draft.heading.severity_word and level in ("critical", "warning") and draft.heading.name != draft.heading.text:
        return "it opens with a severity"
    return ""
