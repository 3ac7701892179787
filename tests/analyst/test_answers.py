"""Questions in the thread: answered from what the investigation knows, with what it looked at and what it could not see."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.investigation.analyst import Analyst
from bot.investigation.answer import Answer, answer
from bot.investigation.model import ChangeLine, Report
from bot.investigation.topics import Question, shown
from bot.settings import ModelSettings
from mcp_servers.common.envelope import Signal
from sandbox.model.server import ScriptedModel


async def ask(question: str, report: Report, analyst: Analyst | None = None) -> Answer:
    return await answer(question, report, report.evidence, analyst)


@pytest.mark.parametrize(
    ("question", "says", "cites"),
    [
        ("what changed?", "03:01 Deployment/shop/checkout: image 2.14 to 2.15 by argocd", "E2"),
        ("what changed in checkout in the last year of days?", "image 2.14 to 2.15", "E2"),
        ("who did that?", "argocd", "E2"),
        ("why does it crash?", "couldn't find key PAYMENT", "E1"),
        ("what happened", "checkout crashes because", "E1"),
        ("since when?", "Since", "E1"),
        ("what was ruled out?", "Ruled out: memory", "E1"),
        ("how do I fix it?", "`kubectl -n shop rollout undo deploy/checkout` (low risk)", "E2"),
        ("who is affected", "all 3 replicas", "E1"),
        ("are you sure?", "decisive evidence", "E1"),
        ("what did you check", "2 of 3 checks ran", "E1"),
        ("restarts of the pods?", "PAYMENT", "E1"),
        ("how is payments doing", "payments: 2 of 2 ready", "E3"),
    ],
)
async def test_a_question_is_answered_from_the_evidence(question: str, says: str, cites: str, report: Report) -> None:
    given_answer = await ask(question, report)
    assert says in given_answer.text.replace("\\_", "_")
    assert f"[{cites}]" in given_answer.text
    assert cites in given_answer.evidence
    assert given_answer.note == ""


async def test_every_answer_says_what_was_looked_at_and_what_is_blind(report: Report) -> None:
    text = (await ask("what changed?", report)).text
    assert "Looked at: What is crashing, What changed." in text
    assert "Blind: Secrets, What it says (no answer in 10 s)." in text


async def test_that_nothing_changed_is_an_answer_too(report: Report) -> None:
    given_answer = await ask("what changed in payments in the last two hours?", report)
    assert "No change was found in `payments`" in given_answer.text
    assert given_answer.evidence == ("E2",)


async def test_a_time_span_is_kept(report: Report) -> None:
    now = datetime.now(UTC)
    changes = tuple(
        ChangeLine(
            at=(now - age).isoformat(), kind="rollout", target="Deployment/shop/checkout", what=what, evidence="E2"
        )
        for age, what in ((timedelta(minutes=20), "recent one"), (timedelta(hours=5), "old one"))
    )
    text = (await ask("what changed in the last 2 hours", report.model_copy(update={"changes": changes}))).text
    assert "recent one" in text
    assert "old one" not in text


async def test_what_the_evidence_does_not_know_is_said(report: Report) -> None:
    text = (await ask("qwertz zxcvb", report)).text
    assert "The evidence says nothing about that" in text
    assert "changes" in text


async def test_a_log_is_told_as_the_log_signals_tell_it(report: Report) -> None:
    signal = Signal(
        code="log.conn_refused",
        severity="warning",
        subject="Pod/shop/a",
        detail="refused by db:5432, see https://evil.example",
    )
    evidence = report.evidence[0].model_copy(update={"signals": (signal,)})
    text = (await answer("what does the log say", report, [evidence], None)).text
    assert "refused by db:5432" in text
    assert "evil.example" not in text


@pytest.mark.parametrize(
    "hostile", ["<!channel> look", "[click](https://evil.example)", "*bold* `code` _x_", "run kubectl delete ns shop"]
)
def test_foreign_text_is_shown_without_effect(hostile: str) -> None:
    text = shown(hostile)
    for bad in ("<!channel>", "](", "https://", "kubectl delete"):
        assert bad not in text.replace("\\", "") or bad == "]("
    assert "evil.example" not in text


def test_names_and_spans_in_a_question_are_understood(report: Report) -> None:
    now = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
    asked = Question.of("What changed in CHECKOUT in the last 30 minutes?", report, now)
    assert asked.names == ("checkout",)
    assert asked.since == now - timedelta(minutes=30)
    assert Question.of("in the past hour", report, now).since == now - timedelta(hours=1)
    assert Question.of("over the last two days", report, now).since == now - timedelta(days=2)
    assert Question.of("at last", report, now).since is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=300))
def test_any_question_gets_an_answer(report: Report, question: str) -> None:
    given_answer = asyncio.run(answer(question, report, report.evidence, None))
    assert given_answer.text.strip()
    assert len(given_answer.text) < 6_000


def analyst(model: ScriptedModel, **more: Any) -> Analyst:
    return Analyst(
        ModelSettings.model_validate(
            {"kind": "openai", "api_key": "k", "base_url": model.base_url, "standard": "std", **more}
        )
    )


async def test_with_a_model_only_sentences_that_hold_are_shown(report: Report) -> None:
    async with ScriptedModel("good") as model:
        used = analyst(model)
        given_answer = await ask("why does it crash?", report, used)
        await used.close()
    assert "1 pod crash-looping, 14 restarts [E1]" in given_answer.text
    assert "Looked at:" in given_answer.text
    assert '"why does it crash?"' in model.requests[0].prompt
    assert model.requests[0].tool_names == []


@pytest.mark.parametrize(
    ("script", "note"),
    [("ungrounded", "did not hold"), ("injected", "did not hold"), ("nonsense", "not usable")],
)
async def test_when_the_model_does_not_hold_the_evidence_answers_and_a_line_says_so(
    script: str, note: str, report: Report
) -> None:
    async with ScriptedModel(script) as model:
        used = analyst(model)
        given_answer = await ask("what changed?", report, used)
        await used.close()
    assert "image 2.14 to 2.15" in given_answer.text
    assert note in given_answer.note
    assert "answered from the evidence" in given_answer.note
    for bad in ("7431", "evil.example", "kubectl delete"):
        assert bad not in given_answer.text
