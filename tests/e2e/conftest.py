"""The front door: ``rca`` as a process of its own against the sandbox."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.server import RecordedCluster
from sandbox.incidents import folder_of
from sandbox.workspace.server import APP_TOKEN, BOT_TOKEN, Workspace

RCA = str(Path(sys.executable).with_name("rca"))


class House:
    """A workspace, a recorded cluster, and bots that can be started and killed."""

    def __init__(self, tmp: Path, workspace: Workspace, cluster: RecordedCluster) -> None:
        self.tmp, self.workspace, self.cluster = tmp, workspace, cluster
        self.kubeconfig = tmp / "kubeconfig"
        self.kubeconfig.write_text(json.dumps(cluster.kubeconfig()))
        self.store = tmp / "bot.sqlite"
        self.bots: list[asyncio.subprocess.Process] = []

    def environment(self, **more: str) -> dict[str, str]:
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "AZURE_", "SLACK_", "RCA_", "KUBE"))
        }
        return {**kept, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.tmp), **more}

    async def rca(self, *arguments: str, stdin: str = "", timeout: float = 90, **more: str) -> tuple[int, str, str]:
        """Run a command to its end: exit code, standard output, standard error."""
        process = await asyncio.create_subprocess_exec(
            RCA,
            *arguments,
            env=self.environment(**more),
            cwd=self.tmp,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(timeout):
            out, err = await process.communicate(stdin.encode())
        return process.returncode or 0, out.decode(), err.decode()

    async def bot(self, **more: str) -> asyncio.subprocess.Process:
        """``rca run``, connected."""
        before = len(self.workspace.calls_of("apps.connections.open"))
        log = (self.tmp / f"bot-{len(self.bots)}.log").open("wb")
        process = await asyncio.create_subprocess_exec(
            RCA,
            "run",
            env=self.environment(
                SLACK_API_URL=self.workspace.api_url,
                SLACK_BOT_TOKEN=BOT_TOKEN,
                SLACK_APP_TOKEN=APP_TOKEN,
                RCA_STORE_URL=f"sqlite:///{self.store}",
                RCA_HEALTH_PORT="0",
                **more,
            ),
            cwd=self.tmp,
            stderr=log,
        )
        log.close()
        self.bots.append(process)

        def connected() -> bool:
            if process.returncode is not None:
                raise AssertionError((self.tmp / f"bot-{len(self.bots) - 1}.log").read_text())
            return len(self.workspace.calls_of("apps.connections.open")) > before

        await self.workspace.wait_for(connected, timeout=60)
        await self.workspace.connected(1, timeout=30)
        return process

    async def kill(self, process: asyncio.subprocess.Process) -> None:
        process.send_signal(signal.SIGKILL)
        await process.wait()

    def alert(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads((folder_of("checkout-config") / "alert.json").read_text())
        return message


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(GatedCluster(folder_of("checkout-config")))
        workspace = await stack.enter_async_context(Workspace(time_scale=0.05))
        made = House(tmp_path, workspace, cluster)
        yield made
        for process in made.bots:
            if process.returncode is None:
                process.terminate()
                try:
                    async with asyncio.timeout(40):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()


class GatedCluster(RecordedCluster):
    """A recorded cluster whose answers can be held back: ``hold`` says for which request paths."""

    hold: Callable[[str], bool] = staticmethod(lambda path: False)

    async def _read(self, request: Any) -> Any:
        while self.hold(request.path):
            await asyncio.sleep(0.02)
        return await super()._read(request)
