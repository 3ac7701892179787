"""Every field of the language through the engine: not that it parses, but that it does what it says."""

from collections.abc import Mapping
from typing import Any

import pytest

from bot.alerts.model import Alert
from bot.investigation.explain import shown
from bot.investigation.investigator import Investigator
from bot.investigation.model import Report
from bot.investigation.rehearsal import FixtureTools
from bot.playbooks.checks import check
from bot.playbooks.model import Playbook
from bot.playbooks.router import Choice
from bot.tools.evidence import Evidence
from mcp_servers.common.envelope import ErrorInfo

ALERT = Alert(
    source="alertmanager",
    name="QueueStalled",
    severity="critical",
    namespace="shop",
    labels={"queue": "mail", "tier": "gold"},
)


class Tools(FixtureTools):
    """Fixtures that remember what was asked, and a tool that fails twice before it answers."""

    def __init__(self, fixtures: Mapping[str, Any], failures: int = 0) -> None:
        super().__init__(fixtures, lambda tool: frozenset())
        self.asked: list[tuple[str, dict[str, Any], float | None]] = []
        self.failures = failures

    async def call(self, tool: str, arguments: Mapping[str, Any], **more: Any) -> Evidence:
        self.asked.append((tool, dict(arguments), more.get("timeout")))
        if tool == "queue.depth" and self.failures:
            self.failures -= 1
            found = await super().call(tool, arguments, **more)
            error = ErrorInfo(code="UNAVAILABLE", message="busy", retryable=True)
            return found.model_copy(update={"status": "error", "error": error, "data": None})
        return await super().call(tool, arguments, **more)

    def times(self, tool: str) -> int:
        return sum(name == tool for name, _, _ in self.asked)


STEPS: list[dict[str, Any]] = [
    {"id": "depth", "title": "Depth", "tool": "queue.depth", "args": {"name": "{{ vars.queue }}", "limit": 5, "shard": "{{ alert.labels.shard }}"},
     "optional_args": ["shard"], "retry": {"attempts": 3, "backoff": "1ms"}, "timeout": "7s", "key": True,
     "extract": {"waiting": "totals.waiting", "consumers": "consumers[].name", "slow": "consumers[?rate < `1`].name"},
     "note": "{{ steps.depth.waiting }} messages wait"},
    {"id": "consumer", "title": "Consumers", "tool": "queue.consumer", "for_each": "steps.depth.consumers", "max_items": 2,
     "args": {"name": "{{ item }}", "index": 1}},
    {"id": "deep", "title": "Only when it is deep", "tool": "queue.dump", "when": "steps.depth.waiting > 1000000"},
    {"id": "after", "title": "After the consumers", "tool": "queue.after", "needs": ["consumer"]},
    {"id": "broken", "title": "A tool that fails", "tool": "queue.broken"},
    {"id": "told", "title": "Runs because the other failed", "tool": "queue.told", "when": "not steps.broken.ok"},
    {"id": "hole", "title": "Needs what is not there", "tool": "queue.hole", "args": {"x": "{{ steps.depth.nowhere }}"}},
]  # fmt: skip
FINDINGS: list[dict[str, Any]] = [
    {"id": "deep_queue", "when": "steps.depth.waiting > 100 and 'b' in steps.depth.slow", "severity": "high", "confidence": 0.7,
     "cause": "app.dependency.unreachable", "object": "queue/{{ vars.queue }}", "title": "{{ steps.depth.waiting }} messages wait in {{ vars.queue }}",
     "why": "consumer {{ steps.depth.slow | first }} takes less than one a second", "suppresses": ["consumer_slow"],
     "remediation": [{"do": "Restart {{ steps.depth.slow | first }}", "command": "restart {{ steps.depth.slow | first }}", "risk": "medium"},
                     {"do": "This one has a hole: {{ steps.depth.nowhere }}"}]},
    {"id": "consumer_slow", "when": "steps.consumer.items | selectattr('ok') | list | length == 2", "object": "queue/{{ vars.queue }}",
     "title": "an effect"},
    {"id": "dump_says", "when": "steps.deep.lines > 3", "title": "needs a step that was not due"},
    {"id": "broken_says", "when": "steps.broken.n > 3", "title": "needs a step that failed"},
    {"id": "never", "when": "steps.depth.waiting > 10000", "title": "false"},
]  # fmt: skip
BOOK: dict[str, Any] = {
    "version": 1,
    "id": "queue-stalled",
    "title": "Queue",
    "description": "for tests",
    "vars": {"queue": "{{ alert.labels.queue | upper }}"},
    "steps": STEPS,
    "findings": FINDINGS,
    "affected": "{{ steps.depth.consumers | length }} consumers of {{ vars.queue }}",
    "ruled_out": {"a flood of {{ vars.queue }}": "steps.depth.waiting < 5000", "not this": "steps.broken.n == 1"},
    "next_steps": ["Ask the owner of {{ vars.queue }}", "A hole: {{ steps.depth.nowhere }}"],
    "notify": {
        "mentions": [
            {
                "group": "oncall",
                "when": "findings | selectattr('severity', 'in', ['critical', 'high']) | list | length > 0",
            },
            {"group": "gold", "when": "alert.labels.tier == 'gold'"},
            {"group": "nobody", "when": "findings | length > 99"},
            {"group": "hole", "when": "steps.depth.nowhere > 1"},
        ]
    },
}
FIXTURES: dict[str, Any] = {
    "queue.depth": {
        "summary": "deep",
        "totals": {"waiting": 420},
        "consumers": [{"name": "a", "rate": 9}, {"name": "b", "rate": 0.1}, {"name": "c", "rate": 4}],
    },
    "queue.consumer": [
        {"when": {"name": "a"}, "answer": {"summary": "a is well"}},
        {"answer": {"summary": "slow"}},
    ],
    "queue.after": {"summary": "after"},
    "queue.broken": {"$error": "UNAVAILABLE: away"},
    "queue.told": {"summary": "told"},
}


