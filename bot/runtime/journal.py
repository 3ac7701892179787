"""The step journal on the store: evidence of finished steps, as JSON, one row a step."""

from pydantic import TypeAdapter

from bot.incidents.store import Store
from bot.tools.evidence import Evidence

_EVIDENCE = TypeAdapter(list[Evidence])


class StoreJournal:
    """Implements `bot.runtime.ports.Journal` for one investigation."""

    def __init__(self, store: Store, investigation: str) -> None:
        self._store = store
        self._investigation = investigation

    async def load(self) -> dict[str, list[Evidence]]:
        rows = await self._store.load_steps(self._investigation)
        return {step: _EVIDENCE.validate_json(evidence) for step, evidence in rows.items()}

    async def save(self, step: str, evidence: list[Evidence]) -> None:
        await self._store.save_step(self._investigation, step, _EVIDENCE.dump_json(evidence).decode())
