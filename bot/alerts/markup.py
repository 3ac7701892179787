"""Slack's text to plain text: links, mentions, dates and HTML escapes.

Senders escape differently (some twice), so unescaping is repeated, at most twice. Links and mentions are read before unescaping: what a
stranger wrote as ``&lt;!channel&gt;`` is text and never becomes markup.
"""

import html
import re

from bot.alerts.model import Link
from mcp_servers.common.untrusted import sanitise

MAX_TEXT = 16_000  # characters of one part; Slack itself stops at 40,000 for a whole message
MAX_LINKS = 24
MAX_URL = 2_000

_MARKUP = re.compile(r"<([^<>\n]{1,4000})>")
_EMOJI_CODE = re.compile(r":(?=[a-z0-9_+-]*[a-z])[a-z0-9_+-]{1,60}:(?::skin-tone-\d:)?")
_URL = re.compile(r"^https?://[^\s<>\"|]{1,2000}$", re.IGNORECASE)
_BARE_URL = re.compile(r"(?<![\w|<])https?://[^\s<>\"|*`]{1,2000}", re.IGNORECASE)
# Long runs of blanks mean nothing and would make every later pattern work hard.
_BLANKS = re.compile(r"[^\S\n\t]+")
_TABS = re.compile(r"\t[^\S\n]+")
_EMPTY_LINES = re.compile(r"\n{3,}")
# A key's frame of dashes is decoration to whoever takes a text apart, so the key goes while the frame still shows what it is.
_PEM = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL)
# A link that was escaped is text: its label is shown, and it leads nowhere.
_ESCAPED_LINK = re.compile(r"<https?://[^<>|\s]{1,2000}\|([^<>\n]{1,400})>", re.IGNORECASE)
_MARKS = re.compile(r"[*`~]+|(?<!\w)_+|_+(?!\w)")
_HASHES = re.compile(r"^#{1,6}\s+(?!\d)")  # Markdown's heading
_ENDS = re.compile(r"^[^\w\[【(\"'“/<{$%#@+-]+|[\s|•·:–—-]+$")
_ESCAPE = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,5});")


def is_url(text: str) -> bool:
    """Whether ``text`` is an absolute http(s) address of sane length, without control characters."""
    return bool(_URL.match(text)) and text.isprintable()


def unescape(text: str) -> str:
    """``text`` with HTML escapes undone, also where they were escaped twice."""
    for _ in range(2):
        if not _ESCAPE.search(text):
            break
        text = html.unescape(text)
    return text


def plain(text: str, links: list[Link] | None = None) -> str:
    """``text`` without Slack markup and escapes; what it linked to is appended to ``links``.

    ``<https://x|Graph>`` becomes ``Graph``, ``<@U1>`` ``@U1``, ``<!date^..^..|today>`` ``today``, ``<!here>`` nothing.
    """
    found: list[Link] = links if links is not None else []

    def one(match: re.Match[str]) -> str:
        inner = match[1]
        target, _, label = inner.partition("|")
        if target.startswith("!date^"):
            return label or target.split("^")[1] if target.count("^") >= 2 else label
        if target.startswith("!"):
            return ""
        if target.startswith(("@", "#")):
            return f"{target[0]}{label or target[1:]}"
        address = unescape(target.strip())
        if is_url(address):
            add_link(found, label, address)
            return label or address
        if target.startswith("mailto:"):
            return label or target[7:]
        return match[0]

    text = text[:MAX_TEXT]
    shown = _PEM.sub("[redacted:pem]", sanitise(_ESCAPED_LINK.sub(r"\1", unescape(_MARKUP.sub(one, text)))))
    shown = _EMPTY_LINES.sub("\n\n", _TABS.sub("\t", _BLANKS.sub(" ", shown)))
    for match in _BARE_URL.finditer(shown):
        add_link(found, "", match[0].rstrip(".,;:)]}'"))
    return shown


def add_link(links: list[Link], title: str, url: str) -> None:
    """Append a link unless it is no http(s) address, known already, or one too many."""
    if len(links) < MAX_LINKS and is_url(url) and all(known.url != url for known in links):
        links.append(Link(title=undecorate(title)[:80], url=url))


def undecorate(text: str) -> str:
    """One line without emoji codes, symbols at its ends and Slack's emphasis marks."""
    if ":" in text:
        text = _EMOJI_CODE.sub(" ", text)
    text = _HASHES.sub("", _MARKS.sub(" ", text))
    text = _ENDS.sub("", " ".join(text.split()))
    return text.strip()
