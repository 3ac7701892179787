"""When an alert says it began.

Only moments that are beyond doubt: a time without a zone is left out, because an onset that is hours off sends an investigation into the
wrong window, and a missing one does not.
"""

import math
import re
from datetime import UTC, datetime, timedelta, timezone

_STAMP = re.compile(
    r"(?<!\d)(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?(?:[.,](\d{1,9}))?[ ]?(Z\b|UTC\b|GMT\b|[+-]\d\d:?\d\d)?"
)
_UNIX = re.compile(r"^\s*(\d{10}|\d{13})(?:\.\d+)?\s*$")
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_LAST = datetime(2100, 1, 1, tzinfo=UTC)


def parse_time(text: str) -> datetime | None:
    """The first moment in ``text`` (ISO 8601, Go's and SQL's forms with a zone, or unix seconds or milliseconds alone), in UTC."""
    text = text[:200]
    unix = _UNIX.match(text)
    if unix:
        seconds = int(unix[1])
        return from_unix(seconds / 1000 if len(unix[1]) == 13 else seconds)
    stamp = _STAMP.search(text)
    if not stamp or not stamp[8]:
        return None
    year, month, day, hour, minute = (int(stamp[i]) for i in range(1, 6))
    try:
        moment = datetime(
            year,
            month,
            day,
            hour,
            minute,
            int(stamp[6] or 0),
            int((stamp[7] or "0").ljust(6, "0")[:6]),
            tzinfo=_zone(stamp[8]),
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if _FIRST <= moment < _LAST else None  # Go's zero time means "not ended"


def from_unix(seconds: float | None) -> datetime | None:
    """A unix time in seconds as a moment, ``None`` outside this century."""
    if seconds is None or not math.isfinite(seconds) or not _FIRST.timestamp() <= seconds < _LAST.timestamp():
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _zone(text: str) -> timezone:
    if text in ("Z", "UTC", "GMT"):
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
