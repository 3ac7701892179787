"""Pingdom: ``name is DOWN``, ``name is UP``."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "pingdom",
    names="pingdom|solarwinds",
    links=r"my\.pingdom\.com/",
    forms=(form(r"(?:(?:up|down)\s*:\s*)?(?P<name>.{2,150}?)\s+(?:is|went|\()\s*(?P<status>down|up)\b"),),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
