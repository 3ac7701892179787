"""Opsgenie: ``#482: [Integration] title`` with priority, tags and teams as fields."""

from bot.alerts.drafts import Draft, says_over
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "opsgenie",
    names="opsgenie",
    links=r"(?:[a-z0-9-]+\.app(?:\.eu)?\.opsgenie\.com/alert|opsg\.in/a/)",
    forms=(
        form(
            r"(?:new alert:?\s*)?\[?#\d{1,9}\]?\s*:\s*(?:\[(?!P\d\])[\w .-]{2,40}\]:?\s*)?(?P<name>.{2,200})$",
            status="firing",
        ),
        form(
            r"(?:alert )?(?P<status>closed|resolved)(?: alert)?:?\s*\[?#\d{1,9}\]?\s*:\s*"
            r"(?:\[(?!P\d\])[\w .-]{2,40}\]:?\s*)?(?P<name>.{2,200})$"
        ),
    ),
)


def _over(draft: Draft) -> None:
    """A line above the title says what became of the alert."""
    if says_over(draft.card.pretext):
        draft.status = "resolved"


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts, _over)
