"""The filters and tests that expressions may use: a closed list, because every one of them is reachable with foreign data.

Left out on purpose: everything that formats by a pattern (``format``, ``center``, ``indent``, ``wordwrap``), marks text as safe, looks at
Python attributes (``attr``) or draws random values. What remains is bounded by the size of its input.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import jmespath
import jmespath.exceptions
import re2
from jinja2 import Undefined
from jinja2.filters import FILTERS
from jinja2.tests import TESTS

from bot.patterns import PatternError, Patterns
from bot.playbooks.errors import ExpressionError, MissingValue

MAX_TEXT: Final = 200_000
"""Longest text that a filter reads or makes, in characters."""

_LENGTH: Final = re.compile(r"([1-9]\d{0,5})([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

# fmt: off
_KEPT_FILTERS = (
    "abs", "count", "dictsort", "first", "float", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min",
    "reject", "rejectattr", "reverse", "round", "select", "selectattr", "sort", "string", "sum", "title", "trim", "truncate",
    "unique", "upper",
)
_KEPT_TESTS = (
    "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "greaterthan", "gt", "in", "integer",
    "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sequence", "string", "true",
    "undefined", "upper", "==", "!=", ">", ">=", "<", "<=",
)
# fmt: on


@lru_cache(maxsize=512)
def regex(source: str) -> Any:
    """A compiled google-re2 expression. Raises `ExpressionError` with the reason."""
    if len(source) > 1_000:
        raise ExpressionError(f"regular expression of {len(source)} characters; at most 1000")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(source, options)
    except (re2.error, UnicodeEncodeError) as problem:
        reason = problem.args[0] if problem.args else problem
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ExpressionError(f"{source!r} is not a regular expression of RE2: {said}") from None


@lru_cache(maxsize=512)
def path(source: str) -> Any:
    """A compiled JMESPath expression. Raises `ExpressionError` with the reason."""
    if len(source) > 1_000:
        raise ExpressionError(f"JMESPath of {len(source)} characters; at most 1000")
    try:
        return jmespath.compile(source)
    except (jmespath.exceptions.JMESPathError, RecursionError) as problem:
        raise ExpressionError(f"{source!r} is not JMESPath: {str(problem).splitlines()[0]}") from None


def _text(value: Any, of: str) -> str:
    if isinstance(value, Undefined):
        str(value)  # raises MissingValue with the path
    if not isinstance(value, str):
        raise ExpressionError(f"{of} needs text, got {type(value).__name__}")
    return value[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")  # lone surrogates cannot be encoded for re2


def _number(value: Any, of: str) -> int | float:
    if isinstance(value, Undefined):
        str(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ExpressionError(f"{of} needs a number, got {value!r:.60}")
    return value


def search(value: Any, pattern: str) -> bool:
    """Whether ``pattern`` occurs in the text."""
    return regex(pattern).search(_text(value, "search")) is not None


def match(value: Any, pattern: str) -> bool:
    """Whether ``pattern`` covers the whole text."""
    return regex(pattern).fullmatch(_text(value, "match")) is not None


def startswith(value: Any, prefix: str) -> bool:
    return _text(value, "startswith").startswith(prefix)


def endswith(value: Any, suffix: str) -> bool:
    return _text(value, "endswith").endswith(suffix)


def contains(value: Any, part: Any) -> bool:
    """Whether a text or a list holds ``part``."""
    if isinstance(value, str | list | tuple | Mapping):
        return part in value
    if isinstance(value, Undefined):
        str(value)
    raise ExpressionError(f"contains needs text or a list, got {type(value).__name__}")


def capture(value: Any, pattern: str, group: int = 1) -> str | None:
    """The text that a group of ``pattern`` caught, or ``None``."""
    found = regex(pattern).search(_text(value, "capture"))
    if found is None:
        return None
    try:
        return str(found.group(group)) if found.group(group) is not None else None
    except (IndexError, re2.error):
        raise ExpressionError(f"capture: {pattern!r} has no group {group}") from None


def default(value: Any, other: Any = "", falsy: bool = False) -> Any:
    """``other`` for what is missing or null; with ``falsy`` also for empty text, lists and zero."""
    if isinstance(value, Undefined) or value is None or (falsy and not value):
        return other
    return value


def pct(part: Any, whole: Any, digits: int = 0) -> float | int:
    """``part`` of ``whole`` in percent. A ``whole`` of zero is an error: a percentage of nothing is not a number."""
    below = _number(whole, "pct")
    if below == 0:
        raise ExpressionError("pct of a whole of zero")
    value = 100.0 * _number(part, "pct") / below
    return round(value, digits) if digits else round(value)


def age(value: Any, now: Any = None) -> float:
    """Seconds since an ISO 8601 time (no zone means UTC); negative when it lies ahead. ``now`` for comparing two times."""
    then = _time(value)
    until = datetime.now(UTC) if now is None else _time(now)
    return (until - then).total_seconds()


def _time(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        when = datetime.fromisoformat(_text(value, "age"))
    except ValueError:
        raise ExpressionError(f"{value!r:.60} is not an ISO 8601 time") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def duration(value: Any) -> str:
    """Seconds for people: ``45 s``, ``12 min``, ``3 h``, ``2 d``."""
    seconds = abs(_number(value, "duration"))
    for limit, unit, factor in ((90, "s", 1), (5400, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{round(seconds / factor)} {unit}"
    return f"{round(seconds / 86_400)} d"


def around(value: Any, before: str = "15m", after: str = "15m", now: Any = None) -> str:
    """A ``time_range`` around an ISO 8601 time: from ``before`` ahead of it to ``after`` behind it, or to now if that is earlier.

    ``"" | around('15m')`` is ``15m``, the time before now: an alert that does not say when it began is taken to begin now.
    """
    lengths = [_LENGTH.fullmatch(_text(text, "around")) for text in (before, after)]
    if not lengths[0] or not lengths[1]:
        raise ExpressionError(f"around takes lengths like 90s, 15m or 2h, got {before!r:.20} and {after!r:.20}")
    if isinstance(value, Undefined) or value in (None, ""):
        return before
    first, last = (timedelta(seconds=int(m[1]) * _UNITS[m[2]]) for m in lengths if m)
    middle = _time(value).astimezone(UTC)
    until = datetime.now(UTC) if now is None else _time(now).astimezone(UTC)
    end = max(min(middle + last, until), middle + timedelta(seconds=1))
    return f"{middle - first:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}"


def clock(value: Any) -> str:
    """The time of day of an ISO 8601 time in UTC: ``03:01``."""
    return _time(value).astimezone(UTC).strftime("%H:%M")


def size(value: Any) -> str:
    """Bytes for people: ``512 MiB``."""
    amount = float(_number(value, "size"))
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(amount) < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def tail(value: Any) -> str:
    """The name at the end of an object's path: ``Deployment/shop/checkout`` gives ``checkout``."""
    return _text(value, "tail").rsplit("/", 1)[-1]


