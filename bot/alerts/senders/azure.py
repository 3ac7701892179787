"""Azure Monitor: ``Fired:Sev1 Azure Monitor Alert name on resource``, or the common schema's fields."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "azure",
    names="azure(?: monitor)?",
    links=r"portal\.azure\.com/",
    words=r"azure monitor alert|monitor condition",
    forms=(
        form(
            r"(?P<status>fired|resolved)\s*:\s*(?P<severity>sev\s?\d)\s*azure monitor alert\s+(?P<name>.+?)(?:\s+on\s+.*)?$"
        ),
        form(r"alert rule(?: name)?:\s*(?P<name>.{2,200})$"),
    ),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
