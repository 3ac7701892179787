"""Reading several kinds for one answer: what one part may not or cannot read is said, and the rest stands."""

import asyncio
from typing import Any

from mcp_servers.common.envelope import Envelope, Partial, ToolFailure
from mcp_servers.kubernetes.client import Cluster

Json = dict[str, Any]


class Reading:
    """One tool call's reads of one cluster. ``missing`` names the kinds that could not be read, with the reason."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.partial: list[Partial] = []
        self.notes: list[str] = []
        self.missing: dict[str, str] = {}
        self.older: set[str] = set()

    async def all(self, *asked: tuple[str, str] | tuple[str, str, dict[str, Any]]) -> list[list[Json]]:
        """The objects of several (kind, namespace) pairs, read side by side; ``[]`` for what could not be read.

        A third member holds keyword arguments of `Cluster.list`; ``metadata=True`` reads metadata only.
        """
        return list(await asyncio.gather(*(self.one(a[0], a[1], **(a[2] if len(a) == 3 else {})) for a in asked)))

    async def one(self, kind: str, namespace: str, *, metadata: bool = False, **selectors: Any) -> list[Json]:
        """The objects of one kind."""
        try:
            read = self.cluster.list_metadata if metadata else self.cluster.list
            listing = await read(kind, namespace, **selectors)
            note = await self.cluster.fallback_note(kind)  # an old API server
        except ToolFailure as failure:
            self._lost(kind, failure)
            return []
        if note:
            self.older.add(await self.cluster.version(kind))
        if not listing.complete:
            self.partial.append(Partial(part=kind, code="TOO_LARGE", message=listing.note))
        return listing.items

    def or_none(self, kind: str, items: list[Json]) -> list[Json] | None:
        """``items``, or ``None`` where the kind could not be read: an empty list would claim that there are none."""
        return None if kind in self.missing else items

    def _lost(self, kind: str, failure: ToolFailure) -> None:
        info = failure.info
        self.missing[kind] = info.missing_permission or info.message
        if info.code == "UNSUPPORTED":
            self.notes.append(info.message)
        else:
            self.partial.append(Partial(part=kind, code=info.code, message=info.message))

    def into(self, answer: Envelope) -> None:
        """Put notes and partial failures into the answer."""
        answer.notes = [*answer.notes, *self.notes]
        if self.older:
            answer.notes.append(f"the API server is old: read through {', '.join(sorted(self.older))}")
        answer.partial = [*answer.partial, *self.partial]
