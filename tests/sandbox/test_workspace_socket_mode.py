"""Real Bolt over the workspace's Socket Mode: delivery, acknowledgement, redelivery, reconnects."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace.errors import DispatchError
from sandbox.workspace.server import Workspace

Json = dict[str, Any]
StartWorkspace = Callable[..., Awaitable[Workspace]]
Connect = Callable[..., Awaitable[Any]]
ALERT = {"attachments": [{"title": "[FIRING:1] KubePodCrashLooping shop", "color": "danger", "text": ""}]}


def listening_app(workspace: Workspace, seen: list[Json]) -> AsyncApp:
    """An app that notes every message and mention."""
    app = AsyncApp(client=AsyncWebClient(token=workspace.bot_token, base_url=workspace.api_url))

    async def note(event: Json) -> None:
        seen.append(event)

    app.event("message")(note)
    app.event("app_mention")(note)
    return app


class TestEvents:
    async def test_an_alert_of_a_classic_app_has_a_subtype_and_no_user(
        self, workspace: Workspace, connect: Connect
    ) -> None:
        seen: list[Json] = []
        await connect(listening_app(workspace, seen))
        posted = await workspace.post_as_app("Alertmanager", "#alerts", ALERT)
        await workspace.wait_for(lambda: seen)
        event = seen[0]
        assert (event["subtype"], event["username"], event["channel_type"]) == (
            "bot_message",
            "Alertmanager",
            "channel",
        )
        assert "user" not in event
        assert event["ts"] == posted["ts"] == event["event_ts"]
        assert event["attachments"][0] == {
            "id": 1,
            "title": "[FIRING:1] KubePodCrashLooping shop",
            "color": "a30200",
            "fallback": "[no preview available]",
        }

    async def test_an_alert_of_a_modern_app_has_a_bot_profile_and_no_subtype(
        self, workspace: Workspace, connect: Connect
    ) -> None:
        seen: list[Json] = []
        await connect(listening_app(workspace, seen))
        await workspace.post_as_app("Grafana", "#alerts", ALERT)
        await workspace.wait_for(lambda: seen)
        assert "subtype" not in seen[0]
        assert seen[0]["bot_profile"]["app_id"] == seen[0]["app_id"]
        assert seen[0]["user"].startswith("U")

    async def test_a_mention_comes_twice_with_different_event_ids(self, workspace: Workspace, connect: Connect) -> None:
        bodies: list[Json] = []
        app = AsyncApp(client=AsyncWebClient(token="xoxb-1", base_url=workspace.api_url))

        async def note(body: Json) -> None:
            bodies.append(body)

        app.event("message")(note)
        app.event("app_mention")(note)
        await connect(app)
        await workspace.post_as_user("dana", "#alerts", "@rca what changed in a < b?")
        await workspace.wait_for(lambda: len(bodies) == 2)
        message, mention = sorted((body["event"] for body in bodies), key=lambda event: event["type"], reverse=True)
        assert (message["type"], mention["type"]) == ("message", "app_mention")
        assert (message["ts"], message["channel"]) == (mention["ts"], mention["channel"])
        assert len({body["event_id"] for body in bodies}) == 2
        assert message["client_msg_id"]
        assert message["blocks"][0]["elements"][0]["elements"][0] == {"type": "user", "user_id": "U0RCABOT"}

    async def test_an_edit_names_the_message_and_what_it_was(self, workspace: Workspace, connect: Connect) -> None:
        seen: list[Json] = []
        await connect(listening_app(workspace, seen))
        posted = await workspace.post_as_app("Alertmanager", "#alerts", {"text": "[FIRING:1] A"})
        await workspace.edit("#alerts", posted["ts"], {"text": "[RESOLVED] A"})
        await workspace.unfurl("#alerts", posted["ts"], {"title": "preview"})
        await workspace.delete("#alerts", posted["ts"])
        await workspace.wait_for(lambda: len(seen) == 4)
        _, edited, unfurled, deleted = seen
        assert edited["subtype"] == "message_changed"
        assert edited["hidden"] is True
        assert edited["ts"] != edited["message"]["ts"] == posted["ts"]
        assert (edited["previous_message"]["text"], edited["message"]["text"]) == ("[FIRING:1] A", "[RESOLVED] A")
        assert edited["message"]["edited"]["ts"]
        assert unfurled["message"]["attachments"]
        assert unfurled["message"]["edited"] == unfurled["previous_message"]["edited"]
        assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", posted["ts"])

    async def test_what_the_app_posts_itself_comes_back_and_bolt_drops_it(
        self, workspace: Workspace, connect: Connect, client: AsyncWebClient
    ) -> None:
        seen: list[Json] = []
        await connect(listening_app(workspace, seen))
        posted = await client.chat_postMessage(channel="C0ALERTS", text="one")
        await client.chat_update(channel="C0ALERTS", ts=posted["ts"], text="two")
        await workspace.wait_for(lambda: len(workspace.acks) == 2)
        assert [ack.what for ack in workspace.acks] == ["message", "message.message_changed"]
        assert seen == []

    async def test_nothing_is_heard_from_a_channel_without_the_app(
        self, workspace: Workspace, connect: Connect
    ) -> None:
        seen: list[Json] = []
        await connect(listening_app(workspace, seen))
        await workspace.post_as_user("dana", "#random", "@rca hello")
        await workspace.post_as_user("dana", "#general", "hello")
        await workspace.wait_for(lambda: seen)
        assert [event["channel"] for event in seen] == ["C0GENERAL"]

    async def test_reactions_joins_and_the_home_tab_are_events(
        self, workspace: Workspace, connect: Connect, app: AsyncApp
    ) -> None:
        seen: dict[str, Json] = {}
        for kind in ("reaction_added", "member_joined_channel", "app_home_opened", "message"):

            async def note(event: Json) -> None:
                seen[event["type"]] = event

            app.event(kind)(note)
        await connect(app)
        posted = await workspace.post_as_user("dana", "#alerts", "hello")
        await workspace.react("omar", "#alerts", posted["ts"], "eyes")
        await workspace.join("rca", "#random")
        await workspace.open_home("dana")
        await workspace.wait_for(lambda: len(seen) == 4)
        assert seen["reaction_added"]["item"] == {"type": "message", "channel": "C0ALERTS", "ts": posted["ts"]}
        assert seen["member_joined_channel"]["user"] == "U0RCABOT"
        assert seen["app_home_opened"]["tab"] == "home"

    async def test_a_direct_message_is_of_type_im_and_no_mention(self, workspace: Workspace, connect: Connect) -> None:
        seen: list[Json] = []
        await connect(listening_app(workspace, seen))
        await workspace.post_direct("dana", "<@U0RCABOT> hello")
        await workspace.post_as_user("dana", "#general", "later")
        await workspace.wait_for(lambda: len(seen) == 2)
        assert [(event["type"], event["channel_type"]) for event in seen] == [("message", "im"), ("message", "channel")]


class TestAcks:
    async def test_the_time_from_sending_to_the_ack_is_recorded(self, workspace: Workspace, connect: Connect) -> None:
        await connect(listening_app(workspace, []))
        await workspace.post_as_app("Alertmanager", "#alerts", ALERT)
        ack = await workspace.wait_for(lambda: workspace.acks and workspace.acks[0])
        assert (ack.type, ack.what, ack.attempt) == ("events_api", "message.bot_message", 0)
        assert 0 < ack.latency_ms < 5000

    async def test_an_event_that_middleware_does_not_let_through_comes_again(
        self, start_workspace: StartWorkspace, connect: Connect
    ) -> None:
        workspace = await start_workspace(ack_timeout_s=0.2, time_scale=0.001)
        seen: list[Json] = []
        app = listening_app(workspace, seen)
        attempts: list[Any] = []

        @app.middleware
        async def not_twice(req: Any, next: Callable[[], Awaitable[Any]]) -> Any:
            attempts.append(
                (req.headers["x-slack-retry-num"], req.headers["x-slack-retry-reason"], req.body["event_id"])
            )
            if len(attempts) < 3:
                return BoltResponse(status=503, body="")
            return await next()

        await connect(app)
        await workspace.post_as_app("Alertmanager", "#alerts", ALERT)
        await workspace.wait_for(lambda: seen)
        assert [(number, reason) for number, reason, _ in attempts[:3]] == [
            (["0"], [""]),
            (["1"], ["timeout"]),
            (["2"], ["timeout"]),
        ]
        assert len({event_id for *_, event_id in attempts}) == 1
        await workspace.wait_for(lambda: workspace.acks)
        assert workspace.acks[0].attempt >= 2

    async def test_an_event_is_given_up_after_the_last_redelivery(
        self, start_workspace: StartWorkspace, connect: Connect
    ) -> None:
        workspace = await start_workspace(ack_timeout_s=0.05, time_scale=0)
        app = AsyncApp(client=AsyncWebClient(token="xoxb-1", base_url=workspace.api_url))  # listens to nothing
        await connect(app)
        await workspace.post_as_app("Alertmanager", "#alerts", ALERT)
        given_up = await workspace.wait_for(lambda: workspace.given_up)
        assert given_up[0]["event"]["bot_id"] == "B0ALERTMGR"
        assert not workspace.acks

    async def test_an_event_waits_for_an_app_that_connects_late(
        self, start_workspace: StartWorkspace, connect: Connect
    ) -> None:
        workspace = await start_workspace(ack_timeout_s=0.2, retry_delays=(0.1,) * 50)
        seen: list[Json] = []
        await workspace.post_as_app("Alertmanager", "#alerts", ALERT)
        await asyncio.sleep(0.3)
        await connect(listening_app(workspace, seen))
        await workspace.wait_for(lambda: seen)


class TestConnections:
    async def test_two_handlers_share_what_comes_and_nobody_gets_it_twice(
        self, workspace: Workspace, connect: Connect
    ) -> None:
        seen: list[Json] = []
        app = listening_app(workspace, seen)
        await connect(app)
        await connect(app)
        for number in range(10):
            await workspace.post_as_app("Alertmanager", "#alerts", {"text": f"alert {number}"})
        await workspace.wait_for(lambda: len(seen) == 10 and len(workspace.acks) == 10)
        await asyncio.sleep(0.1)
        assert sorted(event["text"] for event in seen) == [f"alert {number}" for number in range(10)]
        used = [ack.connection for ack in workspace.acks]
        assert used.count(1) == used.count(2) == 5

    @pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
    async def test_a_disconnect_frame_makes_the_handler_reconnect(
        self, workspace: Workspace, connect: Connect, reason: str
    ) -> None:
        seen: list[Json] = []
        await connect(listening_app(workspace, seen))
        await workspace.connections.disconnect(reason)
        await workspace.wait_for(lambda: [connection.number for connection in workspace.connections.open] == [2])
        await workspace.post_as_app("Alertmanager", "#alerts", ALERT)
        await workspace.wait_for(lambda: seen)

    async def test_an_event_on_a_broken_connection_comes_again_on_another(
        self, start_workspace: StartWorkspace, connect: Connect
    ) -> None:
        workspace = await start_workspace(ack_timeout_s=60)  # what is lost is noticed before any time limit
        seen: list[Json] = []
        app = listening_app(workspace, seen)

        @app.middleware
        async def break_first(next: Callable[[], Awaitable[Any]]) -> Any:
            if workspace.connections.open and not broken:
                broken.append(workspace.connections.drop())
                await asyncio.sleep(0.05)
                return BoltResponse(status=503, body="")
            return await next()

        broken: list[int] = []
        await connect(app, ping_interval=0.2)
        await workspace.post_as_app("Alertmanager", "#alerts", ALERT)
        await workspace.wait_for(lambda: seen, 8)
        assert broken == [1]

    async def test_a_half_open_connection_is_noticed_by_its_missing_pongs(
        self, start_workspace: StartWorkspace, connect: Connect
    ) -> None:
        workspace = await start_workspace(ack_timeout_s=0.3, retry_delays=(0.2,) * 50)
        seen: list[Json] = []
        await connect(listening_app(workspace, seen), ping_interval=0.3)
        workspace.connections.silence()
        await workspace.post_as_app("Alertmanager", "#alerts", ALERT)
        await workspace.wait_for(lambda: seen)
        assert workspace.acks[0].attempt > 0
        assert workspace.acks[0].connection == 2

    async def test_an_address_is_good_for_one_connection(self, workspace: Workspace, client: AsyncWebClient) -> None:
        opened = await client.apps_connections_open(app_token="xapp-1")
        async with aiohttp.ClientSession() as session:
            first = await session.ws_connect(opened["url"])
            hello = await first.receive_json()
            assert (hello["type"], hello["num_connections"]) == ("hello", 1)
            assert hello["connection_info"] == {"app_id": "A0RCA"}
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(opened["url"])
            await first.close()

    async def test_the_eleventh_connection_is_turned_away(self, workspace: Workspace, client: AsyncWebClient) -> None:
        async with aiohttp.ClientSession() as session:
            sockets = []
            for _ in range(11):
                opened = await client.apps_connections_open(app_token="xapp-1")
                sockets.append(await session.ws_connect(opened["url"]))
            frames = [await socket.receive_json() for socket in sockets]
            assert [frame["type"] for frame in frames] == ["hello"] * 10 + ["disconnect"]
            assert frames[-1]["reason"] == "too_many_websockets"
            for socket in sockets:
                await socket.close()

    async def test_only_an_app_level_token_opens_connections(self, workspace: Workspace) -> None:
        bot = AsyncWebClient(base_url=workspace.api_url)
        with pytest.raises(SlackApiError, match="not_allowed_token_type"):
            await bot.apps_connections_open(app_token="xoxb-1")


class TestCommandsAndInteractions:
    async def test_the_ack_of_a_command_is_its_answer(
        self, workspace: Workspace, connect: Connect, app: AsyncApp
    ) -> None:
        @app.command("/rca")
        async def rca(ack: Any, command: Json, respond: Any) -> None:
            await ack(f"you said {command['text']}")
            await respond("and later this")

        await connect(app)
        payload = await workspace.slash("dana", "#alerts", "/rca", "status @omar")
        assert payload == {"text": "you said status <@U0OMAR|omar>"}
        await workspace.wait_for(lambda: len(workspace.ephemerals("dana")) == 2)
        texts = {
            message["text"] for message in workspace.ephemerals("dana")
        }  # which comes first is a race, as with Slack
        assert texts == {payload["text"], "and later this"}
        assert workspace.channel_messages("#alerts") == []

    async def test_a_command_that_nobody_acknowledges_times_out_and_is_not_repeated(
        self, start_workspace: StartWorkspace, connect: Connect
    ) -> None:
        workspace = await start_workspace(ack_timeout_s=0.2, time_scale=0)
        app = AsyncApp(client=AsyncWebClient(token="xoxb-1", base_url=workspace.api_url))
        calls: list[Json] = []

        @app.command("/rca")
        async def rca(command: Json) -> None:
            calls.append(command)

        await connect(app)
        with pytest.raises(DispatchError, match="operation_timeout"):
            await workspace.slash("dana", "#alerts", "/rca", "status")
        assert "operation_timeout" in workspace.ephemerals("dana")[-1]["text"]
        assert len(calls) == 1

    async def test_a_command_without_any_connection_fails_at_once(self, workspace: Workspace) -> None:
        with pytest.raises(DispatchError, match="dispatch_failed"):
            await workspace.slash("dana", "#alerts", "/rca", "status")

    async def test_a_click_carries_the_message_and_where_to_answer(
        self, workspace: Workspace, connect: Connect, app: AsyncApp, client: AsyncWebClient
    ) -> None:
        bodies: list[Json] = []

        @app.action("stop")
        async def stop(ack: Any, body: Json, respond: Any) -> None:
            await ack()
            bodies.append(body)
            await respond(text="Stopped.", replace_original=True)

        await connect(app)
        root = await workspace.post_as_app("Alertmanager", "#alerts", ALERT)
        stop_button = {
            "type": "button",
            "action_id": "stop",
            "text": {"type": "plain_text", "text": "Stop"},
            "value": "run-1",
        }
        card = await client.chat_postMessage(
            channel="C0ALERTS",
            thread_ts=root["ts"],
            text="card",
            blocks=[{"type": "actions", "elements": [stop_button]}],
        )
        await workspace.click("dana", "#alerts", card["ts"], "stop")
        await workspace.wait_for(lambda: workspace.message("#alerts", card["ts"])["text"] == "Stopped.")
        body = bodies[0]
        assert body["user"]["id"] == "U0DANA"
        assert body["message"]["ts"] == card["ts"]
        assert body["container"] == {
            "type": "message",
            "message_ts": card["ts"],
            "channel_id": "C0ALERTS",
            "is_ephemeral": False,
            "thread_ts": root["ts"],
        }
        assert (body["actions"][0]["action_id"], body["actions"][0]["value"]) == ("stop", "run-1")
        with pytest.raises(LookupError, match="there are none"):
            await workspace.click("dana", "#alerts", card["ts"], "stop")  # the answer replaced the blocks

    async def test_feedback_buttons_say_which_side(
        self, workspace: Workspace, connect: Connect, app: AsyncApp, client: AsyncWebClient
    ) -> None:
        pressed: list[Json] = []

        @app.action("rca_feedback")
        async def feedback(ack: Any, action: Json) -> None:
            await ack()
            pressed.append(action)

        def side(label: str, value: str) -> Json:
            return {"text": {"type": "plain_text", "text": label}, "value": value}

        await connect(app)
        element = {
            "type": "feedback_buttons",
            "action_id": "rca_feedback",
            "positive_button": side("Good", "up"),
            "negative_button": side("Bad", "down"),
        }
        blocks = [{"type": "context_actions", "elements": [element]}]
        report = await client.chat_postMessage(channel="C0ALERTS", text="report", blocks=blocks)
        await workspace.click("dana", "#alerts", report["ts"], "rca_feedback", "down")
        await workspace.wait_for(lambda: pressed)
        assert (pressed[0]["type"], pressed[0]["value"]) == ("feedback_buttons", "down")
        with pytest.raises(LookupError):
            await workspace.click("dana", "#alerts", report["ts"], "rca_feedback", "sideways")

    async def test_a_message_shortcut_carries_the_whole_message(
        self, workspace: Workspace, connect: Connect, app: AsyncApp
    ) -> None:
        seen: list[Json] = []

        @app.shortcut("investigate_alert")
        async def investigate(ack: Any, shortcut: Json) -> None:
            await ack()
            seen.append(shortcut)

        await connect(app)
        root = await workspace.post_as_app("Alertmanager", "#alerts", ALERT)
        await workspace.shortcut("dana", "#alerts", root["ts"], "investigate_alert")
        await workspace.wait_for(lambda: seen)
        assert seen[0]["message"]["attachments"] == root["attachments"]

    async def test_a_modal_opens_with_a_fresh_trigger_and_is_submitted(
        self, workspace: Workspace, connect: Connect, app: AsyncApp, client: AsyncWebClient
    ) -> None:
        submitted: list[Json] = []
        triggers: list[str] = []
        modal = {
            "type": "modal",
            "callback_id": "why",
            "title": {"type": "plain_text", "text": "What was wrong"},
            "submit": {"type": "plain_text", "text": "Send"},
            "blocks": [
                {
                    "type": "input",
                    "block_id": "reason",
                    "label": {"type": "plain_text", "text": "Reason"},
                    "element": {"type": "plain_text_input", "action_id": "text"},
                }
            ],
        }

        @app.command("/rca")
        async def rca(ack: Any, command: Json, client: AsyncWebClient) -> None:
            await ack()
            triggers.append(command["trigger_id"])
            await client.views_open(trigger_id=command["trigger_id"], view=modal)

        @app.view("why")
        async def why(ack: Any, view: Json) -> None:
            text = view["state"]["values"]["reason"]["text"]["value"]
            if len(text) < 3:
                await ack(response_action="errors", errors={"reason": "Say more."})
            else:
                await ack()
                submitted.append(view)

        await connect(app)
        await workspace.slash("dana", "#alerts", "/rca", "wrong")
        await workspace.wait_for(lambda: workspace.views("dana"))
        assert await workspace.submit("dana", {}) == {"reason": "Please complete this required field."}
        assert await workspace.submit("dana", {"reason": {"text": "no"}}) == {"reason": "Say more."}
        assert await workspace.submit("dana", {"reason": {"text": "another cause"}}) == {}
        assert workspace.views("dana") == []
        assert submitted[0]["state"]["values"]["reason"]["text"] == {
            "type": "plain_text_input",
            "value": "another cause",
        }
        with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
            await client.views_open(trigger_id=triggers[0], view=modal)
        with pytest.raises(SlackApiError, match="invalid_trigger_id"):
            await client.views_open(trigger_id="1.2.3", view=modal)
