"""Datadog: ``Triggered: [P2] name``, ``[Warn on {tag:value}] name``, tags as one field."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

_WORD = r"(?P<status>re-?triggered|triggered|recovered|resolved|no data)"
_ON = r"(?: on \{[^{}\n]{0,300}\})?"
SENDER = Sender(
    "datadog",
    names="datadog",
    links=r"[a-z0-9.-]*(?:datadoghq\.(?:com|eu)|ddog-gov\.com)/(?:monitors|event)",
    forms=(
        form(rf"\[(?P<severity>warn)(?:ed|ing)?{_ON}\]\s*(?:\[P\d\]\s*)?(?P<name>.{{2,200}})$", status="firing"),
        form(rf"{_WORD}{_ON}:\s*\[(?P<severity>P\d)\]\s*(?P<name>[^\[].{{1,200}})$"),
        form(rf"\[(?P<severity>P\d)\]\s*\[{_WORD}{_ON}\]\s*(?P<name>.{{2,200}})$"),
        form(rf"\w[\w -]{{2,20}}:\s*\[{_WORD}{_ON}\]\s*(?P<name>[^\[].{{1,200}})$"),
        form(rf"\[{_WORD}{_ON}\]\s*\[(?P<severity>P\d)\]\s*(?P<name>.{{2,200}})$"),
        form(r"(?P<severity>warn)(?:ing|ed)?:\s*(?:\[P\d\]\s*)?(?P<name>.{2,200})$", status="firing"),
    ),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
