"""Messages: threads, history, edits and reactions, in the shapes that conversations.history gives them."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.workspace.clock import Clock
from sandbox.workspace.errors import SlackError

Json = dict[str, Any]

MOST_REACTIONS = 50


@dataclass
class Message:
    """One message. ``data`` is what the sender wrote plus identity; thread counters are added when it is shown."""

    channel: str
    data: Json
    metadata: Json | None = None
    replies: list[str] = field(default_factory=list)
    stream: str = ""  # in_progress, completed, errored; empty: never streamed
    visible_to: str = ""  # user id of the only reader of an ephemeral message

    @property
    def ts(self) -> str:
        return str(self.data["ts"])

    @property
    def thread_ts(self) -> str:
        return str(self.data.get("thread_ts", ""))

    @property
    def is_reply(self) -> bool:
        return bool(self.thread_ts) and self.thread_ts != self.ts

    @property
    def streaming(self) -> bool:
        return self.stream == "in_progress"


class Messages:
    """Every message by channel and ts. What `shape` returns is a copy: nobody edits the store by accident."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_channel: dict[str, dict[str, Message]] = {}

    def post(self, channel: str, data: Json, *, metadata: Json | None = None, stream: str = "") -> Message:
        """Store a new message; a reply is hung under its parent, which must exist (thread_not_found)."""
        message = Message(channel, {"type": "message", **data, "ts": self._clock.ts()}, metadata, stream=stream)
        thread_ts = message.thread_ts
        if thread_ts:
            parent = self.find(channel, thread_ts)
            if parent is None:
                raise SlackError("thread_not_found")
            if parent.is_reply:  # Slack hangs a reply to a reply under the thread's root
                parent = self.get(channel, parent.thread_ts)
                message.data["thread_ts"] = parent.ts
            parent.replies.append(message.ts)
            if "user" in parent.data:
                message.data["parent_user_id"] = parent.data["user"]
        self._by_channel.setdefault(channel, {})[message.ts] = message
        return message

    def find(self, channel: str, ts: object) -> Message | None:
        return self._by_channel.get(channel, {}).get(ts) if isinstance(ts, str) else None

    def get(self, channel: str, ts: object) -> Message:
        """The message, or message_not_found."""
        found = self.find(channel, ts)
        if found is None:
            raise SlackError("message_not_found")
        return found

    def remove(self, message: Message) -> None:
        del self._by_channel[message.channel][message.ts]
        if message.is_reply:
            parent = self.find(message.channel, message.thread_ts)
            if parent is not None:
                parent.replies.remove(message.ts)

    def in_channel(self, channel: str) -> Iterator[Message]:
        """Oldest first, replies included."""
        yield from self._by_channel.get(channel, {}).values()

    def everywhere(self) -> Iterator[Message]:
        for messages in self._by_channel.values():
            yield from messages.values()

    def thread(self, channel: str, ts: str) -> list[Message]:
        """The root and its replies, oldest first; ``ts`` may be any message of the thread. Raises thread_not_found."""
        found = self.find(channel, ts)
        if found is None:
            raise SlackError("thread_not_found")
        root = self.get(channel, found.thread_ts) if found.is_reply else found
        return [root, *(self.get(channel, reply) for reply in root.replies)]

    def shape(self, message: Message, *, metadata: bool = False) -> Json:
        """As Slack shows it; ``metadata``: with the metadata that the app attached."""
        shape = copy.deepcopy(message.data)
        if message.replies:
            replies = [self.get(message.channel, ts) for ts in message.replies]
            users = list(dict.fromkeys(str(r.data.get("user") or r.data.get("bot_id") or "") for r in replies))
            shape |= {
                "thread_ts": message.ts,
                "reply_count": len(replies),
                "reply_users_count": len(users),
                "latest_reply": replies[-1].ts,
                "reply_users": users[:5],
                "is_locked": False,
                "subscribed": False,
            }
        if message.stream:
            shape["streaming_state"] = message.stream
        if metadata and message.metadata is not None:
            shape["metadata"] = copy.deepcopy(message.metadata)
        return shape

    def react(self, message: Message, name: str, user: str) -> None:
        """Add a reaction. Raises already_reacted, too_many_emoji."""
        reactions: list[Json] = message.data.setdefault("reactions", [])
        for reaction in reactions:
            if reaction["name"] == name:
                if user in reaction["users"]:
                    raise SlackError("already_reacted")
                reaction["users"].append(user)
                reaction["count"] += 1
                return
        if len(reactions) >= MOST_REACTIONS:
            raise SlackError("too_many_emoji")
        reactions.append({"name": name, "users": [user], "count": 1})

    def unreact(self, message: Message, name: str, user: str) -> None:
        """Take a reaction away. Raises no_reaction."""
        reactions: list[Json] = message.data.get("reactions", [])
        for reaction in reactions:
            if reaction["name"] == name and user in reaction["users"]:
                reaction["users"].remove(user)
                reaction["count"] -= 1
                message.data["reactions"] = [entry for entry in reactions if entry["count"]]
                if not message.data["reactions"]:
                    del message.data["reactions"]
                return
        raise SlackError("no_reaction")
