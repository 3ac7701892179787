"""A circuit breaker: the observer must not add to the incident by calling a sick backend again and again."""

import time
from collections.abc import Callable
from typing import Final

FAILURES: Final = 5
"""Failures in a row after which the circuit opens."""
OPEN_S: Final = 30.0
"""Seconds for which it then stays open."""


class Breaker:
    """Opens after ``failures`` in a row for ``open_s`` seconds; then lets one call through, and its outcome decides."""

    def __init__(
        self, failures: int = FAILURES, open_s: float = OPEN_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._open_s = open_s
        self._clock = clock
        self._count = 0
        self._unreached = 0
        self._until = 0.0
        self._trial = False
        self.last = ""

    @property
    def left_s(self) -> float:
        """Seconds until the next call may go through; 0 when calls are let through."""
        return max(0.0, self._until - self._clock()) if self._count >= self._limit else 0.0

    def admits(self) -> bool:
        """Whether a call may go through now. While the circuit is half open only the first one may."""
        if self._count < self._limit:
            return True
        if self._clock() < self._until or self._trial:
            return False
        self._trial = True
        return True

    def succeeded(self) -> None:
        """The backend answered, if only with a refusal."""
        self._count, self._unreached, self._trial, self.last = 0, 0, False, ""

    def failed(self, why: str, *, reached: bool = True) -> None:
        """The backend did not answer, or (not ``reached``) there was no connection to ask it. ``why`` is kept for the refusals to come."""
        self._count += 1
        self._unreached += not reached
        self._trial = False
        self.last = why
        if self._count >= self._limit:
            self._until = self._clock() + self._open_s

    def connected(self) -> None:
        """There is a connection again: that there was none no longer speaks against the backend; calls that died under it still do."""
        self._count, self._unreached = self._count - self._unreached, 0

    def abandoned(self) -> None:
        """A call was cancelled before its outcome was known: the trial, if it was one, is free again."""
        self._trial = False
