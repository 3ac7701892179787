"""chat.*: posting, editing, deleting, whispering. (Streaming has its own module.)"""

from sandbox.workspace.args import Args
from sandbox.workspace.content import MOST_TEXT, checked_metadata
from sandbox.workspace.errors import SlackError
from sandbox.workspace.messages import Message
from sandbox.workspace.methods.registry import Json, method
from sandbox.workspace.world import World

MOST_UPDATE_TEXT = 4_000
MOST_MARKDOWN = 12_000


def _content(world: World, args: Args) -> Json:
    text = args.get("text")
    if text is not None and not isinstance(text, str):
        raise SlackError("invalid_arguments", ["must be a string [json-pointer:/text]"])
    if "markdown_text" in args:
        return _markdown(world, args)
    return world.content({**args.values, "text": text[:MOST_TEXT] if text else ""})


def _markdown(world: World, args: Args) -> Json:
    """``markdown_text``: standard Markdown instead of text and blocks, shown as one markdown block."""
    if args.get("text") or args.get("blocks"):
        raise SlackError("markdown_text_conflict")
    markdown = args.text("markdown_text")
    if len(markdown) > MOST_MARKDOWN:
        raise SlackError("msg_too_long")
    return world.content({"text": markdown, "blocks": [{"type": "markdown", "text": markdown}] if markdown else None})


def _sender(world: World, args: Args) -> Json:
    """Who a message of the app is from."""
    bot = world.bot
    profile: Json = {
        "bot_id": bot.bot_id,
        "app_id": bot.app_id,
        "user": bot.user_id,
        "bot_profile": bot.bot_profile(),
    }
    if args.text("username"):
        profile["username"] = args.text("username")
    if args.text("icon_emoji"):
        profile["icons"] = {"emoji": args.text("icon_emoji")}
    return profile


def sender_fields(world: World, args: Args) -> Json:
    """The same for other ways in which the app posts."""
    return _sender(world, args)


@method("chat.postMessage", "chat:write")
def post_message(world: World, args: Args) -> Json:
    channel = world.channels.target(args.get("channel"))
    world.channels.writable(channel, world.bot.user_id)
    content = _content(world, args)
    if not any(content.values()):
        raise SlackError("no_text")
    metadata = checked_metadata(args.get("metadata")) if "metadata" in args else None
    thread = _thread(world, channel.id, args.text("thread_ts"))
    if thread and args.flag("reply_broadcast"):
        thread["subtype"] = "thread_broadcast"
    message = world.post(channel, {**_sender(world, args), **thread, **content}, metadata=metadata)
    body: Json = {
        "channel": channel.id,
        "ts": message.ts,
        "message": world.messages.shape(message, metadata=True),
    }
    if len(args.text("text")) > MOST_TEXT:
        body |= {"warning": "message_truncated", "response_metadata": {"warnings": ["message_truncated"]}}
    return body


def _thread(world: World, channel: str, thread_ts: str) -> Json:
    if not thread_ts:
        return {}
    if world.messages.find(channel, thread_ts) is None:
        raise SlackError("thread_not_found")
    return {"thread_ts": thread_ts}


def _own(world: World, args: Args, refusal: str) -> Message:
    """The app's message that the call is about."""
    args.required("channel", "ts")
    channel = world.channels.by_id(args.get("channel"))
    message = world.messages.get(channel.id, args.text("ts"))
    if message.data.get("bot_id") != world.bot.bot_id:
        raise SlackError(refusal)
    if channel.is_archived:
        raise SlackError("is_archived")
    return message


@method("chat.update", "chat:write")
def update(world: World, args: Args) -> Json:
    message = _own(world, args, "cant_update_message")
    world.stream_of(message)  # a stream whose time is over gives the message free
    if message.streaming:
        raise SlackError("streaming_state_conflict")
    text, blocks, attachments = args.get("text"), args.get("blocks"), args.get("attachments")
    if "markdown_text" in args:
        text = blocks = args.text("markdown_text")  # it stands for both
    if text is None and blocks is None and attachments is None and "metadata" not in args:
        raise SlackError("no_text")
    if "markdown_text" not in args and isinstance(text, str) and len(text) > MOST_UPDATE_TEXT:
        raise SlackError("msg_too_long", [f"The `text` field cannot exceed {MOST_UPDATE_TEXT:,} characters"])
    content = _content(world, args)
    changes: Json = {}
    if text is not None:
        changes["text"] = content["text"]
    if blocks is not None or text is not None:  # text alone takes the blocks away
        changes["blocks"] = content.get("blocks")
        _keep_rich_text(message, content)
    if attachments is not None:
        changes["attachments"] = content.get("attachments")
    if not (
        {**message.data, **changes}["text"]
        or any({**message.data, **changes}.get(k) for k in ("blocks", "attachments"))
    ):
        raise SlackError("no_text")
    if "metadata" in args:
        message.metadata = checked_metadata(args.get("metadata"))
    if text is not None and not blocks:
        changes["edited"] = {"user": world.bot.user_id, "ts": world.clock.ts()}
    world.change(message, changes)
    shape = world.messages.shape(message, metadata=True)
    return {"channel": message.channel, "ts": message.ts, "text": shape["text"], "message": shape}


def _keep_rich_text(message: Message, content: Json) -> None:
    """Slack does not let other blocks stand where rich text stood."""
    had = any(block.get("type") == "rich_text" for block in message.data.get("blocks") or [])
    new = content.get("blocks")
    if had and new and not any(block.get("type") == "rich_text" for block in new):
        raise SlackError("block_mismatch")


@method("chat.delete", "chat:write")
def delete(world: World, args: Args) -> Json:
    message = _own(world, args, "cant_delete_message")
    world.streams.pop((message.channel, message.ts), None)
    world.delete(message)
    return {"channel": message.channel, "ts": message.ts}


@method("chat.postEphemeral", "chat:write")
def post_ephemeral(world: World, args: Args) -> Json:
    args.required("channel", "user")
    channel = world.channels.by_id(args.get("channel"))
    world.channels.writable(channel, world.bot.user_id)
    user = args.text("user")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    content = _content(world, args)
    if not any(content.values()):
        raise SlackError("no_text")
    thread = {"thread_ts": args.text("thread_ts")} if args.text("thread_ts") else {}
    message = world.whisper(channel, user, {**_sender(world, args), **thread, **content})
    return {"message_ts": message.ts}


@method("chat.getPermalink")
def get_permalink(world: World, args: Args) -> Json:
    args.required("channel", "message_ts")
    channel = world.channels.by_id(args.get("channel"))
    message = world.messages.get(channel.id, args.text("message_ts"))
    link = f"{world.base_url}archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}
