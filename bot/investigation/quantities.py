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
# What a bare number of a backend may be counted in, by the dimension of the claim.
_BARE: Final[dict[Dimension, tuple[float, ...]]] = {
    "time": (1.0, 1e-3, 1e-6, 1e-9, 60.0),
    "size": (1.0, 2.0**10, 2.0**20, 1e6),
    "share": (1.0, 0.01),
    "cpu": (1.0, 1e-3, 1e-9),
    "": (1.0,),
}
MOST_ROUNDING: Final = 0.1
"""Rounding further than this, relative to the claim, is no rounding: 600 MiB are not "1 GiB"."""
_WORDS: Final = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip

_NUMBER = re.compile(
    r"(?<![\w.:/-])(?P<sign>[-−])?(?P<value>\d{1,3}(?:[,\u202f]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?!xx)(?P<times>x|×)?(?:st|nd|rd|th)?(?:[ \u00a0-]?(?P<unit>%|[A-Za-zµ]{1,11}))?(?![\w/:]|[.-]\w)"
)  # fmt: skip
_LOOSE = re.compile(r"(?<![\w.])(?<!\w-)v?(?P<value>\d+(?:\.\d+)?)(?P<unit> ?%|[A-Za-zµ]{1,4})?(?![A-Za-z0-9])")
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
        # The claim has a unit and the evidence none: it may be counted in any unit that backends use for this dimension.
        for bare in (*_BARE[self.dimension], self.factor):
            rounding = half if bare != self.factor or other.value % 1 else 0.0
            if _near(self.value * self.factor, other.value * bare, rounding * self.factor):
                return True
        return False


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
        word = (match["unit"] or "").strip()
        figures = match["value"]
        if len(figures) > 24:
            continue
        value = float(figures)
        dimension, factor = unit(word)
        found.append(Quantity(match[0], value, dimension, factor))
        if word == "m":  # milli-cores, or minutes
            found += [Quantity(match[0], value, "cpu", 1e-3), Quantity(match[0], value, "time", 60.0)]
        elif word in ("k", "M", "G"):
            found.append(Quantity(match[0], value * {"k": 1e3, "M": 1e6, "G": 1e9}[word]))
    return found


def of_number(value: float) -> Quantity | None:
    """A numeric leaf of evidence; ``None`` for what is no finite number."""
    return Quantity(repr(value), float(value)) if math.isfinite(value) else None
