"""An investigation with a test's fixtures in place of servers: the engine, the rules and the verdict are the real ones.

Fixtures pass the same reading as a server's answers (`bot.tools.answers`), so what a test says of signals and sizes holds outside it.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, get_args

from mcp.types import CallToolResult, TextContent

from bot.alerts.model import Alert
from bot.investigation.investigator import Investigator
from bot.playbooks.model import ANY, Playbook
from bot.playbooks.router import Choice
from bot.playbooks.tests_inline import Outcome, RunTest, fixture_answer
from bot.settings import ServerSettings
from bot.tools.answers import read
from bot.tools.evidence import Evidence
from bot.tools.inventory import ToolInfo
from mcp_servers.common.envelope import ErrorCode, ErrorInfo, compact

SignalsOf = Callable[[str], frozenset[str] | None]


class FixtureTools:
    """Answers calls from a test's fixtures. ``signals_of`` tells what a failed tool might have said; unknown means: anything.

    A server of which no fixture speaks is not configured, as with a team that does not run it.
    """

    def __init__(self, fixtures: Mapping[str, Any], signals_of: SignalsOf) -> None:
        self._fixtures = fixtures
        self._servers = {name.partition(".")[0] for name in fixtures}
        self.signals_of = signals_of

    def has_server(self, name: str) -> bool:
        """Servers by name; a capability is offered where a fixture bears its name (``logs.patterns``) or ``any.`` before it."""
        if name.startswith(f"{ANY}."):
            return name in self._fixtures or name.removeprefix(f"{ANY}.") in self._fixtures
        return name in self._servers

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        id: str,
        step: str,
        title: str = "",
        timeout: float | None = None,
    ) -> Evidence:
        """The fixture as `Evidence`."""
        server, _, name = tool.partition(".")
        facts: dict[str, Any] = {
            "id": id,
            "step": step,
            "title": title,
            "server": server,
            "tool": name,
            "arguments": dict(arguments),
            "at": datetime.now(UTC),
        }
        fixture = fixture_answer(self._fixtures, tool, arguments)
        if fixture.error:
            error = _error(fixture.error)
            return Evidence(**facts, status="error", error=error, summary=error.message)
        payload = fixture.payload
        text = payload if isinstance(payload, str) else compact(payload)
        result = CallToolResult(
            content=[TextContent(type="text", text=text)],
            structured_content=payload if isinstance(payload, dict) else None,
        )
        answer = read(result, settings=ServerSettings(name=server), info=ToolInfo(name=tool, server=server, tool=name))
        return Evidence(
            **facts,
            summary=answer.summary,
            data=answer.data,
            text=answer.text,
            signals=answer.signals,
            notes=answer.notes,
            window=answer.window,
            tainted=answer.tainted,
            truncated=answer.truncated,
        )


def rehearse(signals_of: SignalsOf = lambda tool: None) -> RunTest:
    """The runner of inline tests (`bot.playbooks.tests_inline.run_tests`)."""

    async def run(playbook: Playbook, alert: Alert, fixtures: Mapping[str, Any]) -> Outcome:
        tools = FixtureTools(fixtures, signals_of)
        chosen = Choice(playbook=playbook, stage="pin", because="its own test")
        began = _newest(fixtures)  # a test is read at the time that it speaks of, today and in a year
        now = (lambda: began) if began else (lambda: datetime.now(UTC))
        report = await Investigator(tools, lambda alert, pin: chosen, now=now).investigate(alert, investigation="test")
        top = report.causes[0] if report.causes else None
        return Outcome(
            findings=tuple(dict.fromkeys(f.id for f in report.findings if f.state == "true" and not f.suppressed_by)),
            unknown=tuple(dict.fromkeys(f.id for f in report.findings if f.state == "unknown")),
            verdict=report.verdict,
            cause=top.code if top else "",
            object=top.object if top else "",
        )

    return run


def _newest(answer: Any) -> datetime | None:
    """The newest ``since`` in a test's answers."""
    if isinstance(answer, Mapping):
        found = [_newest(v) for k, v in answer.items() if k != "since"]
        with suppress(KeyError, ValueError):  # says no time
            found.append(datetime.fromisoformat(str(answer["since"])).astimezone(UTC))
    else:
        found = [_newest(v) for v in answer] if isinstance(answer, list) else []
    return max((f for f in found if f is not None), default=None)


def _error(text: str) -> ErrorInfo:
    code, _, message = text.partition(":")
    known = code if code in get_args(ErrorCode) else "UPSTREAM"
    return ErrorInfo.model_validate({"code": known, "message": message.strip() if known == code else text})
