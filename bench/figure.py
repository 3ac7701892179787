"""One measured figure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """``value`` must not exceed ``limit``; ``unit`` is "" for a ratio."""

    what: str
    value: float
    limit: float
    unit: str = ""
    detail: str = ""
