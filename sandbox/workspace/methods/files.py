"""files.*: the two API calls around an upload (the bytes go to their own address), and files.info."""

import asyncio
from typing import Any

from sandbox.workspace.args import Args
from sandbox.workspace.channels import Channel
from sandbox.workspace.content import checked_blocks
from sandbox.workspace.errors import SlackError
from sandbox.workspace.methods.chat import sender_fields
from sandbox.workspace.methods.registry import Json, method
from sandbox.workspace.uploads import MOST_BYTES, File
from sandbox.workspace.world import SCAN_SECONDS, World

MOST_ALT_TEXT = 1_000
MOST_FILES = 100


@method("files.getUploadURLExternal", "files:write")
def get_upload_url(world: World, args: Args) -> Json:
    args.required("filename", "length")
    length = args.integer("length", 0, least=0, most=10**12)
    if length == 0:
        raise SlackError("invalid_arguments", ["must be more than 0 [json-pointer:/length]"])
    if length > MOST_BYTES:
        raise SlackError("file_upload_size_restricted")
    if len(args.text("alt_txt")) > MOST_ALT_TEXT:
        raise SlackError("alt_txt_too_large")
    file, ticket = world.files.begin(
        args.text("filename")[:255],
        length,
        world.bot.user_id,
        snippet_type=args.text("snippet_type"),
        alt_text=args.text("alt_txt"),
    )
    return {"upload_url": f"{world.base_url}upload/v1/{ticket}", "file_id": file.id}


@method("files.completeUploadExternal", "files:write")
def complete_upload(world: World, args: Args) -> Json:
    entries = args.get("files")
    if not isinstance(entries, list) or not 1 <= len(entries) <= MOST_FILES:
        raise SlackError("invalid_arguments", ["must be an array of files [json-pointer:/files]"])
    files = [_completed(world, entry) for entry in entries]
    names = [name for name in [*args.text("channels").split(","), args.text("channel_id")] if name]
    targets = [world.channels.writable(world.channels.by_id(name), world.bot.user_id) for name in names]
    thread_ts = args.text("thread_ts")
    for target in targets:
        if thread_ts and world.messages.find(target.id, thread_ts) is None:
            raise SlackError("thread_not_found")
    data: Json = {
        **sender_fields(world, args),
        "subtype": "file_share",
        "upload": True,
        "text": args.text("initial_comment"),
    }
    if thread_ts:
        data["thread_ts"] = thread_ts
    if args.get("blocks"):
        data["blocks"] = checked_blocks(args.get("blocks"), world.clock, world.files.ready)
    for file in files:
        file.completed = True
    # The answer comes before the file is scanned and shared, as with Slack: its message may appear after the app's next post.
    world.background.run(_share(world, files, targets, data))
    return {"files": [file.shape(world.base_url) for file in files]}


def _completed(world: World, entry: Any) -> File:
    if not isinstance(entry, dict):
        raise SlackError("invalid_arguments", ["must be an object [json-pointer:/files]"])
    file = world.files.get(entry.get("id"))
    if file.completed:
        raise SlackError("file_already_completed")
    title = entry.get("title")
    file.title = title[:255] if isinstance(title, str) and title else file.name
    return file


async def _share(world: World, files: list[File], targets: list[Channel], data: Json) -> None:
    await asyncio.sleep(SCAN_SECONDS)
    for file in files:
        file.scanned = True
    for channel in targets:
        shares = []
        for file in files:
            share: Json = {"channel": channel.id, "at": {"ts": ""}}
            if "thread_ts" in data:
                share["at"]["thread_ts"] = data["thread_ts"]
            file.shares.append(share)
            shares.append(share)
        message = world.post(channel, {**data, "files": [file.shape(world.base_url) for file in files]})
        for share in shares:
            share["at"]["ts"] = message.ts
    for file in files:
        world.feed.send({"type": "file", "file": file.shape(world.base_url)})


@method("files.info", "files:read")
def info(world: World, args: Args) -> Json:
    return {"file": world.files.get(args.text("file")).shape(world.base_url), "comments": [], "response_metadata": {}}


@method("files.delete", "files:write")
def delete(world: World, args: Args) -> Json:
    file = world.files.get(args.text("file"))
    del world.files.all[file.id]
    return {}
