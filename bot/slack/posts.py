"""Messages that exist once: what was posted is in the store, and what may have been posted before a crash is looked for in the thread."""

import asyncio
from collections import defaultdict

import structlog
from slack_sdk.errors import SlackApiError

from bot.incidents.store import Store
from bot.slack.clients import Clients
from bot.slack.errors import AWAY, GONE, code_of, uncertain
from bot.slack.message import Message

log = structlog.get_logger(__name__)


class Posts:
    """Posts, finds again and edits our messages. ``bot_id`` is our own (``auth.test``), so that nobody else's copy is taken for ours."""

    def __init__(self, store: Store, clients: Clients) -> None:
        self.store = store
        self.clients = clients
        self.bot_id = ""
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def once(self, run: str, kind: str, channel: str, thread_ts: str, message: Message) -> tuple[str, bool]:
        """The ts of the message of this run and kind, and whether it was posted just now.

        The intention is written down first: after a crash, an intention without a ts means "look before you post".
        Raises `SlackApiError` or one of `errors.AWAY`.
        """
        async with self._turns[run]:
            before = await self.store.claim(run, kind, channel)
            if before is not None:
                found = before.ts or await self.clients.find(channel, thread_ts, run=run, kind=kind, bot_id=self.bot_id)
                if found:
                    await self.store.posted(run, kind, channel, found)
                    return found, False
            ts = await self._post(run, kind, channel, thread_ts, message)
            await self.store.posted(run, kind, channel, ts)
            return ts, True

    async def _post(self, run: str, kind: str, channel: str, thread_ts: str, message: Message) -> str:
        try:
            return await self.clients.post(channel, thread_ts, message, run=run, kind=kind)
        except (SlackApiError, *AWAY) as error:
            if not uncertain(error):
                raise
            log.warning("post_uncertain", error=str(error), kind=kind)
            found = await self.clients.find(channel, thread_ts, run=run, kind=kind, bot_id=self.bot_id)
            return found or await self.clients.post(channel, thread_ts, message, run=run, kind=kind)

    async def final(self, run: str, kind: str, channel: str, thread_ts: str, message: Message) -> str:
        """Makes sure that the message of this kind shows ``message``: edits it, or posts it where it is not there (any more)."""
        ts, new = await self.once(run, kind, channel, thread_ts, message)
        if new:
            return ts
        try:
            await self.clients.edit(channel, ts, message, final=True)
        except SlackApiError as error:
            if code_of(error) not in GONE:
                raise
            ts = await self.clients.post(channel, thread_ts, message, run=run, kind=kind)
            await self.store.posted(run, kind, channel, ts)
        return ts

    async def ts_of(self, run: str, kind: str) -> str:
        """Where it is, as far as the store knows; "" when it was never posted."""
        known = await self.store.message(run, kind)
        return known.ts if known is not None else ""

    def forget(self, run: str) -> None:
        """The run is over; its lock is not needed any more."""
        turn = self._turns.get(run)
        if turn is not None and not turn.locked():
            del self._turns[run]
