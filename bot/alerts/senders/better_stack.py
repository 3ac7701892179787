"""Better Stack: ``name is down``, or an incident that names its monitor and cause in fields."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "better-stack",
    names="better ?(?:stack|uptime)",
    links=r"(?:uptime\.)?better(?:stack|uptime)\.com/",
    forms=(
        form(r"(?P<name>.{2,150}?) is (?:back )?(?P<status>down|up)(?=\W*$|\s+(?:after|for|since|again)\b|\s*\()"),
        form(r"monitor:\s*(?P<name>.{2,150})$"),
        form(r"(?:new )?incident (?P<status>started|resolved)?\s*:\s*(?P<name>.{2,150})$"),
    ),
)


def _over(draft: Draft) -> None:
    """Whether a headline above the fields says that the incident is over."""
    if draft.status is None:
        said = " ".join([draft.heading.text, draft.summary])
        draft.status = "resolved" if "resolved" in said.lower() else "firing"


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts, _over)
