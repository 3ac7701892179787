"""What each product writes in Slack, read back. All messages are our own, in the products' shapes."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.alerts.parse import parse

POD = "ledger-api-6f7d8c9b5-k4x7z"


def post(text: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "message", "subtype": "bot_message", "bot_id": "B1", "ts": "1.0", "text": text, **more}


def att(*attachments: dict[str, Any], text: str = "", **more: Any) -> dict[str, Any]:
    return post(text, attachments=list(attachments), **more)


def sec(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def flds(*texts: str) -> dict[str, Any]:
    return {"type": "section", "fields": [{"type": "mrkdwn", "text": t} for t in texts]}


def hdr(text: str) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


def ctx(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def f(title: str, value: str) -> dict[str, Any]:
    return {"title": title, "value": value, "short": True}


Case = tuple[dict[str, Any], str, str, str, str | None, str, str]
CASES: dict[str, Case] = {
    "datadog1": (
        att(
            {
                "title": "Triggered: [P2] High error rate on kube_namespace:ledger",
                "title_link": "https://app.datadoghq.com/monitors/12?x",
                "text": "Errors > 5%\n\n@slack-alerts\n\nMetric value: 12.4",
                "fields": [f("Tags", f"kube_namespace:ledger, pod_name:{POD}, env:prod")],
                "color": "#a30200",
            }
        ),
        "datadog",
        "High error rate on kube_namespace:ledger",
        "firing",
        "warning",
        "ledger",
        POD,
    ),
    "datadog2": (
        att(
            {
                "title": "Recovered: [P2] High error rate",
                "title_link": "https://app.datadoghq.eu/monitors/12",
                "text": "ok",
                "color": "#2eb886",
            }
        ),
        "datadog",
        "High error rate",
        "resolved",
        "warning",
        "",
        "",
    ),
    "datadog3": (
        att(
            {
                "title": f"[Warn on {{kube_namespace:ledger,pod_name:{POD}}}] Memory of pods",
                "title_link": "https://app.datadoghq.com/monitors/12",
                "text": "x",
            }
        ),
        "datadog",
        "Memory of pods",
        "firing",
        "warning",
        "ledger",
        POD,
    ),
    "datadog4": (
        att(
            {
                "title": "No data: Heartbeat of payments",
                "title_link": "https://app.datadoghq.com/monitors/12",
                "text": "x",
            }
        ),
        "datadog",
        "Heartbeat of payments",
        "firing",
        None,
        "",
        "",
    ),
    "datadog5": (
        att(
            {
                "title": "Re-Triggered: [P1] Queue too long",
                "title_link": "https://app.datadoghq.com/monitors/12",
                "text": "x",
            }
        ),
        "datadog",
        "Queue too long",
        "firing",
        "critical",
        "",
        "",
    ),
    "pagerduty1": (
        att(
            {
                "color": "#d9534f",
                "blocks": [
                    sec("*<https://acme.pagerduty.com/incidents/Q1|[#1234] HighErrorRate on ledger>*"),
                    flds(
                        "*Status:*\nTriggered",
                        "*Urgency:*\nHigh",
                        "*Service:*\n<https://acme.pagerduty.com/services/P1|ledger-api>",
                        "*Assigned:*\nBob",
                    ),
                ],
                "fallback": "[#1234] HighErrorRate on ledger",
            },
            username="PagerDuty",
        ),
        "pagerduty",
        "HighErrorRate on ledger",
        "firing",
        "critical",
        "",
        "",
    ),
    "pagerduty2": (
        att(
            {
                "color": "good",
                "title": "Resolved #1234: HighErrorRate",
                "title_link": "https://acme.pagerduty.com/incidents/Q1",
                "text": "",
                "fields": [f("Service", "ledger-api")],
            },
            username="PagerDuty",
        ),
        "pagerduty",
        "HighErrorRate",
        "resolved",
        None,
        "",
        "",
    ),
    "pagerduty3": (
        post(
            "*Triggered #1234* <https://acme.pagerduty.com/incidents/Q1|Disk full on db-1>\nAssigned to Bob",
            username="PagerDuty",
        ),
        "pagerduty",
        "Disk full on db-1",
        "firing",
        None,
        "",
        "",
    ),
    "opsgenie1": (
        att(
            {
                "title": "#482: [Prometheus] HighErrorRate",
                "title_link": "https://acme.app.opsgenie.com/alert/detail/abc/details",
                "text": "Errors above 5 %",
                "fields": [f("Priority", "P1"), f("Tags", "namespace:ledger, team:pay"), f("Routed Teams", "Payments")],
                "footer": "Opsgenie",
            },
            text="New alert",
            username="Opsgenie",
        ),
        "opsgenie",
        "HighErrorRate",
        "firing",
        "critical",
        "ledger",
        "",
    ),
    "opsgenie2": (
        post(
            "New alert: <https://opsg.in/a/i/acme/abc|#482: HighErrorRate>",
            attachments=[{"fields": [f("Priority", "P3"), f("Routed Teams", "Pay")]}],
            username="Opsgenie",
        ),
        "opsgenie",
        "HighErrorRate",
        "firing",
        "info",
        "",
        "",
    ),
    "sentry1": (
        att(
            {
                "color": "#E03E2F",
                "blocks": [
                    sec(
                        ":red_circle: *<https://acme.sentry.io/issues/123/?referrer=slack|ConnectionError>*\nconnection to orders refused"
                    ),
                    ctx("State: *New*   First Seen: *2 minutes ago*"),
                    ctx(
                        "Project: <https://acme.sentry.io/projects/ledger|ledger>   Alert: <https://acme.sentry.io/alerts/rules/1|Many errors>   Short ID: LEDGER-1A"
                    ),
                ],
                "fallback": "[ledger] ConnectionError: connection to orders refused",
            },
            username="Sentry",
        ),
        "sentry",
        "ConnectionError",
        "firing",
        None,
        "",
        "",
    ),
    "sentry2": (
        att(
            {
                "color": "#E03E2F",
                "blocks": [
                    sec(
                        "*<https://acme.sentry.io/alerts/rules/details/9|Critical: Error rate of ledger>*\n124 events in the last 10 minutes\nThreshold: > 100"
                    )
                ],
            },
            username="Sentry",
        ),
        "sentry",
        "Error rate of ledger",
        "firing",
        "critical",
        "",
        "",
    ),
    "sentry3": (
        att(
            {
                "color": "good",
                "blocks": [
                    sec(
                        "*<https://acme.sentry.io/alerts/rules/details/9|Resolved: Error rate of ledger>*\n4 events in the last 10 minutes"
                    )
                ],
            },
            username="Sentry",
        ),
        "sentry",
        "Error rate of ledger",
        "resolved",
        None,
        "",
        "",
    ),
    "newrelic1": (
        att(
            {
                "blocks": [
                    sec(
                        ":red_circle: *Critical priority issue is active*\n*<https://radar-api.service.newrelic.com/accounts/1/issues/9|High error rate on ledger>*"
                    ),
                    flds("*Impacted entities:*\nledger", "*Policy:*\nPayments", "*Condition:*\nError percentage"),
                ]
            },
            username="New Relic",
        ),
        "newrelic",
        "High error rate on ledger",
        "firing",
        "critical",
        "",
        "",
    ),
    "newrelic2": (
        att(
            {
                "title": "Incident #77 opened: Error percentage > 5",
                "title_link": "https://alerts.newrelic.com/accounts/1/incidents/77",
                "fields": [f("Priority", "Critical"), f("Policy", "Payments")],
            },
            username="New Relic",
        ),
        "newrelic",
        "Error percentage > 5",
        "firing",
        "critical",
        "",
        "",
    ),
    "aws1": (
        post(
            "",
            blocks=[
                sec(
                    ":rotating_light: *<https://console.aws.amazon.com/cloudwatch/home?region=eu-west-1#alarmsV2:alarm/ledger-5xx|CloudWatch Alarm | ledger-5xx | eu-west-1 | Account: 123456789012>*"
                ),
                sec("*ledger-5xx* is in *ALARM*\nThreshold Crossed: 1 datapoint [12.0] was greater than 5.0"),
            ],
            username="AWS Chatbot",
        ),
        "aws",
        "ledger-5xx",
        "firing",
        None,
        "",
        "",
    ),
    "aws2": (
        att(
            {
                "title": "CloudWatch Alarm | ledger-5xx | eu-west-1 | Account: 123456789012",
                "text": "State changed to OK: Threshold Crossed",
                "color": "good",
                "fields": [f("State", "OK")],
            },
            username="Amazon Q",
        ),
        "aws",
        "ledger-5xx",
        "resolved",
        None,
        "",
        "",
    ),
    "aws3": (
        att(
            {
                "title": "GuardDuty Finding | eu-west-1 | Account: 123456789012",
                "text": "*Finding type:* UnauthorizedAccess:EC2/SSHBruteForce\n*Severity:* High (8.0)\n*First Seen:* x\nInstance i-0abc is performing SSH brute force attacks",
                "color": "danger",
            },
            username="AWS Chatbot",
        ),
        "aws",
        "UnauthorizedAccess:EC2/SSHBruteForce",
        "firing",
        "critical",
        "",
        "",
    ),
    "aws4": (
        att(
            {
                "title": "AWS Health Event | eu-west-1 | Account: 123456789012",
                "text": "*Event type code:* AWS_EC2_OPERATIONAL_ISSUE\n*Status:* open\n*Category:* issue\nWe are investigating errors",
                "color": "danger",
            },
            username="AWS Chatbot",
        ),
        "aws",
        "AWS_EC2_OPERATIONAL_ISSUE",
        "firing",
        None,
        "",
        "",
    ),
    "azure1": (
        att(
            {
                "title": "Fired:Sev1 Azure Monitor Alert ledger-cpu on aks-prod ( microsoft.containerservice/managedclusters ) at 11/22/2026 6:00:00 PM",
                "text": "Monitor condition: Fired\nSeverity: Sev1",
            }
        ),
        "azure",
        "ledger-cpu",
        "firing",
        "critical",
        "",
        "",
    ),
    "azure2": (
        post(
            "",
            blocks=[
                hdr("Azure Monitor alert: Resolved"),
                flds(
                    "*Alert rule*\nledger-cpu",
                    "*Severity*\nSev2",
                    "*Monitor condition*\nResolved",
                    "*Affected resource*\naks-prod",
                ),
            ],
        ),
        "azure",
        "ledger-cpu",
        "resolved",
        "warning",
        "",
        "",
    ),
    "gcp1": (
        att(
            {
                "color": "#d32f2f",
                "title": "Alert firing: Error rate of ledger",
                "title_link": "https://console.cloud.google.com/monitoring/alerting/incidents/0.abc?project=p",
                "text": "*Policy:* Error rate of ledger\n*Condition:* 5xx ratio\n*Severity:* Critical\nIncident is ongoing",
                "fields": [f("Resource", "k8s_container labels {namespace_name=ledger, pod_name=" + POD + "}")],
            },
            username="Google Cloud Monitoring",
        ),
        "gcp",
        "Error rate of ledger",
        "firing",
        "critical",
        "ledger",
        POD,
    ),
    "robusta1": (
        post(
            "",
            blocks=[
                sec(
                    ":rotating_light: `Alert Firing` :red_circle: `High` *<https://platform.robusta.dev/x|KubePodCrashLooping>*"
                ),
                sec(":globe_with_meridians: *Source:* `prod/ledger/pod/" + POD + "`"),
                sec("Pod is crash looping"),
            ],
            attachments=[
                {
                    "color": "#EF311F",
                    "blocks": [
                        sec(
                            "*Alert labels*\n• alertname `KubePodCrashLooping`\n• namespace `ledger`\n• pod `"
                            + POD
                            + "`"
                        )
                    ],
                }
            ],
            username="Robusta",
        ),
        "robusta",
        "KubePodCrashLooping",
        "firing",
        "critical",
        "ledger",
        POD,
    ),
    "robusta2": (
        post(
            "",
            blocks=[sec(f":fire: *Crashing pod {POD} in namespace ledger* :red_circle: HIGH"), sec("*Source:* prod")],
            username="Robusta",
        ),
        "robusta",
        "Crashing pod",
        "firing",
        "critical",
        "ledger",
        POD,
    ),
    "botkube1": (
        att(
            {
                "color": "#FF0000",
                "title": "v1/pods error",
                "fields": [
                    f("Kind", "Pod"),
                    f("Name", POD),
                    f("Namespace", "ledger"),
                    f("Reason", "BackOff"),
                    f("Cluster", "prod"),
                ],
                "text": "Back-off restarting failed container",
                "footer": "Botkube",
            },
            username="Botkube",
        ),
        "botkube",
        "BackOff",
        "firing",
        "critical",
        "ledger",
        POD,
    ),
    "botkube2": (
        post(
            "",
            blocks=[
                hdr(":exclamation: v1/pods error"),
                flds(
                    "*Kind:* Pod",
                    f"*Name:* {POD}",
                    "*Namespace:* ledger",
                    "*Reason:* BackOff",
                    "*Type:* error",
                    "*Cluster:* prod",
                ),
                sec("*Messages:*\n```Back-off restarting failed container```"),
            ],
            username="Botkube",
        ),
        "botkube",
        "BackOff",
        "firing",
        "critical",
        "ledger",
        POD,
    ),
    "zabbix1": (
        att(
            {
                "fallback": "Problem: High CPU",
                "title": "Problem: High CPU utilization",
                "color": "#E97659",
                "title_link": "https://zabbix/tr_events.php?triggerid=1&eventid=2",
                "fields": [
                    f("Host", "web-1 [10.0.0.1]"),
                    f("Event time", "2026.11.22 18:00:00"),
                    f("Severity", "High"),
                    f("Opdata", "Current: 97 %"),
                    f("Event tags", "scope: performance"),
                ],
            },
            username="Zabbix",
        ),
        "zabbix",
        "High CPU utilization",
        "firing",
        "critical",
        "",
        "",
    ),
    "zabbix2": (
        post(
            "Resolved in 5m 0s: High CPU utilization\nHost: web-1\nSeverity: Warning\nOriginal problem ID: 12",
            username="Zabbix",
        ),
        "zabbix",
        "High CPU utilization",
        "resolved",
        "warning",
        "",
        "",
    ),
    "netdata1": (
        post(
            "web-1 is critical, `system.cpu` (_cpu_), *10min_cpu_usage = 97%*",
            attachments=[
                {
                    "fallback": "10min_cpu_usage - system.cpu",
                    "color": "danger",
                    "title": "10min cpu usage = 97%",
                    "title_link": "https://app.netdata.cloud/x",
                    "text": "average CPU utilization over the last 10 minutes",
                    "fields": [f("system.cpu", ""), f("cpu", "")],
                    "footer": "by <https://nd|web-1>",
                }
            ],
            username="netdata on web-1",
        ),
        "netdata",
        "10min_cpu_usage",
        "firing",
        "critical",
        "",
        "",
    ),
    "netdata2": (
        post(
            "web-1 needs attention, `disk_space._` (_/_), *disk space usage = 91%*",
            attachments=[{"color": "warning", "title": "disk space usage = 91%", "text": "disk / space utilization"}],
            username="netdata on web-1",
        ),
        "netdata",
        "disk space usage",
        "firing",
        "warning",
        "",
        "",
    ),
    "netdata3": (
        post(
            "web-1 recovered, `disk_space._` (_/_), *disk space usage = 61% (was warning for 5 minutes)*",
            attachments=[{"color": "good", "title": "disk space usage = 61%", "text": "disk / space utilization"}],
            username="netdata on web-1",
        ),
        "netdata",
        "disk space usage",
        "resolved",
        None,
        "",
        "",
    ),
    "kuma1": (
        post(
            "Uptime Kuma Alert",
            attachments=[
                {
                    "color": "#e01e5a",
                    "blocks": [
                        hdr("Uptime Kuma Alert"),
                        flds(
                            "*Message*\n[Ledger API] [🔴 Down] connect ECONNREFUSED 10.0.0.1:443",
                            "*Time (UTC)*\n2026-11-22 18:00:00",
                        ),
                    ],
                }
            ],
            username="Uptime Kuma",
        ),
        "uptime-kuma",
        "Ledger API",
        "firing",
        None,
        "",
        "",
    ),
    "kuma2": (
        post(
            "Uptime Kuma Alert",
            attachments=[
                {
                    "color": "#2eb886",
                    "blocks": [
                        hdr("Uptime Kuma Alert"),
                        flds("*Message*\n[Ledger API] [✅ Up] 200 - OK", "*Time (UTC)*\n2026-11-22 18:00:00"),
                    ],
                }
            ],
            username="Uptime Kuma",
        ),
        "uptime-kuma",
        "Ledger API",
        "resolved",
        None,
        "",
        "",
    ),
    "kuma3": (
        post("[Ledger API] [🔴 Down] timeout of 48000ms exceeded"),
        "uptime-kuma",
        "Ledger API",
        "firing",
        None,
        "",
        "",
    ),
    "elastalert": (
        att(
            {
                "color": "danger",
                "title": "Many 5xx in ledger",
                "text": "Many 5xx in ledger\n\nAt least 50 events occurred between 2026-11-22 18:00 UTC and 2026-11-22 18:05 UTC\n\nkubernetes.namespace: ledger",
                "mrkdwn_in": ["text"],
            },
            username="elastalert",
        ),
        "elastalert",
        "Many 5xx in ledger",
        "firing",
        None,
        "ledger",
        "",
    ),
    "incidentio": (
        post(
            "",
            blocks=[
                hdr("🔥 INC-482 Ledger returns errors"),
                flds("*Severity*\nMajor", "*Status*\nInvestigating", "*Reporter*\nBob"),
            ],
            username="incident.io",
        ),
        "incident.io",
        "Ledger returns errors",
        "firing",
        "critical",
        "",
        "",
    ),
    "incidentio2": (
        post(
            "",
            blocks=[
                sec(":rotating_light: *<https://app.incident.io/acme/alerts/1|HighErrorRate>*"),
                flds("*Priority*\nP1", "*Source*\nAlertmanager", "*Status*\nFiring"),
            ],
            username="incident.io",
        ),
        "incident.io",
        "HighErrorRate",
        "firing",
        "critical",
        "",
        "",
    ),
    "checkly": (
        att(
            {
                "color": "#ff4c4c",
                "title": "Ledger login has failed",
                "title_link": "https://app.checklyhq.com/checks/1",
                "text": "",
                "fields": [f("Check type", "Browser"), f("Response time", "4 s"), f("Location", "eu-west-1")],
            },
            username="Checkly",
        ),
        "checkly",
        "Ledger login",
        "firing",
        None,
        "",
        "",
    ),
    "pingdom": (
        att(
            {
                "color": "danger",
                "title": "Ledger API is DOWN",
                "text": "Reason: HTTP Error 503",
                "title_link": "https://my.pingdom.com/reports/1",
            },
            username="Pingdom",
        ),
        "pingdom",
        "Ledger API",
        "firing",
        None,
        "",
        "",
    ),
    "pingdom2": (
        post("*UP*: <https://my.pingdom.com/x|Ledger API> is UP after 5 minutes", username="Pingdom"),
        "pingdom",
        "Ledger API",
        "resolved",
        None,
        "",
        "",
    ),
    "statuscake": (
        att(
            {
                "color": "danger",
                "title": "Ledger API | Down",
                "text": "Your site https://ledger.example went down at 2026-11-22",
                "fallback": "Down",
            },
            username="StatusCake",
        ),
        "statuscake",
        "Ledger API",
        "firing",
        None,
        "",
        "",
    ),
    "betterstack": (
        att(
            {
                "color": "danger",
                "blocks": [
                    sec("🔴 *<https://uptime.betterstack.com/team/1/incidents/2|Ledger API>* is down"),
                    flds("*Cause:*\nStatus 503", "*Checked URL:*\n`GET https://ledger.example`"),
                ],
            },
            username="Better Stack",
        ),
        "better-stack",
        "Ledger API",
        "firing",
        None,
        "",
        "",
    ),
    "betterstack2": (
        att(
            {"title": "New incident started", "text": "*Monitor:* Ledger API\n*Cause:* Status 503", "color": "danger"},
            username="Better Uptime",
        ),
        "better-stack",
        "Ledger API",
        "firing",
        None,
        "",
        "",
    ),
    "rollbar": (
        att(
            {
                "color": "#d00",
                "title": "[production] New Error: #482 ConnectionError: refused",
                "title_link": "https://rollbar.com/acme/ledger/items/482",
                "text": "",
                "fields": [f("Environment", "production"), f("Level", "error")],
            },
            username="Rollbar",
        ),
        "rollbar",
        "ConnectionError: refused",
        "firing",
        "critical",
        "",
        "",
    ),
    "honeycomb": (
        att(
            {
                "color": "danger",
                "title": "Triggered: Slow checkouts",
                "title_link": "https://ui.honeycomb.io/acme/triggers/1",
                "text": "Currently greater than or equal to threshold value (500) for P95(duration_ms)",
            },
            username="Honeycomb",
        ),
        "honeycomb",
        "Slow checkouts",
        "firing",
        None,
        "",
        "",
    ),
    "dynatrace": (
        att(
            {
                "color": "danger",
                "title": "OPEN Problem P-2611123: Failure rate increase",
                "title_link": "https://abc.live.dynatrace.com/#problems/1",
                "text": "*Problem severity:* ERROR\nFailure rate increase on Web service ledger",
                "fields": [f("Impacted entities", "ledger")],
            },
            username="Dynatrace",
        ),
        "dynatrace",
        "Failure rate increase",
        "firing",
        "critical",
        "",
        "",
    ),
    "dynatrace2": (
        post("RESOLVED Problem P-2611123: Failure rate increase", username="Dynatrace"),
        "dynatrace",
        "Failure rate increase",
        "resolved",
        None,
        "",
        "",
    ),
    "victorops": (
        att(
            {
                "color": "danger",
                "title": "Incident #482 CRITICAL: ledger/HTTP 5xx",
                "title_link": "https://portal.victorops.com/ui/acme/incident/482/details",
                "fields": [f("Routing", "payments")],
            },
            username="Splunk On-Call",
        ),
        "splunk-on-call",
        "ledger/HTTP 5xx",
        "firing",
        "critical",
        "",
        "",
    ),
    "nagios": (
        post("PROBLEM: web-1/HTTP is CRITICAL: Connection refused", username="nagios"),
        "nagios",
        "HTTP",
        "firing",
        "critical",
        "",
        "",
    ),
    "icinga": (
        att(
            {
                "color": "danger",
                "title": "[PROBLEM] Service HTTP on web-1 is CRITICAL!",
                "text": "Connection refused",
                "fields": [f("Host", "web-1"), f("Service", "HTTP"), f("State", "CRITICAL")],
            },
            username="Icinga2",
        ),
        "nagios",
        "HTTP",
        "firing",
        "critical",
        "",
        "",
    ),
    "argo1": (
        att(
            {
                "color": "#f4c030",
                "title": "ledger",
                "title_link": "https://argocd.example/applications/ledger",
                "text": ":exclamation: Application ledger has degraded.",
                "fields": [f("Health Status", "Degraded"), f("Repository", "https://git.example/x")],
            },
            username="ArgoCD",
        ),
        "gitops",
        "ApplicationDegraded",
        "firing",
        None,
        "",
        "",
    ),
    "argo2": (
        att(
            {
                "color": "#E96D76",
                "title": "ledger",
                "title_link": "https://argocd.example/applications/ledger",
                "text": ":exclamation:  The sync operation of application ledger has failed at 2026-11-22T18:00:00Z with the following error: one or more objects failed to apply",
                "fields": [f("Sync Status", "OutOfSync")],
            },
            username="argocd",
        ),
        "gitops",
        "ApplicationSyncFailed",
        "firing",
        None,
        "",
        "",
    ),
    "flux": (
        att(
            {
                "color": "danger",
                "author_name": "kustomization/ledger.flux-system",
                "text": "Health check failed after 5m0s: timeout waiting for Deployment/ledger/ledger-api status: 'InProgress'",
                "fields": [f("revision", "main/abc")],
            },
            username="flux",
        ),
        "gitops",
        "HealthCheckFailed",
        "firing",
        None,
        "ledger",
        "",
    ),
    "vm": (
        att(
            {"title": "[FIRING:1] TooManyLogs (vmsingle critical)", "text": "*Alert:* x", "color": "danger"},
            username="vmalert",
        ),
        "alertmanager",
        "TooManyLogs",
        "firing",
        "critical",
        "",
        "",
    ),
    "de": (
        post(
            ":rotating_light: *Störung:* HoheFehlerrate\n*Schweregrad:* Kritisch\n*Namensraum:* ledger\n*Status:* ausgelöst"
        ),
        "general",
        "HoheFehlerrate",
        "firing",
        "critical",
        "ledger",
        "",
    ),
    "fr": (
        post("🚨 *Alerte déclenchée* : TauxErreurs\n*Gravité* : critique\n*Espace de noms* : ledger"),
        "general",
        "TauxErreurs",
        "firing",
        "critical",
        "ledger",
        "",
    ),
    "pt": (
        post("🔴 ALERTA DISPARADO: TaxaDeErros\nSeveridade: crítica\nNamespace: ledger"),
        "general",
        "TaxaDeErros",
        "firing",
        "critical",
        "ledger",
        "",
    ),
    "ja": (
        post("【障害】HighErrorRate\n重要度：重大\n名前空間：ledger\n状態：発生中"),
        "general",
        "HighErrorRate",
        "firing",
        "critical",
        "ledger",
        "",
    ),
    "zh": (
        post("告警通知\n告警名称：HighErrorRate\n告警级别：P1\n命名空间：ledger\n告警状态：触发\nPod名称：" + POD),
        "general",
        "HighErrorRate",
        "firing",
        "critical",
        "ledger",
        POD,
    ),
    "es": (
        post("✅ *Resuelto:* TasaErrores\n*Severidad:* advertencia"),
        "general",
        "TasaErrores",
        "resolved",
        "warning",
        "",
        "",
    ),
    "ko": (
        post("[발생] HighErrorRate\n심각도: 심각\n네임스페이스: ledger"),
        "general",
        "HighErrorRate",
        "firing",
        "critical",
        "ledger",
        "",
    ),
    "emoji1": (
        post(
            ":red_circle: HighErrorRate in `ledger` (pod `" + POD + "`)\nError rate 12 % for 10m", username="alertbot"
        ),
        "general",
        "HighErrorRate",
        "firing",
        None,
        "",
        POD,
    ),
    "emoji2": (
        post(
            ":rotating_light: *HighErrorRate*\n> namespace: `ledger`\n> pod: `"
            + POD
            + "`\n> severity: :fire: critical",
            username="x",
        ),
        "general",
        "HighErrorRate",
        "firing",
        "critical",
        "ledger",
        POD,
    ),
    "cut": (
        att(
            {
                "title": "[FIRING:1] KubePodCrashLooping (ledger ledger-api-6f7d8c9b5-k4…",
                "text": "*namespace:* led…\n*pod:* ledger-api-6f7d8c9b5-k…",
            }
        ),
        "alertmanager",
        "KubePodCrashLooping",
        "firing",
        None,
        "",
        "",
    ),
    "cut2": (
        att(
            {
                "title": "[FIRING:1] KubePodCrashLooping",
                "text": "*namespace:* ledger\n*severity:* critical\n*pod:* ledger-api-6f7d8...",
            }
        ),
        "alertmanager",
        "KubePodCrashLooping",
        "firing",
        "critical",
        "ledger",
        "",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_product_is_read(case: str) -> None:
    message, source, name, status, severity, namespace, pod = CASES[case]
    read = parse(message)
    (alert,) = read.alerts
    assert (read.source, alert.name, alert.status, alert.severity) == (source, name, status, severity)
    assert (alert.namespace, alert.pod) == (namespace, pod)


def test_a_check_of_nagios_is_no_service_and_its_host_is_a_label() -> None:
    (alert,) = parse(CASES["icinga"][0]).alerts
    assert (alert.service, alert.labels["host"]) == ("", "web-1")


def test_flux_names_the_one_object_that_it_waited_for() -> None:
    (alert,) = parse(CASES["flux"][0]).alerts
    assert (alert.namespace, alert.workload) == ("ledger", "Deployment/ledger-api")


@pytest.mark.parametrize("case", sorted(CASES))
def test_an_edit_of_any_of_them_starts_nothing(case: str) -> None:
    event = {"type": "message", "subtype": "message_changed", "message": CASES[case][0]}
    read = parse({"type": "event_callback", "event": event})
    assert not read.is_alert
    assert read.alerts


SENDERS = st.sampled_from(sorted({m["username"] for m, *_ in CASES.values() if "username" in m}))
PIECES = st.sampled_from(
    [
        "[Triggered]",
        "[P1]",
        "#12: ",
        "Triggered: ",
        " is down",
        " | Down",
        "[x] [🔴 Down]",
        "CloudWatch Alarm | a | eu-west-1 |",
        "host/",
        " is CRITICAL",
        "in namespace\n    ",
        "INC-1 ",
        "Problem: ",
        "RESOLVED Problem P-12: ",
        ", chart (_f_), *a = 1*",
        "Source: a/b/pod/c",
        "Kind: Pod",
        "{a:b}",
        "",
        "\n",
        "v1/pods error",
    ]
)


@settings(max_examples=80, deadline=None)
@given(SENDERS, st.lists(PIECES | st.text(max_size=8), max_size=8).map("".join), st.text(max_size=60))
def test_whatever_a_product_writes_no_name_is_invented(username: str, text: str, title: str) -> None:
    read = parse(att({"title": title, "text": text}, text=text, username=username))
    for alert in read.alerts:
        assert alert.name.strip()
        for name in (alert.namespace, alert.pod, alert.node, alert.container, alert.workload.rpartition("/")[2]):
            assert name in title + text


HOSTILE = (
    "a" * 100_000,
    "a " * 50_000,
    "is down " * 12_500,
    "[x] [Down " * 10_000,
    "|" * 100_000,
    "a/b is " * 14_000,
    "a\n" * 50_000,
)


@pytest.mark.parametrize("username", sorted({m["username"] for m, *_ in CASES.values() if "username" in m}))
def test_100_kb_cost_little_whoever_sends_them(username: str) -> None:
    started = time.process_time()
    for text in HOSTILE:
        parse(att({"title": text, "text": text}, text=text, username=username))
    assert time.process_time() - started < 3  # seconds of CPU for 2 MB; backtracking would take minutes
