"""The one answer of every server's `health` tool: does the backend answer, who is asked as, what may each tool read, and what to mend.

It is for the people who run the bot (``rca doctor`` prints it), and it answers also when nothing else does: a backend that is away or a
credential that the other tools refuse is told in `Health.refused`, not by a failed call. A server fills in what it saw; `settled` draws
the conclusions and the words, the same for all servers.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, ErrorInfo, Lean, ToolFailure, ok
from mcp_servers.common.untrusted import clean

NAME = "health"
AUDIENCE = "operator"
SKEW_S = 5.0  # clocks further apart than that make ages and windows wrong
REACHED = frozenset({"UNAUTHORIZED", "FORBIDDEN", "UNSUPPORTED", "VALIDATION", "TOO_LARGE", "RATE_LIMITED", "UPSTREAM"})
"""Codes of failures in which the backend itself spoke: it is reachable."""
State = Literal["ok", "partly", "forbidden", "unsupported", "off", "unknown"]
"""Of one tool. ``partly``: it answers with parts missing. ``unsupported``: the backend does not offer it; no fault of the credential.
``off``: switched off by a setting. ``unknown``: could not be asked."""
STATES: dict[str, State] = {"FORBIDDEN": "forbidden", "UNAUTHORIZED": "forbidden", "UNSUPPORTED": "unsupported"}
"""What a failed probe means for its tool; any other code means ``unknown``."""


class Permission(Lean):
    """What one tool may do. ``missing`` names what is not granted, as the backend calls it ("list pods in namespace prod"), or why the
    state is not ``ok``.
    """

    tool: str
    state: State
    missing: list[str] = Field(default_factory=list)


class Health(Envelope):
    """``server`` is the address that was asked, ``identity`` who the backend takes us for, with ``roles`` where it tells them.

    ``clock_skew_s`` is the backend's clock minus ours. ``can_write`` lists what the credential may do beyond reading, ``warnings`` what an
    operator should mend though the tools work. ``refused`` is the error that the other tools answer with as things are, if they do.
    """

    server: str
    reachable: bool
    version: str = ""
    identity: str = ""
    roles: list[str] = Field(default_factory=list)
    latency_ms: float | None = None
    clock_skew_s: float | None = None
    permissions: list[Permission] = Field(default_factory=list)
    can_write: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    refused: ErrorInfo | None = None


def tool(ask: Callable[[], Awaitable[Health]], description: str, server: str = "") -> Tool:
    """The ``health`` tool over ``ask``. A `ToolFailure` of ``ask`` becomes a `Health` about ``server`` (its address)."""

    async def health() -> Annotated[CallToolResult, Health]:
        try:
            return ok(await ask())
        except ToolFailure as failure:
            return ok(unusable(server, failure))

    return strict.tool(health, NAME, description, audience=AUDIENCE)


def unusable(server: str, failure: ToolFailure, *, identity: str = "") -> Health:
    """The answer when the backend could not be asked at all, or refuses whom it was asked as. ``server``: its address, if known."""
    info = failure.info
    return Health(
        summary=clean(f"{server or 'the backend'} cannot be used: {info.message}", 240),
        server=server,
        reachable=info.code in REACHED,
        identity=identity,
        refused=info,
    )


def permission(tool_name: str, failures: Sequence[ErrorInfo | None]) -> Permission:
    """What the outcomes of a tool's reads (``None``: it worked) say of it. The first is the one without which it has no answer.

    A further read that the backend does not offer leaves the tool ``ok``, as no credential would give it more; ``missing`` still says so.
    """
    bad = [f for f in failures if f is not None]
    if not bad:
        return Permission(tool=tool_name, state="ok")
    first = failures[0]
    whole: State = "ok" if all(f.code == "UNSUPPORTED" for f in bad) else "partly"
    state = whole if first is None else STATES.get(first.code, "unknown")
    missing = dict.fromkeys(f.missing_permission or clean(f.message, 160) for f in bad)
    return Permission(tool=tool_name, state=state, missing=list(missing))


def settled(answer: Health, *, mend: str = "") -> Health:
    """``answer`` with its summary and with the warnings that follow from its other fields. ``mend``: what grants what is missing.

    Changes ``answer`` and returns it.
    """
    warnings: list[str] = []
    if answer.can_write:
        powers = ", ".join(answer.can_write[:10])
        warnings.append(
            f"the credential can do more than read: {powers}; the bot never does, but whoever stole it could"
        )
    skew = answer.clock_skew_s
    if skew is not None and abs(skew) > SKEW_S:
        order = "ahead of" if skew > 0 else "behind"
        warnings.append(
            f"the backend's clock is {abs(skew):.0f} s {order} this machine's: ages and time windows are off by that; set both by NTP"
        )
    lost: dict[str, list[str]] = {}
    for row in answer.permissions:
        if row.state in ("forbidden", "partly"):
            for what in row.missing:
                lost.setdefault(what, []).append(row.tool)
    # The gravest first: what most tools are missing. The rows hold all of it.
    told = sorted(lost, key=lambda what: (-len(lost[what]), what))
    warnings += [f"missing: {what}; needed by {', '.join(lost[what])}" for what in told[:3]]
    if len(told) > 3:
        warnings.append(f"missing: {len(told) - 3} more; the table of tools shows them")
    if told and mend:
        warnings.append(mend)
    answer.warnings = list(dict.fromkeys([*warnings, *answer.warnings]))
    counted = [row for row in answer.permissions if row.state not in ("off", "unsupported")]
    good = sum(row.state == "ok" for row in counted)
    words = [f"{answer.server} answers" + (f" in {answer.latency_ms:g} ms" if answer.latency_ms is not None else "")]
    words += [answer.version] if answer.version else []
    words += [f"as {answer.identity}"] if answer.identity else []
    head = ", ".join(words)
    if answer.refused is not None:
        answer.summary = clean(f"{head}; the tools refuse to work: {answer.refused.message}", 240)
    else:
        answer.summary = clean(
            f"{head}; {good} of {len(counted)} tools may read all that they need"
            + (f", {len(answer.warnings)} warnings" if answer.warnings else ""),
            240,
        )
    return answer
