"""Telling people from programs: only people may ask questions, or two bots could talk to each other for ever."""

from collections.abc import Mapping
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.slack.clients import Clients
from bot.slack.errors import code_of
from bot.slack.mrkdwn import is_user

log = structlog.get_logger(__name__)

SLACKBOT = "USLACKBOT"
MANY = 5000


class People:
    """Asks ``users.info`` once a person."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._known: dict[str, tuple[bool, bool]] = {}  # a person; a full member of the workspace

    async def wrote(self, event: Mapping[str, Any], team: str) -> bool:
        """Whether a person of this workspace wrote it."""
        user = str(event.get("user") or "")
        if event.get("bot_id") or event.get("subtype") or not is_user(user) or user == SLACKBOT:
            return False
        home = event.get("user_team") or event.get("source_team") or team
        if team and home != team:
            return False
        return (await self._ask(user))[0]

    async def member(self, user: str, home: str, team: str) -> bool:
        """Whether ``user``, who belongs to the workspace ``home``, is a full member of ``team``: no guest, no partner from outside."""
        if not is_user(user) or (home and team and home != team):
            return False
        return all(await self._ask(user))

    async def _ask(self, user: str) -> tuple[bool, bool]:
        if user not in self._known:
            try:
                info = (await self._clients.quick.users_info(user=user)).get("user") or {}
            except SlackApiError as error:
                log.info("user_unknown", user=user, error=code_of(error))
                return True, True  # no bot_id on the message is a good sign; not remembered
            if len(self._known) >= MANY:
                self._known.clear()
            person = not info.get("is_bot") and not info.get("deleted")
            guest = any(info.get(mark) for mark in ("is_restricted", "is_ultra_restricted", "is_stranger"))
            self._known[user] = person, not guest
        return self._known[user]
