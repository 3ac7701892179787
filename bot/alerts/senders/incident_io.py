"""incident.io: alerts with a priority, and incidents that were declared (``INC-482 title``)."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "incident.io",
    names=r"incident\.io|incident io",
    links=r"app\.incident\.io/",
    forms=(
        form(
            r"(?:new incident:?\s*)?#?INC-\d{1,7}\b\s*[:–-]?\s*"
            r"(?!(?:was|is|has|update|moved|closed|now)\b)(?P<name>\S.{1,200})$",
            status="firing",
        ),
        form(r"alert (?P<status>firing|resolved)\s*[:–-]\s*(?P<name>.{2,200})$"),
    ),
)


def _settled(draft: Draft) -> None:
    """An incident's stages are words of its own; only those at the end mean that it is over."""
    stage = draft.labels.get("status", "").lower()
    if stage in ("closed", "resolved", "post-incident", "documenting", "reviewing", "canceled", "declined", "merged"):
        draft.status = "resolved"


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts, _settled)
