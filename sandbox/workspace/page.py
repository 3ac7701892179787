"""The page's own API, ``/ui``: the state, the feed of changes, and what a person does.

Only for apps and this server's own page: Host must name this machine's loopback (a rebound DNS name does not), and Origin, where a
browser sends one, must be the page itself (another site's page is not).
"""

import asyncio
import json
import mimetypes
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from sandbox.workspace.args import Args, loads
from sandbox.workspace.content import escape
from sandbox.workspace.directory import TEAM_ID
from sandbox.workspace.errors import DispatchError, SlackError
from sandbox.workspace.interactions import Interactions
from sandbox.workspace.messages import Message
from sandbox.workspace.methods.reactions import emoji
from sandbox.workspace.people import People
from sandbox.workspace.samples import load_samples
from sandbox.workspace.world import Json, World

FOLDER = Path(__file__).parent.parent / "page"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
MOST_TYPED = 12_000
INLINE = ("image/png", "image/jpeg", "image/gif")

Action = Callable[[Args], Awaitable[Json]]


def from_this_page(request: web.Request) -> bool:
    """Does the request come from this server's own page (or from no browser at all)?"""
    host = request.headers.get("Host", "")
    name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
    origin = request.headers.get("Origin")
    return name in LOOPBACK and (origin is None or origin == f"http://{host}")


