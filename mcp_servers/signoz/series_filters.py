"""Filters on labels, from the two ways people write them: ``k=v,k2=v2``, or SigNoz's expressions joined by AND.

What cannot be kept is refused: a filter that is dropped answers another question.
"""

from dataclasses import dataclass
from typing import Final, Literal

import re2

from mcp_servers.common.envelope import ToolFailure

Operator = Literal["=", "!=", "in", "not in", "contains"]
MOST: Final = 4
SEPARATOR: Final = "\x1f"
KEY = r"[A-Za-z_][A-Za-z0-9_.:/-]{0,119}"
_CLAUSE = re2.compile(
    rf"(?is)^\s*(?:(?:resource|attribute|span|log|tag)\.)?({KEY}?)\s*(!=|<>|=|\bNOT\s+IN\b|\bIN\b|\bCONTAINS\b)\s*(.+?)\s*$"
)
_QUOTED = re2.compile(r"""^(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s'"(),]+))$""")
_EXAMPLES = (
    "for example service.name=orders,k8s.pod.name=orders-1 or service.name = 'orders' AND region IN ('eu', 'us'); "
    "operators: = != IN, NOT IN, CONTAINS"
)


@dataclass(frozen=True)
class Condition:
    """``key`` compared with ``values`` (one, or several for ``in`` and ``not in``); values are plain text."""

    key: str
    operator: Operator
    values: tuple[str, ...]


def parse_filter(text: str) -> tuple[Condition, ...]:
    """The conditions, all of which must hold. Raises `ToolFailure` VALIDATION for what is not understood, and for more than `MOST`."""
    text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text for a store
    clauses = [c for c in _pieces(text) if c.strip()]
    if len(clauses) > MOST:
        raise _bad(f"has {len(clauses)} conditions; at most {MOST} are read")
    return tuple(_condition(clause) for clause in clauses)


def _pieces(text: str) -> list[str]:
    """Split at commas and ANDs that lie outside of quotes and parentheses."""
    pieces, start, at, depth, quote = [], 0, 0, 0, ""
    while at < len(text):
        char = text[at]
        if quote:
            at += char == "\\"
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif depth == 0 and (char == "," or (text[at : at + 5].upper() == " AND ")):
            pieces.append(text[start:at])
            at += 0 if char == "," else 4
            start = at + 1
        at += 1
    if quote or depth:
        raise _bad("has an open quote or parenthesis")
    return [*pieces, text[start:]]


def _condition(clause: str) -> Condition:
    found = _CLAUSE.match(clause)
    if not found:
        raise _bad(f"{clause.strip()[:60]!r} is not understood")
    key, sign, right = found[1], " ".join(found[2].lower().split()), found[3]
    operator: Operator = {"<>": "!=", "!=": "!=", "=": "=", "in": "in", "not in": "not in", "contains": "contains"}[
        sign
    ]  # type: ignore[assignment]
    if operator in ("in", "not in"):
        if not (right.startswith(("(", "[")) and right.endswith((")", "]"))):
            raise _bad(f"{operator.upper()} takes a list in parentheses")
        values = tuple(_value(piece) for piece in _pieces(right[1:-1]) if piece.strip())
        if not values:
            raise _bad(f"{operator.upper()} has no values")
        return Condition(key, operator, values)
    return Condition(key, operator, (_value(right),))


def _value(text: str) -> str:
    found = _QUOTED.match(text.strip())
    if not found:
        raise _bad(f"{text.strip()[:60]!r} is not one value")
    for quoted in (found[1], found[2]):
        if quoted is not None:
            return str(re2.sub(r"\\(.)", r"\1", quoted)).replace(SEPARATOR, "")
    return str(found[3])


def _bad(says: str) -> ToolFailure:
    return ToolFailure("VALIDATION", f"the filter {says}", hint=_EXAMPLES)


def parameters(conditions: tuple[Condition, ...]) -> dict[str, str]:
    """Statement parameters ``k0 o0 v0`` to ``k3 o3 v3`` of a statement that holds `clause`; unused ones are empty."""
    values: dict[str, str] = {}
    for slot in range(MOST):
        one = conditions[slot] if slot < len(conditions) else Condition("", "=", ())
        values |= {f"k{slot}": one.key, f"o{slot}": one.operator, f"v{slot}": SEPARATOR.join(one.values)}
    return values


def clause(read: str) -> str:
    """SQL that holds the conditions of `parameters`; ``read`` is an expression over ``{key}``, which becomes the slot's key."""
    parts = []
    for slot in range(MOST):
        key = f"{{k{slot}:String}}"
        left, right, how = read.replace("{key}", key), f"{{v{slot}:String}}", f"{{o{slot}:String}}"
        several = f"has(splitByChar('\\x1f', {right}), {left})"
        parts.append(
            f"({key} = '' OR multiIf({how} = '=', {left} = {right}, {how} = '!=', {left} != {right}, {how} = 'in', {several}, "
            f"{how} = 'not in', NOT {several}, positionCaseInsensitiveUTF8({left}, {right}) > 0))"
        )
    return " AND ".join(parts)
