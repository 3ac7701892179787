"""Gatus: ``An alert for *group/endpoint* has been triggered due to having failed 3 time(s) in a row``, below a title that teams choose."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "gatus",
    names="gatus",
    words=r"\ban alert for \S.{0,150} has been (?:triggered|resolved)\b",
    forms=(form(r"an alert for\W{1,3}(?P<name>\S.{0,150}?)\W{1,3}has been (?P<status>triggered|resolved)\b"),),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
