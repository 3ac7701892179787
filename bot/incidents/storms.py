"""What joined what: the places of alerts, the leaders that others may join, and what of it was said already.

The decision itself is pure (`bot.alerts.storm`); here it is made inside the transaction that writes an alert down, so that several
processes on one database agree and no alert can fall between two of them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from bot.alerts.storm import BESIDE_S, CROWD_S, Fold, Joining, Lead, fold
from bot.incidents import schema
from bot.incidents.database import Database
from bot.incidents.model import OPEN, GatheredRecord, JoinedRecord

MANY_LEADS = 300
MANY_PLACES = 2000
FIRST = 5
NOT_TOLD, TOLD, GIVEN_UP = 0, 1, 2

# An investigation that has been open for longer than this many seconds takes no more alerts in: it may be stuck.
FOLD_WITHIN_S = 3600.0


@dataclass(frozen=True)
class Joiner:
    """One alert at the door. ``joining`` is what later ones are compared with."""

    investigation: str
    channel: str
    fingerprint: str
    joining: Joining
    foldable: bool


@dataclass(frozen=True)
class Untold:
    """An alert whose thread does not say yet what it joined: its work (JSON), the leader's thread; ``quiet``: a mark is enough."""

    joined: JoinedRecord
    work: str
    channel: str
    root: str
    quiet: bool


