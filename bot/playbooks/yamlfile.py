"""YAML with line numbers and without surprises.

Built on libyaml's events instead of a loader: nesting, aliases and size are bounded before anything is built; keys are always text (``on:``
is a key, not ``true``); only ``true`` and ``false`` are booleans; there are no dates, octals or sexagesimals; a key that stands twice is an
error; and no tag can make an object.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 30
MAX_ALIASES: Final = 500
MAX_NODES: Final = 50_000
"""Nodes with aliases written out, so that a few lines of aliases cannot stand for a gigabyte."""

_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,3})?")
_STR, _MERGE = "tag:yaml.org,2002:str", "<<"
Path = tuple[str | int, ...]


class YamlError(Exception):
    """The text is no usable YAML; ``line`` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


@dataclass
class Document:
    """A plain value (dict, list, str, int, float, bool, None) and the line of every path in it."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """The line of ``path``, or of the nearest thing above it that stands in the file."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return 1


@dataclass
class _Node:
    value: Any
    line: int
    weight: int = 1
    inner: dict[Path, int] = field(default_factory=dict)


def read(text: bytes) -> Document:
    """Parse one document. Raises `YamlError`."""
    if len(text) > MAX_BYTES:
        raise YamlError(1, f"{len(text)} bytes; at most {MAX_BYTES} are read. Split the file")
    try:
        root = _Reader(text).document()
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        said = getattr(problem, "problem", None) or str(problem).splitlines()[0]
        raise YamlError(mark.line + 1 if mark else 1, f"not YAML: {said}") from None
    except UnicodeDecodeError as problem:
        raise YamlError(1, f"not UTF-8 text: {problem.reason} at byte {problem.start}") from None
    return Document(root.value, {(): root.line, **root.inner})


class _Reader:
    def __init__(self, text: bytes) -> None:
        self._events: Iterator[Any] = yaml.parse(text.decode("utf-8"), Loader=yaml.CSafeLoader)
        self._anchors: dict[str, _Node | None] = {}
        self._aliases = 0

    def document(self) -> _Node:
        root: _Node | None = None
        event: Any
        for event in self._events:
            line = event.start_mark.line + 1
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise YamlError(line, "a second document (`---`); write one playbook a file")
                root = self._node(next(self._events), 0)
        if root is None:
            raise YamlError(1, "the file is empty")
        return root

    def _node(self, event: Any, depth: int) -> _Node:
        line = event.start_mark.line + 1
        if depth > MAX_DEPTH:
            raise YamlError(line, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), line)
        if event.anchor:
            self._anchors[event.anchor] = None  # an alias inside of its own anchor has no value yet
        if isinstance(event, yaml.ScalarEvent):
            node = _Node(_scalar(event, line), line)
        elif event.tag and event.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "!"):
            raise YamlError(line, f"the tag {event.tag} is not allowed")
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(line, depth)
        else:
            node = self._mapping(line, depth)
        if node.weight > MAX_NODES:
            raise YamlError(line, f"more than {MAX_NODES} values once its aliases are written out")
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, anchor: str, line: int) -> _Node:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise YamlError(line, f"more than {MAX_ALIASES} aliases")
        node = self._anchors.get(anchor)
        if node is None:
            raise YamlError(line, f"*{anchor} stands before or inside of what it names")
        return _Node(node.value, line, node.weight)  # problems inside of it are reported where it is used

    def _sequence(self, line: int, depth: int) -> _Node:
        made = _Node([], line)
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            child = self._node(event, depth + 1)
            _adopt(made, len(made.value), child)
            made.value.append(child.value)
        return made

    def _mapping(self, line: int, depth: int) -> _Node:
        made, own, merged = _Node({}, line), set[str](), dict[str, Any]()
        event: Any
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            at: int = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                raise YamlError(at, "a key must be plain text")
            key, child = event.value, self._node(next(self._events), depth + 1)
            if key == _MERGE and not event.style:
                for part in child.value if isinstance(child.value, list) else [child.value]:
                    if not isinstance(part, dict):
                        raise YamlError(at, "`<<` takes a mapping or a list of mappings")
                    for name, value in part.items():
                        merged.setdefault(name, value)
                made.weight += child.weight
                continue
            if key in own:
                raise YamlError(at, f"the key {key!r} stands twice")
            own.add(key)
            _adopt(made, key, child)
            made.inner[(key,)] = at
            made.value[key] = child.value
        for name, value in merged.items():
            made.value.setdefault(name, value)
        return made


def _adopt(parent: _Node, key: str | int, child: _Node) -> None:
    parent.weight += child.weight
    parent.inner[(key,)] = child.line
    for path, line in child.inner.items():
        parent.inner[(key, *path)] = line


def _scalar(event: Any, line: int) -> Any:
    text: str = event.value
    if event.tag and event.tag not in (_STR, "!"):
        raise YamlError(line, f"the tag {event.tag} is not allowed")
    if event.tag == _STR or event.style or event.tag == "!":
        return text
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
