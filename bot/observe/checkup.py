"""One line of ``rca doctor``: what was looked at, how it is, what to do."""

from dataclasses import dataclass
from typing import Literal

Health = Literal["ok", "warning", "failed", "not set"]


@dataclass(frozen=True)
class Finding:
    """``what`` says what was seen, ``mend`` what to do about it ("" when there is nothing to do)."""

    area: str
    name: str
    health: Health
    what: str
    mend: str = ""
