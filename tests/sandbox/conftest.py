"""A workspace on a free port, and real Bolt and SDK clients that talk to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace.server import Workspace

StartWorkspace = Callable[..., Awaitable[Workspace]]
Connect = Callable[..., Awaitable[AsyncSocketModeHandler]]


@pytest.fixture
async def start_workspace() -> AsyncIterator[StartWorkspace]:
    """Start workspaces with options; they stop after the test."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Workspace:
            return await stack.enter_async_context(Workspace(**options))

        yield start


@pytest.fixture
async def workspace(start_workspace: StartWorkspace) -> Workspace:
    return await start_workspace()


@pytest.fixture
def client(workspace: Workspace) -> AsyncWebClient:
    """The SDK's own client, as the app under test."""
    return AsyncWebClient(token=workspace.bot_token, base_url=workspace.api_url)


@pytest.fixture
def app(client: AsyncWebClient) -> AsyncApp:
    return AsyncApp(client=client)


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connect an AsyncApp over Socket Mode with Bolt's aiohttp handler; closed after the test."""
    handlers: list[AsyncSocketModeHandler] = []

    async def run(app: AsyncApp, *, ping_interval: float = 1.0) -> AsyncSocketModeHandler:
        handler = AsyncSocketModeHandler(app, "xapp-test", ping_interval=ping_interval)
        handlers.append(handler)
        await handler.connect_async()
        return handler

    yield run
    for handler in handlers:
        await handler.close_async()
