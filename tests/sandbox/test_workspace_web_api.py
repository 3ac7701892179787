"""The Web API through the SDK's own client: posting, editing, reading, refusing."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from sandbox.workspace.args import Args
from sandbox.workspace.errors import SlackError
from sandbox.workspace.methods.registry import METHODS
from sandbox.workspace.server import Workspace

Json = dict[str, Any]
StartWorkspace = Callable[..., Awaitable[Workspace]]
ALERTS = "C0ALERTS"
SECTION = [{"type": "section", "text": {"type": "mrkdwn", "text": "*x*"}}]
RICH = [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}]}]


def refused(code: str) -> Any:
    """The call is refused with this code."""
    return pytest.raises(SlackApiError, match=f"'{code}'")


class TestTokens:
    async def test_auth_test_says_who_the_app_is(self, client: AsyncWebClient) -> None:
        answer = await client.auth_test()
        assert (answer["user_id"], answer["bot_id"], answer["team_id"]) == ("U0RCABOT", "B0RCA", "T0SANDBOX")
        assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")

    @pytest.mark.parametrize(
        ("token", "code"),
        [("nonsense", "invalid_auth"), ("xapp-1", "not_allowed_token_type"), ("xoxp-1", "invalid_auth")],
    )
    async def test_other_tokens_are_refused(self, workspace: Workspace, token: str, code: str) -> None:
        with refused(code):
            await AsyncWebClient(token=token, base_url=workspace.api_url).auth_test()

    async def test_no_token_is_not_authed(self, workspace: Workspace) -> None:
        async with aiohttp.ClientSession() as session, session.post(f"{workspace.api_url}auth.test") as answer:
            assert await answer.json() == {"ok": False, "error": "not_authed"}

    async def test_a_revoked_token_is_refused(self, workspace: Workspace, client: AsyncWebClient) -> None:
        workspace.api.revoked.add(workspace.bot_token)
        with refused("token_revoked"):
            await client.auth_test()

    async def test_a_missing_scope_is_named(self, start_workspace: StartWorkspace) -> None:
        workspace = await start_workspace(scopes=frozenset({"channels:read"}))
        client = AsyncWebClient(token="xoxb-1", base_url=workspace.api_url)
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel=ALERTS, text="x")
        assert (caught.value.response["error"], caught.value.response["needed"]) == ("missing_scope", "chat:write")

    async def test_an_unknown_method_is_said_to_be_unknown(self, client: AsyncWebClient) -> None:
        with refused("unknown_method"):
            await client.api_call("chat.shout")


class TestPosting:
    async def test_a_message_goes_into_the_thread_of_its_parent(
        self, workspace: Workspace, client: AsyncWebClient
    ) -> None:
        root = await workspace.post_as_app("Alertmanager", "#alerts", {"text": "alert"})
        first = await client.chat_postMessage(channel="#alerts", thread_ts=root["ts"], text="card", blocks=SECTION)
        nested = await client.chat_postMessage(channel=ALERTS, thread_ts=first["ts"], text="reply to a reply")
        thread = workspace.thread("#alerts", root["ts"])
        assert [message["ts"] for message in thread] == [root["ts"], first["ts"], nested["ts"]]
        assert {message["thread_ts"] for message in thread} == {root["ts"]}
        assert (thread[0]["reply_count"], thread[0]["latest_reply"]) == (2, nested["ts"])
        assert first["message"]["blocks"][0]["block_id"]
        assert first["channel"] == ALERTS

    @pytest.mark.parametrize(
        ("args", "code"),
        [
            ({"channel": "C404", "text": "x"}, "channel_not_found"),
            ({"channel": "#random", "text": "x"}, "not_in_channel"),
            ({"channel": ALERTS, "text": "", "attachments": []}, "no_text"),
            ({"channel": ALERTS, "text": "x", "thread_ts": "1.2"}, "thread_not_found"),
            ({"channel": ALERTS, "text": "x", "blocks": [{"type": "blink"}]}, "invalid_blocks"),
            (
                {"channel": ALERTS, "text": "x", "blocks": [{"type": "markdown", "text": "x" * 9000}] * 2},
                "msg_blocks_too_long",
            ),
            ({"channel": ALERTS, "text": "x", "attachments": [1]}, "invalid_attachments"),
            ({"channel": ALERTS, "text": "x", "metadata": {"event_type": "a"}}, "invalid_metadata_format"),
        ],
    )
    async def test_refusals(self, workspace: Workspace, client: AsyncWebClient, args: Json, code: str) -> None:
        with refused(code):
            await client.chat_postMessage(**args)
        assert workspace.channel_messages("#alerts") == []
        assert workspace.calls[-1].error == code

    async def test_the_place_of_a_bad_block_is_named(self, client: AsyncWebClient) -> None:
        long = [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel=ALERTS, text="x", blocks=long)
        messages = caught.value.response["response_metadata"]["messages"]
        assert messages == ["[ERROR] must be less than 151 characters [json-pointer:/blocks/0/text/text]"]

    async def test_an_archived_channel_takes_nothing(self, workspace: Workspace, client: AsyncWebClient) -> None:
        workspace.world.channels.find("#alerts").is_archived = True
        with refused("is_archived"):
            await client.chat_postMessage(channel=ALERTS, text="x")

    async def test_text_is_cut_at_forty_thousand_characters(self, client: AsyncWebClient) -> None:
        answer = await client.chat_postMessage(channel=ALERTS, text="x" * 40_001)
        assert len(answer["message"]["text"]) == 40_000
        assert answer["response_metadata"]["warnings"] == ["message_truncated"]

    async def test_bare_links_are_marked_up_but_not_in_code(self, client: AsyncWebClient) -> None:
        answer = await client.chat_postMessage(
            channel=ALERTS, text="see https://x.example/a?b=1. `https://y.example` <https://z.example|z>"
        )
        assert answer["message"]["text"] == "see <https://x.example/a?b=1>. `https://y.example` <https://z.example|z>"

    async def test_standard_markdown_comes_as_a_markdown_block(self, client: AsyncWebClient) -> None:
        posted = await client.chat_postMessage(channel=ALERTS, markdown_text="**a**")
        assert posted["message"]["blocks"][0]["text"] == "**a**"
        changed = await client.chat_update(channel=ALERTS, ts=posted["ts"], markdown_text="**b**")
        assert (changed["message"]["blocks"][0]["text"], "edited" in changed["message"]) == ("**b**", False)
        with refused("markdown_text_conflict"):
            await client.chat_postMessage(channel=ALERTS, markdown_text="**a**", text="a")
        with refused("msg_too_long"):
            await client.chat_postMessage(channel=ALERTS, markdown_text="a" * 12_001)

    async def test_an_ephemeral_message_is_seen_by_one_and_kept_nowhere(
        self, workspace: Workspace, client: AsyncWebClient
    ) -> None:
        await client.chat_postEphemeral(channel=ALERTS, user="U0DANA", text="psst")
        assert [message["text"] for message in workspace.ephemerals("dana")] == ["psst"]
        assert workspace.ephemerals("omar") == []
        assert (await client.conversations_history(channel=ALERTS))["messages"] == []
        with refused("user_not_in_channel"):
            await client.chat_postEphemeral(channel=ALERTS, user="U0NOBODY", text="psst")

    async def test_a_permalink_names_the_thread(self, workspace: Workspace, client: AsyncWebClient) -> None:
        root = await workspace.post_as_user("dana", "#alerts", "x")
        reply = await client.chat_postMessage(channel=ALERTS, thread_ts=root["ts"], text="y")
        link = (await client.chat_getPermalink(channel=ALERTS, message_ts=reply["ts"]))["permalink"]
        assert link.endswith(f"/archives/{ALERTS}/p{reply['ts'].replace('.', '')}?thread_ts={root['ts']}&cid={ALERTS}")


class TestUpdating:
    async def test_blocks_are_replaced_without_an_edited_mark(
        self, workspace: Workspace, client: AsyncWebClient
    ) -> None:
        posted = await client.chat_postMessage(channel=ALERTS, text="card", blocks=SECTION)
        answer = await client.chat_update(channel=ALERTS, ts=posted["ts"], text="card 2", blocks=[{"type": "divider"}])
        assert [block["type"] for block in answer["message"]["blocks"]] == ["divider"]
        assert "edited" not in workspace.message("#alerts", posted["ts"])

    async def test_text_alone_takes_the_blocks_away_and_marks_the_edit(self, client: AsyncWebClient) -> None:
        posted = await client.chat_postMessage(channel=ALERTS, text="card", blocks=SECTION)
        answer = await client.chat_update(channel=ALERTS, ts=posted["ts"], text="only text")
        assert "blocks" not in answer["message"]
        assert answer["message"]["edited"]["user"] == "U0RCABOT"

    async def test_metadata_stays_until_it_is_sent_again(self, workspace: Workspace, client: AsyncWebClient) -> None:
        first = {"event_type": "rca_run", "event_payload": {"id": "1"}}
        posted = await client.chat_postMessage(channel=ALERTS, text="x", metadata=first)
        await client.chat_update(channel=ALERTS, ts=posted["ts"], text="y")
        assert workspace.message("#alerts", posted["ts"])["metadata"] == first
        second = {"event_type": "rca_run", "event_payload": {"id": "2"}}
        await client.chat_update(channel=ALERTS, ts=posted["ts"], text="y", metadata=second)
        assert workspace.message("#alerts", posted["ts"])["metadata"] == second

    async def test_text_is_limited_to_four_thousand_characters(self, client: AsyncWebClient) -> None:
        posted = await client.chat_postMessage(channel=ALERTS, text="x")
        await client.chat_update(channel=ALERTS, ts=posted["ts"], text="x" * 4000)
        with refused("msg_too_long"):
            await client.chat_update(channel=ALERTS, ts=posted["ts"], text="x" * 4001)

    async def test_rich_text_does_not_give_way_to_other_blocks(self, client: AsyncWebClient) -> None:
        posted = await client.chat_postMessage(channel=ALERTS, text="x", blocks=RICH)
        with refused("block_mismatch"):
            await client.chat_update(channel=ALERTS, ts=posted["ts"], text="x", blocks=SECTION)
        await client.chat_update(channel=ALERTS, ts=posted["ts"], text="x", blocks=[*SECTION, *RICH])

    async def test_a_refused_update_changes_nothing(self, workspace: Workspace, client: AsyncWebClient) -> None:
        posted = await client.chat_postMessage(channel=ALERTS, text="x", blocks=SECTION)
        before = workspace.message("#alerts", posted["ts"])
        with refused("invalid_blocks"):
            await client.chat_update(channel=ALERTS, ts=posted["ts"], text="y", blocks=[{"type": "blink"}])
        with refused("no_text"):
            await client.api_call("chat.update", json={"channel": ALERTS, "ts": posted["ts"]})
        with refused("no_text"):
            await client.chat_update(channel=ALERTS, ts=posted["ts"], text="", blocks=[])
        assert workspace.message("#alerts", posted["ts"]) == before

    async def test_only_own_messages_can_be_changed(self, workspace: Workspace, client: AsyncWebClient) -> None:
        foreign = await workspace.post_as_user("dana", "#alerts", "x")
        with refused("cant_update_message"):
            await client.chat_update(channel=ALERTS, ts=foreign["ts"], text="y")
        with refused("cant_delete_message"):
            await client.chat_delete(channel=ALERTS, ts=foreign["ts"])
        with refused("message_not_found"):
            await client.chat_update(channel=ALERTS, ts="1.2", text="y")
        with refused("channel_not_found"):
            await client.chat_update(channel="#alerts", ts=foreign["ts"], text="y")  # ids only, unlike postMessage


class TestReading:
    async def test_history_is_newest_first_without_replies_and_pages(
        self, workspace: Workspace, client: AsyncWebClient
    ) -> None:
        roots = [await workspace.post_as_user("dana", "#alerts", str(number)) for number in range(5)]
        await client.chat_postMessage(channel=ALERTS, thread_ts=roots[0]["ts"], text="reply")
        first = await client.conversations_history(channel=ALERTS, limit=3)
        assert [message["text"] for message in first["messages"]] == ["4", "3", "2"]
        assert first["has_more"] is True
        rest = await client.conversations_history(
            channel=ALERTS, limit=3, cursor=first["response_metadata"]["next_cursor"]
        )
        assert [message["text"] for message in rest["messages"]] == ["1", "0"]
        since = await client.conversations_history(channel=ALERTS, oldest=roots[2]["ts"])
        assert [message["text"] for message in since["messages"]] == ["4", "3"]

    async def test_metadata_is_shown_only_when_asked_for(self, workspace: Workspace, client: AsyncWebClient) -> None:
        root = await workspace.post_as_user("dana", "#alerts", "x")
        metadata = {"event_type": "rca_run", "event_payload": {"id": "1"}}
        await client.chat_postMessage(channel=ALERTS, thread_ts=root["ts"], text="card", metadata=metadata)
        plain = await client.conversations_replies(channel=ALERTS, ts=root["ts"])
        full = await client.conversations_replies(channel=ALERTS, ts=root["ts"], include_all_metadata=True)
        assert "metadata" not in plain["messages"][1]
        assert full["messages"][1]["metadata"] == metadata

    async def test_refusals(self, client: AsyncWebClient) -> None:
        with refused("thread_not_found"):
            await client.conversations_replies(channel=ALERTS, ts="1.2")
        with refused("not_in_channel"):
            await client.conversations_history(channel="C0RANDOM")
        with refused("channel_not_found"):
            await client.conversations_info(channel="C404")
        with refused("invalid_cursor"):
            await client.conversations_history(channel=ALERTS, cursor="???")

    async def test_channels_people_bots_and_groups_are_listed(self, client: AsyncWebClient) -> None:
        channels = (await client.conversations_list(types="public_channel"))["channels"]
        assert {channel["name"]: channel["is_member"] for channel in channels} == {
            "alerts": True,
            "general": True,
            "random": False,
        }
        assert "U0DANA" in (await client.conversations_members(channel=ALERTS))["members"]
        assert (await client.users_info(user="U0DANA"))["user"]["is_bot"] is False
        assert (await client.bots_info(bot="B0GRAFANA"))["bot"]["app_id"] == "A0GRAFANA"
        group = (await client.usergroups_list())["usergroups"][0]
        assert (await client.usergroups_users_list(usergroup=group["id"]))["users"] == ["U0DANA"]
        direct = await client.conversations_open(users="U0DANA")
        assert direct["channel"]["id"].startswith("D")
        for call, code in (
            (client.users_info(user="U404"), "user_not_found"),
            (client.bots_info(bot="B404"), "bot_not_found"),
        ):
            with refused(code):
                await call

    async def test_reactions_are_added_once_and_taken_away_once(
        self, workspace: Workspace, client: AsyncWebClient
    ) -> None:
        root = await workspace.post_as_user("dana", "#alerts", "x")
        item = {"channel": ALERTS, "timestamp": root["ts"], "name": "eyes"}
        await client.reactions_add(**item)
        with refused("already_reacted"):
            await client.reactions_add(**item)
        reactions = (await client.reactions_get(channel=ALERTS, timestamp=root["ts"]))["message"]["reactions"]
        assert reactions == [{"name": "eyes", "users": ["U0RCABOT"], "count": 1}]
        await client.reactions_remove(**item)
        with refused("no_reaction"):
            await client.reactions_remove(**item)
        with refused("message_not_found"):
            await client.reactions_add(channel=ALERTS, timestamp="1.2", name="eyes")
        with refused("invalid_name"):
            await client.reactions_add(channel=ALERTS, timestamp=root["ts"], name="not an emoji")


class TestStatusAndHome:
    async def test_the_status_line_goes_with_the_next_message(
        self, workspace: Workspace, client: AsyncWebClient
    ) -> None:
        root = await workspace.post_as_user("dana", "#alerts", "x")
        await client.assistant_threads_setStatus(channel_id=ALERTS, thread_ts=root["ts"], status="is reading logs")
        assert workspace.world.statuses == {(ALERTS, root["ts"]): "is reading logs"}
        await client.chat_postMessage(channel=ALERTS, thread_ts=root["ts"], text="done")
        assert workspace.world.statuses == {}
        await client.agents_sessions_setStatus(channel_id=ALERTS, thread_ts=root["ts"], status="processing")
        assert workspace.world.statuses
        await client.agents_sessions_setStatus(channel_id=ALERTS, thread_ts=root["ts"], status="active")
        assert workspace.world.statuses == {}
        with refused("invalid_arguments"):
            await client.agents_sessions_setStatus(channel_id=ALERTS, thread_ts=root["ts"], status="thinking")

    async def test_the_app_home_is_published_and_its_hash_guards_it(
        self, workspace: Workspace, client: AsyncWebClient
    ) -> None:
        home = {"type": "home", "blocks": SECTION}
        first = await client.views_publish(user_id="U0DANA", view=home)
        await client.views_publish(user_id="U0DANA", view=home, hash=first["view"]["hash"])
        with refused("hash_conflict"):
            await client.views_publish(user_id="U0DANA", view=home, hash=first["view"]["hash"])
        with refused("invalid_arguments"):
            await client.views_publish(
                user_id="U0DANA", view={"type": "home", "blocks": [{"type": "plan", "title": "x"}]}
            )


class TestTrouble:
    async def test_posting_too_fast_into_one_channel_answers_429(self, client: AsyncWebClient) -> None:
        for number in range(10):
            await client.chat_postMessage(channel=ALERTS, text=str(number))
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel=ALERTS, text="too much")
        assert (caught.value.response.status_code, caught.value.response["error"]) == (429, "ratelimited")
        assert int(caught.value.response.headers["Retry-After"]) >= 1
        await client.chat_postMessage(channel="C0GENERAL", text="another channel is free")

    async def test_tiers_count_by_method(self, client: AsyncWebClient) -> None:
        for _ in range(20):
            await client.conversations_list()
        with refused("ratelimited"):
            await client.conversations_list()
        await client.conversations_info(channel=ALERTS)

    async def test_limits_can_be_switched_off(self, start_workspace: StartWorkspace) -> None:
        workspace = await start_workspace(rate_limits=False)
        client = AsyncWebClient(token="xoxb-1", base_url=workspace.api_url)
        for number in range(30):
            await client.chat_postMessage(channel=ALERTS, text=str(number))
        assert len(workspace.channel_messages("#alerts")) == 30

    async def test_the_sdks_handler_waits_out_a_429(self, workspace: Workspace) -> None:
        client = AsyncWebClient(
            token="xoxb-1",
            base_url=workspace.api_url,
            retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=1)],
        )
        workspace.faults.fail_next("chat.postMessage", "ratelimited", times=1, retry_after=0)
        await client.chat_postMessage(channel=ALERTS, text="x")
        assert [call.error for call in workspace.calls_of("chat.postMessage")] == ["ratelimited", ""]

    async def test_faults_are_used_once_each_and_in_order(self, workspace: Workspace, client: AsyncWebClient) -> None:
        workspace.faults.fail_next("chat.postMessage", "not_in_channel")
        workspace.faults.fail_next("chat.postMessage", "internal_error", status=500)
        with refused("not_in_channel"):
            await client.chat_postMessage(channel=ALERTS, text="x")
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel=ALERTS, text="x")
        assert caught.value.response.status_code == 500
        await client.chat_postMessage(channel=ALERTS, text="x")

    async def test_a_connection_can_break_after_the_call_took_effect(self, workspace: Workspace) -> None:
        client = AsyncWebClient(token="xoxb-1", base_url=workspace.api_url, retry_handlers=[])
        workspace.faults.drop_next("chat.postMessage", after=True)
        with pytest.raises(aiohttp.ClientError):
            await client.chat_postMessage(channel=ALERTS, text="x")
        assert [message["text"] for message in workspace.channel_messages("#alerts")] == ["x"]
        workspace.faults.drop_next("chat.postMessage")
        with pytest.raises(aiohttp.ClientError):
            await client.chat_postMessage(channel=ALERTS, text="y")
        assert len(workspace.channel_messages("#alerts")) == 1

    async def test_a_response_url_is_good_five_times(self, workspace: Workspace) -> None:
        channel = workspace.world.channels.find("#alerts")
        hook = AsyncWebhookClient(workspace._hooks.make(channel, "U0DANA"))
        answers = [await hook.send(text=f"answer {number}") for number in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [404]
        assert answers[-1].body == "used_url"
        assert len(workspace.ephemerals("dana")) == 5
        public = AsyncWebhookClient(workspace._hooks.make(channel, "U0DANA"))
        await public.send(text="for all", response_type="in_channel")
        assert [message["text"] for message in workspace.channel_messages("#alerts")] == ["for all"]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        *(
            "channel",
            "ts",
            "text",
            "blocks",
            "thread_ts",
            "user",
            "view",
            "trigger_id",
            "files",
            "metadata",
            "chunks",
            "name",
        ),
        *(
            "markdown_text",
            "timestamp",
            "attachments",
            "cursor",
            "limit",
            "types",
            "users",
            "channel_id",
            "status",
            "view_id",
        ),
        *("user_id", "bot", "file", "filename", "length", "oldest", "latest", "recipient_user_id", "recipient_team_id"),
    ]
)
SOME = st.sampled_from([ALERTS, "#alerts", "U0DANA", "1.2", "processing", {"type": "home", "blocks": []}, "10"])


@given(method=st.sampled_from(sorted(METHODS)), args=st.dictionaries(NAMES, ANY_JSON | SOME, max_size=6))
@settings(max_examples=120, deadline=None)
def test_any_arguments_get_an_answer_in_slacks_form(method: str, args: Json) -> None:
    """No method falls over: what it does not take it refuses with a code."""

    async def call() -> Json:
        workspace = Workspace(rate_limits=False)
        workspace.world.base_url = "http://127.0.0.1/"
        root = workspace.world.post(workspace.world.channels.find("#alerts"), workspace.world.from_user("U0DANA", "x"))
        filled = {key: root.ts if value == "1.2" else value for key, value in args.items()}
        try:
            return METHODS[method].handler(workspace.world, Args(filled))
        except SlackError as refusal:
            return refusal.body()
        finally:
            await workspace.world.background.stop()

    answer = asyncio.run(call())
    assert json.loads(json.dumps(answer)) == answer
    assert "ok" not in answer or (answer["ok"] is False and answer["error"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "invalid_json"),
        ("[1]", "json_not_object"),
        ("[" * 100_000, "invalid_json"),
        ('{"a":' * 70 + "1" + "}" * 70, "invalid_json"),
    ],
)
async def test_a_body_that_is_no_object_is_refused(workspace: Workspace, body: str, code: str) -> None:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer xoxb-1"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{workspace.api_url}chat.postMessage", data=body, headers=headers) as answer,
    ):
        assert (await answer.json())["error"] == code


async def test_arguments_may_come_as_json_form_or_query(workspace: Workspace) -> None:
    headers = {"Authorization": "Bearer xoxb-1"}
    url = f"{workspace.api_url}chat.postMessage"
    args = {"channel": ALERTS, "text": "x"}
    form = {**args, "blocks": json.dumps(SECTION), "token": "xoxb-1"}
    async with aiohttp.ClientSession() as session:
        for request in (
            session.post(url, json={**args, "blocks": SECTION}, headers=headers),
            session.post(url, data=form),
            session.get(url, params={**args, "blocks": json.dumps(SECTION)}, headers=headers),
        ):
            async with request as answer:
                body = await answer.json()
                assert body["message"]["blocks"][0]["type"] == "section", body
