"""The page's API: what it is told, what it can do, and who may ask."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace.samples import FOLDER, load_samples
from sandbox.workspace.server import Workspace

Json = dict[str, Any]
Connect = Callable[..., Awaitable[Any]]
StartWorkspace = Callable[..., Awaitable[Workspace]]
Post = Callable[..., Awaitable[Json]]
ALERTS = "C0ALERTS"


@pytest.fixture
async def session() -> Any:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def post(session: aiohttp.ClientSession, workspace: Workspace) -> Post:
    async def send(path: str, **body: Any) -> Json:
        async with session.post(f"{workspace.page_url}ui/{path}", json=body) as answer:
            assert answer.status == 200
            result: Json = await answer.json()
            return result

    return send


async def state(session: aiohttp.ClientSession, workspace: Workspace) -> Json:
    async with session.get(f"{workspace.page_url}ui/state") as answer:
        result: Json = await answer.json()
        return result


async def test_the_state_holds_what_there_is(
    workspace: Workspace, session: aiohttp.ClientSession, client: AsyncWebClient
) -> None:
    root = await workspace.post_as_app("Alertmanager", "#alerts", {"text": "alert"})
    await client.chat_postMessage(channel=ALERTS, thread_ts=root["ts"], text="card")
    await client.chat_postEphemeral(channel=ALERTS, user="U0DANA", text="psst")
    shown = await state(session, workspace)
    assert shown["me"] == "U0DANA"
    assert shown["bot"]["user_id"] == "U0RCABOT"
    assert [message["text"] for message in shown["messages"][ALERTS]] == ["alert", "card"]
    assert shown["messages"][ALERTS][1]["streaming"] is False
    assert shown["ephemerals"][0]["message"]["text"] == "psst"
    assert workspace.names() | {"U0DANA": "dana", "B0ALERTMGR": "Alertmanager", ALERTS: "#alerts"} == workspace.names()
    assert {"C0ALERTS", "C0GENERAL"} <= {channel["id"] for channel in shown["channels"]}


async def test_the_feed_tells_of_messages_edits_deletions_and_calls(
    workspace: Workspace, session: aiohttp.ClientSession, client: AsyncWebClient
) -> None:
    async with session.ws_connect(f"{workspace.page_url}ui/events") as socket:
        posted = await client.chat_postMessage(channel=ALERTS, text="one")
        await client.chat_update(channel=ALERTS, ts=posted["ts"], text="two")
        await client.chat_delete(channel=ALERTS, ts=posted["ts"])
        deltas: list[Json] = []
        while not deltas or "chat.delete" not in deltas[-1].get("line", ""):
            deltas.append(await socket.receive_json(timeout=5))
    kinds = [delta["type"] for delta in deltas if delta["type"] != "activity"]
    assert kinds == ["message", "message", "message_deleted"]
    assert [delta["message"]["text"] for delta in deltas if delta["type"] == "message"] == ["one", "two"]
    assert any(delta.get("line", "").startswith("→ chat.update ok") for delta in deltas)


async def test_a_person_writes_mentions_and_commands(
    workspace: Workspace, post: Post, connect: Connect, app: AsyncApp
) -> None:
    @app.command("/rca")
    async def rca(ack: Any, command: Json) -> None:
        await ack(f"got {command['text']}")

    @app.event("message")
    async def ignore() -> None: ...

    @app.event("app_mention")
    async def mention() -> None: ...

    await connect(app)
    said = await post("say", channel=ALERTS, text="@rca why <b> & what?")
    assert workspace.message("#alerts", said["ts"])["text"] == "<@U0RCABOT> why &lt;b&gt; &amp; what?"
    answer = await post("say", channel=ALERTS, text="/rca status")
    assert answer["ack"] == {"text": "got status"}
    await post("say", channel=ALERTS, text="/rca status", thread_ts=said["ts"])
    assert "cannot be used in a thread" in workspace.ephemerals("dana")[-1]["text"]
    assert (await post("say", channel=ALERTS, text="/dance"))["ok"] is False


async def test_a_person_presses_a_button(
    workspace: Workspace, post: Post, connect: Connect, app: AsyncApp, client: AsyncWebClient
) -> None:
    pressed: list[Json] = []

    @app.action("menu")
    async def menu(ack: Any, action: Json) -> None:
        await ack()
        pressed.append(action)

    @app.event("message")
    async def ignore() -> None: ...

    await connect(app)
    options = [{"text": {"type": "plain_text", "text": text}, "value": text} for text in ("a", "b")]
    select = {
        "type": "static_select",
        "action_id": "menu",
        "placeholder": {"type": "plain_text", "text": "Choose"},
        "options": options,
    }
    posted = await client.chat_postMessage(channel=ALERTS, text="x", blocks=[{"type": "actions", "elements": [select]}])
    place = {
        "channel": ALERTS,
        "ts": posted["ts"],
        "action_id": "menu",
        "block_id": posted["message"]["blocks"][0]["block_id"],
    }
    assert (await post("action", **place, value="b", type="static_select"))["ok"] is True
    await workspace.wait_for(lambda: pressed)
    assert pressed[0]["selected_option"] == options[1]
    assert (await post("action", **{**place, "action_id": "other"}))["ok"] is False


async def test_a_reaction_is_a_toggle(workspace: Workspace, post: Post) -> None:
    root = await workspace.post_as_user("omar", "#alerts", "x")
    await post("react", channel=ALERTS, ts=root["ts"], name="eyes")
    assert workspace.message("#alerts", root["ts"])["reactions"][0]["users"] == ["U0DANA"]
    await post("react", channel=ALERTS, ts=root["ts"], name="eyes")
    assert "reactions" not in workspace.message("#alerts", root["ts"])


async def test_a_sample_is_posted_by_its_sender(
    start_workspace: StartWorkspace, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    workspace = await start_workspace(samples=tmp_path)
    alert = {
        "title": "An alert",
        "sender": "PagerTool",
        "channel": "#alerts",
        "message": {"attachments": [{"title": "[FIRING:1]"}]},
    }
    (tmp_path / "alert.json").write_text(json.dumps(alert))
    (tmp_path / "person.json").write_text(json.dumps({**alert, "sender": "omar", "message": {"text": "anyone?"}}))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "empty.json").write_text("{}")
    assert [sample["id"] for sample in (await state(session, workspace))["samples"]] == ["alert", "person"]
    for sample_id, ok in (("alert", True), ("person", True), ("broken", False)):
        async with session.post(f"{workspace.page_url}ui/sample", json={"id": sample_id}) as answer:
            assert (await answer.json())["ok"] is ok
    first, second = workspace.channel_messages("#alerts")
    assert (first["subtype"], first["username"]) == ("bot_message", "PagerTool")
    assert (second["user"], second["text"]) == ("U0OMAR", "anyone?")


async def test_the_shipped_samples_can_all_be_posted(workspace: Workspace) -> None:
    shipped = load_samples(FOLDER)
    assert shipped
    assert len(shipped) == len(list(FOLDER.glob("*.json")))
    for sample_id in shipped:
        assert await workspace.post_sample(sample_id)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["", "ui/state", "ui/events", "ui/file/F1", "api/api.test", "link"])
async def test_other_sites_are_turned_away(
    workspace: Workspace, session: aiohttp.ClientSession, headers: Json, path: str
) -> None:
    async with session.get(f"{workspace.page_url}{path}", headers=headers) as answer:
        assert answer.status == 403


async def test_a_form_of_another_site_cannot_post(workspace: Workspace, session: aiohttp.ClientSession) -> None:
    body = json.dumps({"channel": ALERTS, "text": "x"})
    async with session.post(f"{workspace.page_url}ui/say", data=body, headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 415
    assert workspace.channel_messages("#alerts") == []


async def test_the_page_itself_may_ask_by_either_name(workspace: Workspace, session: aiohttp.ClientSession) -> None:
    for host in (f"127.0.0.1:{workspace.port}", f"localhost:{workspace.port}"):
        headers = {"Host": host, "Origin": f"http://{host}"}
        async with session.get(f"{workspace.page_url}ui/state", headers=headers) as answer:
            assert answer.status == 200


async def test_what_was_uploaded_is_never_served_as_a_page(
    workspace: Workspace, session: aiohttp.ClientSession, client: AsyncWebClient
) -> None:
    kinds = {}
    for name in ("a.html", "a.svg", "a.md", "a.bin", "a.png"):
        answer = await client.files_upload_v2(content="<script>alert(1)</script>", filename=name)
        async with session.get(f"{workspace.page_url}ui/file/{answer['files'][0]['id']}") as file:
            kinds[name] = file.content_type
            assert file.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in file.headers["Content-Security-Policy"]
    assert kinds == {
        "a.html": "text/plain",
        "a.svg": "application/octet-stream",
        "a.md": "text/plain",
        "a.bin": "application/octet-stream",
        "a.png": "image/png",
    }


async def test_no_path_leads_out_of_the_pages_folder(workspace: Workspace, session: aiohttp.ClientSession) -> None:
    for path in (
        "static/../workspace/server.py",
        "static/%2e%2e/workspace/server.py",
        "static/..%2fworkspace/server.py",
    ):
        url = aiohttp.client.URL(f"{workspace.page_url}{path}", encoded=True)
        async with session.get(url) as answer:
            assert answer.status == 404
