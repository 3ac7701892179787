"""Alerts as JSON: nothing is guessed, broken entries are left out one by one."""

from typing import Any

from bot.alerts.model import Alert
from bot.alerts.parse import parse


def webhook(*alerts: Any, **more: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "status": "firing",
        "receiver": "r",
        "alerts": list(alerts),
        "commonLabels": {},
        "groupLabels": {},
        **more,
    }


def entry(status: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "HighErrorRate", **labels},
        "annotations": {
            "summary": "Errors are high",
            "description": "5 % of all",
            "runbook_url": "https://runbooks.example/x",
        },
        "startsAt": "2026-11-22T07:52:24.632Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "https://prom.example/graph?g0.expr=x",
    }


def test_alertmanager() -> None:
    read = parse(webhook(entry("resolved", pod="a-0"), entry(namespace="ledger", pod="a-1", severity="page")))
    first, second = read.alerts
    assert read.source == "alertmanager"
    assert (first.status, first.namespace, first.pod, first.severity) == ("firing", "ledger", "a-1", "critical")
    assert (second.status, second.pod) == ("resolved", "a-0")
    assert first.starts_at is not None
    assert first.starts_at.isoformat() == "2026-11-22T07:52:24.632000+00:00"
    assert first.ends_at is None
    assert [link.title for link in first.links] == ["Runbook", "Source"]


def test_signoz_and_grafana() -> None:
    read = parse(
        webhook(
            entry(
                ruleId="1", ruleSource="https://signoz.example/alerts/overview?ruleId=1", **{"service.name": "billing"}
            )
        )
    )
    assert (read.source, read.alerts[0].service) == ("signoz", "billing")
    read = parse(webhook({**entry(), "dashboardURL": "https://g.example/d/1", "valueString": "[ var='A' ]"}, orgId=1))
    assert read.source == "grafana"
    assert "Dashboard" in [link.title for link in read.alerts[0].links]


def test_broken_entries_do_not_take_the_others_with_them() -> None:
    read = parse(
        webhook(None, {"labels": None}, {"labels": {"pod": "x"}}, entry(pod="a-0"), {"labels": {"alertname": ["no"]}})
    )
    assert [a.pod for a in read.alerts] == ["a-0"]


def test_too_many_alerts_are_cut_and_it_is_said() -> None:
    read = parse(webhook(*(entry(pod=f"a-{n}") for n in range(70))))
    assert len(read.alerts) == 50
    assert "20 more" in read.reason


def test_an_alert_as_json_comes_back_as_it_was_stated() -> None:
    alert = Alert(
        source="manual",
        name="HighErrorRate",
        severity="warning",
        namespace="ledger",
        workload="Deployment/billing",
        values=("x",),
    )
    (read,) = parse(alert.model_dump(mode="json")).alerts
    assert (read.source, read.namespace, read.workload, read.severity, read.values) == (
        "manual",
        "ledger",
        "Deployment/billing",
        "warning",
        ("x",),
    )
    assert read.fingerprint


def test_an_alert_as_json_gets_its_subject_from_its_labels() -> None:
    (read,) = parse(
        {"source": "manual", "name": "HighErrorRate", "labels": {"namespace": "ledger", "pod": "a-0"}}
    ).alerts
    assert (read.namespace, read.pod) == ("ledger", "a-0")


def test_a_wrong_field_is_named() -> None:
    read = parse({"source": "manual", "name": "HighErrorRate", "labels": "no"})
    assert not read.is_alert
    assert "labels" in read.reason
