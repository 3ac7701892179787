"""One alert through route, steps, findings and verdict to the report, over the real hub and a real (in-process) MCP server."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult
from rich.console import Console

from bot.alerts.model import Alert
from bot.investigation import render_json, render_markdown, render_terminal
from bot.investigation.investigator import Investigator
from bot.investigation.model import ChangeLine, Progress, Report
from bot.investigation.reach import Reach
from bot.playbooks.model import Playbook
from bot.playbooks.router import Choice
from bot.settings import ServerSettings
from bot.tools.hub import Hub
from mcp_servers.common.envelope import Envelope, ToolFailure, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.strict import tool

CHECKOUT = "Deployment/shop/checkout"
ALERT = Alert(source="alertmanager", name="KubePodCrashLooping", severity="warning", namespace="shop", pod="checkout-1")

STEPS = [
    {"id": "pod", "title": "What is crashing", "tool": "k8s.pod", "args": {"name": "{{ alert.pod }}"}, "key": True},
    {"id": "changes", "title": "What changed", "tool": "k8s.changes"},
    {"id": "logs", "title": "What it says", "tool": "k8s.logs"},
]
FINDINGS = [
    {
        "id": "oom",
        "on": "k8s.pod.oom_killed",
        "cause": "kubernetes.container.oom_killed",
        "confidence": 0.95,
        "decisive": True,
        "severity": "critical",
        "title": "{{ signal.name }} is killed at its memory limit",
        "suppresses": ["crash"],
        "remediation": [
            {
                "do": "Raise the limit of {{ signal.name }}",
                "command": "kubectl -n {{ signal.namespace }} edit x",
                "risk": "low",
            }
        ],
    },
    {
        "id": "crash",
        "on": "k8s.pod.crash_loop",
        "cause": "kubernetes.container.crash",
        "confidence": 0.6,
        "title": "it crashes",
    },
    {
        "id": "rollout",
        "on": "change.before_onset",
        "cause": "change.rollout",
        "confidence": 0.5,
        "title": "a rollout came before",
    },
    {
        "id": "refused",
        "on": "log.conn_refused",
        "cause": "app.dependency.unreachable",
        "confidence": 0.9,
        "decisive": True,
        "title": "refused",
    },
]


async def oom() -> Annotated[CallToolResult, Envelope]:
    found = [
        signal(
            "k8s.pod.oom_killed", "Pod/shop/checkout-1", "killed at 256Mi", owner=CHECKOUT, since="2026-11-22T03:01:00Z"
        ),
        signal("k8s.pod.crash_loop", "Pod/shop/checkout-1", "14 restarts", owner=CHECKOUT),
    ]
    return ok(Envelope(summary="checkout-1: OOMKilled, 14 restarts", signals=found))


async def rollout() -> Annotated[CallToolResult, Envelope]:
    found = [signal("change.before_onset", CHECKOUT, "rolled out 03:01", reason="rollout")]
    return ok(Envelope(summary="1 change", signals=found))


async def refused() -> Annotated[CallToolResult, Envelope]:
    found = [signal("log.conn_refused", "Pod/shop/checkout-1", "db:5432", owner=CHECKOUT)]
    return ok(Envelope(summary="connection refused", signals=found, untrusted=["lines"]))


async def nothing() -> Annotated[CallToolResult, Envelope]:
    return ok(Envelope(summary="nothing unusual"))


async def away() -> Annotated[CallToolResult, Envelope]:
    raise ToolFailure(
        "FORBIDDEN", "may not list pods in shop", missing_permission="list pods", hint="bind the ClusterRole"
    )


@asynccontextmanager
async def investigator(**answers: Any) -> AsyncIterator[Investigator]:
    emits = {
        "pod": ("k8s.pod.oom_killed", "k8s.pod.crash_loop"),
        "changes": ("change.before_onset",),
        "logs": ("log.conn_refused",),
    }

    async def named(name: str = "") -> Annotated[CallToolResult, Envelope]:
        return await answers["pod"]()  # type: ignore[no-any-return]

    tools = [
        tool(named if name == "pod" else answers[name], name, f"Answers about {name}.", signals=codes)
        for name, codes in emits.items()
    ]
    hub = Hub([ServerSettings(name="k8s")], ready={"k8s": MCPServer("k8s", tools=tools)})
    await hub.start()
    await hub.wait_ready(5)
    book = Playbook.model_validate(
        {
            "version": 1,
            "id": "pod-crash",
            "title": "Pod crashes",
            "description": "d",
            "steps": STEPS,
            "findings": FINDINGS,
            "ruled_out": {"rollouts": "steps.changes.signals | length == 0"},
            "next_steps": ["look at the node of {{ alert.pod }}"],
        }
    )
    try:
        yield Investigator(
            hub, lambda alert, pin: Choice(playbook=book, stage="clause", because="name matched exactly")
        )
    finally:
        await hub.stop()


async def run(seen: list[Progress] | None = None, **answers: Any) -> Report:
    async with investigator(**answers) as subject:
        return await subject.investigate(ALERT, investigation="inc-1", emit=(seen if seen is not None else []).append)


async def test_a_confirmed_cause_with_its_evidence() -> None:
    seen: list[Progress] = []
    report = await run(seen, pod=oom, changes=rollout, logs=nothing)
    assert (report.verdict, report.headline) == ("confirmed", "checkout is killed at its memory limit")
    assert (report.causes[0].code, report.causes[0].object) == ("kubernetes.container.oom_killed", CHECKOUT)
    assert report.since == "2026-11-22T03:01:00Z"
    assert [w.evidence for w in report.why] == [("E1",), ("E2",)]
    assert report.remediation[0].command == "kubectl -n shop edit x"
    assert report.ran == (3, 3)
    assert report.tool_calls == 3
    assert [f.suppressed_by for f in report.findings if f.id == "crash"] == ["oom"]
    assert seen[-1].stage == "done"


async def test_the_same_input_gives_the_same_report() -> None:
    drop = {"started_at", "duration_seconds", "checks", "evidence"}
    first = await run(pod=oom, changes=rollout, logs=refused)
    second = await run(pod=oom, changes=rollout, logs=refused)
    assert first.model_dump(exclude=drop) == second.model_dump(exclude=drop)


async def test_nothing_found_looks_finished() -> None:
    report = await run(pod=nothing, changes=nothing, logs=nothing)
    assert (report.verdict, report.headline) == ("inconclusive", "Nothing wrong found now. 3 of 3 checks ran.")
    assert [r.text for r in report.ruled_out] == ["rollouts"]
    assert report.ruled_out[0].evidence == ("E2",)
    assert report.next_steps == ("look at the node of checkout-1",)
    assert report.known


async def test_a_failed_check_makes_its_findings_unknown_and_is_named() -> None:
    report = await run(pod=away, changes=nothing, logs=nothing)
    assert report.headline == "No cause found yet. 2 of 3 checks ran."
    unknown = {f.id: f.reason for f in report.findings if f.state == "unknown"}
    assert set(unknown) == {"oom", "crash"}
    assert "may not list pods" in unknown["oom"]
    assert "bind the ClusterRole" in report.not_checked[0].text


def with_metrics(book: Playbook) -> Playbook:
    """The playbook, which also knows a server that this team does not run."""
    steps = [{"id": f"m{n}", "title": "How busy it is", "tool": "metrics.busy", "key": True} for n in (1, 2)]
    rule = {
        "id": "busy",
        "on": "svc.traffic_spike",
        "steps": ["m1"],
        "cause": "app.load.traffic_spike",
        "title": "busy",
    }
    return Playbook.model_validate(
        book.model_dump()
        | {"steps": [*book.model_dump()["steps"], *steps], "findings": [*book.model_dump()["findings"], rule]}
    )


async def test_a_server_that_is_not_configured_is_named_once_and_holds_no_verdict_back() -> None:
    async with investigator(pod=oom, changes=nothing, logs=nothing) as subject:
        book = with_metrics(subject.choose(ALERT, "").playbook)
        wider = Investigator(subject.tools, lambda alert, pin: Choice(playbook=book, stage="clause", because="pinned"))
        report = await wider.investigate(ALERT, investigation="inc-2")
    assert report.verdict == "confirmed"
    assert [c.text for c in report.not_checked] == ["metrics: no such server is configured; 2 checks need it"]
    assert report.ran == (3, 3)
    assert [f.state for f in report.findings if f.id == "busy"] == ["unknown"]


async def test_without_any_of_its_servers_a_playbook_says_that_nothing_was_checked() -> None:
    async with investigator(pod=oom, changes=nothing, logs=nothing) as subject:
        book = with_metrics(subject.choose(ALERT, "").playbook)
        alone = book.model_copy(update={"steps": book.steps[3:], "findings": (), "ruled_out": {}})
        wider = Investigator(subject.tools, lambda alert, pin: Choice(playbook=alone, stage="clause", because="pinned"))
        report = await wider.investigate(ALERT, investigation="inc-3")
    assert (report.verdict, report.headline) == (
        "inconclusive",
        "Nothing could be checked: no server called metrics is configured.",
    )


async def test_many_changes_of_one_kind_are_one_line() -> None:
    report = await run(pod=oom, changes=nothing, logs=nothing)
    many = [
        ChangeLine(
            at=f"2026-11-22T03:00:{n:02}Z", kind="scale", target=f"Deployment/shop/d{n}", what="scaled", evidence="E2"
        )
        for n in range(30)
    ]
    other = ChangeLine(
        at="2026-11-22T02:59:00Z", kind="rollout", target="Deployment/shop/a", what="rolled out", evidence="E2"
    )
    text = render_markdown.render(report.model_copy(update={"changes": (*many, other)}))
    section = text.split("## What changed")[1].split("##")[0]
    assert section.count("scaled") == 3
    assert "27 more of the kind `scale`, 2026-11-22T03:00:03Z to 2026-11-22T03:00:29Z" in section
    assert "rolled out" in section


async def test_text_of_a_workload_never_confirms() -> None:
    report = await run(pod=nothing, changes=nothing, logs=refused)
    assert report.causes[0].code == "app.dependency.unreachable"
    assert report.verdict != "confirmed"
    assert all(line.tainted for line in (*report.why, *report.known))
    assert (
        report.headline == f"Suspect: something the application needs does not answer ({CHECKOUT}). 3 of 3 checks ran."
    )
    assert "only log text speaks for it" in " ".join(report.notes)


async def test_a_key_check_that_failed_caps_the_verdict() -> None:
    report = await run(pod=away, changes=nothing, logs=refused)
    assert report.verdict != "confirmed"
    assert "what is crashing could not be checked" in " ".join(report.notes)


async def test_inputs_of_a_person_are_part_of_the_alert() -> None:
    async with investigator(pod=oom, changes=nothing, logs=nothing) as subject:
        alert = Alert(source="slack", name="manual")
        report = await subject.investigate(alert, investigation="i", inputs={"pod": "checkout-1", "team": "shop"})
    assert (report.alert.pod, report.alert.labels["team"]) == ("checkout-1", "shop")


def test_the_alerts_objects_are_its_named_ones() -> None:
    alert = Alert(source="a", name="n", namespace="shop", workload="Deployment/checkout", pod="checkout-1", node="w1")
    assert Reach.of(alert, []).targets == {CHECKOUT, "Pod/shop/checkout-1", "Node/w1"}


async def test_all_renderings_tell_the_same() -> None:
    report = await run(pod=oom, changes=rollout, logs=away)
    payload = json.loads(json.dumps(render_json.render(report)))
    assert payload["verdict"] == "confirmed"
    assert payload["causes"][0]["evidence"] == ["E1"]
    markdown = render_markdown.render(report)
    console = Console(record=True, width=120, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render_terminal.report(report))
    terminal = console.export_text()
    for text in (markdown, terminal):
        assert report.headline in text
        assert "Confirmed · since" in text
        assert "Checked 2 of 3" in text
        assert "[E1]" in text
        assert "kubectl -n shop edit x" in text


async def test_hostile_text_stays_text_in_markdown() -> None:
    async def hostile() -> Annotated[CallToolResult, Envelope]:
        text = "# owned\n[click](http://evil) <!channel> ``` `rm -rf /`"
        return ok(Envelope(summary=text, signals=[signal("k8s.pod.crash_loop", "Pod/a/b", text)]))

    markdown = render_markdown.render(await run(pod=hostile, changes=nothing, logs=nothing))
    tokens = MarkdownIt().parse(markdown)
    headings = [tokens[n + 1].content for n, t in enumerate(tokens) if t.type == "heading_open" and t.tag == "h1"]
    assert headings == ["it crashes"]
    assert not [c for t in tokens for c in t.children or [] if c.type in ("link_open", "image", "html_inline")]
    assert not [t for t in tokens if t.type == "html_block"]


@given(st.text(alphabet=st.sampled_from("`*_[]()<>#|!~\\\nab "), max_size=60))
def test_escaped_text_never_becomes_markup(text: str) -> None:
    line = render_markdown.escape(" ".join(text.split()))
    tokens = MarkdownIt().parse(f"- x {line}")
    kinds = {c.type for t in tokens for c in t.children or []}
    assert kinds <= {"text", "code_inline", "softbreak", "hardbreak"}
