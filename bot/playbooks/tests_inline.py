"""Runs the tests that stand in playbooks and says what differs. The engine is handed in: this room runs no tool.

A tool's fixture under ``tools:`` is a whole answer (``summary``, ``signals``, the tool's own fields), ``{$error: text}`` for a failure, or
a list of ``{when: {argument: value}, answer: ...}`` of which the first that fits is taken. A tool without a fixture fails with NOT_FOUND.
A capability's fixture stands under the capability's name (``logs.patterns``).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.alerts.model import Alert
from bot.playbooks.clauses import Facts, fit
from bot.playbooks.model import ANY, Expect, InlineTest, Playbook
from bot.playbooks.rows import BadAlert, alert_of


@dataclass(frozen=True)
class Outcome:
    """What an investigation with fixtures came to. ``findings`` and ``unknown`` are ids; suppressed findings are left out."""

    findings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    verdict: str = "inconclusive"
    cause: str = ""
    object: str = ""


RunTest = Callable[[Playbook, Alert, Mapping[str, Any]], Awaitable[Outcome]]
"""Runs a playbook on an alert with tool fixtures, with no model. Implemented above this room."""


@dataclass(frozen=True)
class Tested:
    """One test's result; ``differences`` is empty when it passed."""

    playbook: str
    name: str
    differences: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        return not self.differences

    def __str__(self) -> str:
        head = f"{'ok  ' if self.passed else 'FAIL'} {self.playbook}: {self.name}"
        return "\n".join((head, *(f"       {line}" for line in self.differences)))


async def run_tests(playbooks: Iterable[Playbook], run: RunTest) -> list[Tested]:
    """All inline tests of ``playbooks``, in order."""
    return [await _run(playbook, test, run) for playbook in playbooks for test in playbook.tests]


async def _run(playbook: Playbook, test: InlineTest, run: RunTest) -> Tested:
    try:
        alert = alert_of(test.alert, "test")
    except BadAlert as problem:
        return Tested(playbook.id, test.name, (f"alert: {problem}",))
    fits = bool(fit(playbook, Facts(alert)).score) or playbook.default
    if fits != test.expect.match:
        said = "does not match" if test.expect.match else "matches"
        return Tested(playbook.id, test.name, (f"match: the alert {said} this playbook; wanted the opposite",))
    if not test.expect.match:
        return Tested(playbook.id, test.name)
    outcome = await run(playbook, alert, test.tools)
    return Tested(playbook.id, test.name, differences(test.expect, outcome))


def differences(expect: Expect, outcome: Outcome) -> tuple[str, ...]:
    """What is not as expected, one line each. Findings and unknowns are compared as sets: order and repetition do not matter."""
    found: list[str] = []
    for name in ("findings", "unknown"):
        wanted = getattr(expect, name)
        if wanted is None:
            continue
        want, got = set(wanted), set(getattr(outcome, name))
        if missing := sorted(want - got):
            found.append(f"{name}: missing {', '.join(missing)}")
        if surplus := sorted(got - want):
            found.append(f"{name}: not expected {', '.join(surplus)}")
    for name in ("verdict", "cause", "object"):
        wanted, got = getattr(expect, name), getattr(outcome, name)
        if wanted is not None and wanted != got:
            found.append(f"{name}: wanted {wanted or '(none)'}, got {got or '(none)'}")
    return tuple(found)


@dataclass(frozen=True)
class FixtureAnswer:
    """What a fixture says to one call: ``payload``, or ``error`` when the call fails."""

    payload: Any = None
    error: str = ""


def fixture_answer(tools: Mapping[str, Any], tool: str, arguments: Mapping[str, Any]) -> FixtureAnswer:
    """The answer of the fixtures to one call of ``tool`` ("server.tool")."""
    if tool not in tools:  # the answer to a capability's question bears the capability's name
        tool = tool.removeprefix(f"{ANY}.")
    if tool not in tools:
        return FixtureAnswer(error=f"NOT_FOUND: the test has no answer for {tool}")
    answer = tools[tool]
    if isinstance(answer, list) and all(isinstance(a, Mapping) and "answer" in a for a in answer) and answer:
        chosen = next((a for a in answer if _suits(a.get("when") or {}, arguments)), None)
        if chosen is None:
            return FixtureAnswer(error=f"NOT_FOUND: no answer of the test suits {tool}({dict(arguments)})")
        answer = chosen["answer"]
    if isinstance(answer, Mapping) and "$error" in answer:
        return FixtureAnswer(error=str(answer["$error"]))
    return FixtureAnswer(payload=answer)


def _suits(wanted: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    return all(arguments.get(key) == value for key, value in wanted.items())
