"""Streaming messages: how they grow, how they end, and every way in which Slack refuses them."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.models.messages.chunk import MarkdownTextChunk, PlanUpdateChunk, TaskUpdateChunk
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace.server import Workspace

Json = dict[str, Any]
StartWorkspace = Callable[..., Awaitable[Workspace]]
ALERTS = "C0ALERTS"


def refused(code: str) -> Any:
    return pytest.raises(SlackApiError, match=f"'{code}'")


def words(text: str) -> Json:
    return {"type": "markdown_text", "text": text}


def task(task_id: str, status: str, **more: Any) -> Json:
    return {"type": "task_update", "id": task_id, "title": f"Task {task_id}", "status": status, **more}


@pytest.fixture
async def root(workspace: Workspace) -> str:
    """A question by a person, whose thread is streamed into."""
    return str((await workspace.post_as_user("dana", "#alerts", "@rca what changed?"))["ts"])


@pytest.fixture
def target(root: str) -> Json:
    return {"channel": ALERTS, "thread_ts": root, "recipient_user_id": "U0DANA", "recipient_team_id": "T0SANDBOX"}


async def test_the_sdks_stream_helper_writes_a_plan_and_text(
    workspace: Workspace, client: AsyncWebClient, target: Json
) -> None:
    stream = await client.chat_stream(**target, task_display_mode="plan", buffer_size=10)
    await stream.append(
        chunks=[PlanUpdateChunk(title="Looking"), TaskUpdateChunk(id="1", title="Logs", status="in_progress")]
    )
    assert stream.ts is not None
    assert workspace.message("#alerts", stream.ts)["streaming_state"] == "in_progress"
    await stream.append(chunks=[TaskUpdateChunk(id="1", title="Logs", status="complete", output="12 errors")])
    await stream.append(markdown_text="**Nothing** was rolled out.")
    await stream.stop(blocks=[{"type": "divider"}], chunks=[MarkdownTextChunk(text=" Done.")])
    message = workspace.message("#alerts", stream.ts)
    assert message["streaming_state"] == "completed"
    assert message["text"] == "**Nothing** was rolled out. Done."
    assert [block["type"] for block in message["blocks"]] == ["plan", "markdown", "divider"]
    card = message["blocks"][0]["tasks"][0]
    assert (message["blocks"][0]["title"], card["status"]) == ("Looking", "complete")
    assert card["output"]["elements"][0]["elements"][0]["text"] == "12 errors"


async def test_in_timeline_mode_cards_and_text_stay_in_order(
    workspace: Workspace, client: AsyncWebClient, target: Json
) -> None:
    started = await client.chat_startStream(**target, chunks=[words("First. "), task("1", "pending")])
    await client.chat_appendStream(channel=ALERTS, ts=started["ts"], chunks=[words("Then."), task("1", "complete")])
    blocks = workspace.message("#alerts", started["ts"])["blocks"]
    assert [block["type"] for block in blocks] == ["markdown", "task_card", "markdown"]
    assert blocks[1]["status"] == "complete"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"thread_ts": ""}, "invalid_thread_ts"),
        ({"thread_ts": "1.2"}, "invalid_thread_ts"),
        ({"recipient_user_id": None}, "missing_recipient_user_id"),
        ({"recipient_team_id": None}, "missing_recipient_team_id"),
        ({"recipient_user_id": "B0GRAFANA"}, "invalid_arguments"),
        ({"recipient_user_id": "U404"}, "user_not_found"),
        ({"channel": "C0RANDOM"}, "not_in_channel"),
        ({"task_display_mode": "dense"}, "invalid_arguments"),
        ({"markdown_text": "x", "chunks": [words("x")]}, "invalid_arguments"),
        ({"chunks": [{"type": "song"}]}, "invalid_chunks"),
        ({"chunks": [task("1", "done")]}, "invalid_chunks"),
        ({"chunks": [{"type": "blocks", "blocks": [{"type": "blink"}]}]}, "invalid_blocks"),
        (
            {"chunks": [{"type": "blocks", "blocks": [{"type": "file", "external_id": "x", "source": "remote"}]}]},
            "internal_error",
        ),
        ({"markdown_text": "x" * 12_001}, "msg_too_long"),
    ],
)
async def test_what_start_refuses(
    workspace: Workspace, client: AsyncWebClient, target: Json, change: Json, code: str
) -> None:
    before = len(workspace.channel_messages("#alerts"))
    args = {key: value for key, value in {**target, **change}.items() if value is not None}
    with refused(code):
        await client.api_call("chat.startStream", json=args)
    assert len(workspace.channel_messages("#alerts")) == before


async def test_a_direct_message_needs_no_recipient(workspace: Workspace, client: AsyncWebClient) -> None:
    asked = await workspace.post_direct("dana", "what changed?")
    started = await client.chat_startStream(channel=asked["channel"], thread_ts=asked["ts"], markdown_text="Nothing.")
    await client.chat_stopStream(channel=asked["channel"], ts=started["ts"])


async def test_a_stream_keeps_the_mode_of_its_first_content(client: AsyncWebClient, target: Json) -> None:
    empty = await client.chat_startStream(**target)
    await client.chat_appendStream(channel=ALERTS, ts=empty["ts"], chunks=[words("x")])
    with refused("streaming_mode_mismatch"):
        await client.chat_appendStream(channel=ALERTS, ts=empty["ts"], markdown_text="y")
    text = await client.chat_startStream(**target, markdown_text="x")
    with refused("streaming_mode_mismatch"):
        await client.chat_stopStream(channel=ALERTS, ts=text["ts"], chunks=[words("y")])


async def test_about_eleven_kilobytes_are_the_end_for_good(
    workspace: Workspace, client: AsyncWebClient, target: Json
) -> None:
    started = await client.chat_startStream(**target, chunks=[words("ü" * 5_000)])
    with refused("msg_too_long"):
        await client.chat_appendStream(channel=ALERTS, ts=started["ts"], chunks=[words("x" * 1_500)])
    with refused("msg_too_long"):
        await client.chat_appendStream(channel=ALERTS, ts=started["ts"], chunks=[words("x")])
    await client.chat_stopStream(channel=ALERTS, ts=started["ts"])
    assert len(workspace.message("#alerts", started["ts"])["text"]) == 5_000


async def test_task_titles_and_details_count_too(client: AsyncWebClient, target: Json) -> None:
    started = await client.chat_startStream(**target, chunks=[task("1", "complete", details="x" * 10_900)])
    with refused("msg_too_long"):
        await client.chat_appendStream(
            channel=ALERTS, ts=started["ts"], chunks=[task("2", "complete", output="x" * 200)]
        )


async def test_an_update_conflicts_while_the_message_streams(
    workspace: Workspace, client: AsyncWebClient, target: Json
) -> None:
    started = await client.chat_startStream(**target, markdown_text="x")
    with refused("streaming_state_conflict"):
        await client.chat_update(channel=ALERTS, ts=started["ts"], text="y")
    await client.chat_stopStream(channel=ALERTS, ts=started["ts"])
    with refused("message_not_in_streaming_state"):
        await client.chat_appendStream(channel=ALERTS, ts=started["ts"], markdown_text="y")
    await client.chat_update(channel=ALERTS, ts=started["ts"], text="y")
    assert workspace.message("#alerts", started["ts"])["text"] == "y"


async def test_a_stream_dies_of_age_however_busy_it_is(start_workspace: StartWorkspace) -> None:
    workspace = await start_workspace(stream_lifetime_s=1.0)
    client = AsyncWebClient(token="xoxb-1", base_url=workspace.api_url)
    asked = await workspace.post_as_user("dana", "#alerts", "x")
    started = await client.chat_startStream(
        channel=ALERTS, thread_ts=asked["ts"], recipient_user_id="U0DANA", recipient_team_id="T", markdown_text="x"
    )
    await client.chat_appendStream(channel=ALERTS, ts=started["ts"], markdown_text="y")
    await workspace.wait_for(lambda: workspace.message("#alerts", started["ts"])["streaming_state"] == "completed")
    with refused("message_not_in_streaming_state"):
        await client.chat_stopStream(channel=ALERTS, ts=started["ts"])
    await client.chat_update(channel=ALERTS, ts=started["ts"], text="the rest")
    assert workspace.message("#alerts", started["ts"])["text"] == "the rest"


async def test_slacks_stop_button_ends_the_stream(
    workspace: Workspace, client: AsyncWebClient, target: Json, root: str
) -> None:
    started = await client.chat_startStream(**target, markdown_text="x")
    await workspace.stop_session("dana", "#alerts", root)
    with refused("stopped_by_user"):
        await client.chat_appendStream(channel=ALERTS, ts=started["ts"], markdown_text="y")


async def test_only_the_own_stream_can_be_appended_to(workspace: Workspace, client: AsyncWebClient, root: str) -> None:
    with refused("message_not_owned_by_app"):
        await client.chat_appendStream(channel=ALERTS, ts=root, markdown_text="y")
