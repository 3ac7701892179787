"""The whole way through the front door: an alert is posted, and its thread tells the story. Real Bolt, real sockets, real store."""

import asyncio
import json

import pytest
import slack_stories as stories

from bot.incidents.ids import investigation_id


def replies(workspace, ts):
    return workspace.thread("#alerts", ts)[1:]


def card(workspace, ts):
    return next(
        (m for m in replies(workspace, ts) if (m.get("metadata") or {}).get("event_payload", {}).get("kind") == "card"),
        None,
    )


def words(message) -> str:
    return json.dumps(message.get("blocks", []), ensure_ascii=False)


def files(workspace, ts):
    return [f for m in replies(workspace, ts) for f in m.get("files") or []]


def reactions(workspace, ts):
    return {r["name"] for r in workspace.message("#alerts", ts).get("reactions") or []}


async def finished(workspace, ts, says="checkout crashes"):
    """The thread once the verdict and the file are there."""

    def done():
        found = card(workspace, ts)
        return found and says in found["text"] and files(workspace, ts) and "eyes" not in reactions(workspace, ts)

    await workspace.wait_for(done, 10)


async def test_an_alert_gets_a_sign_a_card_a_verdict_and_a_file_in_its_thread(workspace, bot, engine):
    engine.hold = True
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await workspace.wait_for(lambda: card(workspace, ts) and "eyes" in reactions(workspace, ts), 5)
    await workspace.wait_for(lambda: "What is crashing" in words(card(workspace, ts)), 5)
    assert '"type": "plan"' in words(card(workspace, ts))
    assert "rca_stop" in words(card(workspace, ts))
    first = card(workspace, ts)["ts"]
    engine.go.set()
    await finished(workspace, ts)
    final = card(workspace, ts)
    assert final["ts"] == first
    assert "rca_evidence" in words(final)
    assert "rca_stop" not in words(final)
    assert reactions(workspace, ts) == {"white_check_mark"}
    assert [f["name"] for f in files(workspace, ts)] == ["rca-checkout-0312.md"]
    assert len(replies(workspace, ts)) == 2  # the card and the file
    top_level = [m for m in workspace.channel_messages("#alerts") if m.get("thread_ts", m["ts"]) == m["ts"]]
    assert [m["ts"] for m in top_level] == [ts]  # nothing outside the thread


async def test_no_post_may_unfurl_and_each_carries_a_sentence(workspace, bot):
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await finished(workspace, ts)
    posts = workspace.calls_of("chat.postMessage")
    assert posts
    for call in posts:
        assert str(call.args["unfurl_links"]).lower() in {"false", "0"}
        assert str(call.args["unfurl_media"]).lower() in {"false", "0"}
        assert call.args["text"]


async def test_the_same_event_delivered_again_starts_one_investigation(workspace, bot, engine):
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    event = {
        "type": "message",
        "channel": workspace.channel_id("#alerts"),
        "channel_type": "channel",
        **workspace.message("#alerts", ts),
    }
    for number in range(4):
        workspace.send_event(event, event_id=f"Ev{number // 2}")
    await finished(workspace, ts)
    await asyncio.sleep(0.2)
    assert len(engine.calls) == 1
    assert len(replies(workspace, ts)) == 2
    assert len(files(workspace, ts)) == 1


async def test_every_event_is_acknowledged_with_the_inbox_written(workspace, bot):
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await finished(workspace, ts)
    assert workspace.acks
    assert not workspace.given_up
    assert await bot.store.seen(f"alert:{bot.room.identity.team}:{workspace.channel_id('#alerts')}:{ts}")


async def test_an_event_that_comes_while_the_bot_stops_is_left_for_later(workspace, start_bot, engine):
    first = await start_bot()
    await first.runtime.stop()
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await asyncio.sleep(0.1)
    assert not replies(workspace, ts)
    await first.room.disconnect()
    await first.room.close()
    await start_bot()
    await finished(workspace, ts)
    assert len(engine.calls) == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda w: w.post_as_user("dana", "#alerts", "KubePodCrashLooping is firing again, I look at it"),
        lambda w: w.post_as_app("Alertmanager", "#alerts", {"text": "Deployed checkout 2.15 to production"}),
        lambda w: w.post_as_app("Alertmanager", "#general", stories.ALERTMANAGER),
        lambda w: w.post_as_app("Grafana", "#alerts", {**stories.ALERTMANAGER, "username": "Grafana"}),
    ],
    ids=["a person", "a deploy notice", "another channel", "a sender that is not on the list"],
)
async def test_what_is_no_alert_of_a_known_sender_in_an_alert_channel_starts_nothing(workspace, start_bot, engine, act):
    await start_bot(channels=({"channel": "#alerts", "senders": ("Alertmanager",)},))
    await workspace.join("rca", "#general")
    posted = await act(workspace)
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await finished(workspace, ts)
    assert len(engine.calls) == 1
    assert "thread_ts" not in posted
    others = {c.args["channel"] for c in workspace.calls_of("chat.postMessage")}
    assert others == {workspace.channel_id("#alerts")}


