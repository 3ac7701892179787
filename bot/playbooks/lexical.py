"""The last resort before the general playbook: which playbook's words are closest to the alert's, and is it clear enough?

Weighted character n-grams over the words of names, because alert names are short and joined (``KubePodCrashLooping``); it answers only
with a minimum score AND a margin over the second, since a wrong specific playbook is worse than the general one.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bot.playbooks.model import Playbook

MIN_SCORE = 0.42
MIN_MARGIN = 0.10
_MAX_CHARS = 600
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# fmt: off
_NOISE = frozenset((
    "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "have", "in", "instance", "is", "it", "its", "labels", "more",
    "no", "of", "on", "or", "than", "that", "the", "this", "to", "value", "was", "with",
))
# fmt: on


def words(text: str) -> list[str]:
    """Lower-case words; joined names are taken apart, one-letter words and noise are left out."""
    return [w for m in _WORD.finditer(text[:_MAX_CHARS]) if len(w := m.group().lower()) > 1 and w not in _NOISE]


def grams(text: str) -> Counter[str]:
    """3- to 5-grams of the words, each word fenced with spaces."""
    counts: Counter[str] = Counter()
    for word in words(text):
        fenced = f" {word} "
        for n in (3, 4, 5):
            counts.update(fenced[i : i + n] for i in range(len(fenced) - n + 1))
    return counts


@dataclass(frozen=True)
class Match:
    """The closest playbook, its score (0 to 1) and the second's; ``clear`` when both thresholds hold."""

    playbook: Playbook
    score: float
    second: float

    @property
    def clear(self) -> bool:
        return self.score >= MIN_SCORE and self.score - self.second >= MIN_MARGIN


class Lexicon:
    """The words of the playbooks that allow it (``fallback: true``)."""

    def __init__(self, playbooks: Sequence[Playbook]) -> None:
        self._playbooks = [p for p in playbooks if p.fallback]
        documents = [grams(_words_of(p)) for p in self._playbooks]
        seen = Counter(gram for document in documents for gram in document)
        self._weights = {gram: math.log(1 + len(documents) / n) + 0.1 for gram, n in seen.items()}
        self._unknown = (
            math.log(1 + max(len(documents), 1)) + 0.1
        )  # a word that no playbook has counts against all of them
        self._postings: dict[str, list[tuple[int, float]]] = {}
        for number, document in enumerate(documents):
            for gram, weight in self._vector(document).items():
                self._postings.setdefault(gram, []).append((number, weight))

    def closest(self, text: str) -> Match | None:
        """The closest playbook to ``text``, clear or not; ``None`` when there is none to compare."""
        query = self._vector(grams(text))
        if not query or not self._playbooks:
            return None
        scores = [0.0] * len(self._playbooks)
        for gram, weight in query.items():
            for number, other in self._postings.get(gram, ()):
                scores[number] += weight * other
        order = sorted(range(len(scores)), key=lambda i: (-scores[i], self._playbooks[i].id))
        second = scores[order[1]] if len(order) > 1 else 0.0
        return Match(self._playbooks[order[0]], scores[order[0]], second)

    def _vector(self, counts: Counter[str]) -> dict[str, float]:
        raw = {g: (1 + math.log(n)) * self._weights.get(g, self._unknown) for g, n in counts.items()}
        length = math.sqrt(sum(v * v for v in raw.values()))
        return {g: v / length for g, v in raw.items()} if length else {}


def _words_of(playbook: Playbook) -> str:
    return " ".join((playbook.title, " ".join(playbook.keywords), " ".join(playbook.aliases)))
