"""`EmbeddedClickHouse`: the front as a child process, because a process can hold one engine only and a test run wants several."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from sandbox.clickhouse.users import ADMIN, READER, USERS, User

START_S = 40.0
_ROOT = Path(__file__).resolve().parents[2]


class EmbeddedClickHouse:
    """A ClickHouse server for as long as it is needed. Data lives in ``path`` (empty: thrown away at the end).

    >>> async with EmbeddedClickHouse() as clickhouse:
    ...     client = await clickhouse_connect.get_async_client(dsn=clickhouse.dsn())
    """

    def __init__(self, path: str = "", users: Iterable[User] = USERS, *, port: int = 0, query_log: bool = True) -> None:
        self.path = path
        self.port = port
        self.users = {user.name: user for user in users}
        self.query_log = query_log
        self.url = ""
        self._process: asyncio.subprocess.Process | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def start(self) -> str:
        """Give the URL once the server answers. Raises `RuntimeError` with the child's last words when it does not come up."""
        self._folder = tempfile.TemporaryDirectory(prefix="rca-ch-front-")
        table = Path(self._folder.name) / "users.json"
        table.write_text(json.dumps([user.to_json() for user in self.users.values()]))
        words = ["--port", str(self.port), "--users", str(table), "--until-stdin-ends"]
        words += ["--path", self.path] if self.path else []
        words += [] if self.query_log else ["--no-query-log"]
        errors = Path(self._folder.name) / "stderr"
        with errors.open("wb") as sink:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "sandbox.clickhouse",
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
                },
            )
        stdout = self._process.stdout
        assert stdout is not None
        try:
            line = await asyncio.wait_for(stdout.readline(), START_S)
        except TimeoutError:
            line = b""
        self.url = line.decode().strip()
        if not self.url.startswith("http"):
            said = errors.read_text(errors="replace")[-1000:].strip()
            await self.stop()
            raise RuntimeError(f"the embedded ClickHouse did not start: {said or self.url or 'no answer in time'}")
        return self.url

    async def stop(self) -> None:
        """End the child; harmless when it has ended."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
                await process.wait()
        if process is not None and process.stdin is not None:
            process.stdin.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def dsn(self, user: User = ADMIN) -> str:
        """The URL with a user's name and password in it."""
        known = self.users[user.name]
        return self.url.replace("http://", f"http://{quote(known.name)}:{quote(known.password)}@", 1)

    def environ(self, user: User = READER) -> dict[str, str]:
        """What the ClickHouse tool server reads to connect as ``user``."""
        known = self.users[user.name]
        return {"RCA_CH_URL": self.url, "RCA_CH_USER": known.name, "RCA_CH_PASSWORD": known.password}

    async def __aenter__(self) -> "EmbeddedClickHouse":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
