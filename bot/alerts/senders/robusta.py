"""Robusta: a headline with status and severity, the source as ``cluster/namespace/kind/name``, labels in an attachment."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

_SEVERITY = r"(?P<severity>critical|high|medium|low|info|debug)"
SENDER = Sender(
    "robusta",
    names="robusta",
    links=r"platform\.robusta\.dev/",
    forms=(
        form(rf"(?:alert )?(?P<status>firing|resolved)\W{{1,20}}{_SEVERITY}\W{{1,20}}(?P<name>.{{2,200}})$"),
        form(
            r"crashing pod (?P<pod>[a-z0-9][-a-z0-9.]{0,251}) in namespace (?P<namespace>[a-z0-9][-a-z0-9]{0,62})\b"
            rf"(?:\W{{1,20}}{_SEVERITY})?",
            status="firing",
            name="Crashing pod",
        ),
        form(rf"{_SEVERITY}\W{{1,20}}(?P<name>.{{2,200}})$", status="firing"),
    ),
)


def _placed(draft: Draft) -> None:
    """``Source: cluster/namespace/pod/name`` where no label says it; shorter paths do not tell which part is which."""
    parts = draft.labels.get("source", "").split("/")
    if len(parts) == 4 and parts[2].lower() in ("pod", "deployment", "statefulset", "daemonset", "job"):
        draft.labels.setdefault("namespace", parts[1])
        draft.labels.setdefault("job_name" if parts[2].lower() == "job" else parts[2].lower(), parts[3])


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts, _placed)
