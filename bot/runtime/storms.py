"""Telling of storms: each alert that joined another investigation says so in its own thread, and the leader's card says who joined.

The joining itself is written down at the door. This is the slow part, at the pace that Slack allows, from the store: a restart goes on
where it stopped. When a leader has its verdict, alerts that had joined for a loose reason and that the verdict does not speak of get an
investigation of their own, a few at most.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime

import structlog

from bot.alerts.fingerprint import stem
from bot.alerts.lead import MAX_SIBLINGS, lead, sibling
from bot.alerts.model import Alert
from bot.alerts.storm import Place
from bot.incidents.model import JoinedRecord
from bot.incidents.store import Store
from bot.incidents.storms import Untold
from bot.investigation.model import Report
from bot.runtime.contracts import DeliveryError, Thread, Work

log = structlog.get_logger(__name__)

LINES = 12
"""So many alerts of one storm get a line in their thread; the others only the mark, which costs Slack and people less."""
TELL_WITHIN_S = 3600.0
SHOW_S = 2.0
IDLE_S = 30.0
AGAIN_S = 5.0
MAX_SPLITS = 3
LOOKED_THROUGH = 500


class Storms:
    """Runs beside the runtime. `wake` it when something joined; ``accept`` takes what is split off."""

    def __init__(self, store: Store, thread: Thread, accept: Callable[[Work], Awaitable[bool]]) -> None:
        self._store = store
        self._storms = store.storms
        self._thread = thread
        self._accept = accept
        self._tell = asyncio.Event()
        self._show = asyncio.Event()

    def wake(self) -> None:
        """Something joined just now."""
        self._tell.set()
        self._show.set()

    # -- the threads of those that joined ---------------------------------------------------------------------------------------

    async def tell(self) -> None:
        """For ever: one line, or a mark, in the thread of each that joined."""
        while True:
            self._tell.clear()
            left = await self._storms.give_up(TELL_WITHIN_S)
            if left:
                log.warning("joined_not_told", alerts=left, because=f"older than {TELL_WITHIN_S:.0f} s")
            waiting = await self._storms.untold(LINES)
            away = not await self._tell_all(waiting)
            if not waiting or away:
                await _until(self._tell, AGAIN_S if away else IDLE_S, at_least=AGAIN_S if away else 0.0)

    async def _tell_all(self, waiting: Sequence[Untold]) -> bool:
        """False: Slack is away, and what is left waits."""
        done: dict[bool, list[str]] = {False: [], True: []}  # given up or not -> ids
        away = False
        for one in waiting:
            try:
                work = Work.model_validate_json(one.work)
                await self._thread.folded(work, one.channel, one.root, because=one.joined.because, quiet=one.quiet)
            except DeliveryError as error:
                log.warning("joined_not_told", investigation=one.joined.id, error=str(error), permanent=error.permanent)
                away = not error.permanent
                if away:
                    break
                done[True].append(one.joined.id)
            else:
                done[False].append(one.joined.id)
        for given_up, ids in done.items():
            if ids:
                await self._storms.told(ids, given_up=given_up)
        return not away

    # -- the leaders' cards -----------------------------------------------------------------------------------------------------

    async def show(self) -> None:
        """For ever: who joined, on the card of each leader, running or finished."""
        while True:
            self._show.clear()
            waiting = False
            for leader in await self._storms.unshown():
                waiting = not await self._show_one(leader) or waiting
            await _until(self._show, SHOW_S if waiting else IDLE_S, at_least=SHOW_S)

    async def _show_one(self, leader: str) -> bool:
        """False: it is being delivered just now, or Slack is away; later, then."""
        gathered, row, stored = (
            await self._storms.gathered(leader),
            await self._store.get(leader),
            await self._store.work(leader),
        )
        if gathered is None or row is None or stored is None:
            return True
        if row.state == "concluded":
            return False
        report = await self._store.report(leader) if row.state == "done" else None
        try:
            await self._thread.gathered(
                Work.model_validate_json(stored),
                gathered,
                Report.model_validate_json(report) if report is not None else None,
            )
        except DeliveryError as error:
            log.warning("gathered_not_shown", investigation=leader, error=str(error))
            if not error.permanent:
                return False
        await self._storms.shown(leader, gathered.count)
        return True

    # -- what the investigation gets of it --------------------------------------------------------------------------------------

    async def with_joined(self, alert: Alert, investigation: str) -> Alert:
        """The leading alert with what joined until now among its siblings: they are evidence."""
        room = MAX_SIBLINGS - len(alert.siblings)
        found = await self._storms.joined(investigation, limit=room) if room > 0 else []
        more = [await self._alert_of(joined) for joined in found]
        siblings = tuple(sibling(a) for a in more if a is not None and a.fingerprint != alert.fingerprint)
        return alert.model_copy(update={"siblings": (*alert.siblings, *siblings)}) if siblings else alert

    async def _alert_of(self, joined: JoinedRecord) -> Alert | None:
        work = await self._store.work(joined.id)
        alerts = Work.model_validate_json(work).alerts if work is not None else ()
        return lead(alerts) if alerts else None

    # -- splitting off ----------------------------------------------------------------------------------------------------------

    async def split_rest(self) -> None:
        """At a start: splits off what a process that was killed right after its verdict had no time for.

        The same verdict splits off the same alerts, and an alert that was split off before is known by its key.
        """
        for leader in await self._storms.loosely_joined():
            work, report = await self._store.work(leader), await self._store.report(leader)
            if work is not None and report is not None:
                await self.split(Work.model_validate_json(work), Report.model_validate_json(report))

    async def split(self, work: Work, report: Report) -> int:
        """Starts investigations for what joined for a loose reason and is about something that ``report`` does not speak of.

        One for each such place, at most `MAX_SPLITS`; what is split off splits no further. How many that were.
        """
        if not work.key.startswith("alert:"):
            return 0
        known = spoken_of(report)
        done: set[str] = set()
        for joined in await self._storms.joined(report.id, limit=LOOKED_THROUGH, loose=True):
            place = next((p for p in joined.joining.places if not explained(p, report, known)), None)
            if place is None or place.said in done:
                continue
            stored = await self._store.work(joined.id)
            if stored is None:
                continue
            done.add(place.said)
            await self._accept(_apart(Work.model_validate_json(stored), place, report))
            if len(done) >= MAX_SPLITS:
                break
        if done:
            log.info("split_off", investigation=report.id, places=sorted(done))
        return len(done)


def spoken_of(report: Report) -> frozenset[str]:
    """The names of everything that the causes, the findings that hold and the evidence of a report speak of."""
    paths = [c.object for c in report.causes]
    paths += [f.object for f in report.findings if f.state == "true"]
    paths += [path for e in report.evidence for s in e.signals for path in (s.subject, s.owner or "")]
    names = {path.rpartition("/")[2] for path in paths if path}
    return frozenset(names | {stem(name) for name in names})


def explained(place: Place, report: Report, known: Iterable[str]) -> bool:
    """Whether nothing speaks against ``report`` covering ``place``: it names it, or its cause is where the place may well run."""
    if not place.name and not place.node:
        return True
    if place.name in known or place.node in known:
        return True
    top = report.causes[0].object if report.causes and report.verdict != "inconclusive" else ""
    return top.startswith("Node/") and not place.node


def _apart(work: Work, place: Place, report: Report) -> Work:
    """The same alert once more, to be investigated by itself in its own thread."""
    note = f"it had joined the investigation of {report.alert.name[:80]}, which does not speak of {place.said[:120]}"
    return work.model_copy(update={"key": f"split:{work.key}", "note": note, "received_at": datetime.now(UTC)})


async def _until(event: asyncio.Event, seconds: float, *, at_least: float = 0.0) -> None:
    """Until the event, at most ``seconds``; never sooner than ``at_least``."""
    if at_least:
        await asyncio.sleep(at_least)
    try:
        async with asyncio.timeout(max(seconds - at_least, 0.001)):
            await event.wait()
    except TimeoutError:
        return
