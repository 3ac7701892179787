"""`CardWriter`: the only one who edits a card. The latest state wins, edits keep their distance, the final state always goes out.

Cosmetic edits are dropped when Slack is busy; nothing waits for them. The final one waits for an edit that is in flight, so that no older
state can come after it, and takes its turn before everybody's cosmetic ones.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog
from slack_sdk.errors import SlackApiError

from bot.slack.errors import AWAY, code_of, retry_after
from bot.slack.message import Message
from bot.slack.pace import Pace, Sleep

log = structlog.get_logger(__name__)


class Edit(Protocol):
    """Replaces what the card shows. Raises `SlackApiError` or one of `errors.AWAY`."""

    async def __call__(self, message: Message, *, final: bool) -> None: ...


class CardWriter:
    """One card. ``interval_s`` is the least time between two of its edits in seconds."""

    def __init__(
        self,
        edit: Edit,
        pace: Pace,
        *,
        interval_s: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._edit = edit
        self._pace = pace
        self._interval = interval_s
        self._clock = clock
        self._sleep = sleep
        self._latest: Message | None = None
        self._shown = ""
        self._last_edit = float("-inf")
        self._final = False
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def show(self, message: Message) -> None:
        """Remembers a state to be shown when its time comes; a newer one replaces it. Nothing after the final state."""
        if self._final:
            return
        self._latest = message
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_on())

    async def conclude(self, message: Message) -> None:
        """Shows the final state now. Raises what ``edit`` raises; may then be called again."""
        self._final = True
        self._latest = None
        async with self._turn:
            if message.same_as == self._shown:
                return
            self._pace.force()
            await self._edit(message, final=True)
            self._shown = message.same_as

    async def close(self) -> None:
        """Drops what was not shown yet."""
        self._final = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _write_on(self) -> None:
        while self._latest is not None and not self._final:
            wait = self._last_edit + self._interval - self._clock()
            if wait > 0:
                await self._sleep(wait)
            await self._pace.take()
            async with self._turn:
                await self._write_latest()

    async def _write_latest(self) -> None:
        message, self._latest = self._latest, None
        if message is None or self._final or message.same_as == self._shown:
            return
        try:
            await self._edit(message, final=False)
            self._shown = message.same_as
        except SlackApiError as error:
            wait = retry_after(error)
            if wait is None:
                log.warning("card_edit_dropped", error=code_of(error))
            else:
                self._pace.hold(wait)
                self._latest = self._latest or message
        except AWAY as error:
            log.warning("card_edit_dropped", error=type(error).__name__)
        finally:
            self._last_edit = self._clock()
