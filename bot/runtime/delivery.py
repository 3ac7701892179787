"""The last stage: the outcome reaches the thread, however long Slack is away, and never twice.

A crash between two attempts runs this stage again; `Thread` edits what it posted before, so repeating is harmless.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from bot.incidents.ids import investigation_id
from bot.incidents.model import State
from bot.incidents.store import Store
from bot.investigation.model import Progress, Report
from bot.runtime.contracts import DeliveryError, Thread, Work
from bot.runtime.outcome import Outcome

log = structlog.get_logger(__name__)

DELAYS_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 600.0)
_STATES: dict[str, State] = {"report": "done", "stopped": "stopped", "failed": "failed", "folded": "folded"}


class Delivery:
    """Delivers outcomes. ``delays`` are the waits between attempts in seconds; after the last one it gives up and says so in the store."""

    def __init__(self, store: Store, thread: Thread, *, delays: tuple[float, ...] = DELAYS_S) -> None:
        self._store = store
        self._thread = thread
        self._delays = delays

    async def deliver(self, work: Work, outcome: Outcome) -> None:
        """Returns when it is delivered or given up; the row of the investigation then has its last state.

        Of a folded one `bot.runtime.storms` tells.
        """
        investigation = investigation_id(work.key)
        trouble = await self._persist(lambda: self._say(work, investigation, outcome), what=outcome.kind)
        state = _STATES[outcome.kind] if not trouble else "undelivered"
        await self._store.finish(investigation, state, trouble=trouble or outcome.message)

    async def answer(self, work: Work, text: str, evidence: tuple[str, ...]) -> None:
        """The answer to a question, in the same way."""
        trouble = await self._persist(lambda: self._thread.answered(work, text, evidence), what="answer")
        await self._store.finish(investigation_id(work.key), "undelivered" if trouble else "done", trouble=trouble)

    async def _say(self, work: Work, investigation: str, outcome: Outcome) -> None:
        if outcome.kind == "report":
            stored = await self._store.report(investigation)
            if stored is None:
                await self._thread.failed(
                    work, "The report is not in the store any more. Press Re-run to investigate again."
                )
                return
            gathered = await self._store.storms.gathered(investigation)
            if gathered is not None:
                await self._thread.gathered(work, gathered, None)
            await self._thread.finished(work, Report.model_validate_json(stored))
            if gathered is not None:
                await self._store.storms.shown(investigation, gathered.count)
        elif outcome.kind == "stopped":
            await self._thread.stopped(work, outcome.progress or nothing_yet(work, investigation), outcome.by)
        elif outcome.kind == "failed":
            await self._thread.failed(work, outcome.message)

    async def _persist(self, attempt: Callable[[], Awaitable[None]], *, what: str) -> str:
        """Runs ``attempt`` until it is through; "" then, else why it was given up."""
        for number, delay in enumerate((*self._delays, None), start=1):
            try:
                await attempt()
            except DeliveryError as error:
                if error.permanent or delay is None:
                    log.warning("delivery_given_up", what=what, attempts=number, error=str(error))
                    return str(error)
                log.warning("delivery_delayed", what=what, attempt=number, wait_s=delay, error=str(error))
                await asyncio.sleep(delay)
            else:
                return ""
        raise AssertionError("the loop ends with an answer")


def nothing_yet(work: Work, investigation: str) -> Progress:
    """The state of an investigation that was stopped before it began."""
    return Progress(investigation=investigation, stage="cancelled", alert=work.alerts[0], started_at=datetime.now(UTC))
