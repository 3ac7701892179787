"""``rca sandbox clickhouse --telemetry DIR --port P``: SigNoz's store on a port, for as long as it is wanted.

The URL that is printed carries the name and password of the read-only user, so that it can be handed to the tool server as it is.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from urllib.parse import quote

from sandbox.clickhouse.engine import Engine, EngineError, EngineMissing
from sandbox.clickhouse.front import Front
from sandbox.clickhouse.users import READER
from sandbox.telemetry.generate import SCENARIOS, STREET, generated
from sandbox.telemetry.load import load, read


def serve(source: str | Path, port: int = 0, *, until_stdin_ends: bool = False) -> int:
    """Blocks until told to stop. ``source``: a folder with a recording, or the name of a generated scenario (`SCENARIOS`).

    Prints the URL when all is loaded. 0 after an orderly stop, 2 when the source, the engine or the port cannot be had.
    """
    try:
        recording = generated(str(source)) if str(source) in (*SCENARIOS, STREET) else read(Path(source))
        engine = Engine()
        load(engine, recording)
        asyncio.run(_serve(engine, port, until_stdin_ends))
    except (EngineMissing, EngineError, OSError, ValueError, KeyError) as error:
        known = ", ".join((*SCENARIOS, STREET))
        sys.stderr.write(
            f"cannot serve telemetry from {source}: {error}; a recording is a folder with case.json, or one of {known}\n"
        )
        return 2
    sys.stdout.flush()
    os._exit(0)  # the engine's own threads may hold an ordinary exit for seconds


async def _serve(engine: Engine, port: int, until_stdin_ends: bool) -> None:
    front = Front(engine, query_log=False)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if until_stdin_ends:
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        watch = asyncio.create_task(reader.read())
        watch.add_done_callback(lambda _: ended.set())
    url = await front.start("127.0.0.1", port)
    sys.stdout.write(url.replace("http://", f"http://{quote(READER.name)}:{quote(READER.password)}@", 1) + "\n")
    sys.stdout.flush()
    await ended.wait()
    await front.stop()
