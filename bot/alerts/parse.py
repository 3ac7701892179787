"""The front door: any JSON that claims to be a message or a webhook to `Parsed`. Never raises, never guesses, ends in bounded time."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from bot.alerts import gate, webhook
from bot.alerts.flatten import Message, flatten
from bot.alerts.model import Alert, Parsed
from bot.alerts.reading import read_message
from bot.alerts.senders import (
    alertmanager,
    aws,
    azure,
    better_stack,
    botkube,
    checkly,
    datadog,
    dynatrace,
    elastalert,
    gatus,
    gcp,
    general,
    gitops,
    grafana,
    honeycomb,
    incident_io,
    nagios,
    netdata,
    newrelic,
    opsgenie,
    pagerduty,
    pingdom,
    robusta,
    rollbar,
    sentry,
    signoz,
    splunk_on_call,
    statuscake,
    uptime_kuma,
    zabbix,
)

# In this order: Alertmanager's machinery first, because its marks are the surest; products by their own marks; then everybody else.
# Robusta passes Alertmanager's alerts on, in a shape of its own.
_MACHINERY = (("signoz", signoz), ("grafana", grafana), ("robusta", robusta), ("alertmanager", alertmanager))
_PRODUCTS = (
    pagerduty, opsgenie, incident_io, splunk_on_call, datadog, newrelic, sentry, aws, azure, gcp, botkube, zabbix, netdata,
    uptime_kuma, gatus, elastalert, checkly, pingdom, statuscake, better_stack, rollbar, honeycomb, dynatrace, nagios, gitops,
)  # fmt: skip
_SENDERS = (
    *_MACHINERY,
    *((product.SENDER.source, product) for product in _PRODUCTS),
    ("general", general),
)

EDIT = "an edit of a message starts nothing"


def parse(message: Mapping[str, Any], *, own_bot_ids: Collection[str] = frozenset(), own_app_id: str = "") -> Parsed:
    """What ``message`` holds: a Slack message, a message event, an Events API envelope, a webhook, or an `Alert` as JSON.

    ``is_alert`` is false, with the reason, for all that must start nothing; an edited message keeps its alerts then, so that a resolved
    alert can be noted. ``is_alert`` with no alerts means: a sender's mark is there, but no name could be read. A message whose alerts are
    all resolved is an alert message; `bot.alerts.gate.startable` says what may be investigated.
    """
    read = webhook.parse(message)
    if read is not None:
        return read
    flat = flatten(message)
    reason = gate.closed(flat, own_bot_ids, own_app_id)
    if reason:
        return Parsed(is_alert=False, reason=reason)
    reason = gate.notice(flat)
    if reason:
        return Parsed(is_alert=False, reason=reason)
    pasted = _pasted(flat)
    if pasted is not None:
        return pasted if not flat.edited else pasted.model_copy(update={"is_alert": False, "reason": EDIT})
    source, alerts = _senders(flat)
    if source and flat.edited:
        return Parsed(is_alert=False, source=source, alerts=alerts, reason=EDIT)
    if not source:
        return Parsed(is_alert=False, reason="nothing in it says that it is an alert")
    if not alerts:
        return Parsed(is_alert=True, source=source, reason="it carries an alert's mark, but no name could be read")
    idle = [gate.idle(a) for a in alerts if a.status == "firing"]
    return Parsed(is_alert=True, source=source, alerts=alerts, reason=idle[0] if idle and all(idle) else "")


def _senders(message: Message) -> tuple[str, tuple[Alert, ...]]:
    drafts = read_message(message)
    for name, sender in _SENDERS:
        alerts = sender.parse(message, drafts)
        if alerts is not None:
            return name, tuple(alerts)
    return "", ()


def _pasted(message: Message) -> Parsed | None:
    """A webhook that a script posted as the message's text."""
    text = message.cards[0].text.strip().strip("`").strip() if len(message.cards) == 1 else ""
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(payload, dict):
        return None
    return webhook.parse({"labels": payload} if "alertname" in payload else payload)
