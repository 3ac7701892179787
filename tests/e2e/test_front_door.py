"""The whole path as its users meet it: commands, a real WebSocket, a real MCP session, a process that is killed."""

import json
import sqlite3
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.alerts.parse import parse
from sandbox import transcript
from sandbox.model.server import ScriptedModel

pytestmark = pytest.mark.timeout(240)
VERDICT = "ConfigMap shop/checkout-settings has no key PAYMENT_URL"


def cards(house: Any, ts: str) -> list[dict[str, Any]]:
    return [m for m in house.workspace.thread("#alerts", ts)[1:] if m.get("blocks")]


async def test_the_demo_prints_the_finished_thread(house: Any) -> None:
    code, out, err = await house.rca("demo", "--once", timeout=150)
    assert code == 0, err
    assert VERDICT in out
    assert "Confirmed · since" in out
    assert "✅" in out
    assert "kubectl -n shop rollout undo deployment/checkout" in out
    assert "📎 rca-" in out


async def test_the_demo_says_what_it_cannot_do(house: Any) -> None:
    code, _, err = await house.rca("demo", "--once", "--scenario", "nothing-of-that-name")
    assert code == 1
    assert "checkout-config" in err


async def test_an_alert_is_investigated_without_slack(house: Any) -> None:
    alert = house.tmp / "alert.json"
    alert.write_text(json.dumps(house.alert()))
    values = parse(house.alert()).alerts[0].values

    async def active(request: web.Request) -> web.StreamResponse:
        labels = {"alertname": "KubeContainerWaiting", "namespace": "shop", "team": "payments"}
        labels |= {f"label_{n}": value for n, value in enumerate(values)}
        return web.json_response([{"labels": labels, "startsAt": datetime.now(UTC).isoformat()}])

    app = web.Application()
    app.router.add_get("/api/v2/alerts", active)
    async with TestServer(app) as alertmanager:
        url = str(alertmanager.make_url(""))
        code, out, err = await house.rca("investigate", str(alert), "--output", "json", RCA_ALERTMANAGER_URL=url)
    assert code == 0, err
    report = json.loads(out)
    assert report["alert"]["labels"]["team"] == "payments", "its sender knows what the message left out"
    assert report["verdict"] == "confirmed"
    first = report["causes"][0]
    assert (first["code"], first["object"]) == ("kubernetes.config.reference_missing", "Deployment/shop/checkout")
    assert set(first["evidence"]) <= {e["id"] for e in report["evidence"]}
    assert report["tool_calls"] >= 5
    assert house.cluster.writes == []
    assert "payment" not in json.dumps(house.cluster.requests).lower() or "secrets" not in json.dumps(
        house.cluster.requests
    )


async def test_a_cluster_that_is_away_gives_an_honest_report(house: Any) -> None:
    await house.cluster.stop()
    alert = house.tmp / "alert.json"
    alert.write_text(json.dumps(house.alert()))
    code, out, err = await house.rca("investigate", str(alert), "--output", "json")
    assert code == 0, err
    report = json.loads(out)
    assert report["verdict"] == "inconclusive"
    assert report["not_checked"]
    assert "UNAVAILABLE" in out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no json", "is not JSON"),
        ('{"text": "lunch at noon?", "user": "U1"}', "holds no alert"),
        ("[]", "not an object"),
    ],
)
async def test_bad_input_is_one_clear_line(house: Any, text: str, says: str) -> None:
    code, out, err = await house.rca("investigate", "-", stdin=text)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


async def test_missing_tokens_are_named(house: Any) -> None:
    code, _, err = await house.rca("run")
    assert code == 2
    assert "SLACK_BOT_TOKEN and SLACK_APP_TOKEN must be set" in err


async def test_a_bot_killed_between_two_steps_resumes_on_the_same_card(house: Any) -> None:
    house.cluster.hold = lambda path: path.endswith("/events")  # later steps ask for events, the first one does not
    first = await house.bot()
    ts = (await house.workspace.post_as_app("Alertmanager", "#alerts", house.alert()))["ts"]
    await house.workspace.wait_for(lambda: cards(house, ts), timeout=30)
    await house.workspace.wait_for(lambda: journal(house), timeout=60)
    card = cards(house, ts)[0]["ts"]
    await house.kill(first)
    kept = journal(house)

    house.cluster.hold = lambda path: False
    restarted = datetime.now(UTC)
    await house.bot()
    await house.workspace.wait_for(
        lambda: any(m.get("files") for m in house.workspace.thread("#alerts", ts)), timeout=90
    )
    thread = house.workspace.thread("#alerts", ts)
    assert [m["ts"] for m in cards(house, ts)] == [card]
    assert VERDICT in transcript.thread(thread)
    assert sum(len(m.get("files") or []) for m in thread) == 1
    at = {e["step"]: datetime.fromisoformat(e["at"]) for e in stored_report(house)["evidence"]}
    assert {step for step, when in at.items() if when < restarted} == set(kept)


async def test_a_message_while_the_bot_is_down_is_not_lost(house: Any) -> None:
    first = await house.bot()
    await house.kill(first)
    ts = (await house.workspace.post_as_app("Alertmanager", "#alerts", house.alert()))["ts"]
    await house.bot()
    await house.workspace.wait_for(
        lambda: any(m.get("files") for m in house.workspace.thread("#alerts", ts)), timeout=90
    )
    assert len(cards(house, ts)) == 1


async def test_a_model_that_is_down_costs_the_explanation_and_nothing_else(house: Any) -> None:
    alert = house.tmp / "alert.json"
    alert.write_text(json.dumps({"username": "Alertmanager", "text": "[FIRING:1] OddThing shop (checkout warning)"}))
    model = ScriptedModel("429")
    url = await model.start()
    try:
        started = time.monotonic()
        code, out, err = await house.rca(
            "investigate",
            str(alert),
            "--output",
            "json",
            "--playbook",
            "general",
            OPENAI_BASE_URL=url,
            OPENAI_API_KEY="sk-test",
        )
    finally:
        await model.stop()
    assert code == 0, err
    report = json.loads(out)
    assert report["checks"]
    assert time.monotonic() - started < 90
    assert any("429" in note for note in report["notes"]) or report["verdict"] == "confirmed"


def journal(house: Any) -> list[str]:
    """The steps that the killed bot had finished."""
    if not house.store.exists():
        return []
    with sqlite3.connect(f"file:{house.store}?mode=ro", uri=True) as database:
        if not database.execute("select 1 from sqlite_master where name = 'rca_journal'").fetchone():
            return []
        return [row[0] for row in database.execute("select step from rca_journal")]


def stored_report(house: Any) -> dict[str, Any]:
    with sqlite3.connect(f"file:{house.store}?mode=ro", uri=True) as database:
        return json.loads(
            database.execute("select report from rca_investigation where report is not null").fetchone()[0]
        )  # type: ignore[no-any-return]
