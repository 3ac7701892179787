"""What each sender's own templates say, read back. All messages are our own, in the senders' shapes."""

from datetime import UTC, datetime
from typing import Any

from bot.alerts.parse import parse

POD = "billing-6f7d8c9b5-k4x7z"


def attachment(**fields: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "subtype": "bot_message",
        "bot_id": "B1",
        "ts": "1.0",
        "text": "",
        "attachments": [fields],
    }


class TestAlertmanagerDefaultTitle:
    """Label values without names: kept in their order; only unmistakable shapes become names."""

    title = f"[FIRING:1] KubePodCrashLooping ledger (eu-2 billing http 10.1.2.3:8080 kube-state-metrics {POD} CrashLoopBackOff warning)"

    def test_name_status_and_severity(self) -> None:
        read = parse(attachment(title=self.title, text="", color="danger"))
        alert = read.alerts[0]
        assert (read.source, alert.name, alert.status, alert.severity) == (
            "alertmanager",
            "KubePodCrashLooping",
            "firing",
            "warning",
        )

    def test_the_one_pod_shaped_value_is_the_pod_and_the_namespace_stays_open(self) -> None:
        alert = parse(attachment(title=self.title)).alerts[0]
        assert alert.pod == POD
        assert alert.namespace == ""
        assert alert.values[:3] == ("ledger", "eu-2", "billing")

    def test_two_pod_shaped_values_name_no_pod(self) -> None:
        title = f"[FIRING:2] PodRestarts ({POD} billing-6f7d8c9b5-m2x8q warning)"
        assert parse(attachment(title=title)).alerts[0].pod == ""

    def test_the_scraping_pod_is_never_the_subject(self) -> None:
        title = "[FIRING:1] PodRestarts ledger (mon-kube-state-metrics-6f7d8c9b5-k4x7z warning)"
        assert parse(attachment(title=title)).alerts[0].pod == ""

    def test_a_rule_about_deployments_takes_no_pod_from_bare_values(self) -> None:
        title = f"[FIRING:1] KubeDeploymentReplicasMismatch ledger (billing {POD} warning)"
        assert parse(attachment(title=title)).alerts[0].pod == ""

    def test_resolved(self) -> None:
        read = parse(attachment(title=self.title.replace("FIRING:1", "RESOLVED"), color="good"))
        assert read.is_alert
        assert read.alerts[0].status == "resolved"

    def test_grouped_by_something_else_than_the_name(self) -> None:
        alert = parse(attachment(title="[FIRING:3] ledger (HighErrorRate eu-2 critical)")).alerts[0]
        assert alert.name == "HighErrorRate"
        assert alert.values == ("ledger", "eu-2", "critical")

    def test_a_name_with_spaces_stays_whole(self) -> None:
        alert = parse(attachment(title="[FIRING:1] MongoDB replication lag (eu-2 db-1 critical)")).alerts[0]
        assert alert.name == "MongoDB replication lag"

    def test_a_title_that_was_cut_off_loses_its_last_value(self) -> None:
        alert = parse(attachment(title="[FIRING:1] HighErrorRate ledger (eu-2 billing-6f7d8c9b5-k4x")).alerts[0]
        assert (alert.name, alert.pod, alert.values) == ("HighErrorRate", "", ("ledger", "eu-2"))

    def test_a_mark_without_anything_is_an_alert_nobody_can_read(self) -> None:
        read = parse(attachment(title="[FIRING:1]  ", fallback="[FIRING:1]  "))
        assert read.is_alert
        assert read.alerts == ()
        assert "no name" in read.reason


class TestAlertmanagerCommunityTemplate:
    text = (
        ":chart_with_upwards_trend: *<http://prom.example/graph|Graph>*\n\n*Alert details*:\n"
        "*Alert:* Deployment has not matched the expected number of replicas. - `warning`\n"
        "*Description:* Deployment ledger/billing has not matched for 15 minutes on cluster eu-2.\n*Details:*\n"
        " • *alertname:* `KubeDeploymentReplicasMismatch`\n • *container:* `kube-rbac-proxy-main`\n • *deployment:* `billing`\n"
        " • *job:* `kube-state-metrics`\n • *namespace:* `ledger`\n • *pod:* `mon-kube-state-metrics-6f7d8c9b5-k4x7z`\n"
        " • *service:* `mon-kube-state-metrics`\n • *severity:* `warning`\n"
    )
    message = attachment(
        title='[FIRING:1] KubeDeploymentReplicasMismatch for kube-state-metrics (deployment="billing")', text=text
    )

    def test_one_alert_with_all_its_labels_verbatim(self) -> None:
        (alert,) = parse(self.message).alerts
        assert alert.labels["pod"] == "mon-kube-state-metrics-6f7d8c9b5-k4x7z"
        assert alert.labels["job"] == "kube-state-metrics"
        assert alert.severity == "warning"

    def test_the_subject_is_the_deployment_and_not_the_scrape_job(self) -> None:
        (alert,) = parse(self.message).alerts
        assert (alert.namespace, alert.workload, alert.cluster) == ("ledger", "Deployment/billing", "eu-2")
        assert (alert.pod, alert.container, alert.service) == ("", "", "")

    def test_summary_description_and_links(self) -> None:
        (alert,) = parse(self.message).alerts
        assert alert.summary == "Deployment has not matched the expected number of replicas."
        assert alert.description.startswith("Deployment ledger/billing")
        assert [link.title for link in alert.links] == ["Graph"]

    def test_all_stay_firing_where_the_count_says_fewer_and_nothing_says_which(self) -> None:
        def one(pod: str) -> str:
            details = f" • *alertname:* `PodRestarts`\n • *namespace:* `ledger`\n • *pod:* `{pod}`\n\n"
            return f"*Alert:* Restarting. - `warning`\n*Details:*\n{details}"

        title = '[FIRING:1] PodRestarts for kube-state-metrics (namespace="ledger")'
        alerts = parse(attachment(title=title, text=one("billing-0") + one("billing-1"))).alerts
        assert [(a.pod, a.status) for a in alerts] == [("billing-1", "firing"), ("billing-0", "firing")]


