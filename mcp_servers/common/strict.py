"""Tools that refuse what they do not know.

The SDK drops unknown arguments silently; a model that sends ``timeRange=`` would get the default window and never know. `tool` builds a
read-only tool whose argument model forbids extras and whose `ToolFailure`s become typed ``is_error`` answers.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, ToolAnnotations
from pydantic import ConfigDict

from mcp_servers.common.envelope import ToolFailure, fail
from mcp_servers.common.signals import CATALOGUE

READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
SIGNALS_KEY = "rca/signals"
AUDIENCE_KEY = "rca/audience"


def tool(
    fn: Callable[..., Awaitable[CallToolResult]],
    name: str,
    description: str,
    signals: tuple[str, ...] = (),
    *,
    audience: str = "",
) -> Tool:
    """A strict, read-only tool.

    ``fn`` must be annotated ``-> Annotated[CallToolResult, SomeEnvelope]`` so that its output schema is published. ``signals`` are the
    codes it may emit; clients find them in the tool's ``_meta`` and know which findings stay unknown when the call fails. ``audience`` is
    "operator" for what serves those who run the bot and is not offered to a model.
    """
    unknown = [code for code in signals if code not in CATALOGUE]
    if unknown:
        raise ValueError(f"{name}: signals not in the catalogue: {', '.join(unknown)}")

    @functools.wraps(fn)
    async def guarded(*args: Any, **kwargs: Any) -> CallToolResult:
        try:
            return await fn(*args, **kwargs)
        except ToolFailure as failure:
            return fail(failure.info)

    meta: dict[str, Any] = {SIGNALS_KEY: list(signals), **({AUDIENCE_KEY: audience} if audience else {})}
    built = Tool.from_function(guarded, name=name, description=description, annotations=READ_ONLY, meta=meta)
    base = built.fn_metadata.arg_model
    built.fn_metadata.arg_model = type(
        base.__name__, (base,), {"model_config": ConfigDict(extra="forbid", arbitrary_types_allowed=True)}
    )
    built.parameters["additionalProperties"] = False
    return built
