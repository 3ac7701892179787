"""Why a message is read as it is: shapes that many senders share, each with the smallest message that shows it.

A shape is a way of saying something (a state beside what has it, a mark in the notification's fallback, a row of a table), never a sender.
"""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.alerts.gate import startable
from bot.alerts.model import Alert
from bot.alerts.parse import parse
from bot.alerts.tables import unfold

POD = "ledger-api-6f7d8c9b5-k4x7z"
OTHER = "orders-worker-5d8f9c7b64-tz4wn"


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "subtype": "bot_message", "bot_id": "B1", "ts": "1.0", "text": text, **more}


def card(**attachment: Any) -> dict[str, Any]:
    return said("", attachments=[attachment])


def fields(**values: str) -> list[dict[str, Any]]:
    return [{"title": title.replace("_", " "), "value": value, "short": True} for title, value in values.items()]


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def alerts(message: dict[str, Any]) -> tuple[Alert, ...]:
    return parse(message).alerts


FALLBACK = f"[FIRING:1] PodCrashLooping (ledger {POD} critical) | https://alertmanager.example/#/alerts?receiver=slack"

READ: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # Where the rule's name is
    "a title in a team's words: the rule is in what a notification shows": (
        card(title="Ledger has a problem", text="It restarts again and again", fallback=FALLBACK),
        {"name": "PodCrashLooping", "status": "firing", "pod": POD, "summary": "Ledger has a problem"},
    ),
    "a title that a template broke into lines": (
        card(title="🔴\n  [FIRING:1]\n  HighErrorRate\n  — ledger-api (production)", text="7 % errors"),
        {"name": "HighErrorRate", "status": "firing"},
    ),
    "a mark above a text without a title, in round brackets": (
        card(pretext=":fire: (FIRING:1) *(CRITICAL)* ConsumerLagHigh", text="Lag of orders is 41231"),
        {"name": "ConsumerLagHigh", "status": "firing", "severity": "critical"},
    ),
    "a title that says no more than that there is an alert": (
        said("", blocks=[{"type": "header", "text": {"type": "plain_text", "text": "🚨 Alert triggered"}}, section("*Ledger API down*")]),
        {"name": "Ledger API down", "status": "firing"},
    ),
    "the same in another language": (
        card(title="🔥 ALERTA DISPARADA", text="*Serviço:* ledger-api\n*Namespace:* ledger", fallback=FALLBACK),
        {"name": "PodCrashLooping", "status": "firing", "service": "ledger-api", "namespace": "ledger"},
    ),
    "words for an alert before the rule": (
        said("🔥 Сработало оповещение PodCrashLooping\nКритичность: высокая"),
        {"name": "PodCrashLooping", "status": "firing", "severity": "critical"},
    ),
    "who passes it on is no part of the name": (
        said("*VMAlert*: `RequestErrors` is *firing*\n>severity: `warning`"),
        {"name": "RequestErrors", "status": "firing", "severity": "warning"},
    ),
    "a severity where a name could stand": (
        said("", attachments=[{"color": "#d00", "blocks": [section("*Monitor Alert: Critical*\n<https://x.example|Ledger 5xx>")]}]),
        {"name": "Ledger 5xx", "status": "firing", "severity": "critical"},
    ),
    "Markdown's hashes are no part of a name": (
        said("", blocks=[{"type": "markdown", "text": f"## 🔴 Pod OOMKilled\n\n**Namespace:** ledger\n**Pod:** {POD}\n**Severity:** critical"}]),
        {"name": "Pod OOMKilled", "severity": "critical", "namespace": "ledger", "pod": POD},
    ),
    "a field Name below a title that names the alert": (
        said("", attachments=[{"title": "ledger-errors", "color": "danger", "text": "*Name:* NullReferenceException\n*Severity:* high"}]),
        {"name": "ledger-errors", "severity": "critical"},
    ),
    "a colon pair is no emoji": (
        card(title="[ledger/production] Ledger::ConnectionTimeoutError: no connection within 5 s", color="#E45F58"),
        {"name": "Ledger::ConnectionTimeoutError", "status": "firing"},
    ),
    # What state it is in
    "a status with the labels it is about": (
        card(title=f"Triggered on {{kube_namespace:ledger,pod_name:{POD}}}: Restarts are high"),
        {"name": "Restarts are high", "status": "firing", "namespace": "ledger", "pod": POD},
    ),
    "a word for how bad it is now beats a rank": (
        card(title="[P3] Warn on {service:ledger-api}: Disk almost full"),
        {"name": "Disk almost full", "severity": "warning", "service": "ledger-api"},
    ),
    "a change of state": (
        said("ledger-api: OK → CRITICAL (error rate 7.2 %)"),
        {"name": "ledger-api", "status": "firing", "severity": "critical"},
    ),
    "a change back": (said("ledger-api: CRITICAL → OK (error rate 0.1 %)"), {"name": "ledger-api", "status": "resolved"}),
    "a change of state below the title": (
        card(title="ledger-api latency", text="State changed from *OK* to *ALERTING*\nvalue 3.1 s"),
        {"name": "ledger-api latency", "status": "firing"},
    ),
    "a sentence about a rule by its name in quotes": (
        said("Elasticsearch query rule 'ledger errors' is active:\n\n- Value: 12"),
        {"name": "ledger errors", "status": "firing"},
    ),
    "the same when it is over": (said("Rule 'ledger errors' is recovered:\n\n- Value: 2"), {"name": "ledger errors", "status": "resolved"}),
    "a monitor that failed": (
        card(pretext="", title="Monitor ledger-api failed!", color="danger", fields=fields(Host="mon-1")),
        {"name": "ledger-api", "status": "firing"},
    ),
    "back to normal": (card(text="Unpaid orders went back to normal", color="#27ae60"), {"name": "Unpaid orders", "status": "resolved"}),
    "a line above the title says that it is closed": (
        said("", username="Opsgenie", attachments=[{"pretext": "Alert is closed by the sender", "title": "#17: PodCrashLooping", "color": "#2eb886"}]),
        {"name": "PodCrashLooping", "status": "resolved"},
    ),
    "a line above the title says that it is open": (
        card(pretext="*Issue opened*", title="Sudden increase of failing calls", fields=fields(Entity="ledger-api", Severity="critical")),
        {"name": "Sudden increase of failing calls", "status": "firing", "severity": "critical"},
    ),
    "a green sign and a rule": (said(f":large_green_circle: *PodCrashLooping* `ledger/{POD}`"), {"name": "PodCrashLooping", "status": "resolved"}),
    # How bad it is
    "a severity in bold before its sentence": (
        card(title="[FIRING:2] HighLatency", text="*CRITICAL* p99 of ledger is 4 s\n*CRITICAL* p99 of orders is 3 s"),
        {"name": "HighLatency", "severity": "critical"},
    ),
    "a severity behind the rule's name": (
        card(title="The ledger cannot be reached", text=":rotating_light:\n*ApiUnavailable* (critical)\n  no probe for 5 m", fallback=FALLBACK),
        {"severity": "critical"},
    ),
    "a severity beside a value and its limit": (
        said("", blocks=[section("Contract broken"), {"type": "section", "fields": [
            {"type": "mrkdwn", "text": t} for t in ("*Current Value:* 812ms", "*Threshold:* 500ms", "*Severity:* high")]}]),
        {"name": "Contract broken", "severity": "critical"},
    ),
    "one sign for high": (said("【障害発生】応答遅延\n重要度：高\nサービス：ledger-api"), {"severity": "critical", "service": "ledger-api"}),
    "Polish": (said("🔴 Awaria: *HighLatency*\nPoziom: krytyczny\nPrzestrzeń nazw: ledger"), {"name": "HighLatency", "severity": "critical", "namespace": "ledger"}),
    "Turkish": (said("🚨 Uyarı: HighErrorRate\nÖnem: kritik\nDurum: tetiklendi"), {"name": "HighErrorRate", "severity": "critical", "status": "firing"}),
    "Vietnamese": (said("🚨 Cảnh báo: HighErrorRate\nMức độ: Nghiêm trọng\nDịch vụ: ledger"), {"severity": "critical", "service": "ledger"}),
    "Czech": (said("🔴 Poplach: HighLatency\nZávažnost: kritická"), {"name": "HighLatency", "severity": "critical"}),
    "Ukrainian": (said("🔴 Тривога: HighErrorRate\nКритичність: висока\nПростір імен: ledger"), {"severity": "critical", "namespace": "ledger"}),
    # What is ill
    "a path as the title, the reason below": (
        card(title=f"ledger/{POD}/app", text="Container entered status *CrashLoopBackOff*", color="danger"),
        {"name": "CrashLoopBackOff", "namespace": "ledger", "pod": POD, "container": "app"},
    ),
    "a reason with its exit code": (
        card(title="Container restarted: app", fields=fields(Namespace="ledger", Pod=POD, Reason="OOMKilled (exit code 137)")),
        {"namespace": "ledger", "pod": POD, "status": "firing"},
    ),
    "a reason as the title": (
        card(title="Evicted", text="The node was low on memory.", fields=fields(Namespace="ledger", Object=f"Pod/{POD}")),
        {"name": "Evicted", "namespace": "ledger", "pod": POD},
    ),
    "a node in a sentence": (said(":rotating_light: Node `pool-1-node-4` is NotReady since 08:12 UTC"), {"status": "firing", "node": "pool-1-node-4"}),
    "what is measured, a sign and trouble": (said(":warning: Certificate of ledger.example expires in 5 days"), {"status": "firing"}),
    "a table as kubectl prints it": (
        said(f"```NAMESPACE  POD  REASON  RESTARTS\nledger  {POD}  CrashLoopBackOff  7```"),
        {"name": "CrashLoopBackOff", "namespace": "ledger", "pod": POD},
    ),
    "a table with bars": (
        said(f"| | Pod_Name | Pod_Status |\n|---:|:---|:---|\n| 0 | {POD} | CrashLoopBackOff |"),
        {"name": "CrashLoopBackOff", "pod": POD},
    ),
    "fields in one line, with semicolons": (
        said(f"alert: PodNotReady; namespace: ledger; pod: {POD}; severity: warning; state: firing"),
        {"name": "PodNotReady", "severity": "warning", "namespace": "ledger", "pod": POD},
    ),
    "values in one line, with dots": (said(f"CRITICAL • PodCrashLooping • ledger • {POD}"), {"name": "PodCrashLooping", "severity": "critical", "pod": POD}),
    "a field that names a rule, below a title that calls it an alert": (
        card(title="Operations Alert", text="*Alert:* RedisMemoryHigh\n*Service:* ledger-cache\n*Summary:* 92 % used"),
        {"name": "RedisMemoryHigh", "status": "firing"},
    ),
    "a rule as the title in an alarm's colour": (card(title="ProbeFailedTooOften", text="3 of 5 fail", color="a30200"), {"name": "ProbeFailedTooOften"}),
    "a number before the rule": (
        said("", blocks=[section("*#142 <https://x.example|HighErrorRate>*\nStatus: firing"), section("*Namespace:* ledger")]),
        {"name": "HighErrorRate", "status": "firing", "namespace": "ledger"},
    ),
    "a mark that is repeated": (said("🔁 [FIRING:1] (repeat) PodNotReady\nnamespace: ledger"), {"name": "PodNotReady", "namespace": "ledger"}),
    "what a field calls it, where the title says more": (
        card(title="[FIRING:1] Errors of ledger for ledger", text="*Alert:* Errors of ledger - critical"),
        {"name": "Errors of ledger", "severity": "critical"},
    ),
    "an address behind the name": (
        said("Monitor is DOWN: Ledger API ( <https://ledger.example/health> ) - Reason: HTTP 502"), {"name": "Ledger API", "status": "firing"},
    ),
    "the same when it is up": (
        said("Monitor is UP: Ledger API ( <https://ledger.example/health> ). It was down for 4 minutes"), {"name": "Ledger API", "status": "resolved"},
    ),
    "fields in one line, with commas": (
        card(title="Pod restarted!", text=f"*Cluster: `prod`, Pod: `{POD}`, Namespace: `ledger`*\n• Reason: `OOMKilled`"),
        {"namespace": "ledger", "pod": POD, "status": "firing"},
    ),
    "a reason first, a sentence behind it": (
        said(f"OOMKilled: container app of pod {POD} in namespace ledger"), {"namespace": "ledger", "pod": POD},
    ),
    "a mark above, the name below": (
        said("*Alert OPEN*\nQuery Targeting: Scanned Objects has gone above 1000\nCluster: orders"),
        {"name": "Query Targeting: Scanned Objects has gone above 1000", "status": "firing"},
    ),
    "none of its replicas": (said("❗ Deployment ledger/ledger-api has 0/3 available replicas"), {"namespace": "ledger", "status": "firing"}),
    "a state in capitals within a sentence": (card(title="orders-queue-age entered the ALARM state", text="Threshold crossed"), {"status": "firing"}),
    "labels in one line that name the rule": (
        said(f'level=critical alert=PodOOMKilled ns=ledger pod={POD} msg="killed"'),
        {"name": "PodOOMKilled", "severity": "critical", "namespace": "ledger", "pod": POD},
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", READ)
def test_it_is_read(reason: str) -> None:
    message, want = READ[reason]
    first = alerts(message)[0]
    assert {key: getattr(first, key) for key in want} == want


def test_a_list_below_a_title_that_counts_is_one_alert_a_line() -> None:
    listed = f"• *PodCrashLooping* (critical): {POD}\n• *PodNotReady* (warning): {OTHER}"
    read = alerts(card(title="[FIRING:2] 2 alerts in ledger", text=listed))
    assert [(a.name, a.severity, a.pod) for a in read] == [
        ("PodCrashLooping", "critical", POD),
        ("PodNotReady", "warning", OTHER),
    ]


def test_labels_behind_the_names_of_a_list() -> None:
    listed = (
        "*TargetDown*  severity=critical  job=ledger\nTarget ledger is down\n*HighLatency*  severity=warning\nnow 3 s"
    )
    read = alerts(said("", username="Grafana", attachments=[{"title": "[FIRING:2]  (prod)", "text": listed}]))
    assert [(a.name, a.severity) for a in read] == [("TargetDown", "critical"), ("HighLatency", "warning")]


def test_lines_below_a_status_are_alerts_of_that_status() -> None:
    text = f"🔥 *Firing (1)*\n• PodCrashLooping — ledger/{POD} — critical\n✅ *Resolved (1)*\n• DiskFull — db-3"
    read = alerts(said(text, username="alertmanager"))
    assert [(a.name, a.status, a.pod) for a in read] == [
        ("PodCrashLooping", "firing", POD),
        ("DiskFull", "resolved", ""),
    ]


def test_instances_listed_below_one_alert_are_no_alerts_of_their_own() -> None:
    text = "*Alert:* DiskFull\n*Severity:* critical\n*Firing Alerts:*\n• *Instance:* db-3:9100\n  *Severity:* critical"
    assert [a.name for a in alerts(card(title="[FIRING] DiskFull", text=text))] == ["DiskFull"]


def test_a_table_with_a_row_for_each_alert() -> None:
    text = f"NAMESPACE POD REASON\nledger {POD} OOMKilled\norders {OTHER} ImagePullBackOff"
    read = alerts(said(text))
    assert [(a.namespace, a.pod) for a in read] == [("ledger", POD), ("orders", OTHER)]


QUIET: dict[str, dict[str, Any]] = {
    "an alert that a bot passed on": said("look", attachments=[{"title": "[FIRING:1] HighErrorRate", "is_msg_unfurl": True, "from_url": "https://x"}]),
    "a note about an alert": said("", username="Opsgenie", attachments=[{"pretext": "Dana added note: looking", "title": "#17: PodCrashLooping"}]),
    "news of an incident": said("INC-212 Ledger outage was closed by Dana", username="incident.io"),
    "a licence": said("Warning: 3 licenses of the editor expire in 14 days"),
    "a linter": said("3 problems in rules/ledger.yaml: HighErrorRate: missing annotation summary (warning)"),
    "an address and a sentence": said("https://comic.example/1742 'Will it work' — everything is down"),
    "a table of what runs": said(f"NAMESPACE POD STATUS\nledger {POD} Running\norders {OTHER} Running"),
    "a bar and a word": said("Release 5.1 | ready | Tuesday"),
    "a green sign without a rule": said(":large_green_circle: All smoke checks are green"),
    "an arrow between places": said("checkout: staging → production (5.1.0)"),
    "a flag that is on": said("Feature `fast-path` is now active in prod"),
    "a headline": said("Critical: how we cut our alert noise by 80 %"),
    "everything is fine": said("✅ All monitors are up"),
    "an incident that moved on": said("*INC-212: Ledger outage* moved to *Monitoring* by Dana", username="incident.io"),
    "an incident's channel": said("Incident channel created: <#C1> *Ledger outage*"),
    "work with a state": said("Open issue: the dashboard is slow"),
    "a ticket that changed its state": said("OPS-412: DOWN → OK"),
    "a rule's severity that was changed": said("HighErrorRate severity: warning → critical"),
    "a list that somebody asked for": said("", blocks=[section("*Open incidents*\n• Ledger outage")]),
    "an exception that a command answers with": said("ValidationError: unknown command 'restrat'"),
    "a word of everyday life": said("Alert fatigue is active"),
    "a test of the alerting": card(title="[FIRING:1] TestAlert Grafana", text="Labels:\n - alertname = TestAlert\n"),
}  # fmt: skip


@pytest.mark.parametrize("what", QUIET)
def test_it_starts_nothing(what: str) -> None:
    assert startable(parse(QUIET[what])) == ()


@given(st.text(alphabet="|:- \n`ABDEMNOPS/ac7…", max_size=600))
def test_a_text_that_only_looks_like_a_table_stays_readable(text: str) -> None:
    """Nothing is lost but what a row has more than its head, and nothing is added but the head's names."""
    unfolded = unfold(text)
    assert len(unfolded) <= len(text) * 40 + 40
    assert unfold("no table: " + text.replace("|", "").lower()) == "no table: " + text.replace("|", "").lower()


@pytest.mark.parametrize("filler", [" \n", "|\n|", "is CRITICAL ", "x ( http", "Alert a ", "OK -> ", "A: b, "])
def test_no_filler_makes_it_slow(filler: str) -> None:
    """Work grows with the text, not with its square: a channel can be written to by anybody."""
    long = filler * (60_000 // len(filler))
    message = card(title=long, pretext=long, text=long, fallback=long, fields=[{"title": long[:200], "value": long}])
    started = time.process_time()
    parse(message)
    assert time.process_time() - started < 1.0