def namespace(value: Any) -> str:
    """The namespace in an object's path of three parts: ``Deployment/shop/checkout`` gives ``shop``; "" for every other text."""
    parts = _text(value, "namespace").split("/")
    return parts[1] if len(parts) == 3 else ""


def part(value: Any, index: int) -> str:
    """One part of an object's path, from zero: ``Deployment/shop/checkout`` | part(1) gives ``shop``; "" past the end."""
    parts = _text(value, "part").split("/")
    return parts[index] if -len(parts) <= index < len(parts) else ""


def kind_name(value: Any) -> str:
    """``deployment/checkout``, as kubectl takes it, from ``Deployment/shop/checkout``; also accepts ``Deployment/checkout``."""
    parts = _text(value, "kind_name").split("/")
    return f"{parts[0].lower()}/{parts[-1]}" if len(parts) > 1 else parts[0]


def jp(value: Any, source: str) -> Any:
    """What the JMESPath ``source`` finds; ``None`` where it finds nothing."""
    if isinstance(value, Undefined):
        str(value)
    try:
        return path(source).search(value)
    except (jmespath.exceptions.JMESPathError, TypeError, ValueError, AttributeError) as problem:
        raise ExpressionError(f"JMESPath {source!r}: {str(problem).splitlines()[0]}") from None


