"""Checkly: ``name has failed``, ``name has recovered``, ``name is degraded``."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "checkly",
    names="checkly",
    links=r"app\.checklyhq\.com/",
    forms=(
        form(
            r"(?:your )?(?:check )?\W{0,3}(?P<name>.{2,150}?)\W{0,3} (?:has (?:failed|triggered)|is failing|is down)\b",
            status="firing",
        ),
        form(
            r"(?:your )?(?:check )?\W{0,3}(?P<name>.{2,150}?)\W{0,3} (?:is|has) degraded\b",
            status="firing",
            severity="warning",
        ),
        form(r"(?:your )?(?:check )?\W{0,3}(?P<name>.{2,150}?)\W{0,3} has recovered\b", status="resolved"),
    ),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
