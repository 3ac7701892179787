"""Whether an alert still fires, from a real answer over HTTP; an answer that cannot know says so and changes nothing."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bot.alerts.model import Alert, Link
from bot.investigation.model import Report
from bot.investigation.still_firing import StillFiring, resolved_meanwhile
from bot.slack.cards import verdict_card
from bot.tools.alertmanager import Alertmanager, _matcher
from bot.tools.evidence import Evidence

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(minutes=20)
ACTIVE = {
    "labels": {"alertname": "PodNotReady", "namespace": "shop", "pod": "checkout-7d9f8c6b5-x8k2p", "cluster": "eu"},
    "annotations": {"summary": "not ready", "token": "password=hunter2hunter2"},
    "startsAt": "2026-11-22T07:00:00.000Z",
    "endsAt": "2026-11-22T09:00:00.000Z",
    "generatorURL": "http://prometheus/graph?g0.expr=kube_pod_status_ready+%3D%3D+0",
    "status": {"state": "active"},
}


class Server:
    """An Alertmanager as its API describes it: one path, filters by equality."""

    def __init__(self) -> None:
        self.alerts: list[dict] = [ACTIVE]
        self.asked: list[tuple[str, list[str]]] = []
        self.answer: web.Response | None = None
        self.delay = 0.0
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.query.getall("filter", [])))
        await asyncio.sleep(self.delay)
        if self.answer is not None:
            return self.answer
        wanted = [f.split("=", 1) for f in request.query.getall("filter", [])]
        kept = [a for a in self.alerts if all(a["labels"].get(k) == v.strip('"') for k, v in wanted)]
        return web.json_response(kept)


@pytest.fixture
async def server():
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/am/api/v2/alerts", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/am"
    yield made
    await runner.cleanup()


def alert(**more) -> Alert:
    pod = "checkout-7d9f8c6b5-x8k2p"
    values = {"source": "alertmanager", "name": "PodNotReady", "values": ("shop", pod), "pod": pod}
    return Alert(**(values | more))


async def test_one_that_fires_comes_back_with_what_its_template_dropped(server) -> None:
    standing = await StillFiring(Alertmanager(server.url))(alert(), seen_at=NOW)
    assert standing.state == "firing"
    found = standing.alert
    assert (found.namespace, found.pod, found.expr) == (
        "shop",
        "checkout-7d9f8c6b5-x8k2p",
        "kube_pod_status_ready == 0",
    )
    assert found.starts_at == datetime(2026, 11, 22, 7, tzinfo=UTC)
    assert "hunter2" not in found.model_dump_json()
    assert server.asked == [("GET", ['alertname="PodNotReady"'])]


async def test_one_that_its_list_does_not_have_any_more_is_over(server) -> None:
    server.alerts = [{**ACTIVE, "labels": {**ACTIVE["labels"], "pod": "cart-7d9f8c6b5-x8k2p"}}]
    standing = await StillFiring(Alertmanager(server.url))(alert(), seen_at=LONG_AGO)
    assert standing.state == "over"
    report = resolved_meanwhile(standing, investigation="inv-1", started_at=NOW)
    assert isinstance(report, Report)
    assert (report.verdict, report.ran) == ("resolved", (1, 1))
    assert report.known[0].evidence == ("E1",)
    card = verdict_card(report)
    assert "Resolved meanwhile: PodNotReady does not fire any more. Resolved, 1 of 1 checks ran." in card.text


async def test_neighbours_of_another_rule_are_enough_to_trust_the_list(server) -> None:
    server.alerts = [{**ACTIVE, "labels": {"alertname": "Watchdog", "namespace": "shop"}}]
    mine = alert(values=(), labels={"namespace": "shop", "pod": "checkout-7d9f8c6b5-x8k2p"})
    standing = await StillFiring(Alertmanager(server.url))(mine, seen_at=LONG_AGO)
    assert standing.state == "over"
    assert server.asked[-1] == ("GET", ['namespace="shop"'])


async def test_a_list_without_neighbours_or_a_fresh_alert_proves_nothing(server) -> None:
    look = StillFiring(Alertmanager(server.url))
    server.alerts = [{**ACTIVE, "labels": {**ACTIVE["labels"], "namespace": "bank"}}]
    assert (
        await look(alert(), seen_at=LONG_AGO)
    ).state == "unknown"  # the same pod's name, and no labels to tell them apart
    assert (await look(alert(pod="", values=("a", "b")), seen_at=LONG_AGO)).state == "unknown"
    server.alerts = []
    for seen in (datetime.now(UTC), LONG_AGO):
        standing = await look(alert(), seen_at=seen)
        assert (standing.state, standing.alert) == ("unknown", alert())
        assert "another one may have sent it" in standing.note
    server.alerts = [{**ACTIVE, "labels": {**ACTIVE["labels"], "pod": "cart-7d9f8c6b5-x8k2p"}}]
    assert (await look(alert(), seen_at=datetime.now(UTC))).state == "unknown"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (web.Response(status=503), "HTTP 503"),
        (web.Response(status=302, headers={"Location": "http://elsewhere/"}), "HTTP 302"),
        (web.Response(text="<html>login"), "not JSON"),
        (web.Response(text='{"alerts": []}'), "no list"),
        (web.Response(body=b"[" + b" " * 4_100_000 + b"]"), "more than 4 MB"),
    ],
    ids=["down", "redirect", "login page", "another API", "too large"],
)
async def test_a_list_that_cannot_be_had_is_a_note(server, answer, why) -> None:
    server.answer = answer
    standing = await StillFiring(Alertmanager(server.url))(alert(), seen_at=LONG_AGO)
    assert (standing.state, standing.alert) == ("unknown", alert())
    assert why in standing.note


async def test_a_slow_or_absent_list_holds_nothing_up(server) -> None:
    server.delay = 0.4
    standing = await StillFiring(Alertmanager(server.url), timeout_s=0.05)(alert(), seen_at=LONG_AGO)
    assert "no answer in 0.05 s" in standing.note
    gone = await StillFiring(Alertmanager("http://127.0.0.1:9"))(alert(), seen_at=LONG_AGO)
    assert "127.0.0.1:9 did not answer" in gone.note
    assert (await StillFiring()(alert(), seen_at=LONG_AGO)).note == ""
    assert (await StillFiring(Alertmanager(server.url))(alert(source="datadog"), seen_at=LONG_AGO)).note == ""


@given(st.text(max_size=40))
def test_a_name_cannot_leave_its_filter(name: str) -> None:
    made = _matcher("alertname", name)
    inner = made.removeprefix('alertname="').removesuffix('"').replace("\\\\", "").replace('\\"', "")
    assert '"' not in inner
    assert "\n" not in made


class SigNoz:
    """The hub, as far as one tool of one server goes."""

    def __init__(self, rows: list[dict] | None) -> None:
        self.rows = rows

    def has_server(self, name: str) -> bool:
        return name == "signoz"

    async def call(self, tool, arguments, *, id, step, title="", timeout=None) -> Evidence:
        assert (tool, arguments["state"]) == ("signoz.get_alerts", "all")
        if self.rows is None:
            return Evidence(id=id, step=step, server="signoz", tool="get_alerts", status="error", at=NOW)
        return Evidence(id=id, step=step, server="signoz", tool="get_alerts", data={"alerts": self.rows}, at=NOW)


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        (
            [{"rule_id": "r1", "name": "Slow", "state": "firing", "instances": 1, "labels": {"service.name": "cart"}}],
            "firing",
        ),
        ([{"rule_id": "r1", "name": "Slow", "state": "inactive", "instances": 1, "labels": {}}], "over"),
        ([{"rule_id": "r2", "name": "Other", "state": "firing", "instances": 1, "labels": {}}], "unknown"),
        (None, "unknown"),
    ],
    ids=["on", "off", "another rule", "no answer"],
)
async def test_signoz_is_asked_about_its_own_rules(rows, state) -> None:
    mine = Alert(source="signoz", name="Slow", links=(Link(title="rule", url="https://s/alerts/edit?ruleId=r1"),))
    standing = await StillFiring(tools=SigNoz(rows))(mine, seen_at=LONG_AGO)
    assert standing.state == state
    assert standing.alert.service == ("cart" if state == "firing" else "")
