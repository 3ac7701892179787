"""conversations.*: what there is, who is in it, what was said."""

import base64
import binascii
from typing import Any

from sandbox.workspace.args import Args
from sandbox.workspace.channels import Channel
from sandbox.workspace.errors import SlackError
from sandbox.workspace.messages import Message
from sandbox.workspace.methods.registry import Json, method
from sandbox.workspace.world import World

READ = ("channels:read", "groups:read", "im:read", "mpim:read")
HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")
KINDS = {"channel": "public_channel", "group": "private_channel", "im": "im"}


def page(items: list[Any], args: Args, limit: int) -> tuple[list[Any], Json]:
    """One page of ``items`` and the response_metadata that leads to the next. Raises invalid_cursor."""
    start = 0
    if cursor := args.text("cursor"):
        try:
            start = int(base64.b64decode(cursor, validate=True).decode().removeprefix("next:"))
        except (binascii.Error, ValueError):
            raise SlackError("invalid_cursor") from None
        if not 0 <= start <= len(items):
            raise SlackError("invalid_cursor")
    more = start + limit < len(items)
    following = base64.b64encode(f"next:{start + limit}".encode()).decode() if more else ""
    return items[start : start + limit], {"next_cursor": following}


def _readable(world: World, args: Args) -> Channel:
    """A channel whose messages the app may read: it must be a member."""
    channel = world.channels.by_id(args.get("channel"))
    if world.bot.user_id not in channel.members:
        raise SlackError("not_in_channel" if channel.kind == "channel" else "channel_not_found")
    return channel


@method("conversations.list", *READ)
def list_channels(world: World, args: Args) -> Json:
    kinds = set(args.text("types", "public_channel").replace(" ", "").split(","))
    bot = world.bot.user_id
    found = [
        channel.shape(bot)
        for channel in world.channels.all.values()
        if KINDS[channel.kind] in kinds
        and not (channel.is_archived and args.flag("exclude_archived"))
        and (channel.kind == "channel" or bot in channel.members)
    ]
    channels, metadata = page(found, args, args.integer("limit", 100))
    return {"channels": channels, "response_metadata": metadata}


@method("users.conversations", *READ)
def users_conversations(world: World, args: Args) -> Json:
    kinds = set(args.text("types", "public_channel").replace(" ", "").split(","))
    user = args.text("user") or world.bot.user_id
    found = [c.shape(user) for c in world.channels.all.values() if user in c.members and KINDS[c.kind] in kinds]
    channels, metadata = page(found, args, args.integer("limit", 100))
    return {"channels": channels, "response_metadata": metadata}


@method("conversations.info", *READ)
def info(world: World, args: Args) -> Json:
    channel = world.channels.by_id(args.get("channel"))
    if channel.kind != "channel" and world.bot.user_id not in channel.members:
        raise SlackError("channel_not_found")
    return {"channel": channel.shape(world.bot.user_id)}


@method("conversations.members", *READ)
def members(world: World, args: Args) -> Json:
    channel = world.channels.by_id(args.get("channel"))
    found, metadata = page(channel.members, args, args.integer("limit", 100))
    return {"members": found, "response_metadata": metadata}


@method("conversations.open", "im:write")
def open_direct(world: World, args: Args) -> Json:
    if "channel" in args:
        channel = world.channels.by_id(args.get("channel"))
    else:
        user = args.text("users")
        if user not in world.directory.users:
            raise SlackError("user_not_found" if user else "users_list_not_supplied")
        channel = world.channels.direct(user)
    full = args.flag("return_im")
    return {"channel": channel.shape(world.bot.user_id) if full else {"id": channel.id}}


@method("conversations.join", "channels:join")
def join(world: World, args: Args) -> Json:
    channel = world.channels.by_id(args.get("channel"))
    if channel.kind != "channel":
        raise SlackError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise SlackError("is_archived")
    bot = world.bot.user_id
    body: Json = {}
    if bot in channel.members:
        body = {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    else:
        channel.members.append(bot)
        world.events.membership("member_joined_channel", channel, bot)
    return {"channel": channel.shape(bot), **body}


def _window(messages: list[Message], args: Args) -> list[Message]:
    """Those between ``oldest`` and ``latest``; the ends count only with ``inclusive``."""
    oldest, latest, inclusive = args.text("oldest") or "0", args.text("latest"), args.flag("inclusive")
    try:
        low, high = float(oldest), float(latest) if latest and latest != "now" else None
    except ValueError:
        raise SlackError("invalid_ts_oldest") from None
    kept = []
    for message in messages:
        at = float(message.ts)
        if at < low or (high is not None and at > high):
            continue
        if not inclusive and (message.ts in (oldest, latest)):
            continue
        kept.append(message)
    return kept


@method("conversations.history", *HISTORY)
def history(world: World, args: Args) -> Json:
    channel = _readable(world, args)
    messages = [
        message
        for message in world.messages.in_channel(channel.id)
        if not message.is_reply or message.data.get("subtype") == "thread_broadcast"
    ]
    newest_first = _window(messages, args)[::-1]
    found, metadata = page(newest_first, args, args.integer("limit", 100, most=999))
    with_metadata = args.flag("include_all_metadata")
    body: Json = {
        "messages": [world.messages.shape(message, metadata=with_metadata) for message in found],
        "has_more": bool(metadata["next_cursor"]),
        "pin_count": 0,
    }
    if metadata["next_cursor"]:
        body["response_metadata"] = metadata
    return body


@method("conversations.replies", *HISTORY)
def replies(world: World, args: Args) -> Json:
    args.required("channel", "ts")
    channel = _readable(world, args)
    root, *rest = world.messages.thread(channel.id, args.text("ts"))
    found, metadata = page([root, *_window(rest, args)], args, args.integer("limit", 1000))
    if root not in found:
        found = [root, *found]  # Slack repeats the root on every page
    with_metadata = args.flag("include_all_metadata")
    body: Json = {
        "messages": [world.messages.shape(message, metadata=with_metadata) for message in found],
        "has_more": bool(metadata["next_cursor"]),
    }
    if metadata["next_cursor"]:
        body["response_metadata"] = metadata
    return body
