"""Conversations: public and private channels and direct messages, and who is in them."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.workspace.directory import TEAM_ID, Directory
from sandbox.workspace.errors import SlackError


@dataclass
class Channel:
    """``kind`` as events spell it: channel, group (private) or im."""

    id: str
    name: str
    kind: str = "channel"
    members: list[str] = field(default_factory=list)
    is_archived: bool = False
    is_ext_shared: bool = False
    topic: str = ""
    created: int = 1_700_000_000

    def shape(self, viewer: str) -> dict[str, Any]:
        """As conversations.info shows it to ``viewer`` (a user id)."""
        if self.kind == "im":
            other = next((member for member in self.members if member != viewer), viewer)
            return {
                "id": self.id,
                "created": self.created,
                "is_im": True,
                "is_org_shared": False,
                "user": other,
                "is_user_deleted": False,
                "priority": 0,
            }
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_im": False,
            "is_mpim": False,
            "is_private": self.kind == "group",
            "is_archived": self.is_archived,
            "is_general": self.name == "general",
            "is_shared": self.is_ext_shared,
            "is_ext_shared": self.is_ext_shared,
            "is_org_shared": False,
            "is_member": viewer in self.members,
            "created": self.created,
            "creator": "U0DANA",
            "context_team_id": TEAM_ID,
            "topic": {"value": self.topic, "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "num_members": len(self.members),
        }


class Channels:
    """Every conversation by id."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.all: dict[str, Channel] = {}
        people = [directory.me.id, "U0OMAR"]
        self.add(Channel("C0ALERTS", "alerts", members=[*people, directory.bot.user_id], topic="What is firing"))
        self.add(Channel("C0GENERAL", "general", members=[*people, directory.bot.user_id]))
        self.add(Channel("C0RANDOM", "random", members=list(people)))  # the bot is not in here

    def add(self, channel: Channel) -> Channel:
        self.all[channel.id] = channel
        return channel

    def find(self, name_or_id: str) -> Channel:
        """A channel by id, ``#name`` or name. Raises `LookupError`."""
        found = self.all.get(name_or_id) or next(
            (c for c in self.all.values() if c.kind != "im" and c.name == name_or_id.removeprefix("#")), None
        )
        if found is None:
            names = ", ".join(f"#{channel.name}" for channel in self.all.values() if channel.kind != "im")
            raise LookupError(f"no channel {name_or_id!r}; there are {names}")
        return found

    def by_id(self, channel_id: object) -> Channel:
        """A channel for a Web API method that takes ids only. Raises channel_not_found."""
        found = self.all.get(channel_id) if isinstance(channel_id, str) else None
        if found is None:
            raise SlackError("channel_not_found")
        return found

    def target(self, name_or_id: object) -> Channel:
        """A channel that chat.postMessage may name: an id, a name, or a user id (their direct message)."""
        if not isinstance(name_or_id, str) or not name_or_id:
            raise SlackError("channel_not_found")
        if name_or_id in self._directory.users:
            return self.direct(name_or_id)
        try:
            return self.find(name_or_id)
        except LookupError:
            raise SlackError("channel_not_found") from None

    def direct(self, user_id: str) -> Channel:
        """The direct message between the bot and a user; made when it is first needed."""
        bot = self._directory.bot.user_id
        for channel in self.all.values():
            if channel.kind == "im" and set(channel.members) == {bot, user_id}:
                return channel
        return self.add(Channel(f"D0{user_id.removeprefix('U0')}", "", "im", [bot, user_id]))

    def writable(self, channel: Channel, user_id: str) -> Channel:
        """``channel``, where ``user_id`` may write. Raises not_in_channel, is_archived (private ones are simply not found)."""
        if user_id not in channel.members:
            raise SlackError("not_in_channel" if channel.kind == "channel" else "channel_not_found")
        if channel.is_archived:
            raise SlackError("is_archived")
        return channel
