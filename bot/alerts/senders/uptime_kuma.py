"""Uptime Kuma: ``[monitor] [🔴 Down] reason``."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "uptime-kuma",
    names="uptime ?kuma",
    words=r"\[\W{0,4}(?:down|up)\]|uptime kuma alert",
    forms=(
        form(r"(?:message:\s*)?\[(?P<name>[^\[\]\n]{1,150})\]\s*\[\W{0,4}(?P<status>down|up)\]"),
        form(r"(?:your service\s+)?(?P<name>[^\[\]\n:]{1,150}?)\s+went (?P<status>down|up)\b"),
    ),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
