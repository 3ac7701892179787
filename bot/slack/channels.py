"""Which channels are alert channels, and what may not be: channels shared with another company are refused unless that is allowed."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from slack_sdk.errors import SlackApiError

from bot.settings import ChannelSettings, SlackSettings
from bot.slack.clients import Clients
from bot.slack.errors import code_of

log = structlog.get_logger(__name__)

REMEMBER_S = 600.0
MANY = 2000


@dataclass(frozen=True)
class Channel:
    """What Slack says of a channel. ``known`` is false when the app may not ask (no scope)."""

    id: str
    name: str = ""
    shared: bool = False
    known: bool = True


class Channels:
    """Settings and facts of channels; facts are remembered for ten minutes."""

    def __init__(
        self, settings: SlackSettings, clients: Clients, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._facts: dict[str, tuple[float, Channel]] = {}

    async def rules(self, channel: str) -> ChannelSettings | str:
        """The settings of an alert channel, or why it is none. Raises errors of the way to Slack: the event then comes again."""
        entries = self._settings.channels
        wanted = next((c for c in entries if c.channel == channel), None)
        by_name = any(c.channel.startswith("#") for c in entries)
        if entries and wanted is None and not by_name:
            return "not an alert channel"
        facts = await self.facts(channel)
        if wanted is None and entries:
            wanted = next((c for c in entries if facts.name and c.channel.lstrip("#") == facts.name), None)
            if wanted is None:
                return "not an alert channel"
        refusal = self.refusal(facts, named=wanted is not None)
        return refusal or wanted or ChannelSettings(channel=channel)

    def refusal(self, facts: Channel, *, named: bool = False) -> str:
        """Why nothing is done in this channel; "" when it is fine."""
        if self._settings.allow_shared_channels:
            return ""
        if facts.shared:
            return "shared with another organisation; slack.allow_shared_channels is off"
        if not facts.known and not named:
            return "cannot be looked at (scope channels:read is missing), so it may be shared with another organisation"
        return ""

    async def facts(self, channel: str) -> Channel:
        """What Slack says of the channel."""
        at, known = self._facts.get(channel, (0.0, None))
        if known is not None and self._clock() - at < REMEMBER_S:
            return known
        try:
            answer = await self._clients.quick.conversations_info(channel=channel)
            info = answer.get("channel") or {}
            shared = bool(info.get("is_ext_shared") or info.get("is_pending_ext_shared"))
            facts = Channel(channel, str(info.get("name") or ""), shared)
        except SlackApiError as error:
            if code_of(error) == "ratelimited":
                raise
            log.warning("channel_unknown", channel=channel, error=code_of(error))
            facts = Channel(channel, known=False)
        if len(self._facts) >= MANY:
            self._facts.clear()
        self._facts[channel] = (self._clock(), facts)
        return facts
