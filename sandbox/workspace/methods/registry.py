"""The table of methods: name, scope, function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.workspace.args import Args
from sandbox.workspace.world import World

Json = dict[str, Any]
Handler = Callable[[World, Args], Json]

# The bot scopes of the app's manifest; a method outside of them answers missing_scope here as it would on a real workspace.
DEFAULT_SCOPES = frozenset(
    {
        "app_mentions:read",
        "assistant:write",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "reactions:read",
        "reactions:write",
        "usergroups:read",
        "users:read",
        "users:read.email",
    }
)


@dataclass(frozen=True)
class Method:
    """``scopes``: any one of them admits the caller; empty: every token may call it."""

    name: str
    scopes: tuple[str, ...]
    handler: Handler


METHODS: dict[str, Method] = {}


def method(name: str, *scopes: str) -> Callable[[Handler], Handler]:
    """Register a method under its Slack name."""

    def register(handler: Handler) -> Handler:
        METHODS[name] = Method(name, scopes, handler)
        return handler

    return register
