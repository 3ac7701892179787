"""What must start nothing, and why."""

from typing import Any

import pytest

from bot.alerts.gate import idle, startable
from bot.alerts.parse import parse

MARK = "[FIRING:1] HighErrorRate (ledger critical)"


def post(text: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "message", "subtype": "bot_message", "bot_id": "B1", "ts": "1.0", "text": text, **more}


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"type": "message", "user": "U1", "ts": "1.0", "text": MARK}, "person"),
        (
            {
                "type": "message",
                "user": "U1",
                "client_msg_id": "c",
                "ts": "1.0",
                "text": "is the alert for billing firing?",
            },
            "person",
        ),
        (post(MARK, thread_ts="0.5"), "reply in a thread"),
        (post(MARK, subtype="thread_broadcast", thread_ts="0.5"), "reply in a thread"),
        (post(MARK, metadata={"event_type": "rca_run", "event_payload": {}}), "own message"),
        (post(MARK, streaming_state="in_progress"), "unfinished"),
        ({"type": "message", "subtype": "channel_join", "user": "U1", "text": "joined"}, "notice of the channel"),
        ({"type": "message", "subtype": "message_deleted", "previous_message": post(MARK)}, "deleted"),
        (post("", attachments=[]), "no text"),
        (post("Deployed billing v1.2.3 to production"), "deployment"),
        (
            post(
                attachments=[
                    {"title": "Deployment of billing succeeded", "fields": [{"title": "Severity", "value": "info"}]}
                ]
            ),
            "deployment",
        ),
        (
            post(
                username="ArgoCD",
                attachments=[{"title": "billing", "fields": [{"title": "Sync Status", "value": "Synced"}]}],
            ),
            "deployment",
        ),
        (
            post(attachments=[{"title": "Build #123 failed", "text": "Status: failed\nSeverity: critical"}]),
            "deployment",
        ),
        (post("Daily alert digest: 12 firing\nTop: HighErrorRate (severity: critical)"), "digest"),
        (post("On-call handover report\nSeverity: critical"), "digest"),
        (post("Incident #12 acknowledged by Bob\nSeverity: critical\nStatus: open"), "handling"),
        (post("Silence created by bob: alertname=HighErrorRate severity=warning"), "handling"),
        (post(f"*Root cause:* billing ran out of memory … {MARK}"), "analysis"),
        (post("Standup in 5 minutes"), "among people"),
        (post("Does anybody know whether [FIRING:1] HighErrorRate is open?"), "question"),
        (post("Ticket OPS-12 was closed"), "what somebody did"),
        (post("backup finished. status: ok"), "nothing in it"),
    ],
)
def test_left_alone(message: dict[str, Any], why: str) -> None:
    read = parse(message)
    assert not read.is_alert
    assert why in read.reason
    assert startable(read) == ()


def test_own_posts_by_bot_and_by_app() -> None:
    assert "own" in parse(post(MARK), own_bot_ids={"B1"}).reason
    assert "own app" in parse(post(MARK, bot_id="B9", app_id="A1"), own_bot_ids={"B1"}, own_app_id="A1").reason
    assert parse(post(MARK), own_bot_ids={"B2"}, own_app_id="A1").is_alert


def test_a_person_who_posts_through_an_app_may_post_alerts() -> None:
    assert parse({"type": "message", "user": "U1", "bot_id": "B1", "app_id": "A1", "ts": "1.0", "text": MARK}).is_alert


def test_the_root_of_a_thread_is_no_reply() -> None:
    assert parse(post(MARK, thread_ts="1.0")).is_alert


def test_alerts_may_speak_of_deployments() -> None:
    read = parse(
        post("[FIRING:1] KubeDeploymentRolloutStuck\nsummary: The rollout of billing is stuck\nnamespace: ledger")
    )
    assert read.is_alert


def test_an_edit_starts_nothing_and_still_tells_what_it_says() -> None:
    event = {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "message": post("[RESOLVED] HighErrorRate (ledger)"),
        "channel": "C1",
    }
    read = parse({"type": "event_callback", "event": event})
    assert not read.is_alert
    assert "edit" in read.reason
    assert [(a.name, a.status) for a in read.alerts] == [("HighErrorRate", "resolved")]


@pytest.mark.parametrize("name", ["Watchdog", "DeadMansSwitch", "InfoInhibitor"])
def test_dead_mans_switches_are_alerts_that_nobody_investigates(name: str) -> None:
    read = parse(post(f"[FIRING:1] {name} (monitoring none)"))
    assert read.is_alert
    assert startable(read) == ()
    assert name in idle(read.alerts[0])
    assert name in read.reason


def test_resolved_alerts_start_nothing() -> None:
    read = parse(post("[RESOLVED] HighErrorRate (ledger critical)"))
    assert read.is_alert
    assert startable(read) == ()


def test_a_firing_alert_starts() -> None:
    assert [a.name for a in startable(parse(post(MARK)))] == ["HighErrorRate"]


@pytest.mark.parametrize(
    "text",
    [
        "[P1] Meeting service is down\nseverity: critical",
        "[CRITICAL] survey-api: 5xx above 5 %",
        "Alert: LunchOrdersFailing\nseverity: high",
    ],
)
def test_services_may_be_called_like_things_of_an_office(text: str) -> None:
    assert startable(parse(post(text)))
