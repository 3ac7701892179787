"""Text that strangers write: log lines, event messages, annotations.

Such text may try to paint a terminal (ANSI), reorder a line (bidi marks), hide words (zero width) or smuggle instructions. `sanitise` takes
away what cannot be seen, `clean` also redacts and cuts, in the order that keeps a cut from splitting a secret out of its pattern.
"""

import re
from typing import Any

from mcp_servers.common.redaction import WINDOW, redact

# CSI, OSC (to BEL or ST) and two-character escapes. The quantifiers are bounded or negated classes: linear.
_ANSI = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]|\x1b\][^\x07\x1b]{0,2048}(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]|\x9b[0-?]{0,64}[ -/]{0,8}[@-~]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE = re.compile(r"[ \t]*[\r\n]+[ \t]*")


def sanitise(text: str) -> str:
    """``text`` without escape sequences, control, bidirectional, zero-width and tag characters. Tabs and newlines stay."""
    if text.isascii() and text.isprintable():
        return text
    text = _ANSI.sub("", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub("", text)
    text = _INVISIBLE.sub("", text)
    return _SURROGATE.sub("\ufffd", text)


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters: the head (70 %), a mark of what is missing, the tail."""
    if len(text) <= limit:
        return text
    mark = f"...[+{len(text) - limit}]..."
    room = limit - len(mark)
    if room < 20:
        return text[: max(0, limit - 3)] + "..."[: max(0, limit)]
    head = int(room * 0.7)
    return text[:head] + mark + text[len(text) - (room - head) :]


def clean(text: Any, limit: int = 300, *, multiline: bool = False) -> str:
    """Foreign ``text`` fit to be shown: sanitised, redacted, on one line (unless ``multiline``), at most ``limit`` characters.

    Anything that is not a string becomes its ``str``; ``None`` becomes "".
    """
    if text is None:
        return ""
    shown = sanitise(str(text)[: WINDOW * 2])
    if not multiline:
        shown = _SPACE.sub(" ", shown).strip()
    return cut(redact(shown), limit)


def sanitise_tree(value: Any) -> Any:
    """`sanitise` over every string of a JSON-like value, keys included."""
    if isinstance(value, str):
        return sanitise(value)
    if isinstance(value, dict):
        return {sanitise(str(name)): sanitise_tree(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [sanitise_tree(inner) for inner in value]
    return value
