"""Figures in what alerts say: "p90 latency: Normal=9.6ms -> Current=21000ms (+218729%)", "error rate went from 0.1 % to 12 %".

Senders write a usual value and the present one in a few general shapes. What is read: which kind of figure it is (by the words of its
line), both values in one unit, and how much it grew. A figure whose two units do not fit each other is left out: absent beats wrong.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["latency", "errors", "success", "traffic", "network", "cpu", "memory", "disk", "other"]

MAX_TEXT: Final = 4_000
MAX_FIGURES: Final = 24

_NUMBER = r"[-+]?[0-9]{1,15}(?:[.,][0-9]{1,9})?(?:[eE][-+]?[0-9]{1,3})?"
_UNIT = r"(?:\s?(?:%|[a-zA-Zµ]{1,8}(?:/[a-zA-Z]{1,6})?|/[a-z]{1,4}))?"
_VALUE = rf"({_NUMBER})({_UNIT})"
_BEFORE = r"(?:normal|normally|baseline|usual|usually|typical|typically|expected|average|avg|mean|before|previous|previously|was|from)"
_NOW = r"(?:current|currently|cur|now|is|actual|value|today|after|observed|to)"
_GAP = r"[\s:=~≈]{0,4}"
_SHAPES: Final = (
    # Normal=9.6ms -> Current=21s; baseline 120 ms, now 3 s; was 0.1 %, is 12 %
    (
        re.compile(
            rf"(?i)\b{_BEFORE}\b{_GAP}{_VALUE}[\s,;|()/]{{0,4}}(?:->|→|=>|-->|vs\.?|versus)?\s?{_NOW}\b{_GAP}{_VALUE}"
        ),
        False,
    ),
    # currently 3 s (normal 120 ms); value 12 % vs baseline 0.1 %
    (
        re.compile(
            rf"(?i)\b{_NOW}\b{_GAP}{_VALUE}[\s,;|(/]{{0,4}}(?:vs\.?|versus|against)?\s?{_BEFORE}\b{_GAP}{_VALUE}"
        ),
        True,
    ),
    # 120ms -> 3s
    (re.compile(rf"{_VALUE}\s?(?:->|→|=>)\s?{_VALUE}"), False),
)
_KINDS: Final[tuple[tuple[Kind, "re.Pattern[str]"], ...]] = (
    ("network", re.compile(r"(?i)retrans|packet loss|dropped packets|network.?(quality|error)")),
    ("success", re.compile(r"(?i)success|availab|apdex")),
    ("errors", re.compile(r"(?i)error|fail|exception|5xx|4xx|reject")),
    ("latency", re.compile(r"(?i)latenc|duration|response.?time|slow|\bp(50|75|90|95|99)|took|elapsed")),
    ("cpu", re.compile(r"(?i)\bcpu|throttl|\bload\b")),
    ("memory", re.compile(r"(?i)memory|\bmem\b|\brss\b|heap|working.?set")),
    ("disk", re.compile(r"(?i)disk|filesystem|\biops\b|volume")),
    (
        "traffic",
        re.compile(r"(?i)traffic|throughput|\b(rps|qps|pps|tps)\b|req(uest)?s?/|requests|packets|calls|messages"),
    ),
)
_UNITS: Final = {  # unit: factor, words
    "ms": ((1e-6, "ns"), (1e-3, "us µs"), (1.0, "ms"), (1e3, "s sec secs second seconds"), (6e4, "m min minutes")),
    "B": ((1.0, "b"), (1e3, "kb"), (1024.0, "kib"), (1e6, "mb"), (1024.0**2, "mib"), (1e9, "gb"), (1024.0**3, "gib")),
}
_SCALE: Final = {word: (unit, by) for unit, rows in _UNITS.items() for by, words in rows for word in words.split()}


@dataclass(frozen=True)
class Figure:
    """A value that changed. ``before`` and ``now`` are in ``unit``: ms, B (bytes), %, or the sender's own word ("" for a bare number)."""

    kind: Kind
    before: float
    now: float
    unit: str = ""

    @property
    def growth(self) -> float | None:
        """How many times the usual value; ``None`` where that was zero, of which nothing is a multiple."""
        return self.now / self.before if self.before > 0 else None


def figures(text: str) -> tuple[Figure, ...]:
    """The figures of a text in their order, at most `MAX_FIGURES`; `MAX_TEXT` characters are read, in time linear in them."""
    found: list[Figure] = []
    for line in text[:MAX_TEXT].splitlines():
        whole = _kind(line)
        for segment in re.split(r"\s\|\s|;\s", line):
            kind = _kind(segment)
            found += _read(segment, whole if kind == "other" else kind)
    return tuple(found[:MAX_FIGURES])


def _kind(text: str) -> Kind:
    return next((kind for kind, pattern in _KINDS if pattern.search(text)), "other")


def _read(segment: str, kind: Kind) -> Iterator[Figure]:
    for shape, reverse in _SHAPES:
        matches = list(shape.finditer(segment))
        for match in matches:
            first, second = _value(match[1], match[2]), _value(match[3], match[4])
            before, now = (second, first) if reverse else (first, second)
            if before and now and (before[1] == now[1] or "" in (before[1], now[1])):
                yield Figure(kind, before[0], now[0], now[1] or before[1])
        if matches:
            return


def _value(number: str, unit: str) -> tuple[float, str] | None:
    word = unit.strip().rstrip(".")
    known = _SCALE.get(word.lower())
    try:
        value = float(number.replace(",", "."))
    except ValueError:
        return None
    return (value * known[1], known[0]) if known else (value, word)
