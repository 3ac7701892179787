"""Rollbar: ``[environment] New Error: #482 message``; a reactivated item is an alert, a resolved one its end."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "rollbar",
    names="rollbar",
    links=r"(?:app\.)?rollbar\.com/",
    forms=(
        form(
            r"(?:\[(?P<environment>[\w -]{1,60})\]\s*)?(?:new|reactivated|reopened|\d+(?:st|nd|rd|th)|high occurrence rate)\s+"
            r"(?P<severity>error|critical|warning|item)?\s*:?\s*#\d{1,9}:?\s+(?P<name>.{2,200})$",
            status="firing",
        ),
        form(r"(?:\[[\w -]{1,60}\]\s*)?(?P<status>resolved)(?: \w{4,10})?\s*:?\s*#\d{1,9}:?\s+(?P<name>.{2,200})$"),
    ),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
