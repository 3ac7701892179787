"""What the runtime is given from outside: how to investigate, how to answer, where finished steps are kept."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Protocol

from bot.alerts.model import Alert
from bot.investigation.model import Progress, Report
from bot.investigation.still_firing import Standing
from bot.tools.evidence import Evidence


class Journal(Protocol):
    """The finished steps of one investigation. What is saved survives a kill, so a resumed investigation need not ask again."""

    async def load(self) -> dict[str, list[Evidence]]:
        """Step id to its evidence, of the steps that finished before."""

    async def save(self, step: str, evidence: list[Evidence]) -> None:
        """Keeps a finished step; a later save of the same step wins."""


class Investigate(Protocol):
    """One alert in, one report out. May be cancelled at any await. ``emit`` takes the whole state each time and never blocks."""

    async def __call__(
        self,
        alert: Alert,
        *,
        investigation: str,
        playbook: str,
        inputs: Mapping[str, str],
        emit: Callable[[Progress], None],
        journal: Journal,
    ) -> Report: ...


class Look(Protocol):
    """Asks the alert's sender whether it still fires and what its message left out. Quick, and fails softly."""

    async def __call__(self, alert: Alert, *, seen_at: datetime) -> Standing: ...


Answer = Callable[[str, Report], Awaitable[tuple[str, tuple[str, ...]]]]
"""A question and the report it is about, to an answer in Markdown and the ids of the evidence that it rests on."""
