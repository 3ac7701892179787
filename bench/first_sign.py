"""From the alert's event to the first visible sign, and to the acknowledgement with the inbox write in it, over 50 alerts."""

import asyncio
import json
import statistics
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from bench.figure import Figure
from bot.settings import Settings
from bot.wiring import open_bot
from sandbox.cluster.server import RecordedCluster
from sandbox.incidents import folder_of
from sandbox.workspace.server import APP_TOKEN, BOT_TOKEN, Workspace

ALERTS = 50
EVERY_S = (
    1.5  # Slack takes about one message a second in a channel; what comes faster is a storm, and has a bench of its own
)


def alert(number: int) -> dict[str, object]:
    """Each of another team's rule and object: alerts that belong together would join one investigation, which is the storm's bench."""
    title = f"[FIRING:1] Team{number}PodNotReady team-{number} (cluster-{number} svc{number}-85b799d88c-b{number:04d} warning)"
    return {
        "username": "Alertmanager",
        "attachments": [{"title": title, "text": "", "color": "danger", "fallback": title}],
    }


async def measure() -> list[Figure]:
    async with AsyncExitStack() as stack:
        tmp = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = RecordedCluster(folder_of("checkout-config"))
        await cluster.start()
        stack.push_async_callback(cluster.stop)
        (tmp / "kubeconfig").write_text(json.dumps(cluster.kubeconfig()))
        workspace = await stack.enter_async_context(Workspace(rate_limits=False))
        settings = Settings.model_validate(
            {
                "slack": {
                    "bot_token": BOT_TOKEN,
                    "app_token": APP_TOKEN,
                    "api_url": workspace.api_url,
                    "channels": [{"channel": "#alerts", "max_per_hour": 10_000}],
                },
                "servers": [
                    {"name": "kubernetes", "module": "kubernetes", "env": {"KUBECONFIG": str(tmp / "kubeconfig")}}
                ],
                "store_url": f"sqlite:///{tmp / 'bench.sqlite'}",
                "health_port": 0,
            }
        )
        await stack.enter_async_context(open_bot(settings))
        await workspace.connected(1)
        signs = [asyncio.create_task(_one(workspace, n)) for n in range(ALERTS)]
        measured = await asyncio.gather(*signs)
    first = sorted(sign for sign, _ in measured)
    acks = sorted(ack for _, ack in measured)
    return [
        Figure(
            "alert to first visible sign, p95",
            _p95(first),
            1.0,
            "s",
            f"median {statistics.median(first):.2f} s over {len(first)} alerts",
        ),
        Figure(
            "event to acknowledgement with the inbox write, p95",
            _p95(acks),
            50,
            "ms",
            f"median {statistics.median(acks):.1f} ms over {len(acks)}",
        ),
    ]


async def _one(workspace: Workspace, number: int) -> tuple[float, float]:
    """Seconds to the first sign, milliseconds to the acknowledgement of the alert's own event."""
    await asyncio.sleep(number * EVERY_S)
    loop = asyncio.get_running_loop()
    before, start = {a.envelope_id for a in workspace.acks}, loop.time()  # the record keeps the newest only
    ts = (await workspace.post_as_app("Alertmanager", "#alerts", alert(number)))["ts"]

    def seen() -> bool:
        root, *replies = workspace.thread("#alerts", ts)
        return bool(root.get("reactions")) or bool(replies)

    await workspace.wait_for(seen, timeout=30)
    sign = loop.time() - start

    def acknowledged() -> float | None:
        """The alert's event is the first message sent after it was posted; our own posts and edits come later."""
        return next(
            (
                a.latency_ms
                for a in list(workspace.acks)
                if a.what == "message.bot_message" and a.envelope_id not in before
            ),
            None,
        )

    async with asyncio.timeout(30):
        while (
            latency := acknowledged()
        ) is None:  # an acknowledgement is no event of the workspace: nothing wakes a waiter
            await asyncio.sleep(0.01)
    return sign, latency


def _p95(values: list[float]) -> float:
    return values[min(len(values) - 1, int(len(values) * 0.95))]
