"""Small readings that the tools share: numbers of rows, ratios, service names."""

from math import isfinite
from typing import Any

from mcp_servers.common.untrusted import clean

SERVICE = r"^[^\x00-\x1f'\"`\\]{0,200}$"
ALERT_AT = r"^[0-9T:.+Z -]{0,40}$"


def number(value: Any) -> float:
    """A cell as a number; 0 for what is none (NaN and null included)."""
    try:
        read = float(value)
    except (TypeError, ValueError):
        return 0.0
    return read if isfinite(read) else 0.0


def ratio(part: float, whole: float) -> float:
    """``part / whole`` to three decimals; 0 for an empty whole."""
    return round(part / whole, 3) if whole else 0.0


def short(value: float) -> float:
    """Three significant decimals."""
    return round(value, 3)


def name(value: Any, limit: int = 120) -> str:
    """A name out of telemetry, fit to be shown."""
    return clean(value, limit)


def subject(service: str) -> str:
    """``service/<name>``, the subject of every signal here."""
    return f"service/{name(service)}"
