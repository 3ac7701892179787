"""What the card says and in which order, and that Slack takes it whatever is in the report."""

import json
import re

import pytest
import slack_stories as stories
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.investigation.model import Action, Cited, StepView
from bot.slack import cards, rich
from bot.slack.answers import answer_message
from bot.slack.evidence_view import evidence_view, reason_view
from bot.slack.message import Message
from bot.slack.thread import file_name
from sandbox.workspace.blocks.check import check_blocks


def lines(message: Message) -> list[str]:
    """The words of the card's rich text, line by line."""
    parts = [part for block in message.blocks if block["type"] == "rich_text" for part in block["elements"]]
    return rich.plain(parts).split("\n")


def buttons(message: Message) -> list[str]:
    return [e["text"]["text"] for b in message.blocks if b["type"] == "actions" for e in b["elements"]]


def forms(message: Message) -> list[Message]:
    return [message] + (forms(message.simpler) if message.simpler else [])


def accepted(message: Message, surface: str = "message") -> None:
    for form in forms(message):
        assert 0 < len(form.text) <= 4000
        refusal = check_blocks(form.blocks, surface)
        assert refusal is None, refusal


def test_a_confirmed_verdict_reads_cause_certainty_reasons_remedy():
    card = cards.verdict_card(stories.report())
    assert lines(card) == [
        "checkout crashes because ConfigMap checkout-settings has no key PAYMENT_URL.",
        "Confirmed · since 03:01 UTC · all 3 replicas of the new revision, the old one still serves (2 of 3)",
        "Why",
        '• container cannot start: "couldn\'t find key PAYMENT_URL" [E3]',
        "• the reference came with the rollout at 03:01 [E2]",
        "Do  add the key, or roll back (low risk)",
        "kubectl -n shop rollout undo deploy/checkout",
        "Ruled out  memory (peak 41 % of limit) [E1] · node (healthy) [E5]",
    ]
    headline = card.blocks[0]["elements"][0]["elements"]
    assert headline[0]["style"] == {"bold": True}
    assert {"type": "text", "text": "checkout-settings", "style": {"code": True, "bold": True}} in headline
    assert buttons(card) == ["Show evidence", "Re-run"]
    footer = next(b for b in card.blocks if b["type"] == "context")
    assert footer["elements"][0]["text"].startswith("Checked 7 of 7")
    assert "no model" in footer["elements"][0]["text"]
    assert card.text.endswith("Confirmed, 7 of 7 checks ran.")
    accepted(card)


def test_an_inconclusive_verdict_looks_finished():
    card = cards.verdict_card(stories.inconclusive())
    assert lines(card) == [
        "No cause found yet. 4 of 7 checks ran.",
        "Inconclusive · firing since 03:12 UTC",
        "Known",
        "• frontend p99 2.1 s (usual 0.3 s) since 03:07 [E1]",
        "Not checked",
        "• logs: SigNoz did not answer in 10 s",
        "Ruled out  memory (peak 41 % of limit) [E1] · node (healthy) [E5]",
        "Next",
        "• look at the database behind cart",
    ]
    accepted(card)


def test_what_could_not_be_verified_is_marked():
    card = cards.verdict_card(
        stories.report(
            why=(Cited(text="memory leak", evidence=("E1",), verified=False), Cited(text="says OOM", tainted=True))
        )
    )
    assert "• memory leak [E1] (unverified)" in lines(card)
    assert "• says OOM (in the workload's own words)" in lines(card)


def test_escalation_is_offered_only_where_the_playbook_names_a_group():
    assert buttons(cards.verdict_card(stories.report(mentions=("team-checkout",)))) == [
        "Show evidence",
        "Re-run",
        "Escalate to @team-checkout",
    ]


def test_notes_stand_in_the_footer_and_are_not_many():
    card = cards.verdict_card(stories.report(notes=("no model: 429 four times", "b", "c")))
    footer = next(b for b in card.blocks if b["type"] == "context")
    assert [e["text"] for e in footer["elements"]][1:] == [
        "no model: 429 four times",
        "b",
        "and 1 more notes in the report",
    ]


