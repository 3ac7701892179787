"""reactions.*"""

import re

from sandbox.workspace.args import Args
from sandbox.workspace.errors import SlackError
from sandbox.workspace.messages import Message
from sandbox.workspace.methods.registry import Json, method
from sandbox.workspace.world import World

_NAME = re.compile(r"[a-z0-9_+'\-]{1,100}(::skin-tone-[2-6])?")


def _item(world: World, args: Args) -> Message:
    if not args.text("channel") or not args.text("timestamp"):
        raise SlackError("no_item_specified")
    channel = world.channels.by_id(args.get("channel"))
    world.channels.writable(channel, world.bot.user_id)
    return world.messages.get(channel.id, args.text("timestamp"))


def emoji(args: Args) -> str:
    """The name of a reaction without colons. Raises invalid_name."""
    name = args.text("name").strip(":")
    if not _NAME.fullmatch(name):
        raise SlackError("invalid_name")
    return name


@method("reactions.add", "reactions:write")
def add(world: World, args: Args) -> Json:
    world.react(_item(world, args), emoji(args), world.bot.user_id)
    return {}


@method("reactions.remove", "reactions:write")
def remove(world: World, args: Args) -> Json:
    world.react(_item(world, args), emoji(args), world.bot.user_id, remove=True)
    return {}


@method("reactions.get", "reactions:read")
def get(world: World, args: Args) -> Json:
    message = _item(world, args)
    return {"type": "message", "channel": message.channel, "message": world.messages.shape(message)}
