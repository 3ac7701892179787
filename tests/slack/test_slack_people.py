"""What people can do: type /rca, mention the bot, press buttons."""

import asyncio
import json

import pytest
import slack_stories as stories
from hypothesis import given
from hypothesis import strategies as st

from bot.slack.commands import Command, read
from bot.slack.mentions import question_of

PLAYBOOKS = ("kube-pod-crash-looping", "kube-workload-not-available", "general")


def replies(workspace, ts, channel="#alerts"):
    return workspace.thread(channel, ts)[1:]


def kind(message):
    return (message.get("metadata") or {}).get("event_payload", {}).get("kind")


def of_kind(workspace, ts, wanted, channel="#alerts"):
    return [m for m in replies(workspace, ts, channel) if kind(m) == wanted]


def words(message) -> str:
    return message["text"] + json.dumps(message.get("blocks", []), ensure_ascii=False)


async def investigated(workspace, engine=None) -> str:
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await workspace.wait_for(
        lambda: (
            any(m.get("files") for m in replies(workspace, ts))
            and "white_check_mark" in json.dumps(workspace.message("#alerts", ts))
        ),
        10,
    )
    return ts


# -- /rca, as it is read --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", Command("help")),
        ("help", Command("help")),
        ("status", Command("status")),
        ("run general", Command("run", playbook="general")),
        (
            "run kube-pod-crash-looping namespace=shop pod=checkout-1 the new one",
            Command("run", "kube-pod-crash-looping", "the new one", {"namespace": "shop", "pod": "checkout-1"}),
        ),
        (
            'run "checkout is slow" service=checkout',
            Command("run", text="checkout is slow", inputs={"service": "checkout"}),
        ),
        ("run checkout isn't well", Command("run", text="checkout isn't well")),
        ("run &lt;b&gt; <https://x.example|x.example> <@U123|dana>", Command("run", text="<b> x.example dana")),
    ],
)
def test_the_command_is_understood(text, command):
    assert read(text, PLAYBOOKS) == command


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("statsu", "statsu is no command of /rca. Did you mean status?"),
        ("delete everything", "delete is no command of /rca."),
        ("run", "run needs a playbook or the text of an alert."),
        ("run namespace=shop", "run needs a playbook or the text of an alert."),
        (
            "run kube-pod-crash-lopping",
            "There is no playbook kube-pod-crash-lopping. Did you mean kube-pod-crash-looping?",
        ),
    ],
)
def test_a_command_that_is_not_understood_gets_help_with_the_closest_word(text, trouble):
    assert read(text, PLAYBOOKS) == Command("help", trouble=trouble)


@given(st.text(max_size=400))
def test_no_command_line_is_too_strange(text):
    command = read(f"run {text}", PLAYBOOKS)
    assert len(command.text) <= 500
    assert all(len(v) <= 200 for v in command.inputs.values())


def test_secrets_in_a_command_are_not_kept():
    command = read("run checkout password=hunter2hunter2 token: abcdef0123456789abcdef", PLAYBOOKS)
    assert "hunter2" not in json.dumps([command.text, command.inputs])


def test_the_question_is_what_is_left_without_the_mention():
    assert question_of("<@U0BOT> what changed in\n`cart` &amp; co?") == "what changed in `cart` & co?"


# -- /rca, as it works ----------------------------------------------------------------------------------------------------------


async def test_run_posts_a_root_that_names_who_asked_and_investigates_in_its_thread(workspace, bot, engine):
    assert not await workspace.slash(
        "dana", "#alerts", "/rca", "run kube-pod-crash-looping namespace=shop pod=checkout-1"
    )
    root = await workspace.wait_for(
        lambda: next(
            (m for m in workspace.channel_messages("#alerts") if "started an investigation" in m["text"]), None
        ),
        8,
    )
    assert root["text"].startswith("<@U")
    assert "kube-pod-crash-looping" in root["text"]
    await workspace.wait_for(lambda: any(m.get("files") for m in replies(workspace, root["ts"])), 8)
    assert (engine.calls[0].source, engine.calls[0].namespace, engine.calls[0].pod) == ("manual", "shop", "checkout-1")
    rows = await bot.runtime.recent()
    assert rows[0].playbook == "kube-pod-crash-looping"


