"""Jinja2 with the doors shut.

Jinja's own sandbox is not enough for data that strangers write: ``steps.x.items`` gives a method, ``'%1000000000d' % 1`` and ``lipsum``
burn seconds, missing values turn into empty text. Here: no globals, no calls, a closed list of filters and tests, access to mapping and
sequence items only, arithmetic on numbers only and with caps, and a missing value that raises unless the author says ``| default(...)`` or
``is defined``. The authors of playbooks are trusted, the data is not: data is never rendered.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal, NoReturn

from jinja2 import StrictUndefined, Undefined, UndefinedError, meta, nodes
from jinja2.exceptions import TemplateError
from jinja2.runtime import LoopContext
from jinja2.sandbox import SandboxedEnvironment

from bot.playbooks.errors import ExpressionError, MissingValue
from bot.playbooks.filters import FILTERS_ALLOWED, TESTS_ALLOWED

Mode = Literal["condition", "template", "text"]

MAX_SOURCE: Final = {"condition": 4_000, "template": 8_000, "text": 20_000}
_MAX_DEPTH: Final = 40
_OPERATORS = ("+", "-", "*", "/", "//", "%", "**")
_EXPRESSION_NODES = (
    nodes.Expr,
    nodes.Helper,
    nodes.Output,
    nodes.Template,
)
_STATEMENTS = (nodes.For, nodes.If)
_FORBIDDEN = (
    nodes.Call,
    nodes.EnvironmentAttribute,
    nodes.ExtensionAttribute,
    nodes.ImportedName,
    nodes.InternalName,
    nodes.ContextReference,
    nodes.DerivedContextReference,
    nodes.MarkSafe,
    nodes.MarkSafeIfAutoescape,
    nodes.NSRef,
)


class Missing(StrictUndefined):
    """A value that is not there: further items of it are missing too; any use of it raises, with the name."""

    def _raise(self, *_: Any, **__: Any) -> NoReturn:
        name = self._undefined_name
        raise MissingValue(f"{name} is not there" if name else "a value is not there", str(name or ""))

    def __getattr__(self, name: str) -> "Missing":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, _: Any) -> "Missing":  # type: ignore[override]
        return self

    __iter__ = __str__ = __len__ = __eq__ = __ne__ = __bool__ = __hash__ = __contains__ = _raise
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _raise
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __pos__ = _raise
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __call__ = _raise


def _plain_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Sandbox(SandboxedEnvironment):
    """The environment of every expression. Stateless; one instance is shared."""

    intercepted_binops = frozenset(_OPERATORS)

    def __init__(self) -> None:
        super().__init__(undefined=Missing, autoescape=False, cache_size=0, finalize=_finalize, trim_blocks=True)
        self.globals = {}
        self.filters = dict(FILTERS_ALLOWED)
        self.tests = dict(TESTS_ALLOWED)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext):
            if attribute in ("index", "index0", "first", "last", "length"):
                return getattr(obj, attribute)
            raise ExpressionError(f"loop.{attribute} is not available; loop.index, .first, .last and .length are")
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Missing):
            return obj
        if isinstance(obj, Undefined):
            return self.undefined(name=str(argument))
        try:
            if isinstance(obj, Mapping) and isinstance(argument, str | int):
                return obj[argument]
            if isinstance(obj, list | tuple | str) and (
                isinstance(argument, slice) or (isinstance(argument, int) and not isinstance(argument, bool))
            ):
                return obj[argument]
        except (KeyError, IndexError):
            pass
        return self.undefined(name=str(argument))

    def call(self, *_: Any, **__: Any) -> NoReturn:
        raise ExpressionError("calls are not allowed in expressions; use a filter")

    def call_binop(self, _context: Any, operator: str, left: Any, right: Any) -> Any:
        for side in (left, right):
            if isinstance(side, Undefined):
                str(side)
        if not (_plain_number(left) and _plain_number(right)):
            raise ExpressionError(
                f"{operator!r} works on numbers only, got {type(left).__name__} and {type(right).__name__}; join text with ~"
            )
        if operator == "**" and (abs(left) > 1e6 or abs(right) > 16):
            raise ExpressionError(f"{left} ** {right} is too large")
        value = self.binop_table[operator](left, right)
        if isinstance(value, complex) or (isinstance(value, int) and value.bit_length() > 256):
            raise ExpressionError(f"the result of {operator!r} is out of range")
        return value


def _finalize(value: Any) -> Any:
    """What goes into text. A null has no words, so it counts as missing; structures read as JSON."""
    if value is None:
        raise MissingValue("a value is null; write | default(...)")
    if isinstance(value, Mapping | list | tuple):
        return FILTERS_ALLOWED["tojson"](value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


@lru_cache(maxsize=1)
def sandbox() -> Sandbox:
    return Sandbox()


@lru_cache(maxsize=8192)
def parse(source: str, mode: Mode, roots: frozenset[str]) -> nodes.Template:
    """The checked tree of ``source``.

    A condition is a bare expression. A template is text with ``{{ }}``. A text may also hold ``{% if %}`` and ``{% for %}``.
    Raises `ExpressionError`: syntax, unknown root name, filter or test, a call, a statement where none may stand, too long or deep.
    """
    if not isinstance(source, str):
        raise ExpressionError(f"{source!r:.60} is no text; put the expression in quotes")
    if len(source) > MAX_SOURCE[mode]:
        raise ExpressionError(f"{len(source)} characters long; at most {MAX_SOURCE[mode]}")
    if mode == "condition":
        if not source.strip():
            raise ExpressionError("empty condition")
        if "{{" in source or "{%" in source:
            raise ExpressionError("a condition is a bare expression; leave the braces away")
        text = "{{ (" + source + "\n) }}"
    else:
        text = source
    try:
        tree = sandbox().parse(text)
    except TemplateError as problem:
        raise ExpressionError(f"syntax: {problem}") from None
    except RecursionError:
        raise ExpressionError("nested too deeply") from None
    if mode == "condition" and not (len(tree.body) == 1 and whole(tree) is not None):
        raise ExpressionError("a condition is one bare expression")
    _check(tree, mode, 0)
    unknown = sorted(_free_names(tree, mode) - roots - {"loop"})
    if unknown:
        raise ExpressionError(f"unknown name {unknown[0]!r}; known here: {', '.join(sorted(roots))}")
    return tree


def _free_names(tree: nodes.Template, mode: Mode) -> set[str]:
    """Names that must come from outside. Without statements nothing binds a name; Jinja's own way compiles the whole text to find out."""
    if mode == "text":
        return meta.find_undeclared_variables(tree)
    return {str(node.name) for node in tree.find_all(nodes.Name)}


