"""StatusCake: ``name | Down``, ``Your site name went down``."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "statuscake",
    names="status ?cake",
    links=r"app\.statuscake\.com/",
    forms=(
        form(r"(?P<name>[^|\n]{2,150}?)\s*[|–-]\s*(?P<status>down|up)\b"),
        form(r"(?:your (?:site|test)\W{1,3})?(?P<name>.{2,150}?)\W{0,3} (?:went|is|is back) (?P<status>down|up)\b"),
    ),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