class TestOtherAlertmanagerTemplates:
    def test_fields_and_a_status_in_words(self) -> None:
        fields = [
            {"title": "Severity", "value": "critical"},
            {"title": "Namespace", "value": "ledger"},
            {"title": "Pod", "value": POD},
        ]
        alert = parse(
            attachment(title="HighMemory is resolved", fields=fields, fallback="[RESOLVED] HighMemory (x)")
        ).alerts[0]
        assert (alert.name, alert.status, alert.severity) == ("HighMemory", "resolved", "critical")
        assert (alert.namespace, alert.pod) == ("ledger", POD)

    def test_a_dump_of_labels(self) -> None:
        text = "Replication is behind\n  VALUE = 83\n  LABELS = map[cluster:eu-2 instance:db-1.db.svc:9216 set:rs0]\n"
        alert = parse(
            attachment(
                title="ReplicationLag", text=text, fallback="[FIRING:1] ReplicationLag (eu-2 db-1 data critical)"
            )
        ).alerts[0]
        assert alert.labels == {"cluster": "eu-2", "instance": "db-1.db.svc:9216", "set": "rs0"}
        assert alert.annotations["value"] == "83"
        assert alert.summary == "Replication is behind"

    def test_what_only_the_notification_shows_gives_status_and_bare_values_but_no_severity(self) -> None:
        alert = parse(
            attachment(title="ReplicationLag", text="x", fallback="[RESOLVED] ReplicationLag (db-1 data critical)")
        ).alerts[0]
        assert (alert.status, alert.severity, alert.values) == ("resolved", None, ("db-1", "data", "critical"))

    def test_severity_in_the_pretext_and_one_subject_line(self) -> None:
        message = attachment(
            title="HighMemory",
            pretext="<!channel> :fire: *CRITICAL* in eu-2",
            text=f"*ledger/{POD}* Memory is high. (since 2026-11-22T07:16:01Z)\n",
            fallback="[FIRING:1] HighMemory (x)",
        )
        alert = parse(message).alerts[0]
        assert (alert.severity, alert.namespace, alert.pod) == ("critical", "ledger", POD)
        assert alert.starts_at == datetime(2026, 11, 22, 7, 16, 1, tzinfo=UTC)

    def test_several_subject_lines_name_the_namespace_and_leave_the_pods_open(self) -> None:
        text = f"*ledger/{POD}* Memory is high.\n*ledger/billing-6f7d8c9b5-m2x8q* Memory is high.\n"
        alert = parse(attachment(title="HighMemory", text=text, fallback="[FIRING:2] HighMemory (x)")).alerts[0]
        assert (alert.namespace, alert.pod) == ("ledger", "")
        assert set(alert.values) >= {POD, "billing-6f7d8c9b5-m2x8q"}

    def test_sentences_above_the_fields_stay_with_their_alert(self) -> None:
        def one(n: int) -> str:
            fields = f"• alertname: `KubePodNotReady`\n• namespace: `ledger`\n• pod: `pay-{n}`\n"
            return f"*Pod is not ready.*\nPod ledger/pay-{n} is not ready.\n{fields}"

        alerts = parse(attachment(title="[FIRING:2] KubePodNotReady", text=one(1) + one(2))).alerts
        assert [(a.pod, a.description) for a in alerts] == [
            ("pay-1", "Pod ledger/pay-1 is not ready."),
            ("pay-2", "Pod ledger/pay-2 is not ready."),
        ]

    def test_firing_and_resolved_under_headings(self) -> None:
        firing = "Alerts Firing:\nLabels:\n - alertname = A1Rule\n - pod = a-0\nAnnotations:\n"
        text = f"{firing}\nAlerts Resolved:\nLabels:\n - alertname = A1Rule\n - pod = a-1\n"
        alerts = parse({"text": text, "bot_id": "B1"}).alerts
        assert [(a.status, a.pod) for a in alerts] == [("firing", "a-0"), ("resolved", "a-1")]

    def test_a_mark_on_each_line_is_an_alert_each_and_nothing_leaks_over(self) -> None:
        text = "[RESOLVED] TargetDown job=api namespace=infra severity=warning\n[FIRING] HighMemory pod=billing-0 namespace=ledger"
        alerts = parse({"text": text, "bot_id": "B1"}).alerts
        assert [(a.name, a.status, a.namespace, a.pod) for a in alerts] == [
            ("HighMemory", "firing", "ledger", "billing-0"),
            ("TargetDown", "resolved", "infra", ""),
        ]


