"""An incident fans out to many equal calls: they share one flight, and its answer is kept for seconds."""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")
MAX_ENTRIES: Final = 256


def canonical(arguments: Mapping[str, Any]) -> str:
    """Equal arguments give equal text, whatever their order."""
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)


@dataclass
class _Flight(Generic[T]):
    task: "asyncio.Task[T]"
    waiters: int = 0


class SingleFlightCache(Generic[T]):
    """Answers by key. ``keep(answer)`` decides what is worth keeping; failures should not be.

    The flight runs in a task of its own, so that the caller who happened to come first may be cancelled without harm to the others; when
    the last waiter leaves, the flight is cancelled and waited for.
    """

    def __init__(self, ttl_s: float, keep: Callable[[T], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl_s
        self._keep = keep
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, T]] = OrderedDict()
        self._flights: dict[str, _Flight[T]] = {}

    async def get(self, key: str, fetch: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """The answer for ``key`` and whether it was shared (kept, or another caller's flight) rather than fetched for this call."""
        kept = self._kept.get(key)
        if kept is not None and self._clock() < kept[0]:
            return kept[1], True
        flight = self._flights.get(key)
        shared = flight is not None
        if flight is None:
            flight = _Flight(asyncio.create_task(self._fly(key, fetch), name=f"tool call {key[:80]}"))
            self._flights[key] = flight
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task), shared
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.task.done():
                self._flights.pop(key, None)
                flight.task.cancel()
                await asyncio.wait({flight.task})

    async def _fly(self, key: str, fetch: Callable[[], Awaitable[T]]) -> T:
        try:
            answer = await fetch()
        finally:
            if self._flights.get(key) is not None and self._flights[key].task is asyncio.current_task():
                del self._flights[key]
        if self._ttl > 0 and self._keep(answer):
            self._kept[key] = (self._clock() + self._ttl, answer)
            self._kept.move_to_end(key)
            while len(self._kept) > MAX_ENTRIES:
                self._kept.popitem(last=False)
        return answer

    def clear(self) -> None:
        """Forget what was kept; flights go on."""
        self._kept.clear()
