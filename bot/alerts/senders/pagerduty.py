"""PagerDuty: ``[#1234] title`` or ``Triggered #1234: title``, with service and urgency as fields."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "pagerduty",
    names="pagerduty",
    links=r"[a-z0-9-]+\.(?:eu\.)?pagerduty\.com/incidents/",
    forms=(
        form(r"(?:incident\s+)?(?P<status>triggered|resolved)\s*:?\s*\[?#\d{1,9}\]?\s*:?\s*(?P<name>.{2,200})$"),
        form(r"(?:incident\s+)?#\d{1,9}\s+(?P<status>triggered|resolved)\s*:?\s*(?P<name>.{2,200})$"),
        form(r"#\d{1,9}\s*:?\s+(?P<name>.{2,200})$"),
        form(r"\[#\d{1,9}\]\s*:?\s*(?P<name>.{2,200})$"),
    ),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
