"""What ``rca doctor`` says about the tool servers: each one's own `health` answer, read by the model that all servers share."""

import asyncio
from collections import Counter
from collections.abc import Iterable

from pydantic import ValidationError

from bot.observe.checkup import Finding, Row
from bot.observe.checkup import Health as How
from bot.settings import Settings
from bot.tools.evidence import Evidence
from bot.tools.hub import Hub
from bot.tools.inventory import ServerHealth
from mcp_servers.common.envelope import ErrorInfo
from mcp_servers.common.health import NAME, SKEW_S, Health, Permission
from mcp_servers.common.untrusted import clean

AREA = "Servers"
_VARIABLES = "KUBECONFIG, RCA_SIGNOZ_URL, RCA_CH_URL, RCA_MONGO_URI or RCA_ATLAS_PROJECT_ID"
_NONE = f"set {_VARIABLES}, or list servers in rca.yaml (docs/configuration.md)"
_DOWN = "start it, or mend its entry in rca.yaml; until then investigations say that it could not be asked"
_UNSET = "mend that setting; until then investigations say that it could not be asked"
_TRANSPORTS = {"inprocess": "in this process", "stdio": "over stdio", "http": "over HTTP"}
# The gravest first: that is what somebody who reads it at 03:00 looks for.
_ORDER = ("forbidden", "partly", "unknown", "unsupported", "off", "ok")


async def check(settings: Settings) -> list[Finding]:
    """One finding for each server, in the order of the configuration, and one more where its definitions changed."""
    from bot.wiring import open_hub

    if not settings.servers:
        return [Finding(AREA, "none", "not set", "no tool server is configured", _NONE)]
    async with open_hub(settings) as hub:
        pages = await asyncio.gather(*(_server(hub, health) for health in hub.health()))
    return [finding for page in pages for finding in page]


async def _server(hub: Hub, server: ServerHealth) -> list[Finding]:
    name = server.name
    if not server.ok:
        reason = server.reason or server.state
        told = reason.removeprefix("ConfigError: ")  # the sentence names the setting; the error's name helps nobody
        return [Finding(AREA, name, "failed", told, _DOWN if told == reason else _UNSET)]
    found = []
    if server.changed:
        what = f"definitions changed since they were pinned: {', '.join(server.changed)}"
        found.append(Finding(AREA, name, "failed", what, "review them, then pin them anew"))
    offered = f"{server.tools} tools {_TRANSPORTS.get(server.transport, f'over {server.transport}')}"
    tool = hub.inventory().get(f"{name}.{NAME}")
    if tool is None or not tool.allowed:
        return [
            Finding(AREA, name, "ok", f"{offered}; it has no health tool, so its permissions are not known"),
            *found,
        ]
    answer = await hub.call(tool.name, {}, id="E0", step="doctor")
    return [read(name, offered, answer), *found]


def read(name: str, offered: str, answer: Evidence) -> Finding:
    """The finding about one server from what its health tool answered. ``offered``: its tools, in words."""
    if answer.error is not None:
        return Finding(AREA, name, "failed", f"{offered}; {answer.error.message}", _mend(answer.error))
    try:
        health = Health.model_validate(answer.data)
    except ValidationError:  # a foreign server's health tool speaks a language of its own
        what = clean(answer.summary or answer.text, 300) or "its health tool answers"
        notes = tuple(clean(note, 300) for note in answer.notes[:5])
        return Finding(AREA, name, "warning" if notes else "ok", f"{offered}; {what}", notes=notes)
    return page(name, offered, health)


def page(name: str, offered: str, health: Health) -> Finding:
    """`Health` as a finding: one line about the backend, one row for each group of tools, a note for each warning."""
    rows = _rows(health.permissions)
    # What is missing stands in the rows and after the arrow; once is enough.
    notes = tuple(n for n in (*health.warnings, *health.notes) if not n.startswith("missing: "))
    refused = health.refused
    if refused is not None:
        what = f"{_backend(health)}; no tool works: {refused.message}"
        return Finding(AREA, name, "failed", what, _mend(refused), rows, notes)
    what, grant = f"{_backend(health)}; {offered}", _grant(health.permissions)
    asked = [p for p in health.permissions if p.state != "off"]
    if not health.reachable or (asked and not any(p.state in ("ok", "partly") for p in asked)):
        mend = grant or "check that this is the right address: it has nothing that the tools read"
        return Finding(AREA, name, "failed", f"{what}, and none can read what it needs", mend, rows, notes)
    limping = any(p.state not in ("ok", "unsupported") for p in asked)
    how: How = "warning" if limping or health.warnings or _skewed(health) else "ok"
    return Finding(AREA, name, how, what, grant, rows, notes)


def _grant(permissions: Iterable[Permission]) -> str:
    """What somebody would have to allow: what most tools miss first."""
    lost = Counter(what for p in permissions if p.state in ("forbidden", "partly") for what in p.missing)
    if not lost:
        return ""
    told = sorted(lost, key=lambda what: (-lost[what], what))
    return f"grant: {'; '.join(told[:4])}" + (f"; and {len(told) - 4} more, below" if len(told) > 4 else "")


def _backend(health: Health) -> str:
    words = [health.server or "its backend"]
    if not health.reachable:
        return f"{words[0]} does not answer"
    words += [health.version] if health.version else []
    if health.identity:
        words.append(f"as {health.identity}" + (f" ({', '.join(health.roles[:5])})" if health.roles else ""))
    if health.latency_ms is not None:
        words.append(f"{health.latency_ms:g} ms")
    if _skewed(health):
        words.append(f"clock {health.clock_skew_s:+.0f} s")
    return ", ".join(words)


def _skewed(health: Health) -> bool:
    return health.clock_skew_s is not None and abs(health.clock_skew_s) > SKEW_S


def _rows(permissions: Iterable[Permission]) -> tuple[Row, ...]:
    """The tools that miss something one by one, the gravest first; the rest together, because nobody needs to act on them."""
    rows: list[Row] = []
    found = list(permissions)
    for state in _ORDER:
        here = sorted((p for p in found if p.state == state), key=lambda p: p.tool)
        if not here:
            continue
        rows += [Row(state, p.tool, "; ".join(p.missing)) for p in here if p.missing]
        quiet = [p.tool for p in here if not p.missing]
        rows += [Row(state, ", ".join(quiet))] if quiet else []
    return tuple(rows)


def _mend(error: ErrorInfo) -> str:
    if error.hint:
        return error.hint
    if error.missing_permission:
        return f"grant: {error.missing_permission}"
    return "start the backend and try again" if error.retryable else "the server's log says more"
