"""``rca run``: the bot on a workspace, until it is told to stop."""

import asyncio
import gc
import signal
import sys
from pathlib import Path

from bot import settings as configuration


def run(config: Path | None) -> int:
    """Exit code 0 after an orderly stop, 2 when something that must be set is not."""
    settings = configuration.load(config)
    missing = [
        name
        for name, value in (
            ("SLACK_BOT_TOKEN", settings.slack.bot_token),
            ("SLACK_APP_TOKEN", settings.slack.app_token),
        )
        if value is None
    ]
    if missing:
        print(f"rca run: {' and '.join(missing)} must be set. `rca doctor` says what else is missing.", file=sys.stderr)
        return 2
    return asyncio.run(_serve(settings))


async def _serve(settings: configuration.Settings) -> int:
    from bot.observe import logs
    from bot.wiring import open_bot

    logs.configure()
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with open_bot(settings):
        _settle_memory()
        await stop.wait()
    return 0


def _settle_memory() -> None:
    """What was loaded stays: the collector need not walk it for each few hundred objects of an answer (a quarter of a crowd's CPU)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
