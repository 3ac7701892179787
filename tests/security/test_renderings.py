"""A stranger's words in every field of a report: nothing in Slack, in the Markdown file or on a terminal comes alive."""

import io
import re
from datetime import UTC, datetime

import attacker_kit as kit
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from bot.alerts.model import Alert
from bot.investigation import render_markdown, render_terminal
from bot.investigation.model import Action, Cause, ChangeLine, Check, Cited, Finding, Progress, Report, StepView
from bot.slack import cards
from bot.slack.answers import answer_message
from bot.slack.evidence_view import evidence_view
from bot.slack.message import Message
from bot.tools.evidence import Evidence
from mcp_servers.common.envelope import ErrorInfo

NOW = datetime(2026, 11, 22, 3, 12, tzinfo=UTC)


def soaked(words: str, verdict: str = "likely") -> Report:
    """A report in which everything that can be text is the stranger's."""
    alert = Alert(
        source=words, name=words, summary=words, namespace=words, labels={"a": words}, fingerprint="f", starts_at=NOW
    )
    line = Cited(text=words, evidence=("E1",), tainted=True)
    evidence = Evidence(
        id="E1", step="s", server="kubernetes", tool="get_pod_logs", arguments={"q": words}, summary=words,
        data={"lines": [words], words[:50]: words}, link=words, tainted=("*",), at=NOW, notes=(words,),
    )  # fmt: skip
    failed = evidence.model_copy(
        update={
            "id": "E2",
            "status": "error",
            "error": ErrorInfo(code="UPSTREAM", message=words, hint=words),
            "data": None,
        }
    )
    return Report(
        id="inv-1", alert=alert, verdict=verdict, headline=words, summary=words, since=words, affected=words, playbook="general",
        chosen_because=words, causes=(Cause(code="app.error.new_exception", object=words, confidence=0.6, title=words, says=words),),
        why=(line,), known=(line,), ruled_out=(line,), not_checked=(line,), next_steps=(words,), explanation=(line,),
        findings=(Finding(id="f", state="true", title=words, object=words, why=words, reason=words),),
        checks=(Check(id="c", title=words, status="failed", reason=words, evidence="E2"),),
        changes=(ChangeLine(at=words, kind="config", target=words, what=words, diff=(words,), actor=words, evidence="E1"),),
        blind_spots=(words,), remediation=(Action(do=words, command="kubectl get pods"),), evidence=(evidence, failed),
        notes=(words,), mentions=(words,), started_at=NOW,
    )  # fmt: skip


def running(words: str) -> Progress:
    step = StepView(id="s", title=words, status="failed", note=words)
    return Progress(
        investigation="inv-1", stage="analysis", alert=soaked(words).alert, playbook=words, chosen_because=words,
        steps=(step,), line=words, started_at=NOW,
    )  # fmt: skip


def slack_of(words: str) -> list[object]:
    report = soaked(words)
    messages: list[Message | None] = [
        cards.verdict_card(report),
        cards.verdict_card(soaked(words, "inconclusive")),
        cards.progress_card(running(words)),
        cards.stopped_card(running(words), words),
        cards.failed_card("inv-1", words, words),
        answer_message(words, ("E1",), ()),
    ]
    payloads: list[object] = [evidence_view(report, 0)]
    for form in messages:
        message = form
        while message is not None:  # the simpler forms go out when Slack refuses the blocks
            payloads.append({"text": message.text, "blocks": message.blocks})
            message = message.simpler
    return payloads


@pytest.mark.parametrize("words", kit.HOSTILE)
def test_nothing_of_a_stranger_is_live_in_slack(words: str) -> None:
    assert [a for payload in slack_of(words) for a in kit.alive(payload)] == []


@pytest.mark.parametrize(
    "payload",
    [
        {"text": "hello <!channel>"},
        {"text": "see https://evil.example/x"},
        {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "<https://evil.example|x>"}}]},
        {"blocks": [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "broadcast"}]}]}]},
        {"blocks": [{"type": "image", "image_url": "https://evil.example/x.png", "alt_text": "x"}]},
        {"blocks": [{"type": "actions", "elements": [{"type": "button", "url": "https://evil.example"}]}]},
    ],
)  # fmt: skip
def test_the_eyes_see_what_is_live(payload: dict[str, object]) -> None:
    assert kit.alive(payload)


def test_the_escalate_button_is_the_only_place_that_names_a_group_and_it_is_plain_text() -> None:
    buttons = [
        e for b in cards.verdict_card(soaked("<!subteam^S1>")).blocks if b["type"] == "actions" for e in b["elements"]
    ]
    assert {b["text"]["type"] for b in buttons} == {"plain_text"}


def _rendered(markdown: str) -> tuple[set[str], str]:
    """The HTML elements a viewer makes of it, and the text outside of code, where bare addresses become links."""
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    outside = re.sub(r"<(pre|code)\b[^>]*>.*?</\1>", "", html, flags=re.DOTALL)
    return set(re.findall(r"<([a-z0-9]+)", outside)), outside


OWN_ELEMENTS = {
    "h1",
    "h2",
    "h3",
    "p",
    "ul",
    "li",
    "hr",
    "br",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "pre",
    "code",
}
_AUTOLINK = re.compile(r"(?i)(?<!\\)\b(?:https?|ftp|mailto):|\bwww\.")


@pytest.mark.parametrize("words", kit.HOSTILE)
def test_the_report_file_holds_no_markup_of_a_stranger(words: str) -> None:
    markdown = render_markdown.render(soaked(words))
    elements, _ = _rendered(markdown)
    assert elements <= OWN_ELEMENTS
    outside = re.sub(r"(?ms)^(`{3,}).*?^\1$|`[^`\n]*`", "", markdown)
    assert not _AUTOLINK.search(outside), _AUTOLINK.search(outside)
    headings = [line for line in markdown.splitlines() if line.startswith("# ")]
    assert len(headings) == 1, headings


@given(st.text(alphabet="`[](){}<>!|#*_~\\ \n:/-=.abhtpsw\x1b", max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_combination_of_signs_breaks_out_of_the_report_file(words: str) -> None:
    elements, _ = _rendered(render_markdown.render(soaked(words + "[x](http://evil.example)<img src=x>")))
    assert elements <= OWN_ELEMENTS


@given(st.text(alphabet="<>!@#|&*_`~ \n:/^hcSU0abelnrtps.\u200b\x1b", max_size=60))
@settings(max_examples=30, deadline=None)
def test_no_combination_of_signs_breaks_out_in_slack(words: str) -> None:
    assert [a for payload in slack_of(words + " <!channel> <https://evil.example|x>") for a in kit.alive(payload)] == []


@pytest.mark.parametrize("words", kit.HOSTILE)
def test_a_terminal_is_not_painted(words: str) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=False, width=200)
    console.print(render_terminal.report(soaked(words)))
    console.print(render_terminal.progress(running(words)))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", out.getvalue())


def test_a_terminal_shows_brackets_as_they_are() -> None:
    out = io.StringIO()
    Console(file=out, width=400).print(render_terminal.progress(running("[b]x[/b]")))
    assert out.getvalue().count("[b]x[/b]") == 6, "alert, playbook, reason, title, note, line"
