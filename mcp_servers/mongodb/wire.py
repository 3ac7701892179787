"""What may be sent to a MongoDB server at all: the one list, checked again for each command right before it leaves.

Tools compose commands from literals; this check is the second lock on the same door. It is a list of what is allowed, so a command that
nobody thought of is refused. Documents of users' collections cannot be asked for: ``find`` reads ``system.profile`` only, ``aggregate``
starts with a statistics stage, ``profile`` may only ask for the level.
"""

from collections.abc import Callable, Mapping
from typing import Any

READS = frozenset(
    {
        "hello",
        "buildInfo",
        "serverStatus",
        "replSetGetStatus",
        "replSetGetConfig",
        "connectionStatus",
        "getParameter",
        "getLog",
        "listDatabases",
        "dbStats",
        "profile",
        "find",
        "aggregate",
    }
)
SOURCES = frozenset({"$currentOp", "$collStats", "$indexStats"})
STAGES = frozenset({"$match", "$group", "$sort", "$limit", "$project"})
_CODE = frozenset({"$where", "$function", "$accumulator", "$out", "$merge", "$lookup", "$unionWith", "$graphLookup"})


class NotARead(ValueError):
    """A tool composed a command that is not on the list: a defect of this server. Nothing was sent."""


def checked(body: Mapping[str, Any], limit_ms: int) -> dict[str, Any]:
    """``body`` as it may leave, with the server-side time limit ``limit_ms`` set. Raises `NotARead`."""
    name = next(iter(body), "")
    if name not in READS:
        raise NotARead(f"{name} is not a command that this server sends")
    rule = _RULES.get(name)
    if rule is not None and not rule(body):
        raise NotARead(f"{name} is sent only in the forms that read statistics")
    if _CODE & set(_keys(body)):
        raise NotARead(f"{name} holds an operator that runs code, writes or reads another collection")
    return {**body, "maxTimeMS": limit_ms}


def told(body: Mapping[str, Any]) -> str:
    """The command as an error names it: of an aggregate the source is what needs a permission."""
    name, pipeline = next(iter(body), ""), body.get("pipeline")
    return f"aggregate with {next(iter(pipeline[0]))}" if name == "aggregate" and pipeline else name


def _statistics(body: Mapping[str, Any]) -> bool:
    pipeline = body.get("pipeline")
    if not isinstance(pipeline, list) or not pipeline or any(len(stage) != 1 for stage in pipeline):
        return False
    names = [next(iter(stage)) for stage in pipeline]
    # $currentOp and $collStats grow with load, so their answer must be bounded
    bounded = names[0] != "$currentOp" or "$limit" in names
    return names[0] in SOURCES and set(names[1:]) <= STAGES and bounded


def _profile_rows(body: Mapping[str, Any]) -> bool:
    return body["find"] == "system.profile" and 0 < body.get("limit", 0) <= 1_000 and body.get("singleBatch") is True


_RULES: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "aggregate": _statistics,
    "find": _profile_rows,
    "getLog": lambda body: body["getLog"] == "global",
    "profile": lambda body: dict(body) == {"profile": -1},
    "getParameter": lambda body: body["getParameter"] == 1,
}


def _keys(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [*map(str, value), *(k for inner in value.values() for k in _keys(inner))]
    return [k for inner in value for k in _keys(inner)] if isinstance(value, list) else []
