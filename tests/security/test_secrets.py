"""The corpus of secrets against each door through which foreign text comes in."""

import json
from collections.abc import Callable

import attacker_kit as kit

from bot.alerts.parse import parse
from bot.observe.logs import clean as log_line
from bot.slack.commands import alert_of, read
from bot.slack.mentions import question_of
from mcp_servers.common.untrusted import clean

KNOWN = kit.known_secrets()


def each_secret(check: Callable[[kit.Secret], None]) -> Callable[[], None]:
    """One test over the whole corpus that names every kind that failed; a test each would cost more than its work."""

    def test() -> None:
        failed = {}
        for secret in KNOWN:
            try:
                check(secret)
            except AssertionError as error:
                failed[secret.kind] = str(error)[:200]
        assert not failed

    return test


def test_the_corpus_is_wide() -> None:
    assert len({s.kind for s in KNOWN}) >= 60
    assert all(s.core in s.line for s in KNOWN)
    assert {s.core for s in KNOWN}.isdisjoint({s.core for s in kit.known_secrets(seed=11)} - {s.core for s in KNOWN})


@each_secret
def test_a_tool_answer_gives_it_away_neither_alone_nor_in_a_crowd(secret: kit.Secret) -> None:
    assert secret.core not in clean(secret.line, 4_000, multiline=True)
    assert secret.core not in clean(f"{'x ' * 100}{secret.line} tail", 4_000, multiline=True)


@each_secret
def test_an_alert_does_not_keep_it(secret: kit.Secret) -> None:
    message = {
        "username": "Alertmanager",
        "bot_id": "B1",
        "text": f"[FIRING:1] Odd shop (checkout warning)\n{secret.line}",
        "attachments": [
            {
                "color": "danger",
                "title": "[FIRING:1] Odd shop (checkout warning)",
                "text": f"description: {secret.line}",
                "fields": [
                    {"title": "Detail", "value": secret.line},
                    {"title": "Summary", "value": f"before {secret.line} after"},
                ],
            }
        ],
    }
    parsed = parse(message)
    assert parsed.alerts
    assert secret.core not in json.dumps([a.model_dump(mode="json") for a in parsed.alerts], ensure_ascii=False)


@each_secret
def test_a_webhook_does_not_keep_it(secret: kit.Secret) -> None:
    alert = {
        "status": "firing",
        "labels": {"alertname": "Odd", "namespace": "shop", "detail": secret.line},
        "annotations": {"summary": f"before {secret.line}", "description": "x" * 990 + " " + secret.line},
        "startsAt": "2026-11-22T03:00:00Z",
    }
    parsed = parse({"version": "4", "status": "firing", "alerts": [alert]})
    assert parsed.alerts
    shown = json.dumps([a.model_dump(mode="json") for a in parsed.alerts], ensure_ascii=False)
    assert secret.core not in shown
    if len(secret.core) > 20:
        assert secret.core[:12] not in shown, "half a secret is one, too"


@each_secret
def test_what_people_type_does_not_keep_it(secret: kit.Secret) -> None:
    assert secret.core not in question_of(f"<@U0BOT> why does {secret.line} fail")
    quoted = secret.line.replace('"', "").replace("\\", "")
    for typed in (f'run general detail="{quoted}"', f"run general {secret.line}", f"run something odd {secret.line}"):
        command = read(typed, ("general",))
        shown = json.dumps([command.text, command.inputs, alert_of(command, command.text).model_dump(mode="json")])
        assert secret.core not in shown


@each_secret
def test_a_log_line_does_not_hold_it(secret: kit.Secret) -> None:
    line = log_line(None, "info", {"event": secret.line, "detail": secret.line, "more": {"a": [secret.line]}})
    assert secret.core not in json.dumps(line, ensure_ascii=False)


def test_a_label_that_names_a_password_loses_its_value() -> None:
    labels = {
        "alertname": "Odd",
        "db_pwd": "opensesame",
        "password": "opensesame",
        "pod": "checkout-1",
        "pwd_source": "vault",
    }
    kept = parse({"version": "4", "alerts": [{"status": "firing", "labels": labels}]}).alerts[0].labels
    assert "opensesame" not in json.dumps(kept)
    assert (kept["pod"], kept["pwd_source"]) == ("checkout-1", "vault")


def test_ordinary_words_stay() -> None:
    """The clean twin: what an engineer needs is not taken for a secret."""
    for line in (
        "pod checkout-7d9f8c6b5-x8k2p restarted 14 times, exit code 137",
        "image registry.example/checkout@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 pulled",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736 took 2300 ms at 10.42.0.9:8443",
        'secret "checkout-tls" not found',
        "token: expired",
    ):
        assert clean(line, 400) == line
