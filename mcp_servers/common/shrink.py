"""Making an answer fit, the same way every time, and saying what went.

Never by cutting JSON text: first go the fields that the answer's own model names as dispensable, then long strings lose their middle, then
lists lose their tails. Lists come sorted by usefulness (errors first, then severity, then newest), so a tail is what matters least. Signals
and the summary go last.
"""

from collections.abc import Sequence
from typing import Any

from mcp_servers.common.envelope import compact
from mcp_servers.common.untrusted import cut

_LAST = frozenset({"signals", "notes", "untrusted", "partial"})
_WHOLE = frozenset({"code", "subject", "owner", "reason", "id", "ref", "start", "end"})


def size(value: Any) -> int:
    """Bytes of ``value`` as compact JSON."""
    return len(compact(value).encode("utf-8", "replace"))


def shrink(
    data: dict[str, Any], limit: int, *, drop_keys: bool = True, first: Sequence[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """``data`` in at most ``limit`` bytes of compact JSON, and one note for each thing that was cut.

    ``data`` itself is not changed; what already fits comes back as it is. ``first`` are paths of fields that are left out before anything
    else, one after the other until it fits (``pods[].labels``: of each row). ``drop_keys=False`` keeps every other key, so that the result
    stays valid against a schema with required fields; it may then stay too large.
    """
    if size(data) <= limit:
        return data, []
    notes: list[str] = []
    small: dict[str, Any] = data
    for path in first:
        before = size(small)
        small = _without(small, path.split("."))
        if size(small) < before:
            notes.append(f"{path}: left out")
        if size(small) <= limit:
            return small, notes
    said = ""
    for longest in (300, 120):
        before = size(small)
        small = _cut_strings(small, longest)
        if size(small) < before:
            said = f"texts longer than {longest} characters lost their middle"
        if size(small) <= limit:
            return small, [*notes, said]
    notes += [said] if said else []
    small = _copy(small)
    kept: dict[str, tuple[int, int]] = {}
    while size(small) > limit:
        found = [(path, holder, key) for path, holder, key in _lists(small, "") if len(holder[key]) > 1]
        pool = [f for f in found if f[0].split(".")[0] not in _LAST] or found
        if not pool:
            break
        path, holder, key = max(pool, key=lambda f: (size(f[1][f[2]]), f[0]))
        whole = len(holder[key])
        holder[key] = holder[key][: whole // 2]
        kept[path] = (len(holder[key]), kept.get(path, (0, whole))[1])
    notes += [f"{path}: the first {now} of {was} are shown" for path, (now, was) in sorted(kept.items())]
    if drop_keys:
        dropped: list[str] = []
        while size(small) > limit and len(small) > 0:
            largest = max(small, key=lambda k: (k != "summary", size(small[k]), k))
            small.pop(largest)
            dropped.append(largest)
        if dropped:
            notes.append(f"left out: {', '.join(cut(d, 40) for d in dropped[:10])}")
    return small, notes


def _without(value: Any, path: list[str]) -> Any:
    """A copy of ``value`` without the field at ``path``; what does not have it is as it was."""
    if not isinstance(value, dict) or not path:
        return value
    name, rest = path[0].removesuffix("[]"), path[1:]
    if name not in value:
        return value
    if not rest:
        return {k: v for k, v in value.items() if k != name}
    inner = value[name]
    changed = [_without(row, rest) for row in inner] if isinstance(inner, list) else _without(inner, rest)
    return {**value, name: changed}


def _cut_strings(value: Any, longest: int, key: str = "") -> Any:
    if isinstance(value, str):
        return value if key in _WHOLE else cut(value, longest)
    if isinstance(value, dict):
        return {k: _cut_strings(v, longest, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_cut_strings(v, longest, key) for v in value]
    return value


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list) else value


def _lists(value: Any, path: str) -> list[tuple[str, Any, Any]]:
    """Every list below ``value``: its path (indices left out), what holds it, and under which key."""
    found: list[tuple[str, Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        here = path if isinstance(value, list) else f"{path}.{key}".lstrip(".")
        if isinstance(inner, list):
            found.append((here, value, key))
        found += _lists(inner, here)
    return found
