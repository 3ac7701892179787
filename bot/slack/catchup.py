"""Catching up: what was posted while nobody listened is read from the channels' history and goes through the intake's door.

Slack delivers an unacknowledged event again at once, after one and after five minutes, and then never. So after a start, after every
reconnect and once in a while anyway, each alert channel is read on from where it was read to. That place moves only by reading: an event
that came says nothing about the one before it. What was taken before is known by its key, so reading a stretch twice is harmless.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.runtime.runtime import NotAccepting, Runtime
from bot.settings import SlackSettings
from bot.slack.channels import Channels
from bot.slack.errors import AWAY, MENDS, code_of
from bot.slack.history import History
from bot.slack.identity import Identity
from bot.slack.intake import Found, Intake, alert_key

log = structlog.get_logger(__name__)
Json = dict[str, Any]

OVERLAP_S = 120.0  # is read again next time: clocks differ, and a history may lag behind its events
LATE_S = 60.0  # younger than this is not late: its event may still be on its way
APART_S = 10.0  # least time between two runs, however often the network breaks
AGAIN_S = 60.0  # until the next run when this one left something over; doubles while that does not help
MOST_FAILURES = 3  # messages of one channel that cannot be taken, before the rest of it waits too

DISCONNECTED = "the bot was not connected"
UNHEARD = "its event did not reach the bot"


@dataclass(frozen=True)
class Tally:
    """What a run came to: ``complete`` unless something is left that another run may get; ``moved`` when it got further; ``taken``
    messages that were new."""

    complete: bool = True
    moved: bool = False
    taken: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.complete and other.complete, self.moved or other.moved, self.taken + other.taken)


class CatchUp:
    """Reads alert channels on. `start` it once events come in, `wake` it after a reconnect, `stop` it before the runtime.

    ``began`` is when this process began to listen (epoch seconds): a channel that was never met is read from there.
    """

    def __init__(
        self,
        settings: SlackSettings,
        history: History,
        channels: Channels,
        intake: Intake,
        runtime: Runtime,
        *,
        identity: Identity,
        began: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._history = history
        self._channels = channels
        self._intake = intake
        self._runtime = runtime
        self._me = identity
        self._began = began
        self._clock = clock
        self._app_id = ""
        self._told: set[tuple[str, str]] = set()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # -- life -------------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins with a run at once; does nothing where it is turned off."""
        if self._settings.catch_up_minutes > 0:
            self._task = asyncio.create_task(self._watch(), name="catch-up")

    def wake(self) -> None:
        """There may have been a gap: run soon."""
        self._woken.set()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _watch(self) -> None:
        every = self._settings.catch_up_minutes * 60.0
        because, again = DISCONNECTED, AGAIN_S
        while True:
            self._woken.clear()
            try:
                tally = await self.run(because)
            except Exception:  # whatever it was, the next alert that is missed must not stay missed
                log.exception("catch_up_failed")
                tally = Tally(complete=False)
            if tally.complete or tally.moved:
                again = AGAIN_S
            woken = await self._woken_within(every if tally.complete else min(again, every))
            again = min(again * 2, every)
            if woken:
                because = DISCONNECTED
            elif tally.complete:
                because = UNHEARD

    async def _woken_within(self, seconds: float) -> bool:
        await asyncio.sleep(min(APART_S, seconds))
        try:
            await asyncio.wait_for(self._woken.wait(), max(0.0, seconds - APART_S))
        except TimeoutError:
            return self._woken.is_set()
        return True

    # -- one run ----------------------------------------------------------------------------------------------------------------

    async def run(self, because: str) -> Tally:
        """Reads every alert channel on, one after the other. ``because`` is why a message may not have been heard."""
        if not self._runtime.accepting:
            return Tally(complete=False)
        channels, complete = await self._alert_channels()
        total = Tally(complete=complete)
        for channel in channels:
            try:
                total += await self._channel(channel, because)
            except NotAccepting:
                return total + Tally(complete=False)
            except (SlackApiError, *AWAY) as error:
                total += Tally(complete=self._tell(channel, error))
        if total.taken or not total.complete:
            log.info("caught_up", channels=len(channels), taken=total.taken, complete=total.complete)
        return total

    async def _channel(self, channel: str, because: str) -> Tally:
        rules = await self._channels.rules(channel)
        if isinstance(rules, str):
            return Tally()
        now = self._clock()
        store = self._runtime.store
        since = await store.met(channel, self._began)
        earliest = now - self._settings.catch_up_hours * 3600.0
        if since < earliest:
            log.info("catch_up_limited", channel=channel, not_read=duration(earliest - since))
            since = earliest
        stretch = await self._history.stretch(channel, since, now)
        taken, held = await self._feed(channel, stretch.messages, because)
        end = stretch.end if stretch.more else stretch.end - OVERLAP_S
        if held is not None:
            end = min(end, held - 1e-6)
        await store.read_to(channel, end)
        return Tally(not stretch.more and held is None, stretch.more or taken > 0, taken)

    async def _feed(self, channel: str, messages: tuple[Json, ...], because: str) -> tuple[int, float | None]:
        """How many were new and taken, and the ts of the first that could not be taken, if any."""
        if not messages:
            return 0, None
        keys = [alert_key(self._me.team, channel, str(m["ts"])) for m in messages]
        seen = await self._runtime.store.seen_among([k for key in keys for k in (key, _over(key))])
        body = {"team_id": self._me.team, "api_app_id": await self._own_app()}
        taken, failures, held = 0, 0, None
        for key, message in zip(keys, messages, strict=True):
            event = _event(channel, message, taken_before=key in seen)
            if event is None or _over(key) in seen:
                continue
            late = self._clock() - float(message["ts"])
            found = Found(f"seen {duration(late)} late: {because}" if late >= LATE_S else "")
            try:
                outcome = await self._intake.message(body, event, found)
            except (NotAccepting, SlackApiError, *AWAY):
                raise
            except Exception:  # one message that cannot be taken must not hold up those after it; it is tried again
                log.exception("message_not_caught_up", channel=channel, ts=message["ts"])
                held = held if held is not None else float(message["ts"])
                failures += 1
                if failures >= MOST_FAILURES:
                    break
            else:
                taken += outcome not in {"ignored", "idle", "repeated"}
        return taken, held

    async def _own_app(self) -> str:
        """Our app's id, for the loop guards: events carry it, a history does not. "" while Slack does not say."""
        if not self._app_id and self._me.bot_id:
            try:
                self._app_id = await self._history.app_of(self._me.bot_id)
            except (SlackApiError, *AWAY) as error:
                log.debug("own_app_unknown", error=str(error))  # our own posts are also known by their bot id
        return self._app_id

    # -- which channels ---------------------------------------------------------------------------------------------------------

    async def _alert_channels(self) -> tuple[list[str], bool]:
        """The channels that the settings name, all that we are in where they name none; and whether Slack listed what it should.

        Without Slack's list: the channels that are named by id, and those that were met before.
        """
        named = {c.channel for c in self._settings.channels}
        ids = {name for name in named if not name.startswith("#")}
        if named and ids == named:
            return sorted(ids), True
        try:
            joined = await self._history.joined()
        except (SlackApiError, *AWAY) as error:
            hopeless = self._tell("the list of channels", error)
            return sorted(ids | set(await self._runtime.store.channels())), hopeless
        names = {name.lstrip("#") for name in named}
        return [i for i, name in joined.items() if not named or i in named or name in names], True

    def _tell(self, where: str, error: Exception) -> bool:
        """One line in the log. True when only a person can mend it, so that another run soon is of no use."""
        word = code_of(error) if isinstance(error, SlackApiError) else type(error).__name__
        mend = MENDS.get(word)
        if (where, word) not in self._told:
            log.warning("history_not_read", where=where, error=word, mend=mend or "none needed: it is tried again")
        if mend is not None:
            self._told.add((where, word))
        return mend is not None


def duration(seconds: float) -> str:
    """``12 minutes``, ``1 h 5 min``."""
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes} minute{'s' if minutes > 1 else ''}"
    return f"{minutes // 60} h {minutes % 60} min"


def _over(key: str) -> str:
    """The key under which the runtime remembers that this message said "resolved"."""
    return f"{key}:resolved"


def _event(channel: str, message: Json, *, taken_before: bool) -> Json | None:
    """The event that Slack would have sent; ``None`` for a message that is taken and was not edited since."""
    place = {"channel": channel, "channel_type": "channel", "event_ts": message["ts"]}
    if not taken_before:
        return {"type": "message", **message, **place}
    if not message.get("edited"):
        return None
    return {"type": "message", "subtype": "message_changed", "message": message, "ts": message["ts"], **place}
