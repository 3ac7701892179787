"""``rca demo``: the main job, here and now, on stand-ins for what cannot run here; every other part is the real one.

A local Slack workspace (`sandbox.workspace`), a recorded cluster with a real fault (`sandbox.cluster`), and the bot as ``rca run`` starts
it, connected by slack-bolt over a Socket Mode WebSocket. An alert is posted as Alertmanager would post it.
"""

import asyncio
import json
import signal
import sys
import tempfile
import time
import webbrowser
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from bot import settings as configuration
from bot.incidents.model import InvestigationRecord

if TYPE_CHECKING:
    from bot.runtime.runtime import Runtime
    from sandbox.workspace.server import Workspace

CHANNEL = "#alerts"
SENDER = "Alertmanager"
LATENCY_S = 0.4  # of the recorded API server: what a cluster far away takes, and slow enough to watch the card move
EDIT_INTERVAL_S = 1.0  # the local workspace may be edited more often than Slack
DONE_S = 60.0  # a demo investigation takes a few seconds; a minute means that something is wrong


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


def run(*, once: bool, scenario: str, browser: bool, port: int) -> int:
    """Exit code 0 with a finished investigation (``once``) or after an orderly end; 1 with the reason otherwise."""
    from bot.observe import logs

    logs.configure("ERROR" if once else "WARNING")
    console = Console(stderr=once)
    try:
        return asyncio.run(_demo(console, once=once, scenario=scenario, browser=browser, port=port))
    except DemoError as error:
        print(f"rca demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


async def _demo(console: Console, *, once: bool, scenario: str, browser: bool, port: int) -> int:
    async with _stage(scenario, port) as (workspace, runtime, alert):
        _say(console, "page", workspace.page_url)
        _say(console, "cluster", f"recorded incident {scenario}")
        ts = str((await workspace.post_as_app(SENDER, CHANNEL, alert))["ts"])
        began = time.monotonic()
        _say(console, "alert", f"{_title(alert)}  →  {CHANNEL}")
        record = await _followed(console, workspace, runtime, ts, began)
        if once:
            from sandbox import transcript

            print(transcript.thread(workspace.thread(CHANNEL, ts)))
            return 0
        _say(console, "verdict", record.headline)
        if browser:
            webbrowser.open(workspace.page_url)
        console.print(
            Text(
                "\nOpen the page: post more alerts, press buttons, type /rca help, mention @rca. Ctrl-C ends it.",
                style="dim",
            )
        )
        await _interrupted()
    return 0


@asynccontextmanager
async def _stage(scenario: str, port: int) -> AsyncIterator[tuple["Workspace", "Runtime", dict[str, Any]]]:
    from bot.wiring import open_bot
    from sandbox.cluster.server import RecordedCluster
    from sandbox.incidents import ScenarioError, folder_of
    from sandbox.workspace.server import APP_TOKEN, BOT_TOKEN, Workspace

    try:
        folder = folder_of(scenario)
    except ScenarioError as error:
        raise DemoError(str(error)) from None
    async with AsyncExitStack() as stack:
        tmp = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rca-demo-")))
        cluster = RecordedCluster(folder, latency_s=LATENCY_S)
        await cluster.start()
        stack.push_async_callback(cluster.stop)
        kubeconfig = tmp / "kubeconfig"
        kubeconfig.write_text(json.dumps(cluster.kubeconfig()), encoding="utf-8")
        workspace = Workspace(port=port)
        try:
            await workspace.start()
        except OSError as error:
            raise DemoError(
                f"the page cannot be served on port {port}: {error.strerror}. Choose another with --port."
            ) from None
        stack.push_async_callback(workspace.stop)
        settings = configuration.Settings.model_validate(
            {
                "slack": {
                    "bot_token": BOT_TOKEN,
                    "app_token": APP_TOKEN,
                    "api_url": workspace.api_url,
                    "channels": [{"channel": CHANNEL}],
                    "edit_interval_s": EDIT_INTERVAL_S,
                },
                "servers": [{"name": "kubernetes", "module": "kubernetes", "env": {"KUBECONFIG": str(kubeconfig)}}],
                "store_url": f"sqlite:///{tmp / 'demo.sqlite'}",
                "health_port": 0,
                "source": "the demo",
            }
        )
        bot = await stack.enter_async_context(open_bot(settings))
        yield workspace, bot.runtime, json.loads((folder / "alert.json").read_text(encoding="utf-8"))


async def _followed(
    console: Console, workspace: "Workspace", runtime: "Runtime", ts: str, began: float
) -> InvestigationRecord:
    """Says what is going on until the investigation of the message ``ts`` is over. Raises `DemoError` unless it finished."""
    shown: set[str] = set()
    while time.monotonic() - began < DONE_S:
        for line in _signs(workspace, ts):
            if line not in shown:
                shown.add(line)
                _say(console, f"{time.monotonic() - began:5.1f} s", line)
        record = next((r for r in await runtime.recent(5) if r.ts == ts), None)
        if record is not None and not record.is_open:
            if record.state != "done":
                raise DemoError(f"the investigation ended as {record.state}: {record.trouble or 'the log has more'}")
            # Slack shows a file some time after it took it; the thread is finished when it is there.
            if any(reply.get("files") for reply in workspace.thread(CHANNEL, ts)):
                return record
        await asyncio.sleep(0.1)
    raise DemoError(f"no finished investigation after {DONE_S:.0f} s; run it without --once to look at the thread")


def _signs(workspace: "Workspace", ts: str) -> list[str]:
    root, *replies = workspace.thread(CHANNEL, ts)
    marks = {"eyes": "seen: 👀 on the alert", "white_check_mark": "done: ✅ on the alert"}
    lines = [marks.get(reaction["name"], "") for reaction in root.get("reactions") or []]
    for reply in replies:
        for block in reply.get("blocks") or []:
            if block.get("type") == "plan":
                tasks = block.get("tasks") or []
                lines.append("card posted in the thread")
                lines += [f"✓ {t['title']}" for t in tasks if t.get("status") == "complete"]
        lines += [f"file in the thread: {f.get('name')}" for f in reply.get("files") or []]
    return [line for line in lines if line]


def _say(console: Console, label: str, text: str) -> None:
    line = Text(f"{label:>9}  ", style="dim")
    line.append(text, style="default")
    console.print(line)


def _title(alert: dict[str, Any]) -> str:
    attachment = (alert.get("attachments") or [{}])[0]
    return str(attachment.get("title") or alert.get("text") or "alert")[:100]


async def _interrupted() -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await stop.wait()
