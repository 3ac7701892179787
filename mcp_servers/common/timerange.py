"""One string for every time window, because tools with ``start`` and ``end`` and a default lose one of them sooner or later.

``15m`` (ending now) - ``30m@2026-11-22T07:00:00Z`` (the 30 minutes before) - ``±15m@T`` or ``+-15m@T`` (around) - ``A/B``, ``A/30m``,
``now-2h/now-1h``. Times are ISO 8601 (no zone means UTC) or an epoch in s, ms, us or ns.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mcp_servers.common.envelope import ToolFailure, Window

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")
_EPOCH = re.compile(r"[0-9]{9,19}")
_EXAMPLES = "for example 15m, 2h, 30m@2026-11-22T07:00:00Z, now-2h/now-1h"


@dataclass(frozen=True)
class Range:
    """A closed window in aware UTC, and what was clamped on the way."""

    start: datetime
    end: datetime
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> int:
        return int((self.end - self.start).total_seconds())

    def window(self) -> Window:
        return Window(start=_iso(self.start), end=_iso(self.end), seconds=self.seconds)

    def holds(self, moment: datetime | None) -> bool:
        """Whether ``moment`` lies inside; an unknown moment does, because leaving it out would hide it."""
        return moment is None or self.start <= moment <= self.end


def parse_range(spec: str, now: datetime, max_length: timedelta = timedelta(days=7)) -> Range:
    """``spec`` as a window that ended by ``now`` and is no longer than ``max_length`` (both clamps are noted).

    Raises `ToolFailure` VALIDATION with the server's time and an example.
    """
    try:
        start, end = _bounds(spec.strip()[:100], now)
    except (OverflowError, OSError) as error:
        raise _bad(spec, "is out of range", now) from error
    except _Unreadable as error:
        raise _bad(spec, str(error), now) from error
    notes: list[str] = []
    if start >= end:
        raise _bad(spec, "ends before it starts", now)
    if start >= now:
        raise _bad(spec, "starts in the future", now)
    if end > now:
        end = now
        notes.append("the window's end was moved to now")
    if end - start > max_length:
        start = end - max_length
        notes.append(f"the window was cut to its last {_words(max_length)}, the most this tool reads")
    if now - end > timedelta(days=30):
        notes.append(f"the window ended {(now - end).days} days ago; the server's time is {_iso(now)}")
    return Range(start, end, tuple(notes))


class _Unreadable(ValueError):
    pass


def _bounds(spec: str, now: datetime) -> tuple[datetime, datetime]:
    if "/" in spec:
        first, _, second = (part.strip() for part in spec.partition("/"))
        start = _instant(first, now)
        return start, start + _duration(second) if _DURATION.fullmatch(second) else _instant(second, now)
    if "@" in spec:
        length, _, moment = (part.strip() for part in spec.partition("@"))
        both = length.startswith(("±", "+-"))
        middle, half = _instant(moment, now), _duration(length.removeprefix("±").removeprefix("+-"))
        return middle - half, middle + half if both else middle
    return now - _duration(spec), now


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if not match or int(match[1]) == 0:
        raise _Unreadable(f"has no duration in {text!r}")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _instant(text: str, now: datetime) -> datetime:
    if text == "now":
        return now
    if text.startswith("now-"):
        return now - _duration(text[4:])
    if _EPOCH.fullmatch(text):
        value = int(text)
        for limit, divisor in ((10**11, 1), (10**14, 10**3), (10**17, 10**6)):
            if value < limit:
                return datetime.fromtimestamp(value / divisor, UTC)
        return datetime.fromtimestamp(value / 10**9, UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _Unreadable(f"has no time in {text!r}") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _bad(spec: str, why: str, now: datetime) -> ToolFailure:
    return ToolFailure(
        "VALIDATION", f"time_range {spec[:100]!r} {why}; the server's time is {_iso(now)}", hint=_EXAMPLES
    )


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _words(length: timedelta) -> str:
    hours = length.total_seconds() / 3_600
    return f"{hours / 24:g} d" if hours >= 48 else f"{hours:g} h"
