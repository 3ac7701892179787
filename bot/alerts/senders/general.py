"""Everybody else: templates that teams wrote themselves, and monitoring systems without a module of their own.

Conservative: a message is an alert only where it says so, by a mark, by an alert's name, or by a severity beside a name. What only might be
an alert is left alone, because an investigation nobody asked for is noise in an incident.
"""

import re

from bot.alerts.build import build
from bot.alerts.drafts import Draft, is_rule
from bot.alerts.flatten import Message
from bot.alerts.model import Alert
from bot.alerts.words import level_of, listed

# Status words that also open or end sentences about other things: no evidence on their own.
_WEAK = listed("open opened closed ok up normal active activated cleared inactive healthy error info active restored")
# Signs that people put before what is wrong, and before little else; they count only beside a rule's name.
_ALARM = re.compile(
    r"^[\s*_`]{0,6}(?::(?:rotating_light|red_circle|fire|alert|alarm|bangbang|no_entry|sos|siren):|[🚨🔴🔥🆘⛔])"
)
_TAILS = listed("down unhealthy failing critical firing alerting triggered")


def parse(_message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that says it is one; ``None`` for all others."""
    return build((_named(draft) for draft in drafts if evidence(draft)), "general") or None


def _opens_with_rule(draft: Draft) -> bool:
    return is_rule(draft.heading.name.split(" ", 1)[0])


def _named(draft: Draft) -> Draft:
    """``draft`` with the rule alone as its name where a sentence follows it: ``🔴 HighErrorRate in ledger``."""
    first, space, _ = draft.heading.name.partition(" ")
    if (
        space
        and not draft.heading.strong
        and not draft.alertname
        and is_rule(first)
        and _ALARM.match(draft.card.title or draft.card.text)
    ):
        draft.alertname = first
        draft.summary = draft.summary or draft.heading.text
    return draft


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
    if _ALARM.match(draft.card.title or draft.card.text) and _opens_with_rule(draft):
        return "it opens with an alarm's sign and the name of a rule"
    if draft.heading.severity_word and level in ("critical", "warning") and draft.heading.name != draft.heading.text:
        return "it opens with a severity"
    return ""
