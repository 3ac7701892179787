"""`Runtime`: what is accepted here is investigated, whatever happens to the process.

The order at the door matters. The workflow is enqueued first (durable, idempotent by key), then the row is written: a crash in between
leaves a workflow that writes the row itself, never a row without a workflow. Only then does the caller acknowledge the event.
The first visible sign does not wait for a free slot: it is made at once, and the workflow makes sure of it again.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from bot.alerts.model import Alert
from bot.alerts.storm import Kin
from bot.incidents.database import sqlite_file
from bot.incidents.ids import investigation_id
from bot.incidents.model import InvestigationRecord
from bot.incidents.store import Store
from bot.investigation.model import Progress, Report
from bot.observe.metrics import METRICS, Metrics
from bot.runtime.contracts import DeliveryError, Thread, Work
from bot.runtime.delivery import DELAYS_S, Delivery, nothing_yet
from bot.runtime.durable import Durable
from bot.runtime.lock import FileLock
from bot.runtime.outcome import Outcome
from bot.runtime.ports import Answer, Investigate, Look
from bot.runtime.stages import Investigations, Running, lead_alert, new_work
from bot.runtime.storms import Storms
from bot.settings import LimitSettings
from mcp_servers.common.untrusted import clean

log = structlog.get_logger(__name__)

WATCH_S = 1.0  # how often stop requests that came through another replica are looked for
HOUSEKEEPING_S = 6 * 3600.0
KEEP_KEYS_S = 7 * 86_400.0
KEEP_JOURNALS_S = 2 * 86_400.0
ANSWER_S = 60.0

Received = Literal["started", "folded", "repeated", "refused"]


def no_kin(alert: Alert) -> tuple[Kin, ...]:
    """No playbook says what drags along what."""
    return ()


class NotAccepting(Exception):
    """The runtime is not started or is stopping: the event must not be acknowledged, so that another process gets it."""


class Runtime:
    """Durable investigations.

    ``investigate`` and ``answer`` do the thinking, ``thread`` is where it is seen, ``kin`` gives what an alert's trouble drags along.
    ``look`` asks the sender whether an alert still fires. ``drain_s`` is how long `stop` waits for running investigations; what is left
    resumes at the next start.
    """

    def __init__(
        self,
        store: Store,
        investigate: Investigate,
        thread: Thread,
        *,
        answer: Answer | None = None,
        limits: LimitSettings | None = None,
        drain_s: float = 20.0,
        delivery_delays: tuple[float, ...] = DELAYS_S,
        executor: str = "",
        metrics: Metrics = METRICS,
        kin: Callable[[Alert], Iterable[Kin]] = no_kin,
        look: Look | None = None,
    ) -> None:
        self.store = store
        self.thread = thread
        self.limits = limits or LimitSettings()
        self._answer = answer
        self._metrics = metrics
        self._drain_s = drain_s
        self._kin = kin
        self._storms = Storms(store, thread, self._take)
        self._investigations = Investigations(store, thread, investigate, self.limits, self._storms, look)
        self._delivery = Delivery(store, thread, delays=delivery_delays)
        self._durable = Durable(store.url, parallel=self.limits.parallel_investigations, executor=executor)
        file = sqlite_file(store.url)
        self._lock = FileLock(file) if file is not None else None
        self._door = asyncio.Lock()
        self._accepting = False
        self._stopping = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stages: set[asyncio.Task[Any]] = set()

    # -- life -------------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens the store, launches the engine and resumes what was under way. The thread must be able to post by now.

        Raises `bot.runtime.lock.StoreInUse`, `bot.incidents.schema.SchemaTooNew` or SQLAlchemy's errors when the store cannot be had.
        """
        if self._lock is not None:
            self._lock.take()
        await self.store.open()
        await self._durable.start(self._work)
        await self._adopt_orphans()
        self._accepting = True
        self._spawn(self._watch_stop_requests())
        self._spawn(self._keep_house())
        self._spawn(self._storms.tell())
        self._spawn(self._storms.show())
        self._spawn(self._storms.split_rest())

    async def stop(self) -> None:
        """Accepts nothing more, lets running investigations end for ``drain_s`` seconds, leaves the rest for the next start."""
        self._accepting = False
        self._stopping = True
        if self._stages:
            await asyncio.wait(set(self._stages), timeout=self._drain_s)
        left = [*self._stages, *self._tasks]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=10.0)
        await self._durable.stop()
        await self.store.close()
        if self._lock is not None:
            self._lock.free()

    @property
    def accepting(self) -> bool:
        return self._accepting

    # -- the door ---------------------------------------------------------------------------------------------------------------

    async def accept(self, work: Work) -> bool:
        """Takes a piece of work; durable when it returns. False: this key was seen before.

        Messages that only say that alerts are over are recorded and start nothing. Raises `NotAccepting` while stopping.
        """
        if not self._accepting:
            raise NotAccepting(
                "The bot is starting or stopping and takes no new work; the event goes to another process or comes again."
            )
        if work.kind == "alert" and work.alerts and all(a.status == "resolved" for a in work.alerts):
            return await self._over(work)
        return await self.receive(work) in {"folded", "started"}

    async def receive(self, work: Work, *, may_start: Callable[[], bool] = lambda: True) -> Received:
        """As `accept`, and says what became of it. ``may_start`` is asked only when an investigation would begin.

        Whoever begins one does so alone: what comes in the same moment finds it there and joins. Raises `NotAccepting`.
        """
        if await self._join(work):
            return "folded"
        async with self._door:
            if not self._accepting:
                raise NotAccepting("The bot is stopping; the event goes to another process or comes again.")
            if await self._join(work):
                return "folded"
            if await self.store.seen(work.key):
                return "repeated"
            if not may_start():
                return "refused"
            return "started" if await self._take(work) else "repeated"

    async def _take(self, work: Work) -> bool:
        if await self.store.seen(work.key):
            return False
        await self._durable.enqueue(work.key, work.kind, work.model_dump_json())
        admission = await self.store.admit(new_work(work, self._kin_of(work)))
        if admission.new:
            self._spawn(self._first_sign(work, admission.investigation))
        return admission.new

    async def _join(self, work: Work) -> bool:
        """Takes an alert that is part of an investigation which runs, durably; costs nothing more. False, and nothing done: it is not."""
        if not self._accepting or work.kind != "alert" or not work.alerts:
            return False
        admission = await self.store.fold(new_work(work))
        if admission is None or not admission.new or admission.investigation.state != "folded":
            return False
        self._storms.wake()
        return True

    def _kin_of(self, work: Work) -> Iterable[Kin]:
        return self._kin(lead_alert(work)[0]) if work.kind == "alert" and work.alerts else ()

    async def _over(self, work: Work) -> bool:
        if not await self.store.mark_seen(f"{work.key}:resolved"):
            return False
        for alert in work.alerts:
            incident = await self.store.resolved(work.channel, alert.fingerprint, work.ts)
            log.info("alert_resolved", alert=alert.name, known=incident is not None)
        return True

    async def _first_sign(self, work: Work, row: InvestigationRecord) -> None:
        if row.state == "folded":  # it came beside the one that leads, and its own thread says so
            self._storms.wake()
            return
        if work.kind == "alert" and not work.alerts:
            return  # one line, and the workflow says it
        await self.thread.opened(work, row.id)
        busy = len(self._investigations.under_way) >= self.limits.parallel_investigations
        now = await self.store.get(row.id) if work.kind == "alert" and busy else None
        if now is not None and now.state == "queued":
            waiting = Progress(
                investigation=row.id,
                stage="accepted",
                alert=lead_alert(work)[0],
                line=f"waiting: {self.limits.parallel_investigations} other investigations are running",
                started_at=datetime.now(UTC),
            )
            self.thread.progress(work, waiting)

    # -- stopping one -----------------------------------------------------------------------------------------------------------

    async def cancel(self, investigation: str, by: str) -> bool:
        """Stops an investigation wherever it runs; false when it is unknown or already over."""
        state = await self.store.ask_stop(investigation, by)
        if state is None:
            return False
        running = self._investigations.under_way.get(investigation)
        if running is not None:
            running.stop(by)
        elif state == "queued":
            self._spawn(self._say_stopped(investigation, by))
        return True

    async def _say_stopped(self, investigation: str, by: str) -> None:
        """A queued one says so at once; its workflow says the same again when its turn comes, which changes nothing."""
        stored = await self.store.work(investigation)
        if stored is None:
            return
        work = Work.model_validate_json(stored)
        try:
            await self.thread.stopped(work, nothing_yet(work, investigation), by)
        except DeliveryError as error:
            log.warning("stop_not_shown_yet", investigation=investigation, error=str(error))

    async def _watch_stop_requests(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            under_way = dict(self._investigations.under_way)
            if under_way:
                for investigation, by in (await self.store.stop_requests(list(under_way))).items():
                    under_way[investigation].stop(by)

    # -- looking ----------------------------------------------------------------------------------------------------------------

    def running(self) -> list[Running]:
        """What this process is investigating right now, the oldest first."""
        return sorted(self._investigations.under_way.values(), key=lambda r: r.since)

    async def recent(self, limit: int = 10) -> list[InvestigationRecord]:
        """The newest investigations of all processes, the newest first."""
        return await self.store.recent(limit)

    async def report(self, investigation: str) -> Report | None:
        """The finished report; ``None`` while there is none."""
        stored = await self.store.report(investigation)
        return Report.model_validate_json(stored) if stored is not None else None

    async def work_of(self, investigation: str) -> Work | None:
        """What started it."""
        stored = await self.store.work(investigation)
        return Work.model_validate_json(stored) if stored is not None else None

    # -- the workflow -----------------------------------------------------------------------------------------------------------

    async def _work(self, payload: str) -> None:
        """The workflow's body. Each stage is a checkpoint: what returned once is not run again after a crash."""
        if self._stopping:
            raise asyncio.CancelledError  # taken from the queue too late; it stays pending and resumes at the next start
        task = asyncio.current_task()
        assert task is not None
        self._stages.add(task)
        work = Work.model_validate_json(payload)
        investigation = investigation_id(work.key)
        if work.kind == "alert":
            self._metrics.running.inc()
        try:
            with structlog.contextvars.bound_contextvars(incident=investigation):
                if work.kind == "question":
                    await self._durable.step("answer", self._answer_stage, payload)
                    return
                outcome = await self._investigated(payload)
                await self._durable.step("deliver", self._deliver_stage, payload, outcome)
                await self._count(investigation)
        finally:
            self._stages.discard(task)
            if work.kind == "alert":
                self._metrics.running.dec()

    async def _count(self, investigation: str) -> None:
        row = await self.store.get(investigation)
        if row is None or row.state == "folded":
            return
        self._metrics.investigations_finished.labels(verdict=row.verdict if row.state == "done" else row.state).inc()
        if row.started_at is not None and row.finished_at is not None and row.state == "done":
            self._metrics.investigation_seconds.observe((row.finished_at - row.started_at).total_seconds())

    async def _investigated(self, payload: str) -> str:
        try:
            return await self._durable.step("investigate", self._investigate_stage, payload)
        except (
            Exception
        ) as error:  # the store or the thread failed in a way nobody foresaw: it must be seen, not just logged
            log.exception("stage_failed")
            said = clean(f"{type(error).__name__}: {error}", 200)
            message = f"The investigation could not be carried out: {said}. The bot's log has the details; press Re-run to try again."
            return Outcome(kind="failed", message=message).model_dump_json()

    async def _investigate_stage(self, payload: str) -> str:
        self._metrics.investigations_started.inc()
        outcome = await self._investigations.run(Work.model_validate_json(payload))
        return outcome.model_dump_json()

    async def _deliver_stage(self, payload: str, outcome: str) -> None:
        work, ended = Work.model_validate_json(payload), Outcome.model_validate_json(outcome)
        await self._delivery.deliver(work, ended)
        report = await self.report(investigation_id(work.key)) if ended.kind == "report" else None
        if report is not None:
            # The engine takes no new work inside of a step, so this is none of it: a context of its own.
            self._spawn(self._split(work, report), context=contextvars.Context())

    async def _split(self, work: Work, report: Report) -> None:
        await self._storms.split(work, report)

    async def _answer_stage(self, payload: str) -> None:
        work = Work.model_validate_json(payload)
        await self.store.admit(new_work(work))
        await self.thread.opened(work, investigation_id(work.key))
        text, evidence = await self._answered(work)
        await self._delivery.answer(work, text, evidence)

    async def _answered(self, work: Work) -> tuple[str, tuple[str, ...]]:
        rows = await self.store.in_thread(work.channel, work.thread_ts or work.ts)
        if not rows:
            return "There is no investigation in this thread to ask about.", ()
        reports = [await self.report(row.id) for row in rows[:3]]
        report = next((r for r in reports if r is not None), None)
        if report is None:
            if rows[0].is_open:
                return (
                    "The investigation is still running; its card shows what is known so far. Ask again when it is done.",
                    (),
                )
            return "The investigation in this thread ended without a report, so there is nothing to answer from.", ()
        if self._answer is None:
            return report.summary or report.headline, ()
        task = asyncio.ensure_future(self._answer(work.text, report))
        await asyncio.wait({task}, timeout=ANSWER_S)
        if task.done() and not task.cancelled() and task.exception() is None:
            return task.result()
        if not task.done():
            task.cancel()
            return f"No answer came within {ANSWER_S:.0f} s. The report above stands: {report.headline}", ()
        log.error("answer_failed", exc_info=None if task.cancelled() else task.exception())
        return (
            f"The question could not be answered; the bot's log says why. The report above stands: {report.headline}",
            (),
        )

    # -- keeping order ----------------------------------------------------------------------------------------------------------

    async def _adopt_orphans(self) -> None:
        """Work without a workflow that would do it (another version's, or a lost one) is enqueued again under a key of its own."""
        for row in await self.store.unfinished():
            standing = await self._durable.standing(row.key)
            stored = await self.store.work(row.id) if standing != "waiting" else None
            if stored is not None:
                log.warning("work_adopted", investigation=row.id, standing=standing)
                await self._durable.enqueue(f"{row.key}#{row.attempts + 1}", row.kind, stored)

    async def _keep_house(self) -> None:
        while True:
            await self.store.forget(keys_older_than=KEEP_KEYS_S, journals_older_than=KEEP_JOURNALS_S)
            await self._durable.forget_old()
            await asyncio.sleep(HOUSEKEEPING_S)

    def _spawn(self, coroutine: Coroutine[Any, Any, None], context: contextvars.Context | None = None) -> None:
        task = asyncio.create_task(coroutine, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._reap)

    def _reap(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background_task_failed", exc_info=error)
