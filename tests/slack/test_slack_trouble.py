"""Slack says no, says later, or says nothing: the verdict still comes, once, or the reason it cannot is written down."""

import asyncio
import json

import pytest
import slack_stories as stories


def replies(workspace, ts):
    return workspace.thread("#alerts", ts)[1:]


def kinds(workspace, ts):
    return [
        (m.get("metadata") or {}).get("event_payload", {}).get("kind") or ("file" if m.get("files") else "?")
        for m in replies(workspace, ts)
    ]


def card(workspace, ts):
    return next(
        (m for m in replies(workspace, ts) if (m.get("metadata") or {}).get("event_payload", {}).get("kind") == "card"),
        None,
    )


async def alert(workspace) -> str:
    return (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]


async def settled(bot):
    async with asyncio.timeout(12):
        while not await bot.runtime.recent() or await bot.store.unfinished():
            await asyncio.sleep(0.02)
    return (await bot.runtime.recent())[0]


async def test_a_cosmetic_edit_that_slack_limits_is_dropped_and_the_verdict_still_comes(workspace, start_bot, engine):
    bot = await start_bot()
    engine.hold = True
    workspace.faults.fail_next("chat.update", "ratelimited", times=1, retry_after=1)
    ts = await alert(workspace)
    await workspace.wait_for(lambda: any(c.error == "ratelimited" for c in workspace.calls_of("chat.update")), 8)
    engine.go.set()
    row = await settled(bot)
    assert row.state == "done"
    assert "checkout crashes" in card(workspace, ts)["text"]


async def test_the_final_edit_waits_as_long_as_slack_says(workspace, start_bot, engine):
    bot = await start_bot(edit_interval_s=60.0)
    engine.hold = True
    ts = await alert(workspace)
    await workspace.wait_for(lambda: len([c for c in workspace.calls_of("chat.update") if not c.error]) == 1, 8)
    workspace.faults.fail_next("chat.update", "ratelimited", times=1, retry_after=1)
    engine.go.set()
    assert (await settled(bot)).state == "done"
    errors = [c.error for c in workspace.calls_of("chat.update")]
    assert errors.count("ratelimited") == 1
    assert "checkout crashes" in card(workspace, ts)["text"]


@pytest.mark.parametrize("error", ["invalid_blocks", "msg_too_long", "msg_blocks_too_long"])
async def test_refused_blocks_are_sent_in_a_simpler_form(workspace, start_bot, engine, error):
    bot = await start_bot(edit_interval_s=60.0)
    engine.hold = True
    ts = await alert(workspace)
    await workspace.wait_for(lambda: len([c for c in workspace.calls_of("chat.update") if not c.error]) == 1, 8)
    workspace.faults.fail_next("chat.update", error)
    engine.go.set()
    assert (await settled(bot)).state == "done"
    shown = card(workspace, ts)
    assert [b["type"] for b in shown["blocks"]] == ["section", "actions"]
    assert "couldn't find key" in json.dumps(shown["blocks"])


async def test_blocks_refused_twice_leave_the_sentence(workspace, start_bot, engine):
    bot = await start_bot(edit_interval_s=60.0)
    engine.hold = True
    ts = await alert(workspace)
    await workspace.wait_for(lambda: len([c for c in workspace.calls_of("chat.update") if not c.error]) == 1, 8)
    workspace.faults.fail_next("chat.update", "invalid_blocks", times=2)
    engine.go.set()
    assert (await settled(bot)).state == "done"
    shown = card(workspace, ts)
    assert not shown.get("blocks")
    assert "checkout crashes" in shown["text"]


async def test_a_bot_that_was_thrown_out_says_in_its_store_how_to_mend_it(workspace, start_bot):
    bot = await start_bot()
    workspace.faults.fail_next("chat.postMessage", "not_in_channel", times=9)
    await alert(workspace)
    row = await settled(bot)
    assert row.state == "undelivered"
    assert "not_in_channel" in row.trouble
    assert "/invite @rca" in row.trouble


async def test_a_post_whose_answer_was_lost_is_not_repeated(workspace, start_bot):
    bot = await start_bot()
    workspace.faults.drop_next("chat.postMessage", after=True)
    ts = await alert(workspace)
    assert (await settled(bot)).state == "done"
    assert kinds(workspace, ts).count("card") == 1


async def test_a_post_that_never_arrived_is_made_again(workspace, start_bot):
    bot = await start_bot()
    workspace.faults.drop_next("chat.postMessage")
    ts = await alert(workspace)
    assert (await settled(bot)).state == "done"
    assert kinds(workspace, ts).count("card") == 1


async def test_slack_away_for_a_while_delays_the_verdict_and_no_more(workspace, start_bot, engine):
    bot = await start_bot(edit_interval_s=60.0)
    engine.hold = True
    ts = await alert(workspace)
    await workspace.wait_for(lambda: len([c for c in workspace.calls_of("chat.update") if not c.error]) == 1, 8)
    workspace.faults.fail_next("chat.update", "fatal_error", times=2)
    engine.go.set()
    assert (await settled(bot)).state == "done"
    assert "checkout crashes" in card(workspace, ts)["text"]
    assert len(engine.calls) == 1


async def test_a_card_that_somebody_deleted_comes_back_with_the_verdict(workspace, start_bot, engine):
    bot = await start_bot()
    engine.hold = True
    ts = await alert(workspace)
    await workspace.wait_for(lambda: card(workspace, ts))
    await workspace.delete("#alerts", card(workspace, ts)["ts"])
    engine.go.set()
    assert (await settled(bot)).state == "done"
    assert "checkout crashes" in card(workspace, ts)["text"]


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
async def test_an_upload_that_fails_for_now_is_tried_again_and_seen_once(workspace, start_bot, method):
    bot = await start_bot()
    workspace.faults.fail_next(method, "fatal_error")
    ts = await alert(workspace)
    assert (await settled(bot)).state == "done"
    await workspace.wait_for(lambda: "file" in kinds(workspace, ts))
    assert kinds(workspace, ts).count("file") == 1


async def test_without_the_permission_for_files_the_verdict_stands_alone(workspace, start_bot):
    bot = await start_bot()
    workspace.faults.fail_next("files.getUploadURLExternal", "missing_scope", times=5)
    ts = await alert(workspace)
    assert (await settled(bot)).state == "done"
    assert kinds(workspace, ts) == ["card"]


async def test_reactions_are_never_worth_an_error(workspace, start_bot):
    bot = await start_bot()
    workspace.faults.fail_next("reactions.add", "missing_scope", times=5)
    workspace.faults.fail_next("reactions.remove", "missing_scope", times=5)
    ts = await alert(workspace)
    assert (await settled(bot)).state == "done"
    assert "card" in kinds(workspace, ts)


async def test_a_report_that_breaks_the_limits_of_blocks_is_still_shown(workspace, start_bot, engine):
    long = "x" * 9000
    engine.result = {
        "headline": long,
        "why": tuple(stories.Cited(text=long, evidence=("E1",) * 50) for _ in range(80)),
        "ruled_out": tuple(stories.Cited(text=long) for _ in range(80)),
        "notes": (long,) * 80,
        "affected": long,
        "mentions": ("@" + "g" * 300,),
        "remediation": tuple(stories.Action(do=long, command=long) for _ in range(9)),
    }
    bot = await start_bot()
    await alert(workspace)
    assert (await settled(bot)).state == "done"
    assert not [c for c in workspace.calls if c.error]
