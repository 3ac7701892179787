"""Messages that alert channels hold and that are no alerts: nothing is started for them, whoever posts them."""

from typing import Any

import pytest

from bot.alerts.gate import startable
from bot.alerts.parse import parse


def post(text: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "message", "subtype": "bot_message", "bot_id": "B1", "ts": "1.0", "text": text, **more}


def att(*attachments: dict[str, Any], text: str = "", **more: Any) -> dict[str, Any]:
    return post(text, attachments=list(attachments), **more)


def f(title: str, value: str) -> dict[str, Any]:
    return {"title": title, "value": value, "short": True}


MESSAGES: list[dict[str, Any]] = [
    post("Deployed ledger v1.2.3 to production by bob"),
    post("*ledger* `v2.0.1` is now live in production :rocket:"),
    post("Release v3.4.0 published", username="GitHub"),
    att({"title": "[acme/ledger] Pull request merged: Fix critical bug", "text": "by bob"}, username="GitHub"),
    att({"title": "Workflow CI failed on main", "text": "Status: failed\nSeverity: critical"}, username="GitHub"),
    att({"color": "danger", "title": "CI / build: failed", "text": "Job lint failed on main"}, username="CircleCI"),
    post("Pipeline #482 failed on main: job unit-tests (critical)"),
    post("Build failed: ledger #12", username="Jenkins"),
    att(
        {
            "color": "good",
            "title": "ledger",
            "text": "Application ledger is now running new version",
            "fields": [f("Sync Status", "Synced")],
        },
        username="ArgoCD",
    ),
    post("Application ledger has been successfully synced at 2026-11-22T18:00:00Z.", username="argocd"),
    att(
        {
            "color": "good",
            "author_name": "kustomization/ledger.flux-system",
            "text": "Reconciliation finished in 1s, next run in 10m0s",
        },
        username="flux",
    ),
    post("Terraform apply finished for workspace prod: 3 added, 0 destroyed"),
    post("Migration of ledger finished. status: ok"),
    post("Daily alert digest\nCritical: 3\nWarning: 12"),
    post("Weekly report: 14 alerts, 3 critical, MTTR 12m", username="PagerDuty"),
    post("Your weekly Sentry report is ready: 12 new issues", username="Sentry"),
    post("*Weekly incident summary*\n• INC-12 closed\n• INC-13 open", username="incident.io"),
    post("Monthly uptime report for Ledger API: 99.98 %", username="Pingdom"),
    post("On-call handover: bob → alice. Open alerts: HighErrorRate (critical)", username="Opsgenie"),
    post("Bob is now on call for Payments", username="PagerDuty"),
    post("You are on call for Payments until Monday 9:00", username="PagerDuty"),
    post("Incident #482 acknowledged by Bob", username="PagerDuty"),
    post("#482: HighErrorRate was acknowledged by bob", username="Opsgenie"),
    post("Bob added a note to #482: looking into it", username="PagerDuty"),
    post("Bob assigned #482 to Alice", username="PagerDuty"),
    post("Monitor 'High error rate' was modified by Bob", username="Datadog"),
    post("Bob created a new monitor: High error rate", username="Datadog"),
    post("Bob muted monitor High error rate until 18:00", username="Datadog"),
    post("Downtime scheduled: ledger from 18:00 to 19:00", username="Datadog"),
    att(
        {
            "title": "Dashboard: Ledger overview",
            "title_link": "https://app.datadoghq.com/dashboard/abc",
            "text": "Shared by Bob",
        },
        username="Datadog",
    ),
    att(
        {
            "title": "Ledger overview",
            "title_link": "https://grafana.example/d/abc",
            "image_url": "https://grafana.example/render/x.png",
            "text": "Shared panel",
        },
        username="Grafana",
    ),
    post("Bob resolved issue LEDGER-1A in release 1.2.3", username="Sentry"),
    post("Release 1.2.3 was deployed to production", username="Sentry"),
    post("Silence created by bob for alertname=HighErrorRate until 19:00", username="Karma"),
    post("Scheduled maintenance: database upgrade Sunday 02:00-04:00 UTC"),
    post("Maintenance window started for web-1", username="Zabbix"),
    post("Standup in 5 minutes", username="Geekbot"),
    post("Reminder: rotate the critical credentials of ledger"),
    post("Reminder: on-call review at 15:00", username="Slackbot"),
    post("New blog post: How we cut our critical alerts by half", username="RSS"),
    post("Prometheus 3.1 released: new features, bug fixes", username="RSS"),
    post("Webinar: mastering incident response, register now"),
    post("20% discount on all Datadog plans until Friday"),
    post("Ticket OPS-482 created: Investigate HighErrorRate\nPriority: High", username="Jira"),
    post("OPS-482 moved to Done: Fix HighErrorRate. Status: closed", username="Jira Cloud"),
    post("Linear issue PAY-12 created by bob: critical bug in ledger. Priority: Urgent", username="Linear"),
    post("Alice commented on PAY-12: this alert is firing again", username="Linear"),
    post("New pull request #12: add alert HighErrorRate (severity: critical)", username="Bitbucket"),
    post("Renovate: update dependency prometheus to v3 (security, high)", username="Renovate"),
    post("Dependabot: critical vulnerability in lodash", username="Dependabot"),
    post("Backup of ledger-db completed successfully. Duration: 12m. Status: OK"),
    post("Certificate for ledger.example renewed successfully"),
    post("A `pod` in namespace `ledger` has been `created`:\n`ledger-api-1`", username="kubewatch"),
    att(
        {
            "color": "good",
            "title": "v1/pods created",
            "fields": [f("Kind", "Pod"), f("Name", "ledger-1"), f("Namespace", "ledger")],
        },
        username="Botkube",
    ),
    post("Botkube is now active on cluster prod :rocket:", username="Botkube"),
    post("Robusta runner started on cluster prod", username="Robusta"),
    att({"text": "Here is what is new in Robusta", "color": "good"}, username="Robusta"),
    post("My watch begins for cluster 'prod'! :crossed_swords:", username="BotKube"),
    post("Postmortem for INC-482 is due tomorrow", username="incident.io"),
    post("Bob updated the status of INC-482 to Monitoring", username="incident.io"),
    post("INC-482 update: we have identified the cause", username="incident.io"),
    post("Reminder: provide an update for INC-482", username="incident.io"),
    att({"title": "Retro for INC-482 scheduled", "text": "Tuesday"}, username="incident.io"),
    post("Feedback: how useful was the last alert? :thumbsup: :thumbsdown:"),
    post("*Root cause:* ledger ran out of memory\nSeverity: critical", username="HolmesGPT"),
    post("Investigation finished: HighErrorRate was caused by a deploy"),
    post("I found 3 firing alerts for ledger", username="copilot"),
    post("There are 3 firing alerts right now: HighErrorRate, HighLatency", username="copilot"),
    post("Runbook updated: HighErrorRate", username="Confluence"),
    post("Zoom meeting started: incident HighErrorRate", username="Zoom"),
    post("Cost report: AWS spend is up 12 % this week"),
    post("AWS Budgets: forecast exceeds 80 %? no: on track. Status: OK"),
    att(
        {
            "title": "AWS Health Event | eu-west-1 | Account: 1",
            "text": "*Event type code:* AWS_RDS_MAINTENANCE_SCHEDULED\n*Category:* scheduledChange\n*Status:* upcoming",
        },
        username="AWS Chatbot",
    ),
    post("AWS Chatbot: channel configuration saved", username="AWS Chatbot"),
    att({"title": "CodePipeline execution succeeded", "text": "ledger", "color": "good"}, username="AWS Chatbot"),
    post("User signed up: bob@example.com (priority lead)", username="HubSpot"),
    post("New payment failed for customer 482: card declined", username="Stripe"),
    post("New support ticket #482: cannot log in. Priority: High", username="Zendesk"),
    post("Test notification from Uptime Kuma. Uptime Kuma Alert testing", username="Uptime Kuma"),
    post("Feature flag new-checkout turned on in production by Bob", username="LaunchDarkly"),
    post("Load test started: 500 rps against ledger"),
    post("Chaos experiment pod-kill finished: passed"),
    post("Status page: All systems operational", username="Statuspage"),
    post("Scaling event: ledger scaled from 3 to 5 replicas (info)"),
    post("Cron: nightly-report done in 12 s"),
    post("Poll: which alert is the noisiest? HighErrorRate / HighLatency", username="Polly"),
    post(":tada: 100 days without a critical incident"),
    post("Alerting rules reloaded: 124 rules, 0 errors"),
    post("Alert rule HighErrorRate was edited by bob"),
    post("[TEST] This is a test alert from Opsgenie", username="Opsgenie"),
    post("Is the alert HighErrorRate still firing?", username="workflow"),
    post("FYI: HighErrorRate will be firing during the load test, ignore it", username="workflow"),
    post("Bob: I think severity: critical is too high for this alert", username="bridge"),
    {
        "type": "message",
        "user": "U1",
        "text": ":rotating_light: HighErrorRate is firing, severity: critical",
        "ts": "1.0",
    },
    post("[FIRING:1] HighErrorRate", thread_ts="0.5"),
    post("SigNoz v0.60 is out: faster dashboards", username="RSS"),
    post("ElastAlert started: 12 rules loaded", username="elastalert"),
    post("Ledger is up to date", username="Better Stack"),
    post("Problem: who can review my PR?", username="bridge"),
    post("Alert: standup moved to 10:00", username="calendar"),
    post("Critical: please fill in the survey by Friday", username="HR"),
    post("*INC-12* was closed", username="incident.io"),
    post(":rotating_light: HighErrorRate runbook has been updated", username="docs"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: str(m["text"] or m["attachments"][0].get("title"))[:50])
def test_no_alert(message: dict[str, Any]) -> None:
    read = parse(message)
    assert startable(read) == ()
    assert not read.is_alert
    assert read.reason


def test_there_are_many_kinds() -> None:
    assert len(MESSAGES) >= 60
