"""The workspace without its doors: all state, and the few things that can happen to a message, each of which everybody hears about.

The Web API, the page and the Python API of `server.Workspace` all act through here, so that a change made by any of them is stored,
shown and delivered as an event in the same way.
"""

from collections.abc import Sequence
from typing import Any

from sandbox.workspace.background import Background
from sandbox.workspace.channels import Channel, Channels
from sandbox.workspace.clock import Clock
from sandbox.workspace.content import checked_attachments, checked_blocks, link_up, typed_blocks
from sandbox.workspace.directory import TEAM_ID, App, Directory
from sandbox.workspace.events import Events
from sandbox.workspace.faults import Faults
from sandbox.workspace.limits import Limits
from sandbox.workspace.messages import Message, Messages
from sandbox.workspace.sockets import SocketMode
from sandbox.workspace.streams import Stream
from sandbox.workspace.uploads import Files
from sandbox.workspace.views import Views
from sandbox.workspace.wire import Wire

Json = dict[str, Any]

MOST_EPHEMERALS = 200
SCAN_SECONDS = 0.05  # how long after completeUploadExternal a file is scanned and its message appears
STATUS_SECONDS = 120.0


class World:
    """Everything that is in the workspace. ``base_url`` is set once the server listens."""

    def __init__(
        self,
        *,
        retry_delays: Sequence[float],
        ack_timeout_s: float,
        rate_limits: bool,
        stream_lifetime_s: float,
        seed: int,
        scopes: frozenset[str],
    ) -> None:
        self.base_url = ""
        self.scopes = scopes
        self.stream_lifetime_s = stream_lifetime_s
        self.clock = Clock(seed)
        self.wire = Wire()
        self.feed = self.wire.feed
        self.background = Background()
        self.directory = Directory()
        self.channels = Channels(self.directory)
        self.messages = Messages(self.clock)
        self.files = Files(self.clock)
        self.views = Views(self.clock)
        self.limits = Limits(enabled=rate_limits)
        self.faults = Faults()
        self.sockets = SocketMode(
            self.clock,
            self.wire,
            self.background,
            self.directory.bot.app_id,
            retry_delays=retry_delays,
            ack_timeout_s=ack_timeout_s,
        )
        self.events = Events(self.clock, self.directory, self.sockets)
        self.streams: dict[tuple[str, str], Stream] = {}
        self.stopped_streams: set[tuple[str, str]] = set()  # by a person who pressed Stop
        self.statuses: dict[tuple[str, str], str] = {}
        self.ephemerals: list[Message] = []

    @property
    def bot(self) -> App:
        return self.directory.bot

    # What can happen to a message

    def post(self, channel: Channel, data: Json, *, metadata: Json | None = None, stream: str = "") -> Message:
        """A new message: stored, shown, delivered. Raises thread_not_found."""
        message = self.messages.post(channel.id, {"team": TEAM_ID, **data}, metadata=metadata, stream=stream)
        self.show(message)
        if message.is_reply:
            self.show(self.messages.get(channel.id, message.thread_ts))  # its reply count grew
        self.events.message(channel, self.messages.shape(message))
        if message.data.get("bot_id") == self.bot.bot_id:
            self.set_status(channel.id, message.thread_ts or message.ts, "")
        return message

    def change(self, message: Message, changes: Json, *, quiet: bool = False) -> Message:
        """Edit a message; a value of None takes a field away. ``quiet``: shown, but no event (a stream's appends)."""
        before = self.messages.shape(message)
        for key, value in changes.items():
            if value is None:
                message.data.pop(key, None)
            else:
                message.data[key] = value
        self.show(message)
        if not quiet:
            self.events.message_changed(self.channels.all[message.channel], self.messages.shape(message), before)
        return message

    def delete(self, message: Message) -> None:
        before = self.messages.shape(message)
        self.messages.remove(message)
        self.feed.send({"type": "message_deleted", "channel": message.channel, "ts": message.ts})
        if message.is_reply and (parent := self.messages.find(message.channel, message.thread_ts)):
            self.show(parent)
        self.events.message_deleted(self.channels.all[message.channel], before)

    def react(self, message: Message, name: str, user: str, *, remove: bool = False) -> None:
        """Raises already_reacted, too_many_emoji, no_reaction."""
        (self.messages.unreact if remove else self.messages.react)(message, name, user)
        self.show(message)
        kind = "reaction_removed" if remove else "reaction_added"
        self.events.reaction(kind, self.channels.all[message.channel], message.data, user=user, name=name)

    def whisper(self, channel: Channel, user: str, data: Json) -> Message:
        """An ephemeral message: seen by one person, not in the history, no event."""
        ts = self.clock.ts()
        message = Message(channel.id, {"type": "message", "team": TEAM_ID, **data, "ts": ts}, visible_to=user)
        message.data["is_ephemeral"] = True
        self.ephemerals = [*self.ephemerals[-MOST_EPHEMERALS:], message]
        self.show(message)
        return message

    def set_status(self, channel: str, thread_ts: str, text: str) -> None:
        """The line “RCA is …” under a thread; empty clears it."""
        if self.statuses.get((channel, thread_ts), "") == text:
            return
        if text:
            self.statuses[channel, thread_ts] = text
        else:
            del self.statuses[channel, thread_ts]
        self.feed.send({"type": "status", "channel": channel, "thread_ts": thread_ts, "text": text})

    # How messages look

    def shape(self, message: Message) -> Json:
        """As the page gets it: Slack's shape with ``streaming``."""
        return {**self.messages.shape(message, metadata=True), "streaming": message.streaming}

    def show(self, message: Message) -> None:
        delta = {"type": "message", "channel": message.channel, "message": self.shape(message)}
        if message.visible_to:
            delta |= {"type": "ephemeral", "user": message.visible_to}
        self.feed.send(delta)

    # Who writes what

    def from_user(self, user_id: str, text: str) -> Json:
        """The message of a person; ``text`` in Slack's markup."""
        text = link_up(text)
        client_msg_id = f"{self.clock.id('', 9).lower()}-{self.clock.id('', 13).lower()}"
        return {"user": user_id, "client_msg_id": client_msg_id, "text": text, "blocks": typed_blocks(text, self.clock)}

    def from_app(self, app: App, payload: Json) -> Json:
        """The message of an installed app, in the shape that this kind of app has. ``payload`` as for an incoming webhook; its
        ``subtype`` overrides the app's kind. Raises what Slack answers to bad blocks."""
        content = self.content(payload)
        username, emoji = payload.get("username"), payload.get("icon_emoji")
        if app.classic or payload.get("subtype") == "bot_message":
            name = username if isinstance(username, str) and username else app.name
            icons = {"icons": {"emoji": emoji or app.icon_emoji}} if emoji or app.icon_emoji else {}
            return {
                "subtype": "bot_message",
                "bot_id": app.bot_id,
                "app_id": app.app_id,
                "username": name,
                **icons,
                **content,
            }
        profile = {"bot_id": app.bot_id, "app_id": app.app_id, "user": app.user_id, "bot_profile": app.bot_profile()}
        if isinstance(username, str) and username:
            profile["username"] = username
        return {**profile, **content}

    def content(self, payload: Json) -> Json:
        """text, blocks and attachments of a payload, checked and normalised."""
        text = payload.get("text")
        content: Json = {"text": link_up(text) if isinstance(text, str) else ""}
        if payload.get("blocks"):
            content["blocks"] = checked_blocks(payload["blocks"], self.clock, self.files.ready)
        if payload.get("attachments"):
            content["attachments"] = checked_attachments(payload["attachments"], self.clock, self.files.ready)
        return content

    # Streams

    def stream_of(self, message: Message) -> Stream | None:
        """The stream behind a message while it is alive; one whose time is over ends here."""
        stream = self.streams.get((message.channel, message.ts))
        if stream is not None and self.clock.now() - stream.started >= self.stream_lifetime_s:
            self.end_stream(stream)
            return None
        return stream

    def end_stream(self, stream: Stream, changes: Json | None = None) -> None:
        """The message stops streaming and becomes an ordinary one."""
        if self.streams.pop((stream.message.channel, stream.message.ts), None) is not None:
            stream.message.stream = "completed"
            self.change(stream.message, changes or {})
