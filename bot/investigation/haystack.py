"""Evidence made searchable: what a fact must be found in, with what strangers can write kept apart from what the backend says."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from bot.investigation.facts import Facts
from bot.investigation.quantities import Quantity, of_number, stated
from bot.tools.evidence import Evidence

STRANGERS_SIGNALS: Final = ("log.",)
"""Signals whose detail quotes text that workloads write."""
MAX_TEXT: Final = 200_000
_STAMP = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?(?:\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?")
_CLOCK = re.compile(r"(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?(?![\d:])")
_SPACE = re.compile(r"\s+")
_EPOCH: Final = (946_684_800, 4_102_444_800)  # 2000 to 2100, in seconds


@dataclass
class Haystack:
    """Strings of some evidence, and its numbers with the names of their fields."""

    strings: list[str] = field(default_factory=list)
    numbers: list[tuple[str, float]] = field(default_factory=list)

    def missing(self, wanted: Facts) -> str:
        """The first fact that does not occur here, in words; "" when all do."""
        for quantity in wanted.quantities:
            if not any(quantity.same(found) for found in self._quantities):
                return f"the number {quantity.text}"
        for time in wanted.times:
            if not self._has_time(time):
                return f"the time {time}"
        for date in wanted.dates:
            if date not in self._dates:
                return f"the date {date}"
        for name in wanted.names:
            if not self.has_name(name):
                return f"the name {name}"
        for quote in wanted.quotes:
            if not self._has_quote(quote):
                return f"the quotation “{quote[:60]}”"
        return ""

    def has_object(self, name: str) -> bool:
        """Whether ``Kind/namespace/name`` is spoken of: its namespace and name each stand alone, not as a part of a longer name."""
        parts = [part.lower() for part in name.split("/") if part]
        return bool(parts) and all(_word_in(part, self._low, within="-.") for part in parts[1:] or parts)

    def has_name(self, name: str) -> bool:
        """Whether ``name`` occurs as a whole word, in any case; kinds may be left out of ``Kind/namespace/name``."""
        return _word_in(name.lower(), self._low) or (
            "/" in name and all(_word_in(part.lower(), self._low) for part in name.split("/") if part)
        )

    @cached_property
    def _low(self) -> str:
        return _SPACE.sub(" ", "\n".join(self.strings)[:MAX_TEXT]).lower()

    @cached_property
    def _quantities(self) -> list[Quantity]:
        found = [reading for key, number in self.numbers for reading in of_number(number, key)]
        for text in self.strings:
            found += stated(text[:8_000])
        return found[:20_000]

    @cached_property
    def _moments(self) -> list[datetime]:
        found: list[datetime] = []
        for text in self.strings:
            for match in _STAMP.finditer(text[:8_000]):
                try:
                    moment = datetime.fromisoformat(match[0].replace(" ", "T", 1).replace("Z", "+00:00"))
                except ValueError:
                    continue
                found.append(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC))
        for _, number in self.numbers:
            found.extend(
                datetime.fromtimestamp(number / scale, UTC)
                for scale in (1, 1_000, 1_000_000_000)
                if _EPOCH[0] <= number / scale <= _EPOCH[1]
            )
        return found

    @cached_property
    def _clocks(self) -> set[str]:
        clocks: set[str] = set()
        for moment in self._moments:
            clocks |= {f"{moment:%H:%M}", f"{moment:%H:%M:%S}"}
        for text in self.strings:
            bare = _STAMP.sub(" ", text[:8_000])
            for match in _CLOCK.finditer(bare):
                clocks.add(f"{int(match[1]):02d}:{match[2]}")
                if match[3]:
                    clocks.add(f"{int(match[1]):02d}:{match[2]}:{match[3]}")
        return clocks

    @cached_property
    def _dates(self) -> set[str]:
        return {f"{moment:%Y-%m-%d}" for moment in self._moments} | set(re.findall(r"\b\d{4}-\d\d-\d\d", self._low))

    def _has_time(self, time: str) -> bool:
        return time in self._clocks

    def _has_quote(self, quote: str) -> bool:
        """Each part between ellipses must occur, in order."""
        at = 0
        for part in re.split(r"…|\.{3}", quote):
            wanted = _SPACE.sub(" ", part).strip(" .,;:").lower()
            if not wanted:
                continue
            at = self._low.find(wanted, at)
            if at < 0:
                return False
            at += len(wanted)
        return True


def _word_in(word: str, text: str, within: str = "") -> bool:
    """Whether ``word`` stands in ``text`` with no letter, digit or sign of ``within`` touching it."""
    at = text.find(word)
    while at >= 0:
        before = text[at - 1] if at else " "
        after = text[at + len(word)] if at + len(word) < len(text) else " "
        if not (before.isalnum() or before in within or after.isalnum() or after in within):
            return True
        at = text.find(word, at + 1)
    return False


def split(evidence: Iterable[Evidence]) -> tuple[Haystack, Haystack]:
    """What the backends say, and all of it including what strangers can write."""
    clean, everything = Haystack(), Haystack()
    for one in evidence:
        all_tainted = "*" in one.tainted
        for tainted, key, leaf in _leaves(one):
            for heap in (everything,) if tainted or all_tainted else (clean, everything):
                if isinstance(leaf, str):
                    heap.strings.append(leaf)
                else:
                    heap.numbers.append((key, leaf))
    return clean, everything


Leaf = tuple[bool, str, str | float]
"""Whether a stranger can write it, the name of its field, and the string or number."""


def _leaves(evidence: Evidence) -> Iterator[Leaf]:
    """Every string and number of one evidence. Arguments are ours; lengths of lists are facts too."""
    yield from _walk(evidence.arguments, "", ())
    yield False, "", evidence.summary
    for note in evidence.notes:
        yield False, "", note
    for signal in evidence.signals:
        strange = signal.code.startswith(STRANGERS_SIGNALS)
        for key, value in signal.model_dump(mode="json").items():
            if isinstance(value, str):
                yield strange and key == "detail", key, value
            elif isinstance(value, int | float) and not isinstance(value, bool):
                yield False, f"{key}_{signal.unit}" if key != "count" else key, value
    if evidence.window is not None:
        yield False, "", evidence.window.start
        yield False, "", evidence.window.end
    if evidence.data is None:
        yield True, "", evidence.text  # servers that answer in prose name no paths, so none of it is known to be safe
    elif isinstance(evidence.data, dict):
        # The envelope's own part was read above, signal by signal.
        rest = {k: v for k, v in evidence.data.items() if not (k == "signals" and evidence.signals)}
        yield from _walk(rest, "", evidence.tainted)
    else:
        yield from _walk(evidence.data, "", evidence.tainted)


def _walk(value: Any, path: str, tainted: tuple[str, ...], strange: bool = False) -> Iterator[Leaf]:
    strange = strange or (bool(path) and path in tainted)
    key = path.rpartition(".")[2]
    if isinstance(value, dict):
        for name, inner in value.items():
            yield strange, "", str(name)
            yield from _walk(inner, f"{path}.{name}" if path else str(name), tainted, strange)
    elif isinstance(value, list | tuple):
        yield strange, "", len(value)
        for inner in value:
            yield from _walk(inner, f"{path}[]", tainted, strange)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield strange, key, value
