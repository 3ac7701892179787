"""chat.startStream, appendStream, stopStream, with the refusals that cost others days."""

import asyncio
import re

from sandbox.workspace.args import Args
from sandbox.workspace.content import checked_blocks, checked_metadata
from sandbox.workspace.errors import SlackError
from sandbox.workspace.messages import Message
from sandbox.workspace.methods.chat import sender_fields
from sandbox.workspace.methods.registry import Json, method
from sandbox.workspace.streams import MODES, Stream
from sandbox.workspace.world import World

_RECIPIENT = re.compile(r"[UW][A-Z0-9]{2,}")


@method("chat.startStream", "chat:write")
def start_stream(world: World, args: Args) -> Json:
    channel = world.channels.by_id(args.get("channel"))
    world.channels.writable(channel, world.bot.user_id)
    thread_ts = args.text("thread_ts")
    if not thread_ts or world.messages.find(channel.id, thread_ts) is None:
        raise SlackError("invalid_thread_ts")
    if channel.kind != "im":
        _check_recipient(world, args)
    display = args.text("task_display_mode") or "timeline"
    if display not in MODES:
        raise SlackError("invalid_arguments", [f"must be one of: {', '.join(MODES)} [json-pointer:/task_display_mode]"])
    # reply_broadcast is silently ignored here, as Slack does.
    content = Stream(Message(channel.id, {}), world.clock.now(), display)
    content.take(args.get("markdown_text"), args.get("chunks"))
    data: Json = {**sender_fields(world, args), "thread_ts": thread_ts, "text": content.text}
    if blocks := content.render():
        data["blocks"] = blocks
    content.message = message = world.post(channel, data, stream="in_progress")
    world.streams[channel.id, message.ts] = content
    world.background.run(_expire(world, message))
    return {"channel": channel.id, "ts": message.ts}


async def _expire(world: World, message: Message) -> None:
    """A stream ends when its time is over, however busy it is."""
    await asyncio.sleep(world.stream_lifetime_s)
    world.stream_of(message)


def _check_recipient(world: World, args: Args) -> None:
    user, team = args.text("recipient_user_id"), args.text("recipient_team_id")
    if not user:
        raise SlackError("missing_recipient_user_id")
    if not team:
        raise SlackError("missing_recipient_team_id")
    if not _RECIPIENT.fullmatch(user):
        raise SlackError(
            "invalid_arguments", ["must match pattern: ^[UW][A-Z0-9]{2,}$ [json-pointer:/recipient_user_id]"]
        )
    if user not in world.directory.users:
        raise SlackError("user_not_found")


def _live(world: World, args: Args) -> Stream:
    args.required("channel", "ts")
    channel = world.channels.by_id(args.get("channel"))
    message = world.messages.get(channel.id, args.text("ts"))
    if message.data.get("bot_id") != world.bot.bot_id:
        raise SlackError("message_not_owned_by_app")
    stream = world.stream_of(message)
    if stream is None:
        stopped = (message.channel, message.ts) in world.stopped_streams
        raise SlackError("stopped_by_user" if stopped else "message_not_in_streaming_state")
    return stream


@method("chat.appendStream", "chat:write")
def append_stream(world: World, args: Args) -> Json:
    stream = _live(world, args)
    if "markdown_text" not in args and "chunks" not in args:
        raise SlackError("no_text")
    stream.take(args.get("markdown_text"), args.get("chunks"))
    world.change(stream.message, {"text": stream.text, "blocks": stream.render()}, quiet=True)
    return {"channel": stream.message.channel, "ts": stream.message.ts}


@method("chat.stopStream", "chat:write")
def stop_stream(world: World, args: Args) -> Json:
    stream = _live(world, args)
    metadata = checked_metadata(args.get("metadata")) if "metadata" in args else None
    last = checked_blocks(args.get("blocks"), world.clock, world.files.ready) if args.get("blocks") else []
    stream.take(args.get("markdown_text"), args.get("chunks"))
    if metadata is not None:
        stream.message.metadata = metadata
    blocks = [*stream.render(), *last]
    world.end_stream(stream, {"text": stream.text, "blocks": blocks or None})
    message = stream.message
    return {"channel": message.channel, "ts": message.ts, "message": world.messages.shape(message, metadata=True)}
