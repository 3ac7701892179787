"""How fast we may edit: one token bucket for the workspace, because Slack counts per method and workspace, not per card."""

import asyncio
import time
from collections.abc import Awaitable, Callable

Sleep = Callable[[float], Awaitable[None]]
BURST = 8.0


class Pace:
    """A token bucket. ``per_minute`` tokens flow in; at most `BURST` are kept. ``clock`` and ``sleep`` are for tests."""

    def __init__(
        self, per_minute: float, *, clock: Callable[[], float] = time.monotonic, sleep: Sleep = asyncio.sleep
    ) -> None:
        self.rate = max(per_minute, 0.1) / 60.0
        self._clock = clock
        self._sleep = sleep
        self._tokens = BURST
        self._at = clock()
        self._held_until = 0.0

    def _flow(self) -> None:
        now = self._clock()
        self._tokens = min(BURST, self._tokens + (now - self._at) * self.rate)
        self._at = now

    async def take(self) -> None:
        """Waits for a token; the more cards run, the longer, so that each is edited less often."""
        while True:
            self._flow()
            held = self._held_until - self._clock()
            if held <= 0 and self._tokens >= 1:
                self._tokens -= 1
                return
            await self._sleep(max(held, (1 - self._tokens) / self.rate, 0.01))

    def force(self) -> None:
        """Takes a token without waiting: a final state goes out now, and cosmetic ones pay for it."""
        self._flow()
        self._tokens -= 1

    def hold(self, seconds: float) -> None:
        """Slack said wait: no cosmetic edit of any card before that."""
        self._held_until = max(self._held_until, self._clock() + seconds)
