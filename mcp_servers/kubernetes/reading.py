"""Reading several kinds for one answer: what one part may not or cannot read is said, and the rest stands."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from mcp_servers.common.envelope import Envelope, Partial, ToolFailure
from mcp_servers.kubernetes.client import Cluster

Json = dict[str, Any]
T = TypeVar("T")
S = TypeVar("S")


class Reading:
    """One tool call's reads of one cluster.

    ``missing`` names the parts that could not be read, with the reason; ``cut`` those of which only a beginning was read.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.partial: list[Partial] = []
        self.notes: list[str] = []
        self.missing: dict[str, str] = {}
        self.failures: dict[str, ToolFailure] = {}
        self.cut: set[str] = set()
        self.older: set[str] = set()

    async def all(self, *asked: tuple[str, str] | tuple[str, str, dict[str, Any]]) -> list[list[Json]]:
        """The objects of several (kind, namespace) pairs, read side by side; ``[]`` for what could not be read.

        A third member holds keyword arguments of `Cluster.list`; ``metadata=True`` reads metadata only.
        """
        return list(await asyncio.gather(*(self.one(a[0], a[1], **(a[2] if len(a) == 3 else {})) for a in asked)))

    async def one(self, kind: str, namespace: str, *, metadata: bool = False, **selectors: Any) -> list[Json]:
        """The objects of one kind."""
        read = self.cluster.list_metadata if metadata else self.cluster.list
        listing = await self.of(kind, read(kind, namespace, **selectors), None)
        if listing is None:
            return []
        if await self.of(kind, self.cluster.fallback_note(kind), ""):  # an old API server
            self.older.add(await self.cluster.version(kind))
        if not listing.complete:
            self.cut.add(kind)
            self.partial.append(Partial(part=kind, code="TOO_LARGE", message=listing.note))
        return listing.items

    async def of(self, part: str, reading: Awaitable[T], instead: S) -> T | S:
        """The result of ``reading``, or ``instead`` when the cluster refuses; NOT_FOUND is no refusal, just nothing there."""
        try:
            return await reading
        except ToolFailure as failure:
            if failure.info.code != "NOT_FOUND":
                self._lost(part, failure)
            return instead

    def deny(self, name: str, *kinds: str) -> None:
        """For when ``name`` was not found: "there is none" does not follow where one of ``kinds`` could not be read.

        Raises the first such `ToolFailure`, with its ``missing_permission``.
        """
        for kind in kinds:
            if failure := self.failures.get(kind):
                info = failure.info
                raise ToolFailure(
                    info.code,
                    f"{name} was not found in what could be read, which is not all: {info.message}",
                    retryable=info.retryable,
                    hint=info.hint,
                    missing_permission=info.missing_permission,
                    backend_status=info.backend_status,
                ) from failure

    def or_none(self, kind: str, items: list[Json]) -> list[Json] | None:
        """``items``, or ``None`` where the kind could not be read: an empty list would claim that there are none."""
        return None if kind in self.missing else items

    def whole(self, *kinds: str) -> bool:
        """Whether all of these kinds were read to their end: only then does "there is none" follow from not seeing one."""
        return not (self.missing.keys() | self.cut) & set(kinds)

    def _lost(self, part: str, failure: ToolFailure) -> None:
        info = failure.info
        self.failures.setdefault(part, failure)
        self.missing[part] = info.missing_permission or info.message
        if info.code == "UNSUPPORTED":
            self.notes.append(info.message)
        else:
            self.partial.append(Partial(part=part, code=info.code, message=info.message))

    def into(self, answer: Envelope) -> None:
        """Put notes and partial failures into the answer."""
        answer.notes = [*answer.notes, *self.notes]
        if self.older:
            answer.notes.append(f"the API server is old: read through {', '.join(sorted(self.older))}")
        answer.partial = [*answer.partial, *self.partial]