def test_progress_is_a_plan_with_the_state_of_each_step():
    card = cards.progress_card(stories.progress())
    plan = card.blocks[0]
    assert (
        plan["title"]
        == "Investigating KubePodCrashLooping in shop · playbook kube-pod-crash-looping (name matched exactly)"
    )
    assert [(t["title"], t["status"]) for t in plan["tasks"]] == [
        ("What is crashing", "complete"),
        ("What changed", "error"),
        ("What it says", "in_progress"),
        ("What it needs", "pending"),
    ]
    assert rich.plain(plan["tasks"][0]["output"]["elements"]) == "14 restarts, last exit 1 [E1]"
    assert buttons(card) == ["Stop"]
    assert card.text == "Investigating KubePodCrashLooping in shop: 2 of 4 checks done"
    accepted(card)


@pytest.mark.parametrize(
    ("stage", "line", "task"),
    [
        ("accepted", "", ("Choosing a playbook", "in_progress")),
        (
            "accepted",
            "waiting: 8 other investigations are running",
            ("Waiting: 8 other investigations are running", "pending"),
        ),
        ("analysis", "weighing the findings", ("Weighing the findings", "in_progress")),
    ],
)
def test_what_is_going_on_has_a_row_of_its_own(stage, line, task):
    card = cards.progress_card(stories.progress(stage=stage, line=line, steps=()))
    assert [(t["title"], t["status"]) for t in card.blocks[0]["tasks"]] == [task]
    accepted(card)


def test_a_playbook_with_a_hundred_steps_fits():
    steps = tuple(StepView(id=f"s{n}", title=f"Step {n}") for n in range(100))
    card = cards.progress_card(stories.progress(steps=steps))
    assert card.blocks[0]["tasks"][-1]["title"] == "60 more checks"
    accepted(card)


def test_a_stopped_card_keeps_what_is_known_and_names_who():
    card = cards.stopped_card(stories.progress(), "U0DANA")
    assert card.blocks[0]["title"] == "Stopped: KubePodCrashLooping · 2 of 4 checks had run"
    assert "in_progress" not in json.dumps(card.blocks)
    assert card.blocks[1]["elements"][0]["text"] == "Stopped by <@U0DANA>"
    assert buttons(card) == ["Re-run"]
    accepted(card)


@pytest.mark.parametrize("who", ["<!channel>", "dana <@U1>", "U1; rm", ""])
def test_a_name_that_is_no_user_id_mentions_nobody(who):
    shown = cards.stopped_card(stories.progress(), who).blocks[1]["elements"][0]["text"]
    assert "<" not in shown


def test_a_failure_is_one_clear_line_with_a_way_on():
    card = cards.failed_card("inv-1", "KubePodCrashLooping", "The server `kubernetes` is away. Start it.")
    assert lines(card) == ["No investigation of KubePodCrashLooping.", "The server kubernetes is away. Start it."]
    assert buttons(card) == ["Re-run"]
    accepted(card)
    assert buttons(cards.failed_card("inv-1", "", "It cannot be read.")) == []


NASTY = [
    "<!channel> <@U012> <#C1>",
    "*bold* _i_ ~s~ `code`",
    "<https://evil.example|kubectl>",
    "https://evil.example",
    "a\u202eb\x00\x1b[31m",
]


@pytest.mark.parametrize("nasty", NASTY)
def test_foreign_text_is_never_parsed(nasty):
    """Rich text leaves are literal; what is mrkdwn (the notification's sentence) is escaped and breaks markup."""
    report = stories.report(headline=nasty, why=(Cited(text=nasty),), affected=nasty, notes=(nasty,))
    progress = stories.progress(
        alert=stories.alert(nasty), steps=(StepView(id="s", title=nasty, status="done", note=nasty),)
    )
    for card in (cards.verdict_card(report), cards.progress_card(progress), cards.failed_card("i", nasty, nasty)):
        accepted(card)
        for form in forms(card):
            assert "<" not in form.text
            assert not re.search(r"https?://", form.text)
            for leaf in leaves(form.blocks):
                assert leaf.get("type") not in {"user", "usergroup", "broadcast", "channel", "link", "mrkdwn"}


def leaves(value):
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)


texts = st.text(max_size=400)
cited = st.builds(
    Cited, text=texts, evidence=st.lists(st.from_regex(r"E[0-9]{1,3}", fullmatch=True), max_size=6).map(tuple)
)
many = st.lists(cited, max_size=8).map(tuple)


