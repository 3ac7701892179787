"""Zabbix: ``Problem: name``, ``Resolved in 5m: name``, host and severity as fields or lines."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "zabbix",
    names="zabbix",
    links=r"[^\s/]+/(?:zabbix/)?tr_events\.php",
    words=r"original problem id:",
    forms=(
        form(r"(?P<status>problem|resolved|recovery)(?:\s+(?:in|after)\s+[\ddhms ]{1,30})?\s*:\s*(?P<name>.{2,200})$"),
        form(r"problem name:\s*(?P<name>.{2,200})$"),
    ),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
