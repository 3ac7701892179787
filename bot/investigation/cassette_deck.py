"""Recording and playing: an investigation that leaves a cassette, and a cassette investigated again with today's playbooks."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import structlog

from bot import __version__
from bot.alerts.model import Alert
from bot.investigation.cassette import Cassette, CassetteError, CassetteTools, Outcome, Recording
from bot.investigation.investigator import Investigator
from bot.investigation.model import Report
from bot.playbooks.router import Choice
from bot.playbooks.shelf import adapted

log = structlog.get_logger(__name__)

Change = Literal["same", "cause", "verdict", "playbook"]
Choose = Callable[[Alert, str], Choice]


async def investigate_recorded(
    subject: Investigator, alert: Alert, *, folder: Path | None, servers: tuple[str, ...] = (), **more: Any
) -> Report:
    """As ``subject.investigate``; with a ``folder`` it leaves a cassette there. A cassette that cannot be written costs a line in the log,
    never the report."""
    if folder is None:
        return await subject.investigate(alert, **more)
    recording = Recording(subject.tools)
    report = await replace(subject, tools=recording).investigate(alert, **more)
    cassette = recording.cassette(report, pin=str(more.get("playbook") or ""), servers=servers, version=__version__)
    try:
        path = await asyncio.to_thread(cassette.write, folder)
    except CassetteError as error:
        log.warning("not_recorded", investigation=report.id, reason=str(error))
    else:
        log.info("recorded", investigation=report.id, file=str(path))
    return report


@dataclass(frozen=True)
class Replayed:
    """One cassette played again. ``missing`` are calls of today's playbook that the recording does not hold."""

    file: Path
    cassette: Cassette
    now: Outcome
    missing: tuple[str, ...] = ()

    @property
    def change(self) -> Change:
        """The gravest difference: the verdict, then what it names, then only the playbook that led there."""
        was, now = self.cassette.outcome, self.now
        if was.verdict != now.verdict:
            return "verdict"
        if (was.cause, was.object) != (now.cause, now.object):
            return "cause"
        return "same" if was.playbook == now.playbook else "playbook"

    @property
    def broken(self) -> bool:
        """Whether a confirmed verdict was lost or names something else now: what a team wants its build to stop at."""
        return self.cassette.outcome.verdict == "confirmed" and self.change in ("verdict", "cause")


async def play(file: Path, choose: Choose) -> Replayed:
    """Investigate a cassette's alert again; no server, no model. Raises `CassetteError` for a file that is none.

    A playbook that was asked for by name then is asked for again; when it is gone the alert is routed.
    """
    cassette = await asyncio.to_thread(Cassette.read, file)
    tools = CassetteTools(cassette)

    def chosen(alert: Alert, pin: str) -> Choice:
        try:
            choice = choose(alert, pin)
        except LookupError:
            choice = choose(alert, "")
        return replace(choice, playbook=adapted(choice.playbook, tools.instead))

    subject = Investigator(tools, chosen, now=lambda: cassette.recorded_at)
    report = await subject.investigate(cassette.alert, investigation=cassette.id, playbook=cassette.pin)
    return Replayed(file, cassette, Outcome.of(report), tuple(dict.fromkeys(tools.missing)))
