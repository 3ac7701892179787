"""Conditions, templates, arguments and extractions of playbooks: what they refer to, and what they give on one context.

Every object is cheap to make (parsed and checked at once, so that a typo is found at load), compiles on its first use, and is safe to
share. A context is a plain mapping (`bot.playbooks.context`). Results come from the expression alone: data is never rendered again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from jinja2 import Template as JinjaTemplate
from jinja2 import TemplateError, nodes
from jinja2 import Undefined as JinjaUndefined

from bot.playbooks.errors import ExpressionError, MissingValue
from bot.playbooks.filters import jp, path
from bot.playbooks.sandboxed import Mode, parse, sandbox, whole

ROOTS: Final = frozenset({"alert", "vars", "steps", "item", "signal", "findings", "playbook"})
STATUS_FIELDS: Final = frozenset({"ok", "status", "error"})
"""Fields of a step that exist whether it succeeded or not: referring to them orders, but does not need the step's success."""
WHOLE: Final = frozenset({"tojson", "string", "join"})
"""Filters that make one text of a structure."""
MAX_RENDERED: Final = 20_000
"""Longest rendered text, in characters."""

_RUNTIME_ERRORS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, TemplateError)


@dataclass(frozen=True)
class Reference:
    """A step that an expression refers to.

    ``data`` is false when it only asks for ``.ok``, ``.status`` or ``.error``. ``soft`` is true when every use of the data stands under
    ``| default(...)`` or ``is defined``, so that the expression works without it.
    """

    step: str
    data: bool = True
    soft: bool = False


class _Expression:
    """What conditions and templates share."""

    mode: Mode = "template"

    def __init__(self, source: str, roots: frozenset[str] = ROOTS) -> None:
        self.source = source
        self._tree = parse(source, self.mode, roots)
        self.references: frozenset[Reference] = _references(source, self.mode, roots)
        self.roots = roots

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r})"

    @cached_property
    def names(self) -> frozenset[str]:
        """Root names that occur: ``alert``, ``steps`` and so on."""
        return frozenset(str(n.name) for n in self._tree.find_all(nodes.Name) if n.name in ROOTS)

    @cached_property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """The dotted paths that occur, e.g. ``("steps", "target", "namespace")``."""
        return tuple(path for path, _ in _uses(self._tree))

    @cached_property
    def texts(self) -> frozenset[str]:
        """Its constant texts: fields (``map(attribute='a.b')``), codes of signals, patterns."""
        return frozenset(n.value for n in self._tree.find_all(nodes.Const) if isinstance(n.value, str))

    @cached_property
    def as_text(self) -> bool:
        """Whether it turns a whole structure into text, so that every field of it is read."""
        return any(n.name in WHOLE for n in self._tree.find_all(nodes.Filter))

    def _evaluate(self, context: Mapping[str, Any]) -> Any:
        try:
            return _native(self.source, self.mode, self.roots)(context)
        except MissingValue as problem:
            raise self._named(problem, context) from None
        except ExpressionError as problem:
            raise ExpressionError(f"{self.source!r:.200}: {problem}") from None
        except _RUNTIME_ERRORS as problem:
            raise ExpressionError(f"{self.source!r:.200}: {type(problem).__name__}: {problem!s:.200}") from None

    def _named(self, problem: MissingValue, context: Mapping[str, Any]) -> MissingValue:
        """The same problem with the full path of the first value that this expression needs and the context does not hold."""
        for parts in self.paths:
            gap = _gap(parts, context)
            if gap and (not problem.field or problem.field in parts):
                return MissingValue(f"{gap} is not there (in {self.source!r:.120})", gap)
        return MissingValue(f"{problem} (in {self.source!r:.120})", problem.field)


class Condition(_Expression):
    """A bare expression that must give a real boolean.

    Raises `ExpressionError` when made from something that is none, or from a name outside ``roots``.
    """

    mode: Mode = "condition"

    def holds(self, context: Mapping[str, Any]) -> bool:
        """Whether it is true here. Raises `MissingValue` when it needs a value that is not there, `ExpressionError` otherwise."""
        value = self.value(context)
        if not isinstance(value, bool):
            raise ExpressionError(
                f"{self.source!r:.200} gave {type(value).__name__}, not true or false; compare it, e.g. `... | length > 0`"
            )
        return value

    def value(self, context: Mapping[str, Any]) -> Any:
        """The value, whatever its type: for ``for_each``. Raises as `holds`."""
        return _present(self._evaluate(context), self, context)


