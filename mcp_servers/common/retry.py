"""Asking a second time, where that can help and cannot hurt: for idempotent reads on a backend that was away for a moment or said "later".

One place in each client does this, around one request. Drivers that retry by themselves must have that switched off or go without this:
retries on top of retries multiply the load on a backend that is already sick. A request that timed out is never repeated: the backend
may still be working on the first one.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from mcp_servers.common.envelope import ToolFailure

T = TypeVar("T")

PAUSES_S: Final = (0.1, 0.4)
"""Seconds before the second and the third try; half as much again or less at random, so that many callers do not come back at once."""
AGAIN: Final = frozenset({"UNAVAILABLE", "RATE_LIMITED"})


async def patiently(ask: Callable[[], Awaitable[T]], patience_s: float) -> T:
    """What ``ask`` gives, in at most three tries.

    A backend that says when to come back (``retry_after_s``) is taken at its word, if that is within ``patience_s`` seconds.
    Raises the last `ToolFailure`.
    """
    for pause in PAUSES_S:
        try:
            return await ask()
        except ToolFailure as failure:
            told = failure.info.retry_after_s
            wait = max(pause * random.uniform(0.5, 1.5), told or 0.0)  # noqa: S311 (spreads load; nothing secret)
            if failure.info.code not in AGAIN or wait > patience_s:
                raise
        await asyncio.sleep(wait)
    return await ask()
