"""The middle stage: one alert is investigated, with a time limit, a way to stop it, and a journal that survives a kill."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from bot.incidents.ids import investigation_id
from bot.incidents.store import NewWork, Store
from bot.investigation.model import Progress, Report
from bot.runtime.contracts import Thread, Work
from bot.runtime.journal import StoreJournal
from bot.runtime.outcome import Outcome
from bot.runtime.ports import Investigate
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
        alert, note = lead_alert(work)
        running = Running(investigation, work, datetime.now(UTC), task=None)  # type: ignore[arg-type]  # set on the next line

        def emit(progress: Progress) -> None:
            running.progress = progress
            self.thread.progress(work, progress)

        running.task = asyncio.create_task(
            self._call(work, investigation, emit, running), name=f"investigate-{investigation}"
        )
        self.under_way[investigation] = running
        try:
            await asyncio.wait({running.task}, timeout=self.limits.investigation_s)
            if not running.task.done():
                return await self._out_of_time(running)
        finally:
            self.under_way.pop(investigation, None)
            if not running.task.done():  # the process is going down: the next one resumes from the journal
                running.task.cancel()
                await asyncio.wait({running.task}, timeout=CANCEL_GRACE_S)
        return await self._ended(running, note)
