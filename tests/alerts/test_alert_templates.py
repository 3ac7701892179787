"""Templates that teams wrote themselves and monitoring systems without a module of their own: read where they say that they are alerts."""

from typing import Any

import pytest

from bot.alerts.parse import parse

POD = "billing-6f7d8c9b5-k4x7z"


def post(text: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "message", "subtype": "bot_message", "bot_id": "B1", "ts": "1.0", "text": text, **more}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@pytest.mark.parametrize(
    ("text", "name", "severity", "status"),
    [
        (
            "🚨 ALERT: HighErrorRate\n```\nnamespace=ledger\nseverity=critical\n```",
            "HighErrorRate",
            "critical",
            "firing",
        ),
        ('FIRING: HighErrorRate{namespace="ledger",severity="critical"}', "HighErrorRate", "critical", "firing"),
        ("*HighErrorRate* is firing | Severity: critical | Namespace: ledger", "HighErrorRate", "critical", "firing"),
        ("[P1] HighErrorRate\nnamespace: ledger", "HighErrorRate", "critical", "firing"),
        (
            "Name: HighErrorRate\nStatus: resolved\nSeverity: warn\nNamespace: ledger",
            "HighErrorRate",
            "warning",
            "resolved",
        ),
        ("【告警】HighErrorRate\n告警级别：严重\n命名空间：ledger\n状态：触发", "HighErrorRate", "critical", "firing"),
        (
            "告警名称: HighErrorRate\n告警级别: 警告\n状态: 已恢复\n命名空间: ledger",
            "HighErrorRate",
            "warning",
            "resolved",
        ),
        ("Alarm: HighErrorRate\nSchweregrad: kritisch\nNamensraum: ledger", "HighErrorRate", "critical", "firing"),
        (
            ":fire: Сработал: HighErrorRate\nКритичность: критическая\nНеймспейс: ledger",
            "HighErrorRate",
            "critical",
            "firing",
        ),
        (
            "🚨 Alerta: HighErrorRate\nGravedad: crítica\nEspacio de nombres: ledger",
            "HighErrorRate",
            "critical",
            "firing",
        ),
        (
            "Alerte : HighErrorRate\nSévérité : avertissement\nEspace de noms : ledger",
            "HighErrorRate",
            "warning",
            "firing",
        ),
        (
            "アラート: HighErrorRate\n重要度: 警告\n名前空間: ledger\nステータス: 発生",
            "HighErrorRate",
            "warning",
            "firing",
        ),
    ],
)
def test_text_templates(text: str, name: str, severity: str, status: str) -> None:
    read = parse(post(text))
    assert read.is_alert
    (alert,) = read.alerts
    assert (alert.name, alert.severity, alert.status, alert.namespace) == (name, severity, status, "ledger")


@pytest.mark.parametrize(
    ("message", "name", "severity"),
    [
        (post('ALARM: "billing-5xx" in EU (Ireland)\nReason: Threshold Crossed'), "billing-5xx", None),
        (post("PROBLEM Service Alert: web-1/HTTP is CRITICAL: Connection refused"), "HTTP", "critical"),
        (post("Fired:Sev2 Azure Monitor Alert cpu-high on aks-1\nMonitor condition: Fired"), "cpu-high", "warning"),
        (
            post("Problem: CPU is high\nProblem started at 10:31:02\nHost: web-1\nSeverity: Average"),
            "CPU is high",
            "warning",
        ),
        (
            post(attachments=[{"title": "Triggered: [P2] CPU high on billing", "text": "> 90"}]),
            "CPU high on billing",
            "warning",
        ),
        (post(attachments=[{"title": "Incident opened: Errors", "text": "Priority: CRITICAL"}]), "Errors", "critical"),
    ],
)
def test_other_systems(message: dict[str, Any], name: str, severity: str | None) -> None:
    read = parse(message)
    assert read.source in ("general", "nagios", "azure")
    assert (read.alerts[0].name, read.alerts[0].severity) == (name, severity)


def test_tags_inside_the_mark() -> None:
    title = f"[Triggered on {{kube_namespace:ledger,pod_name:{POD}}}] Restarts"
    alert = parse(post(attachments=[{"title": title, "text": "restarts > 3"}])).alerts[0]
    assert (alert.name, alert.namespace, alert.pod) == ("Restarts", "ledger", POD)


def test_blocks_with_a_header_and_fields() -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "🔥 HighErrorRate"}},
        {
            "type": "section",
            "fields": [
                {"type": "mrkdwn", "text": t}
                for t in ("*Severity:*\ncritical", f"*Pod:*\n{POD}", "*Namespace:*\nledger")
            ],
        },
        section("Errors are above 5 % for 10 minutes."),
    ]
    alert = parse(post(blocks=blocks)).alerts[0]
    assert (alert.name, alert.severity, alert.namespace, alert.pod) == ("HighErrorRate", "critical", "ledger", POD)
    assert alert.summary == "Errors are above 5 % for 10 minutes."


