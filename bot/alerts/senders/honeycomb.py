"""Honeycomb: ``Triggered: name``, ``Resolved: name``, and budgets that burn."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "honeycomb",
    names="honeycomb",
    links=r"ui\.(?:eu1\.)?honeycomb\.io/",
    forms=(
        form(r"(?P<status>triggered|resolved|burn alert triggered)\s*:\s*(?P<name>.{2,200})$"),
        form(r"burn alert\s*:\s*(?P<name>.{2,200})$", status="firing"),
    ),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
