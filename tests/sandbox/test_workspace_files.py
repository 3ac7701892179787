"""files_upload_v2 of the SDK against the workspace, and what is known of a file before it is scanned."""

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace.server import Workspace

ALERTS = "C0ALERTS"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32


def refused(code: str) -> Any:
    return pytest.raises(SlackApiError, match=f"'{code}'")


async def test_a_report_becomes_a_snippet_in_the_thread(workspace: Workspace, client: AsyncWebClient) -> None:
    root = await workspace.post_as_app("Alertmanager", "#alerts", {"text": "alert"})
    answer = await client.files_upload_v2(
        channel=ALERTS,
        thread_ts=root["ts"],
        content="# Cause\nkey is missing\n",
        filename="report.md",
        title="Report",
        snippet_type="markdown",
        initial_comment="full report",
    )
    assert answer["files"][0]["mimetype"] == ""  # not scanned yet
    await workspace.wait_for(lambda: len(workspace.thread("#alerts", root["ts"])) == 2)
    message = workspace.thread("#alerts", root["ts"])[1]
    file = message["files"][0]
    assert (message["subtype"], message["text"], message["bot_id"]) == ("file_share", "full report", "B0RCA")
    assert (file["title"], file["filetype"], file["preview"]) == ("Report", "markdown", "# Cause\nkey is missing\n")
    assert workspace.file_content(file["id"]) == b"# Cause\nkey is missing\n"
    info = (await client.files_info(file=file["id"]))["file"]
    assert info["shares"]["public"][ALERTS][0] == {"ts": message["ts"], "thread_ts": root["ts"]}


async def test_several_files_come_in_one_message(workspace: Workspace, client: AsyncWebClient) -> None:
    uploads: list[dict[str, Any]] = [
        {"content": "a", "filename": "a.txt", "title": "A"},
        {"file": PNG, "filename": "b.png", "title": "B", "alt_txt": "a chart"},
    ]
    await client.files_upload_v2(channel=ALERTS, file_uploads=uploads)
    await workspace.wait_for(lambda: workspace.channel_messages("#alerts"))
    files = workspace.channel_messages("#alerts")[0]["files"]
    assert [(file["name"], file["mimetype"]) for file in files] == [("a.txt", "text/plain"), ("b.png", "image/png")]


async def test_an_image_block_waits_until_the_file_is_scanned(workspace: Workspace, client: AsyncWebClient) -> None:
    answer = await client.files_upload_v2(file=PNG, filename="p99.png")
    file_id = answer["files"][0]["id"]
    image = [{"type": "image", "slack_file": {"id": file_id}, "alt_text": "p99"}]
    with pytest.raises(SlackApiError, match="invalid slack file"):
        await client.chat_postMessage(channel=ALERTS, text="chart", blocks=image)
    await workspace.wait_for(lambda: workspace.world.files.ready(file_id))
    await client.chat_postMessage(channel=ALERTS, text="chart", blocks=image)


async def test_refusals(workspace: Workspace, client: AsyncWebClient) -> None:
    with refused("snippet_too_large"):
        await client.files_getUploadURLExternal(filename="a.txt", length=1_000_001, snippet_type="text")
    with refused("invalid_arguments"):
        await client.files_getUploadURLExternal(filename="a.txt", length=0)
    with refused("file_upload_size_restricted"):
        await client.files_getUploadURLExternal(filename="a.bin", length=10**9)
    with refused("file_not_found"):
        await client.files_info(file="F404")
    begun = await client.files_getUploadURLExternal(filename="a.txt", length=1)
    with refused("file_not_found"):
        await client.files_completeUploadExternal(files=[{"id": begun["file_id"], "title": "a"}])
    for channel, code in (("C0RANDOM", "not_in_channel"), ("C404", "channel_not_found")):
        with refused(code):
            await client.files_upload_v2(channel=channel, content="x", filename="a.txt")
    with refused("thread_not_found"):
        await client.files_upload_v2(channel=ALERTS, thread_ts="1.2", content="x", filename="a.txt")
    assert workspace.channel_messages("#alerts") == []


async def test_an_upload_address_takes_bytes_once(workspace: Workspace, client: AsyncWebClient) -> None:
    begun = await client.files_getUploadURLExternal(filename="a.txt", length=1)
    async with aiohttp.ClientSession() as session:
        statuses = []
        for _ in range(2):
            async with session.post(begun["upload_url"], data=b"x") as answer:
                statuses.append(answer.status)
    assert statuses == [200, 404]
