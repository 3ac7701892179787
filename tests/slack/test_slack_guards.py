"""The loop guards: what may start something, case by case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.settings import ChannelSettings, SlackSettings
from bot.slack.channels import Channel, Channels
from bot.slack.clients import Clients
from bot.slack.guards import closed, sender_allowed

ME = {"bot_id": "B0ME", "bot_user": "U0ME", "app_id": "A0ME"}
POST = {"type": "message", "channel": "C1", "ts": "1.1", "bot_id": "B0AM", "app_id": "A0AM", "text": "[FIRING:1] X"}


@pytest.mark.parametrize(
    "event",
    [
        POST,
        {**POST, "subtype": "bot_message", "app_id": None},
        {**POST, "user": "U0AM"},
        {**POST, "thread_ts": "1.1"},
        {**POST, "subtype": "file_share"},
        {
            "type": "message",
            "subtype": "message_changed",
            "channel": "C1",
            "ts": "2.2",
            "message": {**POST, "edited": {"ts": "2.2"}},
        },
    ],
    ids=["modern", "classic", "with a bot user", "a root of a thread", "with a file", "an edit"],
)
def test_what_a_program_posts_on_top_may_start_something(event):
    assert closed(event, **ME) == ""


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({**POST, "bot_id": "B0ME"}, "our own message"),
        ({**POST, "bot_id": "B0OTHER", "app_id": "A0ME"}, "our own message"),
        ({**POST, "app_id": None, "bot_profile": {"app_id": "A0ME"}}, "our own message"),
        ({**POST, "user": "U0ME"}, "our own message"),
        ({**POST, "metadata": {"event_type": "rca_run"}}, "carries our metadata"),
        ({**POST, "thread_ts": "0.9"}, "a reply in a thread"),
        (
            {"type": "message", "channel": "C1", "ts": "1.1", "user": "U1", "text": "hi", "client_msg_id": "x"},
            "written by a person",
        ),
        ({**POST, "subtype": "channel_join"}, "a message of kind channel_join"),
        ({**POST, "subtype": "message_deleted"}, "a message of kind message_deleted"),
        ({**POST, "subtype": "thread_broadcast"}, "a message of kind thread_broadcast"),
        ({"type": "message", "subtype": "message_changed", "channel": "C1", "message": POST}, "an unfurl, not an edit"),
        (
            {
                "type": "message",
                "subtype": "message_changed",
                "channel": "C1",
                "message": {**POST, "bot_id": "B0ME", "edited": {}},
            },
            "our own message",
        ),
        ({**POST, "streaming_state": "in_progress"}, "another agent is still writing it"),
        ({"type": "message"}, "no message"),
    ],
)
def test_everything_else_starts_nothing(event, reason):
    assert closed(event, **ME) == reason


json_values = st.sampled_from(
    [None, True, 3, "", "x", "1.1", [], [None], {}, {"app_id": []}, {"ts": "1.1", "edited": {}, "bot_id": []}]
)
keys = st.sampled_from(
    [
        "subtype",
        "message",
        "bot_id",
        "app_id",
        "bot_profile",
        "metadata",
        "ts",
        "thread_ts",
        "channel",
        "user",
        "edited",
    ]
)


@given(st.dictionaries(keys, json_values, max_size=8))
def test_no_event_is_too_strange(event):
    assert isinstance(closed(event, **ME), str)


@pytest.mark.parametrize(
    ("senders", "fine"),
    [
        ((), True),
        (("A0AM",), True),
        (("B0AM",), True),
        (("Alertmanager",), True),
        (("Grafana",), False),
        (("A0",), False),
    ],
)
def test_senders_are_known_by_app_bot_or_name(senders, fine):
    message = {**POST, "username": "Alertmanager"}
    assert sender_allowed(message, ChannelSettings(channel="C1", senders=senders)) is fine


class Facts(Channels):
    """Channels whose facts are given."""

    def __init__(self, settings: SlackSettings, facts: Channel) -> None:
        super().__init__(settings, Clients("xoxb-x", "http://127.0.0.1:1/api/"))
        self.given = facts

    async def facts(self, channel: str) -> Channel:
        return self.given


@pytest.mark.parametrize(
    ("entries", "facts", "answer"),
    [
        ((), Channel("C1", "alerts"), True),
        (("#alerts",), Channel("C1", "alerts"), True),
        (("C1",), Channel("C1", "alerts"), True),
        (("#general",), Channel("C1", "alerts"), "not an alert channel"),
        (("C2",), Channel("C1", "alerts"), "not an alert channel"),
        ((), Channel("C1", "alerts", shared=True), "shared with another organisation"),
        (("C1",), Channel("C1", "alerts", shared=True), "shared with another organisation"),
        ((), Channel("C1", known=False), "cannot be looked at"),
        (("C1",), Channel("C1", known=False), True),
    ],
)
async def test_alert_channels_are_those_of_the_settings_and_never_shared_ones(entries, facts, answer):
    settings = SlackSettings(channels=tuple(ChannelSettings(channel=e) for e in entries))
    rules = await Facts(settings, facts).rules("C1")
    if answer is True:
        assert isinstance(rules, ChannelSettings)
    else:
        assert isinstance(rules, str)
        assert rules.startswith(answer)


async def test_shared_channels_may_be_allowed():
    settings = SlackSettings(allow_shared_channels=True)
    assert isinstance(await Facts(settings, Channel("C1", "alerts", shared=True)).rules("C1"), ChannelSettings)
