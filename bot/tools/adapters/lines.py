"""Foreign log lines as the patterns that our own log tools give, mined by the same code."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, cast

from bot.tools.capabilities import Json
from mcp_servers.common import templates

MAX_LINES: Final = 2_000
MAX_PATTERNS: Final = 20
TAINTED: Final = ("patterns[].template", "patterns[].example")


_LEVELS: Final = {
    "err": "error",
    "fat": "error",
    "cri": "error",
    "pan": "error",
    "sev": "error",
    "eme": "error",
    "war": "warning",
}


def patterns(lines: Iterable[str]) -> tuple[int, int, list[Json]]:
    """How many lines were read, how many of them are errors, and their patterns, errors first."""
    return of_lines(list(templates.lines(list(lines)[-MAX_LINES:])))


def levelled(text: str, level: str) -> templates.Line:
    """A line whose level its store knows; without one the line's own words tell."""
    line = templates.read_line(text)
    if not level:
        return line
    known = _LEVELS.get(level[:3].lower(), "other")
    return templates.Line(line.text, cast("templates.Level", known), line.at)


def of_lines(read: list[templates.Line]) -> tuple[int, int, list[Json]]:
    """As `patterns`, for lines that are read already."""
    mined = templates.mine(read)
    shown = [
        {
            "template": p.template,
            "level": p.level,
            "count": p.count,
            "example": p.sample,
            "first": _iso(p.first),
            "last": _iso(p.last),
        }
        for p in mined[:MAX_PATTERNS]
    ]
    return len(read), sum(line.level == "error" for line in read), [_lean(row) for row in shown]


def said(count: int, errors: int, found: list[Json]) -> str:
    """One line on them."""
    if not count:
        return "no lines in the window"
    return f"{count} lines, {errors} errors, {len(found)} {'pattern' if len(found) == 1 else 'patterns'}"


def _iso(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _lean(row: dict[str, Any]) -> Json:
    return {key: value for key, value in row.items() if value is not None}
