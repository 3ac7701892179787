"""Google Cloud Monitoring: ``Alert firing`` with policy and condition, or ``[ALERT] condition for project``."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "gcp",
    names="google cloud(?: monitoring)?|stackdriver",
    links=r"console\.cloud\.google\.com/(?:monitoring|alerting)",
    forms=(
        form(r"alert (?P<status>firing|resolved|recovered|opened|closed)\b\s*[:–-]\s*(?P<name>.{2,200})$"),
        form(r"\[(?P<status>alert|resolved)[^\]\n]{0,30}\]\s*(?P<name>.{2,200}?)(?:\s+(?:on|for)\s+\S.*)?$"),
        form(r"polic(?:y|y name):\s*(?P<name>.{2,200})$"),
    ),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