def test_one_section_an_alert() -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "[FIRING:2] Production"}},
        section("*Alert:* HighErrorRate\n*Severity:* `critical`\n*Service:* billing\n*Namespace:* ledger"),
        section("*Alert:* HighLatency\n*Severity:* `warning`\n*Service:* cart"),
    ]
    alerts = parse(post(blocks=blocks)).alerts
    assert [(a.name, a.severity, a.service, a.namespace) for a in alerts] == [
        ("HighErrorRate", "critical", "billing", "ledger"),
        ("HighLatency", "warning", "cart", ""),
    ]


def test_rich_text_and_lists() -> None:
    def text(text: str, bold: bool = False) -> dict[str, Any]:
        return {"type": "text", "text": text, **({"style": {"bold": True}} if bold else {})}

    items = [[text("Severity:", True), text(" critical")], [text("Namespace: ledger")]]
    rich = {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [{"type": "emoji", "name": "fire"}, text(" HighErrorRate firing", True)],
            },
            {"type": "rich_text_list", "elements": [{"type": "rich_text_section", "elements": i} for i in items]},
        ],
    }
    alert = parse(post(blocks=[rich])).alerts[0]
    assert (alert.name, alert.severity, alert.namespace) == ("HighErrorRate", "critical", "ledger")


def test_a_table_with_one_alert_a_row() -> None:
    rows = [["Alert", "Severity", "Namespace"], ["HighErrorRate", "critical", "ledger"], ["LowDisk", "warning", "data"]]
    table = {"type": "table", "rows": [[{"type": "raw_text", "text": cell} for cell in row] for row in rows]}
    alerts = parse(post(blocks=[table])).alerts
    assert [(a.name, a.severity, a.namespace) for a in alerts] == [
        ("HighErrorRate", "critical", "ledger"),
        ("LowDisk", "warning", "data"),
    ]


def test_a_webhook_that_a_script_posted_as_text() -> None:
    text = '```{"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "HighErrorRate", "namespace": "ledger"}}]}```'
    alert = parse(post(text)).alerts[0]
    assert (alert.name, alert.namespace) == ("HighErrorRate", "ledger")


def test_escapes_are_undone_also_twice() -> None:
    alert = parse(post("[FIRING:1] HighErrorRate\n*Description:* a &amp;lt; b &amp; &quot;c&quot;")).alerts[0]
    assert alert.description == 'a < b & "c"'


def test_placeholders_are_no_names() -> None:
    alert = parse(post("[FIRING:1] HighErrorRate\nNamespace: none\nPod: <no value>\nCluster: unknown")).alerts[0]
    assert (alert.namespace, alert.pod, alert.cluster) == ("", "", "")


def test_a_namespace_of_another_world_is_no_namespace() -> None:
    alert = parse(
        post(
            attachments=[
                {"title": "[ALARM] billing-5xx", "fields": [{"title": "Namespace", "value": "AWS/ApplicationELB"}]}
            ]
        )
    ).alerts[0]
    assert alert.namespace == ""
    assert alert.labels["namespace"] == "AWS/ApplicationELB"


def test_secrets_do_not_get_into_an_alert() -> None:
    text = (
        "[FIRING:1] LoginFailed\nsummary: password=hunter2secret for user\nurl: https://bob:hunter2secret@db.example/x"
    )
    read = parse(post(text))
    assert "hunter2secret" not in read.model_dump_json()


def test_an_unzoned_time_is_no_onset() -> None:
    assert parse(post("[FIRING:1] HighErrorRate\nStarted: 2026-11-22 07:16:01")).alerts[0].starts_at is None


def test_a_title_above_one_attachment_an_alert_is_no_alert_itself() -> None:
    one = {"title": "HighErrorRate", "text": "*Severity:* critical\n*Namespace:* ledger"}
    two = {"title": "HighLatency", "text": "*Severity:* warning\n*Namespace:* data"}
    alerts = parse(post(attachments=[{"title": "[FIRING:2] production"}, one, two])).alerts
    assert [(a.name, a.namespace) for a in alerts] == [("HighErrorRate", "ledger"), ("HighLatency", "data")]


@pytest.mark.parametrize(
    "text",
    [
        f"*Labels:* `namespace: ledger`, `pod: {POD}`",
        f"*Tags:* kube_namespace:ledger, pod_name:{POD}",
        f"Labels: namespace=ledger, pod={POD}",
        f'{{namespace="ledger", pod="{POD}"}}',
    ],
)
def test_labels_on_one_line(text: str) -> None:
    alert = parse(post(attachments=[{"title": "[FIRING:1] HighErrorRate", "text": text}])).alerts[0]
    assert (alert.namespace, alert.pod) == ("ledger", POD)


@pytest.mark.parametrize("title", [f"[FIRING:1] PodRestarts ledger/{POD}", f"🔥 [CRITICAL] PodRestarts — ledger/{POD}"])
def test_a_path_with_a_pods_shape_names_both(title: str) -> None:
    alert = parse(post(attachments=[{"title": title, "text": "x"}])).alerts[0]
    assert (alert.name, alert.namespace, alert.pod) == ("PodRestarts", "ledger", POD)
