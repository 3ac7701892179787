"""Webhooks of products: each to an alert whose names come from the sender's own fields."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.alerts.parse import parse

ALARM = {
    "AlarmName": "ledger-5xx",
    "NewStateValue": "ALARM",
    "NewStateReason": "Threshold Crossed",
    "StateChangeTime": "2026-11-22T18:00:00.000+0000",
    "Trigger": {"Dimensions": [{"name": "LoadBalancer", "value": "app/ledger"}]},
}
INCIDENT = {
    "policy_name": "Errors of ledger",
    "state": "open",
    "severity": "Critical",
    "started_at": 1795334400,
    "resource": {"labels": {"namespace_name": "ledger", "pod_name": "ledger-api-0"}},
}
ESSENTIALS = {
    "alertRule": "ledger-cpu",
    "severity": "Sev1",
    "monitorCondition": "Fired",
    "firedDateTime": "2026-11-22T18:00:00Z",
}
OPSGENIE = {"alertId": "a", "message": "HighErrorRate", "priority": "P1", "tags": ["namespace:ledger"]}
PAGERDUTY = {
    "title": "HighErrorRate",
    "urgency": "high",
    "service": {"summary": "ledger-api"},
    "created_at": "2026-11-22T18:00:00Z",
}


def bridge(kind: str, **detail: Any) -> dict[str, Any]:
    return {"detail-type": kind, "region": "eu-west-1", "time": "2026-11-22T18:00:00Z", "detail": detail}


CASES: list[tuple[dict[str, Any], tuple[str, str, str, str | None, str]]] = [
    (ALARM, ("aws", "ledger-5xx", "firing", None, "")),
    ({**ALARM, "NewStateValue": "OK"}, ("aws", "ledger-5xx", "resolved", None, "")),
    ({"Type": "Notification", "Message": json.dumps(ALARM)}, ("aws", "ledger-5xx", "firing", None, "")),
    (
        bridge("CloudWatch Alarm State Change", alarmName="ledger-5xx", state={"value": "ALARM"}),
        ("aws", "ledger-5xx", "firing", None, ""),
    ),
    (
        bridge("GuardDuty Finding", type="Recon:EC2/Portscan", severity=8),
        ("aws", "Recon:EC2/Portscan", "firing", "critical", ""),
    ),
    (
        bridge("AWS Health Event", eventTypeCode="AWS_EC2_ISSUE", eventTypeCategory="issue", statusCode="open"),
        ("aws", "AWS_EC2_ISSUE", "firing", None, ""),
    ),
    ({"incident": INCIDENT, "version": "1.2"}, ("gcp", "Errors of ledger", "firing", "critical", "ledger")),
    ({"incident": {**INCIDENT, "state": "closed"}}, ("gcp", "Errors of ledger", "resolved", "critical", "ledger")),
    (
        {"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": ESSENTIALS}},
        ("azure", "ledger-cpu", "firing", "critical", ""),
    ),
    ({"action": "Create", "alert": OPSGENIE}, ("opsgenie", "HighErrorRate", "firing", "critical", "ledger")),
    ({"action": "Close", "alert": OPSGENIE}, ("opsgenie", "HighErrorRate", "resolved", "critical", "ledger")),
    (
        {"event": {"event_type": "incident.triggered", "data": PAGERDUTY}},
        ("pagerduty", "HighErrorRate", "firing", "critical", ""),
    ),
    (
        {
            "alert_title": "Errors",
            "alert_transition": "Triggered",
            "tags": "kube_namespace:ledger,env:prod",
            "priority": "P2",
        },
        ("datadog", "Errors", "firing", "warning", "ledger"),
    ),
    (
        {"data": {"event": {"title": "ConnectionError", "level": "error"}, "triggered_rule": "many"}},
        ("sentry", "ConnectionError", "firing", "critical", ""),
    ),
    (
        {"action": "resolved", "data": {"metric_alert": {"alert_rule": {"name": "Errors"}}}},
        ("sentry", "Errors", "resolved", None, ""),
    ),
    (
        {
            "issueUrl": "https://x.example/1",
            "state": "ACTIVATED",
            "priority": "CRITICAL",
            "alertConditionNames": ["Errors"],
        },
        ("newrelic", "Errors", "firing", "critical", ""),
    ),
    ({"ruleId": 1, "ruleName": "Errors", "state": "alerting", "tags": {}}, ("grafana", "Errors", "firing", None, "")),
]


@pytest.mark.parametrize(("payload", "expected"), CASES)
def test_a_products_webhook(payload: dict[str, Any], expected: tuple[str, ...]) -> None:
    read = parse(payload)
    (alert,) = read.alerts
    assert read.is_alert
    assert (read.source, alert.name, alert.status, alert.severity, alert.namespace) == expected


@pytest.mark.parametrize(
    "payload",
    [
        {"action": "Acknowledge", "alert": OPSGENIE},
        {"event": {"event_type": "incident.annotated", "data": PAGERDUTY}},
        {"ruleId": 1, "ruleName": "Errors", "state": "paused"},
        bridge("AWS Health Event", eventTypeCode="AWS_RDS_UPGRADE", eventTypeCategory="scheduledChange"),
    ],
)
def test_a_note_about_handling_starts_nothing(payload: dict[str, Any]) -> None:
    read = parse(payload)
    assert not read.is_alert
    assert "handling" in read.reason


_KEYS = [
    "incident",
    "alert",
    "event",
    "data",
    "essentials",
    "detail",
    "state",
    "policy_name",
    "tags",
    "message",
    "alertId",
    "action",
    "title",
    "Type",
    "Message",
    "AlarmName",
]


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([payload for payload, _ in CASES]),
    st.dictionaries(
        st.sampled_from(_KEYS),
        st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=2)),
        max_size=4,
    ),
)
def test_broken_parts_are_survived(payload: dict[str, Any], broken: dict[str, Any]) -> None:
    json.dumps(parse({**payload, **broken}).model_dump(mode="json"))
    for key, value in payload.items():
        if isinstance(value, dict):
            parse({**payload, key: {**value, **broken}})