def _check(node: nodes.Node, mode: Mode, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ExpressionError("nested too deeply")
    if isinstance(node, nodes.Call):
        raise ExpressionError("calls are not allowed in expressions; use a filter")
    if isinstance(node, _FORBIDDEN):
        raise ExpressionError(f"{type(node).__name__} is not allowed in expressions")
    if isinstance(node, nodes.Stmt) and not isinstance(node, nodes.Output | nodes.Scope):
        if not isinstance(node, _STATEMENTS):
            raise ExpressionError(f"{{% {type(node).__name__.lower()} %}} is not allowed")
        if mode != "text":
            raise ExpressionError("{% %} statements may stand in prompts only; use an expression")
        if isinstance(node, nodes.For) and node.recursive:
            raise ExpressionError("recursive loops are not allowed")
    elif not isinstance(node, (*_EXPRESSION_NODES, *_STATEMENTS)):
        raise ExpressionError(f"{type(node).__name__} is not allowed in expressions")
    if isinstance(node, nodes.Filter) and node.name not in FILTERS_ALLOWED:
        raise ExpressionError(f"unknown filter {node.name!r}; known: {', '.join(sorted(FILTERS_ALLOWED))}")
    if isinstance(node, nodes.Test) and node.name not in TESTS_ALLOWED:
        raise ExpressionError(f"unknown test {node.name!r}; known: {', '.join(sorted(TESTS_ALLOWED))}")
    for child in node.iter_child_nodes():
        _check(child, mode, depth + 1)


def whole(tree: nodes.Template) -> nodes.Expr | None:
    """The expression when the text is one ``{{ expression }}`` and nothing else, so that its value keeps its type."""
    if len(tree.body) == 1 and isinstance(tree.body[0], nodes.Output):
        shown = [n for n in tree.body[0].nodes if not (isinstance(n, nodes.TemplateData) and not n.data.strip())]
        if len(shown) == 1 and not isinstance(shown[0], nodes.TemplateData):
            return shown[0]
    return None


__all__ = [
    "MAX_SOURCE",
    "ExpressionError",
    "Missing",
    "MissingValue",
    "Mode",
    "Sandbox",
    "UndefinedError",
    "parse",
    "sandbox",
    "whole",
]
