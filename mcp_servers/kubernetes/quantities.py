"""Times and quantities as the Kubernetes API writes them. Tolerant: what cannot be read is ``None``, never an exception."""

import re
from datetime import UTC, datetime
from typing import Any

_QUANTITY = re.compile(r"([+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,2})?)([a-zA-Z]{0,2})")
_SUFFIX = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
    "Pi": 2.0**50,
    "Ei": 2.0**60,
}


def parse_time(value: Any) -> datetime | None:
    """An RFC 3339 time as aware UTC; ``None`` for anything else."""
    if not isinstance(value, str) or len(value) < 10:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        shorter = re.sub(r"(\.\d{6})\d+", r"\1", value)  # nanoseconds, as in log time stamps
        try:
            moment = datetime.fromisoformat(shorter)
        except ValueError:
            return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None


def iso(moment: datetime | None) -> str:
    """ISO 8601 UTC in whole seconds with ``Z``; "" for ``None``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


def seconds_since(value: Any, now: datetime) -> float | None:
    """Seconds from ``value`` (text or datetime) to ``now``; ``None`` when it is no time. Negative for the future."""
    moment = value if isinstance(value, datetime) else parse_time(value)
    return (now - moment).total_seconds() if moment else None


def span(seconds: float | None) -> str:
    """A duration as people say it: ``45 s``, ``12 min``, ``3 h``, ``2 d``; "" for ``None``."""
    if seconds is None:
        return ""
    s = max(0, int(seconds))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if s >= 2 * size or (s >= size and s % size == 0):
            return f"{s // size} {unit}"
    return f"{s} s"


def quantity(value: Any) -> float | None:
    """A quantity in its base unit: cores for CPU, bytes for memory, a count otherwise. ``2``, ``"250m"``, ``"64Mi"``, ``"1e3"``."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    match = _QUANTITY.fullmatch(str(value).strip()[:64])
    if not match or match[2] not in _SUFFIX:
        return None
    return float(match[1]) * _SUFFIX[match[2]]


def show_cpu(cores: float | None) -> str:
    """``250m`` or ``2 cores``; "" for ``None``."""
    if cores is None:
        return ""
    if cores < 1 or round(cores * 1000) % 1000:
        return f"{round(cores * 1000)}m"
    return f"{cores:.0f} core" if round(cores) == 1 else f"{cores:.0f} cores"


def show_bytes(size: float | None) -> str:
    """``64 MiB``; "" for ``None``."""
    if size is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if size == int(size) else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
