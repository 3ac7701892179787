"""ElastAlert: the rule's name as title, and when how many events matched."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "elastalert",
    names="elast ?alert2?",
    words=r"\bat least \d+ events? occurred between\b|\bnum_matches:\s*\d",
    forms=(form(r"(?P<name>\S.{1,200})$", status="firing"),),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    titled = any(card.title and not card.own for card in message.cards)
    return SENDER.parse(message, drafts) if titled or SENDER.said(message) else None
