"""SigNoz: Alertmanager's machinery with rules that carry names with spaces, dotted labels and links back to the rule.

Its default channel template writes ``[FIRING:1] <name> for  (alertname="...", service.name="...")`` above ``*Details:*``; custom templates
put one attachment an alert below a title. A rule without data is named ``[No data] <name>``; a test notification carries ``testalert``.
"""

import re

from bot.alerts.build import build
from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.model import Alert
from bot.alerts.senders import general

_MINE = re.compile(
    r"(?i)ruleSource|ruleId=\"|/alerts/(?:overview|edit|history)\?[^\s]{0,200}ruleId=|\*?RelatedLogs:|\*?RelatedTraces:"
)
_RULE_ID = re.compile(r"ruleId=([0-9A-Za-z-]{1,64})")


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that SigNoz sent; ``None`` for all others."""
    marked = _MINE.search(f"{message.text[:20_000]}\n{message.addresses}")
    named = "signoz" in f"{message.username}\n{message.text[:20_000]}\n{message.addresses}".lower()
    if not marked and not (named and any(general.evidence(d) for d in drafts)):
        return None  # news about SigNoz are no alerts of it
    return build(map(corrected, drafts), "signoz")


def corrected(draft: Draft) -> Draft:
    """``draft`` with the rule's name without its ``[No data]`` and with the rule's id, where a link gives it."""
    name = draft.name
    if draft.heading.bracket == "no data":
        draft.labels.setdefault("nodata", "true")
    if name.lower().startswith("[no data]"):
        draft.alertname = name[9:].strip() or name
        draft.labels.setdefault("nodata", "true")
    link = next(
        (m for url in [draft.card.title_link, draft.labels.get("ruleSource", "")] if (m := _RULE_ID.search(url))), None
    )
    if link:
        draft.labels.setdefault("ruleId", link[1])
    return draft
