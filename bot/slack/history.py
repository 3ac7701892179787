"""What Slack says of the past, read at a pace: the channels we are in, and a channel's messages from a moment on, oldest first."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from slack_sdk.errors import SlackApiError

from bot.slack.clients import Clients
from bot.slack.errors import retry_after
from bot.slack.intake import moment
from bot.slack.pace import Pace

log = structlog.get_logger(__name__)
T = TypeVar("T")
Json = dict[str, Any]

MOST = 200  # messages in one answer
CALLS_PER_MINUTE = 40.0  # Slack allows 50 and more for each method used here
TRIES = 4  # of one call that Slack limits
MANY_CHANNELS = 10  # pages of 200
NARROW_S = 1.0  # a window is not halved below this


@dataclass(frozen=True)
class Stretch:
    """A piece of a channel's history, oldest message first. Up to ``end`` (epoch seconds) it is all there is; ``more`` comes after."""

    messages: tuple[Json, ...]
    end: float
    more: bool


class History:
    """Reads through the client that never waits, and waits itself as long as Slack says. Raises `SlackApiError` and `errors.AWAY`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._pace = Pace(CALLS_PER_MINUTE)

    async def _politely(self, call: Callable[[], Awaitable[T]]) -> T:
        """``call`` at our pace, and again when Slack said how long to wait. Raises what it raises."""
        for left in reversed(range(TRIES)):
            await self._pace.take()
            try:
                return await call()
            except SlackApiError as error:
                wait = retry_after(error)
                if wait is None or not left:
                    raise
                self._pace.hold(wait)
        raise AssertionError("the last try returns or raises")

    async def stretch(self, channel: str, since: float, until: float) -> Stretch:
        """The oldest `MOST` messages after ``since``; ``until`` is now (epoch seconds).

        Slack gives the newest of a window first, so a window that holds more than one answer is halved until it does not.
        """
        end, narrowed = until, False
        while True:
            page = await self._page(channel, since, end if narrowed else None)
            if not page.get("has_more"):
                break
            if end - since <= NARROW_S:
                log.warning("history_skipped", channel=channel, reason=f"more than {MOST} messages within a second")
                break
            end, narrowed = since + (end - since) / 2, True
        found = [m for m in page.get("messages") or [] if isinstance(m, dict) and moment(m.get("ts")) is not None]
        return Stretch(tuple(sorted(found, key=lambda m: float(m["ts"]))[:MOST]), end, narrowed)

    async def _page(self, channel: str, since: float, until: float | None) -> Mapping[str, Any]:
        async def call() -> Any:
            return await self._clients.quick.conversations_history(
                channel=channel,
                oldest=f"{since:.6f}",
                latest=f"{until:.6f}" if until is not None else None,
                inclusive=True,
                limit=MOST,
                include_all_metadata=True,
            )

        answer = (await self._politely(call)).data
        return answer if isinstance(answer, dict) else {}

    async def joined(self) -> dict[str, str]:
        """The channels that we are a member of: id to name, at most two thousand."""
        found: dict[str, str] = {}
        cursor = ""

        async def call() -> Any:
            return await self._clients.quick.users_conversations(
                types="public_channel,private_channel", exclude_archived=True, limit=200, cursor=cursor or None
            )

        for _ in range(MANY_CHANNELS):
            page = await self._politely(call)
            found |= {str(c["id"]): str(c.get("name") or "") for c in page.get("channels") or []}
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        return found

    async def app_of(self, bot_id: str) -> str:
        """The id of the app that a bot belongs to; "" when Slack names none."""
        answer = await self._politely(lambda: self._clients.quick.bots_info(bot=bot_id))
        return str((answer.get("bot") or {}).get("app_id") or "")
