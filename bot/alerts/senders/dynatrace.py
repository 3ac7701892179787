"""Dynatrace: ``OPEN Problem P-2611: title``, ``RESOLVED Problem P-2611: title``."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

SENDER = Sender(
    "dynatrace",
    names="dynatrace",
    links=r"[a-z0-9.-]+\.(?:live|apps|sprint)?\.?dynatrace\.com/",
    words=r"\bproblem P-\d{3,12}\b",
    forms=(
        form(r"(?P<status>open|resolved)\s*:?\s*(?:problem\s*)?\(?P-\d{1,12}\)?\s*:?\s*(?P<name>\S.{1,200})$"),
        form(r"problem P-\d{1,12}\s*:\s*(?P<name>\S.{1,200})$"),
        form(r"problem P-\d{1,12}\s*:?\s*(?P<name>\S.{1,200}?) (?:is )?(?P<status>open|resolved)$"),
    ),
)


def _kind(draft: Draft) -> None:
    """Dynatrace's word for how bad it is stands in a field of its own."""
    draft.severity_word = {
        "availability": "critical",
        "error": "critical",
        "performance": "warning",
        "resource_contention": "warning",
    }.get(draft.labels.get("problem_severity", "").lower(), draft.severity_word)


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts, _kind)
