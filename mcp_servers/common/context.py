"""What the tools of one server share: its backend (opened when first asked for), its settings, the clock.

A server lists its tools even while its backend is away, so nothing is opened at start. In process several sessions may share one server;
the connections belong to all of them and are closed by the last one to leave.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, Self, TypeVar

from mcp_servers.common.config import CommonSettings


def utc_now() -> datetime:
    """The present as aware UTC."""
    return datetime.now(UTC)


class Settings(Protocol):
    """A server's settings: its own, and those that all servers share."""

    @property
    def common(self) -> CommonSettings: ...


class Backend(Protocol):
    """What a server reads from: connections that can be closed."""

    async def close(self) -> None: ...


SettingsT = TypeVar("SettingsT", bound=Settings)
BackendT = TypeVar("BackendT", bound=Backend)


class BackendContext(ABC, Generic[SettingsT, BackendT]):
    """Base of each server's ``Context``. ``clock`` returns the present as aware UTC; tests set it."""

    def __init__(self, settings: SettingsT, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self._backend: BackendT | None = None
        self._opening = asyncio.Lock()
        self._sessions = 0

    @abstractmethod
    async def _open(self) -> BackendT:
        """Connect. Raises `ToolFailure` when that cannot be done now."""

    async def backend(self) -> BackendT:
        """The open backend, whatever its credential may do; opened once. Raises what `_open` raises, and the next call tries again."""
        async with self._opening:
            if self._backend is None:
                self._backend = await self._open()
            return self._backend

    async def close(self) -> None:
        """Close the connections, if there are any. A later call opens new ones."""
        backend, self._backend = self._backend, None
        if backend is not None:
            await backend.close()

    @asynccontextmanager
    async def lifespan(self, _server: Any) -> AsyncIterator[Self]:
        """The server's lifespan: one for each session."""
        self._sessions += 1
        try:
            yield self
        finally:
            self._sessions -= 1
            if self._sessions == 0:
                await self.close()
