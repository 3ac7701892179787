"""Splunk On-Call (VictorOps): ``Incident #482 CRITICAL: entity``."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "splunk-on-call",
    names="splunk on-?call|victorops",
    links=r"portal\.victorops\.com/",
    forms=(
        form(
            r"(?:incident )?#?\d{1,9}\s*:?\s*(?P<severity>critical|warning|info)\s*:\s*(?P<name>.{2,200})$",
            status="firing",
        ),
        form(r"(?:incident )?#?\d{1,9}\s*:?\s*(?P<status>recovery|resolved)\s*:\s*(?P<name>.{2,200})$"),
    ),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
