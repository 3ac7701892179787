"""Webhooks of products other than Alertmanager's kin: each to the same few parts, from its documented shape.

A payload is known by fields that only its sender writes. Names of labels are the sender's; what an alert is about is found by the same
rules as everywhere (`bot.alerts.subject`), so that nothing here decides what a pod is.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from bot.alerts.build import assemble, bounded
from bot.alerts.markup import add_link, unescape
from bot.alerts.model import Alert, Link, Parsed, Status
from bot.alerts.subject import find
from bot.alerts.times import from_unix, parse_time
from mcp_servers.common.untrusted import sanitise

_MAX = 8_000
_DONE = frozenset({"ok", "resolved", "closed", "close", "recovered", "incident.resolved"})
Reader = Callable[[Mapping[str, Any]], Alert | None]


def parse(payload: Mapping[str, Any]) -> Parsed | None:
    """What a product's webhook holds; ``None`` for everything else. Acknowledgements and the like are no alerts."""
    for source, reader in _READERS:
        alert = reader(payload)
        if alert is not None:
            if alert.labels.get("handling"):
                return Parsed(is_alert=False, source=source, reason="a note about an alert's handling, not an alert")
            return Parsed(is_alert=True, source=source, alerts=(alert,))
    return None


def _opsgenie(payload: Mapping[str, Any]) -> Alert | None:
    alert = _map(payload, "alert")
    if not (payload.get("action") and alert.get("alertId") and alert.get("message")):
        return None
    labels = {**_flat(alert.get("details")), **_tags(alert.get("tags"))}
    action = _text(payload, "action").lower()
    if action not in ("create", "close", "escalatenext", "escalate"):
        labels["handling"] = action
    return _alert(
        "opsgenie", alert, name=_text(alert, "message"), done=action == "close", severity=_text(alert, "priority"),
        summary=_text(alert, "description"), labels=labels, began=alert.get("createdAt"),
    )  # fmt: skip


def _pagerduty(payload: Mapping[str, Any]) -> Alert | None:
    event = _map(payload, "event")
    data = _map(event, "data")
    kind = _text(event, "event_type")
    if not (kind.startswith("incident.") and data.get("title")):
        return None
    labels = {"service": _text(_map(data, "service"), "summary")}
    if kind not in ("incident.triggered", "incident.resolved", "incident.reopened"):
        labels["handling"] = kind
    return _alert(
        "pagerduty", data, name=_text(data, "title"), done=kind == "incident.resolved", labels=labels, began=data.get("created_at"),
        severity=_text(_map(data, "priority"), "summary") or _text(data, "urgency"), link=_text(data, "html_url"),
    )  # fmt: skip


def _datadog(payload: Mapping[str, Any]) -> Alert | None:
    kind = _text(payload, "alert_transition") or _text(payload, "transition")
    name = _text(payload, "alert_title") or _text(payload, "title") or _text(payload, "event_title")
    if not (kind and name):
        return None
    return _alert(
        "datadog", payload, name=name, done=kind.lower() in ("recovered", "resolved"), labels=_tags(payload.get("tags")),
        severity=_text(payload, "priority") or _text(payload, "alert_priority"), summary=_text(payload, "body"),
        began=payload.get("date"), link=_text(payload, "link"),
    )  # fmt: skip


def _sentry(payload: Mapping[str, Any]) -> Alert | None:
    data = _map(payload, "data")
    metric = _map(data, "metric_alert")
    if metric:
        name = _text(_map(metric, "alert_rule"), "name") or _text(data, "description_title")
        action = _text(payload, "action")
        return _alert(
            "sentry", metric, name=name, done=action == "resolved", severity=action if action in ("critical", "warning") else "",
            summary=_text(data, "description_text"), began=metric.get("date_started"), link=_text(data, "web_url"),
        )  # fmt: skip
    event = _map(data, "event")
    if not (event.get("issue_url") or data.get("triggered_rule")):
        return None
    return _alert(
        "sentry", event, name=_text(event, "title"), severity=_text(event, "level"), labels=_pairs(event.get("tags")),
        summary=_text(event, "culprit"), began=event.get("datetime"), link=_text(event, "web_url"),
    )  # fmt: skip


