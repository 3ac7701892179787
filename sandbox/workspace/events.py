"""The events that reach the app: one envelope payload for everything that happens in a conversation that it is a member of."""

import copy
from typing import Any

from sandbox.workspace.channels import Channel
from sandbox.workspace.clock import Clock
from sandbox.workspace.directory import TEAM_ID, Directory
from sandbox.workspace.sockets import SocketMode

Json = dict[str, Any]


class Events:
    """Builds event_callback payloads and hands them to Socket Mode."""

    def __init__(self, clock: Clock, directory: Directory, sockets: SocketMode) -> None:
        self._clock = clock
        self._directory = directory
        self._sockets = sockets

    def send(self, event: Json, *, event_id: str = "") -> str:
        """Deliver one event as it is; returns its event id. A given ``event_id`` makes it a duplicate of an earlier one."""
        event_id = event_id or self._clock.id("Ev")
        bot = self._directory.bot
        payload = {
            "token": "sandbox",
            "team_id": TEAM_ID,
            "context_team_id": TEAM_ID,
            "api_app_id": bot.app_id,
            "event": copy.deepcopy(event),
            "type": "event_callback",
            "event_id": event_id,
            "event_time": int(self._clock.now()),
            "authorizations": [
                {"team_id": TEAM_ID, "user_id": bot.user_id, "is_bot": True, "is_enterprise_install": False}
            ],
            "is_ext_shared_channel": False,
            "event_context": f"4-{event_id}",
        }
        self._sockets.deliver(payload, ".".join(filter(None, (str(event.get("type")), event.get("subtype")))))
        return event_id

    def message(self, channel: Channel, shape: Json) -> None:
        """A new message; when a person mentions the app in a channel, app_mention comes beside it."""
        if self._directory.bot.user_id not in channel.members:
            return
        event = {**shape, "channel": channel.id, "event_ts": shape["ts"], "channel_type": channel.kind}
        self.send(event)
        person = self._directory.users.get(str(shape.get("user")))
        mentioned = f"<@{self._directory.bot.user_id}>" in str(shape.get("text"))
        if mentioned and person is not None and not person.is_bot and "bot_id" not in shape and channel.kind != "im":
            keys = ("user", "text", "ts", "team", "blocks", "client_msg_id", "thread_ts", "parent_user_id", "files")
            twin = {key: shape[key] for key in keys if key in shape}
            self.send({"type": "app_mention", **twin, "channel": channel.id, "event_ts": shape["ts"]})

    def message_changed(self, channel: Channel, shape: Json, before: Json) -> None:
        self._about(channel, "message_changed", {"message": shape, "previous_message": before})

    def message_deleted(self, channel: Channel, before: Json) -> None:
        self._about(channel, "message_deleted", {"deleted_ts": before["ts"], "previous_message": before})

    def reaction(self, kind: str, channel: Channel, item: Json, *, user: str, name: str) -> None:
        """``kind``: reaction_added or reaction_removed, on the message ``item``."""
        if self._directory.bot.user_id in channel.members:
            self.send(
                {
                    "type": kind,
                    "user": user,
                    "reaction": name,
                    "item": {"type": "message", "channel": channel.id, "ts": item["ts"]},
                    "item_user": item.get("user", ""),
                    "event_ts": self._clock.ts(),
                }
            )

    def membership(self, kind: str, channel: Channel, user: str, inviter: str = "") -> None:
        """``kind``: member_joined_channel or member_left_channel. The app hears of itself even where it is no member any more."""
        bot = self._directory.bot.user_id
        if user == bot or bot in channel.members:
            letter = "G" if channel.kind == "group" else "C"
            event = {"type": kind, "user": user, "channel": channel.id, "channel_type": letter, "team": TEAM_ID}
            self.send({**event, **({"inviter": inviter} if inviter else {}), "event_ts": self._clock.ts()})

    def _about(self, channel: Channel, subtype: str, parts: Json) -> None:
        if self._directory.bot.user_id in channel.members:
            ts = self._clock.ts()
            event = {"type": "message", "subtype": subtype, "hidden": True, **parts, "channel": channel.id}
            self.send({**event, "ts": ts, "event_ts": ts, "channel_type": channel.kind})
