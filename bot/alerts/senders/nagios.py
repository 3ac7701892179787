"""Nagios, Icinga, Checkmk, Naemon: ``PROBLEM: host/service is CRITICAL`` and ``Service x on y is WARNING``."""

from bot.alerts.drafts import Draft
from bot.alerts.flatten import Message
from bot.alerts.forms import Sender, form
from bot.alerts.model import Alert

_BEFORE = r"(?:\[?\*{0,2}(?P<status>problem|recovery|critical|warning|ok|down|up)\*{0,2}\]?\s*:?\s*[–-]?\s*)?"
_STATE = r"(?P<state>CRITICAL|WARNING|UNKNOWN|OK|DOWN|UP|UNREACHABLE)\b"
_HOST = r"(?P<host>[\w.\-]{1,120})"
SENDER = Sender(
    "nagios",
    names="nagios|icinga ?2?|check_?mk|naemon|centreon|op5",
    words=r"\b(?:host|service) [^\n]{1,120} is (?:CRITICAL|WARNING|UNKNOWN|DOWN)\b"
    r"|\bhost: \S{1,120}\s{1,6}service: [^\n]{1,120}\s{1,6}state: (?:CRITICAL|WARNING|UNKNOWN|OK)\b",
    forms=(
        form(rf"{_BEFORE}service (?:alert\W{{1,3}})?(?P<name>[^\n/]{{1,120}}?) on {_HOST} is {_STATE}"),
        form(rf"{_BEFORE}(?:service (?:alert\W{{1,3}})?)?{_HOST}/(?P<name>[^\n/]{{1,120}}?) is {_STATE}"),
        form(rf"host: {_HOST} service: (?P<name>.{{1,120}}?) state: {_STATE}"),
        form(rf"(?:problem|recovery) - {_HOST} - (?P<name>.{{1,120}}?) is {_STATE}"),
        form(rf"{_BEFORE}host (?:alert\W{{1,3}})?{_HOST} is {_STATE}", name="{host}"),
    ),
)


_STATES = frozenset(["CRITICAL", "WARNING", "UNKNOWN", "OK", "DOWN", "UP", "UNREACHABLE"])
_HANDLING = frozenset(["acknowledgement", "downtimestart", "downtimeend", "downtimeremoved", "custom"])


def _state(draft: Draft) -> None:
    """The state is both status and severity; a host that is down has no check that could name the alert."""
    state = (draft.labels.get("state", "") or draft.stated).upper()
    host = draft.labels.get("host", "").partition(" (")[0]  # "db-3 (IP: 10.1.2.9)"
    if (
        state in _STATES
        and host
        and not draft.alertname
        and not draft.named
        and not _HANDLING.intersection(draft.labels)
    ):
        draft.alertname = draft.labels.get("service", "") or host
    if state in ("OK", "UP"):
        draft.status = "resolved"
    elif state:
        draft.status = "firing"
        draft.severity_word = "warning" if state in ("WARNING", "UNKNOWN") else "critical"
    if draft.labels.get("service") == draft.alertname:
        del draft.labels["service"]  # a check's name, no service that could be looked up


def parse(message: Message, drafts: list[Draft]) -> list[Alert] | None:
    """The alerts of a message that this product sent; ``None`` for all others."""
    return SENDER.parse(message, drafts, _state)