class Template(_Expression):
    """Text with ``{{ expressions }}``; with ``statements`` also ``{% if %}`` and ``{% for %}`` (prompts, reports)."""

    def __init__(self, source: str, roots: frozenset[str] = ROOTS, *, statements: bool = False) -> None:
        self.mode = "text" if statements else "template"
        super().__init__(source, roots)

    def render(self, context: Mapping[str, Any]) -> Any:
        """The text; for a source that is one ``{{ expression }}`` its value with its own type.

        Raises `MissingValue` naming the field, `ExpressionError` for everything else, also for a text over `MAX_RENDERED`.
        """
        return _present(self._evaluate(context), self, context)

    def text(self, context: Mapping[str, Any]) -> str:
        """As `render`, always text."""
        value = self.render(context)
        if value is None:
            raise MissingValue(f"{self.source!r:.120} is null; write | default(...)")
        finalize = sandbox().finalize
        return str(finalize(value) if finalize else value)[:MAX_RENDERED]


class Arguments:
    """A tool call's arguments: nested mappings and lists whose texts are templates.

    ``optional`` arguments (top level) are left out when they render to nothing: missing, null or empty text.
    """

    def __init__(
        self, arguments: Mapping[str, Any], optional: Sequence[str] = (), roots: frozenset[str] = ROOTS
    ) -> None:
        self._parts = {key: _compiled(value, roots, 0) for key, value in arguments.items()}
        self._optional = frozenset(optional)
        unknown = sorted(self._optional - set(self._parts))
        if unknown:
            raise ExpressionError(f"optional argument {unknown[0]!r} is not among the arguments")
        self.references = frozenset(
            _merged(r for key, value in self._parts.items() for t in _templates(value) for r in t.references)
        )

    def render(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments. Raises `MissingValue` naming argument and field, or `ExpressionError`."""
        rendered: dict[str, Any] = {}
        for key, value in self._parts.items():
            try:
                result = _rendered(value, context)
            except MissingValue as problem:
                if key in self._optional:
                    continue
                raise MissingValue(f"argument {key}: {problem}", problem.field) from None
            except ExpressionError as problem:
                raise ExpressionError(f"argument {key}: {problem}") from None
            if key in self._optional and result in (None, "", [], {}):
                continue
            if result is None:
                raise MissingValue(f"argument {key}: the value is null", key)
            rendered[key] = result
        return rendered


class Extraction:
    """JMESPath over a step's answer. Gives ``None`` where nothing is found."""

    def __init__(self, source: str) -> None:
        path(source)
        self.source = source

    def apply(self, data: Any) -> Any:
        """Raises `ExpressionError` when the path cannot work on this data (a number where a list is needed)."""
        return jp(data, self.source)


def _compiled(value: Any, roots: frozenset[str], depth: int) -> Any:
    if depth > 8:
        raise ExpressionError("arguments are nested too deeply")
    if isinstance(value, str):
        return Template(value, roots)
    if isinstance(value, Mapping):
        return {str(k): _compiled(v, roots, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_compiled(v, roots, depth + 1) for v in value]
    return value


def _templates(value: Any) -> Iterator[Template]:
    if isinstance(value, Template):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _templates(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _templates(inner)


def _rendered(value: Any, context: Mapping[str, Any]) -> Any:
    if isinstance(value, Template):
        return value.render(context)
    if isinstance(value, dict):
        return {k: _rendered(v, context) for k, v in value.items()}
    if isinstance(value, list):
        return [_rendered(v, context) for v in value]
    return value


def _present(value: Any, of: _Expression, context: Mapping[str, Any]) -> Any:
    if isinstance(value, JinjaUndefined):
        raise of._named(MissingValue("a value is not there", str(value._undefined_name or "")), context)
    if isinstance(value, Iterator):  # `map`, `select` and `reject` are generators
        try:
            return list(value)
        except MissingValue as problem:
            raise of._named(problem, context) from None
        except _RUNTIME_ERRORS as problem:
            raise ExpressionError(f"{of.source!r:.200}: {type(problem).__name__}: {problem!s:.200}") from None
    return value


class _Native:
    """A compiled expression that keeps its value's type."""

    def __init__(self, expression: nodes.Expr) -> None:
        body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)]
        self._template: JinjaTemplate = sandbox().from_string(nodes.Template(body, lineno=1))

    def __call__(self, context: Mapping[str, Any]) -> Any:
        scope = self._template.new_context(dict(context))
        for _ in self._template.root_render_func(scope):
            pass
        return scope.vars["result"]


class _Text:
    """A compiled text with a cap on what it may grow to."""

    def __init__(self, tree: nodes.Template) -> None:
        self._template: JinjaTemplate = sandbox().from_string(tree)

    def __call__(self, context: Mapping[str, Any]) -> str:
        scope = self._template.new_context(dict(context))
        parts: list[str] = []
        room = MAX_RENDERED
        for piece in self._template.root_render_func(scope):
            room -= len(piece)
            if room < 0:
                raise ExpressionError(f"the text grows beyond {MAX_RENDERED} characters; use | truncate")
            parts.append(piece)
        return "".join(parts)


@lru_cache(maxsize=4096)
def _native(source: str, mode: Mode, roots: frozenset[str]) -> Any:
    tree = parse(source, mode, roots)
    expression = whole(tree)
    return _Native(expression) if expression is not None else _Text(tree)


def _merged(found: Iterator[Reference]) -> Iterator[Reference]:
    """One a step: data if any use reads data, soft if every such use is soft."""
    uses: dict[str, list[Reference]] = {}
    for reference in found:
        uses.setdefault(reference.step, []).append(reference)
    for step, all_ in uses.items():
        reads = [r for r in all_ if r.data]
        yield Reference(step, bool(reads), bool(reads) and all(r.soft for r in reads))


@lru_cache(maxsize=8192)
def _references(source: str, mode: Mode, roots: frozenset[str]) -> frozenset[Reference]:
    tree = parse(source, mode, roots)
    found = [(p, soft) for p, soft in _uses(tree) if p[0] == "steps"]
    if any(len(p) < 2 for p, _ in found):
        raise ExpressionError("`steps` needs the name of a step right after it, e.g. steps.target.namespace")
    return frozenset(_merged(Reference(p[1], len(p) < 3 or p[2] not in STATUS_FIELDS, soft) for p, soft in found))


def _uses(tree: nodes.Node) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The longest constant path of each use of a root name, and whether the use can do without the value."""
    guarded: set[int] = set()
    for guard in tree.find_all((nodes.Filter, nodes.Test)):
        if guard.name in ("default", "d", "defined", "undefined") and guard.node is not None:
            here: nodes.Node = guard.node
            while isinstance(here, nodes.Getattr | nodes.Getitem):
                guarded.add(id(here))
                here = here.node
            guarded.add(id(here))
    inner: set[int] = set()
    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Name)):
        if id(node) in inner:
            continue
        parts: list[str] = []
        here = node
        while isinstance(here, nodes.Getattr | nodes.Getitem):
            inner.add(id(here))
            if isinstance(here, nodes.Getattr):
                parts.append(here.attr)
            elif isinstance(here.arg, nodes.Const) and isinstance(here.arg.value, str):
                parts.append(here.arg.value)
            else:
                parts.clear()  # an index: what follows it is not constant
            here = here.node
        if isinstance(here, nodes.Name):
            inner.add(id(here))
            if here.ctx == "load" and here.name in ROOTS:
                yield (here.name, *reversed(parts)), id(node) in guarded


def _gap(parts: tuple[str, ...], context: Mapping[str, Any]) -> str:
    """The path up to the first part that the context does not hold; "" when it is all there."""
    value: Any = context
    for index, name in enumerate(parts):
        if isinstance(value, Mapping) and name in value:
            value = value[name]
            continue
        return ".".join(parts[: index + 1])
    return "" if value is not None else ".".join(parts)
