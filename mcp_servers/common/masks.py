"""What varies in a log line, masked: quoted texts, ids, times, addresses, numbers. HTTP statuses 4xx and 5xx stay: one looks for them.

Written for speed, because an incident means tens of thousands of lines: one pass finds the words that hold a digit, and words seen before
are not looked at twice. All patterns are linear: their quantifiers are possessive or end the match.
"""

import re
from typing import Final

_QUOTED = re.compile(r"(?<![0-9A-Za-z])'[^']*+'|\"[^\"]*+\"")
_WORD = re.compile(r"(?<![0-9A-Za-z_])-?+[A-Za-z_]*+[0-9][0-9A-Za-z_.:+-]*+")
_UNIT = re.compile(r"\s?(?:[munµ]?s|secs?|seconds?|minutes?|[KMGkmg]i?[Bb]|[Bb]ytes?|rows?|items?|%)(?![0-9A-Za-z])")
_KIND = re.compile(
    r"(?P<uuid>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})"
    r"|(?P<ts>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?|\d{1,2}:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
    r"|(?P<ip>\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?)"
    r"|(?P<hex>0[xX][0-9a-fA-F]+)"
)
_HEX = frozenset("0123456789abcdefABCDEF")
_POD = re.compile(r"[0-9a-f]{8,10}-[a-z0-9]{5}")
_NUMBER = re.compile(r"(?<![0-9A-Za-z_])\d+(?:\.\d+)*|(?<=[A-Za-z_])\d{4,}")
_STATUS_NAMED = re.compile(
    r"(?:status|code|https?(?:/\d(?:\.\d)?)?|response|responded|returned|returns|got|error|with|<str>)[\"':=(\[ ]{1,3}\Z"
)
_TWICE = re.compile(r"<ts>(?:[ T,]<ts>)+(?: ?(?:Z|UTC|[+-]<n>))?")
_REPEATED = re.compile(r"<(?:ts|n|hex|str|ip|uuid)>(?:[\s,]+<(?:ts|n|hex|str|ip|uuid)>){2,}")
_HASH_LENGTH: Final = 12  # hexadecimal words from this length on are ids, if they hold a digit
_REMEMBERED: Final = 20_000


class _Words(dict[str, str]):
    """Word -> its mask, for words that hold a digit; forgets everything when it is full, so that foreign text cannot fill the memory."""

    def __missing__(self, word: str) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        masked = self[word] = _word(word)
        return masked


def _word(word: str) -> str:
    bare = word.rstrip(".:+-")
    tail = word[len(bare) :]
    kind = _KIND.fullmatch(bare)
    if kind is not None:
        return f"<{kind.lastgroup}>{tail}"
    if len(bare) >= _HASH_LENGTH and _HEX.issuperset(bare):
        return f"<hex>{tail}"
    return _NUMBER.sub("<n>", bare) + tail


_words = _Words()


def _masked(match: "re.Match[str]") -> str:
    word: str = match[0]
    text, start = match.string, match.start()
    if word.isdigit():
        if len(word) == 3 and word[0] in "45" and _is_status(text, start, match.end()):
            return word
        return "<n>"
    if word[0] == "-":  # a sign, or a flag
        rest = word[1:]
        return _words[rest] if rest[0].isdigit() else f"-{_words[rest]}"
    if start and text[start - 1] == "-" and _POD.fullmatch(word.rstrip(".:+-")):
        return f"<pod>{word[len(word.rstrip('.:+-')) :]}"
    return _words[word]


def _is_status(text: str, start: int, end: int) -> bool:
    """Whether three digits are an HTTP status: named before or after, and no amount of a unit."""
    if _UNIT.match(text, end):
        return False
    reason = text[end : end + 2]
    named = len(reason) == 2 and reason[0] == " " and reason[1].isupper()
    return named or not start or _STATUS_NAMED.search(text[max(0, start - 14) : start].lower()) is not None


def mask(text: str) -> str:
    """``text`` with what varies as ``<n>``, ``<ts>``, ``<ip>``, ``<uuid>``, ``<hex>``, ``<pod>`` or ``<str>``; a row of them is ``<…>``."""
    if "'" in text or '"' in text:
        text = _QUOTED.sub("<str>", text)
    text = _WORD.sub(_masked, text)
    if "<ts>" in text:
        text = _TWICE.sub("<ts>", text)
    return _REPEATED.sub("<…>", text)
