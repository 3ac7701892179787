"""``kill -9`` of the whole bot between two steps: the next one edits the same card and posts one report."""

import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path

BOT = str(Path(__file__).with_name("killed_room.py"))


def start(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, BOT, *arguments], cwd=Path(__file__).parents[2])


async def until(condition, seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_the_next_bot_edits_the_same_card_and_asks_nothing_twice(workspace, used_store, tmp_path):
    import slack_stories as stories

    store = tmp_path / "rca.sqlite"
    shutil.copy(used_store, store)
    log = tmp_path / "log"

    def steps() -> list[str]:
        return log.read_text().split() if log.exists() else []

    arguments = (workspace.api_url, f"sqlite:///{store}", str(log))
    bot = start(*arguments)
    try:
        await workspace.connected(2, timeout=60)
        ts = (await workspace.post_as_app("Alertmanager", "#alerts", stories.ALERTMANAGER))["ts"]
        await until(lambda: "changes" in steps())
        bot.send_signal(signal.SIGKILL)
        bot.wait()
        [card] = workspace.thread("#alerts", ts)[1:]
        bot = start(*arguments)
        await until(lambda: any(m.get("files") for m in workspace.thread("#alerts", ts)))
        after = workspace.thread("#alerts", ts)[1:]
        assert [m["ts"] for m in after if not m.get("files")] == [card["ts"]]
        assert "checkout crashes" in after[0]["text"]
        [file] = [f for m in after for f in m.get("files") or []]
        assert "['E1', 'E2', 'E3']" in workspace.file_content(file["id"]).decode()
        assert steps() == ["pods", "changes", "changes", "logs"]
    finally:
        bot.kill()
        bot.wait()
