"""A bot to be killed: ``killed_bot.py STORE_URL LOG [--accept]``. Four slow steps with a journal, each noted in LOG when it begins."""

import asyncio
import importlib.util
import sys
from pathlib import Path

from bot.incidents.store import Store
from bot.runtime.runtime import Runtime

_spec = importlib.util.spec_from_file_location("runtime_stories", Path(__file__).with_name("runtime_stories.py"))
stories = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stories)

STEPS = ["pods", "changes", "logs", "needs"]


async def main(url: str, log: Path, accept: bool) -> None:
    def note(line: str) -> None:
        with log.open("a") as file:
            file.write(line + "\n")

    async def investigate(alert, *, investigation, playbook, inputs, emit, journal):
        done = await journal.load()
        for number, step in enumerate(STEPS, start=1):
            if step in done:
                continue
            note(f"step {step}")
            await asyncio.sleep(0.3)
            await journal.save(step, [stories.evidence(step, number)])
        found = await journal.load()
        return stories.report(alert, investigation, evidence=tuple(e for s in STEPS for e in found[s]))

    class Thread(stories.ListThread):
        async def finished(self, work, report):
            note("finished " + ",".join(e.id for e in report.evidence))
            await super().finished(work, report)

    thread = Thread()
    runtime = Runtime(Store(url), investigate, thread)
    await runtime.start()
    if accept:
        await runtime.accept(stories.work())
        note("accepted")
    await thread.until("finished", timeout=30)
    while await runtime.store.unfinished():
        await asyncio.sleep(0.05)
    await runtime.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), "--accept" in sys.argv))
