"""The middle stage: one alert is investigated, with a time limit, a way to stop it, and a journal that survives a kill."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from bot.alerts.lead import lead
from bot.alerts.model import Alert
from bot.alerts.storm import Joining, Kin, joining_of
from bot.incidents.ids import investigation_id
from bot.incidents.store import NewWork, Store
from bot.investigation.anchor import LATE
from bot.investigation.investigator import Emit
from bot.investigation.model import Progress, Report
from bot.investigation.still_firing import resolved_meanwhile
from bot.runtime.contracts import Thread, Work
from bot.runtime.journal import StoreJournal
from bot.runtime.outcome import Outcome
from bot.runtime.ports import Investigate, Look
from bot.runtime.storms import Storms
from bot.settings import LimitSettings
from mcp_servers.common.untrusted import clean

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 3  # a piece of work that takes the process down with it must not do so for ever
CANCEL_GRACE_S = 5.0


@dataclass
class Running:
    """An investigation under way in this process. ``progress`` is its latest state."""

    investigation: str
    work: Work
    since: datetime
    task: "asyncio.Task[Report]"
    progress: Progress | None = None
    stopped_by: str = ""

    def stop(self, by: str) -> None:
        """Cancels it now, wherever it waits."""
        self.stopped_by = self.stopped_by or by
        self.task.cancel()


@dataclass
class Investigations:
    """Runs investigations and knows which are under way."""

    store: Store
    thread: Thread
    investigate: Investigate
    limits: LimitSettings
    storms: Storms
    look: Look | None = None
    under_way: dict[str, Running] = field(default_factory=dict)

    async def run(self, work: Work) -> Outcome:
        """Investigates the work's first firing alert. Safe to run again after a crash at any point."""
        investigation = investigation_id(work.key)
        await self.store.admit(new_work(work))  # a crash may have come between the enqueueing and the row
        row = await self.store.begin(investigation)
        assert row is not None
        if row.state == "folded":
            return Outcome(kind="folded")
        if row.state == "concluded":
            return Outcome(kind="report")
        if row.cancelled_by:
            return Outcome(kind="stopped", by=row.cancelled_by)
        if not work.alerts:
            return Outcome(kind="failed", message=work.trouble or "The message holds no alert that can be read.")
        if row.attempts > MAX_ATTEMPTS:
            return Outcome(
                kind="failed",
                message=f"The bot's process ended {MAX_ATTEMPTS} times during this investigation, so it is not tried again. "
                "The process's log says why; press Re-run once that is mended.",
            )
        await self.thread.opened(work, investigation)
        return await self._watched(work, investigation)

    async def _watched(self, work: Work, investigation: str) -> Outcome:
        alert, others = lead_alert(work)
        alert = await self.storms.with_joined(alert, investigation)

        def emit(progress: Progress) -> None:
            running.progress = progress
            self.thread.progress(work, progress)

        task = asyncio.ensure_future(self._examined(work, alert, investigation, emit))
        running = Running(investigation, work, datetime.now(UTC), task)
        self.under_way[investigation] = running
        try:
            await asyncio.wait({task}, timeout=self.limits.investigation_s)
            timed_out = not task.done()
            if timed_out:
                task.cancel()
                await asyncio.wait({task}, timeout=CANCEL_GRACE_S)
        finally:
            self.under_way.pop(investigation, None)
            if not task.done():  # the process is going down: the next one resumes from the journal
                task.cancel()
                await asyncio.wait({task}, timeout=CANCEL_GRACE_S)
        return await self._ended(running, others, timed_out=timed_out)

    async def _examined(self, work: Work, alert: Alert, investigation: str, emit: Emit) -> Report:
        """The report; without any check of the playbook for an alert that is over by now and that nobody asked about by hand."""
        started, note = datetime.now(UTC), ""
        seen = posted(work)
        if self.look is not None:
            standing = await self.look(alert, seen_at=seen)
            if standing.state == "over" and not work.key.startswith("run:") and not work.playbook:
                return resolved_meanwhile(standing, investigation=investigation, started_at=started)
            alert, note = standing.alert, standing.note
        if alert.starts_at is None and started - seen >= LATE:
            alert = alert.model_copy(
                update={"starts_at": seen}
            )  # its message is the nearest to its beginning that is known
        report = await self.investigate(
            alert,
            investigation=investigation,
            playbook=work.playbook,
            inputs=work.inputs,
            emit=emit,
            journal=StoreJournal(self.store, investigation),
        )
        return report.model_copy(update={"notes": (*report.notes, note)}) if note else report

    async def _ended(self, running: Running, others: str, *, timed_out: bool) -> Outcome:
        task = running.task
        if task.done() and not task.cancelled() and task.exception() is None:
            await self._conclude(running, task.result(), others)
            return Outcome(kind="report")
        if running.stopped_by:
            return Outcome(kind="stopped", by=running.stopped_by, progress=running.progress)
        if timed_out:
            return Outcome(kind="failed", message=self._out_of_time(running))
        if task.cancelled():
            return Outcome(
                kind="failed", message="The investigation was interrupted from inside. Press Re-run to try again."
            )
        error = task.exception()
        log.error("investigation_failed", exc_info=error)
        said = clean(f"{type(error).__name__}: {error}", 300)
        return Outcome(
            kind="failed",
            message=f"The investigation ended with an error: {said}. Press Re-run to try again; the bot's log has the details.",
        )

    def _out_of_time(self, running: Running) -> str:
        steps = running.progress.steps if running.progress else ()
        waiting = [s.title for s in steps if s.status == "running"]
        on_what = f" while waiting for: {', '.join(waiting[:3])}" if waiting else ""
        return (
            f"The investigation took longer than {self.limits.investigation_s:g} s and was ended{on_what}. "
            "Press Re-run to try again, or raise limits.investigation_s."
        )

    async def _conclude(self, running: Running, report: Report, others: str) -> None:
        investigation = running.investigation
        notes = tuple(note for note in (running.work.note, *report.notes, others) if note)
        report = report.model_copy(update={"id": investigation, "notes": notes})
        await self.store.conclude(
            investigation,
            report=report.model_dump_json(),
            verdict=report.verdict,
            headline=report.headline,
            playbook=report.playbook,
        )


