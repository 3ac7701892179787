"""Statements and error messages without their literals.

ClickHouse masks statements itself (``normalizeQuery``); this is the second net, and the only one for error messages, which quote the
statement that failed. Reading is by token, not by pattern over raw text, so that a quote inside a comment hides nothing.
"""

import re

from mcp_servers.common.untrusted import clean, cut

_TOKEN = re.compile(
    r"(?P<comment>--[^\n]*|\#[ !][^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/|\Z))"
    r"|(?P<string>'(?:[^'\\]|\\.|'')*(?:'|\\?\Z)|\$(?P<tag>\w*)\$(?:.*?)(?:\$(?P=tag)\$|\Z))"
    r"|(?P<name>`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|[^\W\d][\w$]*)"
    r"|(?P<number>(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\w*)"
    r"|(?P<space>\s+)|(?P<sign>.)",
    re.DOTALL,
)
_RUN = re.compile(r"\?(?:\s*,\s*\?){1,}")
_HEAD = re.compile(r"\A(?:Code: \d+\. )?(?:DB::Exception: )?(?:Received from [^ ]+ )?(?:DB::Exception: )?")
# Behind these words ClickHouse repeats the statement, or a value of it.
_REPEATS = (
    " In scope ", ". In scope", " in scope ", "While processing", "while processing", "While executing", "while executing", "(in query",
    "in query:",
    "failed at position", "Stack trace", "Maybe you meant", "maybe you meant", "(version ", "While parsing", "while parsing",
    "Cannot parse input",
)  # fmt: skip
# Errors whose numbers are the server's own measure (memory, time, parts, rows), not somebody's value.
MEASURES = frozenset({158, 159, 160, 202, 209, 210, 241, 242, 243, 252, 279, 307, 319, 225, 396, 999})
# Errors that name a table, column or function: the name is what they are about.
_NAMES = frozenset({10, 16, 46, 47, 60, 81})
_QUOTED_NAME = re.compile(r"[\w$. -]{1,64}")
_LONG = 32
_IDENTIFIER = re.compile(r"['\"`]([A-Za-z_][\w.$]{0,127})['\"`]")


def words(text: str) -> list[str]:
    """The words of a closed list that is written as prose."""
    return text.split()


def tokens(sql: str) -> list[tuple[str, str]]:
    """``sql`` as (kind, text): comment, string, name, number, space, sign. Linear; an open string or comment runs to the end."""
    found: list[tuple[str, str]] = []
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or "sign"
        found.append(("string" if kind == "tag" else kind, match.group(0)))
    return found


def shape(sql: object, limit: int = 300) -> str:
    """A statement with ``?`` for every literal, without comments, on one line."""
    parts: list[str] = []
    # redacted first, because a ``?`` in the middle of a token would hide it from its pattern; and once more, because of what ``?`` joined
    for kind, text in tokens(clean(str(sql or "")[:5_000], 8_000, multiline=True)):
        if kind in ("string", "number") or (kind == "name" and _is_odd(text)):
            parts.append("?")
        elif kind in ("comment", "space"):
            parts.append(" ")
        else:
            parts.append(text)
    flat = _RUN.sub("?..", " ".join("".join(parts).split()))
    return cut(clean(flat, 2_000), limit)


def _is_odd(name: str) -> bool:
    """A name that nobody gives to a column: quoted with signs in it, or as long and mixed as a key."""
    bare = name.strip('`"')
    if name[0] in '`"' and not _QUOTED_NAME.fullmatch(bare):
        return True
    return (
        len(bare) >= _LONG
        and any(c.isdigit() for c in bare)
        and any(c.isupper() for c in bare)
        and any(c.islower() for c in bare)
    )


def said(message: object, code: int = 0, limit: int = 240) -> str:
    """An exception's text without the statement that it repeats and without quoted values."""
    text = _HEAD.sub("", str(message or "")[:4_000].strip())
    for words in _REPEATS:
        text = text.split(words, 1)[0]
    text = clean(text, 8_000, multiline=True).replace("it's necessary", "it is necessary")  # no open quote
    parts: list[str] = []
    for kind, token in tokens(text):
        named = _IDENTIFIER.fullmatch(token) if code in _NAMES else None
        if named:
            parts.append(named[1])
        elif kind == "string" or (kind == "number" and code not in MEASURES) or (kind == "name" and token[0] in '"`'):
            parts.append("?")
        else:
            parts.append(token)
    return cut(clean(" ".join("".join(parts).split()).rstrip(" .:("), 2_000), limit)
