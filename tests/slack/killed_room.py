"""A whole bot to be killed: ``killed_room.py API_URL STORE_URL LOG``. Its investigation has three slow steps and a journal."""

import asyncio
import importlib.util
import sys
from pathlib import Path

from pydantic import SecretStr

from bot.incidents.store import Store
from bot.investigation.model import StepView
from bot.runtime.runtime import Runtime
from bot.settings import SlackSettings
from bot.slack.room import SlackRoom

_spec = importlib.util.spec_from_file_location("slack_stories", Path(__file__).with_name("slack_stories.py"))
stories = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stories)

STEPS = ("pods", "changes", "logs")


async def main(api_url: str, store_url: str, log: Path) -> None:
    async def investigate(alert, *, investigation, playbook, inputs, emit, journal):
        done = set(await journal.load())
        for number, step in enumerate(STEPS, start=1):
            rows = tuple(
                StepView(id=s, title=s, status="done" if s in done else "running" if s == step else "pending")
                for s in STEPS
            )
            emit(stories.progress(investigation=investigation, alert=alert, steps=rows))
            if step in done:
                continue
            with log.open("a") as file:
                file.write(f"{step}\n")
            await asyncio.sleep(0.6)
            await journal.save(step, [stories.evidence(number)])
            done.add(step)
        found = await journal.load()
        return stories.report(alert, id=investigation, evidence=tuple(e for s in STEPS for e in found[s]))

    settings = SlackSettings(
        bot_token=SecretStr("xoxb-test"), app_token=SecretStr("xapp-test"), api_url=api_url, edit_interval_s=0.05
    )
    store = Store(store_url)
    room = SlackRoom(settings, store, render_file=lambda r: f"# {r.headline}\n\n{[e.id for e in r.evidence]}\n")
    await room.prepare()
    runtime = Runtime(store, investigate, room.thread)
    await runtime.start()
    await room.connect(runtime)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
