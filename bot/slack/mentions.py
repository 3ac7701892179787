"""Questions: a person mentions the bot in the thread of an investigation and gets an answer from its evidence. Elsewhere a short help."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.runtime.contracts import Work
from bot.runtime.runtime import Runtime
from bot.slack.channels import Channels
from bot.slack.errors import AWAY
from bot.slack.identity import Identity
from bot.slack.message import Message
from bot.slack.mrkdwn import tidy
from bot.slack.people import People
from bot.slack.posts import Posts
from mcp_servers.common.redaction import redact
from mcp_servers.common.untrusted import sanitise

log = structlog.get_logger(__name__)

HELP = (
    "Alerts in this workspace's alert channels are investigated in their threads. Mention this bot in such a thread to ask about the "
    "findings, or start an investigation with `/rca run`. `/rca help` lists everything."
)
NOTHING_HERE = "There is no investigation in this thread. Start one with `/rca run`; `/rca help` says how."
_MENTION = re.compile(r"<@[A-Z0-9]+(?:\|[^>]*)?>")
MAX_QUESTION = 1500


class Mentions:
    """Translates mentions and direct messages. Called before the acknowledgement, so a question is as durable as an alert."""

    def __init__(self, runtime: Runtime, posts: Posts, people: People, channels: Channels, identity: Identity) -> None:
        self._runtime = runtime
        self._posts = posts
        self._people = people
        self._channels = channels
        self._me = identity

    async def receive(self, body: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
        """An ``app_mention``. True when it became a question."""
        team = str(body.get("team_id") or self._me.team)
        channel, ts = str(event.get("channel") or ""), str(event.get("ts") or "")
        if not channel or not ts or not await self._people.wrote(event, team):
            return False
        refusal = self._channels.refusal(await self._channels.facts(channel), named=True)
        if refusal:
            log.info("mention_ignored", channel=channel, reason=refusal)
            return False
        thread = str(event.get("thread_ts") or "")
        if not thread:
            await self._say(f"msg:{team}:{channel}:{ts}", channel, ts, HELP)
            return False
        if not await self._runtime.store.in_thread(channel, thread):
            await self._say(f"msg:{team}:{channel}:{ts}", channel, thread, NOTHING_HERE)
            return False
        question = question_of(str(event.get("text") or ""))
        return await self._runtime.accept(
            Work(
                key=f"msg:{team}:{channel}:{ts}",
                kind="question",
                team=team,
                channel=channel,
                ts=ts,
                thread_ts=thread,
                user=str(event["user"]),
                text=question or "What is known so far?",
                received_at=datetime.now(UTC),
            )
        )

    async def direct(self, body: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """A direct message of a person gets the short help."""
        team = str(body.get("team_id") or self._me.team)
        if event.get("subtype") or not await self._people.wrote(event, team):
            return
        channel, ts = str(event["channel"]), str(event["ts"])
        await self._say(f"msg:{team}:{channel}:{ts}", channel, str(event.get("thread_ts") or ts), HELP)

    async def _say(self, key: str, channel: str, thread: str, text: str) -> None:
        """Once a message; a help text that cannot be posted is no reason to have the event again."""
        if not await self._runtime.store.mark_seen(key):
            return
        try:
            await self._posts.clients.post(channel, thread, Message(text), run=key, kind="help")
        except (SlackApiError, *AWAY) as error:
            log.warning("help_not_posted", channel=channel, error=str(error))


def question_of(text: str) -> str:
    """The question without the mention, redacted, on one line."""
    plain = _MENTION.sub(" ", text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return tidy(redact(sanitise(plain)), MAX_QUESTION)
