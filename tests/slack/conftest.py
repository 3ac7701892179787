"""The bot's Slack room, the real runtime and a local workspace that speaks Slack's protocols, put together as in production."""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.incidents.store import Store
from bot.observe.metrics import Metrics
from bot.runtime.runtime import Runtime
from bot.settings import SlackSettings
from bot.slack.room import SlackRoom
from sandbox.workspace.server import Workspace

_spec = importlib.util.spec_from_file_location("slack_stories", Path(__file__).with_name("slack_stories.py"))
stories = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("slack_stories", stories)
_spec.loader.exec_module(stories)

PLAYBOOKS = ("kube-pod-crash-looping", "kube-workload-not-available", "general")


class Bot:
    """One bot process: room, runtime and the investigation that the test steers."""

    def __init__(self, url: str, settings: SlackSettings, engine, **runtime) -> None:
        self.store = Store(url)
        self.metrics = Metrics()
        self.room = SlackRoom(
            settings,
            self.store,
            render_file=lambda r: f"# {r.headline}\n",
            playbooks=lambda: PLAYBOOKS,
            metrics=self.metrics,
        )
        self.engine = engine
        self.runtime = Runtime(
            self.store, engine, self.room.thread, **({"drain_s": 0.2, "delivery_delays": (0.05, 0.05, 0.05)} | runtime)
        )

    async def start(self) -> "Bot":
        await self.room.prepare()
        await self.runtime.start()
        await self.room.connect(self.runtime)
        return self

    async def stop(self) -> None:
        await self.room.disconnect()
        await self.runtime.stop()
        await self.room.close()


@pytest.fixture
async def workspace():
    async with Workspace(port=0, rate_limits=False, retry_delays=(0.0, 0.3, 0.6)) as server:
        yield server


@pytest.fixture
def engine():
    return stories.Engine()


@pytest.fixture
async def start_bot(workspace, engine, used_store, tmp_path):
    path = tmp_path / "rca.sqlite"
    shutil.copy(used_store, path)
    bots: list[Bot] = []

    async def start(*, runtime: dict | None = None, **slack) -> Bot:
        values = {
            "bot_token": SecretStr("xoxb-test"),
            "app_token": SecretStr("xapp-test"),
            "api_url": workspace.api_url,
            "edit_interval_s": 0.05,
            "edits_per_minute": 6000.0,
        }
        bot = Bot(f"sqlite:///{path}", SlackSettings(**(values | slack)), engine, **(runtime or {}))
        bots.append(bot)
        return await bot.start()

    yield start
    for bot in bots:
        if bot.runtime.accepting:
            await bot.stop()


@pytest.fixture
async def bot(start_bot):
    return await start_bot()
