"""What people and other apps do in the workspace, without waiting for anybody: write, edit, react, join, press Stop."""

import re
from typing import Any

from sandbox.workspace.channels import Channel
from sandbox.workspace.directory import App, User
from sandbox.workspace.messages import Message
from sandbox.workspace.samples import Sample
from sandbox.workspace.world import Json, World

_AT = re.compile(r"(?<![\w<@])@([\w.-]+)")


class People:
    def __init__(self, world: World) -> None:
        self._world = world

    def mentions(self, text: str) -> str:
        """``@name`` becomes a mention where somebody, or a user group, has that name."""

        def marked(found: re.Match[str]) -> str:
            name = found.group(1)
            if name in ("here", "channel", "everyone"):
                return f"<!{name}>"
            for group in self._world.directory.usergroups.values():
                if group.handle == name:
                    return f"<!subteam^{group.id}>"
            try:
                return f"<@{self._world.directory.user(name).id}>"
            except LookupError:
                return found.group()

        return _AT.sub(marked, text)

    def say(self, user: User, channel: Channel, text: str, thread_ts: str | None = None) -> Json:
        """A person writes; ``text`` in Slack's markup. Returns the message as Slack shows it."""
        data = self._world.from_user(user.id, text)
        if thread_ts:
            data["thread_ts"] = thread_ts
        return self._shape(self._world.post(channel, data))

    def post(self, app: App, channel: Channel, payload: dict[str, Any]) -> Json:
        """An installed app posts. Raises `SlackError` for what Slack would refuse."""
        data = self._world.from_app(app, payload)
        if payload.get("thread_ts"):
            data["thread_ts"] = str(payload["thread_ts"])
        metadata = payload.get("metadata")
        return self._shape(self._world.post(channel, data, metadata=metadata if isinstance(metadata, dict) else None))

    def post_sample(self, sample: Sample) -> list[Json]:
        """Post every message of a sample, by a person or by an app that is installed when it is not there yet."""
        channel = self._world.channels.find(sample.channel)
        try:
            user: User | None = self._world.directory.user(sample.sender)
        except LookupError:
            user = None
        if user is not None and not user.is_bot:
            person = user
            return [self.say(person, channel, str(message.get("text", ""))) for message in sample.messages]
        app = self._world.directory.app(sample.sender, install=True)
        return [self.post(app, channel, message) for message in sample.messages]

    def edit(self, message: Message, payload: dict[str, Any]) -> Json:
        """The sender edits its message, as alert senders do when an alert resolves. Only what ``payload`` names changes."""
        content = self._world.content(payload)
        changes: Json = {key: content.get(key) for key in ("text", "blocks", "attachments") if key in payload}
        author = str(message.data.get("user") or message.data.get("bot_id") or "")
        if "user" in message.data and "bot_id" not in message.data and "text" in changes:
            changes["blocks"] = self._world.from_user(author, str(changes["text"]))["blocks"]
        changes["edited"] = {"user": author, "ts": self._world.clock.ts()}
        return self._shape(self._world.change(message, changes))

    def unfurl(self, message: Message, attachment: dict[str, Any]) -> Json:
        """Slack shows a link's preview: the message changes without being edited."""
        attachments = [*(message.data.get("attachments") or []), {"id": 1, **attachment}]
        return self._shape(self._world.change(message, {"attachments": attachments}))

    def join(self, user: User, channel: Channel) -> None:
        if user.id not in channel.members:
            channel.members.append(user.id)
            self._world.events.membership("member_joined_channel", channel, user.id)

    def leave(self, user: User, channel: Channel) -> None:
        if user.id in channel.members:
            channel.members.remove(user.id)
            self._world.events.membership("member_left_channel", channel, user.id)

    def open_home(self, user: User) -> None:
        """The person opens the app's Home tab."""
        world = self._world
        home = world.views.homes.get(user.id)
        event: Json = {
            "type": "app_home_opened",
            "user": user.id,
            "channel": world.channels.direct(user.id).id,
            "tab": "home",
            "event_ts": world.clock.ts(),
        }
        world.events.send({**event, **({"view": home.shape(world.bot)} if home else {})})

    def stop_session(self, user: User, channel: Channel, thread_ts: str) -> None:
        """Slack's own Stop button: streams of the thread end, the app hears of it."""
        world = self._world
        ended = [
            stream
            for stream in world.streams.values()
            if stream.message.channel == channel.id and stream.message.thread_ts == thread_ts
        ]
        for stream in ended:
            world.stopped_streams.add((channel.id, stream.message.ts))
            world.end_stream(stream)
        world.set_status(channel.id, thread_ts, "")
        world.events.send(
            {
                "type": "agent_session_stopped",
                "channel": channel.id,
                "thread_ts": thread_ts,
                "user": user.id,
                "event_ts": world.clock.ts(),
                "streaming_message_ts": [stream.message.ts for stream in ended],
            }
        )

    def _shape(self, message: Message) -> Json:
        return {**self._world.messages.shape(message), "channel": message.channel}
