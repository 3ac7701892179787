"""New Relic: ``Critical priority issue is active`` above the title, or ``Incident #77 opened: condition``."""

import re

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.markup import undecorate
from bot.alerts.model import Alert

_HEAD = form(
    r"(?P<severity>critical|high|medium|low|warning) priority (?:issue|incident) (?:is |was )?"
    r"(?P<status>active|activated|opened|created|closed|resolved)\b(?:\s*[:–-]\s*(?P<name>\S.{1,200}))?"
)
SENDER = Sender(
    "newrelic",
    names="new ?relic",
    links=r"(?:[a-z0-9.-]+\.)?(?:newrelic\.com|nr1\.io)/",
    forms=(
        _HEAD,
        form(
            r"(?:incident|violation|issue) #?\d{1,12} (?P<status>opened|closed|resolved|open|activated):\s*(?P<name>.{2,200})$"
        ),
        form(r"(?:incident|violation|issue) (?P<status>opened|closed|activated|resolved):\s*(?P<name>.{2,200})$"),
    ),
)
_NOISE = re.compile(r"(?i)^(?:impacted entities|policy|condition|workflow|state)\b")


def _titled(draft: Draft) -> None:
    """The issue's title stands on the line below the headline."""
    if not draft.alertname:
        said = (undecorate(p) for p in (draft.summary, *draft.prose))
        draft.alertname = next((p for p in said if p and not _HEAD.pattern.match(p) and not _NOISE.match(p)), "")


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts, _titled)
