"""One process a SQLite store. Two bots on one file would each resume the other's investigations; Postgres is for that."""

import fcntl
import os
from pathlib import Path
from typing import IO


class StoreInUse(Exception):
    """Another process holds the store."""


class FileLock:
    """An advisory lock beside the database file; the kernel frees it when the process ends, however it ends."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Raises `StoreInUse` when another process has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(20).strip() or "unknown"
            file.close()
            raise StoreInUse(
                f"The store {self._path.with_suffix('')} is in use by another process (pid {holder}). "
                "Stop that one, or give this one another store_url; several replicas need Postgres."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def free(self) -> None:
        """May be called without `take`."""
        if self._file is not None:
            self._file.close()
            self._file = None