async def test_replies_and_edits_start_nothing(workspace, bot, engine):
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await finished(workspace, ts)
    await workspace.post_as_app("Alertmanager", "#alerts", {**stories.named("InThread"), "thread_ts": ts})
    await workspace.edit("#alerts", ts, stories.named("Edited"))
    await workspace.unfurl("#alerts", ts, {"title": "[FIRING:1] Unfurled", "color": "danger"})
    again = (await workspace.post_as_app("Alertmanager", "#alerts", stories.named("KubeOtherThing")))["ts"]
    await finished(workspace, again)
    assert [a.name for a in engine.calls] == ["KubePodCrashLooping", "KubeOtherThing"]


async def test_a_resolved_alert_starts_nothing_and_is_recorded(workspace, bot, engine):
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await finished(workspace, ts)
    over = (await workspace.post_as_app("Alertmanager", "#alerts", stories.RESOLVED))["ts"]
    fingerprint = engine.calls[0].fingerprint
    key = f"alert:{bot.room.identity.team}:{workspace.channel_id('#alerts')}:{over}:resolved"
    async with asyncio.timeout(5):
        while not await bot.store.seen(key):
            await asyncio.sleep(0.02)
    assert len(engine.calls) == 1
    assert not replies(workspace, over)
    incident = await bot.store.resolved(workspace.channel_id("#alerts"), fingerprint, over)
    assert incident is not None  # the firing one and the resolved one are the same incident


async def test_a_repetition_while_it_runs_gets_one_line_and_a_link(workspace, bot, engine):
    engine.hold = True
    first = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await workspace.wait_for(lambda: card(workspace, first))
    again = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await workspace.wait_for(lambda: "link" in reactions(workspace, again), 8)
    assert [m["text"].startswith("Part of <http") for m in replies(workspace, again)] == [True]
    engine.go.set()
    await finished(workspace, first)
    assert len(engine.calls) == 1


async def test_stop_cancels_and_says_who_and_what_was_known(workspace, bot, engine):
    engine.hold = True
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await workspace.wait_for(lambda: card(workspace, ts) and "What is crashing" in words(card(workspace, ts)))
    await workspace.click("dana", "#alerts", card(workspace, ts)["ts"], "rca_stop")
    await workspace.wait_for(lambda: "Stopped" in card(workspace, ts)["text"], 8)
    assert engine.cancelled == 1
    shown = words(card(workspace, ts))
    assert "14 restarts" in shown
    assert "Stopped by <@U" in shown
    assert "rca_rerun" in shown
    assert not files(workspace, ts)
    assert bot.runtime.running() == []


async def test_rerun_investigates_again_in_the_same_thread(workspace, bot, engine):
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await finished(workspace, ts)
    await workspace.click("dana", "#alerts", card(workspace, ts)["ts"], "rca_rerun")
    await workspace.wait_for(lambda: len(files(workspace, ts)) == 2, 8)
    assert len(engine.calls) == 2
    assert engine.calls[0] == engine.calls[1]
    assert len(replies(workspace, ts)) == 4


async def test_an_unreadable_alert_gets_an_honest_line(workspace, bot, engine):
    ts = (
        await workspace.post_as_app(
            "Alertmanager", "#alerts", {"attachments": [{"color": "danger", "title": "[FIRING:1]"}]}
        )
    )["ts"]
    await workspace.wait_for(lambda: replies(workspace, ts), 8)
    assert "cannot be read" in words(replies(workspace, ts)[0])
    assert engine.calls == []


async def test_a_channel_has_an_hourly_budget_and_says_so_once(workspace, start_bot, engine):
    await start_bot(channels=({"channel": "#alerts", "max_per_hour": 1},))
    posted = [
        (await workspace.post_as_app("Alertmanager", "#alerts", stories.named(f"KubeAlertNumber{n}")))["ts"]
        for n in range(4)
    ]
    await workspace.wait_for(lambda: any("limit" in words(m) for ts in posted for m in replies(workspace, ts)), 8)
    await asyncio.sleep(0.3)
    assert len(engine.calls) == 1
    assert sum("max_per_hour" in words(m) for ts in posted for m in replies(workspace, ts)) == 1


async def test_two_sockets_are_open_and_the_process_reports_them(workspace, bot):
    await workspace.connected(2)
    assert await bot.room.heard() == 2
    assert bot.metrics.registry.get_sample_value("rca_connections") == 2


async def test_the_card_survives_a_crash_between_post_and_store(workspace, start_bot, engine):
    """The row says "about to post", the message is there: it is found by its metadata and edited, not posted again."""
    engine.hold = True
    first = await start_bot()
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await workspace.wait_for(lambda: card(workspace, ts))
    team, channel = first.room.identity.team, workspace.channel_id("#alerts")
    run = investigation_id(f"alert:{team}:{channel}:{ts}")
    await first.room.disconnect()
    await first.store.posted(run, "card", channel, "")
    await first.runtime.stop()
    await first.room.close()
    engine.go.set()
    await start_bot()
    await finished(workspace, ts)
    assert (
        len(
            [
                m
                for m in replies(workspace, ts)
                if (m.get("metadata") or {}).get("event_payload", {}).get("kind") == "card"
            ]
        )
        == 1
    )
    assert len(files(workspace, ts)) == 1
