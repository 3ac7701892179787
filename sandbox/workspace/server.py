"""The workspace as one object: start it, point an app at ``api_url``, act as people and other apps, look at what the app did."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.workspace.api import WebApi
from sandbox.workspace.elements import Value
from sandbox.workspace.faults import Faults
from sandbox.workspace.hooks import ResponseUrls
from sandbox.workspace.interactions import Interactions
from sandbox.workspace.messages import Message
from sandbox.workspace.methods.registry import DEFAULT_SCOPES
from sandbox.workspace.page import Page
from sandbox.workspace.people import People
from sandbox.workspace.samples import FOLDER, load_samples
from sandbox.workspace.sockets import Connections
from sandbox.workspace.uploads import MOST_BYTES
from sandbox.workspace.views import View
from sandbox.workspace.wire import Ack, Call
from sandbox.workspace.world import Json, World

HOST = "127.0.0.1"
BOT_TOKEN = "xoxb-sandbox"  # noqa: S105 - any xoxb- token is taken
APP_TOKEN = "xapp-sandbox"  # noqa: S105


class Workspace:
    """A Slack workspace on loopback.

    ``port`` 0 takes a free one. ``retry_delays``: seconds before each redelivery of an event that nobody acknowledged, times
    ``time_scale``; ``ack_timeout_s``: how long an envelope waits for its ack (Slack: 3 s). ``rate_limits`` answers HTTP 429 as Slack
    does. ``stream_lifetime_s``: after how long a streaming message is over. ``scopes``: what the bot token may do. ``samples``: the
    folder of messages to post. The ids of a workspace repeat with its ``seed``; timestamps do not.

    Names of people, apps and channels may be given wherever an id may: ``"dana"``, ``"Alertmanager"``, ``"#alerts"``; unknown ones
    raise `LookupError`.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        retry_delays: Sequence[float] = (0, 60, 300),
        time_scale: float = 1.0,
        ack_timeout_s: float = 3.0,
        rate_limits: bool = True,
        stream_lifetime_s: float = 300.0,
        seed: int = 0,
        scopes: frozenset[str] = DEFAULT_SCOPES,
        samples: Path = FOLDER,
    ) -> None:
        self.world = World(
            retry_delays=[delay * time_scale for delay in retry_delays],
            ack_timeout_s=ack_timeout_s,
            rate_limits=rate_limits,
            stream_lifetime_s=stream_lifetime_s,
            seed=seed,
            scopes=scopes,
        )
        self.port = port
        self.bot_token = BOT_TOKEN
        self.app_token = APP_TOKEN
        self.api = WebApi(self.world)
        self.people = People(self.world)
        self._hooks = ResponseUrls(self.world)
        self.interactions = Interactions(self.world, self._hooks)
        self._samples = samples
        self._page = Page(self.world, self.people, self.interactions, samples)
        self._runner: web.AppRunner | None = None

    # Life

    async def start(self) -> "Workspace":
        """Listen. Raises OSError when the port is taken."""
        app = web.Application(client_max_size=MOST_BYTES + 1_000_000, middlewares=[self._page.guard])
        app.router.add_routes(
            [
                web.post("/api/{method}", self.api.handle),
                web.get("/api/{method}", self.api.handle),
                web.get("/link", self.world.sockets.link),
                web.post("/upload/v1/{ticket}", self._upload),
                web.post("/response/{name}", self._hooks.handle),
                *self._page.routes(),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self.port)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        self.world.base_url = f"http://{HOST}:{self.port}/"
        return self

    async def stop(self) -> None:
        """Close every socket, cancel every redelivery, stop listening."""
        await self.world.background.stop()
        self.world.feed.close()
        await self.world.sockets.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> "Workspace":
        return await self.start()

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    @property
    def api_url(self) -> str:
        """For ``AsyncWebClient(base_url=…)``; ends with ``/api/``."""
        return f"{self.world.base_url}api/"

    @property
    def page_url(self) -> str:
        return self.world.base_url

    # What happened

    @property
    def calls(self) -> deque[Call]:
        """Web API calls, oldest first."""
        return self.world.wire.calls

    @property
    def acks(self) -> deque[Ack]:
        """Acknowledged envelopes with their latencies, in the order of the acks."""
        return self.world.wire.acks

    @property
    def given_up(self) -> deque[Json]:
        """Payloads of events that nobody acknowledged, after the last redelivery."""
        return self.world.wire.given_up

    @property
    def connections(self) -> Connections:
        return self.world.sockets.connections

    @property
    def faults(self) -> Faults:
        return self.world.faults

    def calls_of(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def message(self, channel: str, ts: str) -> Json:
        """One message as Slack shows it, with its metadata. Raises `LookupError`."""
        return self._shape(self._find(channel, ts))

    def thread(self, channel: str, ts: str) -> list[Json]:
        """The thread of a message, its root first. Raises `LookupError`."""
        found = self._find(channel, ts)
        return [self._shape(message) for message in self.world.messages.thread(found.channel, ts)]

    def channel_messages(self, channel: str) -> list[Json]:
        """Every message of a channel, replies included, oldest first."""
        return [self._shape(message) for message in self.world.messages.in_channel(self.channel_id(channel))]

    def ephemerals(self, user: str) -> list[Json]:
        """What only this person sees, oldest first."""
        user_id = self.world.directory.user(user).id
        return [self._shape(message) for message in self.world.ephemerals if message.visible_to == user_id]

    def file_content(self, file_id: str) -> bytes:
        """The bytes of an upload. Raises `LookupError`."""
        file = self.world.files.all.get(file_id)
        if file is None or file.content is None:
            raise LookupError(f"no file {file_id!r}")
        return file.content

    def views(self, user: str) -> list[View]:
        """The open modals of a person, the top one last."""
        user_id = self.world.directory.user(user).id
        return [view for view in self.world.views.open.values() if view.user == user_id]

    def names(self) -> dict[str, str]:
        """What people call users, bots and channels, by id."""
        directory = self.world.directory
        users = {user.id: user.real_name if user.is_bot else user.name for user in directory.users.values()}
        bots = {app.bot_id: app.name for app in directory.apps.values()}
        channels = {channel.id: f"#{channel.name}" for channel in self.world.channels.all.values() if channel.name}
        return users | bots | channels

    async def wait_for(self, predicate: Callable[[], Any], timeout: float = 10.0) -> Any:
        """The first truthy value of ``predicate()``. Raises TimeoutError that says what the app has done so far."""
        try:
            return await self.world.feed.wait_for(predicate, timeout)
        except TimeoutError:
            done = ", ".join(f"{call.method} {call.error or 'ok'}" for call in list(self.calls)[-12:]) or "nothing"
            raise TimeoutError(
                f"not within {timeout} s; connections: {len(self.connections)}; last calls: {done}"
            ) from None

    async def connected(self, count: int = 1, timeout: float = 10.0) -> None:
        """Wait until ``count`` sockets are open."""
        await self.wait_for(lambda: len(self.connections) >= count, timeout)

    # What people and other apps do

    def channel_id(self, channel: str) -> str:
        return self.world.channels.find(channel).id

    async def post_as_app(self, app: str, channel: str, payload: dict[str, Any]) -> Json:
        """An app posts as through its incoming webhook: ``text``, ``attachments``, ``blocks``, ``username``, ``icon_emoji``,
        ``thread_ts``, ``metadata``; ``subtype`` "bot_message" makes any app a classic one. Returns the message."""
        return self.people.post(self.world.directory.app(app, install=True), self.world.channels.find(channel), payload)

    async def post_as_user(self, user: str, channel: str, text: str, thread_ts: str | None = None) -> Json:
        """A person writes; ``text`` in Slack's markup (``<@U…>``), ``@name`` is turned into a mention. Returns the message."""
        found = self.world.channels.find(channel)
        return self.people.say(self.world.directory.user(user), found, self.people.mentions(text), thread_ts)

    async def post_direct(self, user: str, text: str, thread_ts: str | None = None) -> Json:
        """A person writes to the app in a direct message."""
        person = self.world.directory.user(user)
        return self.people.say(person, self.world.channels.direct(person.id), text, thread_ts)

    async def post_sample(self, sample_id: str) -> list[Json]:
        """Post a sample of ``sandbox/samples`` by its id."""
        known = load_samples(self._samples)
        if sample_id not in known:
            raise LookupError(f"no sample {sample_id!r}; there are {', '.join(known) or 'none'}")
        return self.people.post_sample(known[sample_id])

    async def edit(self, channel: str, ts: str, payload: dict[str, Any]) -> Json:
        """The sender edits its message (``text``, ``attachments``, ``blocks``)."""
        return self.people.edit(self._find(channel, ts), payload)

    async def unfurl(self, channel: str, ts: str, attachment: dict[str, Any]) -> Json:
        """A link preview appears on a message: message_changed without ``edited``."""
        return self.people.unfurl(self._find(channel, ts), attachment)

    async def delete(self, channel: str, ts: str) -> None:
        self.world.delete(self._find(channel, ts))

    async def react(self, user: str, channel: str, ts: str, name: str, *, remove: bool = False) -> None:
        self.world.react(self._find(channel, ts), name, self.world.directory.user(user).id, remove=remove)

    async def join(self, user: str, channel: str) -> None:
        """``user`` may be the app itself ("rca")."""
        self.people.join(self.world.directory.user(user), self.world.channels.find(channel))

    async def leave(self, user: str, channel: str) -> None:
        self.people.leave(self.world.directory.user(user), self.world.channels.find(channel))

    async def open_home(self, user: str) -> None:
        self.people.open_home(self.world.directory.user(user))

    async def stop_session(self, user: str, channel: str, thread_ts: str) -> None:
        """Slack's own Stop button: streams end with stopped_by_user, agent_session_stopped is sent."""
        self.people.stop_session(self.world.directory.user(user), self.world.channels.find(channel), thread_ts)

    def send_event(self, event: dict[str, Any], *, event_id: str = "") -> str:
        """Deliver any event as it is; the same ``event_id`` again makes a duplicate. Returns the event id."""
        return self.world.events.send(event, event_id=event_id)

    async def slash(self, user: str, channel: str, command: str, text: str = "") -> Json:
        """A slash command; returns the ack's payload. Raises `DispatchError`."""
        person = self.world.directory.user(user)
        return await self.interactions.command(person, self.world.channels.find(channel), command, text)

    async def click(
        self,
        user: str,
        channel: str,
        ts: str,
        action_id: str,
        value: Value = None,
        *,
        block_id: str = "",
    ) -> None:
        """Press something in a message (ephemeral ones included); ``value`` chooses among several, a menu's option, or a side of
        feedback buttons. Returns when the app has acknowledged. Raises `LookupError`, `DispatchError`."""
        message = self._find(channel, ts, ephemeral=True)
        person = self.world.directory.user(user)
        await self.interactions.press(person, message, action_id, block_id=block_id, value=value)

    async def shortcut(self, user: str, channel: str, ts: str, callback_id: str) -> None:
        """A message shortcut."""
        await self.interactions.shortcut(self.world.directory.user(user), self._find(channel, ts), callback_id)

    async def submit(self, user: str, values: dict[str, Any]) -> dict[str, str]:
        """Send off the person's top modal: block id -> action id -> value. Returns the errors by block id; empty: it was taken."""
        views = self.views(user)
        if not views:
            raise LookupError(f"{user} has no open modal")
        return await self.interactions.submit(views[-1], values)

    def _find(self, channel: str, ts: str, *, ephemeral: bool = False) -> Message:
        channel_id = self.channel_id(channel)
        whispered = [m for m in self.world.ephemerals if ephemeral and (m.channel, m.ts) == (channel_id, ts)]
        found = whispered[0] if whispered else self.world.messages.find(channel_id, ts)
        if found is None:
            raise LookupError(f"no message {ts!r} in {channel}")
        return found

    def _shape(self, message: Message) -> Json:
        return {**self.world.messages.shape(message, metadata=True), "channel": message.channel}

    async def _upload(self, request: web.Request) -> web.Response:
        """The bytes of files_upload_v2, between its two API calls: as the body or as a form's file."""
        if request.content_type == "multipart/form-data":
            fields = [value for value in (await request.post()).values() if isinstance(value, web.FileField)]
            content = fields[0].file.read() if fields else b""
        else:
            content = await request.read()
        file = self.world.files.receive(request.match_info["ticket"], content)
        if file is None:
            return web.Response(status=404, text="unknown or used upload address")
        self.world.feed.activity(f"→ upload {file.name} · {len(content)} bytes")
        return web.Response(text=f"OK - {len(content)}")


async def serve(
    *,
    port: int = 8085,
    ready: Callable[[Workspace], Awaitable[None] | None] | None = None,
    rate_limits: bool = True,
    time_scale: float = 1.0,
    seed: int = 0,
) -> None:
    """Run a workspace until cancelled; ``ready`` is told when it listens. Raises OSError when the port is taken."""
    async with Workspace(port=port, rate_limits=rate_limits, time_scale=time_scale, seed=seed) as workspace:
        told = ready(workspace) if ready is not None else None
        if told is not None:
            await told
        await asyncio.Event().wait()
