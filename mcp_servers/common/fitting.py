"""The last look at an answer before it leaves: signals and notes in order and within their numbers, the whole within its size."""

from typing import Any

from mcp_servers.common.shrink import shrink, size
from mcp_servers.common.signals import EFFECTS
from mcp_servers.common.untrusted import clean

MAX_SIGNALS = 12
MAX_NOTES = 5
_ROOM_FOR_NOTES = 700
_RANK = {"critical": 0, "warning": 1, "info": 2}


def order(payload: dict[str, Any]) -> None:
    """Signals once each, the gravest first, causes before effects, then the oldest; signals, notes and summary within bounds."""
    payload["summary"] = clean(payload.get("summary"), 240)
    notes = list(dict.fromkeys(payload.get("notes") or []))
    signals = payload.get("signals") or []
    unique: dict[tuple[str, str, str], dict[str, Any]] = {}
    for signal in signals:
        unique.setdefault((signal["code"], signal["subject"], signal.get("reason", "")), signal)
    ordered = sorted(unique.values(), key=_rank)
    if len(ordered) > MAX_SIGNALS:
        notes.insert(0, f"{len(ordered) - MAX_SIGNALS} more signals of lower rank are left out")
        ordered = ordered[:MAX_SIGNALS]
    if ordered:
        payload["signals"] = ordered
    if notes:
        payload["notes"] = notes[:MAX_NOTES]


def fit(payload: dict[str, Any], limit: int, first: tuple[str, ...] = ()) -> dict[str, Any]:
    """``payload`` in about ``limit`` bytes of compact JSON, with what went said in ``notes``, ``truncated`` and ``page``.

    ``first`` are the fields that go first (see `Envelope.SHRINK`). Required fields stay, so the result may still be too large.
    """
    if size(payload) <= limit:
        return payload
    small, cuts = shrink(payload, limit - _ROOM_FOR_NOTES, drop_keys=False, first=first)
    small = {**small, "truncated": True}
    small["notes"] = [*small.get("notes", [])[: MAX_NOTES - 1], clean("; ".join(cuts), 400)]
    page = _page(payload, small)
    if page is not None:
        small["page"] = page
    return small


def _page(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any] | None:
    """``page`` as it is after lists lost their tails: what it counted is no longer what is shown, and its cursor would skip what went."""
    shorter = [
        key
        for key, value in before.items()
        if isinstance(value, list) and isinstance(after.get(key), list) and len(after[key]) < len(value)
    ]
    shorter = [key for key in shorter if key not in ("signals", "notes", "partial", "untrusted", "refs")]
    if not shorter:
        return None
    told = before.get("page")
    if not isinstance(told, dict):
        key = max(shorter, key=lambda k: (len(before[k]) - len(after[k]), k))
        return {"returned": len(after[key]), "total": len(before[key])}
    counted = next((key for key in shorter if len(before[key]) == told.get("returned")), None)
    if counted is None:
        return None
    page = {k: v for k, v in told.items() if k != "next"} | {"returned": len(after[counted])}
    if "total" not in page:
        page |= {"total": len(before[counted])} | ({"total_is_lower_bound": True} if "next" in told else {})
    return page


def _rank(signal: dict[str, Any]) -> tuple[int, bool, str, str, str]:
    severity = _RANK.get(signal["severity"], 3)
    return severity, signal["code"] in EFFECTS, signal.get("since") or "9", signal["code"], signal["subject"]
