"""One line of ``rca doctor``: what was looked at, how it is, what to do."""

from dataclasses import dataclass
from typing import Final, Literal

Health = Literal["ok", "warning", "failed", "not set"]
BAD: Final = frozenset({"failed", "not set"})
"""What makes the command end with exit code 1."""


@dataclass(frozen=True)
class Row:
    """One or more tools in one state; ``why`` says what they miss ("" where they miss nothing)."""

    state: str
    what: str
    why: str = ""


@dataclass(frozen=True)
class Finding:
    """``what`` says what was seen, ``mend`` what to do about it ("" when there is nothing to do).

    ``rows`` are the permissions of a server's tools; ``notes`` what is worth knowing beside the main line.
    """

    area: str
    name: str
    health: Health
    what: str
    mend: str = ""
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
