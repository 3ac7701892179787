"""The door in a storm: many alerts, one transaction.

Alerts that join an investigation need no workflow, only to be written down. They come hundreds a second while everybody waits for the same
disk, so whatever waits is written together: one look at who leads, one commit.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import sqlalchemy as sa

from bot.alerts.storm import Fold
from bot.incidents import schema
from bot.incidents.database import Database
from bot.incidents.ids import incident_id, investigation_id
from bot.incidents.model import Admission, record_of
from bot.incidents.storms import Joiner, Storms

MOST = 200  # in one transaction


class Entry(Protocol):
    """What `bot.incidents.store.NewWork` is to this file."""

    @property
    def key(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def joiner(self) -> Joiner: ...


@dataclass
class Folding:
    """Writes down what joins. ``row`` gives the columns of a new investigation, ``fired`` those of its incident."""

    db: Database
    storms: Storms
    insert: Any
    clock: Callable[[], float]
    row: Callable[[Any, Fold | None], dict[str, Any]]
    fired: Callable[[sa.Connection, list[Any]], None]
    waiting: "list[tuple[Any, asyncio.Future[Admission | None]]]" = field(default_factory=list)
    task: "asyncio.Task[None] | None" = None

    async def fold(self, new: Entry) -> Admission | None:
        """Durable when it returns an admission; ``None``, and nothing written, for what joins nothing or was seen before."""
        future: asyncio.Future[Admission | None] = asyncio.get_running_loop().create_future()
        self.waiting.append((new, future))
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        while self.waiting:
            batch, self.waiting = self.waiting[:MOST], self.waiting[MOST:]
            works = [new for new, _ in batch]
            try:
                answers = await self.db.run(lambda c, works=works: self._fold_all(c, works))  # type: ignore[misc]
            except BaseException as error:  # each waits for its own answer; whoever cancelled this loop cancelled them
                for _, future in batch:
                    if not future.done():
                        future.set_exception(
                            error if isinstance(error, Exception) else RuntimeError("the store was closed")
                        )
                if not isinstance(error, Exception):
                    raise
                continue
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    def _fold_all(self, c: sa.Connection, works: Sequence[Any]) -> list[Admission | None]:
        leads = self.storms.leads(c)
        if not leads:
            return [None] * len(works)
        known = self._known(c, works)
        folded: dict[str, tuple[Any, Fold]] = {}
        for new in works:
            if new.key in known or new.key in folded:
                continue
            found = self.storms.among(new.joiner, leads)
            if found is None:
                continue
            folded[new.key] = (new, found)
            at = self.clock()
            leads = [replace(x, joined=x.joined + 1, last_at=at) if x.id == found.into else x for x in leads]
        if folded:
            self._write(c, list(folded.values()))
        return [self._answer(new, folded.pop(new.key, None)) for new in works]

    def _answer(self, new: Any, made: tuple[Any, Fold] | None) -> Admission | None:
        return Admission(new=True, investigation=record_of(self.row(new, made[1]))) if made else None

    def _known(self, c: sa.Connection, works: Sequence[Any]) -> set[str]:
        keys, ids = [w.key for w in works], [investigation_id(w.key) for w in works]
        seen = c.execute(sa.select(schema.seen.c.key).where(schema.seen.c.key.in_(keys))).scalars()
        there = c.execute(sa.select(schema.investigation.c.key).where(schema.investigation.c.id.in_(ids))).scalars()
        return {*seen, *there}

    def _write(self, c: sa.Connection, made: list[tuple[Any, Fold]]) -> None:
        at = self.clock()
        c.execute(self.insert(schema.seen).on_conflict_do_nothing(), [{"key": new.key, "at": at} for new, _ in made])
        self.fired(c, [new for new, _ in made if new.fingerprint])
        rows = [self.row(new, fold) for new, fold in made]
        c.execute(self.insert(schema.investigation).on_conflict_do_nothing(), rows)
        self.storms.write(c, [(new.joiner, fold) for new, fold in made])


def incident_of(new: Entry) -> str:
    """The incident that an entry belongs to; "" for one without a fingerprint."""
    return incident_id(new.channel, new.fingerprint) if new.fingerprint else ""
