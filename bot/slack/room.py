"""`SlackRoom`: the parts of this room put together, and the order in which they start and stop.

room = SlackRoom(settings.slack, store, render_file=render, playbooks=library.ids)
await room.prepare()                      # tokens are checked, posting works
runtime = Runtime(store, investigate, room.thread, …)
await runtime.start()                     # may resume work, which posts
await room.connect(runtime)               # only now events come in
…
await room.disconnect()                   # no more events
await runtime.stop()                      # running investigations end or are kept
await room.close()
"""

import time
from collections.abc import Callable, Sequence

import structlog

from bot.incidents.store import Store
from bot.investigation.model import Report
from bot.observe.metrics import METRICS, Metrics
from bot.runtime.runtime import Runtime
from bot.settings import SlackSettings
from bot.slack.actions import Actions
from bot.slack.app import Listeners
from bot.slack.catchup import CatchUp
from bot.slack.channels import Channels
from bot.slack.clients import Clients
from bot.slack.commands import Commands
from bot.slack.connections import Connections
from bot.slack.history import History
from bot.slack.identity import CannotConnect, Identity, identify
from bot.slack.intake import Intake
from bot.slack.mentions import Mentions
from bot.slack.people import People
from bot.slack.thread import SlackThread

log = structlog.get_logger(__name__)


class SlackRoom:
    """Everything that the bot is in one workspace. ``playbooks`` gives the ids for ``/rca run``."""

    def __init__(
        self,
        settings: SlackSettings,
        store: Store,
        *,
        render_file: Callable[[Report], str],
        playbooks: Callable[[], Sequence[str]] = tuple,
        metrics: Metrics = METRICS,
    ) -> None:
        if settings.bot_token is None or settings.app_token is None:
            raise CannotConnect(
                "SLACK_BOT_TOKEN (xoxb-…) and SLACK_APP_TOKEN (xapp-…) must be set to connect to Slack."
            )
        self._settings = settings
        self._token = settings.bot_token.get_secret_value()
        self._app_token = settings.app_token.get_secret_value()
        self._playbooks = playbooks
        self._metrics = metrics
        self.clients = Clients(self._token, settings.api_url)
        self.thread = SlackThread(
            store,
            self.clients,
            render_file=render_file,
            edit_interval_s=settings.edit_interval_s,
            edits_per_minute=settings.edits_per_minute,
            link_hosts=settings.link_hosts,
            metrics=metrics,
        )
        self.identity: Identity | None = None
        self._listeners: Listeners | None = None
        self._connections: Connections | None = None
        self._catch_up: CatchUp | None = None

    async def prepare(self) -> Identity:
        """Opens the HTTP session and asks Slack who we are. Raises `CannotConnect`."""
        await self.clients.open()
        self.identity = await identify(self.clients)
        self.thread.identify(self.identity.bot_id)
        return self.identity

    async def connect(self, runtime: Runtime) -> None:
        """Opens the sockets; events come in from here on. Raises `CannotConnect`."""
        me = self.identity or await self.prepare()
        began = time.time()
        posts = self.thread.posts
        channels = Channels(self._settings, self.clients)
        mentions = Mentions(runtime, posts, People(self.clients), channels, me)
        intake = Intake(runtime, channels, mentions, me, metrics=self._metrics)
        commands = Commands(runtime, self.clients, channels, me, self._playbooks)
        actions = Actions(
            runtime,
            posts,
            self.clients,
            team=me.team,
            allow_shared=self._settings.allow_shared_channels,
            link_hosts=self._settings.link_hosts,
        )
        self._listeners = Listeners(
            intake, commands, actions, identity=me, token=self._token, api_url=self._settings.api_url
        )
        history = History(self.clients)
        catch_up = CatchUp(self._settings, history, channels, intake, runtime, identity=me, began=began)
        self._connections = Connections(
            self._listeners.app,
            self._app_token,
            self._settings.connections,
            on_change=self._metrics.connections.set,
            on_reconnect=catch_up.wake,
        )
        await self._connections.open()
        self._catch_up = catch_up
        catch_up.start()
        log.info("slack_connected", team=me.team, bot=me.name, connections=await self.heard())

    async def heard(self) -> int:
        """Live Socket Mode connections; readiness is "more than none"."""
        return await self._connections.heard() if self._connections is not None else 0

    async def disconnect(self) -> None:
        """No more events; what a person just asked for is still begun."""
        if self._catch_up is not None:
            await self._catch_up.stop()
            self._catch_up = None
        if self._connections is not None:
            await self._connections.close()
            self._connections = None
        if self._listeners is not None:
            await self._listeners.drain()

    async def close(self) -> None:
        """The last step: nothing can be posted afterwards."""
        await self.thread.close()
        await self.clients.close()
