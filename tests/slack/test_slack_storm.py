"""A storm as people see it: one card that counts and links, a line in each thread that joined, no budget spent on any of it."""

import json

import slack_stories as stories
from hypothesis import given
from hypothesis import strategies as st

from bot.alerts.storm import Joining, Place
from bot.incidents.model import GatheredRecord, JoinedRecord
from bot.slack.cards import progress_card, verdict_card
from bot.slack.joined import Joined, appendix, part_of


def post(name: str, service: str) -> dict:
    text = (
        f'[FIRING:1] {name} for {service} (alertname="{name}", cluster="prod-eu", namespace="shop", '
        f'service="{service}", severity="critical")'
    )
    return {"username": "Alertmanager", "attachments": [{"color": "danger", "fallback": text, "title": text}]}


def words(workspace, channel: str, ts: str) -> str:
    return json.dumps(workspace.thread(channel, ts)[1:], ensure_ascii=False)


async def test_alerts_of_one_trouble_are_one_card_and_each_thread_leads_to_it(workspace, start_bot, engine):
    engine.hold = True
    await start_bot(channels=({"channel": "#alerts", "max_per_hour": 1},))
    first = (await workspace.post_as_app("Alertmanager", "#alerts", post("ServiceErrors", "checkout")))["ts"]
    await workspace.wait_for(lambda: "What is crashing" in words(workspace, "#alerts", first), 8)
    second = (await workspace.post_as_app("Alertmanager", "#alerts", post("SlowAnswers", "checkout")))["ts"]
    third = (await workspace.post_as_app("Alertmanager", "#alerts", post("ServiceErrors", "cart")))["ts"]
    await workspace.wait_for(lambda: "+2 alerts" in words(workspace, "#alerts", first), 12)
    card = words(workspace, "#alerts", first)
    assert "SlowAnswers" in card
    assert f"p{second.replace('.', '')}" in card
    for ts, because in ((second, "also about checkout in shop"), (third, "ServiceErrors fires beside it")):
        await workspace.wait_for(lambda ts=ts: "Part of" in words(workspace, "#alerts", ts), 8)
        line = words(workspace, "#alerts", ts)
        assert because in line
        assert f"p{first.replace('.', '')}" in line
        assert "Investigate apart" in line
        await workspace.wait_for(lambda ts=ts: "link" in json.dumps(workspace.message("#alerts", ts)["reactions"]), 8)
    engine.go.set()
    await workspace.wait_for(lambda: "checkout crashes" in words(workspace, "#alerts", first), 8)
    await workspace.wait_for(lambda: "+2 alerts" in words(workspace, "#alerts", first), 8)
    assert "max_per_hour" not in words(workspace, "#alerts", second)
    # cart is not what the verdict speaks of, so it gets its own; the budget of the hour is for those that begin a storm
    await workspace.wait_for(lambda: len(engine.calls) == 2, 8)
    assert engine.calls[1].service == "cart"


def joined(count: int = 12, names: tuple[str, ...] = ("KubePodNotReady",), **more) -> Joined:
    gathered = GatheredRecord(investigation="inv-1", count=count, newest=stories.NOW, **more)
    links = tuple((name, "https://example.slack.com/archives/C1/p1") for name in names)
    return Joined(gathered, links, ("example.slack.com",))


def test_the_cards_line_counts_places_channels_and_what_is_left() -> None:
    line = joined(places=4, elsewhere=2)
    assert line.words == "+12 alerts (4 places, 2 in other channels, newest 03:12 UTC): KubePodNotReady and 11 more"
    assert joined(1, names=()).words == "+1 alert (newest 03:12 UTC)"
    for card in (progress_card(stories.progress(), line), verdict_card(stories.report(), line)):
        shown = json.dumps(card.blocks)
        assert "+12 alerts" in shown
        assert '"url": "https://example.slack.com/archives/C1/p1"' in shown
        assert "+12 alerts" in json.dumps(card.simpler.blocks)


@given(st.text(max_size=400))
def test_a_strangers_name_is_never_markup(name: str) -> None:
    record = JoinedRecord(
        id="inv-2",
        into="inv-1",
        name=name,
        channel="C1",
        ts="1.1",
        joining=Joining(place=Place(name=name[:100])),
        because=name,
        at=stories.NOW,
    )
    text = appendix(joined().gathered, [record])
    assert text.count("\n") == 5
    assert "<!" not in part_of("https://example.slack.com/x", name, "inv-2").text
    blocks = verdict_card(stories.report(), joined(names=(name,))).blocks
    assert all(b["type"] != "section" for b in blocks)
