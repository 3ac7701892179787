"""``rca sandbox …``: one stand-in alone. Each prints its address and runs until it is interrupted."""

import asyncio
import json
import signal
import tempfile
from pathlib import Path


async def _until_interrupted() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    await stop.wait()


def workspace(port: int) -> int:
    from sandbox.workspace.server import Workspace

    async def serve() -> None:
        place = Workspace(port=port)
        await place.start()
        print(place.page_url, flush=True)
        print(f"SLACK_API_URL={place.api_url} SLACK_BOT_TOKEN=xoxb-sandbox SLACK_APP_TOKEN=xapp-sandbox", flush=True)
        try:
            await _until_interrupted()
        finally:
            await place.stop()

    asyncio.run(serve())
    return 0


def cluster(folder: Path | None, port: int) -> int:
    from sandbox.cluster.server import RecordedCluster

    from sandbox.incidents import folder_of

    async def serve() -> None:
        place = RecordedCluster(folder or folder_of("checkout-config"), port=port)
        await place.start()
        with tempfile.TemporaryDirectory(prefix="rca-") as tmp:
            path = Path(tmp, "kubeconfig")
            path.write_text(json.dumps(place.kubeconfig()), encoding="utf-8")
            print(f"KUBECONFIG={path}", flush=True)
            try:
                await _until_interrupted()
            finally:
                await place.stop()

    asyncio.run(serve())
    return 0


def model(script: str, port: int) -> int:
    from sandbox.model.server import ScriptedModel

    async def serve() -> None:
        place = ScriptedModel(script, port=port)
        url = await place.start()
        print(f"OPENAI_BASE_URL={url} OPENAI_API_KEY=sandbox", flush=True)
        try:
            await _until_interrupted()
        finally:
            await place.stop()

    asyncio.run(serve())
    return 0
