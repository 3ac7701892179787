"""One line in, one object out."""

import json

from bot.alerts.jsonl import parse_line


def test_an_alert_always_carries_the_five_fields() -> None:
    answer = parse_line(json.dumps({"bot_id": "B1", "text": "[FIRING:1] HighErrorRate"}))
    (alert,) = answer["alerts"]
    assert answer["is_alert"] is True
    assert (alert["name"], alert["status"], alert["severity"], alert["namespace"], alert["pod"]) == (
        "HighErrorRate",
        "firing",
        None,
        "",
        "",
    )
    assert "raw" not in alert
    assert "description" not in alert
    json.dumps(answer)


def test_lines_that_are_no_message() -> None:
    assert "not JSON" in parse_line("{")["error"]
    assert "object" in parse_line("[1]")["error"]
    assert "characters" in parse_line(" " * 4_000_001)["error"]
    assert "error" in parse_line("[" * 200_000)


def test_what_is_no_alert_says_why() -> None:
    answer = parse_line('{"user": "U1", "text": "hello"}')
    assert (answer["is_alert"], answer["alerts"]) == (False, [])
    assert "person" in answer["reason"]
