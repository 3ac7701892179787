"""``python -m sandbox.clickhouse --port P [--path DIR]``: prints its URL when it is ready and serves until it is told to stop."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from sandbox.clickhouse.engine import Engine, EngineMissing
from sandbox.clickhouse.front import Front
from sandbox.clickhouse.users import USERS, User


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.clickhouse", description=__doc__)
    parser.add_argument("--port", type=int, default=8123, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--path", default="", help="folder that keeps the data; without it the data is thrown away")
    parser.add_argument("--users", default="", help="JSON file with the table of users")
    parser.add_argument("--no-query-log", action="store_true", help="keep no system.query_log")
    parser.add_argument("--until-stdin-ends", action="store_true", help="stop when the parent goes")
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace, engine: Engine, users: list[User]) -> None:
    front = Front(engine, users, query_log=not arguments.no_query_log)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if arguments.until_stdin_ends:
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        watch = asyncio.create_task(reader.read())
        watch.add_done_callback(lambda _: ended.set())
    url = await front.start(arguments.host, arguments.port)
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    await ended.wait()
    await front.stop()


def main() -> int:
    """0 after an orderly stop, 2 when the engine is not installed or the port is taken."""
    arguments = _arguments()
    users = (
        [User.from_json(row) for row in json.loads(Path(arguments.users).read_text())]
        if arguments.users
        else list(USERS)
    )
    try:
        engine = Engine(arguments.path)
        asyncio.run(_serve(arguments, engine, users))
    except (EngineMissing, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.flush()
    os._exit(0)  # the engine's own threads may hold an ordinary exit for seconds


if __name__ == "__main__":
    raise SystemExit(main())