@given(
    headline=texts,
    affected=texts,
    since=st.none() | texts | st.just("2026-11-22T03:01:00Z"),
    verdict=st.sampled_from(["confirmed", "likely", "inconclusive"]),
    why=many,
    known=many,
    ruled_out=many,
    not_checked=many,
    notes=st.lists(texts, max_size=4).map(tuple),
    mentions=st.lists(texts, max_size=2).map(tuple),
    remediation=st.lists(st.builds(Action, do=texts, command=texts), max_size=3).map(tuple),
    next_steps=st.lists(texts, max_size=5).map(tuple),
)
@settings(max_examples=60, deadline=None)
def test_slack_takes_the_verdict_whatever_is_in_the_report(**more):
    accepted(cards.verdict_card(stories.report(**more)))


steps = st.lists(
    st.builds(
        StepView,
        id=st.from_regex(r"[a-z]{1,6}", fullmatch=True),
        title=texts,
        status=st.sampled_from(["pending", "running", "done", "failed", "skipped"]),
        note=texts,
        evidence=st.sampled_from(["", "E1"]),
    ),
    max_size=60,
    unique_by=lambda s: s.id,
).map(tuple)


@given(
    steps=steps,
    stage=st.sampled_from(["accepted", "routed", "steps", "analysis", "done", "cancelled", "failed"]),
    line=texts,
    playbook=texts,
    because=texts,
    name=texts,
)
@settings(max_examples=60, deadline=None)
def test_slack_takes_the_progress_whatever_is_in_it(steps, stage, line, playbook, because, name):
    state = stories.progress(
        steps=steps, stage=stage, line=line, playbook=playbook, chosen_because=because, alert=stories.alert(name)
    )
    accepted(cards.progress_card(state))
    accepted(cards.stopped_card(state, "U1"))


@given(source=st.text(max_size=3000), evidence=st.lists(st.just("E1"), max_size=30).map(tuple))
@settings(max_examples=60, deadline=None)
def test_slack_takes_every_answer(source, evidence):
    accepted(answer_message(source, evidence, ()))


def test_answers_keep_their_form_and_lose_foreign_links_and_mentions():
    message = answer_message(
        "**Nothing** was rolled out in `cart`.\n\n- one <!channel>\n- [two](https://evil.example/x)\n- [three](https://grafana.example/d/1)",
        ("E9",),
        ("grafana.example",),
    )
    found = list(leaves(message.blocks))
    assert {"type": "text", "text": "Nothing", "style": {"bold": True}} in found
    assert {"type": "text", "text": "cart", "style": {"code": True}} in found
    assert [leaf["url"] for leaf in found if leaf.get("type") == "link"] == ["https://grafana.example/d/1"]
    assert any(leaf.get("text") == "one <!channel>" for leaf in found)
    assert message.blocks[-1]["elements"][0]["text"] == "Evidence: E9"


@given(
    data=st.recursive(st.none() | texts, lambda x: st.lists(x, max_size=4) | st.dictionaries(texts, x, max_size=3)),
    page=st.integers(-3, 9),
)
@settings(max_examples=40, deadline=None)
def test_slack_takes_the_evidence_whatever_the_tools_answered(data, page):
    report = stories.report(
        evidence=tuple(stories.evidence(n, data=data, link="javascript:alert(1)", tainted=("*",)) for n in range(12))
    )
    view = evidence_view(report, page)
    assert check_blocks(view["blocks"], "modal") is None
    assert len(json.dumps(view)) < 250_000


def test_evidence_is_paged_and_links_only_where_allowed():
    report = stories.report(evidence=tuple(stories.evidence(n, link="https://signoz.example/logs") for n in range(12)))
    first, last = evidence_view(report, 0, ("signoz.example",)), evidence_view(report, 99)
    assert [b["text"]["text"] for b in first["blocks"][-1]["elements"]] == ["Next"]
    assert [b["text"]["text"] for b in last["blocks"][-1]["elements"]] == ["Previous"]
    assert "https://signoz.example/logs" in json.dumps(first)
    assert "https://signoz.example/logs" not in json.dumps(last)
    assert check_blocks(reason_view("inv-1")["blocks"], "modal") is None


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "rca-checkout-0312.md"),
        ({"causes": (), "alert": stories.alert(workload="Deployment/cart")}, "rca-cart-0312.md"),
        ({"causes": (), "alert": stories.alert("../../etc/passwd")}, "rca-etc-passwd-0312.md"),
        ({"causes": (), "alert": stories.alert("告警")}, "rca-report-0312.md"),
    ],
)
def test_the_file_is_named_after_what_it_is_about(more, name):
    assert file_name(stories.report(**more)) == name
