"""What went over the wire, for tests and for the page's side panel; and the feed that tells watchers about every change."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

MOST_KEPT = 20_000
MOST_WAITING = (
    2_000  # deltas that one slow watcher may have waiting before it is cut off and must fetch the state again
)


@dataclass(frozen=True)
class Call:
    """One Web API call: ``args`` as the method saw them, ``at`` in epoch seconds, ``ms`` how long it took, ``error`` empty when ok."""

    method: str
    args: dict[str, Any]
    at: float
    ms: float
    error: str = ""

    @property
    def ok(self) -> bool:
        return not self.error


@dataclass(frozen=True)
class Ack:
    """One acknowledged envelope. ``latency_ms`` from sending this attempt to its ack; ``attempt`` 0 is the first delivery."""

    envelope_id: str
    type: str
    what: str  # the event's type, the command, the action type
    event_id: str
    attempt: int
    latency_ms: float
    payload: dict[str, Any] | None
    connection: int


@dataclass
class Feed:
    """Deltas for everybody who watches. A watcher that does not keep up is cut off rather than allowed to grow."""

    _queues: set[asyncio.Queue[dict[str, Any] | None]] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, delta: dict[str, Any]) -> None:
        for queue in list(self._queues):
            try:
                queue.put_nowait(delta)
            except asyncio.QueueFull:
                self._queues.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)  # end of the feed
        self._changed.set()

    def activity(self, line: str) -> None:
        self.send({"type": "activity", "at": time.time(), "line": line})

    @contextlib.contextmanager
    def watch(self) -> Iterator[asyncio.Queue[dict[str, Any] | None]]:
        """A queue of all deltas from now on; None is its end."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(MOST_WAITING)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        for queue in list(self._queues):
            with contextlib.suppress(asyncio.QueueFull):
                queue.put_nowait(None)

    async def wait_for(self, predicate: Callable[[], Any], timeout: float) -> Any:
        """The first truthy value of ``predicate()``, looked at after every change and at least every 50 ms. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while not (value := predicate()):
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.05)
        return value


@dataclass
class Wire:
    """The record: calls, acks, and events that were given up after the last redelivery."""

    feed: Feed = field(default_factory=Feed)
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    acks: deque[Ack] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    given_up: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))

    def called(self, call: Call) -> None:
        self.calls.append(call)
        self.feed.activity(f"→ {call.method} {'ok' if call.ok else call.error} · {call.ms:.0f} ms")

    def acked(self, ack: Ack) -> None:
        self.acks.append(ack)
        again = f" (retry {ack.attempt})" if ack.attempt else ""
        self.feed.activity(f"← {ack.type} {ack.what}{again} · ack {ack.latency_ms:.0f} ms")