def lead_alert(work: Work) -> tuple[Alert, str]:
    """The alert that the card is about (the first that fires), and a line about the others in the same message."""
    first = lead(work.alerts)
    chosen = next((a for a in work.alerts if a.status == "firing"), work.alerts[0])
    others = [a for a in work.alerts if a is not chosen]
    if not others:
        return first, ""
    names = ", ".join(dict.fromkeys(clean(a.name, 60) for a in others[:5]))
    more = "1 more alert" if len(others) == 1 else f"{len(others)} more alerts"
    return first, f"{more} in the same message ({names}); this investigation is about the first that fires"


def posted(work: Work) -> datetime:
    """When the message was posted, as Slack's ``ts`` says it; when it was received, for all else."""
    try:
        at = float(work.ts)
        return datetime.fromtimestamp(at, UTC) if at > 1e9 else work.received_at
    except (ValueError, OverflowError, OSError):
        return work.received_at


def new_work(work: Work, kin: Iterable[Kin] = ()) -> NewWork:
    """What the store keeps of a piece of work: all but the raw event. ``kin`` are the alerts that its trouble drags along."""
    alert = lead_alert(work)[0] if work.alerts else None
    return NewWork(
        key=work.key,
        kind=work.kind,
        channel=work.channel,
        ts=work.ts,
        root=work.thread_ts or work.ts,
        name=alert.name if alert else clean(work.text, 80),
        work=work.model_copy(update={"event": {}}).model_dump_json(),
        fingerprint=alert.fingerprint if alert else "",
        alert=alert.model_dump_json() if alert else "",
        playbook=work.playbook,
        foldable=work.key.startswith("alert:") and alert is not None,
        joining=joining_of([alert, *(a for a in work.alerts if a.status == "firing")], kin) if alert else Joining(),
    )
