"""Answers to people: a native stream that shows at once that somebody is reading, and becomes the answer. A post where streams do not work.

A stream needs a person as its recipient, lives about five minutes and keeps its first shape, so it is opened and closed in chunks by its ts
alone: a restarted process can end the stream that another one began.
"""

from collections.abc import Sequence
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.runtime.contracts import Work
from bot.slack import reactions, rich
from bot.slack.clients import METADATA, Clients
from bot.slack.errors import AWAY, as_delivery, code_of
from bot.slack.markdown import to_rich
from bot.slack.message import Message
from bot.slack.mrkdwn import is_user, quiet
from bot.slack.posts import Posts

log = structlog.get_logger(__name__)

ANSWER = "answer"
_READING = {"type": "task_update", "id": "read", "title": "Reading the evidence"}


class Answers:
    """One answer a question, whatever happens in between."""

    def __init__(self, posts: Posts, clients: Clients, link_hosts: Sequence[str]) -> None:
        self._posts = posts
        self._clients = clients
        self._hosts = link_hosts

    async def opened(self, work: Work, question: str) -> None:
        """Opens the stream; where that is refused, 👀 on the question has to do."""
        if await self._posts.store.claim(question, ANSWER, work.channel) is not None:
            return
        ts = await self._started(work) if is_user(work.user) and work.team else ""
        if ts:
            await self._posts.store.posted(question, ANSWER, work.channel, ts)
        else:
            await reactions.looking(self._clients, work.channel, work.ts)

    async def _started(self, work: Work) -> str:
        try:
            stream = await self._clients.quick.chat_startStream(
                channel=work.channel,
                thread_ts=work.thread_ts or work.ts,
                recipient_team_id=work.team,
                recipient_user_id=work.user,
                chunks=[{**_READING, "status": "in_progress"}],
            )
        except (SlackApiError, *AWAY) as error:
            log.info("stream_not_opened", error=code_of(error) if isinstance(error, SlackApiError) else str(error))
            return ""
        return str(stream["ts"])

    async def answered(self, work: Work, question: str, text: str, evidence: tuple[str, ...]) -> None:
        """Raises `DeliveryError`."""
        message = answer_message(text, evidence, self._hosts)
        try:
            ts = await self._posts.ts_of(question, ANSWER)
            if not ts or not await self._stopped(work, question, ts, message):
                await self._posts.final(question, ANSWER, work.channel, work.thread_ts or work.ts, message)
                await reactions.gone(self._clients, work.channel, work.ts)
        except (SlackApiError, *AWAY) as error:
            raise as_delivery(error, work.channel, doing="Answering") from error

    async def _stopped(self, work: Work, question: str, ts: str, message: Message) -> bool:
        """Ends the stream with the answer; false when it is no stream any more and the message must be edited instead."""
        metadata = {"event_type": METADATA, "event_payload": {"run_id": question, "kind": ANSWER}}
        try:
            await self._clients.patient.chat_stopStream(
                channel=work.channel,
                ts=ts,
                chunks=[{**_READING, "status": "complete"}],
                blocks=message.blocks,
                metadata=metadata,
            )
        except SlackApiError as error:
            log.info("stream_not_ended", error=code_of(error))
            return False
        return True


def answer_message(text: str, evidence: tuple[str, ...], hosts: Sequence[str]) -> Message:
    """An answer with the evidence that it rests on."""
    parts = to_rich(text, hosts)
    blocks: list[dict[str, Any]] = [rich.block_of(*parts)]
    if evidence:
        blocks.append(
            {
                "type": "context",
                "elements": [{"type": "plain_text", "text": f"Evidence: {', '.join(evidence[:20])}", "emoji": False}],
            }
        )
    words = rich.plain(parts).strip() or "There is nothing to say about that."
    return Message(quiet(words, 280), blocks, Message(quiet(words, 2500)))
