"""response_url: how an app answers a command or a click later, at most five times within half an hour."""

import time
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.workspace.args import loads
from sandbox.workspace.channels import Channel
from sandbox.workspace.errors import SlackError
from sandbox.workspace.messages import Message
from sandbox.workspace.world import Json, World

MOST_USES = 5
LIFETIME_SECONDS = 1800.0


@dataclass
class Hook:
    channel: Channel
    user: str
    message: Message | None
    until: float
    uses: int = 0


class ResponseUrls:
    def __init__(self, world: World) -> None:
        self._world = world
        self._hooks: dict[str, Hook] = {}

    def make(self, channel: Channel, user: str, message: Message | None = None) -> str:
        """A new address for what ``user`` did in ``channel``, on ``message`` if it was a click."""
        name = self._world.clock.id("hook", 24)
        self._hooks[name] = Hook(channel, user, message, time.monotonic() + LIFETIME_SECONDS)
        return f"{self._world.base_url}response/{name}"

    async def handle(self, request: web.Request) -> web.Response:
        hook = self._hooks.get(request.match_info["name"])
        if hook is None:
            return web.Response(status=404, text="no_service")
        if time.monotonic() > hook.until:
            return web.Response(status=404, text="expired_url")
        if hook.uses >= MOST_USES:
            return web.Response(status=404, text="used_url")
        hook.uses += 1
        try:
            self._apply(hook, loads(await request.text()))
        except SlackError as refusal:
            status = 404 if refusal.code == "message_not_found" else 400
            return web.json_response(refusal.body(), status=status)
        self._world.feed.activity(f"→ response_url ({hook.uses} of {MOST_USES})")
        return web.Response(text="ok")

    def _apply(self, hook: Hook, payload: Any) -> None:
        if not isinstance(payload, dict):
            raise SlackError("invalid_payload")
        message = hook.message
        if message is not None and payload.get("delete_original"):
            self._remove(message)  # an ephemeral message has no other way to go
        elif message is not None and payload.get("replace_original", not payload.get("response_type")):
            self._replace(message, payload)
        else:
            answer(self._world, hook.channel, hook.user, payload, message)

    def _remove(self, message: Message) -> None:
        if message.visible_to:
            self._world.ephemerals.remove(message)
            self._world.feed.send({"type": "reload"})
        else:
            self._world.delete(self._world.messages.get(message.channel, message.ts))

    def _replace(self, message: Message, payload: Json) -> None:
        content = self._world.content(payload)
        changes = {"text": content["text"], "blocks": content.get("blocks"), "attachments": content.get("attachments")}
        if message.visible_to:
            message.data.update({key: value for key, value in changes.items() if value is not None})
            if changes["blocks"] is None:
                message.data.pop("blocks", None)
            self._world.feed.send({"type": "reload"})
        else:
            self._world.change(self._world.messages.get(message.channel, message.ts), changes)


def answer(world: World, channel: Channel, user: str, payload: Json, on: Message | None = None) -> Message | None:
    """Show what an app answered to ``user``: to all with response_type in_channel, else to that person only. None when it is empty."""
    content = world.content(payload)
    if not any(content.values()):
        return None
    bot = world.bot
    data = {
        "bot_id": bot.bot_id,
        "app_id": bot.app_id,
        "user": bot.user_id,
        "bot_profile": bot.bot_profile(),
        **content,
    }
    thread_ts = payload.get("thread_ts") or (on.thread_ts if on is not None else "")
    if thread_ts:
        data["thread_ts"] = thread_ts
    if payload.get("response_type") == "in_channel":
        return world.post(channel, data)
    return world.whisper(channel, user, data)
