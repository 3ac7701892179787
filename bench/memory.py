"""Resident memory of the idle bot: ``rca run`` in a process of its own, connected to the sandbox, nothing to do."""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from bench.figure import Figure
from sandbox.cluster.server import RecordedCluster
from sandbox.incidents import folder_of
from sandbox.workspace.server import APP_TOKEN, BOT_TOKEN, Workspace

SETTLE_S = 5.0


async def measure() -> list[Figure]:
    cluster = RecordedCluster(folder_of("checkout-config"))
    await cluster.start()
    with tempfile.TemporaryDirectory() as tmp:
        kubeconfig = Path(tmp, "kubeconfig")
        kubeconfig.write_text(json.dumps(cluster.kubeconfig()))
        async with Workspace() as workspace:
            environment = {
                **os.environ,
                "KUBECONFIG": str(kubeconfig),
                "SLACK_API_URL": workspace.api_url,
                "SLACK_BOT_TOKEN": BOT_TOKEN,
                "SLACK_APP_TOKEN": APP_TOKEN,
                "RCA_STORE_URL": f"sqlite:///{tmp}/bot.sqlite",
                "RCA_HEALTH_PORT": "0",
                "RCA_LOG_LEVEL": "ERROR",
            }
            bot = await asyncio.create_subprocess_exec(sys.executable, "-m", "bot.cli", "run", env=environment, cwd=tmp)
            try:
                await workspace.connected(1, timeout=60)
                await asyncio.sleep(SETTLE_S)
                idle = _resident(bot.pid)
                ts = (await _post(workspace))["ts"]
                await workspace.wait_for(
                    lambda: any(m.get("files") for m in workspace.thread("#alerts", ts)), timeout=60
                )
                await asyncio.sleep(SETTLE_S)
                after = _resident(bot.pid)
            finally:
                bot.terminate()
                await bot.wait()
    await cluster.stop()
    return [Figure("idle bot, resident memory", idle, 200, "MB", f"after an investigation {after:.0f} MB")]


async def _post(workspace: Workspace) -> dict[str, object]:
    alert = json.loads((folder_of("checkout-config") / "alert.json").read_text())
    return await workspace.post_as_app("Alertmanager", "#alerts", alert)


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    raise RuntimeError(f"no resident size of process {pid}")
