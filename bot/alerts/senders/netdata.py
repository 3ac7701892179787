"""Netdata: ``host is critical, `chart` (_family_), *alarm = 97%*``."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

_REST = r",\s*(?P<chart>[\w.\-/:]{1,120})\s*\((?P<family>[^()\n]{0,120})\),\s*(?P<name>[^=\n]{2,120}?)(?:\s*=.*)?$"
_HOST = r"(?P<host>[\w.\-]{1,120})"
SENDER = Sender(
    "netdata",
    names="netdata",
    links=r"app\.netdata\.cloud/",
    forms=(
        form(rf"{_HOST} is (?P<severity>critical){_REST}", status="firing"),
        form(rf"{_HOST} needs attention{_REST}", status="firing", severity="warning"),
        form(rf"{_HOST} (?P<status>recovered){_REST}"),
    ),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
