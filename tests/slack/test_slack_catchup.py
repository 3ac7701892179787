"""What is posted while the bot is down or deaf for longer than Slack redelivers is found in the history, once, and said to be late."""

import asyncio
import json
import time

import pytest
import slack_stories as stories
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.incidents.database import make_engine
from bot.incidents.store import Store
from bot.slack import catchup, connections, history
from bot.slack.catchup import duration
from bot.slack.intake import moment
from sandbox.workspace.server import Workspace

ALERTS = "C0ALERTS"
MINUTE = 60.0


@pytest.fixture
async def workspace():
    """Slack in a hurry: it gives an event up within half a second."""
    async with Workspace(port=0, rate_limits=False, time_scale=0.0001, ack_timeout_s=0.1) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(catchup, "APART_S", 0.0)
    monkeypatch.setattr(catchup, "AGAIN_S", 0.1)


@pytest.fixture
async def was_here(start_bot, tmp_path):
    """The bot was in #alerts before: it read the channel half an hour ago."""
    store = Store(f"sqlite:///{tmp_path / 'rca.sqlite'}")
    await store.open()
    await store.met(ALERTS, time.time() - 30 * MINUTE)
    await store.close()


def ago(workspace, seconds: float) -> None:
    """What is posted from here on carries a time that is ``seconds`` past."""
    workspace.world.clock.now = lambda: time.time() - seconds


async def lost(workspace, payload, *, app="Alertmanager", channel="#alerts") -> str:
    """Posts while nobody listens and waits until Slack has given the event up."""
    ts = (await workspace.post_as_app(app, channel, payload))["ts"]
    await workspace.wait_for(lambda: ts in [event["event"].get("ts") for event in workspace.given_up], 10)
    return ts


def unsent(workspace, payload) -> str:
    """A message whose event Slack never sent."""
    app = workspace.world.directory.app("Alertmanager", install=True)
    data = {"bot_id": app.bot_id, "app_id": app.app_id, "subtype": "bot_message", "text": "", **payload}
    return workspace.world.messages.post(ALERTS, data).ts


def replies(workspace, ts):
    return workspace.thread("#alerts", ts)[1:]


def cards(workspace, ts):
    return [
        m for m in replies(workspace, ts) if (m.get("metadata") or {}).get("event_payload", {}).get("kind") == "card"
    ]


def files(workspace, ts):
    return [f for m in replies(workspace, ts) for f in m.get("files") or []]


def words(message) -> str:
    return json.dumps(message.get("blocks", []), ensure_ascii=False)


async def finished(workspace, ts):
    await workspace.wait_for(lambda: cards(workspace, ts) and files(workspace, ts), 10)
    return cards(workspace, ts)[0]


async def read(workspace, times: int = 1):
    """Waits until so many history calls were answered."""
    await workspace.wait_for(
        lambda: len([c for c in workspace.calls_of("conversations.history") if not c.error]) >= times, 10
    )


async def until(condition, seconds: float = 10.0):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


def received(bot, outcome: str) -> float:
    return bot.metrics.registry.get_sample_value("rca_alerts_received_total", {"outcome": outcome}) or 0.0


async def _counted(bot, outcome: str) -> bool:
    return received(bot, outcome) == 1


async def test_an_alert_of_the_time_when_the_bot_was_down_is_investigated_once(workspace, start_bot, engine):
    first = await start_bot()
    await read(workspace)
    await first.stop()
    ts = await lost(workspace, stories.ALERTMANAGER)
    assert not replies(workspace, ts)
    second = await start_bot()
    await finished(workspace, ts)
    await second.stop()
    await start_bot()  # it reads the same stretch again
    await read(workspace, 3)
    assert [a.name for a in engine.calls] == ["KubePodCrashLooping"]
    assert len(replies(workspace, ts)) == 2


async def test_an_alert_that_is_found_late_is_said_to_be_late(workspace, was_here, start_bot, engine):
    ago(workspace, 12 * MINUTE)
    ts = await lost(workspace, stories.ALERTMANAGER)
    bot = await start_bot()
    card = await finished(workspace, ts)
    assert "seen 12 minutes late: the bot was not connected" in words(card)
    assert received(bot, "late") == 1
    assert received(bot, "started") == 0


async def test_an_alert_that_comes_in_time_is_not_said_to_be_late(workspace, bot):
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    assert " late" not in words(await finished(workspace, ts))
    assert received(bot, "started") == 1
    assert received(bot, "late") == 0