class Storms:
    """The part of the history that knows who leads. Its methods that take a connection run inside the caller's transaction."""

    def __init__(self, db: Database, clock: Callable[[], float], insert: Any) -> None:
        self._db = db
        self._clock = clock
        self._insert = insert

    # -- at the door, in the transaction of the admission -----------------------------------------------------------------------

    def decide(self, c: sa.Connection, joiner: Joiner) -> Fold | None:
        """Which leader it joins, as things stand in this transaction."""
        return self.among(joiner, self.leads(c)) if joiner.foldable else None

    def among(self, joiner: Joiner, leads: Sequence[Lead]) -> Fold | None:
        """Which of these it joins."""
        return fold(joiner.joining, joiner.fingerprint, leads, self._clock()) if joiner.foldable else None

    def leads(self, c: sa.Connection) -> list[Lead]:
        """Whom an alert may join now, the oldest first."""
        now = self._clock()
        p, i = schema.place, schema.investigation
        keeps_coming = p.c.last_at > now - max(BESIDE_S, CROWD_S)
        query = (
            sa.select(
                p.c.investigation,
                p.c.fingerprint,
                p.c.joining,
                p.c.at,
                p.c.last_at,
                p.c.joined,
                i.c.state.label("state"),
            )
            .join(i, i.c.id == p.c.investigation)
            .where(p.c.into == "", p.c.at > now - FOLD_WITHIN_S, sa.or_(i.c.state.in_(OPEN), keeps_coming))
            .order_by(p.c.at, p.c.investigation)
            .limit(MANY_LEADS)
        )
        return [
            Lead(
                id=row.investigation,
                fingerprint=row.fingerprint,
                joining=Joining.model_validate_json(row.joining),
                at=row.at,
                last_at=row.last_at,
                joined=row.joined,
                over=row.state not in OPEN,
            )
            for row in c.execute(query)
        ]

    def write(self, c: sa.Connection, made: Sequence[tuple[Joiner, Fold | None]]) -> None:
        """The places of new rows, and so many more for their leaders."""
        now = self._clock()
        rows = [
            {
                "investigation": joiner.investigation,
                "into": folded.into if folded else "",
                "joining": joiner.joining.model_dump_json(exclude_defaults=True),
                "fingerprint": joiner.fingerprint[:128],
                "because": folded.because[:400] if folded else "",
                "loose": int(bool(folded and folded.loose)),
                "told": NOT_TOLD if folded else TOLD,
                "joined": 0,
                "shown": 0,
                "at": now,
                "last_at": now,
            }
            for joiner, folded in made
        ]
        c.execute(self._insert(schema.place).on_conflict_do_nothing(), rows)
        p = schema.place
        for leader, more in Counter(folded.into for _, folded in made if folded).items():
            update = p.update().where(p.c.investigation == leader)
            c.execute(update.values(joined=p.c.joined + more, last_at=now))

    # -- saying so --------------------------------------------------------------------------------------------------------------

    async def untold(self, lines: int, limit: int = 50) -> list[Untold]:
        """Alerts that joined another and whose threads do not say so yet, the oldest first; ``lines`` is how many of one storm get one."""

        def work(c: sa.Connection) -> list[Untold]:
            p, i = schema.place, schema.investigation
            found = self._joined(c, sa.and_(p.c.told == NOT_TOLD, p.c.into != ""), limit)
            works = {
                row.id: row.work
                for row in c.execute(sa.select(i.c.id, i.c.work).where(i.c.id.in_([j.id for j in found])))
            }
            leaders = {
                row.id: row
                for row in c.execute(
                    sa.select(i.c.id, i.c.channel, i.c.root).where(i.c.id.in_({j.into for j in found}))
                )
            }
            return [
                Untold(j, works[j.id], leaders[j.into].channel, leaders[j.into].root, self._after(c, j, lines))
                for j in found
                if j.into in leaders
            ]

        return await self._db.run(work)

    def _after(self, c: sa.Connection, joined: JoinedRecord, lines: int) -> bool:
        """Whether at least ``lines`` others joined the same leader before."""
        p = schema.place
        mine = sa.select(p.c.last_at).where(p.c.investigation == joined.id).scalar_subquery()
        before = sa.or_(p.c.last_at < mine, sa.and_(p.c.last_at == mine, p.c.investigation < joined.id))
        earlier = sa.select(p.c.investigation).where(p.c.into == joined.into, before).limit(lines)
        return len(c.execute(earlier).all()) >= lines

    async def told(self, investigations: list[str], *, given_up: bool = False) -> None:
        """The threads of these say so, or never will."""
        p = schema.place
        update = p.update().where(p.c.investigation.in_(investigations)).values(told=GIVEN_UP if given_up else TOLD)
        await self._db.run(lambda c: c.execute(update))

    async def give_up(self, older_than: float) -> int:
        """Leaves those unsaid that are older than so many seconds; how many that were."""
        p = schema.place
        stale = p.c.at < self._clock() - older_than
        update = p.update().where(p.c.told == NOT_TOLD, stale).values(told=GIVEN_UP)
        return await self._db.run(lambda c: int(c.execute(update).rowcount))

    async def unshown(self, limit: int = 20) -> list[str]:
        """Leaders whose card does not know yet how many joined, by id."""
        p = schema.place
        query = sa.select(p.c.investigation).where(p.c.into == "", p.c.joined > p.c.shown).order_by(p.c.at).limit(limit)
        lately = query.where(self._lately(p))
        return await self._db.run(lambda c: [str(i) for i in c.execute(lately).scalars()])

    async def shown(self, investigation: str, count: int) -> None:
        """Its card says that ``count`` joined."""
        p = schema.place
        update = p.update().where(p.c.investigation == investigation, p.c.shown < count).values(shown=count)
        await self._db.run(lambda c: c.execute(update))

    async def loosely_joined(self, limit: int = 50) -> list[str]:
        """Ids of leaders with a verdict that alerts joined lately for a reason that merely suggests one cause, in the ids' order."""
        p, i = schema.place, schema.investigation
        query = (
            sa.select(i.c.id)
            .where(i.c.state == "done", i.c.id.in_(sa.select(p.c.into).where(p.c.loose == 1, self._lately(p))))
            .order_by(i.c.id)
            .limit(limit)
        )
        return await self._db.run(lambda c: [str(found) for found in c.execute(query).scalars()])

    def _lately(self, p: sa.Table) -> sa.ColumnElement[bool]:
        return p.c.last_at > self._clock() - FOLD_WITHIN_S

    # -- reading ----------------------------------------------------------------------------------------------------------------

    async def gathered(self, investigation: str) -> GatheredRecord | None:
        """What joined it; ``None`` when nothing did."""

        def work(c: sa.Connection) -> GatheredRecord | None:
            p, i = schema.place, schema.investigation
            mine = p.c.into == investigation
            home = c.execute(sa.select(i.c.channel).where(i.c.id == investigation)).scalar() or ""
            away = sa.func.sum(sa.case((i.c.channel != home, 1), else_=0))
            row = c.execute(
                sa.select(sa.func.count().label("n"), sa.func.max(p.c.at).label("newest"), away.label("away"))
                .join(i, i.c.id == p.c.investigation)
                .where(mine)
            ).one()
            if not row.n:
                return None
            about = sa.select(p.c.joining).where(sa.or_(mine, p.c.investigation == investigation)).limit(MANY_PLACES)
            places = {Joining.model_validate_json(text).place.said for text in c.execute(about).scalars()} - {""}
            return GatheredRecord(
                investigation=investigation,
                count=row.n,
                elsewhere=row.away or 0,
                places=max(1, len(places)),
                newest=datetime.fromtimestamp(row.newest, UTC),
                first=tuple(self._joined(c, mine, FIRST)),
            )

        return await self._db.run(work)

    async def joined(self, investigation: str, *, limit: int, loose: bool = False) -> list[JoinedRecord]:
        """What joined it, the oldest first; with ``loose`` only what joined for a reason that merely suggests one cause."""
        p = schema.place
        where = p.c.into == investigation
        if loose:
            where = sa.and_(where, p.c.loose == 1)
        return await self._db.run(lambda c: self._joined(c, where, limit))

    def _joined(self, c: sa.Connection, where: sa.ColumnElement[bool], limit: int) -> list[JoinedRecord]:
        p, i = schema.place, schema.investigation
        query = (
            sa.select(i.c.id, i.c.name, i.c.channel, i.c.ts, p.c.into, p.c.joining, p.c.because, p.c.loose, p.c.at)
            .join(i, i.c.id == p.c.investigation)
            .where(where)
            .order_by(p.c.at, p.c.investigation)
            .limit(limit)
        )
        return [
            JoinedRecord(
                id=row.id,
                into=row.into,
                name=row.name,
                channel=row.channel,
                ts=row.ts,
                joining=Joining.model_validate_json(row.joining),
                because=row.because,
                loose=bool(row.loose),
                at=datetime.fromtimestamp(row.at, UTC),
            )
            for row in c.execute(query)
        ]

    # -- housekeeping -----------------------------------------------------------------------------------------------------------

    def forget(self, c: sa.Connection, older_than: float) -> None:
        """Drops places that are older than so many seconds; nothing can join them any more, and what joined is in the history."""
        p = schema.place
        old = p.delete().where(p.c.at < self._clock() - older_than, p.c.told != NOT_TOLD)
        c.execute(old)
