"""The status line of a thread: assistant.threads.setStatus and agents.sessions.setStatus write the same place."""

import asyncio

from sandbox.workspace.args import Args
from sandbox.workspace.errors import SlackError
from sandbox.workspace.methods.registry import Json, method
from sandbox.workspace.world import STATUS_SECONDS, World

MOST_STATUS = 50
MOST_LOADING = 10
SESSION_STATUSES = ("active", "processing", "suspended", "closed")


def _thread(world: World, args: Args) -> tuple[str, str]:
    args.required("channel_id", "thread_ts")
    channel = world.channels.by_id(args.get("channel_id"))
    world.channels.writable(channel, world.bot.user_id)
    if world.messages.find(channel.id, args.text("thread_ts")) is None:
        raise SlackError("invalid_thread_ts")
    return channel.id, args.text("thread_ts")


@method("assistant.threads.setStatus", "chat:write", "assistant:write")
def set_status(world: World, args: Args) -> Json:
    channel, thread_ts = _thread(world, args)
    status, loading = args.text("status"), args.get("loading_messages") or []
    if len(status) > MOST_STATUS or not isinstance(loading, list) or len(loading) > MOST_LOADING:
        raise SlackError("invalid_arguments")
    world.set_status(channel, thread_ts, status)
    if status:
        world.background.run(_fade(world, channel, thread_ts, status))
    return {}


async def _fade(world: World, channel: str, thread_ts: str, status: str) -> None:
    await asyncio.sleep(STATUS_SECONDS)
    if world.statuses.get((channel, thread_ts)) == status:
        world.set_status(channel, thread_ts, "")


@method("agents.sessions.setStatus", "chat:write")
def set_session_status(world: World, args: Args) -> Json:
    channel, thread_ts = _thread(world, args)
    if args.text("status") not in SESSION_STATUSES:
        raise SlackError("invalid_arguments", [f"must be one of: {', '.join(SESSION_STATUSES)} [json-pointer:/status]"])
    world.set_status(channel, thread_ts, "is working" if args.text("status") == "processing" else "")
    return {"session": {"channel_id": channel, "thread_ts": thread_ts, "status": args.text("status")}}