def _newrelic(payload: Mapping[str, Any]) -> Alert | None:
    state = _text(payload, "state") or _text(payload, "current_state")
    names = payload.get("alertConditionNames") or payload.get("condition_name")
    if not (state and names and (payload.get("issueUrl") or payload.get("incident_id") or payload.get("issueId"))):
        return None
    name = str(names[0]) if isinstance(names, list) else str(names)
    labels = {} if state.lower() not in ("acknowledged",) else {"handling": state.lower()}
    return _alert(
        "newrelic", payload, name=_text(payload, "title") or name, done=state.lower() in _DONE, labels=labels,
        severity=_text(payload, "priority") or _text(payload, "severity"), summary=_text(payload, "details"),
        began=payload.get("createdAt"), link=_text(payload, "issueUrl"),
    )  # fmt: skip


def _cloudwatch(payload: Mapping[str, Any]) -> Alert | None:
    if payload.get("Type") == "Notification" and isinstance(payload.get("Message"), str):
        try:
            inner = json.loads(payload["Message"][:200_000])
        except (ValueError, RecursionError):
            return None
        return _cloudwatch(inner) or _event_bridge(inner) if isinstance(inner, dict) and "Type" not in inner else None
    if not (payload.get("AlarmName") and payload.get("NewStateValue")):
        return None
    dimensions = _map(payload, "Trigger").get("Dimensions")
    labels = {"region": _text(payload, "Region"), "account": _text(payload, "AWSAccountId"), **_pairs(dimensions)}
    return _alert(
        "aws", payload, name=_text(payload, "AlarmName"), done=payload["NewStateValue"] == "OK", labels=labels,
        summary=_text(payload, "AlarmDescription") or _text(payload, "NewStateReason"),
        description=_text(payload, "NewStateReason"), began=payload.get("StateChangeTime"),
    )  # fmt: skip


def _event_bridge(payload: Mapping[str, Any]) -> Alert | None:
    kind, detail = _text(payload, "detail-type"), _map(payload, "detail")
    labels = {"region": _text(payload, "region"), "account": _text(payload, "account")}
    if kind == "CloudWatch Alarm State Change":
        state = _map(detail, "state")
        return _alert(
            "aws", payload, name=_text(detail, "alarmName"), done=state.get("value") == "OK", labels=labels,
            summary=_text(state, "reason"), began=payload.get("time"),
        )  # fmt: skip
    if kind == "GuardDuty Finding":
        score = detail.get("severity")
        level = (
            "" if not isinstance(score, int | float) else "high" if score >= 7 else "medium" if score >= 4 else "low"
        )
        return _alert(
            "aws", payload, name=_text(detail, "type"), severity=level, labels=labels, summary=_text(detail, "title"),
            description=_text(detail, "description"), began=payload.get("time"),
        )  # fmt: skip
    if kind == "AWS Health Event":
        if _text(detail, "eventTypeCategory") != "issue":
            labels["handling"] = _text(detail, "eventTypeCategory") or "notice"
        labels["aws_service"] = _text(detail, "service")
        return _alert(
            "aws", payload, name=_text(detail, "eventTypeCode"), done=_text(detail, "statusCode") == "closed", labels=labels,
            began=payload.get("time"),
        )  # fmt: skip
    return None


def _azure(payload: Mapping[str, Any]) -> Alert | None:
    essentials = _map(_map(payload, "data"), "essentials")
    if payload.get("schemaId") != "azureMonitorCommonAlertSchema" or not essentials:
        return None
    target = next(iter(_list(essentials.get("configurationItems"))), "")
    return _alert(
        "azure", payload, name=_text(essentials, "alertRule"), done=_text(essentials, "monitorCondition") == "Resolved",
        severity=_text(essentials, "severity"), summary=_text(essentials, "description"),
        labels={"resource": str(target)[:200]}, began=essentials.get("firedDateTime"),
    )  # fmt: skip


