"""What the servers offer and how they are: the facts that playbooks are linted against and that ``rca doctor`` prints."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from mcp.types import Tool

from mcp_servers.common.strict import AUDIENCE_KEY, SIGNALS_KEY

MAX_DESCRIPTION: Final = 2_000
"""Longest tool description that is kept, in characters; the pin covers all of it."""

ToolState = Literal["allowed", "denied", "changed"]
ServerState = Literal["connecting", "up", "down", "stopped"]


@dataclass(frozen=True)
class ToolInfo:
    """One tool of one server.

    ``name`` is ``server.tool``. ``schema`` is the JSON schema of its arguments. ``signals`` are the codes that it says it may emit.
    ``audience`` is "operator" for tools that are for people who run the bot, not for a model.
    ``state`` is ``allowed``, ``denied`` by the policy, or ``changed`` since it was pinned; ``reason`` says why in one line.
    ``sha256`` is the pin of its definition, for ``pins`` in the configuration.
    """

    name: str
    server: str
    tool: str
    description: str = ""
    schema: dict[str, Any] = field(default_factory=dict)
    signals: tuple[str, ...] = ()
    state: ToolState = "allowed"
    reason: str = ""
    sha256: str = ""
    read_only: bool = False
    audience: str = ""

    @property
    def allowed(self) -> bool:
        return self.state == "allowed"


@dataclass(frozen=True)
class ServerHealth:
    """One server at one moment.

    ``reason`` is one line for a person when the state is not ``up``. ``tools`` counts the allowed ones, ``refused`` the others.
    ``breaker_s`` is for how many seconds calls are refused at once after a run of failures; 0 when they are not.
    """

    name: str
    transport: str
    state: ServerState
    reason: str = ""
    tools: int = 0
    refused: int = 0
    changed: tuple[str, ...] = ()
    connects: int = 0
    breaker_s: float = 0.0

    @property
    def ok(self) -> bool:
        return self.state == "up"


def definition_hash(tool: Tool) -> str:
    """The pin of a tool: sha256 over name, description and argument schema, in hexadecimal.

    These three are what a model or a playbook author reads, so they are what a server could poison.
    """
    definition = {"name": tool.name, "description": tool.description or "", "schema": tool.input_schema}
    return hashlib.sha256(json.dumps(definition, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def declared_audience(tool: Tool) -> str:
    """Whom the tool says it is for; "" for everyone."""
    return str((tool.meta or {}).get(AUDIENCE_KEY) or "")[:40]


def declared_signals(tool: Tool) -> tuple[str, ...]:
    """The signal codes in the tool's ``_meta``; empty when it names none or names them oddly."""
    listed = (tool.meta or {}).get(SIGNALS_KEY)
    return tuple(code for code in listed if isinstance(code, str)) if isinstance(listed, list) else ()
