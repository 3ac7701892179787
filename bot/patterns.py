"""The one pattern syntax of the house: exact | ``a*`` glob | ``/re2/`` | a leading ``!`` negates.

Playbooks match alerts with it and the tool door admits tools with it, so both rooms share this file on the lowest floor. Regular
expressions are google-re2: linear in the length of the text, because playbooks and foreign text meet here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import re2

MAX_SOURCE: Final = 1_000
"""Longest pattern, in characters."""
MAX_VALUE: Final = 64_000
"""Longest text that is looked at, in characters; what lies beyond does not take part."""


class PatternError(ValueError):
    """A pattern that cannot be used; the message names the pattern, the reason and a mend."""


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False  # the reason goes into PatternError, not to stderr
    options.max_mem = 1 << 20  # bounds the compiled program: `(a{1000}){1000}` is refused
    return options


def _program(expression: str, source: str) -> Any:
    try:
        return re2.compile(expression, _options())
    except (re2.error, UnicodeEncodeError) as trouble:  # re2.error is no ValueError
        reason = trouble.args[0] if trouble.args else trouble
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise PatternError(
            f"pattern {source!r}: not a regular expression ({said}); RE2 knows no look-around and no back-references"
        ) from None


def _clean(value: str) -> str:
    if value.isascii():  # known without looking at it; routing asks this hundreds of times an alert
        return value if len(value) <= MAX_VALUE else value[:MAX_VALUE]
    # Lone surrogates (from JSON escapes) cannot be encoded for re2.
    return value[:MAX_VALUE].encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True)
class Pattern:
    """One compiled pattern.

    ``source`` is the pattern as written. ``exact`` is the literal that it stands for where it is neither glob nor expression, else "".
    """

    source: str
    negated: bool
    exact: str
    glob: bool
    search: bool
    _program: Any = field(default=None, repr=False, compare=False)

    @classmethod
    def compile(cls, text: str, search: bool = False) -> "Pattern":
        """Compile ``text``.

        Exact text and globs are compared with the whole value, case-sensitively; ``*`` stands for any run of characters and is the only
        wildcard. ``/re2/`` must match the whole value. With ``search`` (for prose) all three need to occur somewhere in the value, and
        line ends count as ordinary characters for ``*``.

        Raises `PatternError` for an empty, overlong or malformed pattern.
        """
        if not isinstance(text, str):
            raise PatternError(f"pattern {text!r}: must be text; put it in quotes")
        if len(text) > MAX_SOURCE:
            raise PatternError(f"pattern {text[:40]!r}…: {len(text)} characters, at most {MAX_SOURCE} are allowed")
        negated = text.startswith("!")
        body = text[1:] if negated else text
        if not body:
            raise PatternError(f"pattern {text!r}: empty; write a name, a glob such as 'Kube*', or /an expression/")
        if body.startswith("!"):
            raise PatternError(f"pattern {text!r}: negated twice; write one '!'")
        if len(body) >= 2 and body.startswith("/") and body.endswith("/"):
            if len(body) == 2:
                raise PatternError(f"pattern {text!r}: the expression between the slashes is empty")
            return cls(text, negated, "", glob=False, search=search, _program=_program(body[1:-1], text))
        if "*" in body:
            parts = [re2.escape(part) for part in body.split("*")]
            return cls(text, negated, "", glob=True, search=search, _program=_program("(?s)" + ".*".join(parts), text))
        return cls(text, negated, body, glob=False, search=search)

    @property
    def kind(self) -> Literal["exact", "glob", "regex"]:
        """How it was spelled; scores and the rule that writes are never admitted by a glob depend on it."""
        if self._program is None:
            return "exact"
        return "glob" if self.glob else "regex"

    def hits(self, value: str) -> bool:
        """Whether the pattern without its ``!`` holds for ``value``."""
        value = _clean(value)
        if self._program is None:
            return self.exact in value if self.search else self.exact == value
        found = self._program.search(value) if self.search else self._program.fullmatch(value)
        return found is not None

    def matches(self, value: str) -> bool:
        """Whether the pattern holds for ``value``, negation included."""
        return self.hits(value) != self.negated


@dataclass(frozen=True)
class Patterns:
    """Any-of over patterns; a negated one that hits wins over all others.

    A list of negated patterns alone matches everything that none of them hits. The empty list matches nothing and is falsy, so that
    callers decide what "nothing said" means.
    """

    wanted: tuple[Pattern, ...] = ()
    unwanted: tuple[Pattern, ...] = ()

    @classmethod
    def compile(cls, texts: Iterable[str], search: bool = False) -> "Patterns":
        """Compile a list of patterns. Raises `PatternError` on the first bad one."""
        patterns = [Pattern.compile(text, search) for text in texts]
        return cls(tuple(p for p in patterns if not p.negated), tuple(p for p in patterns if p.negated))

    def __bool__(self) -> bool:
        return bool(self.wanted or self.unwanted)

    def find(self, value: str) -> Pattern | None:
        """The pattern because of which ``value`` matches, or ``None`` when it does not (or only for want of an objection)."""
        if any(p.hits(value) for p in self.unwanted):
            return None
        return next((p for p in self.wanted if p.hits(value)), None)

    def matches(self, value: str) -> bool:
        """Whether any wanted pattern hits and no unwanted one does."""
        if not self or any(p.hits(value) for p in self.unwanted):
            return False
        return not self.wanted or any(p.hits(value) for p in self.wanted)
