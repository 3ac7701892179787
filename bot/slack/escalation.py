"""User groups: the only mentions of many that we ever post, and only when a person asked for it by a button."""

import re
import time

from slack_sdk.errors import SlackApiError

from bot.slack.clients import Clients

_GROUP = re.compile(r"^S[A-Z0-9]{2,20}$")
REMEMBER_S = 600.0


class Groups:
    """Handles of user groups to their ids, remembered for ten minutes."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._at = float("-inf")
        self._ids: dict[str, str] = {}

    async def find(self, name: str) -> str:
        """The id of ``@handle``, ``handle`` or an id; "" when there is no such group or the app may not look."""
        wanted = name.strip().lstrip("@")
        if _GROUP.match(wanted):
            return wanted
        if time.monotonic() - self._at > REMEMBER_S:
            try:
                answer = await self._clients.quick.usergroups_list()
            except SlackApiError:
                return ""
            self._ids = {str(g.get("handle")): str(g.get("id")) for g in answer.get("usergroups") or []}
            self._at = time.monotonic()
        found = self._ids.get(wanted, "")
        return found if _GROUP.match(found) else ""
