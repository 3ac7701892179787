"""Three ways to call Slack: with patience, for posts that must not arrive twice, and without waiting for what may be dropped."""

from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.errors import BLOCKS, code_of
from bot.slack.message import Message

METADATA = "rca_run"
TIMEOUT_S = 15


class Clients:
    """``patient`` repeats what may be repeated (edits, reads, reactions); ``posting`` waits for the rate limit only, because a repeated
    post is seen twice; ``quick`` never waits. All share one HTTP session, opened by `open` inside the loop.
    """

    def __init__(self, token: str, api_url: str) -> None:
        def client(*handlers: Any) -> AsyncWebClient:
            return AsyncWebClient(token=token, base_url=api_url, timeout=TIMEOUT_S, retry_handlers=list(handlers))

        limited = AsyncRateLimitErrorRetryHandler(max_retry_count=2)
        self.patient = client(AsyncConnectionErrorRetryHandler(), limited, AsyncServerErrorRetryHandler())
        self.posting = client(limited)
        self.quick = client()
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """One session: a new TLS connection a call would cost more than the call."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), connector=aiohttp.TCPConnector(limit=32)
        )
        for client in (self.patient, self.posting, self.quick):
            client.session = self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, channel: str, thread_ts: str, message: Message, *, run: str, kind: str) -> str:
        """Posts into a thread ("" for the channel) and returns the ts; refused blocks go out once more in their simpler form."""
        metadata = {"event_type": METADATA, "event_payload": {"run_id": run, "kind": kind}}

        async def send(form: Message) -> str:
            response = await self.posting.chat_postMessage(
                channel=channel,
                thread_ts=thread_ts or None,
                text=form.text,
                blocks=form.blocks or None,
                metadata=metadata,
                unfurl_links=False,
                unfurl_media=False,
            )
            return str(response["ts"])

        return await in_simplest_form(send, message)

    async def edit(self, channel: str, ts: str, message: Message, *, final: bool) -> None:
        """Replaces a message of ours; the same simplification as `post`."""
        client = self.patient if final else self.quick

        async def send(form: Message) -> str:
            await client.chat_update(channel=channel, ts=ts, text=form.text, blocks=form.blocks)
            return ts

        await in_simplest_form(send, message)

    async def find(self, channel: str, thread_ts: str, *, run: str, kind: str, bot_id: str) -> str | None:
        """The ts of our own message with this metadata in a thread; ``None`` when it is not there."""
        async for reply in self.replies(channel, thread_ts):
            payload = (reply.get("metadata") or {}).get("event_payload") or {}
            ours = not bot_id or reply.get("bot_id") == bot_id
            if ours and payload.get("run_id") == run and payload.get("kind") == kind:
                return str(reply["ts"])
        return None

    async def replies(self, channel: str, thread_ts: str) -> Any:
        """The messages of a thread, oldest first, at most a thousand."""
        cursor = None
        for _ in range(5):
            page = await self.patient.conversations_replies(
                channel=channel, ts=thread_ts, include_all_metadata=True, limit=200, cursor=cursor
            )
            for reply in page.get("messages") or []:
                yield reply
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return


async def in_simplest_form(send: Any, message: Message) -> str:
    """Sends ``message``; while Slack refuses the blocks, its simpler form. Raises the last `SlackApiError`."""
    form = message
    while True:
        try:
            return str(await send(form))
        except SlackApiError as error:
            if code_of(error) not in BLOCKS or form.simpler is None:
                raise
            form = form.simpler
