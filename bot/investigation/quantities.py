"""Numbers with their units, and when two of them say the same: 512 MiB is 536870912, 41 % is 0.41, "2 s" is 2041 ms rounded."""

import math
import re
from dataclasses import dataclass
from typing import Final, Literal

Dimension = Literal["time", "size", "share", "cpu", ""]

_TIME: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0,
    "min": 60.0, "minute": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0,
}  # fmt: skip
_SIZE: Final = {
    "b": 1.0, "byte": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
    "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40, "ki": 2.0**10, "mi": 2.0**20, "gi": 2.0**30, "ti": 2.0**40,
}  # fmt: skip
_SHARE: Final = {"%": 0.01, "percent": 0.01, "pct": 0.01}
_CPU: Final = {"core": 1.0, "cpu": 1.0, "vcpu": 1.0, "millicore": 1e-3, "millicpu": 1e-3}
_UNITS: Final[dict[str, tuple[Dimension, float]]] = {
    **{u: ("time", f) for u, f in _TIME.items()},
    **{u: ("size", f) for u, f in _SIZE.items()},
    **{u: ("share", f) for u, f in _SHARE.items()},
    **{u: ("cpu", f) for u, f in _CPU.items()},
}
_PLURAL: Final = frozenset(
    {"byte", "millisecond", "second", "minute", "hour", "day", "sec", "min", "core", "cpu", "millicore"}
)
# What the name of a field says of its number: exactly, or as a guess with several readings.
_EXACT: Final[dict[str, tuple[Dimension, float]]] = {
    "millis": ("time", 1e-3), "nanos": ("time", 1e-9), "mins": ("time", 60.0), "secs": ("time", 1.0), "percentage": ("share", 0.01),
    "ratio": ("share", 1.0), "share": ("share", 1.0), "fraction": ("share", 1.0), "millicores": ("cpu", 1e-3),
}  # fmt: skip
_VAGUE: Final[dict[str, tuple[tuple[Dimension, float], ...]]] = {
    **dict.fromkeys(("duration", "uptime", "age", "latency", "timeout", "delay", "elapsed", "took", "period", "interval", "p50", "p95",
                     "p99"),
                    (("time", 1.0), ("time", 1e-3))),
    **dict.fromkeys(("memory", "mem", "size", "disk", "storage", "rss"), (("size", 1.0), ("size", 2.0**20))),
    **dict.fromkeys(("utilization", "utilisation", "usage"), (("share", 1.0), ("share", 0.01))),
    "cpu": (("cpu", 1.0), ("cpu", 1e-3)),
}  # fmt: skip
_KEY_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+\d*|%")
MOST_ROUNDING: Final = 0.1
"""Rounding further than this, relative to the claim, is no rounding: 600 MiB are not "1 GiB"."""
_WORDS: Final = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip

_NUMBER = re.compile(
    r"(?<![\w.:/-])(?P<sign>[-−])?(?P<value>\d{1,3}(?:[,\u202f]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?!xx)(?P<times>x|×)?(?:st|nd|rd|th)?(?:[ \u00a0-]?(?P<unit>%|[A-Za-zµ]{1,11}))?(?![\w/:]|[.-]\w)"
)  # fmt: skip
_LOOSE = re.compile(r"(?<![\w.])(?<!\w-)v?(?P<value>\d+(?:\.\d+)?)(?: ?(?P<unit>%|[A-Za-zµ]{1,11}))?(?![A-Za-z0-9])")
_MOMENT = re.compile(
    r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?|\b\d\d:\d\d(?::\d\d)?\b"
)


@dataclass(frozen=True)
class Quantity:
    """``value`` as it was written; its unit as a dimension and a factor to the base unit (s, bytes, 1, cores); ``places``: decimals."""

    text: str
    value: float
    dimension: Dimension = ""
    factor: float = 1.0
    places: int = 0

    def same(self, other: "Quantity") -> bool:
        """Whether ``other``, found in evidence, is this claimed quantity, with the rounding that this one was written with."""
        half = min(0.5 * 10.0**-self.places, MOST_ROUNDING * abs(self.value))
        if self.dimension and other.dimension:
            if self.dimension != other.dimension:
                return False
            return _near(self.value * self.factor, other.value * other.factor, half * self.factor)
        if not self.dimension:
            # Bare against bare or against a unit: the figures themselves must agree; whole numbers exactly.
            slack = half if other.value % 1 else 0.0
            return _near(self.value, other.value, slack)
        return False  # a figure without a unit, in a field whose name tells none, does not say "14 minutes"


def _near(claimed: float, found: float, slack: float) -> bool:
    return abs(claimed - found) <= slack + 1e-9 * max(1.0, abs(claimed))


def unit(word: str) -> tuple[Dimension, float]:
    """Dimension and factor of a unit as people and backends write it; ("", 1.0) for any other word."""
    low = word.lower()
    if low in _UNITS:
        return _UNITS[low]
    singular = low[:-1]
    return _UNITS[singular] if low.endswith("s") and singular in _PLURAL else ("", 1.0)


def claimed(text: str) -> list[Quantity]:
    """The quantities that a sentence states. Digits inside names, versions of three parts, times and ids are not quantities."""
    found = []
    for match in _NUMBER.finditer(text):
        dimension, factor = unit(match["unit"] or "")
        figures = re.sub(r"[,\u202f]", "", match["value"])
        value = float(figures)
        shown = match[0].strip() if dimension else match["value"]
        found.append(Quantity(shown, value, dimension, factor, len(figures.partition(".")[2])))
    for word, value in _WORDS.items():
        if re.search(rf"(?i)\b{word}\b", text):
            found.append(Quantity(word, float(value)))
    return found


def stated(text: str) -> list[Quantity]:
    """The quantities in a string of evidence, also where the unit touches ("512Mi"). Digits inside names and times do not count."""
    found = []
    for match in _LOOSE.finditer(_MOMENT.sub(" ", text)):
        word = match["unit"] or ""
        figures = match["value"]
        if len(figures) > 24:
            continue
        value = float(figures)
        dimension, factor = unit(word)
        found.append(Quantity(match[0], value, dimension, factor))
        touching = word and not match[0].endswith(f" {word}")
        if touching and word == "m":  # milli-cores, or minutes
            found += [Quantity(match[0], value, "cpu", 1e-3), Quantity(match[0], value, "time", 60.0)]
        elif touching and word in ("k", "M", "G"):
            found.append(Quantity(match[0], value * {"k": 1e3, "M": 1e6, "G": 1e9}[word]))
    return found


def of_number(value: float, key: str = "") -> list[Quantity]:
    """The readings of a numeric leaf of evidence, by the name of its field; none for what is no finite number."""
    if not math.isfinite(value):
        return []
    text, number = repr(value), float(value)
    readings = [Quantity(text, number, dimension, factor) for dimension, factor in _hints(key)]
    if not readings and 0 < number < 1:
        readings = [Quantity(text, number, "share")]
    elif not readings and number >= 1024 and number % 1 == 0:
        readings = [Quantity(text, number, "size")]
    return readings or [Quantity(text, number)]


def _hints(key: str) -> tuple[tuple[Dimension, float], ...]:
    """What a field's name says of its unit: ``took_ms``, ``periodSeconds``, ``memory_bytes``; the last telling word counts."""
    words = [word.lower() for word in _KEY_WORD.findall(key[-80:])]
    for word in reversed(words):
        if word in _EXACT:
            return (_EXACT[word],)
        exact = unit(word) if word not in _VAGUE else ("", 1.0)
        if exact[0]:
            return (exact,)
    return next((_VAGUE[word] for word in reversed(words) if word in _VAGUE), ())