async def test_a_re_run_of_a_late_alert_is_not_late(workspace, was_here, start_bot):
    ago(workspace, 12 * MINUTE)
    ts = await lost(workspace, stories.ALERTMANAGER)
    bot = await start_bot()
    card = await finished(workspace, ts)
    await until(lambda: _all_done(bot))
    ago(workspace, 0)
    await workspace.click("dana", "#alerts", card["ts"], "rca_rerun")
    await workspace.wait_for(lambda: len(files(workspace, ts)) == 2, 8)
    assert ["late" in words(m) for m in cards(workspace, ts)] == [True, False]


async def test_a_redelivery_and_the_history_are_one_alert(start_bot, engine, workspace):
    """The event is still being delivered when the bot comes up, and the history holds its message too."""
    first = await start_bot()
    await read(workspace)
    await first.stop()
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    bot = await start_bot()
    await finished(workspace, ts)
    await read(workspace, 2)
    event = {"type": "message", "channel_type": "channel", **workspace.message("#alerts", ts)}
    for number in range(3):
        workspace.send_event(event, event_id=f"Ev{number}")
    await workspace.wait_for(lambda: len([a for a in workspace.acks if a.event_id.startswith("Ev")]) >= 3)
    assert len(engine.calls) == 1
    assert len(cards(workspace, ts)) == len(files(workspace, ts)) == 1
    assert received(bot, "started") + received(bot, "late") == 1


async def test_a_first_start_leaves_what_was_there_before_alone(workspace, start_bot, engine):
    old = await lost(workspace, stories.ALERTMANAGER)
    bot = await start_bot()
    await read(workspace)
    new = (await workspace.post_as_app("Alertmanager", "#alerts", stories.named("KubeNewThing")))["ts"]
    await finished(workspace, new)
    await bot.stop()
    await start_bot()
    await read(workspace, 2)
    assert not replies(workspace, old)
    assert [a.name for a in engine.calls] == ["KubeNewThing"]


async def test_what_was_said_before_an_invitation_is_left_alone(workspace, start_bot, engine):
    bot = await start_bot()
    await workspace.post_as_app("Alertmanager", "#random", stories.named("KubeBeforeUs"))
    await workspace.join("rca", "#random")

    async def met():
        return "C0RANDOM" in await bot.store.channels()

    await until(met)
    await bot.room.disconnect()
    await lost(workspace, stories.named("KubeAfterUs"), channel="#random")
    await bot.stop()
    await start_bot()
    await workspace.wait_for(lambda: engine.calls)
    assert [a.name for a in engine.calls] == ["KubeAfterUs"]


async def test_an_edit_of_something_old_does_not_open_up_what_was_before_us(workspace, start_bot, engine):
    ago(workspace, 20 * MINUTE)
    old = unsent(workspace, stories.named("KubeOldThing"))
    unsent(workspace, stories.named("KubeOtherOldThing"))
    ago(workspace, 0)
    first = await start_bot(catch_up_minutes=0)
    await workspace.edit("#alerts", old, stories.RESOLVED)

    async def met():
        return ALERTS in await first.store.channels()

    await until(met)
    await first.stop()
    await start_bot()
    await read(workspace)
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await finished(workspace, ts)
    assert [a.name for a in engine.calls] == ["KubePodCrashLooping"]


async def test_half_open_sockets_lose_nothing(workspace, start_bot, engine, monkeypatch):
    monkeypatch.setattr(connections, "PING_S", 0.5)
    await start_bot()
    await workspace.connected(2)
    await read(workspace)
    workspace.connections.silence()
    ts = await lost(workspace, stories.ALERTMANAGER)
    await finished(workspace, ts)
    assert len(engine.calls) == 1


async def test_once_in_a_while_the_history_is_read_anyway(workspace, was_here, start_bot):
    bot = await start_bot(catch_up_minutes=0.005)
    await read(workspace, 2)
    ago(workspace, 1.7 * MINUTE)
    ts = unsent(workspace, stories.ALERTMANAGER)
    assert "seen 2 minutes late: its event did not reach the bot" in words(await finished(workspace, ts))
    assert received(bot, "late") == 1


async def test_it_can_be_turned_off(workspace, was_here, start_bot, engine):
    missed = await lost(workspace, stories.ALERTMANAGER)
    await start_bot(catch_up_minutes=0)
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.named("KubeHeardThing")))["ts"]
    await finished(workspace, ts)
    assert not workspace.calls_of("conversations.history")
    assert not replies(workspace, missed)