async def run(tools: Any, **changed: Any) -> Report:
    playbook = Playbook.model_validate({**BOOK, **changed})
    assert check(playbook) == []
    choice = Choice(playbook, "pin", "test")
    return await Investigator(tools, lambda alert, pin: choice).investigate(ALERT, investigation="inv-1")


async def test_every_field_does_what_it_says() -> None:
    tools = Tools(FIXTURES, failures=2)
    report = await run(tools)
    checks = {c.id: c for c in report.checks}

    # vars, args, optional_args, timeout, retry
    assert tools.times("queue.depth") == 3
    assert tools.asked[0] == ("queue.depth", {"name": "MAIL", "limit": 5}, 7.0)
    # for_each over an extract, at most max_items, in order; evidence ids follow the playbook
    assert [a["name"] for t, a, _ in tools.asked if t == "queue.consumer"] == ["a", "b"]
    assert [e.id for e in report.evidence if e.step == "consumer"] == ["E2.1", "E2.2"]
    # when, needs, a status that only orders, a missing value
    assert (checks["deep"].status, checks["deep"].reason) == ("skipped", "not needed here")
    assert checks["after"].status == checks["told"].status == "ok"
    assert checks["hole"].status == "failed"
    assert "steps.depth.nowhere" in checks["hole"].reason
    assert tools.times("queue.hole") == tools.times("queue.dump") == 0

    # findings: expressions, three values, suppression, texts, object
    states = {f.id: f.state for f in report.findings}
    assert states == {
        "deep_queue": "true",
        "consumer_slow": "true",
        "dump_says": "unknown",
        "broken_says": "unknown",
        "never": "false",
    }
    by_id = {f.id: f for f in report.findings}
    assert by_id["consumer_slow"].suppressed_by == "deep_queue"
    assert (by_id["deep_queue"].object, by_id["deep_queue"].title) == ("queue/MAIL", "420 messages wait in MAIL")
    assert "away" in by_id["broken_says"].reason
    assert report.verdict == "likely"
    assert report.why[0].text == "consumer b takes less than one a second"
    assert report.why[0].evidence == ("E1",)

    # remediation without holes, affected, ruled out, mentions
    assert [(a.do, a.command, a.risk) for a in report.remediation] == [("Restart b", "restart b", "medium")]
    assert report.affected == "3 consumers of MAIL"
    assert [line.text for line in report.ruled_out] == ["a flood of MAIL"]
    assert report.mentions == ("oncall", "gold")


async def test_a_step_says_how_much_of_its_answer_the_model_reads() -> None:
    steps = [{**STEPS[0], "context": "extract"}, {**STEPS[1], "context": "none"}, STEPS[3]]
    tools = Tools(FIXTURES)
    more = {"steps": steps, "findings": [], "affected": "", "ruled_out": {}, "next_steps": [], "notify": {}}
    report = await run(tools, **more)
    read = shown(Playbook.model_validate({**BOOK, **more}), report.evidence)
    assert [e.id for e in read] == ["E1", "E3"]
    assert read[0].data == {"waiting": 420, "consumers": ["a", "b", "c"], "slow": ["b"]}
    assert read[1].data == {"summary": "after"}
    assert len(report.evidence) == 4  # the report keeps all of it


async def test_what_is_left_when_the_first_step_fails() -> None:
    report = await run(Tools(FIXTURES, failures=3), findings=FINDINGS[:1])
    assert report.findings[0].state == "unknown"
    assert report.verdict == "inconclusive"
    assert {c.id: c.status for c in report.checks}["consumer"] == "skipped"
    assert report.next_steps == ("Ask the owner of MAIL",)  # a line with a hole is left out
    assert report.mentions == ("gold",)


async def test_an_error_may_end_the_checks_and_time_does() -> None:
    steps = [
        {**STEPS[4], "on_error": "stop"},
        {"id": "late", "title": "Late", "tool": "queue.told", "needs": [], "when": "not steps.broken.ok"},
    ]
    report = await run(Tools(FIXTURES), steps=steps, findings=[], affected="", ruled_out={}, next_steps=[], notify={})
    assert report.checks[1].reason == "“A tool that fails” failed and ends the checks"


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"id": "a", "title": "x", "tool": "k.t", "capability": "logs.patterns"}, "keep one of them"),
        ({"id": "a", "title": "x"}, "needs `tool: server.tool` or `capability: name`"),
        ({"id": "a", "title": "x", "capability": "Logs"}, "pattern"),
    ],
)
def test_a_step_names_a_tool_or_a_capability(step: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Playbook.model_validate({**BOOK, "steps": [step]})


def test_a_capability_survives_a_round_trip() -> None:
    made = Playbook.model_validate(
        {**BOOK, "steps": [{"id": "a", "title": "x", "capability": "logs.patterns"}], "findings": []}
    )
    again = Playbook.model_validate_json(made.model_dump_json())
    assert (again.steps[0].tool, again.steps[0].provider) == ("any.logs.patterns", "any.logs.patterns")
    assert again == made
