"""Foreign text in Slack's own markup: escaped, without live links or mentions, cut where a word ends.

Most of what we post is rich text (`bot.slack.rich`), where nothing is ever parsed. Here is what must be mrkdwn: notification texts,
ephemeral answers, one-line posts. Slack turns ``<…>`` into links and mentions, and in text that is not ``verbatim`` also bare addresses.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from mcp_servers.common.untrusted import sanitise

_SPACE = re.compile(r"\s+")
_MARKUP = re.compile(r"([*_~`])")
_WORD_JOINER = "\u2060"  # invisible; between a sign and its word it keeps Slack from seeing markup
_USER = re.compile(r"^[UW][A-Z0-9]{2,20}$")
_AUTO_LINK = re.compile(r"(?i)\b(https?|ftp|mailto|slack|tel|www)([:.])")
_AT_ALL = re.compile(r"(?i)@(here|channel|everyone|group)\b")


def tidy(text: str, limit: int = 300) -> str:
    """One line without control or invisible characters, at most ``limit`` characters, cut at the end of a word with "…"."""
    line = _SPACE.sub(" ", sanitise(text[: 8 * limit + 1000])).strip()
    return shorten(line, limit)


def shorten(text: str, limit: int) -> str:
    """``text``, or its beginning up to a word's end and "…"; never longer than ``limit`` characters."""
    if len(text) <= limit:
        return text
    if limit < 2:
        return text[:limit]
    head = text[: limit - 1]
    space = head.rfind(" ")
    if text[limit - 1] != " " and space > limit * 0.6:
        head = head[:space]
    return head.rstrip(" ,;:·(") + "…"


def escape(text: str) -> str:
    """Slack's three control characters; after this no ``<…>`` of a stranger is a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def quiet(text: str, limit: int = 300) -> str:
    """Foreign text for a mrkdwn place: one line, escaped, no bold, no code, no bare link that becomes live, no @here."""
    line = tidy(text, limit)
    line = _AUTO_LINK.sub(rf"\1{_WORD_JOINER}\2", line)
    line = _AT_ALL.sub(rf"@{_WORD_JOINER}\1", line)
    return _MARKUP.sub(rf"{_WORD_JOINER}\1{_WORD_JOINER}", escape(line))


def code(text: str, limit: int = 200) -> str:
    """Foreign text as a code span."""
    line = escape(tidy(text, limit).replace("`", "'"))
    return f"`{line}`" if line else ""


def mention(user: str) -> str:
    """A mention of a person by id; anything else is shown as quiet text, so that no name can call a whole channel."""
    return f"<@{user}>" if _USER.match(user) else quiet(user, 80)


def is_user(user: str) -> bool:
    return bool(_USER.match(user))


def link(url: str, title: str, hosts: Iterable[str]) -> str:
    """A live link where its host is on the list (exact, or ``*.example.com``), else only its title."""
    if not allowed(url, hosts):
        return quiet(title, 150)
    return f"<{escape(url).replace('|', '%7C')}|{quiet(title, 150)}>"


def allowed(url: str, hosts: Iterable[str]) -> bool:
    """Whether ``url`` is a plain http(s) address on one of ``hosts``, without credentials in it."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.password or len(url) > 2000:
        return False
    if any(c.isspace() or c in "<>|\"'\\`" for c in url):
        return False
    for entry in hosts:
        known = entry.lower()
        if host == known or (known.startswith("*.") and host.endswith(known[1:])):
            return True
    return False