async def test_it_looks_no_further_back_than_it_may(workspace, was_here, start_bot, engine):
    ago(workspace, 20 * MINUTE)
    old = await lost(workspace, stories.named("KubeOldThing"))
    ago(workspace, 5 * MINUTE)
    ts = await lost(workspace, stories.ALERTMANAGER)
    await start_bot(catch_up_hours=0.25)
    await finished(workspace, ts)
    assert not replies(workspace, old)
    assert [a.name for a in engine.calls] == ["KubePodCrashLooping"]


async def test_an_end_that_was_missed_is_recorded(workspace, start_bot, engine):
    first = await start_bot()
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await finished(workspace, ts)
    await first.stop()
    over = await lost(workspace, stories.RESOLVED)
    bot = await start_bot()
    key = f"alert:{bot.room.identity.team}:{ALERTS}:{over}:resolved"
    await until(lambda: bot.store.seen(key))
    await until(lambda: _counted(bot, "resolved"))
    assert not replies(workspace, over)
    assert len(engine.calls) == 1


async def test_an_end_that_was_written_into_the_alert_itself_is_recorded(workspace, start_bot, engine):
    first = await start_bot()
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await finished(workspace, ts)
    await first.stop()
    await workspace.edit("#alerts", ts, stories.RESOLVED)
    await workspace.wait_for(lambda: workspace.given_up, 10)
    bot = await start_bot()
    await until(lambda: bot.store.seen(f"alert:{bot.room.identity.team}:{ALERTS}:{ts}:resolved"))
    assert len(engine.calls) == 1


async def test_the_guards_of_the_door_hold(workspace, was_here, start_bot, engine):
    await workspace.post_as_user("dana", "#alerts", "KubePodCrashLooping is firing again, I look at it")
    foreign = {**stories.named("KubeForeignThing"), "username": "Grafana"}
    echo = {**stories.named("KubeOwnEcho"), "metadata": {"event_type": "rca_run", "event_payload": {}}}
    *_, own, ts = await asyncio.gather(
        lost(workspace, {"text": "Deployed checkout 2.15 to production"}),
        lost(workspace, foreign, app="Grafana"),
        lost(workspace, echo),
        lost(workspace, stories.ALERTMANAGER),
    )
    await start_bot(channels=({"channel": "#alerts", "senders": ("Alertmanager",)},))
    await finished(workspace, ts)
    assert [a.name for a in engine.calls] == ["KubePodCrashLooping"]
    assert not replies(workspace, own)


async def test_what_was_over_the_hours_budget_is_not_started_by_reading_again(workspace, start_bot, engine):
    settings = {"channels": ({"channel": "#alerts", "max_per_hour": 1},)}
    first = await start_bot(**settings)
    posted = [
        (await workspace.post_as_app("Alertmanager", "#alerts", stories.named(f"KubeAlertNumber{n}")))["ts"]
        for n in range(3)
    ]
    await until(lambda: _all_seen(first, posted))
    await first.stop()
    await start_bot(**settings)  # a new process has its whole budget
    await read(workspace, 2)
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.named("KubeNext")))["ts"]
    await finished(workspace, ts)
    assert len(engine.calls) == 2


async def _all_done(bot) -> bool:
    return not await bot.store.unfinished()


async def _all_seen(bot, posted) -> bool:
    keys = [f"alert:{bot.room.identity.team}:{ALERTS}:{ts}" for ts in posted]
    return await bot.store.seen_among(keys) == set(keys)


async def test_more_than_one_run_may_take_are_read_in_several_oldest_first(
    workspace, was_here, start_bot, engine, monkeypatch
):
    monkeypatch.setattr(history, "MOST", 3)
    monkeypatch.setattr(history, "CALLS_PER_MINUTE", 6000.0)
    names = [f"KubeThing{n}" for n in range(8)]
    for n, name in enumerate(names):
        ago(workspace, (20 - 2 * n) * MINUTE)
        unsent(workspace, stories.named(name))
    bot = await start_bot()
    await workspace.wait_for(lambda: len(engine.calls) == len(names), 10)
    assert [row.name for row in reversed(await bot.runtime.recent(20))] == names


