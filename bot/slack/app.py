"""The Bolt app: middleware and listeners, which only translate. What nobody listens to is acknowledged, or it would come again."""

import asyncio
import re
from collections.abc import Coroutine
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.runtime.runtime import NotAccepting
from bot.slack import cards
from bot.slack.actions import Actions
from bot.slack.commands import Commands
from bot.slack.errors import AWAY
from bot.slack.evidence_view import PAGE
from bot.slack.identity import Identity
from bot.slack.intake import Intake

log = structlog.get_logger(__name__)

BUTTONS = (cards.STOP, cards.EVIDENCE, cards.RERUN, cards.ESCALATE, cards.FEEDBACK)


class Listeners:
    """Registers everything on one `AsyncApp`. Work that may take longer than an acknowledgement runs in tasks that are kept here."""

    def __init__(
        self, intake: Intake, commands: Commands, actions: Actions, *, identity: Identity, token: str, api_url: str
    ) -> None:
        self._intake = intake
        self._commands = commands
        self._actions = actions
        self._tasks: set[asyncio.Task[None]] = set()
        self.app = self._make(identity, token, api_url)

    def _make(self, identity: Identity, token: str, api_url: str) -> AsyncApp:
        result = AuthorizeResult(
            enterprise_id=None,
            team_id=identity.team,
            bot_user_id=identity.user,
            bot_id=identity.bot_id,
            bot_token=token,
        )

        async def authorize() -> AuthorizeResult:
            """We know who we are; asking at the first event would delay its acknowledgement."""
            return result

        app = AsyncApp(
            client=AsyncWebClient(base_url=api_url, timeout=15), authorize=authorize, request_verification_enabled=False
        )
        app.middleware(self._intake.middleware)
        app.command("/rca")(self._command)
        for action in BUTTONS:
            app.action(action)(self._pressed)
        app.action(re.compile(rf"^{PAGE}:\d+$"))(self._page)
        app.view("rca_reason")(self._reason)
        app.view(re.compile(".*"))(_acknowledge)
        app.view_closed(re.compile(".*"))(_acknowledge)
        app.action(re.compile(".*"))(_acknowledge)
        app.shortcut(re.compile(".*"))(_acknowledge)
        app.event(re.compile(".*"))(_nothing)
        app.error(_unexpected)
        return app

    async def _command(self, ack: AsyncAck, body: dict[str, Any], respond: AsyncRespond) -> None:
        text, command = await self._commands.answer(body)
        if text or command.name != "run":
            await ack(text)
            return
        await ack()
        self._spawn(self._start(body, command, respond))

    async def _start(self, body: dict[str, Any], command: Any, respond: AsyncRespond) -> None:
        trouble = await self._commands.start(body, command)
        if trouble:
            await respond(text=trouble, response_type="ephemeral")

    async def _pressed(self, ack: AsyncAck, body: dict[str, Any], respond: AsyncRespond) -> None:
        await ack()
        try:
            said = await self._actions.pressed(body)
        except NotAccepting as error:
            said = str(error)
        except (SlackApiError, *AWAY) as error:
            log.warning("button_failed", error=str(error))
            said = "Slack did not take the answer to this button. Press it again in a moment."
        if said:
            await respond(text=said, response_type="ephemeral", replace_original=False)

    async def _page(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        await self._actions.turn_page(body)

    async def _reason(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        await self._actions.reason_given(body)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("slack_task_failed", exc_info=error)

    async def drain(self, seconds: float = 5.0) -> None:
        """Lets work that was begun for a person end."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)


async def _acknowledge(ack: AsyncAck) -> None:
    await ack()


async def _nothing() -> None:
    """Events are acknowledged by Bolt once a listener matches; this one matches all."""


async def _unexpected(error: Exception, body: dict[str, Any]) -> None:
    """What a listener or the intake raised. An event is then not acknowledged and comes again."""
    kind = (body.get("event") or {}).get("type") or body.get("type") or body.get("command")
    if isinstance(error, NotAccepting):
        log.info("event_left_for_others", kind=kind)
    else:
        log.error("listener_failed", kind=kind, exc_info=error)
