"""The combinators that block rules are made of.

A rule looks at one JSON value and writes what is wrong into a `Problems`, with the JSON pointer of the place, in Slack's own
wording where it is known. Rules never raise, whatever the value is: an app may send any JSON.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

Rule = Callable[[Any, str, "Problems"], None]

MOST_PROBLEMS = 30  # Slack names a few; a flood of them helps nobody


@dataclass
class Problems:
    """What is wrong with a payload. ``file_ready`` answers whether an uploaded file id can be shown already."""

    file_ready: Callable[[str], bool] | None = None
    found: list[str] = field(default_factory=list)

    def add(self, pointer: str, what: str) -> None:
        if len(self.found) < MOST_PROBLEMS:
            self.found.append(f"{what} [json-pointer:{pointer}]")

    def __bool__(self) -> bool:
        return bool(self.found)


def anything(_value: Any, _pointer: str, _problems: Problems) -> None:
    """No rule at all."""


def string(most: int | None = None, least: int = 0) -> Rule:
    """A string of ``least`` to ``most`` characters."""

    def rule(value: Any, pointer: str, problems: Problems) -> None:
        if not isinstance(value, str):
            problems.add(pointer, "must be a string")
        elif len(value) < least:
            problems.add(pointer, f"must be more than {least - 1} characters")
        elif most is not None and len(value) > most:
            problems.add(pointer, f"must be less than {most + 1} characters")

    return rule


def boolean(value: Any, pointer: str, problems: Problems) -> None:
    if not isinstance(value, bool):
        problems.add(pointer, "must be a boolean")


def number(value: Any, pointer: str, problems: Problems) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        problems.add(pointer, "must be a number")


def integer(least: int, most: int) -> Rule:
    def rule(value: Any, pointer: str, problems: Problems) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            problems.add(pointer, "must be an integer")
        elif not least <= value <= most:
            problems.add(pointer, f"must be between {least} and {most}")

    return rule


def one_of(*allowed: str) -> Rule:
    def rule(value: Any, pointer: str, problems: Problems) -> None:
        if not isinstance(value, str) or value not in allowed:
            problems.add(pointer, f"must be one of: {', '.join(allowed)}")

    return rule


def url(most: int = 3000) -> Rule:
    """An absolute http or https address (Slack also takes mailto and slack links in buttons)."""
    length = string(most, 1)

    def rule(value: Any, pointer: str, problems: Problems) -> None:
        length(value, pointer, problems)
        if isinstance(value, str) and not value.lower().startswith(("http://", "https://", "mailto:", "slack://")):
            problems.add(pointer, "must be a valid URL")

    return rule


def array(item: Rule, most: int, least: int = 1) -> Rule:
    """A list of ``least`` to ``most`` items, each by ``item``."""

    def rule(value: Any, pointer: str, problems: Problems) -> None:
        if not isinstance(value, list):
            problems.add(pointer, "must be an array")
            return
        if len(value) < least:
            problems.add(pointer, f"no less than {least} items allowed")
        if len(value) > most:
            problems.add(pointer, f"no more than {most} items allowed")
        for index, entry in enumerate(value[:most]):
            item(entry, f"{pointer}/{index}", problems)

    return rule


def record(
    required: Mapping[str, Rule] | None = None,
    optional: Mapping[str, Rule] | None = None,
    any_of: Collection[str] = (),
    also: Rule | None = None,
) -> Rule:
    """An object with these fields and no others. ``any_of``: at least one of these must be there. ``also`` sees the whole object."""
    must, may = dict(required or {}), dict(optional or {})

    def rule(value: Any, pointer: str, problems: Problems) -> None:
        if not isinstance(value, dict):
            problems.add(pointer, "must be an object")
            return
        for key in must:
            if value.get(key) is None:
                problems.add(pointer, f"missing required field: {key}")
        if any_of and all(value.get(key) is None for key in any_of):
            problems.add(pointer, f"must define one of: {', '.join(any_of)}")
        for key, entry in value.items():
            known = must.get(key) or may.get(key)
            if known is None:
                problems.add(pointer, f"invalid additional property: {str(key)[:60]}")
            elif entry is not None:
                known(entry, f"{pointer}/{key}", problems)
        if also is not None:
            also(value, pointer, problems)

    return rule


def by_type(kinds: Mapping[str, Rule], what: str) -> Rule:
    """The rule for the object's ``type``; a type that is not in ``kinds`` is unsupported here."""

    def rule(value: Any, pointer: str, problems: Problems) -> None:
        if not isinstance(value, dict):
            problems.add(pointer, "must be an object")
            return
        kind = value.get("type")
        if not isinstance(kind, str):
            problems.add(pointer, "missing required field: type")
        elif kind not in kinds:
            problems.add(f"{pointer}/type", f"unsupported type: {kind[:60]} ({what})")
        else:
            kinds[kind](value, pointer, problems)

    return rule
