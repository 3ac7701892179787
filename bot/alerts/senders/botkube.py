"""Botkube: a kind and a level as headline (``v1/pods error``), the object in fields. What was merely created is no trouble."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

_KIND = r"(?P<object>(?:[a-z0-9.]+/)?v\d\w*/[a-z]+)"
SENDER = Sender(
    "botkube",
    names="botkube",
    words=r"(?:^|\n)\W{0,8}(?:[a-z0-9.]{1,60}/)?v\d\w{0,8}/[a-z]{1,40} error\b",
    forms=(
        form(rf"{_KIND}\s+(?P<severity>error|warning)\b", status="firing"),
        form(
            r"(?P<object>pod|deployment|node|job|statefulset|daemonset) (?P<severity>error|warning)\b", status="firing"
        ),
    ),
)
_LEVELS = frozenset(["error", "warning", "info", "success", "normal"])
_KINDS = {
    "pod": "pod",
    "deployment": "deployment",
    "statefulset": "statefulset",
    "daemonset": "daemonset",
    "job": "job_name",
    "node": "node",
}


def _object(draft: Draft) -> None:
    """``Kind`` and ``Name`` together are the object; the reason is what happened."""
    name = draft.labels.get("name", "") or draft.named
    key = _KINDS.get(draft.labels.get("kind", "").lower(), "")
    if key and name:
        draft.labels.setdefault(key, name)
    kind_of_event = draft.labels.get("type", "")
    reason = draft.labels.get("reason", "") or (kind_of_event if kind_of_event.lower() not in _LEVELS else "")
    draft.alertname = reason or draft.alertname or draft.labels.get("object", "")


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts, _object)
