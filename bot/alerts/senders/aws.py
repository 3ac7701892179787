"""AWS by way of its chat bot: CloudWatch alarms, GuardDuty findings, Health events, each a headline with region and account."""

import re

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

_WHERE = r"\s*\|\s*(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\b.*$"
_NOW = r"(?:state )?is now\W{1,3}(?P<status>ALARM|OK)\b"
_FINDING = form(r"finding type:\s*(?P<name>[A-Za-z]+:[A-Za-z0-9]+/[\w.!-]{3,120})", status="firing")
SENDER = Sender(
    "aws",
    names="aws chatbot|amazon q|aws|aws notifications?|guardduty|cloudwatch",
    links=r"(?:[a-z0-9-]+\.)?console\.aws\.amazon\.com/",
    words=r"\b(?:CloudWatch Alarm|GuardDuty Finding|AWS Health Event)\s*\||\bis now\W{1,3}(?:ALARM|OK|INSUFFICIENT_DATA)\b",
    forms=(
        form(rf"cloudwatch alarm\s*\|\s*(?P<name>[^|\n]{{1,255}}?){_WHERE}"),
        form(rf"(?:alert|alarm|ok)?\W{{0,3}}(?:alarm\W{{1,3}})?(?P<name>[^\s*]{{1,255}})\W{{1,3}}{_NOW}"),
        form(r"alarm name:\s*(?P<name>.{1,255})$"),
        _FINDING,
        form(r"event type(?: code)?:\s*(?P<name>AWS_[A-Z0-9_]{3,120})", status="firing"),
        form(r"aws cloudwatch notification\s*[–-]\s*(?P<name>.{2,200})$"),
    ),
)


def _stated(draft: Draft) -> None:
    """The state of an alarm stands in a sentence or a field below the headline."""
    said = "\n".join([draft.heading.text, *draft.prose, draft.summary, draft.description])[:4_000]
    state = draft.labels.get("state", "") or draft.labels.get("current_state", "")
    if (
        re.search(r"(?i)\bstate (?:changed )?(?:to|is)\s+OK\b|\bis in (?:the )?OK\b|\bALARM\W{1,4}OK\b", said)
        or state == "OK"
    ):
        draft.status = "resolved"
    elif re.search(r"\bALARM\b|Threshold Crossed", said):
        draft.status = draft.status or "firing"


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts, _stated)
