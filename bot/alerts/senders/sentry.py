"""Sentry: an issue (type and message, project in the context line) or a metric alert (``Critical: name``)."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "sentry",
    names="sentry",
    links=r"(?:[a-z0-9-]+\.)?sentry\.(?:io|[a-z0-9.-]+)/(?:organizations/[^/\s]+/)?(?:issues|alerts)/",
    forms=(
        form(r"(?P<severity>critical|warning):\s*(?P<name>.{2,200})$", status="firing"),
        form(r"(?P<name>(?:cron failure|uptime (?:check|monitor)|downtime detected)\b.{2,150})$", status="firing"),
        form(r"(?P<status>resolved):\s*(?P<name>.{2,200})$"),
        form(
            r"\[(?P<service>[\w.-]{1,80})\]\s*(?P<name>[A-Za-z_][\w.]{0,120}(?:Error|Exception|Warning|Timeout))\b.*$",
            status="firing",
        ),
        form(r"(?P<name>[A-Za-z_][\w.]{2,120}(?:Error|Exception|Timeout|Fault|Panic))(?::.*)?$", status="firing"),
    ),
)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts)
