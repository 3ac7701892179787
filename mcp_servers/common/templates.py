"""Many log lines as a few patterns: 300 rows that say the same become one with a count, its first and its last time.

What varies (ids, times, addresses, numbers) is masked, HTTP statuses 4xx and 5xx are not: they are what one looks for. Stack frames belong
to the line before them. Patterns come errors first, then by the newest line.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import re2

from mcp_servers.common.masks import mask
from mcp_servers.common.template_merge import merged
from mcp_servers.common.untrusted import clean, sanitise

Level = Literal["error", "warning", "other"]

_LOOKED_AT = 600  # characters of a line that shape its template
_SHOWN = 240
_LEVELS: dict[Level, int] = {"error": 0, "warning": 1, "other": 2}

_STAMP = re.compile(r"^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)?\]?\s*")
_FRAME = re.compile(r"^(?:\s+\S|at [\w.$<>]+\(|\.\.\. \d+ more|goroutine \d+ |created by )")
_ERROR = re2.compile(
    r"(?i)\b(error|err|fatal|critical|crit|panic|emerg|alert|severe|exception|traceback|failed|failure)\b"
    r"|^[EF]\d{4} |\w+(?:Exception|Error)\b"
)
_WARNING = re2.compile(r"(?i)\b(warn|warning|retry|retrying|timeout|timed out|refused|denied|unavailable)\b|^W\d{4} ")
# No level is told without one of these; most lines have none, and looking for them costs less than three searches.
_TELLING = (
    *("err", "fatal", "crit", "panic", "emerg", "alert", "severe", "exception", "traceback", "fail"),
    *("warn", "retry", "timeout", "timed out", "refused", "denied", "unavailable"),
)
_CALM = re2.compile(
    r"(?i)\b(0 errors?|no errors?|errors?[=:] ?0|without errors?)\b|\blevel=(?:info|debug)\b|\[(?:info|debug)\]|^[I]\d{4} "
)
_KEYS_MESSAGE = ("msg", "message", "log", "event", "body", "short_message")
_KEYS_LEVEL = ("level", "severity", "lvl", "log.level", "levelname", "loglevel")
_KEYS_ERROR = ("error", "err", "exception", "stack_trace", "exc_info")


@dataclass(frozen=True, slots=True)
class Line:
    """One line as read: its time where it bears one with its zone, its level, and its text without the time stamp."""

    text: str
    level: Level
    at: datetime | None = None


@dataclass
class Pattern:
    """Lines of one template. ``sample`` is the newest of them, cleaned and redacted; ``template`` likewise."""

    template: str
    level: Level
    sample: str
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    order: int = field(default=0, repr=False)


def template(line: str) -> str:
    """The line with what varies masked, at most `_SHOWN` characters. Masking again changes nothing."""
    return mask(line[:_LOOKED_AT])[:_SHOWN]


def read_line(raw: str) -> Line:
    """Time, level and message of one line, plain or JSON."""
    text = sanitise(raw.rstrip("\r\n"))[:4000]
    at, text = _stamp(text)
    inner, text = _stamp(text)  # the runtime's stamp, then the application's own
    at = at or inner
    if text.startswith("{"):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict):
            return _structured(document, text, at)
    return Line(text, _level(text), at)


def _stamp(text: str) -> tuple[datetime | None, str]:
    match = _STAMP.match(text)
    if not match:
        return None, text
    if not match[3]:  # a time without a zone may be any place's: it is taken off, and not believed
        return None, text[match.end() :]
    zone = match[3].replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(f"{match[1].replace(' ', 'T')}.{(match[2] or '0')[:6]:0<6}{zone}").astimezone(
            UTC
        )
    except (ValueError, OverflowError):
        return None, text
    return moment, text[match.end() :]


def _structured(document: dict[str, Any], text: str, at: datetime | None) -> Line:
    message = next((str(document[k]) for k in _KEYS_MESSAGE if document.get(k)), text)
    extra = next((str(document[k]) for k in _KEYS_ERROR if document.get(k)), "")
    word = next((str(document[k]).lower() for k in _KEYS_LEVEL if document.get(k)), "")
    if extra and extra not in message:
        message = f"{message}: {extra}"
    if word[:3] in ("err", "fat", "cri", "pan", "eme", "sev", "ale") or word in ("50", "60"):
        level: Level = "error"
    elif word.startswith("warn") or word == "40":
        level = "warning"
    else:
        level = "other" if word else _level(message)
    return Line(message[:4000], level, at)


def _level(text: str) -> Level:
    head = text[:_LOOKED_AT]
    lower = head.lower()
    for word in _TELLING:  # a loop: `any` over a generator costs three times as much, and this runs for every line
        if word in lower:
            break
    else:
        if not (head[:1] in ("E", "F", "W") and head[1:5].isdigit()):
            return "other"
    if _CALM.search(head):
        return "other"
    if _ERROR.search(head):
        return "error"
    return "warning" if _WARNING.search(head) else "other"


def lines(raw: str | Iterable[str]) -> Iterator[Line]:
    """The lines of a log; empty ones and stack frames are left out, a frame takes its line's time where it has none."""
    seen = False
    for each in raw.splitlines() if isinstance(raw, str) else raw:
        if not each.strip():
            continue
        line = read_line(each)
        if seen and _FRAME.match(line.text) and not line.text.lstrip().startswith("{"):
            continue
        if line.text.strip():
            seen = True
            yield line


def mine(found: Iterable[Line]) -> list[Pattern]:
    """Patterns of ``found``: errors first, then warnings, each the newest first.

    Patterns that differ in a few words only, each of which takes many values, are one (`template_merge`).
    """
    patterns: dict[tuple[str, Level], Pattern] = {}
    for order, line in enumerate(found):
        key = (template(line.text), line.level)
        pattern = patterns.get(key)
        if pattern is None:
            pattern = patterns[key] = Pattern(key[0], line.level, "", first=line.at)
        pattern.count += 1
        pattern.order = order
        pattern.sample = line.text
        pattern.last = line.at or pattern.last
        pattern.first = pattern.first or line.at
    kept: dict[tuple[str, Level], Pattern] = {}
    for level in _LEVELS:
        names = merged([masked for masked, of in patterns if of == level])
        for (masked, of), pattern in patterns.items():
            if of == level:
                _join(kept, names.get(masked, masked), pattern)
    for pattern in kept.values():
        pattern.template = clean(pattern.template, _SHOWN)
        pattern.sample = clean(pattern.sample, _SHOWN)
    return sorted(kept.values(), key=lambda p: (_LEVELS[p.level], -p.order))


def _join(kept: dict[tuple[str, Level], Pattern], name: str, pattern: Pattern) -> None:
    """Add ``pattern`` under its common ``name``: counts add up, the newest line stays the sample."""
    one = kept.get((name, pattern.level))
    if one is None:
        pattern.template = name
        kept[name, pattern.level] = pattern
        return
    one.count += pattern.count
    if pattern.order > one.order:
        one.order, one.sample, one.last = pattern.order, pattern.sample, pattern.last or one.last
    one.first = min(filter(None, (one.first, pattern.first)), default=None)
