"""What a person does to the app beyond writing: commands, buttons, shortcuts, modals. Each waits for the app's acknowledgement."""

import re
from typing import Any

from sandbox.workspace import elements
from sandbox.workspace.channels import Channel
from sandbox.workspace.directory import SLACKBOT, TEAM_ID, User
from sandbox.workspace.errors import DispatchError, SlackError
from sandbox.workspace.hooks import ResponseUrls, answer
from sandbox.workspace.messages import Message
from sandbox.workspace.methods.views import prepared, shown
from sandbox.workspace.views import View
from sandbox.workspace.world import Json, World

COMMANDS = ("/rca",)
_NAMED = re.compile(r"(?<![\w<])([@#])([\w.-]+)")


class Interactions:
    """Commands and interactions of one world. All methods raise `DispatchError` when no app answers in time."""

    def __init__(self, world: World, hooks: ResponseUrls) -> None:
        self._world = world
        self._hooks = hooks

    async def command(self, user: User, channel: Channel, command: str, text: str) -> Json:
        """A slash command; returns the ack's payload, which the person sees too."""
        if command not in COMMANDS:
            self._slackbot(channel, user, f"`{command}` is not a valid command. There is {', '.join(COMMANDS)}.")
            raise LookupError(f"no command {command!r}; there is {', '.join(COMMANDS)}")
        payload = {
            "token": "sandbox",
            "team_id": TEAM_ID,
            "team_domain": "sandbox",
            "channel_id": channel.id,
            "channel_name": channel.name if channel.kind == "channel" else "directmessage",
            "user_id": user.id,
            "user_name": user.name,
            "command": command,
            "text": self._named(text),
            "api_app_id": self._world.bot.app_id,
            "is_enterprise_install": "false",
            "response_url": self._hooks.make(channel, user.id),
            "trigger_id": self._world.views.trigger(user.id),
        }
        try:
            ack = await self._world.sockets.ask("slash_commands", payload, f"{command} {text}".strip()[:60])
        except DispatchError as error:
            self._slackbot(channel, user, str(error))
            raise
        if ack:
            answer(self._world, channel, user.id, ack)
        return ack or {}

    async def press(
        self, user: User, message: Message, action_id: str, *, block_id: str = "", value: elements.Value = None
    ) -> None:
        """A button, menu or feedback element of a message. Raises `LookupError` when it is not there."""
        blocks = list(message.data.get("blocks") or [])
        for attachment in message.data.get("attachments") or []:
            blocks += attachment.get("blocks") or []
        found_in, element = elements.find(blocks, action_id, block_id=block_id, value=value, user=user.id)
        channel = self._world.channels.all[message.channel]
        container: Json = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": bool(message.visible_to),
        }
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        shape = {} if message.visible_to else {"message": self._world.messages.shape(message, metadata=True)}
        payload = {
            "type": "block_actions",
            **self._who(user),
            "container": container,
            "channel": {"id": channel.id, "name": channel.name or "directmessage"},
            **shape,
            "state": {"values": {}},
            "response_url": self._hooks.make(channel, user.id, message),
            "actions": [elements.action(found_in, element, value, self._world.clock.ts())],
        }
        await self._world.sockets.ask("interactive", payload, f"block_actions {action_id}")

    async def press_in_view(self, user: User, view: View, action_id: str, block_id: str, value: elements.Value) -> None:
        """The same inside a modal or the App Home."""
        found_in, element = elements.find(view.data["blocks"], action_id, block_id=block_id, value=value, user=user.id)
        payload = {
            "type": "block_actions",
            **self._who(user),
            "container": {"type": "view", "view_id": view.id},
            "view": view.shape(self._world.bot),
            "actions": [elements.action(found_in, element, value, self._world.clock.ts())],
        }
        await self._world.sockets.ask("interactive", payload, f"block_actions {action_id}")

    async def shortcut(self, user: User, message: Message, callback_id: str) -> None:
        """A message shortcut: “More actions” on a message."""
        channel = self._world.channels.all[message.channel]
        payload = {
            "type": "message_action",
            "callback_id": callback_id,
            **self._who(user),
            "action_ts": self._world.clock.ts(),
            "message_ts": message.ts,
            "channel": {"id": channel.id, "name": channel.name},
            "message": self._world.messages.shape(message),
            "response_url": self._hooks.make(channel, user.id, message),
        }
        await self._world.sockets.ask("interactive", payload, f"message_action {callback_id}")

    async def global_shortcut(self, user: User, callback_id: str) -> None:
        payload = {
            "type": "shortcut",
            "callback_id": callback_id,
            **self._who(user),
            "action_ts": self._world.clock.ts(),
        }
        await self._world.sockets.ask("interactive", payload, f"shortcut {callback_id}")

    async def submit(self, view: View, values: dict[str, Any]) -> dict[str, str]:
        """Send a modal off. ``values``: block id -> action id -> Slack's shape or a plain value. Returns errors by block id; empty
        means that the app took it. Required inputs that are empty never reach the app, as in Slack's own client."""
        filled, errors = self._filled(view, values)
        if errors:
            return errors
        user = self._world.directory.users[view.user]
        payload = {
            "type": "view_submission",
            **self._who(user),
            "view": view.shape(self._world.bot, filled),
            "response_urls": [],
        }
        ack = await self._world.sockets.ask(
            "interactive", payload, f"view_submission {view.data.get('callback_id', '')}"
        )
        return self._after_submit(view, ack or {})

    async def close(self, view: View) -> None:
        """The person closes a modal; an app that asked for it hears of it."""
        self._gone(self._world.views.close(view))
        if view.data.get("notify_on_close"):
            user = self._world.directory.users[view.user]
            payload = {
                "type": "view_closed",
                **self._who(user),
                "view": view.shape(self._world.bot),
                "is_cleared": False,
            }
            await self._world.sockets.ask("interactive", payload, f"view_closed {view.data.get('callback_id', '')}")

    def _filled(self, view: View, values: dict[str, Any]) -> tuple[Json, dict[str, str]]:
        filled: Json = {}
        errors: dict[str, str] = {}
        for block in view.data["blocks"]:
            if block.get("type") != "input":
                continue
            block_id, element = block["block_id"], block["element"]
            given = values.get(block_id)
            given = given.get(element["action_id"]) if isinstance(given, dict) else given
            entry = elements.initial(element) if given is None else elements.state(element, given)
            filled[block_id] = {element["action_id"]: entry}
            if elements.is_empty(entry) and not block.get("optional"):
                errors[block_id] = "Please complete this required field."
        return filled, errors

    def _after_submit(self, view: View, ack: Json) -> dict[str, str]:
        match ack.get("response_action"):
            case "errors":
                errors = ack.get("errors")
                return {str(key): str(value) for key, value in errors.items()} if isinstance(errors, dict) else {}
            case "update":
                shown(self._world, self._world.views.replace(view, self._prepared(ack)))
            case "push":
                shown(self._world, self._world.views.add(view.user, self._prepared(ack), on=view))
            case "clear":
                self._gone(self._world.views.close(view, all_of_stack=True))
            case _:
                self._gone(self._world.views.close(view))
        return {}

    def _prepared(self, ack: Json) -> Json:
        try:
            return prepared(self._world, ack.get("view"))
        except SlackError as refusal:
            raise DispatchError("invalid_view", f"response_action {ack.get('response_action')}") from refusal

    def _gone(self, views: list[View]) -> None:
        for view in views:
            self._world.feed.send({"type": "view_closed", "view_id": view.id})

    def _who(self, user: User) -> Json:
        return {
            "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": TEAM_ID},
            "team": {"id": TEAM_ID, "domain": "sandbox"},
            "api_app_id": self._world.bot.app_id,
            "token": "sandbox",
            "enterprise": None,
            "is_enterprise_install": False,
            "trigger_id": self._world.views.trigger(user.id),
        }

    def _slackbot(self, channel: Channel, user: User, text: str) -> None:
        self._world.whisper(channel, user.id, {"user": SLACKBOT, "text": text})

    def _named(self, text: str) -> str:
        """should_escape of the manifest: @dana and #alerts become ``<@U…|dana>`` and ``<#C…|alerts>``."""

        def escaped(found: re.Match[str]) -> str:
            mark, name = found.groups()
            try:
                known = self._world.directory.user(name).id if mark == "@" else self._world.channels.find(name).id
            except LookupError:
                return found.group()
            return f"<{mark}{known}|{name}>"

        return _NAMED.sub(escaped, text)
