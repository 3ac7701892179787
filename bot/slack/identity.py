"""Who we are in this workspace, as ``auth.test`` says it; every loop guard needs it."""

from dataclasses import dataclass

from slack_sdk.errors import SlackApiError

from bot.slack.clients import Clients
from bot.slack.errors import AWAY, MENDS, code_of


class CannotConnect(Exception):
    """Slack did not let us in; the message says why and what to do."""


@dataclass(frozen=True)
class Identity:
    """``team`` T…, ``user`` U… of the bot, ``bot_id`` B…."""

    team: str
    user: str
    bot_id: str
    name: str = "rca"


async def identify(clients: Clients) -> Identity:
    """Asks ``auth.test``. Raises `CannotConnect`."""
    try:
        answer = await clients.patient.auth_test()
    except SlackApiError as error:
        word = code_of(error)
        raise CannotConnect(
            f"Slack refused the bot token ({word}): {MENDS.get(word, 'check SLACK_BOT_TOKEN')}"
        ) from error
    except AWAY as error:
        raise CannotConnect(
            f"Slack could not be reached at {clients.patient.base_url} ({type(error).__name__}): check the network and SLACK_API_URL"
        ) from error
    return Identity(
        team=str(answer.get("team_id") or answer.get("enterprise_id") or ""),
        user=str(answer["user_id"]),
        bot_id=str(answer.get("bot_id") or ""),
        name=str(answer.get("user") or "rca"),
    )
