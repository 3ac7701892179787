"""Trouble on demand: the next calls of a method fail as a test or a demo asks."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from sandbox.workspace.errors import SlackError


@dataclass(frozen=True)
class Fault:
    error: str
    retry_after: int = 1
    status: int = 0  # an HTTP status such as 500; 0: Slack's ordinary 200 (429 for ratelimited)
    drop: bool = False  # close the connection without an answer, after the call took effect when ``after`` is set
    after: bool = False
    delay_s: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)


class Faults:
    """Queues of faults by method; each is used once."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[Fault]] = {}

    def fail_next(self, method: str, error: str, times: int = 1, retry_after: int = 1, status: int = 0) -> None:
        """The next ``times`` calls of ``method`` answer ``error``: ``ratelimited`` as HTTP 429 with Retry-After, others as HTTP 200,
        or with ``status`` (for example 503)."""
        self._queue(method).extend([Fault(error, retry_after=retry_after, status=status)] * times)

    def drop_next(self, method: str, times: int = 1, *, after: bool = False) -> None:
        """The connection of the next calls breaks without an answer; ``after``: the call took effect nevertheless."""
        self._queue(method).extend([Fault("", drop=True, after=after)] * times)

    def delay_next(self, method: str, seconds: float, times: int = 1) -> None:
        """The next calls work, but their answers come ``seconds`` late."""
        self._queue(method).extend([Fault("", delay_s=seconds)] * times)

    def clear(self) -> None:
        self._queues.clear()

    def take(self, method: str) -> Fault | None:
        queue = self._queues.get(method)
        return queue.popleft() if queue else None

    def _queue(self, method: str) -> deque[Fault]:
        return self._queues.setdefault(method, deque())


def refuse(fault: Fault) -> None:
    """Raise what ``fault`` asks for, if it asks for an error."""
    if fault.error:
        raise SlackError(fault.error, retry_after=fault.retry_after if fault.error == "ratelimited" else None)