class Page:
    """Routes of the page. ``people`` and ``interactions`` are the same that tests use."""

    def __init__(self, world: World, people: People, interactions: Interactions, samples: Path) -> None:
        self._samples = samples
        self._world = world
        self._people = people
        self._interactions = interactions

    def routes(self) -> list[web.AbstractRouteDef]:
        posts: dict[str, Action] = {
            "say": self._say,
            "sample": self._sample,
            "action": self._action,
            "react": self._react,
            "shortcut": self._shortcut,
            "stop": self._stop,
            "view_submit": self._view_submit,
            "view_close": self._view_close,
        }
        return [
            web.get("/", self._index),
            web.get("/archives/{rest:.*}", self._index),
            web.get("/static/{path:.+}", self._static),
            web.get("/ui/state", self._state),
            web.get("/ui/events", self._events),
            web.get("/ui/file/{id}", self._file),
            *(web.post(f"/ui/{name}", self._post(action)) for name, action in posts.items()),
        ]

    @web.middleware
    async def guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Turn away what other sites' pages send, the Web API included (any token is good here); nothing of the page is cached or
        framed."""
        if not from_this_page(request):
            raise web.HTTPForbidden(text="this workspace answers apps and its own page only, on 127.0.0.1 or localhost")
        response = await handler(request)
        if not response.prepared and not request.path.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
            response.headers.setdefault("Content-Security-Policy", "frame-ancestors 'none'")
        return response

    def state(self) -> Json:
        """Everything that the page shows."""
        world = self._world
        bot = world.bot
        messages: dict[str, list[Json]] = {channel: [] for channel in world.channels.all}
        for message in world.messages.everywhere():
            messages[message.channel].append(world.shape(message))
        return {
            "team": {"id": TEAM_ID, "name": "Sandbox", "url": world.base_url},
            "me": world.directory.me.id,
            "bot": {
                "id": bot.user_id,
                "user_id": bot.user_id,
                "bot_id": bot.bot_id,
                "app_id": bot.app_id,
                "name": bot.name,
            },
            "users": [user.shape() for user in world.directory.users.values()],
            "usergroups": [group.shape() for group in world.directory.usergroups.values()],
            "channels": [
                channel.shape(world.directory.me.id)
                for channel in world.channels.all.values()
                if world.directory.me.id in channel.members
            ],
            "messages": messages,
            "ephemerals": [
                {"channel": message.channel, "user": message.visible_to, "message": world.shape(message)}
                for message in world.ephemerals
            ],
            "files": {
                file.id: file.shape(world.base_url) for file in world.files.all.values() if file.content is not None
            },
            "views": [
                {"id": view.id, "user": view.user, "view": view.shape(bot)} for view in world.views.open.values()
            ],
            "samples": [sample.shape() for sample in load_samples(self._samples).values()],
            "statuses": [
                {"channel": channel, "thread_ts": thread_ts, "text": text}
                for (channel, thread_ts), text in world.statuses.items()
            ],
        }

    async def _index(self, _request: web.Request) -> web.StreamResponse:
        index = FOLDER / "index.html"
        if not index.is_file():
            raise web.HTTPNotFound(text=f"the page is not installed: {index} is missing")
        return web.FileResponse(index)

    async def _static(self, request: web.Request) -> web.StreamResponse:
        path = (FOLDER / request.match_info["path"]).resolve()
        if not path.is_relative_to(FOLDER.resolve()) or not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path)

    async def _state(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self.state())

    async def _events(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(heartbeat=30, max_msg_size=1024)
        await socket.prepare(request)
        with self._world.feed.watch() as queue:
            reader = asyncio.ensure_future(self._until_closed(socket))
            try:
                while not reader.done() and (delta := await self._next(queue, reader)) is not None:
                    if delta["type"] == "reload":
                        delta = {"type": "state", "state": self.state()}
                    await socket.send_str(json.dumps(delta))
            except ConnectionError:
                pass  # the page is gone; it comes back and fetches the state
            finally:
                reader.cancel()
        await socket.close()
        return socket

    @staticmethod
    async def _next(queue: asyncio.Queue[Json | None], reader: asyncio.Future[None]) -> Json | None:
        """The next delta, or None when the feed ended or the page went away."""
        waiting = asyncio.ensure_future(queue.get())
        ends: set[asyncio.Future[Any]] = {waiting, reader}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        waiting.cancel()
        return None

    @staticmethod
    async def _until_closed(socket: web.WebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is WSMsgType.ERROR:
                return

    async def _file(self, request: web.Request) -> web.StreamResponse:
        file = self._world.files.all.get(request.match_info["id"])
        if file is None or file.content is None:
            raise web.HTTPNotFound(text="no such file")
        kind = mimetypes.guess_type(file.name)[0] or ""
        inline = kind in INLINE
        # Uploads hold what strangers wrote: nothing but a plain image or plain text is ever given a type that a browser acts on.
        shown = kind if inline else "text/plain" if file.is_text else "application/octet-stream"
        headers = {"Content-Security-Policy": "sandbox; default-src 'none'"}
        if shown == "application/octet-stream":
            headers["Content-Disposition"] = "attachment"
        charset = "utf-8" if shown == "text/plain" else None
        return web.Response(body=file.content, content_type=shown, charset=charset, headers=headers)

    def _post(self, action: Action) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            # A form of another site cannot send this type without asking first, and asking is refused.
            if request.content_type != "application/json":
                raise web.HTTPUnsupportedMediaType(text="send application/json")
            try:
                body = loads(await request.text())
                args = Args(body if isinstance(body, dict) else {})
                return web.json_response({"ok": True, **await action(args)})
            except SlackError as refusal:
                return web.json_response(refusal.body())
            except DispatchError as error:
                return web.json_response({"ok": False, "error": str(error), "code": error.code})
            except LookupError as error:
                return web.json_response({"ok": False, "error": str(error)})

        return handle

    def _target(self, args: Args) -> Message:
        """The message that the person acts on; their ephemeral ones included."""
        args.required("channel", "ts")
        channel, ts = args.text("channel"), args.text("ts")
        for message in self._world.ephemerals:
            if (message.channel, message.ts) == (channel, ts):
                return message
        return self._world.messages.get(channel, ts)

    async def _say(self, args: Args) -> Json:
        args.required("channel", "text")
        me = self._world.directory.me
        channel = self._world.channels.find(args.text("channel"))
        text, thread_ts = args.text("text")[:MOST_TYPED], args.text("thread_ts")
        if text.startswith("/"):
            command, _, rest = text.partition(" ")
            if thread_ts:
                note = {"user": "USLACKBOT", "text": f"`{command}` cannot be used in a thread.", "thread_ts": thread_ts}
                self._world.whisper(channel, me.id, note)
                return {}
            return {"ack": await self._interactions.command(me, channel, command, rest.strip())}
        message = self._people.say(me, channel, self._people.mentions(escape(text)), thread_ts or None)
        return {"ts": message["ts"]}

    async def _sample(self, args: Args) -> Json:
        args.required("id")
        sample = load_samples(self._samples).get(args.text("id"))
        if sample is None:
            raise LookupError(f"no sample {args.text('id')!r}")
        return {"ts": [message["ts"] for message in self._people.post_sample(sample)]}

    async def _action(self, args: Args) -> Json:
        args.required("action_id")
        chosen = args.get("selected_options")
        value: Any = args.get("value")
        if isinstance(chosen, list):
            value = [str(option.get("value")) for option in chosen if isinstance(option, dict)]
        elif value is not None:
            value = args.text("value")
        me, action_id, block_id = self._world.directory.me, args.text("action_id"), args.text("block_id")
        if "view_id" in args:
            view = self._world.views.find(args.text("view_id"))
            await self._interactions.press_in_view(me, view, action_id, block_id, value)
        else:
            await self._interactions.press(me, self._target(args), action_id, block_id=block_id, value=value)
        return {}

    async def _react(self, args: Args) -> Json:
        message, name, me = self._target(args), emoji(args), self._world.directory.me.id
        mine = any(r["name"] == name and me in r["users"] for r in message.data.get("reactions") or [])
        self._world.react(message, name, me, remove=mine)
        return {}

    async def _shortcut(self, args: Args) -> Json:
        args.required("callback_id")
        await self._interactions.shortcut(self._world.directory.me, self._target(args), args.text("callback_id"))
        return {}

    async def _stop(self, args: Args) -> Json:
        args.required("channel", "thread_ts")
        channel = self._world.channels.find(args.text("channel"))
        self._people.stop_session(self._world.directory.me, channel, args.text("thread_ts"))
        return {}

    async def _view_submit(self, args: Args) -> Json:
        args.required("view_id")
        values = args.get("values")
        view = self._world.views.find(args.text("view_id"))
        errors = await self._interactions.submit(view, values if isinstance(values, dict) else {})
        return {"errors": errors} if errors else {}

    async def _view_close(self, args: Args) -> Json:
        args.required("view_id")
        await self._interactions.close(self._world.views.find(args.text("view_id")))
        return {}
