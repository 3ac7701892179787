"""Templates that differ only in words which take many values are one: "user ann paid", "user bob paid", … become "user <*> paid".

Masks know numbers and ids by their looks; names have none. What tells a value from a word that matters is how many there are: a place with
two or three words in it ("orders refused", "ledger refused") is what one wants to see apart, a place with many is noise.
"""

import re
from collections.abc import Iterable
from typing import Final

MANY: Final = 4
"""So many different words in one place make it a value."""
ALIKE: Final = 0.7
"""Share of the places with a word of its own, no mask, that must hold the same word in templates that are compared."""
MOST: Final = 1_000
"""Templates that are looked at in one call; more distinct ones are no longer patterns, and comparing them would cost too much."""
_CLUSTERS: Final = 200  # of one length
ANY: Final = "<*>"
_MASK = re.compile(r"[^0-9A-Za-z<]*+(?:<[a-z]{1,4}>[^0-9A-Za-z<]*+)*")

Words = tuple[str, ...]


def merged(templates: Iterable[str]) -> dict[str, str]:
    """Template -> its common name, for those that have one."""
    by_shape: dict[tuple[int, str], list[Words]] = {}
    for template in list(templates)[:MOST]:
        words = tuple(template.split(" "))
        by_shape.setdefault((len(words), words[0]), []).append(words)
    names: dict[str, str] = {}
    for (length, _), group in by_shape.items():
        if length >= 3 and len(group) >= MANY:
            for cluster in _clusters(group):
                _name(cluster, names)
    return names


def _clusters(group: list[Words]) -> list[list[Words]]:
    """Templates of one length, put with the first that is alike enough."""
    found: list[tuple[float, Words, list[Words]]] = []
    for words in group:
        for most, first, cluster in found:
            if sum(map(str.__ne__, words, first)) <= most:
                cluster.append(words)
                break
        else:
            own = sum(1 for word in words if not _MASK.fullmatch(word))
            if own >= 3 and len(found) < _CLUSTERS:
                found.append((own * (1 - ALIKE), words, [words]))
    return [cluster for _, _, cluster in found if len(cluster) >= MANY]


def _name(cluster: list[Words], names: dict[str, str]) -> None:
    few = [at for at, values in enumerate(zip(*cluster, strict=True)) if 1 < len(set(values)) < MANY]
    parts: dict[Words, list[Words]] = {}
    for words in cluster:
        parts.setdefault(tuple(words[at] for at in few), []).append(words)
    for part in parts.values():
        columns = [set(values) for values in zip(*part, strict=True)]
        if len(part) < MANY or any(1 < len(values) < MANY for values in columns):
            continue
        name = " ".join(next(iter(values)) if len(values) == 1 else ANY for values in columns)
        for words in part:
            names[" ".join(words)] = name
