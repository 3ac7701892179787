"""``rca.yaml`` with the place of every value, so that an error can name file, line and field.

YAML here is plain data: no tags, no anchors, no key twice. ``${NAME}`` and ``${NAME:-default}`` in strings are filled from the environment
(``$$`` is a dollar sign), so that secrets need not stand in the file.
"""

import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{[^}]*\}?")
_RESOLVED = {"tag:yaml.org,2002:" + t for t in ("str", "int", "float", "bool", "null", "timestamp")}

Place = tuple[str | int, ...]


class SettingsError(Exception):
    """The configuration cannot be used; the message says what, where and what to do."""


class Document:
    """The data of one file and the line of each value. ``lookup`` gives a variable's value or ``None``."""

    def __init__(self, path: Path, lookup: Callable[[str], str | None]) -> None:
        self.path = path
        self.lines: dict[Place, int] = {}
        self._lookup = lookup
        self.data: dict[str, Any] = self._read()

    def where(self, place: Place) -> str:
        """``rca.yaml:12: slack.channels[0].senders``, with the line of the nearest value that stands in the file."""
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        return f"{self.path}:{self.lines.get(known, 1)}: {field(place)}"

    def error(self, place: Place, what: str) -> SettingsError:
        return SettingsError(f"{self.where(place)}: {what}")

    def _read(self) -> dict[str, Any]:
        try:
            raw = self.path.read_bytes()
        except OSError as error:
            raise SettingsError(
                f"{self.path}: cannot read the configuration: {error.strerror}; name another file with --config or RCA_CONFIG"
            ) from error
        if len(raw) > MAX_BYTES:
            raise SettingsError(f"{self.path}: the configuration has {len(raw)} bytes; at most {MAX_BYTES} are read")
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise SettingsError(f"{self.path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
        try:
            for token in yaml.scan(text, Loader=yaml.SafeLoader):
                if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
                    raise SettingsError(
                        f"{self.path}:{token.start_mark.line + 1}: anchors, aliases and tags are not read; write the value out"
                    )
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            raise SettingsError(f"{self.path}:{line}: not YAML: {error.problem or error.context}") from error
        except (yaml.YAMLError, RecursionError) as error:
            raise SettingsError(f"{self.path}: not YAML: {str(error)[:200] or 'nested too deep'}") from error
        if node is None:
            return {}
        data = self._value(node, ())
        if not isinstance(data, dict):
            raise self.error((), "the file must hold fields such as slack: and servers:, not a single value or a list")
        return data

    def _value(self, node: yaml.Node, place: Place) -> Any:
        self.lines.setdefault(place, node.start_mark.line + 1)
        if len(place) > MAX_DEPTH:
            raise self.error(place, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*place, i)) for i, item in enumerate(node.value)]
        if node.tag == "tag:yaml.org,2002:str":
            return self._filled(str(node.value), place)
        if node.tag not in _RESOLVED:
            raise self.error(place, f"{str(node.value)[:60]!r} is not plain data; put it in quotes")
        try:
            return yaml.safe_load(str(node.value)) if node.tag != "tag:yaml.org,2002:timestamp" else str(node.value)
        except (yaml.YAMLError, ValueError) as error:
            raise self.error(place, f"{str(node.value)[:60]!r} cannot be read: {error}") from error

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            if not key:
                raise self.error(place, f"line {key_node.start_mark.line + 1}: a field's name must be one word")
            inner = (*place, key)
            if key in out:
                first, self.lines[inner] = self.lines[inner], key_node.start_mark.line + 1
                raise self.error(inner, f"stands twice, first in line {first}; keep one of them")
            self.lines[inner] = key_node.start_mark.line + 1
            out[key] = self._value(value_node, inner)
        return out

    def _filled(self, text: str, place: Place) -> str:
        def one(match: re.Match[str]) -> str:
            if match[0] == "$$":
                return "$"
            if match[1] is None:
                raise self.error(place, f"{match[0][:40]!r} is no variable; write ${{NAME}} or ${{NAME:-default}}")
            value = self._lookup(match[1])
            if value is None and match[2] is None:
                raise self.error(
                    place, f"the variable {match[1]} is not set; set it, or give a default: ${{{match[1]}:-value}}"
                )
            return str(match[2]) if value is None else value

        return _VARIABLE.sub(one, text)


def field(place: Place) -> str:
    """``slack.channels[0].senders`` for a place; "the file" for the top."""
    out = ""
    for part in place:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out or "the file"


def close(name: str, known: list[str]) -> str:
    """``; did you mean x?`` with the nearest known name, else the list of names."""
    near = get_close_matches(name, known, 1, 0.6)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"


def explain(error: ValidationError, model: type[BaseModel], document: Document | None) -> SettingsError:
    """All that pydantic found, one problem a line, each with its place and a mend; at most ten."""
    lines: list[str] = []
    for problem in error.errors()[:10]:
        place: Place = tuple(problem["loc"])
        where = document.where(place) if document else field(place)
        if problem["type"] == "extra_forbidden":
            what = f"unknown field; {close(str(place[-1]), _names(model, place[:-1]))}"
        else:
            given = problem.get("input")
            shown = (
                f" (found {str(given)[:40]!r})"
                if isinstance(given, int | float | bool) or _harmless(place, given)
                else ""
            )
            what = problem["msg"].removeprefix("Value error, ").rstrip(".") + shown
        lines.append(f"{where}: {what}")
    more = error.error_count() - len(lines)
    return SettingsError("\n".join(lines + ([f"and {more} more"] if more > 0 else [])))


def _harmless(place: Place, given: object) -> bool:
    """Whether a value may be shown: nothing in or beside a credential."""
    return isinstance(given, str) and not any(
        w in str(p).lower() for p in place for w in ("token", "key", "env", "secret", "url")
    )


def _names(model: type[BaseModel], place: Place) -> list[str]:
    """The fields that are known at ``place``."""
    current: Any = model
    for part in place:
        if isinstance(part, int):
            continue
        info = current.model_fields.get(part) if isinstance(current, type) and issubclass(current, BaseModel) else None
        current = _model_in(info.annotation) if info is not None else None
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found:
            return found
    return None
