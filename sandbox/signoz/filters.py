"""The filter language (a subset) into SQL: comparisons, IN, LIKE, CONTAINS, REGEXP, BETWEEN, EXISTS, AND, OR, NOT, parentheses."""

import re
from collections.abc import Callable
from difflib import get_close_matches

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?(?![\w.]))
    |(?P<op><=|>=|!=|<>|=|<|>)|(?P<mark>[(),\[\]])|(?P<word>[A-Za-z_][\w.\-/]*))""",
    re.VERBOSE,
)
_CONTEXTS = ("resource.", "attribute.", "span.", "log.", "scope.", "body.")


class BadFilter(ValueError):
    """The expression cannot be read."""


class KeyMissing(ValueError):
    """No row has the key; ``near`` are keys with a close name."""

    def __init__(self, key: str, known: list[str]) -> None:
        self.key, self.near = key, get_close_matches(key, known, 3, 0.6)
        super().__init__(f"key `{key}` not found")


Column = Callable[[str], tuple[str, str]]
"""Gives (the SQL that reads a key, the SQL that says whether a row has it). Raises `KeyMissing`."""


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def bare(key: str) -> str:
    """A key without its context."""
    return next((key.removeprefix(c) for c in _CONTEXTS if key.startswith(c)), key)


def sql_of(expression: str, column: Column) -> str:
    """A condition; "1" for an empty expression. Raises `BadFilter`, `KeyMissing`."""
    if not expression.strip():
        return "1"
    reader = _Reader(expression, column)
    made = reader.either()
    if reader.peek()[0]:
        raise BadFilter(f"unexpected {reader.peek()[1]!r}")
    return made


class _Reader:
    def __init__(self, text: str, column: Column) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        self._column = column
        place = 0
        while place < len(text.rstrip()):
            found = _TOKEN.match(text, place)
            if not found or not found.lastgroup:
                raise BadFilter(f"cannot read the filter at {text[place : place + 20]!r}")
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            place = found.end()

    def peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _next(self) -> tuple[str, str]:
        token = self.peek()
        self._at += 1
        return token

    def _word(self, *words: str) -> bool:
        kind, text = self.peek()
        if kind == "word" and text.upper() in words:
            self._at += 1
            return True
        return False

    def _mark(self, *marks: str) -> bool:
        if self.peek()[0] == "mark" and self.peek()[1] in marks:
            self._at += 1
            return True
        return False

    def either(self) -> str:
        parts = [self._all()]
        while self._word("OR"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else "(" + " OR ".join(parts) + ")"

    def _all(self) -> str:
        parts = [self._one()]
        while self._word("AND") or self._begins():
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else "(" + " AND ".join(parts) + ")"

    def _begins(self) -> bool:
        """Whether another condition follows without an AND, which the language allows."""
        kind, text = self.peek()
        return text == "(" or (kind == "word" and text.upper() != "OR")

    def _one(self) -> str:
        if self._word("NOT"):
            return f"(NOT {self._one()})"
        if self._mark("("):
            inside = self.either()
            if not self._mark(")"):
                raise BadFilter("a parenthesis is open")
            return inside
        kind, key = self._next()
        if kind != "word":
            raise BadFilter(f"a key is expected, not {key!r}")
        return self._comparison(bare(key))

    def _comparison(self, key: str) -> str:
        read, has = self._column(key)
        kind, sign = self._next()
        if kind == "op":
            value = self._value()
            sign = "!=" if sign == "<>" else sign
            if sign in ("=", "!="):
                return f"({read} {sign} {value})"
            return f"({has} AND {_numeric(read, value)} {sign} {value})"
        word = sign.upper() if kind == "word" else ""
        negated = word == "NOT"
        if negated:
            word = self._next()[1].upper()
        made = self._worded(word, read, has)
        return f"(NOT {made})" if negated else made

    def _worded(self, word: str, read: str, has: str) -> str:
        if word == "EXISTS":
            return f"({has})"
        if word == "IN":
            if not self._mark("(", "["):
                return f"({read} IN ({self._value()}))"
            values = [self._value()]
            while self._mark(","):
                values.append(self._value())
            if not self._mark(")", "]"):
                raise BadFilter("a list is open")
            return f"({read} IN ({', '.join(values)}))"
        if word == "BETWEEN":
            low = self._value()
            self._word("AND")
            high = self._value()
            return f"({_numeric(read, low)} BETWEEN {low} AND {high})"
        if word in ("LIKE", "ILIKE"):
            return f"({read} {word} {self._value()})"
        if word == "CONTAINS":
            return f"({read} ILIKE concat('%', {self._value()}, '%'))"
        if word == "REGEXP":
            return f"match({read}, {self._value()})"
        raise BadFilter(f"{word!r} is no operator")

    def _value(self) -> str:
        kind, text = self._next()
        if kind == "string":
            return quoted(re.sub(r"\\(.)", r"\1", text[1:-1]))
        if kind == "number":
            return text
        if kind == "word" and text.lower() in ("true", "false"):
            return text.lower()
        raise BadFilter(f"a value is expected, not {text!r}")


def _numeric(read: str, value: str) -> str:
    return read if value.startswith("'") else f"toFloat64OrZero(toString({read}))"
