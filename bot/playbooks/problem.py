"""`Problem`: one thing wrong with one file, for the person who wrote it."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """Where, what, why and how to mend. ``level`` is ``error`` when the playbook cannot be used, ``warning`` when it can."""

    file: str
    line: int
    field: str
    message: str
    level: Literal["error", "warning"] = "error"
    playbook: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """``; did you mean 'steps'?`` where a known word is close, else ``otherwise``."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else otherwise
