"""A late alert is examined around its own time: every window that a playbook leaves open is moved to where the alert began.

Tools look at the time before now unless told otherwise, which is right for an alert that just came. One that waited (the bot was down, a
queue was long, somebody asks for it again in the morning) has its logs, events and figures in the past. The state of things cannot be
read in the past; which checks saw it as it is now is said in the report.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.alerts.model import Alert
from bot.investigation.model import Report
from bot.investigation.steps import ToolCaller
from bot.playbooks.filters import around, duration
from bot.tools.capabilities import WINDOW
from bot.tools.evidence import Evidence
from bot.tools.inventory import ToolInfo

LATE: Final = timedelta(minutes=15)
"""Younger alerts lie within the windows that end now."""
AFTER: Final = "15m"
MAX_TITLES: Final = 6
_LENGTH: Final = re.compile(r"[0-9]{1,4}[smhd]")

Windows = Callable[[str], str | None]
"""``server.tool`` or ``any.capability`` to its own window (``30m``), ``None`` for a tool that sees only the present, "" where nothing is
known."""


def no_windows(tool: str) -> str | None:
    """Nothing is known of any tool's window: calls go through as they are."""
    return ""


def windows_of(known: Callable[[str], ToolInfo | None]) -> Windows:
    """The windows that tools declare: the default of their argument `WINDOW`. ``known`` tells of a tool, or of whoever answers a
    capability's question now, what it takes."""

    def window(tool: str) -> str | None:
        info = known(tool)
        if info is None:
            return ""
        declared = (info.schema.get("properties") or {}).get(WINDOW)
        if not isinstance(declared, Mapping):
            return None
        usual = declared.get("default")
        return usual if isinstance(usual, str) and _LENGTH.fullmatch(usual) else ""

    return window


def late_by(alert: Alert, now: datetime) -> timedelta:
    """How long ago the alert began, where that is long enough to matter; zero otherwise."""
    if alert.starts_at is None:
        return timedelta(0)
    begun = alert.starts_at if alert.starts_at.tzinfo else alert.starts_at.replace(tzinfo=UTC)
    past = now - begun
    return past if past >= LATE else timedelta(0)


@dataclass
class Anchored:
    """The hub for one late alert. ``of_now`` collects the titles of the checks that could see the present only."""

    tools: ToolCaller
    alert: Alert
    windows: Windows
    now: datetime
    of_now: dict[str, str] = field(default_factory=dict)

    async def call(
        self, tool: str, arguments: dict[str, Any], *, id: str, step: str, title: str = "", timeout: float | None = None
    ) -> Evidence:
        """The same call; with a window around the alert's beginning where the playbook gave none."""
        if WINDOW not in arguments:
            usual = self.windows(tool)
            if usual is None:
                self.of_now.setdefault(step, title or step)
            elif usual:
                arguments = {**arguments, WINDOW: around(self.alert.starts_at, usual, AFTER, self.now)}
        return await self.tools.call(tool, arguments, id=id, step=step, title=title, timeout=timeout)

    def has_server(self, name: str) -> bool:
        return self.tools.has_server(name)

    def told(self, report: Report) -> Report:
        """``report`` with what its lateness means: one note for the card, and the checks that saw only the present."""
        past = duration((self.now - _aware(self.alert.starts_at)).total_seconds()) if self.alert.starts_at else ""
        note = f"examined {past} after it began, around its own time where that can be seen"
        shown = sorted(self.of_now.values())
        listed = ", ".join(shown[:MAX_TITLES]) + (
            f" and {len(shown) - MAX_TITLES} more" if len(shown) > MAX_TITLES else ""
        )
        spots = (f"As it is now, {past} after the alert began: {listed}",) if shown else ()
        return report.model_copy(update={"notes": (note, *report.notes), "blind_spots": (*spots, *report.blind_spots)})


def _aware(moment: datetime | None) -> datetime:
    assert moment is not None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
