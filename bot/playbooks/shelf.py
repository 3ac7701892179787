"""`Shelf`: the library that a running bot chooses from, and that follows its files.

A change of the files is picked up within seconds. A file that is broken now keeps serving its last good version, and the operator is told
once, with the file and the line; a library that could not route at all is not taken.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from bot.alerts.model import Alert
from bot.playbooks.loader import MAX_FILES, Library
from bot.playbooks.model import ANY, Playbook
from bot.playbooks.router import Choice, Router

log = structlog.get_logger(__name__)

LOOK_S: Final = 5.0
"""Seconds between two looks at the files."""
Signature = tuple[tuple[str, int, int], ...]


class Shelf:
    """Holds the router of the day. `choose` is what an investigation asks; everything else happens beside it.

    Args:
        library: what was loaded at start.
        instead: the tool to call in place of one whose server is not configured (`bot.tools.capabilities_door.CapableTools.instead`).

    Raises `LookupError` when the library has no general playbook.
    """

    def __init__(self, library: Library, instead: Callable[[str], str] | None = None) -> None:
        self._router = Router(library)
        self._instead = instead
        self._told: frozenset[str] = frozenset(str(p) for p in library.problems)
        self._seen = signature(library.folders)

    @property
    def library(self) -> Library:
        return self._router.library

    def choose(self, alert: Alert, pin: str = "") -> Choice:
        """As `Router.choose`, with steps led to the servers that can answer them here."""
        choice = self._router.choose(alert, pin)
        if self._instead is None:
            return choice
        return replace(choice, playbook=adapted(choice.playbook, self._instead))

    async def watch(self) -> None:
        """Follow the files until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except OSError as problem:  # a folder that is being replaced; the next look sees it whole
                log.warning("playbooks_not_read", reason=str(problem))

    async def look(self) -> bool:
        """Read the folders again if a file changed; whether another library serves now."""
        now = await asyncio.to_thread(signature, self.library.folders)
        if now == self._seen:
            return False
        self._seen = now
        library = await asyncio.to_thread(self.library.reload)
        self._tell(library)
        try:
            router = await asyncio.to_thread(Router, library)
        except LookupError as problem:
            log.warning("playbooks_kept", reason=str(problem), serving=len(self.library.playbooks))
            return False
        before, self._router = self.library.playbooks, router
        changed = sorted(name for name, book in library.playbooks.items() if before.get(name) != book)
        gone = sorted(name for name in before if name not in library.playbooks)
        log.info("playbooks_reloaded", playbooks=len(library.playbooks), changed=changed, gone=gone)
        return True

    def _tell(self, library: Library) -> None:
        """Each problem once, for as long as it lasts."""
        problems = {str(p): p for p in library.problems}
        for said, problem in problems.items():
            if said not in self._told:
                log.warning("playbook_problem", problem=said, playbook=problem.playbook, level_=problem.level)
        for said in sorted(self._told - problems.keys()):
            log.info("playbook_mended", problem=said)
        self._told = frozenset(problems)


def adapted(playbook: Playbook, instead: Callable[[str], str]) -> Playbook:
    """``playbook`` with each step's tool as ``instead`` wants it; the same object where nothing changes."""
    steps = []
    for step in playbook.steps:
        tool = step.tool if step.capability else instead(step.tool)
        led = {"tool": tool, "capability": tool.removeprefix(f"{ANY}.")}
        steps.append(step if tool == step.tool else step.model_copy(update=led))
    return playbook if tuple(steps) == playbook.steps else playbook.model_copy(update={"steps": tuple(steps)})


def signature(folders: Sequence[Path]) -> Signature:
    """What tells one state of the folders from another: each file's path, time of change and size. Unreadable files have neither."""
    found: list[tuple[str, int, int]] = []
    for folder in folders:
        for path in sorted(folder.rglob("*"))[: 2 * MAX_FILES]:
            if path.suffix not in (".yaml", ".yml"):
                continue
            try:
                state = path.stat()
            except OSError:
                found.append((str(path), 0, 0))
            else:
                found.append((str(path), state.st_mtime_ns, state.st_size))
    return tuple(found)
