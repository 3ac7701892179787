"""One emoji on the alert says how far it is: 👀 looking, ✅ done, ⚠️ could not be done, 🔗 part of another. Never worth an error."""

import structlog
from slack_sdk.errors import SlackApiError

from bot.slack.clients import Clients
from bot.slack.errors import AWAY, code_of

log = structlog.get_logger(__name__)

EYES, DONE, TROUBLE, LINK = "eyes", "white_check_mark", "warning", "link"
_FINE = {"already_reacted", "no_reaction"}


async def looking(clients: Clients, channel: str, ts: str) -> None:
    await _add(clients, channel, ts, EYES)


async def done(clients: Clients, channel: str, ts: str, *, again: bool = False) -> None:
    """``again``: an earlier run in this thread may have left its ⚠️. (Removing costs one of twenty calls a minute.)"""
    await _swap(clients, channel, ts, DONE)
    if again:
        await _call(clients, "remove", channel, ts, TROUBLE)


async def trouble(clients: Clients, channel: str, ts: str) -> None:
    await _swap(clients, channel, ts, TROUBLE)


async def linked(clients: Clients, channel: str, ts: str) -> None:
    await _add(clients, channel, ts, LINK)


async def gone(clients: Clients, channel: str, ts: str) -> None:
    await _call(clients, "remove", channel, ts, EYES)


async def _swap(clients: Clients, channel: str, ts: str, name: str) -> None:
    await _add(clients, channel, ts, name)
    await gone(clients, channel, ts)


async def _add(clients: Clients, channel: str, ts: str, name: str) -> None:
    await _call(clients, "add", channel, ts, name)


async def _call(clients: Clients, what: str, channel: str, ts: str, name: str) -> None:
    try:
        if what == "add":
            await clients.patient.reactions_add(channel=channel, timestamp=ts, name=name)
        else:
            await clients.patient.reactions_remove(channel=channel, timestamp=ts, name=name)
    except SlackApiError as error:
        if code_of(error) not in _FINE:
            log.info("reaction_failed", what=what, name=name, error=code_of(error))
    except AWAY as error:
        log.info("reaction_failed", what=what, name=name, error=type(error).__name__)
