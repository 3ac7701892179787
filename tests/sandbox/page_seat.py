"""A browser on a real workspace with a real Bolt app behind it: the fixtures of the page's tests."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from page_gallery import MODAL
from page_kit import ALERTS
from playwright.async_api import Browser, Page, async_playwright, expect
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace.server import Workspace

CHROMIUM = Path("/usr/bin/chromium")
MARKS = [
    pytest.mark.heavy,
    pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"no Chromium at {CHROMIUM}; install the chromium package"),
    pytest.mark.asyncio(loop_scope="module"),
]


class Bot:
    """A Bolt app that posts what a test tells it to and notes what it hears."""

    def __init__(self, workspace: Workspace) -> None:
        self.client = AsyncWebClient(token=workspace.bot_token, base_url=workspace.api_url)
        self.app = AsyncApp(client=self.client)
        self.actions: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.submitted: list[dict[str, Any]] = []
        self.app.event(re.compile(".*"))(self._event)
        self.app.command("/rca")(self._command)
        self.app.action("open_form")(self._open)
        self.app.action(re.compile(".*"))(self._action)
        self.app.view(re.compile(".*"))(self._view)
        self.handler = AsyncSocketModeHandler(self.app, workspace.app_token)

    async def _event(self, event: dict[str, Any]) -> None:
        if event.get("client_msg_id") or event["type"] == "app_mention":
            self.said.append(f"{event['type']}: {event['text']}")

    async def _command(self, ack: Any, command: dict[str, Any]) -> None:
        await ack(f"*heard* `{command['text']}`")

    async def _open(self, ack: Any, body: dict[str, Any]) -> None:
        await ack()
        view = {**MODAL["view"], "callback_id": "form"}
        await self.client.views_open(trigger_id=body["trigger_id"], view=view)

    async def _action(self, ack: Any, body: dict[str, Any]) -> None:
        await ack()
        self.actions.append(body["actions"][0])

    async def _view(self, ack: Any, view: dict[str, Any]) -> None:
        values = view["state"]["values"]
        if "?" in values["words"]["words"]["value"]:
            await ack(response_action="errors", errors={"words": "No questions here."})
            return
        self.submitted.append(values)
        await ack()

    async def post(self, **message: Any) -> str:
        answer = await self.client.chat_postMessage(channel=ALERTS, **{"text": "a message", **message})
        return str(answer["ts"])

    async def edit(self, ts: str, **message: Any) -> None:
        await self.client.chat_update(channel=ALERTS, ts=ts, **{"text": "a message", **message})


class Seat:
    """One browser window on one workspace. ``asked``: every address that the page requested; ``dialogs``: alert() and the like."""

    def __init__(self, page: Page, workspace: Workspace, bot: Bot) -> None:
        self.page, self.workspace, self.bot = page, workspace, bot
        self.asked: list[str] = []
        self.trouble: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("dialog", lambda dialog: self.trouble.append(f"dialog: {dialog.message}"))
        self.thread = page.locator(".pane-thread")
        self.channel = page.locator(".pane-channel")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def seat(browser: Browser) -> AsyncIterator[Seat]:
    async with Workspace(rate_limits=False) as workspace:
        bot = Bot(workspace)
        await bot.client.auth_test()
        await bot.handler.connect_async()
        await workspace.connected()
        context = await browser.new_context(viewport={"width": 1440, "height": 900})
        seat = Seat(await context.new_page(), workspace, bot)
        try:
            await seat.page.goto(workspace.page_url)
            await expect(seat.page.locator("[aria-current=page]")).to_be_visible()
            yield seat
        finally:
            await context.close()
            await bot.handler.close_async()
    assert seat.trouble == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def blank(browser: Browser) -> AsyncIterator[Page]:
    """A page of the workspace on which the readers of text can be called."""
    async with Workspace() as workspace:
        page = await browser.new_page()
        await page.goto(workspace.page_url)
        yield page
        await page.close()