async def test_slack_asks_to_wait_and_it_waits(workspace, was_here, start_bot, engine):
    ts = await lost(workspace, stories.ALERTMANAGER)
    workspace.faults.fail_next("conversations.history", "ratelimited", retry_after=1)
    await start_bot()
    await finished(workspace, ts)
    assert [c.error for c in workspace.calls_of("conversations.history")][:2] == ["ratelimited", ""]
    assert len(engine.calls) == 1


async def test_slack_is_unwell_or_away_and_it_is_tried_again(workspace, was_here, start_bot, engine):
    ts = await lost(workspace, stories.ALERTMANAGER)
    workspace.faults.fail_next("users.conversations", "fatal_error")
    workspace.faults.fail_next("conversations.history", "fatal_error", status=503)
    workspace.faults.drop_next("conversations.history")
    await start_bot()
    await finished(workspace, ts)
    assert len(engine.calls) == 1


@pytest.mark.parametrize(("error", "mend"), [("not_in_channel", "/invite @rca"), ("missing_scope", "shipped manifest")])
async def test_what_a_person_must_mend_is_one_line_and_live_alerts_go_on(workspace, start_bot, error, mend):
    workspace.faults.fail_next("conversations.history", error, times=50)
    with capture_logs() as lines:
        await start_bot(channels=({"channel": ALERTS},), catch_up_minutes=0.002)
        await workspace.wait_for(lambda: len(workspace.calls_of("conversations.history")) >= 3, 10)
        ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
        await finished(workspace, ts)
    [line] = [entry for entry in lines if entry["event"] == "history_not_read"]
    assert line["where"] == ALERTS
    assert line["error"] == error
    assert mend in line["mend"]


async def test_without_the_list_of_channels_those_that_are_known_are_read(workspace, was_here, start_bot):
    ts = await lost(workspace, stories.ALERTMANAGER)
    workspace.faults.fail_next("users.conversations", "missing_scope", times=5)
    await start_bot()
    await finished(workspace, ts)


async def test_a_message_that_cannot_be_taken_does_not_hold_up_the_others(
    workspace, was_here, start_bot, engine, monkeypatch
):
    ago(workspace, 10 * MINUTE)
    bad = unsent(workspace, stories.named("KubeBadThing"))
    ago(workspace, 9 * MINUTE)
    good = unsent(workspace, stories.ALERTMANAGER)
    take, failed = catchup.Intake.message, []

    async def message(self, body, event, found=None):
        if event.get("ts") == bad and len(failed) < 2:
            failed.append(bad)
            raise KeyError("nobody foresaw this")
        return await take(self, body, event, found)

    monkeypatch.setattr(catchup.Intake, "message", message)
    await start_bot()
    await finished(workspace, good)
    await finished(workspace, bad)
    assert [a.name for a in engine.calls] == ["KubePodCrashLooping", "KubeBadThing"]
    assert len(failed) == 2


async def test_where_a_channel_was_read_to_never_goes_back(was_here, tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'rca.sqlite'}")
    await store.open()
    try:
        before = await store.met(ALERTS, 1.0)
        assert before > time.time() - 31 * MINUTE
        await store.read_to(ALERTS, before + 5)
        await store.read_to(ALERTS, before - 5)
        assert await store.met(ALERTS, 1.0) == before + 5
        await store.read_to("C0NEW", 7.5)
        assert await store.met("C0NEW", 1.0) == 7.5
        assert await store.channels() == [ALERTS, "C0NEW"]
    finally:
        await store.close()


async def test_a_store_of_the_time_before_channels_were_remembered_is_brought_up(was_here, tmp_path):
    url = f"sqlite:///{tmp_path / 'rca.sqlite'}"
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE rca_channel"))
        connection.execute(sa.text("DELETE FROM rca_schema"))
        connection.execute(sa.text("INSERT INTO rca_schema (version, at) VALUES (1, 0.0)"))
    engine.dispose()
    store = Store(url)
    await store.open()
    assert await store.met(ALERTS, 5.0) == 5.0
    await store.close()


def test_how_late_in_words():
    assert [duration(s) for s in (1, 61, 12 * 60 + 20, 3599, 3600, 6300)] == [
        "1 minute",
        "1 minute",
        "12 minutes",
        "1 h 0 min",
        "1 h 0 min",
        "1 h 45 min",
    ]


@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.lists(st.text()), st.just("1763800000.000100")))
def test_what_is_no_timestamp_is_none(ts):
    at = moment(ts)
    assert at is None or 0 < at < 1e11
