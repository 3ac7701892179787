"""Rows of several servers as one answer.

Each server counts for itself. What the same query, error or partition is on two of them adds up, keeps the worst value or keeps both
rows, as the meaning of each field demands; `Merge` says which, beside the statement that reads it. Nothing depends on which server
answered first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Merge:
    """How rows become one.

    ``key``: rows that are equal in these are about the same thing (``()``: all of them are); ``None`` keeps every row, labelled by its
    host. ``sums``, ``highest``, ``lowest`` fold a field; ``means`` are weighted by ``n``; ``unions`` join lists. Every other field is
    taken from the row with the greatest ``lead``, and those in ``leads`` from the row with the greatest value of the field named there.
    ``rank`` orders the result by these fields, the greatest first (``-name``: the smallest first). A merged row gets ``hosts``, those it
    was made of.
    """

    key: tuple[str, ...] | None = None
    sums: tuple[str, ...] = ()
    highest: tuple[str, ...] = ()
    lowest: tuple[str, ...] = ()
    means: tuple[str, ...] = ()
    unions: tuple[str, ...] = ()
    lead: str = ""
    leads: Mapping[str, str] = field(default_factory=dict)
    rank: tuple[str, ...] = ()


def merged(rows: Iterable[Row], how: Merge) -> list[Row]:
    """``rows``, given in the order of the servers, merged and ranked. A field that a server does not have is left out of the sum."""
    found = list(rows)
    if how.key is not None:
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in found:
            groups.setdefault(tuple(_hashable(row.get(name)) for name in how.key), []).append(row)
        found = [_one(group, how) for group in groups.values()]
    for name in reversed(how.rank):
        found = _ranked(found, name.lstrip("-"), greatest_first=not name.startswith("-"))
    return found


def _ranked(rows: list[Row], name: str, *, greatest_first: bool) -> list[Row]:
    return sorted(rows, key=lambda row: _number(row.get(name)), reverse=greatest_first)


def _one(group: list[Row], how: Merge) -> Row:
    row = dict(_greatest(group, how.lead))
    hosts = list(dict.fromkeys(str(r["host"]) for r in group if r.get("host")))
    if len(group) > 1:
        for names, fold in ((how.sums, sum), (how.highest, max), (how.lowest, min)):
            for name in names:
                values = [r[name] for r in group if r.get(name) is not None]
                if values:
                    row[name] = fold(values)
        weights = [_number(r.get("n")) for r in group]
        for name in how.means:
            if sum(weights):
                row[name] = sum(_number(r.get(name)) * w for r, w in zip(group, weights, strict=True)) / sum(weights)
        for name in how.unions:
            row[name] = list(dict.fromkeys(item for r in group for item in r.get(name) or ()))
        for name, lead in how.leads.items():
            row[name] = _greatest(group, lead).get(name)
    row["hosts"] = hosts
    return row


def _greatest(rows: list[Row], name: str) -> Row:
    """The row with the greatest ``name``, the first of equals; the first of all without a name."""
    return max(rows, key=lambda row: _number(row.get(name)))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _hashable(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
