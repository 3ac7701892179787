"""The analyst's way through the same door: agno ``Function``s over the hub, for the tools that the playbook's agent block names.

Not agno's ``MCPTools``: those reconnect per run, hide failures as text and know no policy. These return JSON with the
evidence's id, so that the model can cite what it fetched, and they stop at the budget.
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from bot.tools.evidence import Evidence
from bot.tools.inventory import ToolInfo
from bot.tools.policy import Selection
from mcp_servers.common.envelope import compact
from mcp_servers.common.untrusted import clean

if TYPE_CHECKING:
    from agno.tools.function import Function

MAX_FUNCTIONS: Final = 12
"""More definitions cost more tokens than they are worth."""
MAX_RESULT_BYTES: Final = 12_000
RESERVED: Final = frozenset({"agent", "team", "run_context", "images", "videos", "audios", "files", "self", "return"})
"""Parameter names that agno fills or drops itself."""
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]")


class Door(Protocol):
    """What of the hub is needed here."""

    def inventory(self) -> dict[str, ToolInfo]: ...

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        id: str,
        step: str,
        title: str = "",
        timeout: float | None = None,
    ) -> Evidence: ...


def offered(door: Door, patterns: tuple[str, ...]) -> list[ToolInfo]:
    """The tools that ``patterns`` (of a playbook's agent block) admit, read-only and allowed by the servers' policies, by name.

    Raises `bot.patterns.PatternError`.
    """
    selection = Selection(patterns)
    infos = [
        info
        for name, info in door.inventory().items()
        if info.allowed and info.audience != "operator" and selection.admits(name)
    ]
    return infos[:MAX_FUNCTIONS]


def function_name(tool: str) -> str:
    """``server.tool`` as models may spell it: letters, digits, ``_`` and ``-``, at most 64."""
    return _NOT_A_NAME.sub("_", tool.replace(".", "__", 1))[:64]


def functions(
    door: Door,
    patterns: tuple[str, ...],
    *,
    next_id: Callable[[], str],
    spend: Callable[[], str],
    record: Callable[[Evidence], None],
    timeout_s: float = 20.0,
) -> list["Function"]:
    """One agno function for each admitted tool; an empty ``patterns`` gives none.

    ``next_id`` names the next evidence. ``spend`` is asked before each call and answers "" or why no more calls are allowed, which the
    model gets to read instead. ``record`` keeps the evidence of each call, failed ones included.
    """
    from agno.tools.function import Function  # slow to import, and needed only where a model is

    def entrypoint(tool: str, original: dict[str, str]) -> Callable[..., Any]:
        async def call(**arguments: Any) -> str:
            named = {
                original.get(name, name): value for name, value in arguments.items() if not name.startswith("_agno")
            }
            refusal = spend()
            if refusal:
                return compact({"status": "refused", "reason": refusal})
            evidence = await door.call(tool, named, id=next_id(), step="agent", title=tool, timeout=timeout_s)
            record(evidence)
            return as_json(evidence)

        return call

    made = []
    for info in offered(door, patterns):
        schema, original = _spared(info.schema or {"type": "object", "properties": {}})
        function = Function(
            name=function_name(info.name),
            description=clean(info.description, 600),
            parameters=schema,
            entrypoint=entrypoint(info.name, original),
            skip_entrypoint_processing=True,  # else the schema is derived anew from the entry point
        )
        made.append(function)
    return made


def _spared(schema: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The schema with names that agno keeps for itself spelled with a trailing ``_``, and how to spell them back.

    agno drops arguments of these names without a word, and the tool would run with its defaults.
    """
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not RESERVED & properties.keys():
        return schema, {}
    spelled = {name: f"{name}_" if name in RESERVED else name for name in properties}
    changed = {**schema, "properties": {spelled[name]: value for name, value in properties.items()}}
    if isinstance(schema.get("required"), list):
        changed["required"] = [spelled.get(name, name) for name in schema["required"]]
    return changed, {new: old for old, new in spelled.items() if new != old}


def as_json(evidence: Evidence, limit: int = MAX_RESULT_BYTES) -> str:
    """What a model reads of one evidence: JSON with its id, at most about ``limit`` bytes; never cut inside."""
    shown: dict[str, Any] = {
        "evidence": evidence.id,
        "tool": f"{evidence.server}.{evidence.tool}",
        "status": evidence.status,
    }
    if evidence.error is not None:
        shown["error"] = evidence.error.model_dump(mode="json")
        return compact(shown)
    shown["summary"] = evidence.summary
    if evidence.notes:
        shown["notes"] = list(evidence.notes)
    if evidence.tainted:
        shown["untrusted"] = list(evidence.tainted)
    if evidence.signals:
        shown["signals"] = [signal.model_dump(mode="json") for signal in evidence.signals]
    body: Any = evidence.data if evidence.data is not None else evidence.text
    full = compact({**shown, "data": body})
    if len(full.encode("utf-8", "replace")) <= limit:
        return full
    return compact(
        {**shown, "left_out": "the full answer is too large here; ask for less", "text": evidence.text[: limit // 4]}
    )