def replace(value: Any, old: str, new: str) -> str:
    """Plain replacement; the result may not grow beyond `MAX_TEXT`."""
    text = _text(value, "replace")
    if len(text) + text.count(old) * max(len(new) - len(old), 0) > MAX_TEXT:
        raise ExpressionError(f"replace would make more than {MAX_TEXT} characters")
    return text.replace(old, new)


def tojson(value: Any) -> str:
    """Compact JSON."""
    if isinstance(value, Undefined):
        str(value)
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except (TypeError, ValueError) as problem:
        raise ExpressionError(f"tojson: {problem}") from None


def split(value: Any, by: str = "/") -> list[str]:
    if not by:
        raise ExpressionError("split needs a separator")
    return _text(value, "split").split(by)


def union(value: Any, *others: Any) -> list[Any]:
    """The items of all lists in order, each once. Lists only; at most 1000 items."""
    merged: list[Any] = []
    for items in (value, *others):
        if isinstance(items, Undefined):
            str(items)
        for item in items if isinstance(items, list | tuple | Iterator) else _no_list(items):
            if item not in merged and len(merged) < 1_000:
                merged.append(item)
    return merged


def unique_names(value: Any) -> list[Any]:
    """A list of object paths without those that end like an earlier one: ``checkout-1`` and ``Pod/shop/checkout-1`` are one."""
    kept: dict[str, Any] = {}
    for item in union(value):
        kept.setdefault(tail(item), item)
    return list(kept.values())


def _no_list(value: Any) -> list[Any]:
    raise ExpressionError(f"union needs lists, got {type(value).__name__}")


def has_signal(value: Any, *patterns: str) -> bool:
    """Whether a list of signals holds one whose code matches a pattern (exact, ``a*``, ``/re2/``)."""
    if isinstance(value, Undefined):
        str(value)
    try:
        wanted = compiled_patterns(patterns)
    except PatternError as problem:
        raise ExpressionError(str(problem)) from None
    return any(wanted.matches(str(s["code"])) for s in value if isinstance(s, Mapping) and "code" in s)


@lru_cache(maxsize=512)
def compiled_patterns(patterns: tuple[str, ...]) -> Patterns:
    return Patterns.compile(patterns)


_JINJA_FILTERS: Mapping[str, Any] = FILTERS
_JINJA_TESTS: Mapping[str, Any] = TESTS
_OWN: dict[str, Callable[..., Any]] = {
    "search": search,
    "match": match,
    "contains": contains,
    "startswith": startswith,
    "endswith": endswith,
    "capture": capture,
    "default": default,
    "d": default,
    "pct": pct,
    "age": age,
    "around": around,
    "duration": duration,
    "clock": clock,
    "size": size,
    "tail": tail,
    "part": part,
    "namespace": namespace,
    "kind_name": kind_name,
    "jp": jp,
    "replace": replace,
    "tojson": tojson,
    "split": split,
    "union": union,
    "unique_names": unique_names,
    "has_signal": has_signal,
}
FILTERS_ALLOWED: Final[dict[str, Callable[..., Any]]] = {
    **{name: _JINJA_FILTERS[name] for name in _KEPT_FILTERS},
    **_OWN,
}
TESTS_ALLOWED: Final[dict[str, Callable[..., Any]]] = {
    **{name: _JINJA_TESTS[name] for name in _KEPT_TESTS},
    "search": search,
    "match": match,
    "contains": contains,
    "startswith": startswith,
    "endswith": endswith,
    "has_signal": has_signal,
}

__all__ = ["FILTERS_ALLOWED", "MAX_TEXT", "TESTS_ALLOWED", "ExpressionError", "MissingValue", "jp", "path", "regex"]
