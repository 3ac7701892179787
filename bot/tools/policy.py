"""Which tools may be called at all. Decided here, at call time, from the configuration: a server's own word only narrows it.

Servers have filtered their tool lists and still served the hidden tools when called (CVE-2026-46519), so the list is never the guard.
"""

import re
from dataclasses import dataclass
from typing import Final

from mcp.types import Tool

from bot.patterns import Pattern, Patterns
from bot.settings import ServerSettings


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WRITE_WORDS: Final = _words(
    """
    add alter annotate apply approve attach commit cordon create debug delete deploy destroy detach disable drain drop edit
    enable evict exec execute expose fail failover forward grant import insert install invoke kill merge modify move mute patch
    post push put rename remove replace reset restart restore revoke rollback rollout scale send set shutdown silence start stop
    taint terminate trigger truncate uninstall update upgrade upload upsert write
    """
)
"""Words in a tool's name that mean it may change something."""

FOREIGN_WRITE_WORDS: Final = WRITE_WORDS | {"run", "call", "kubectl", "shell", "command", "proxy"}
"""The same for servers that are not ours, where ``run_command`` is likelier than ``run_query``."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def write_word(name: str, *, own: bool = False) -> str:
    """The word because of which ``name`` looks like a write, or "".

    Words are split at case changes and at everything that is no letter: ``kubectl_delete``, ``deletePod`` and ``DELETE-pod`` are alike.
    """
    words = WRITE_WORDS if own else FOREIGN_WRITE_WORDS
    return next((word for word in (found.lower() for found in _WORD.findall(name)) if word in words), "")


@dataclass(frozen=True)
class Ruling:
    """Whether a tool may be called; ``reason`` is one line when it may not."""

    allowed: bool
    reason: str = ""


class Policy:
    """The configured rules of one server."""

    def __init__(self, settings: ServerSettings) -> None:
        """Raises `bot.patterns.PatternError` when a pattern of the configuration cannot be used."""
        self._server = settings.name
        self._own = settings.transport == "inprocess"
        self._allow = Patterns.compile(settings.allow)
        self._deny = Patterns.compile(settings.deny)
        self._trusted = Patterns.compile(settings.trusted_tools)

    def judge(self, tool: Tool) -> Ruling:
        """Whether ``tool``, as its server defines it, may be called."""
        named = self._named(tool.name)
        if not named.allowed:
            return named
        hint = tool.annotations.read_only_hint if tool.annotations else None
        if hint is not True and not self._trusted.matches(tool.name):
            return Ruling(
                False,
                "its server does not mark it read-only; if it only reads, name it in trusted_tools of server "
                f"{self._server}",
            )
        return Ruling(True)

    def _named(self, name: str) -> Ruling:
        denied = next((p for p in (*self._deny.wanted, *self._allow.unwanted) if p.hits(name)), None)
        if denied is not None:
            return Ruling(False, f"denied by {denied.source!r} of server {self._server}")
        word = write_word(name, own=self._own)
        if word and not self._exactly(name):
            return Ruling(
                False,
                f"its name says {word!r}; a tool that may write is admitted only by its exact name in allow, never by a glob",
            )
        if not self._allow.wanted:
            if self._own:
                return Ruling(True)
            return Ruling(False, f"server {self._server} lists no allow; a foreign server's tools are admitted by name")
        if not self._allow.matches(name):
            return Ruling(False, f"not in allow of server {self._server}")
        return Ruling(True)

    def _exactly(self, name: str) -> bool:
        return any(p.kind == "exact" and p.hits(name) for p in self._allow.wanted)


class Selection:
    """The tools that a playbook lets its model call: patterns over ``server.tool``.

    Empty means none, a negated pattern wins, and what looks like a write is never admitted by a glob.
    """

    def __init__(self, patterns: tuple[str, ...]) -> None:
        """Raises `bot.patterns.PatternError`."""
        self._patterns = Patterns.compile(patterns)

    def admits(self, name: str) -> bool:
        if not self._patterns.wanted or not self._patterns.matches(name):
            return False
        found: Pattern | None = self._patterns.find(name)
        if found is None:
            return False
        _, _, tool = name.partition(".")
        return not write_word(tool) or any(p.kind == "exact" and p.hits(name) for p in self._patterns.wanted)
