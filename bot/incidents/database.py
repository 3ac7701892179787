"""One door to the SQL database: an engine, its pragmas, and a way to run a transaction without blocking the event loop.

SQLite gets ONE thread: writers of one process then never wait for each other's lock, and a small transaction costs well under a
millisecond plus the disk's sync. Postgres gets as many threads as its pool has connections.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event

T = TypeVar("T")

POSTGRES_CONNECTIONS = 8
BUSY_MS = 30_000
SUBSECONDS_SINCE = (3, 42)
"""The first SQLite that knows ``unixepoch('subsec')``. The workflow engine asks for it on Python 3.12 and later, whatever SQLite that
Python was built with; Debian 12's is older and would answer NULL."""


def _unixepoch(modifier: str) -> float | None:
    return time.time() if modifier == "subsec" else None


def is_sqlite(url: str) -> bool:
    return sa.make_url(url).get_backend_name() == "sqlite"


def sqlite_file(url: str) -> Path | None:
    """The file behind a SQLite URL; ``None`` for other databases and for memory."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(parsed.database)


def make_engine(url: str, *, immediate: bool = False) -> sa.Engine:
    """An engine for ``url``. SQLite runs in WAL mode with full sync: what was accepted survives a power cut, readers never block.

    ``immediate`` makes every SQLite transaction take the write lock at its start; the workflow engine needs it.
    """
    if not is_sqlite(url):
        return sa.create_engine(url, pool_size=POSTGRES_CONNECTIONS, pool_pre_ping=True)
    engine = sa.create_engine(url)

    @event.listens_for(engine, "connect")
    def pragmas(connection: Any, _record: Any) -> None:
        if immediate:
            connection.isolation_level = "IMMEDIATE"
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        if sqlite3.sqlite_version_info < SUBSECONDS_SINCE:
            connection.create_function("unixepoch", 1, _unixepoch)

    return engine


class Database:
    """Runs functions of a connection in transactions, off the event loop.

    Its threads are its own: the loop's default pool belongs to whoever sets it last, and it may be gone at shutdown.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = make_engine(url, immediate=True)
        workers = 1 if is_sqlite(url) else POSTGRES_CONNECTIONS
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="rca-store")

    async def run(self, work: Callable[[sa.Connection], T]) -> T:
        """``work`` in one transaction; committed when it returns, rolled back when it raises."""

        def transaction() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._threads, transaction)

    async def close(self) -> None:
        """Waits for what is under way and closes the connections. May be called twice."""
        loop = asyncio.get_running_loop()
        closer = ThreadPoolExecutor(max_workers=1)
        try:
            await loop.run_in_executor(closer, self._finish)
        finally:
            closer.shutdown(wait=False)

    def _finish(self) -> None:
        self._threads.shutdown(wait=True)
        self._engine.dispose()
