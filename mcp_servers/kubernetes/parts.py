"""Parts of an answer that may fail by themselves: the rest stands, and the answer says what is missing."""

from collections.abc import Awaitable
from typing import TypeVar

from mcp_servers.common.envelope import Envelope, Partial, ToolFailure

T = TypeVar("T")
S = TypeVar("S")


class Parts:
    """Collects what could not be read while one answer is put together."""

    def __init__(self) -> None:
        self.partial: list[Partial] = []

    async def of(self, part: str, reading: Awaitable[T], instead: S) -> T | S:
        """The result of ``reading``, or ``instead`` when the cluster refuses; NOT_FOUND is no refusal, just nothing there."""
        try:
            return await reading
        except ToolFailure as failure:
            if failure.info.code != "NOT_FOUND":
                message = failure.info.message
                self.partial.append(Partial(part=part, code=failure.info.code, message=message))
            return instead

    def lost(self, part: str) -> bool:
        return any(p.part == part for p in self.partial)

    def into(self, answer: Envelope) -> None:
        answer.partial = [*answer.partial, *self.partial]