class TestSigNoz:
    def message(self, state: str = "FIRING:1", name: str = "High error rate") -> dict[str, Any]:
        return attachment(
            title=f'[{state}] {name} for  (alertname="{name}", service.name="billing", severity="critical")',
            title_link="https://signoz.example/alerts/edit?ruleId=018f-0001",
            text=f"*Alert:* {name} - critical\n\n     *Summary:* The value is 12.4\n"
            "     *RelatedLogs:* View in <https://signoz.example/logs?q=%7B%7D|logs explorer>\n"
            f"     *RelatedTraces:* \n\n     *Details:*\n        • *alertname:* {name}\n        • *k8s.namespace.name:* ledger\n"
            f"        • *k8s.pod.name:* {POD}\n        • *service.name:* billing\n        • *severity:* critical\n       \n     ",
        )

    def test_dotted_labels(self) -> None:
        read = parse(self.message())
        (alert,) = read.alerts
        assert (read.source, alert.name, alert.severity) == ("signoz", "High error rate", "critical")
        assert (alert.namespace, alert.pod, alert.service) == ("ledger", POD, "billing")
        assert alert.labels["ruleId"] == "018f-0001"
        assert "logs explorer" in {link.title for link in alert.links}

    def test_no_data_is_not_part_of_the_name(self) -> None:
        (alert,) = parse(self.message(name="[No data] High error rate")).alerts
        assert (alert.name, alert.labels["nodata"]) == ("High error rate", "true")

    def test_a_title_above_one_attachment_an_alert(self) -> None:
        message = self.message()
        one = {
            "text": "*Alert:* A - warning\n*Details:*\n • *alertname:* RuleOne\n • *ruleSource:* https://signoz.example/alerts/overview?ruleId=1"
        }
        two = {"text": "*Alert:* B - warning\n*Details:*\n • *alertname:* RuleTwo\n • *k8s.pod.name:* billing-0"}
        message["attachments"] = [{"title": "[FIRING:2]"}, one, two]
        assert [a.name for a in parse(message).alerts] == ["RuleOne", "RuleTwo"]


class TestGrafana:
    def test_the_list_of_labels_counts_where_the_title_has_no_name(self) -> None:
        labels = "Labels:\n - alertname = disk full\n - pod = billing-0\nAnnotations:\n - summary = Disk is full\n"
        text = f"**Firing**\n\nValue: [no value]\n{labels}Source: http://g.example/x\n"
        read = parse(attachment(title="[FIRING:1]  (billing-0)", text=text, footer="Grafana v12.2.1"))
        (alert,) = read.alerts
        assert (read.source, alert.name, alert.pod, alert.summary) == (
            "grafana",
            "disk full",
            "billing-0",
            "Disk is full",
        )
        assert alert.severity is None

    def test_firing_and_resolved_in_one_message(self) -> None:
        def one(pod: str) -> str:
            return f"Value: A=1\nLabels:\n - alertname = cpu\n - pod = {pod}\nAnnotations:\nSource: http://g.example/{pod}\n"

        text = f"**Resolved**\n\n{one('a-1')}\n\n**Firing**\n\n{one('a-0')}"
        alerts = parse(attachment(title="[FIRING:1, RESOLVED:1] cpu", text=text, footer="Grafana v12")).alerts
        assert [(a.pod, a.status) for a in alerts] == [("a-0", "firing"), ("a-1", "resolved")]

    def test_legacy_series_are_values_and_no_labels(self) -> None:
        fields = [{"title": 'up{pod="other-0"}', "value": "92.1"}]
        (alert,) = parse(attachment(title="[Alerting] CPU of billing", fields=fields, footer="Grafana v7")).alerts
        assert (alert.name, alert.pod, alert.labels) == ("CPU of billing", "", {})
        assert alert.annotations == {'up{pod="other-0"}': "92.1"}

    def test_legacy_ok_is_resolved(self) -> None:
        read = parse(
            {"text": "[OK] Connections high\nseverity = warning", "username": "Grafana", "subtype": "bot_message"}
        )
        assert (read.alerts[0].name, read.alerts[0].status, read.alerts[0].severity) == (
            "Connections high",
            "resolved",
            "warning",
        )

    def test_a_scrape_job_is_no_kubernetes_job(self) -> None:
        text = "[Alerting] Indexer lag\nLabels:\n - namespace = search\n - job = indexer\nFired at: 2026-09-10 02:58:03 UTC"
        (alert,) = parse({"text": text, "username": "Grafana", "subtype": "bot_message"}).alerts
        assert (alert.namespace, alert.workload) == ("search", "")
        assert alert.starts_at == datetime(2026, 9, 10, 2, 58, 3, tzinfo=UTC)