async def test_run_where_the_bot_is_no_member_says_what_to_do_and_only_to_the_person(workspace, bot):
    await workspace.leave("rca", "#general")
    await workspace.slash("dana", "#general", "/rca", "run checkout is slow")
    await workspace.wait_for(lambda: workspace.ephemerals("dana"), 8)
    assert "/invite @rca" in workspace.ephemerals("dana")[-1]["text"]
    assert not [m for m in workspace.channel_messages("#general") if m.get("bot_id")]


async def test_status_lists_what_runs_and_what_was_found(workspace, bot, engine):
    assert "Nothing is running now." in (await workspace.slash("dana", "#alerts", "/rca", "status"))["text"]
    await investigated(workspace)
    engine.hold = True
    await workspace.post_as_app("Alertmanager", "#alerts", stories.named("KubeOtherThing"))
    await workspace.wait_for(lambda: len(engine.calls) == 2, 8)
    text = (await workspace.slash("dana", "#alerts", "/rca", "status"))["text"]
    assert "*Running now*\n• KubeOtherThing" in text
    assert "confirmed. checkout crashes" in text


async def test_help_is_for_the_person_alone(workspace, bot):
    answer = await workspace.slash("dana", "#alerts", "/rca", "statsu")
    assert "Did you mean status?" in answer["text"]
    assert "`general`" in answer["text"]
    assert not workspace.calls_of("chat.postMessage")


# -- mentions -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def answering(start_bot):
    asked = []

    async def answer(question, report):
        asked.append(question)
        return "Nothing was rolled out in `cart`. See [the board](https://grafana.example/d/1) <!channel>", ("E9",)

    bot = await start_bot(runtime={"answer": answer}, link_hosts=("grafana.example",))
    bot.asked = asked
    return bot


async def test_a_question_in_the_thread_is_streamed_to_the_person_and_answered_once(workspace, answering):
    ts = await investigated(workspace)
    await workspace.post_as_user("dana", "#alerts", "@rca what changed in cart?", thread_ts=ts)
    await workspace.wait_for(lambda: of_kind(workspace, ts, "answer"), 8)
    [answer] = of_kind(workspace, ts, "answer")
    shown = words(answer)
    assert answering.asked == ["what changed in cart?"]
    assert "Nothing was rolled out in" in shown
    assert "E9" in shown
    assert "https://grafana.example/d/1" in shown
    assert '"broadcast"' not in shown
    assert [c.error for c in workspace.calls_of("chat.startStream")] == [""] or not workspace.calls_of(
        "chat.startStream"
    )[0].error
    assert len(workspace.calls_of("chat.stopStream")) == 1
    assert len(replies(workspace, ts)) == 4  # card, file, question, answer


async def test_where_streams_are_refused_the_answer_is_a_post(workspace, answering):
    ts = await investigated(workspace)
    workspace.faults.fail_next("chat.startStream", "missing_recipient_user_id")
    await workspace.post_as_user("dana", "#alerts", "@rca what changed in cart?", thread_ts=ts)
    await workspace.wait_for(lambda: of_kind(workspace, ts, "answer"), 8)
    assert "Nothing was rolled out in" in words(of_kind(workspace, ts, "answer")[0])
    assert not workspace.calls_of("chat.stopStream")


async def test_a_stream_that_died_meanwhile_is_edited_into_the_answer(workspace, answering):
    ts = await investigated(workspace)
    workspace.faults.fail_next("chat.stopStream", "message_not_in_streaming_state")
    await workspace.post_as_user("dana", "#alerts", "@rca what changed in cart?", thread_ts=ts)
    await workspace.wait_for(lambda: any("Nothing was rolled out in" in words(m) for m in replies(workspace, ts)), 8)
    assert len([m for m in replies(workspace, ts) if "Nothing was rolled out in" in words(m)]) == 1


async def test_a_mention_elsewhere_gets_a_short_help_in_its_own_thread(workspace, bot, engine):
    asked = await workspace.post_as_user("dana", "#alerts", "@rca hello")
    await workspace.wait_for(lambda: replies(workspace, asked["ts"]), 8)
    assert "/rca help" in replies(workspace, asked["ts"])[0]["text"]
    await workspace.post_as_user("dana", "#alerts", "@rca what now?", thread_ts=asked["ts"])
    await workspace.wait_for(lambda: len(replies(workspace, asked["ts"])) == 3, 8)
    assert "no investigation in this thread" in replies(workspace, asked["ts"])[-1]["text"]
    assert engine.calls == []


