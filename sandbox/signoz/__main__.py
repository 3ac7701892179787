"""``python -m sandbox.signoz FOLDER|SCENARIO``: the store and the API over one engine; prints both URLs as JSON when they are ready."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from urllib.parse import quote

from sandbox.clickhouse.engine import Engine
from sandbox.clickhouse.front import Front
from sandbox.clickhouse.users import READER
from sandbox.signoz.server import SigNoz
from sandbox.telemetry.generate import SCENARIOS, STREET, generated
from sandbox.telemetry.load import load, read


async def serve(source: str, ports: tuple[int, int], *, until_stdin_ends: bool) -> None:
    """Blocks until told to stop. ``ports``: of the store and of the API, 0 for free ones."""
    engine = Engine()
    load(engine, generated(source) if source in (*SCENARIOS, STREET) else read(Path(source)))
    front, api = Front(engine, query_log=False), SigNoz(engine)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if until_stdin_ends:
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        asyncio.create_task(reader.read()).add_done_callback(lambda _: ended.set())
    store = (await front.start("127.0.0.1", ports[0])).replace(
        "http://", f"http://{quote(READER.name)}:{quote(READER.password)}@", 1
    )
    sys.stdout.write(json.dumps({"store": store, "signoz": await api.start("127.0.0.1", ports[1])}) + "\n")
    sys.stdout.flush()
    await ended.wait()
    await api.stop()
    await front.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m sandbox.signoz", description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--store-port", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--until-stdin-ends", action="store_true", help="stop when the parent goes")
    given = parser.parse_args()
    asyncio.run(serve(given.source, (given.store_port, given.port), until_stdin_ends=given.until_stdin_ends))
    sys.stdout.flush()
    os._exit(0)  # the engine's own threads may hold an ordinary exit for seconds
