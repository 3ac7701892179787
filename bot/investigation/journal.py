"""What survives a kill between two steps: finished steps with their evidence."""

from typing import Protocol

from bot.tools.evidence import Evidence


class Journal(Protocol):
    """Where finished steps are kept while an investigation runs."""

    async def load(self) -> dict[str, list[Evidence]]:
        """Step id to its evidence, for every step that finished before."""

    async def save(self, step: str, evidence: list[Evidence]) -> None:
        """Remember a finished step. Must be durable when it returns."""


class NoJournal:
    """For investigations that need not survive: the command line and tests."""

    async def load(self) -> dict[str, list[Evidence]]:
        return {}

    async def save(self, step: str, evidence: list[Evidence]) -> None:
        """Nothing is kept."""
