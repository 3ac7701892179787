"""Commands without their literals: field names and operators stay, every value becomes ``?``.

Slow-query logs and ``$currentOp`` quote whole commands, so this is the line between statistics and customers' data. By construction:
values are never looked at, and a field name that looks like data (an id, an address, free text as a map's key) becomes ``?`` as well.
"""

import re
from collections.abc import Mapping
from typing import Any

from mcp_servers.common.untrusted import clean, cut

_LONGEST = 300
_DEEPEST = 6
_WIDEST = 12
_SEGMENT = re.compile(r"\$?[A-Za-z_][A-Za-z0-9_-]{0,39}")
_WORD = re.compile(r"\$?[A-Za-z0-9_-]+")
_NO_LABEL = re.compile(r"[^\w.:/@()+|$-]")
# Looks like an identifier of something rather than a field: hexadecimal of some length, or many digits.
_DATA = re.compile(r"(?i)^(?=.*[0-9])[0-9a-f-]{12,}$|[0-9]{5,}")
_WRAPPED = frozenset(
    {
        "$oid",
        "$date",
        "$numberLong",
        "$numberInt",
        "$numberDouble",
        "$numberDecimal",
        "$binary",
        "$uuid",
        "$regularExpression",
        "$timestamp",
        "$minKey",
        "$maxKey",
        "$symbol",
        "$code",
        "$dbPointer",
        "$undefined",
        "$literal",
        "$truncated",
    }
)
_VERBS = (
    "find",
    "aggregate",
    "count",
    "distinct",
    "findAndModify",
    "findandmodify",
    "update",
    "delete",
    "insert",
    "getMore",
)
_PLAN_WORD = re.compile(r"\b[A-Z][A-Z_]{2,30}(?:2D(?:SPHERE)?)?\b|\{[^{}]{0,300}\}")


def field(name: Any) -> str:
    """A field path fit to be shown: ``items.0.sku`` stays, a segment that looks like data becomes ``?``, and free text ends the path."""
    told: list[str] = []
    for part in str(name)[:200].split("."):
        told.append(_segment(part))
        if not _WORD.fullmatch(part) and part != "$**":
            break
    return cut(".".join(told), 80)


def label(name: Any, limit: int = 80) -> str:
    """A name that a client gave itself or its collection, in one word: no markup, no sentence can be smuggled in as one."""
    return _NO_LABEL.sub("_", clean(name, limit))


def _segment(part: str) -> str:
    if part == "$**" or (part.isdigit() and len(part) <= 3):
        return part
    return part if _SEGMENT.fullmatch(part) and not _DATA.search(part) else "?"


def shape(value: Any, depth: int = 0) -> str:
    """A query, update or expression as ``{status: ?, at: {$gte: ?}}``."""
    if isinstance(value, Mapping):
        if not value:
            return "{}"
        if depth >= _DEEPEST or any(k in _WRAPPED for k in value):
            return "?"
        pairs = [f"{field(k)}: {shape(v, depth + 1)}" for k, v in list(value.items())[:_WIDEST]]
        unique = list(dict.fromkeys(pairs))
        return "{" + ", ".join([*unique, *(["..."] if len(value) > _WIDEST else [])]) + "}"
    if isinstance(value, list | tuple):
        if depth >= _DEEPEST:
            return "?"
        inner = list(dict.fromkeys(shape(v, depth + 1) for v in value[:50]))
        return inner[0] if inner == ["?"] else "[" + ", ".join(inner[:_WIDEST]) + "]"
    return "?"


def order(value: Any) -> str:
    """A sort or index key: directions are no data, anything else is."""
    if not isinstance(value, Mapping):
        return "?"
    pairs = (f"{field(k)}: {_direction(v)}" for k, v in list(value.items())[:_WIDEST])
    return "{" + ", ".join(pairs) + "}"


def _direction(value: Any) -> str:
    if isinstance(value, str):
        return value if value in ("text", "hashed", "2d", "2dsphere") else "?"
    number = value.get("$numberInt", "?") if isinstance(value, Mapping) else value
    return str(int(number)) if isinstance(number, int | float) and number in (1, -1) else "?"


def command_shape(command: Any) -> tuple[str, str]:
    """The operation and the shape of a command as the log, the profile or ``$currentOp`` hold it; ("", "") when it holds neither."""
    if not isinstance(command, Mapping):
        return "", ""
    if "q" in command:  # one statement of an update or delete, as the log shows it
        changes = f" {shape(command['u'])}" if "u" in command else ""
        return ("update" if "u" in command else "remove"), _short(shape(command["q"]) + changes)
    verb = next((v for v in _VERBS if v in command), "")
    if verb == "getMore":
        op, told = command_shape(command.get("originatingCommand"))
        return "getMore", told or op
    if verb == "aggregate":
        return verb, _short(_pipeline(command.get("pipeline")))
    if verb in ("update", "delete"):
        statements = command.get("updates" if verb == "update" else "deletes")
        first = statements[0] if isinstance(statements, list) and statements else {}
        return verb, command_shape(first)[1] or "{}"
    if verb == "insert":
        return verb, "documents"
    if not verb:
        name = str(next(iter(command), ""))
        return (name if _SEGMENT.fullmatch(name) and not name.startswith("$") else ""), ""
    query = command.get("filter", command.get("query", {}))
    text = shape(query) + (f" sort{order(command['sort'])}" if command.get("sort") else "")
    return verb.replace("andm", "AndM"), _short(text)


def _pipeline(stages: Any) -> str:
    if not isinstance(stages, list):
        return "?"
    told = []
    for stage in stages[:_WIDEST]:
        name = str(next(iter(stage), "")) if isinstance(stage, Mapping) else ""
        if not name:
            told.append("?")
        elif name == "$sort":
            told.append(f"$sort{order(stage[name])}")
        else:
            told.append(f"{field(name)}{shape(stage[name])}")
    return " | ".join(told) or "{}"


def plan(summary: Any) -> str:
    """``planSummary`` as stages and index keys, each told once; anything else in it goes."""
    if not isinstance(summary, str):
        return ""
    words = _PLAN_WORD.findall(summary[:1_000])
    stages: list[str] = []
    for word in words:
        if word.startswith("{") and stages:
            stages[-1] += f" {_keys(word)}"
        elif not word.startswith("{"):
            stages.append(word)
    # a branch of $or is a stage each, and their number varies with the query
    return cut(", ".join(dict.fromkeys(stages)), 160)


def _keys(braces: str) -> str:
    pairs = [p.partition(":")[::2] for p in braces.strip("{} ").split(",") if ":" in p]
    return "{" + ", ".join(f"{field(k.strip().strip(chr(34)))}: {_bare(v.strip())}" for k, v in pairs) + "}"


def _bare(value: str) -> str:
    return value if value in ("1", "-1", '"text"', '"hashed"', '"2d"', '"2dsphere"') else "?"


def _short(text: str) -> str:
    return clean(text, _LONGEST)
