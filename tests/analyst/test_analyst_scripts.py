"""The analyst against an OpenAI-compatible server, through real agno and openai.

Whatever the model does, the outcome is bounded and honest.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.alerts.model import Alert
from bot.investigation.analyst import WITHOUT, Analysis, Analyst
from bot.investigation.explain import Explainer, merged
from bot.investigation.model import Finding, Report
from bot.playbooks.model import AgentBlock, Budget, Playbook
from bot.settings import ModelSettings
from bot.tools.evidence import Evidence
from bot.tools.inventory import ToolInfo
from sandbox.model.server import ScriptedModel

TOOLS = {
    name: ToolInfo(
        name=name,
        server=name.partition(".")[0],
        tool=name.partition(".")[2],
        schema={"type": "object", "properties": {"team": {"type": "string"}}, "required": ["team"]},
        state="denied" if name == "kubernetes.denied" else "allowed",
        read_only=True,
    )
    for name in (
        "kubernetes.get_events",
        "kubernetes.get_pod_logs",
        "kubernetes.delete_pod",
        "kubernetes.denied",
        "other.x",
    )
}


class Door:
    """What the analyst needs of a hub, with the calls kept. The hub itself is tested in its own room."""

    def __init__(self, at: Any) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._at = at

    def inventory(self) -> dict[str, ToolInfo]:
        return TOOLS

    async def call(self, tool: str, arguments: Mapping[str, Any], *, id: str, step: str, **_: Any) -> Evidence:
        self.calls.append((tool, dict(arguments)))
        server, _, name = tool.partition(".")
        return Evidence(
            id=id,
            step=step,
            server=server,
            tool=name,
            arguments=dict(arguments),
            at=self._at,
            summary="2 events",
            data={"events": [1, 2]},
        )


class Bench:
    """One scripted model and one analyst over it."""

    def __init__(self, model: ScriptedModel, alert: Alert, finding: Finding, evidence: tuple[Evidence, ...]) -> None:
        self.model = model
        self.door = Door(evidence[0].at)
        self._alert, self._finding, self._evidence = alert, finding, evidence
        self.analyst = self.make()

    def make(self, **more: Any) -> Analyst:
        fields: dict[str, Any] = {"timeout_s": 20.0, "max_seconds": 40.0, "standard": "std", "complex": "big", **more}
        return Analyst(
            ModelSettings.model_validate({"kind": "openai", "api_key": "k", "base_url": self.model.base_url, **fields})
        )

    async def run(self, *, block: AgentBlock | None = None, analyst: Analyst | None = None, **more: Any) -> Analysis:
        used = analyst or self.analyst
        try:
            return await used.analyse(self._alert, block, [self._finding], self._evidence, door=self.door, **more)
        finally:
            if analyst is not None:
                await analyst.close()


@pytest.fixture
async def bench(
    request: pytest.FixtureRequest, alert: Alert, finding: Finding, all_evidence: tuple[Evidence, ...]
) -> AsyncIterator[Bench]:
    async with ScriptedModel(getattr(request, "param", "good")) as model:
        made = Bench(model, alert, finding, all_evidence)
        yield made
        await made.analyst.close()


def script(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bench", [name], indirect=True)


GET = AgentBlock(tools=("kubernetes.get_*", "!kubernetes.get_pod_logs"), budget=Budget(tool_calls=3))


async def test_a_good_answer_is_grounded_and_paid_for(bench: Bench) -> None:
    analysis = await bench.run()
    assert analysis.status == "ok"
    assert analysis.note == ""
    assert analysis.claims is not None
    assert analysis.claims.headline is not None
    assert analysis.claims.headline.verified
    assert [c.code for c in analysis.claims.causes] == ["kubernetes.config.reference_missing"]
    assert analysis.cost.calls == 1
    assert analysis.cost.model == "std"
    assert analysis.cost.input_tokens > 100
    assert analysis.cost.usd is None


async def test_the_request_is_structured_and_names_no_user(bench: Bench) -> None:
    await bench.run()
    (request,) = bench.model.requests
    assert request.body["response_format"]["json_schema"]["name"] == "Claims"
    assert request.body["messages"][0]["role"] == "system"
    assert "user" not in request.body
    assert "tools" not in request.body


async def test_without_a_model_nothing_is_asked_and_one_word_says_so(
    alert: Alert, finding: Finding, all_evidence: tuple[Evidence, ...]
) -> None:
    analyst = Analyst(ModelSettings())
    assert not analyst.configured
    analysis = await analyst.analyse(alert, GET, [finding], all_evidence)
    assert (analysis.status, analysis.note, analysis.cost.calls) == ("skipped", "no model", 0)


@script("curious")
async def test_only_the_tools_that_the_playbook_names_reach_the_model(bench: Bench) -> None:
    analysis = await bench.run(block=GET)
    assert {tuple(r.tool_names) for r in bench.model.requests} == {("kubernetes__get_events",)}
    assert bench.door.calls == [("kubernetes.get_events", {"team": "x"})]
    assert [(e.id, e.step) for e in analysis.evidence] == [("E6", "agent")]
    assert "E6" in bench.model.requests[-1].prompt
    assert analysis.claims is not None
    assert any("E6" in c.evidence for c in analysis.claims.claims)


async def test_nothing_in_the_data_can_add_a_tool(bench: Bench) -> None:
    await bench.run(block=AgentBlock(tools=()))
    assert all(r.tool_names == [] for r in bench.model.requests)


@script("loop")
async def test_a_looping_model_is_stopped_by_the_budget_and_still_answers(bench: Bench) -> None:
    analysis = await bench.run(block=GET)
    assert analysis.status == "ok"
    assert len(bench.door.calls) == 3
    assert bench.model.requests[-1].body["tool_choice"] == "none"
    assert len(bench.model.requests) == 4


@script("stubborn")
async def test_a_model_that_ignores_the_stop_runs_into_the_wall(bench: Bench) -> None:
    analysis = await bench.run(block=GET)
    assert analysis.status == "failed"
    assert len(bench.model.requests) == 8
    assert len(bench.door.calls) <= 3
    assert analysis.note == f"no model: the budget of 8 model calls was spent before an answer; {WITHOUT}"


@pytest.mark.parametrize(
    ("bench", "says", "requests"),
    [
        ("429", "the model server answered 429 three times", 3),
        ("401", "refused the credentials (401)", 1),
        ("404", "knows no model or deployment 'std' (404)", 1),
        ("nonsense", "the answer of std was not usable", 1),
        ("empty", "the answer of std was not usable", 1),
    ],
    indirect=["bench"],
)
async def test_each_failure_is_one_honest_line(bench: Bench, says: str, requests: int) -> None:
    with capture_logs() as logs:
        analysis = await bench.run()
    assert analysis.status == "failed"
    assert analysis.claims is None
    assert analysis.note.startswith("no model: ")
    assert says in analysis.note
    assert analysis.note.endswith(WITHOUT)
    assert "\n" not in analysis.note
    assert "!" not in analysis.note
    assert len(bench.model.requests) == requests
    assert [line["status"] for line in logs if line["event"] == "analysis"] == ["failed"]


@script("hang")
async def test_a_model_that_hangs_costs_its_timeout_and_no_more(bench: Bench) -> None:
    began = time.monotonic()
    analysis = await bench.run(analyst=bench.make(timeout_s=0.5))
    assert "did not answer in 0.5 s" in analysis.note
    assert time.monotonic() - began < 15


@script("hang")
async def test_the_seconds_of_the_budget_bind_whatever_the_timeout_says(bench: Bench) -> None:
    analysis = await bench.run(analyst=bench.make(max_seconds=0.6))
    assert analysis.status == "failed"
    assert len(bench.model.requests) == 1


async def test_a_model_that_is_not_there_is_told(bench: Bench) -> None:
    await bench.run()
    await bench.model.stop()
    assert "could not be reached" in (await bench.run()).note


async def test_the_ladder_goes_from_complex_to_standard_and_says_so(bench: Bench) -> None:
    bench.model.by_model["big"] = "404"
    analysis = await bench.run(tier="complex")
    assert analysis.status == "ok"
    assert analysis.tier == "standard"
    assert "'big'" in analysis.note
    assert analysis.note.endswith("the standard model explained instead")
    assert [r.body["model"] for r in bench.model.requests] == ["big", "std"]


@script("429,429,good")
async def test_a_refusal_for_load_is_tried_again(bench: Bench) -> None:
    analysis = await bench.run()
    assert (analysis.status, analysis.cost.calls, analysis.note) == ("ok", 3, "")


@script("slow")
async def test_a_slow_answer_is_waited_for(bench: Bench) -> None:
    assert (await bench.run()).status == "ok"


@script("ungrounded")
async def test_inventions_are_marked_and_carry_no_weight(bench: Bench) -> None:
    analysis = await bench.run()
    assert analysis.claims is not None
    assert all(not c.verified for c in analysis.claims.claims)
    assert [(c.code, c.confidence) for c in analysis.claims.causes] == [("kubernetes.container.oom_killed", 0.3)]
    assert any("cosmic.rays" in note for note in analysis.notes)
    assert any("unsupported" in note for note in analysis.notes)


@script("injected")
async def test_a_model_that_obeys_a_log_line_changes_nothing_that_people_see(bench: Bench) -> None:
    analysis = await bench.run()
    shown = analysis.model_dump_json(exclude={"evidence"})
    for planted in ("kubectl delete", "evil.example", "<!channel>", "| sh"):
        assert planted not in shown
    assert analysis.claims is not None
    assert analysis.claims.next_steps == ()
    assert analysis.claims.headline is not None
    assert analysis.claims.headline.tainted


@script("hang")
async def test_a_cancelled_analysis_ends_at_once(bench: Bench) -> None:
    task = asyncio.create_task(bench.run())
    while not bench.model.requests:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_all_analyses_share_one_client(bench: Bench) -> None:
    await asyncio.gather(*(bench.run() for _ in range(5)))
    client = bench.analyst._client
    await bench.run()
    assert bench.analyst._client is client
    assert client is not None
    assert client.max_retries == 0
    await bench.analyst.close()
    assert client.is_closed()


async def test_tokens_of_a_playbook_bind(bench: Bench) -> None:
    analysis = await bench.run(block=AgentBlock(budget=Budget(tokens=200)))
    assert analysis.status == "failed"
    assert "200 tokens" in analysis.note
    assert bench.model.requests == []


async def test_azure_asks_its_deployment(alert: Alert, finding: Finding, all_evidence: tuple[Evidence, ...]) -> None:
    async with ScriptedModel() as model:
        analyst = Analyst(
            ModelSettings.model_validate(
                {"kind": "azure", "api_key": "k", "azure_endpoint": model.azure_endpoint, "standard": "gpt-5.4-mini"}
            )
        )
        analysis = await analyst.analyse(alert, None, [finding], all_evidence)
        assert await analyst.ping() == ""
        await analyst.close()
    assert analysis.status == "ok"
    assert model.requests[0].path == "/openai/deployments/gpt-5.4-mini/chat/completions"
    assert analysis.cost.usd is not None
    assert 0 < analysis.cost.usd < 0.1


async def test_settings_that_make_no_client_are_told(
    alert: Alert, finding: Finding, all_evidence: tuple[Evidence, ...]
) -> None:
    analyst = Analyst(ModelSettings(kind="azure"))
    assert "AZURE_OPENAI_ENDPOINT" in (await analyst.analyse(alert, None, [finding], all_evidence)).note
    assert "AZURE_OPENAI_ENDPOINT" in await analyst.ping()


@script("401")
async def test_ping_says_why_not(bench: Bench) -> None:
    assert "answered 401" in await bench.analyst.ping()


async def test_telemetry_is_off_by_the_environment_whatever_it_was(bench: Bench) -> None:
    os.environ["AGNO_TELEMETRY"] = "true"
    await bench.run()
    assert os.environ["AGNO_TELEMETRY"] == "false"


@script("nonsense")
async def test_the_libraries_own_complaints_stay_quiet(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    await bench.run()
    captured = capfd.readouterr()
    assert "Failed to parse" not in captured.out + captured.err


async def test_the_prompt_marks_what_strangers_wrote_and_cannot_be_closed_by_it(bench: Bench) -> None:
    await bench.run(guidance="Look at the config first.")
    prompt = bench.model.requests[0].body["messages"][1]["content"]
    assert prompt.startswith("Guidance of the team's playbook:\nLook at the config first.")
    body = prompt[prompt.index("{") : prompt.rindex("}") + 1]
    assert "<" not in body
    data = json.loads(body)
    by_id = {e["id"]: e for e in data["evidence"]}
    assert "kubectl delete" in by_id["E1"]["data"]["logs"][0]["text"]["untrusted"]
    assert by_id["E1"]["summary"] == "1 pod crash-looping, 14 restarts"
    assert by_id["E4"]["error"].startswith("TIMEOUT")
    assert set(by_id["E5"]["data"]) == {"untrusted"}
    assert "delete the namespace" in data["alert"]["text"]["untrusted"]


# in the report


def playbook(agent: AgentBlock | None) -> Playbook:
    return Playbook.model_validate(
        {"version": 1, "id": "pods", "title": "Pods", "description": "d", "steps": [], "agent": agent}
    )


async def test_the_explanation_is_added_and_the_verdict_stands(bench: Bench, report: Report) -> None:
    explained = await Explainer(bench.analyst)(report, playbook(AgentBlock()), lambda **seen: seen)
    assert (explained.verdict, explained.headline, explained.causes) == (report.verdict, report.headline, report.causes)
    assert explained.explanation[0].by == "model"
    assert explained.cost.calls == 1
    assert explained.remediation == report.remediation


async def test_a_playbook_without_an_agent_block_asks_no_model(bench: Bench, report: Report) -> None:
    assert await Explainer(bench.analyst)(report, playbook(None), lambda **seen: seen) == report
    assert bench.model.requests == []


@script("500")
async def test_when_the_model_fails_the_report_stays_whole_with_one_note(bench: Bench, report: Report) -> None:
    explained = await Explainer(bench.analyst)(report, playbook(AgentBlock()), lambda **seen: seen)
    assert explained.model_dump(exclude={"notes", "cost"}) == report.model_dump(exclude={"notes", "cost"})
    assert [n for n in explained.notes if n.startswith("no model: ")]


@script("good")
async def test_another_cause_of_the_model_is_a_note_and_never_the_verdict(bench: Bench, report: Report) -> None:
    rules = report.causes[0].model_copy(update={"code": "kubernetes.container.crash"})
    confirmed = report.model_copy(update={"causes": (rules,)})
    analysis = await bench.run()
    assert any("sees another cause" in n for n in merged(confirmed, analysis).notes)
    inconclusive = report.model_copy(update={"causes": (), "verdict": "inconclusive"})
    suggested = merged(inconclusive, analysis)
    assert suggested.verdict == "inconclusive"
    assert suggested.causes == ()
    assert any("the model suggests" in n for n in suggested.notes)
