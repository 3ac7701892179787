"""``rca sandbox …``: one stand-in alone. Each prints its address and runs until it is interrupted."""

import asyncio
import json
import signal
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol


class StandIn(Protocol):
    """What all stand-ins offer."""

    async def stop(self) -> None: ...


def workspace(port: int) -> int:
    from sandbox.workspace.server import APP_TOKEN, BOT_TOKEN, Workspace

    async def begin() -> tuple[StandIn, str]:
        place = Workspace(port=port)
        await place.start()
        variables = f"SLACK_API_URL={place.api_url} SLACK_BOT_TOKEN={BOT_TOKEN} SLACK_APP_TOKEN={APP_TOKEN}"
        return place, f"{place.page_url}\n{variables}"

    return _run(begin)


def cluster(folder: Path | None, port: int) -> int:
    from sandbox.cluster.server import RecordedCluster
    from sandbox.incidents import folder_of

    with tempfile.TemporaryDirectory(prefix="rca-") as tmp:
        path = Path(tmp, "kubeconfig")

        async def begin() -> tuple[StandIn, str]:
            place = RecordedCluster(folder or folder_of("checkout-config"), port=port)
            await place.start()
            path.write_text(json.dumps(place.kubeconfig()), encoding="utf-8")
            return place, f"KUBECONFIG={path}"

        return _run(begin)


def clickhouse(telemetry: str, port: int) -> int:
    from sandbox.telemetry.serve import serve

    return serve(telemetry, port)


def model(script: str, port: int) -> int:
    from sandbox.model.server import ScriptedModel

    async def begin() -> tuple[StandIn, str]:
        place = ScriptedModel(script, port=port)
        return place, f"OPENAI_BASE_URL={await place.start()} OPENAI_API_KEY=sandbox"

    return _run(begin)


def _run(begin: Callable[[], Awaitable[tuple[StandIn, str]]]) -> int:
    async def serve() -> None:
        place, said = await begin()
        print(said, flush=True)
        stop = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        try:
            await stop.wait()
        finally:
            await place.stop()

    asyncio.run(serve())
    return 0
