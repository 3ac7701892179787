"""The history: what was accepted, what came of it, where it is seen, what people thought of it.

Everything that comes in here was redacted before. All methods may be called again with the same arguments after a crash; those that
answer "was it me who did it" (`admit`, `claim`) are atomic, so that several processes on one database agree.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from bot.alerts.storm import Fold, Joining
from bot.incidents import schema
from bot.incidents.database import Database, is_sqlite
from bot.incidents.folding import Folding, incident_of
from bot.incidents.ids import incident_id, investigation_id
from bot.incidents.model import (
    OPEN,
    Admission,
    FeedbackRecord,
    IncidentRecord,
    InvestigationRecord,
    MessageRecord,
    State,
    record_of,
    shaped,
)
from bot.incidents.storms import FOLD_WITHIN_S, Joiner, Storms

__all__ = ["FOLD_WITHIN_S", "NewWork", "Store"]

_RECORD = [c for c in schema.investigation.c if c.name not in {"work", "report"}]


@dataclass(frozen=True)
class NewWork:
    """What `admit` writes down. ``foldable`` work may become part of an investigation that runs; ``joining`` says what it is about."""

    key: str
    kind: str
    channel: str
    ts: str
    root: str
    name: str
    work: str  # JSON
    fingerprint: str = ""
    alert: str = ""  # JSON
    playbook: str = ""
    foldable: bool = False
    joining: Joining = field(default_factory=Joining)

    @property
    def joiner(self) -> Joiner:
        return Joiner(investigation_id(self.key), self.channel, self.fingerprint, self.joining, self.foldable)


class Store:
    """The history in one SQL database. ``url`` is an SQLAlchemy URL: ``sqlite:///rca.sqlite`` or ``postgresql+psycopg://…``."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        self.url = url
        self._clock = clock
        self._db = Database(url)
        self._insert: Any = sqlite.insert if is_sqlite(url) else postgresql.insert
        self.storms = Storms(self._db, clock, self._insert)
        self._folding = Folding(self._db, self.storms, self._insert, clock, self._row, self._fired)

    async def open(self) -> None:
        """Creates or migrates the schema. Raises `schema.SchemaTooNew`."""
        await self._db.run(schema.migrate)

    async def close(self) -> None:
        await self._db.close()

    # -- the door ---------------------------------------------------------------------------------------------------------------

    async def seen(self, key: str) -> bool:
        """Whether this key was admitted or marked before."""
        query = sa.select(schema.seen.c.key).where(schema.seen.c.key == key)
        return await self._db.run(lambda c: c.execute(query).first() is not None)

    async def mark_seen(self, key: str) -> bool:
        """Remembers a key that starts nothing; false when it was known."""
        return await self._db.run(lambda c: self._mark(c, key))

    def _mark(self, c: sa.Connection, key: str) -> bool:
        new = self._insert(schema.seen).values(key=key, at=self._clock()).on_conflict_do_nothing()
        return c.execute(new).rowcount == 1

    async def seen_among(self, keys: list[str]) -> frozenset[str]:
        """Those of ``keys`` that were admitted or marked before."""
        query = sa.select(schema.seen.c.key).where(schema.seen.c.key.in_(keys))
        return await self._db.run(lambda c: frozenset(c.execute(query).scalars()))

    async def admit(self, new: NewWork) -> Admission:
        """Writes the investigation down once and decides whether it is part of one that runs."""
        return await self._db.run(lambda c: self._admit(c, new))

    async def fold(self, new: NewWork) -> Admission | None:
        """The same for work that joins an investigation; ``None``, and nothing written, for all other work and for known keys."""
        return await self._folding.fold(new)

    def _admit(self, c: sa.Connection, new: NewWork) -> Admission:
        row_id = investigation_id(new.key)
        self._mark(c, new.key)
        existing = self._find(c, schema.investigation.c.id == row_id)
        if existing is not None:
            return Admission(new=False, investigation=existing)
        folded = self.storms.decide(c, new.joiner) if new.kind == "alert" else None
        if new.foldable and new.fingerprint:
            self._fired(c, [new])
        row = self._row(new, folded)
        inserted = c.execute(self._insert(schema.investigation).values(**row).on_conflict_do_nothing()).rowcount == 1
        if new.kind == "alert" and inserted:
            self.storms.write(c, [(new.joiner, folded)])
        record = self._find(c, schema.investigation.c.id == row_id)
        assert record is not None
        return Admission(new=inserted, investigation=record)

    def _row(self, new: NewWork, folded: Fold | None) -> dict[str, Any]:
        return {
            "id": investigation_id(new.key),
            "key": new.key,
            "incident": incident_of(new),
            "kind": new.kind,
            "channel": new.channel,
            "ts": new.ts,
            "root": new.root,
            "name": new.name[:255],
            "work": new.work,
            "state": "folded" if folded else "queued",
            "into": folded.into if folded else "",
            "playbook": new.playbook[:80],
            "accepted_at": self._clock(),
        }

    def _fired(self, c: sa.Connection, works: list[NewWork]) -> None:
        if not works:
            return
        now = self._clock()
        row = self._insert(schema.incident)
        again = {
            "status": "firing",
            "fired": schema.incident.c.fired + 1,
            "last_at": now,
            "alert": row.excluded.alert,
            "resolved_at": None,
        }
        rows = [
            {
                "id": incident_of(new),
                "channel": new.channel,
                "fingerprint": new.fingerprint[:128],
                "name": new.name[:255],
                "status": "firing",
                "alert": new.alert,
                "fired": 1,
                "first_at": now,
                "last_at": now,
            }
            for new in works
        ]
        c.execute(row.on_conflict_do_update(index_elements=["id"], set_=again), rows)

    async def resolved(self, channel: str, fingerprint: str, ts: str) -> IncidentRecord | None:
        """Records that an alert is over; ``None`` when no such incident is known here."""

        def work(c: sa.Connection) -> IncidentRecord | None:
            i = schema.incident
            mine = i.c.id == incident_id(channel, fingerprint)
            now = self._clock()
            c.execute(i.update().where(mine).values(status="resolved", resolved_at=now, last_at=now, resolved_ts=ts))
            row = c.execute(sa.select(i).where(mine)).mappings().first()
            return IncidentRecord.model_validate(shaped(row, IncidentRecord)) if row else None

        return await self._db.run(work)

    # -- the life of an investigation -------------------------------------------------------------------------------------------

    async def begin(self, investigation: str) -> InvestigationRecord | None:
        """Counts one more attempt and takes it out of the queue unless somebody stopped it meanwhile; the row as it is now."""

        def work(c: sa.Connection) -> InvestigationRecord | None:
            i = schema.investigation
            mine = i.c.id == investigation
            c.execute(i.update().where(mine, i.c.state == "queued").values(state="running"))
            started = sa.func.coalesce(i.c.started_at, self._clock())
            c.execute(i.update().where(mine).values(attempts=i.c.attempts + 1, started_at=started))
            return self._find(c, mine)

        return await self._db.run(work)

    async def conclude(self, investigation: str, *, report: str, verdict: str, headline: str, playbook: str) -> None:
        """The report exists; it is not yet delivered."""
        values = {
            "report": report,
            "verdict": verdict,
            "headline": headline,
            "playbook": playbook,
            "state": "concluded",
        }
        await self._set(investigation, **values)

    async def finish(self, investigation: str, state: State, *, trouble: str = "") -> None:
        """The last word: ``done``, ``stopped``, ``failed``, ``folded`` or ``undelivered`` with its reason."""
        await self._set(investigation, state=state, trouble=trouble[:2000], finished_at=self._clock())

    async def ask_stop(self, investigation: str, by: str) -> State | None:
        """Writes down that somebody wants it stopped; answers the state before, ``None`` when it is unknown or already over.

        A queued one becomes ``stopped`` at once, so that it does not start any more.
        """

        def work(c: sa.Connection) -> State | None:
            i = schema.investigation
            mine = sa.and_(i.c.id == investigation, i.c.cancelled_by == "")
            # Two updates in one transaction: whichever row state is found decides, and `begin` takes the same lock.
            queued = c.execute(
                i.update().where(mine, i.c.state == "queued").values(state="stopped", cancelled_by=by[:128])
            )
            if queued.rowcount:
                return "queued"
            running = c.execute(i.update().where(mine, i.c.state == "running").values(cancelled_by=by[:128]))
            return "running" if running.rowcount else None

        return await self._db.run(work)

    async def stop_requests(self, investigations: list[str]) -> dict[str, str]:
        """Which of these somebody asked to stop, and who."""
        i = schema.investigation
        query = sa.select(i.c.id, i.c.cancelled_by).where(i.c.id.in_(investigations), i.c.cancelled_by != "")
        return await self._db.run(lambda c: {row.id: row.cancelled_by for row in c.execute(query)})

    async def _set(self, investigation: str, **values: Any) -> None:
        update = schema.investigation.update().where(schema.investigation.c.id == investigation).values(**values)
        await self._db.run(lambda c: c.execute(update))

    # -- reading ----------------------------------------------------------------------------------------------------------------

    async def get(self, investigation: str) -> InvestigationRecord | None:
        return await self._db.run(lambda c: self._find(c, schema.investigation.c.id == investigation))

    async def recent(self, limit: int = 10, *, channel: str = "", kind: str = "alert") -> list[InvestigationRecord]:
        """The newest first."""
        i = schema.investigation
        query = sa.select(*_RECORD).where(i.c.kind == kind).order_by(i.c.accepted_at.desc()).limit(limit)
        if channel:
            query = query.where(i.c.channel == channel)
        return await self._db.run(lambda c: [record_of(row) for row in c.execute(query).mappings()])

    async def unfinished(self) -> list[InvestigationRecord]:
        """Everything that was accepted and has no last word yet, the oldest first."""
        i = schema.investigation
        query = sa.select(*_RECORD).where(i.c.state.in_(OPEN)).order_by(i.c.accepted_at)
        return await self._db.run(lambda c: [record_of(row) for row in c.execute(query).mappings()])

    async def in_thread(self, channel: str, root: str) -> list[InvestigationRecord]:
        """The investigations that are seen in this thread, the newest first; a folded alert's thread leads to the one it is part of."""

        def work(c: sa.Connection) -> list[InvestigationRecord]:
            i = schema.investigation
            here = sa.and_(i.c.channel == channel, i.c.root == root, i.c.kind == "alert")
            query = sa.select(*_RECORD).where(here).order_by(i.c.accepted_at.desc()).limit(20)
            records = [record_of(row) for row in c.execute(query).mappings()]
            leads = [self._find(c, i.c.id == r.into) for r in records if r.into]
            return [r for r in records if not r.into] + [lead for lead in leads if lead is not None]

        return await self._db.run(work)

    async def work(self, investigation: str) -> str | None:
        """The work that started it, as JSON."""
        return await self._column(investigation, "work")

    async def report(self, investigation: str) -> str | None:
        """The report as JSON; ``None`` while there is none."""
        return await self._column(investigation, "report")

    async def _column(self, investigation: str, name: str) -> str | None:
        query = sa.select(schema.investigation.c[name]).where(schema.investigation.c.id == investigation)
        value = await self._db.run(lambda c: c.execute(query).scalar())
        return str(value) if value is not None else None

    def _find(self, c: sa.Connection, where: sa.ColumnElement[bool]) -> InvestigationRecord | None:
        row = c.execute(sa.select(*_RECORD).where(where)).mappings().first()
        return record_of(row) if row else None

    # -- the step journal -------------------------------------------------------------------------------------------------------

    async def save_step(self, investigation: str, step: str, evidence: str) -> None:
        """A finished step's evidence (JSON list); a later save of the same step wins."""
        values = {"investigation": investigation, "step": step[:80], "evidence": evidence, "at": self._clock()}
        row = self._insert(schema.journal).values(**values)
        upsert = row.on_conflict_do_update(
            index_elements=["investigation", "step"], set_={"evidence": evidence, "at": values["at"]}
        )
        await self._db.run(lambda c: c.execute(upsert))

    async def load_steps(self, investigation: str) -> dict[str, str]:
        """Step id to its evidence (JSON list), of the steps that finished."""
        j = schema.journal
        query = sa.select(j.c.step, j.c.evidence).where(j.c.investigation == investigation)
        return await self._db.run(lambda c: {row.step: row.evidence for row in c.execute(query)})

    # -- messages ---------------------------------------------------------------------------------------------------------------

    async def claim(self, investigation: str, kind: str, channel: str) -> MessageRecord | None:
        """Writes down that this message is about to be posted. ``None``: nobody tried before. Else what is known of the earlier try."""

        def work(c: sa.Connection) -> MessageRecord | None:
            values = {"investigation": investigation, "kind": kind, "channel": channel, "ts": "", "at": self._clock()}
            if c.execute(self._insert(schema.message).values(**values).on_conflict_do_nothing()).rowcount == 1:
                return None
            m = schema.message
            row = c.execute(sa.select(m).where(m.c.investigation == investigation, m.c.kind == kind)).mappings().one()
            return MessageRecord.model_validate(shaped(row, MessageRecord))

        return await self._db.run(work)

    async def posted(self, investigation: str, kind: str, channel: str, ts: str) -> None:
        """Slack took the message (``ts``), or the file (its id)."""
        row = self._insert(schema.message).values(
            investigation=investigation, kind=kind, channel=channel, ts=ts, at=self._clock()
        )
        upsert = row.on_conflict_do_update(
            index_elements=["investigation", "kind"], set_={"ts": ts, "channel": channel}
        )
        await self._db.run(lambda c: c.execute(upsert))

    async def message(self, investigation: str, kind: str) -> MessageRecord | None:
        m = schema.message
        query = sa.select(m).where(m.c.investigation == investigation, m.c.kind == kind)

        def work(c: sa.Connection) -> MessageRecord | None:
            row = c.execute(query).mappings().first()
            return MessageRecord.model_validate(shaped(row, MessageRecord)) if row else None

        return await self._db.run(work)

    # -- channels ---------------------------------------------------------------------------------------------------------------

    async def met(self, channel: str, at: float) -> float:
        """Up to when (epoch seconds) the channel's history was read; ``at``, which is written down, for one that is new here."""

        def work(c: sa.Connection) -> float:
            new = self._insert(schema.channel).values(channel=channel, read_to=at)
            c.execute(new.on_conflict_do_nothing())
            known = c.execute(sa.select(schema.channel.c.read_to).where(schema.channel.c.channel == channel))
            return float(known.scalar_one())

        return await self._db.run(work)

    async def read_to(self, channel: str, at: float) -> None:
        """The channel's history was read up to ``at``; never goes back."""

        def work(c: sa.Connection) -> None:
            t = schema.channel
            c.execute(self._insert(t).values(channel=channel, read_to=at).on_conflict_do_nothing())
            c.execute(t.update().where(t.c.channel == channel, t.c.read_to < at).values(read_to=at))

        await self._db.run(work)

    async def channels(self) -> list[str]:
        """Every channel that was ever met, by id."""
        query = sa.select(schema.channel.c.channel).order_by(schema.channel.c.channel)
        return await self._db.run(lambda c: list(c.execute(query).scalars()))

    # -- feedback ---------------------------------------------------------------------------------------------------------------

    async def rate(
        self, investigation: str, user: str, value: Literal["up", "down"], reason: str | None = None
    ) -> None:
        """One vote a person; the last one wins. ``reason`` ``None`` keeps an earlier reason of the same vote."""

        def work(c: sa.Connection) -> None:
            f = schema.feedback
            mine = sa.and_(f.c.investigation == investigation, f.c.user == user)
            before = c.execute(sa.select(f.c.value, f.c.reason).where(mine)).first()
            kept = before.reason if before is not None and reason is None and before.value == value else ""
            said = {"value": value, "reason": (reason if reason is not None else kept)[:3000], "at": self._clock()}
            row = self._insert(f).values(investigation=investigation, user=user, **said)
            c.execute(row.on_conflict_do_update(index_elements=["investigation", "user"], set_=said))

        await self._db.run(work)

    async def ratings(self, investigation: str) -> list[FeedbackRecord]:
        f = schema.feedback
        query = sa.select(f).where(f.c.investigation == investigation).order_by(f.c.at)

        def work(c: sa.Connection) -> list[FeedbackRecord]:
            return [FeedbackRecord.model_validate(shaped(r, FeedbackRecord)) for r in c.execute(query).mappings()]

        return await self._db.run(work)

    # -- housekeeping -----------------------------------------------------------------------------------------------------------

    async def forget(self, *, keys_older_than: float, journals_older_than: float) -> None:
        """Drops deduplication keys and step journals of finished investigations that are older than so many seconds."""

        def work(c: sa.Connection) -> None:
            now = self._clock()
            self.storms.forget(c, journals_older_than)
            c.execute(schema.seen.delete().where(schema.seen.c.at < now - keys_older_than))
            i, j = schema.investigation, schema.journal
            still_open = sa.select(i.c.id).where(i.c.state.in_(OPEN))
            c.execute(j.delete().where(j.c.at < now - journals_older_than, j.c.investigation.not_in(still_open)))

        await self._db.run(work)