def _gcp(payload: Mapping[str, Any]) -> Alert | None:
    incident = _map(payload, "incident")
    if not (incident.get("policy_name") and incident.get("state")):
        return None
    return _alert(
        "gcp", incident, name=_text(incident, "policy_name"), done=_text(incident, "state").lower() in _DONE,
        severity=_text(incident, "severity"), summary=_text(incident, "summary"), began=incident.get("started_at"),
        labels={**_flat(_map(incident, "resource").get("labels")), "condition": _text(incident, "condition_name")},
        link=_text(incident, "url"),
    )  # fmt: skip


def _legacy_grafana(payload: Mapping[str, Any]) -> Alert | None:
    if not (payload.get("ruleName") and payload.get("state") and "ruleId" in payload):
        return None
    state = _text(payload, "state").lower()
    labels = _flat(payload.get("tags"))
    if state in ("paused", "pending"):
        labels["handling"] = state
    return _alert(
        "grafana", payload, name=_text(payload, "ruleName"), done=state == "ok", labels=labels,
        severity=labels.get("severity", ""), summary=_text(payload, "message"), link=_text(payload, "ruleUrl"),
    )  # fmt: skip


_READERS: tuple[tuple[str, Reader], ...] = (
    ("opsgenie", _opsgenie),
    ("pagerduty", _pagerduty),
    ("azure", _azure),
    ("gcp", _gcp),
    ("aws", _cloudwatch),
    ("aws", _event_bridge),
    ("grafana", _legacy_grafana),
    ("sentry", _sentry),
    ("newrelic", _newrelic),
    ("datadog", _datadog),
)


def _alert(
    source: str,
    raw: Mapping[str, Any],
    *,
    name: str,
    done: bool = False,
    severity: str = "",
    summary: str = "",
    description: str = "",
    labels: Mapping[str, str] | None = None,
    began: Any = None,
    link: str = "",
) -> Alert | None:
    if not name.strip():
        return None
    known = {k: v for k, v in (labels or {}).items() if v}
    links: list[Link] = []
    add_link(links, "Alert", link)
    status: Status = "resolved" if done else "firing"
    return assemble(
        source=source,
        name=name,
        status=status,
        severity_word=severity,
        summary=summary,
        description=description,
        labels=known,
        annotations={},
        values=(),
        starts_at=_time(began),
        ends_at=None,
        links=tuple(links),
        expr="",
        subject=find(known, [summary, description], name),
        raw=bounded(raw),
    )


def _time(value: Any) -> datetime | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return from_unix(value / 1000 if value > 1e11 else value)
    return parse_time(value) if isinstance(value, str) else None


def _map(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value[:100] if isinstance(value, list) else []


def _text(value: Mapping[str, Any], key: str) -> str:
    inner = value.get(key)
    return unescape(sanitise(inner[:_MAX])) if isinstance(inner, str) else ""


def _flat(value: Any) -> dict[str, str]:
    """Pairs whose values are texts."""
    if not isinstance(value, Mapping):
        return {}
    return {str(k)[:100]: unescape(sanitise(v[:1_000])) for k, v in list(value.items())[:80] if isinstance(v, str)}


def _tags(value: Any) -> dict[str, str]:
    """``["namespace:ledger", ...]`` or ``"namespace:ledger,env:prod"``; tags without a name are left out."""
    tags = value[:_MAX].split(",") if isinstance(value, str) else [t for t in _list(value) if isinstance(t, str)]
    pairs = (t[:1_000].strip().partition(":") for t in tags[:80])
    return {k: sanitise(v.strip()) for k, colon, v in pairs if colon and k and v}


def _pairs(value: Any) -> dict[str, str]:
    """``[{"name": "a", "value": "b"}]`` or ``[["a", "b"]]``."""
    out: dict[str, str] = {}
    for item in _list(value):
        if isinstance(item, Mapping):
            key, inner = item.get("name"), item.get("value")
        elif isinstance(item, list) and len(item) == 2:
            key, inner = item
        else:
            continue
        if isinstance(key, str) and isinstance(inner, str):
            out[key[:100]] = sanitise(inner[:1_000])
    return out