async def test_bots_do_not_get_answers(workspace, answering):
    ts = await investigated(workspace)
    me = answering.room.identity.user
    await workspace.post_as_app("Grafana", "#alerts", {"text": f"<@{me}> what changed?", "thread_ts": ts})
    event = {
        "type": "app_mention",
        "user": "U0GRAFANA",
        "bot_id": "B0GRAFANA",
        "text": f"<@{me}> hi",
        "ts": "1.2",
        "thread_ts": ts,
    }
    workspace.send_event({**event, "channel": workspace.channel_id("#alerts")})
    await workspace.post_as_user("dana", "#alerts", "@rca and now?", thread_ts=ts)
    await workspace.wait_for(lambda: of_kind(workspace, ts, "answer"), 8)
    assert answering.asked == ["and now?"]


# -- buttons --------------------------------------------------------------------------------------------------------------------


async def test_evidence_opens_as_a_modal_with_pages(workspace, bot):
    ts = await investigated(workspace)
    card = of_kind(workspace, ts, "card")[0]
    await workspace.click("dana", "#alerts", card["ts"], "rca_evidence")
    await workspace.wait_for(lambda: workspace.views("dana"), 8)
    view = workspace.views("dana")[-1]
    shown = json.dumps(view.data)
    assert "page 1 of 2" in shown
    assert "get_pod_status" in shown
    assert "E5" in shown
    assert "E6" not in shown
    turn = next(b for b in view.data["blocks"] if b["type"] == "actions")
    person = workspace.world.directory.user("dana")
    await workspace.interactions.press_in_view(
        person, view, turn["elements"][0]["action_id"], turn.get("block_id", ""), "1"
    )
    await workspace.wait_for(lambda: "page 2 of 2" in json.dumps(workspace.views("dana")[-1].data), 8)
    assert "E6" in json.dumps(workspace.views("dana")[-1].data)


async def test_a_vote_is_kept_the_last_one_wins_and_a_bad_one_asks_why(workspace, bot):
    ts = await investigated(workspace)
    card = of_kind(workspace, ts, "card")[0]
    run = (await bot.runtime.recent())[0].id
    await workspace.click("dana", "#alerts", card["ts"], "rca_feedback", f"up:{run}")
    await rated(bot, run, ["up"])
    await workspace.click("dana", "#alerts", card["ts"], "rca_feedback", f"down:{run}")
    await workspace.wait_for(lambda: workspace.views("dana"), 8)
    assert not await workspace.submit("dana", {"reason": {"text": "it was the node; password=hunter2hunter2"}})
    ratings = await rated(bot, run, ["down"], reason="it was the node")
    assert "hunter2" not in ratings[0].reason


async def rated(bot, run, values, reason=""):
    async with asyncio.timeout(5):
        while True:
            ratings = await bot.store.ratings(run)
            if [r.value for r in ratings] == values and all(reason in r.reason for r in ratings):
                return ratings
            await asyncio.sleep(0.02)


async def test_escalation_calls_the_group_once(workspace, bot, engine):
    engine.result = {"mentions": ("S0TEAM1",)}
    ts = await investigated(workspace)
    card = of_kind(workspace, ts, "card")[0]
    await workspace.click("dana", "#alerts", card["ts"], "rca_escalate")
    await workspace.wait_for(lambda: of_kind(workspace, ts, "escalation"), 8)
    assert of_kind(workspace, ts, "escalation")[0]["text"].startswith("<!subteam^S0TEAM1> <@U")
    await workspace.click("omar", "#alerts", card["ts"], "rca_escalate")
    await workspace.wait_for(lambda: workspace.ephemerals("omar"), 8)
    assert "already called" in workspace.ephemerals("omar")[-1]["text"]
    assert len(of_kind(workspace, ts, "escalation")) == 1


async def test_stop_on_something_that_is_over_tells_the_person(workspace, bot, engine):
    engine.hold = True
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
    await workspace.wait_for(lambda: of_kind(workspace, ts, "card") and engine.calls, 8)
    run = bot.runtime.running()[0].investigation
    await bot.runtime.cancel(run, "U0OMAR")
    card = of_kind(workspace, ts, "card")[0]
    await workspace.click("dana", "#alerts", card["ts"], "rca_stop")
    await workspace.wait_for(lambda: workspace.ephemerals("dana"), 8)
    assert "already over" in workspace.ephemerals("dana")[-1]["text"]
